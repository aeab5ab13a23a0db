"""`hipbar logs` on a journal that systemd's own program has written: what is shown, folded, hidden, and refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.station import bench

pytestmark = pytest.mark.station

ROOT = Path(__file__).resolve().parents[2]
WRITER = Path("/usr/lib/systemd/systemd-journal-remote")
T0_S = 1_795_000_000
FIRST, SECOND = "a" * 32, "b" * 32
OURS = {"_SYSTEMD_UNIT": "hipbar.service", "SYSLOG_IDENTIFIER": "hipbar", "PRIORITY": "6"}
KERNEL = {"_TRANSPORT": "kernel", "SYSLOG_IDENTIFIER": "kernel"}
SYSTEMD = {"_PID": "1", "UNIT": "hipbar.service", "SYSLOG_IDENTIFIER": "systemd", "PRIORITY": "6"}
LINES: list[tuple[int, str, dict[str, str]]] = [
    (0, FIRST, {**OURS, "MESSAGE": "station: camera OV9281, 120 frames/s"}),
    *(
        (10 + k, FIRST, {**OURS, "PRIORITY": "4", "MESSAGE": f"camera: no frame for {k}.1 s"})
        for k in range(17)
    ),
    (60, FIRST, {**OURS, "MESSAGE": "health: running, 119 frames/s"}),
    (61, FIRST, {**KERNEL, "PRIORITY": "2", "MESSAGE": "hwmon hwmon1: Undervoltage detected!"}),
    (62, FIRST, {**KERNEL, "PRIORITY": "5", "MESSAGE": "random: crng init done"}),
    (63, FIRST, {"_SYSTEMD_UNIT": "ssh.service", "SYSLOG_IDENTIFIER": "sshd", "MESSAGE": "Accepted key"}),
    (64, FIRST, {"_PID": "77", "UNIT": "hipbar.service", "_COMM": "liar", "MESSAGE": "I am systemd"}),
    (100, SECOND, {**SYSTEMD, "MESSAGE": "Started hipbar.service - hipbar station."}),
    (101, SECOND, {**OURS, "PRIORITY": "3", "MESSAGE": "station: \x1b[2Jno light bar"}),
]


class Said(NamedTuple):
    """What the command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two boots of a station."""
    off = "station bench: switched off by HIPBAR_BENCH=off" if bench.wish() == "off" else ""
    there = WRITER.exists() and shutil.which("journalctl")
    reason = off or ("" if there else "no systemd-journal-remote or journalctl here")
    if reason and bench.wish() == "required":
        pytest.fail(f"{reason} (and HIPBAR_BENCH=required)", pytrace=False)
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("journal")
    write(folder, LINES)
    return folder


def write(folder: Path, lines: Iterable[tuple[int, str, dict[str, str]]]) -> None:
    """Adds entries to the journal in a folder, in systemd's export format."""
    parts = [
        f"__REALTIME_TIMESTAMP={(T0_S + at_s) * 1_000_000}\n__MONOTONIC_TIMESTAMP={at_s * 1_000_000}\n"
        f"_BOOT_ID={boot}\n" + "".join(f"{name}={value}\n" for name, value in fields.items())
        for at_s, boot, fields in lines
    ]
    words = [str(WRITER), "-o", str(folder / "system.journal"), "-"]
    subprocess.run(words, input="\n".join(parts) + "\n", text=True, check=True, capture_output=True)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "appliance.cli", "logs", *words]


