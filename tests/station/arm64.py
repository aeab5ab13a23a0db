"""This checkout's last commit becomes a verdict on the Pi's instruction set: the whole suite and the runners' figures.

`python -m tests.station arm64 [--suite bookworm] [--cpu cortex-a76] [--figures] [words for pytest]`. The figures of
every recorded runner are compared with this machine's, bit for bit; then the suite runs. A failure is looked at twice,
for the first look shares the processors. What an emulated processor can't do is run all the same, and its failure is
told with the reason; any other failure is one. It proves figures, never times: see `emulated.py`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from typing import NamedTuple

from tests.station import figures
from tests.station.emulated import CPUS, PYTHONS, Arm64, lacking
from tests.station.layers import told

LEFT_OUT = {
    "tests/test_house.py::test_style_and_types_are_clean": "ruff and mypy read text, whatever the processor",
    "tests/test_wheels.py": "asks a registry what it has for a Pi, whatever the processor",
}
"""Tests that are not run, and why."""

_SLOW = "asks for a real machine's speed"
_NO_IOCTL = "qemu-user knows no ioctl of cameras and SPI (ENOSYS)"
EXCUSED = {
    "tests/cli/test_camera_command.py::test_a_picture_without_dots_is_said_and_still_shown": _SLOW,
    "tests/cli/test_replay.py::test_keypoints_replay_at_a_hundred_thousand_frames_a_second": _SLOW,
    "tests/cli/test_start.py::test_help_is_there_at_once": _SLOW,
    "tests/cli/test_station.py::test_a_cache_folder_that_can_not_be_written_costs_time_and_no_crash": _SLOW,
    "tests/cli/test_station.py::test_a_signal_stops_the_station_cleanly": _SLOW,
    "tests/cli/test_station.py::test_the_demo_ends_with_a_summary_of_a_runner_who_really_ran": _SLOW,
    "tests/cli/test_station.py::test_the_station_runs_without_a_settings_file_for_as_long_as_it_is_told": _SLOW,
    "tests/cli/test_station.py::test_warming_up_is_shown_before_compiled_code_is_loaded": _SLOW,
    "tests/cli/test_terminal.py::test_the_demo_draws_its_bar_and_figures_in_place": _SLOW,
    "tests/hw/test_cameras.py::test_a_live_camera_never_keeps_its_reader_waiting": _SLOW,
    "tests/hw/test_cameras.py::test_played_faster_a_source_keeps_its_own_seconds": _SLOW,
    "tests/hw/test_optics.py::test_a_frame_is_drawn_within_a_millisecond": _SLOW,
    "tests/hw/test_trials.py::test_a_trial_is_read_whole_within_a_tenth_of_a_second": _SLOW,
    "tests/hw/test_spi.py::test_the_second_station_is_refused_and_told_who_the_first_is": _NO_IOCTL,
    "tests/hw/test_spi.py::test_what_is_no_spi_device_is_refused": _NO_IOCTL,
    "tests/hw/test_v4l2.py::test_what_is_no_camera_is_refused": _NO_IOCTL,
}
"""Tests that fail under emulation, and why; no figure of a step or an angle depends on one of them."""

# "ci" is hypothesis's own profile without deadlines: the same examples every time, however long they take.
_OPTIONS = ("-p", "no:cacheprovider", "--hypothesis-profile=ci", "--junitxml=/out/tests.xml")


class Outcome(NamedTuple):
    """What became of one test: "passed", "failed" or "skipped", and the first line of the reason."""

    name: str
    how: str
    why: str


def test(machine: Arm64, words: list[str]) -> list[Outcome]:
    """The suite on arm64, on all processors; then what failed without excuse once more, alone."""
    both = ["-n", str(os.cpu_count()), "--dist=loadfile", "--durations=10"]
    first = _looked(machine, *both, *(f"--deselect={name}" for name in LEFT_OUT), *words)
    again = [one.name for one in first if one.how == "failed" and not excuse(one)]
    if not again:
        return first
    second = {one.name: one for one in _looked(machine, *again)}
    return [second.get(one.name, one) for one in first]


def excuse(one: Outcome) -> str | None:
    """Why a test may fail under emulation."""
    return EXCUSED.get(one.name.partition("[")[0])


def same_figures(machine: Arm64) -> list[str]:
    """Every recorded runner here and on arm64: a sentence for each file that differs."""
    here, there = machine.out / "here", machine.out / "there"
    for folder in (here, there):
        shutil.rmtree(folder, ignore_errors=True)
    with told("the runners' figures on this machine"):
        words = [sys.executable, "-m", "tests.station.figures", str(here)]
        subprocess.run(words, cwd=machine.source, check=True, env={**os.environ, "PYTHONPATH": "."})
    with told("the runners' figures on arm64"):
        if machine.run("python3", "-m", "tests.station.figures", "/out/there", "/out/here"):
            return ["arm64 could not make its figures"]
    for folder in (here, there):
        print(" ", (folder / figures.VERSIONS).read_text(encoding="utf-8").strip())
    found = figures.compared(here, there)
    apart = [
        f"{one.name}: {one.differ} of {one.lines} lines, by up to {one.largest:g}"
        for one in found
        if one.largest
    ]
    print(
        f"figures: {len(found)} files, {sum(one.lines for one in found):,} lines,",
        "" if apart else "equal bit for bit",
    )
    return apart


def _looked(machine: Arm64, *words: str) -> list[Outcome]:
    report = machine.out / "tests.xml"
    report.unlink(missing_ok=True)
    machine.run("python3", "-m", "pytest", *_OPTIONS, *words)
    if not report.exists():
        return [Outcome("pytest", "failed", "made no report")]
    return [_outcome(case) for case in ET.parse(report).iter("testcase")]


def _outcome(case: ET.Element) -> Outcome:
    module = case.attrib["classname"].replace(".", "/")
    name = f"{module}.py::{case.attrib['name']}" if module else f"{case.attrib['name'].replace('.', '/')}.py"
    for child, how in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        if (found := case.find(child)) is not None:
            return Outcome(name, how, found.attrib.get("message", "").partition("\n")[0])
    return Outcome(name, "passed", "")


def _told(outcomes: list[Outcome]) -> bool:
    """Says what became of the tests; whether all is well."""
    failed = [one for one in outcomes if one.how == "failed"]
    bad = [one for one in failed if not excuse(one)]
    skipped = sorted({one.why for one in outcomes if one.how == "skipped"})
    passed = sum(one.how == "passed" for one in outcomes)
    print(f"tests: {passed} passed, {len(failed) - len(bad)} excused, {len(bad)} failed")
    for one in failed:
        print(f"  {'excused' if excuse(one) else 'FAILED '}  {one.name}: {excuse(one) or ''} ({one.why})")
    for why in skipped:
        print(f"  skipped  {sum(one.why == why for one in outcomes)}: {why}")
    for name, why in LEFT_OUT.items():
        print(f"  left out {name}: {why}")
    return passed > 0 and not bad


def main(words: list[str]) -> int:
    """Does all of it; 0 when every figure is the same and no test failed without an excuse."""
    about = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m tests.station arm64", description=about)
    parser.add_argument(
        "--suite", choices=PYTHONS, default="trixie", help="Debian (default: trixie, Python 3.13)"
    )
    parser.add_argument("--cpu", choices=CPUS, default=CPUS[0], help="a Pi 4's (the default) or a Pi 5's")
    parser.add_argument("--figures", action="store_true", help="the figures alone, without the suite")
    chosen, rest = parser.parse_known_args(words)
    if reason := lacking():
        print(reason, file=sys.stderr)
        return 1
    began_s = time.monotonic()
    machine = Arm64(chosen.suite, chosen.cpu)
    with told("installing hipbar on arm64, its kernels compiled or taken from the cache"):
        machine.install()
    apart = same_figures(machine)
    outcomes = [] if chosen.figures else test(machine, rest)
    minutes = (time.monotonic() - began_s) / 60
    print(f"\narm64 ({chosen.suite}, {chosen.cpu}) at {machine.commit}, {minutes:.0f} min")
    print("figures:", "\n  ".join(apart) or "equal bit for bit")
    good = chosen.figures or _told(outcomes)
    return 0 if good and not apart else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
