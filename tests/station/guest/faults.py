"""Faults happen to a running station, and what it then showed and said becomes one JSON object on standard output.

Runs in the guest as root, with a film to feed the camera:  python faults.py FILM [NAME ...]
Each fault waits until the bar measures, strikes, waits for what should follow (bytes on the SPI bus, lines in the
journal), mends what it broke and waits until the bar measures again. It judges nothing: the tests on the host do.
Times are seconds on CLOCK_MONOTONIC. What did not happen in time is told as `trouble`, and the next fault goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chip
import film
import light
import service
import wires

from appliance.config import parse

LIGHT_PIN = 22
PATIENCE_S = 60.0
_STEADY_S = 0.4  # of measuring, before a fault may strike
_STARTING_S = 120.0
_CAMERA = """\
[camera]
source = "v4l2"
device = "{device}"
width_px = {width_px}
height_px = {height_px}
rate_hz = {rate_hz}
"""
_STATION = """\
[feedback]
mode = "live"
[strip]
kind = "apa102"
leds = 32
[panel]
kind = "gpio"
"""
_KNOBS = {
    "camsim": ("error_next", "short_next", "garbage_next", "gap_next", "stall", "streamon_errno"),
    "spi_capture": ("fail_next", "stall_next", "delay_next"),
}
Evidence = dict[str, Any]


class Bench:
    """The station under test, with all that watches it."""

    def __init__(self, story: Path) -> None:
        about, _ = film.read(story)
        self.camera = _CAMERA.format(device=wires.CAMERA, **about)
        self.text = self.camera + _STATION
        subprocess.run(["modprobe", "-a", "spi-capture", "gpio-sim"], check=True)
        sizes = [f"{key.removesuffix('_px')}={value}" for key, value in about.items()]
        cache = os.environ.get("NUMBA_CACHE_DIR", "/var/cache/hipbar/numba")
        subprocess.run(
            ["chmod", "-R", "a+rwX", cache], check=False
        )  # whoever may not write there compiles anew
        subprocess.run(["modprobe", "-r", "camsim"], check=False)
        subprocess.run(["modprobe", "camsim", *sizes], check=True)
        self.chip = chip.Chip()
        self.capture = wires.Capture()
        self.looks = light.Looks(parse(self.text))
        self.journal = service.Journal()
        player = [sys.executable, str(Path(__file__).with_name("film.py")), "play", str(story)]
        service.start(service.FEED_UNIT, *player)
        self.config = service.settings_file("station", self.text)
        self.began_s = time.monotonic()
        os.environ |= chip.PI
        service.start(service.UNIT, service.HIPBAR, "run", "--config", self.config, environment=chip.PI)

    def look(self) -> str:
        """What the bar shows now."""
        self.looks.add(self.capture.read())
        return self.looks.now

    def shows(self, name: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until the bar shows that."""
        wires.wait_for(lambda: self.look() == name, patience_s, f"the bar to show {name}")

    def measures(self, patience_s: float = _STARTING_S) -> None:
        """Wait until the bar has been measuring for a moment."""

        def steadily() -> bool:
            return self.look() == light.MEASURING and self.looks.steady_s(time.monotonic()) >= _STEADY_S

        wires.wait_for(steadily, patience_s, "the bar to measure")

    def says(self, words: str, since_s: float, patience_s: float = PATIENCE_S) -> None:
        """Wait until the journal says that."""
        wires.wait_for(lambda: self._heard(words, since_s), patience_s, f"the log to say {words!r}")

    def _heard(self, words: str, since_s: float) -> bool:
        self.look()
        return self.journal.said(words, since_s)

    def mend(self) -> None:
        """Everything as it should be, whatever the last fault left behind."""
        for module, names in _KNOBS.items():
            for name in names:
                wires.set_knob(module, name, 0)
        for what in ("camera", "strip"):
            if not wires.plugged(what):
                wires.plug(what)

    def close(self) -> None:
        """Stop what was started."""
        self.mend()
        service.stop(service.UNIT)
        service.stop(service.FEED_UNIT)
        self.journal.close()
        self.capture.close()
        subprocess.run(["modprobe", "-r", "camsim"], check=False)


