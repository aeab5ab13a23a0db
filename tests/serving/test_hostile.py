"""The service where the world around it is at its worst: nobody reads, nothing is a file, the card hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from appliance.records import Light, Notice, Shown
from appliance.station.fallback import LAST_GOOD
from tests.keeping.disks import ext4_disk, frozen
from tests.serving.conftest import Make, Station
from tests.serving.test_serve import RATE, measuring

FROZEN_S = 0.6
"""A bar that stands still for so long has been kept waiting; a busy machine keeps it waiting for less."""


def ends_dark(one: Station) -> None:
    began_s = time.monotonic()
    one.signal(signal.SIGTERM)
    dark_s = one.lit(lambda rgb: not rgb.any())
    assert dark_s - began_s < 3.0
    code, log = one.ended()
    assert code == 0, log


def test_the_bar_goes_on_and_dark_when_nobody_reads_the_log(station: Make) -> None:
    one = station(RATE)
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(theirs, bytes(4096))
    os.set_blocking(theirs, True)
    one.start(stderr=theirs)  # the first line would wait for ever
    os.close(theirs)
    one.lit(measuring)
    one.status(lambda s: s.recording.on)  # lines have been logged
    assert one.freshest_s(1.0) < FROZEN_S
    ends_dark(one)
    os.close(ours)


def test_a_process_that_was_stopped_for_a_while_goes_on(station: Make) -> None:
    one = station(RATE)
    one.start()
    one.hears("WATCHDOG=1")
    one.signal(signal.SIGSTOP)
    time.sleep(2.5)  # longer than a loop may hang, shorter than systemd's watchdog
    one.signal(signal.SIGCONT)
    before = one.status()
    one.status(lambda s: s.frames > before.frames + 100)
    ends_dark(one)


def test_settings_that_are_a_pipe_are_a_fault_at_once(station: Make) -> None:
    one = station(RATE)
    (one.state / LAST_GOOD).write_text(one.text)
    one.file.unlink()
    os.mkfifo(one.file)
    one.start()
    one.lit(Notice.FAULT)
    one.hears(f"STATUS=fault: {one.file}: is no file")
    one.file.unlink()
    one.file.write_text(one.text)
    assert one.ended()[0] == 0


def test_settings_that_worked_last_are_not_asked_for_while_nobody_needs_them(station: Make) -> None:
    one = station(RATE)
    os.mkfifo(one.state / LAST_GOOD)
    one.start()
    one.hears("READY=1")
    ends_dark(one)


def test_ready_is_heard_when_systemd_has_time_again(station: Make) -> None:
    one = station(RATE)
    one.fills_systemd_s_queue()
    one.start()
    one.lit(measuring)
    one.status(lambda s: s.frames > 120)
    one.hears("READY=1")
    one.hears("WATCHDOG=1")
    assert one.status().troubles == ()


def test_a_video_that_is_not_there_is_a_fault_on_the_bar(station: Make) -> None:
    one = station('[camera]\nsource = "video"\nfile = "/nowhere/run.mp4"\n')
    one.start()
    one.lit(Notice.FAULT)
    assert "/nowhere/run.mp4" in one.status(lambda s: s.state == Light.FAULT).troubles[0]
    ends_dark(one)


def test_bad_settings_are_told_even_when_the_bar_they_name_is_not_known(station: Make) -> None:
    one = station(RATE)
    one.file.write_text("[[[")
    one.start()
    one.hears(f"STATUS=fault: {one.file}: not TOML")
    one.signal(signal.SIGTERM)
    code, log = one.ended()
    assert code == 0
    assert log.index("not TOML") < log.index("no light bar")


def test_a_runtime_folder_that_is_missing_is_made(station: Make) -> None:
    one = station(RATE)
    one.runtime.rmdir()
    one.start()
    one.hears("READY=1")
    assert {path.name for path in one.runtime.iterdir()} >= {"status.json", "flight", "traceback", "started"}
    ends_dark(one)


def test_the_bar_is_dark_at_once_while_the_last_second_waits_for_a_card_that_hangs(
    station: Make, tmp_path: Path
) -> None:
    one = station(RATE + "[service]\nreserve_mb = 10\n")
    with ext4_disk(tmp_path / "card", 64) as card:
        one.state = card
        one.start()
        one.status(lambda s: s.recording.on)
        with frozen(card):
            before = one.status().frames
            one.status(lambda s: s.frames > before + 120)
            assert one.freshest_s(2.0) < FROZEN_S
            began_s = time.monotonic()
            one.signal(signal.SIGTERM)
            assert one.lit(lambda rgb: not rgb.any()) - began_s < 1.0
        assert (
            one.ended()[0] == 0
        )  # a thread that waits for a card can't be ended by anybody, the kernel included


def test_what_compiles_ends_with_the_service(station: Make, tmp_path: Path) -> None:
    one = station(RATE)
    cold = {"HIPBAR_STATE": str(one.state), "HIPBAR_RUNTIME": str(one.runtime)}
    cold |= {"NUMBA_CACHE_DIR": str(tmp_path / "cold")}
    one.start(env={**os.environ, **cold})
    one.lit(Shown.WARMING_UP)
    until_s = time.monotonic() + 60
    while len(compilers := with_in_their_environment(f"NUMBA_CACHE_DIR={tmp_path}/cold")) < 3:
        assert time.monotonic() < until_s, compilers
        time.sleep(0.02)
    ends_dark(one)
    until_s = time.monotonic() + 20
    while with_in_their_environment(f"NUMBA_CACHE_DIR={tmp_path}/cold"):
        assert time.monotonic() < until_s
        time.sleep(0.02)


def with_in_their_environment(words: str) -> list[int]:
    """The processes that were started with this."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if words.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found