def logs(*words: str) -> Said:
    """What it says; times in UTC, without colours."""
    done = subprocess.run(
        command(*words), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


def environment() -> dict[str, str]:
    return {**os.environ, "TZ": "UTC", "NO_COLOR": "1"}


def test_what_is_ours_is_shown_and_repeated_lines_are_one(journal: Path) -> None:
    said = logs("--directory", str(journal))
    assert said.code == 0
    assert said.out.splitlines() == [
        "-- boot aaaaaaaa",
        "2026-11-18 11:06:40            hipbar   station: camera OV9281, 120 frames/s",
        "2026-11-18 11:06:50  warning   hipbar   camera: no frame for 16.1 s  (x 17, until 11:07:06)",
        "2026-11-18 11:07:41  critical  kernel   hwmon hwmon1: Undervoltage detected!",
        "-- boot bbbbbbbb: the machine was started anew",
        "2026-11-18 11:08:20            systemd  Started hipbar.service - hipbar station.",
        "2026-11-18 11:08:21  error     hipbar   station: [2Jno light bar",
    ]


def test_errors_health_a_boot_and_everything_can_be_asked_for(journal: Path) -> None:
    there = ("--directory", str(journal))
    assert len(logs(*there, "--errors").out.splitlines()) == 3 + 2  # and two boots
    assert "health: running" in logs(*there, "--health").out
    assert "Undervoltage" in logs(*there, "--boot", "-1").out
    assert "Started" not in logs(*there, "--boot", "-1").out
    everything = logs(*there, "--all-units").out
    assert "sshd" in everything
    assert "I am systemd" in everything
    assert "crng" in everything


def test_the_newest_lines_are_those_that_are_kept_and_the_rest_is_told_of(journal: Path) -> None:
    said = logs("--directory", str(journal), "-n", "2")
    assert [line[31:38].strip() for line in said.out.splitlines()[1:]] == ["systemd", "hipbar"]
    assert "older lines are left out; -n 20 shows more" in said.err


def test_json_is_one_object_and_lines_are_folded_in_it_too(journal: Path) -> None:
    told = json.loads(logs("--directory", str(journal), "--json").out)
    assert told["more"] is False
    assert [entry["times"] for entry in told["entries"]] == [1, 17, 1, 1, 1]
    assert told["entries"][1]["last_s"] == T0_S + 26


def test_following_shows_a_new_line_when_it_comes(journal: Path, tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    shutil.copytree(journal, folder)
    words = command("--directory", str(folder), "--follow", "-n", "3")
    with subprocess.Popen(
        words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout
        assert following.stderr
        first = following.stdout.readline()
        write(folder, [(102, SECOND, {**OURS, "MESSAGE": "station: frames again"})])
        shown = [first]
        while "frames again" not in shown[-1]:
            shown.append(following.stdout.readline())
            assert shown[-1], following.stderr.read()
        following.send_signal(2)
        assert following.wait(20) in (0, 130)
    assert "no light bar" in "".join(shown)


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("--since", "soon"), 2, "neither a span"),
        (("--since", "5000w"), 2, "too long ago"),
        (("--since", "2026-13-45"), 2, "no such time"),
        (("--since", "-1h; reboot"), 2, "neither a span"),
        (("--boot", "-9"), 1, "boot"),
        (("--boot", "1"), 2, "boot"),
        (("-n", "0"), 2, "lines"),
    ],
)
def test_what_makes_no_sense_is_refused_in_two_lines(
    journal: Path, words: tuple[str, ...], code: int, what: str
) -> None:
    said = logs("--directory", str(journal), *words)
    assert said.code == code
    assert what in said.err
    assert len(said.err.splitlines()) == 2
    assert said.out == ""


def test_a_span_and_a_date_are_understood(journal: Path) -> None:
    there = ("--directory", str(journal))
    assert "no light bar" in logs(*there, "--since", "2026-11-18 11:08").out
    assert "camera OV9281" not in logs(*there, "--since", "2026-11-18 11:08").out
    assert "no light bar" in logs(*there, "--since", "260w").out
    said = logs(*there, "--since", "1s")
    assert said.code == 0
    assert said.out == ""
    assert "nothing in the journal that fits" in said.err


def test_a_journal_that_is_not_there_or_broken_is_told(journal: Path, tmp_path: Path) -> None:
    gone = logs("--directory", str(tmp_path / "gone"))
    assert gone.code == 1
    assert "no journal" in gone.err
    shutil.copytree(journal, tmp_path / "broken")
    file = tmp_path / "broken/system.journal"
    data = bytearray(file.read_bytes())
    data[200:4000] = bytes(3800)
    file.write_bytes(data)
    broken = logs("--directory", str(tmp_path / "broken"))
    assert broken.code in (0, 1)
    assert broken.out or broken.err