# ---- the faults: each strikes, waits, and mends; what it returns goes into the evidence ----


def starting(bench: Bench) -> Evidence:
    """Not a fault: the station starts."""
    bench.measures()
    return {"struck_s": bench.began_s, "mended_s": bench.began_s}


def camera_unplugged(bench: Bench) -> Evidence:
    struck_s = wires.unplug("camera")
    bench.shows("NO_DATA")
    bench.says("pulled out", struck_s)
    mended_s = wires.plug("camera")
    bench.says("plugged in again", mended_s)
    return {"struck_s": struck_s, "mended_s": mended_s}


def feed_stalled(bench: Bench) -> Evidence:
    """The stream hangs in a way that only starting it anew cures."""
    struck_s = wires.set_knob("camsim", "stall", 2)
    bench.shows("NO_DATA")
    bench.says("restarting the stream", struck_s)
    bench.says("frames again", struck_s)
    return {"struck_s": struck_s, "mended_s": struck_s}


def feed_stalled_briefly(bench: Bench) -> Evidence:
    struck_s = wires.set_knob("camsim", "stall", 1)
    bench.shows("NO_DATA")
    mended_s = wires.set_knob("camsim", "stall", 0)
    return {"struck_s": struck_s, "mended_s": mended_s}


def feed_stalled_for_good(bench: Bench) -> Evidence:
    """Nothing cures it until the station has given up; meanwhile somebody takes a line of the panel."""
    struck_s = wires.set_knob("camsim", "stall", 1)
    with chip.Held(bench.chip, LIGHT_PIN):  # once the station has let go of it
        bench.says("status=5", struck_s)
        mended_s = wires.set_knob("camsim", "stall", 0)
        bench.measures()
    return {"struck_s": struck_s, "mended_s": mended_s}


def one_bad_frame(bench: Bench) -> Evidence:
    """One damaged frame, one that is cut short and one that is lost, with good ones in between: nobody may notice."""
    struck_s = time.monotonic()
    for name in ("error_next", "short_next", "gap_next"):
        wires.set_knob("camsim", name, 1)
        wires.wait_for(lambda name=name: wires.knob("camsim", name) == 0, PATIENCE_S, name)  # type: ignore[misc]
        enough = int(wires.camera_state()["filled"]) + 15
        wires.wait_for(lambda: int(wires.camera_state()["filled"]) >= enough, PATIENCE_S, "good frames")  # noqa: B023
    bench.look()
    mended_s = time.monotonic()
    totals = [total for at_s, total in bench.looks.totals if struck_s <= at_s <= mended_s]
    return {"struck_s": struck_s, "mended_s": mended_s, "totals": totals}


def _corrupted(knob: str) -> Callable[[Bench], Evidence]:
    def strike(bench: Bench) -> Evidence:
        struck_s = wires.set_knob("camsim", knob, 1_000_000)
        bench.shows("NO_DATA")
        return {"struck_s": struck_s, "mended_s": wires.set_knob("camsim", knob, 0)}

    return strike


def strip_gone(bench: Bench) -> Evidence:
    """Away for half a second: the driver finds it again."""
    struck_s = wires.unplug("strip")
    bench.says("writing failed", struck_s)
    mended_s = wires.plug("strip")
    bench.says("writing again", struck_s)
    return {"struck_s": struck_s, "mended_s": mended_s}


def strip_gone_for_long(bench: Bench) -> Evidence:
    """Away until the station has given up and been started again, in vain, once."""
    struck_s = wires.unplug("strip")
    bench.says("status=6", struck_s)
    first_s = time.monotonic()
    bench.says("status=6", first_s)
    mended_s = wires.plug("strip")
    return {"struck_s": struck_s, "mended_s": mended_s}


def strip_errors(bench: Bench) -> Evidence:
    """Ten transfers fail with EIO."""
    wires.set_knob("spi_capture", "fail_errno", 5)
    struck_s = wires.set_knob("spi_capture", "fail_next", 10)
    wires.wait_for(lambda: wires.knob("spi_capture", "fail_next") == 0, PATIENCE_S, "the failing transfers")
    mended_s = time.monotonic()
    bench.says("writing again", struck_s)
    return {"struck_s": struck_s, "mended_s": mended_s}


