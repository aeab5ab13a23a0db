"""A process that flies and tells until something ends it: `python flyer.py FOLDER END`, END one of the words below.

It says "up" on standard output when it is under way. `loop`: notes frames as fast as it can until it is killed.
`rest`: notes some and waits. `segv`, `abort`: ends itself so. `land`: ends in order.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from appliance.records import MOMENT, Keypoints, Shown, Update
from appliance.station import crash
from appliance.station.flight import FILE, Flight, boot_id
from appliance.station.recording import Header
from appliance.station.status import Status, process_state, write_status

RATE_HZ = 120.0
HEADER = Header(width_px=640, height_px=480, rate_hz=RATE_HZ, software="hipbar of a test")
SETTINGS = '[strip]\nleds = 60  # of Maria\'s corner\nhost = "wled.local"\n'


def update(seq: int) -> Update:
    """Frame `seq`: what is in it follows from its number, so that it is known when it is read back."""
    xy_px = np.array([[300.0, 200.0], [340.0, 200.5], [305.0, 420.0], [335.0, np.nan]]) + seq / 4096
    marks = Keypoints(seq, seq / RATE_HZ, xy_px, np.full(4, 1.0))
    moment = np.zeros(1, MOMENT)[0]
    leds = np.zeros((60, 3), np.uint8)
    return Update(seq, seq / RATE_HZ, marks, moment, (), leds, Shown.MEASUREMENT, 0)


def main() -> None:
    folder, end = Path(sys.argv[1]), sys.argv[2]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    crash.listen(folder / crash.TRACEBACK)
    flight = Flight(folder / FILE, RATE_HZ, software="hipbar of a test", settings_text=SETTINGS)
    flight.carry(HEADER)
    flight.say("running")
    tell(folder)
    for seq in range(2000):
        flight.note(update(seq), seq / RATE_HZ + 0.004)
    print("up", flush=True)
    seq = 2000
    while end == "loop":
        flight.note(update(seq), seq / RATE_HZ + 0.004)
        seq += 1
    if end == "land":
        flight.landed()
    elif end == "segv":
        ctypes.string_at(0)
    elif end == "abort":
        os.abort()
    else:
        signal.pause()


def tell(folder: Path) -> None:
    now_s = time.monotonic()
    status = Status(
        version="hipbar of a test",
        state="running",
        state_since_s=now_s,
        started_s=now_s,
        written_s=now_s,
        boot_id=boot_id(),
        pid=os.getpid(),
        process_start=process_state("self")[1],
    )
    assert write_status(folder, status) is None


if __name__ == "__main__":
    main()