def strip_hangs(bench: Bench) -> Evidence:
    """Two transfers never complete: the kernel gives each up after 0.2 s, ETIMEDOUT."""
    struck_s = wires.set_knob("spi_capture", "stall_next", 2)
    wires.wait_for(lambda: wires.knob("spi_capture", "stall_next") == 0, PATIENCE_S, "the hanging transfers")
    bench.says("writing again", struck_s)
    return {"struck_s": struck_s, "mended_s": struck_s}


def second_station(bench: Bench) -> Evidence:
    """Another `hipbar run` wants the same strip; and one with no strip wants the same camera."""
    struck_s = time.monotonic()
    alone = service.settings_file("second", bench.camera + '[strip]\nkind = "none"\n')
    configs = {"strip": bench.config, "camera": alone}
    tried = service.tried({name: ("run", "--config", config) for name, config in configs.items()})
    bench.look()
    pid, _ = service.standing()
    return {"struck_s": struck_s, "mended_s": struck_s, "first": pid, **tried}


def no_rights(bench: Bench) -> Evidence:
    """As a user in none of the groups, each device alone. Beside the running station, whose devices are its own."""
    struck_s = time.monotonic()
    wanted = {
        "strip": bench.camera + '[strip]\nkind = "apa102"\n',
        "bar": bench.camera + '[strip]\nkind = "shift-register"\nleds = 16\n',
        "camera and panel": bench.camera + '[strip]\nkind = "none"\n[panel]\nkind = "gpio"\n',
    }
    files = {name: service.settings_file(name.split()[0], text) for name, text in wanted.items()}
    words = {name: ("run", "--config", file) for name, file in files.items()}
    tried = service.tried(words, user="nobody")
    bench.look()
    return {"struck_s": struck_s, "mended_s": struck_s, **tried}


TIMES = 3
"""A fault that the drivers mend by themselves strikes so often: the machine is emulated, and one figure may be luck."""

FAULTS: dict[str, Callable[[Bench], Evidence]] = {
    "camera unplugged": camera_unplugged,
    "feed stalled": feed_stalled,
    "feed stalled briefly": feed_stalled_briefly,
    "one bad frame": one_bad_frame,
    "frames flagged damaged": _corrupted("error_next"),
    "frames too short": _corrupted("short_next"),
    "frames of garbage": _corrupted("garbage_next"),
    "strip errors": strip_errors,
    "strip hangs": strip_hangs,
    "strip gone": strip_gone,
}
ONCE: dict[str, Callable[[Bench], Evidence]] = {
    "starting": starting,
    "second station": second_station,
    "no rights": no_rights,
    "feed stalled for good": feed_stalled_for_good,
    "strip gone for long": strip_gone_for_long,
}


def evidence(bench: Bench, name: str) -> Evidence:
    """One fault from measuring to measuring, with everything that was shown and said in between."""
    bench.mend()
    found: Evidence = {}
    from_s = time.monotonic()
    try:
        if name != "starting":
            bench.measures()
        found["before"] = service.standing()
        from_s = time.monotonic() - _STEADY_S
        found |= {**FAULTS, **ONCE}[name](bench)
        bench.mend()
        bench.measures()
    except (TimeoutError, OSError, subprocess.SubprocessError) as error:
        found["trouble"] = f"{type(error).__name__}: {error}"
    found["after"] = service.standing()
    found["looks"] = [look for look in bench.looks.seen if look.to_s >= from_s]
    found["log"] = [line for line in list(bench.journal.lines) if line.at_s >= from_s]
    return found


def main(story: str, *names: str) -> None:
    bench = Bench(Path(story))
    found: dict[str, list[Evidence]] = {}
    try:
        for name in dict.fromkeys(["starting", *(names or (*FAULTS, *ONCE))]):
            began_s = time.monotonic()
            found[name] = [evidence(bench, name) for _ in range(TIMES if name in FAULTS else 1)]
            troubles = [one["trouble"] for one in found[name] if "trouble" in one]
            print(f"{name}: {time.monotonic() - began_s:.1f} s", *troubles, file=sys.stderr, flush=True)
    finally:
        bench.close()
        print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
