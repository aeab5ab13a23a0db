"""A report for support: what is in it, what never is, and that it is whole, private and names nobody."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from appliance.commands.doctoring.examination import Examination
from appliance.commands.doctoring.report import write_report
from appliance.config import parse
from appliance.errors import OutputError, ServiceDown
from appliance.records import MARKS
from appliance.station import crash, support
from appliance.station.calibration import Calibration, committed, write_calibration
from appliance.station.checkup import Check, Verdict
from appliance.station.flight import boot_id
from appliance.station.recording import Header
from appliance.station.status import Gait, Keeping, Status, write_status

SECRETS = (
    "Mustermann",
    "Erika",
    "praxis-am-markt",
    "192.0.2.44",
    "patient-0815",
    "anna.mp4",
    "3.21987",  # a standing zero
    "7.77123",  # a hip drop of the runner
    "171.5",  # a cadence
    "S0VZUE9JTlRT",  # keypoints
    "hunter2",
)
"""None of these may leave the clinic; each is put where a station could have it."""

SETTINGS = """\
# station of Erika Mustermann, room 3
[camera]
source = "virtual"     # later: /home/erika/anna.mp4
file = "/home/Mustermann/anna.mp4"
[motion]
zero_deg = 3.21987
[strip]
kind = "memory"
host = "praxis-am-markt.local"
"""


def station(folder: Path) -> tuple[Path, Path, Path]:
    """A state and a runtime folder full of what people left there, and settings."""
    state, runtime, file = folder / "state", folder / "run", folder / "hipbar.toml"
    runtime.mkdir()
    (state / "recordings").mkdir(parents=True)
    (state / "recordings" / "patient-0815.hbk").write_bytes(b"Erika Mustermann runs")
    file.write_text(SETTINGS)
    settings = parse(SETTINGS)
    known = committed(
        Calibration(), settings, "level", {"lens.roll_deg": 0.42}, {"roll_deg": 0.42}, now_s=1e9
    )
    known = committed(known, settings, "zero", {"motion.zero_deg": 3.21987}, {"mean_deg": 3.21987}, now_s=1e9)
    write_calibration(state, known)
    status = Status(
        version="hipbar 0.5.0",
        state="running",
        pid=os.getpid(),
        boot_id=boot_id(),
        written_s=1.0,
        recording=Keeping(on=True, file="patient-0815.hbk", trouble="/home/Mustermann/x.hbk: full"),
        gait=Gait(left_hip_drop_deg=7.77123, cadence_spm=171.5),
        troubles=("praxis-am-markt.local (192.0.2.44) does not answer",),
    )
    write_status(runtime, status)
    header = Header(width_px=480, height_px=640, rate_hz=120.0, zero_deg=3.21987, marks=MARKS)
    (state / crash.FOLDER).mkdir()
    report = crash.Crash(
        why="OSError: /home/Mustermann/x: gone",
        traceback='File "/home/erika.Mustermann/x.py", line 1\n',
        settings=SETTINGS,
        header=header,
        frames=1,
        keypoints="S0VZUE9JTlRT",
    )
    (state / crash.FOLDER / "crash-000001.json").write_bytes(crash.bounded(report, None))
    return state, runtime, file


@pytest.fixture
def examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Examination, list[Check]]:
    """A station that can't be asked, so that all is read from its files; and a check that names its owner."""
    state, runtime, file = station(tmp_path)
    monkeypatch.setenv("HIPBAR_STATE", str(state))
    monkeypatch.setenv("HIPBAR_RUNTIME", str(runtime))
    down = ServiceDown("the service does not answer", fix="start it")
    check = Check(
        "settings", Verdict.FAIL, "/home/Mustermann/hipbar.toml: unreadable", "ask praxis-am-markt.local"
    )
    return Examination(file, down, None, "", 1.0), [check]


def members(path: Path) -> dict[str, bytes]:
    """What is in an archive, by name."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as file:
            return {name: file.read(name) for name in file.namelist()}
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers()}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["report.tar.gz", "report.tgz", "report.zip"])
def test_nothing_of_runners_people_or_hosts_is_in_a_report(
    examined: tuple[Examination, list[Check]], tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    size, count = write_report(path, *examined)
    found = members(path)
    assert (size, count) == (path.stat().st_size, len(found))
    everything = "\n".join([*found, *(data.decode() for data in found.values())])
    for secret in SECRETS:
        assert secret.lower() not in everything.lower(), secret
    machine = re.escape(os.uname().nodename)
    assert machine in ("hipbar", "localhost") or not re.search(rf"(?<![\w.-]){machine}(?![\w-])", everything)
    assert not any(name.endswith((".hbk", ".png", ".jpg", ".mp4")) for name in found)


def test_what_support_needs_is_in_a_report(examined: tuple[Examination, list[Check]], tmp_path: Path) -> None:
    path = tmp_path / "report.tar.gz"
    write_report(path, *examined)
    found = {name.removeprefix("hipbar-report/"): data for name, data in members(path).items()}

    def read(name: str) -> Any:
        return json.loads(found[name])

    assert set(found) == {
        *("README.txt", "checks.txt", "checks.json", "status.json", "versions.json", "board.json"),
        *("settings.toml", "calibration.json", "unit.txt", "journal.txt", "crashes/crash-000001.json"),
    }
    assert read("checks.json")[0]["verdict"] == "fail"
    assert read("status.json")["state"] == "running"
    assert read("status.json")["recording"]["on"] is True
    assert 'kind = "memory"' in found["settings.toml"].decode()
    level, zero = read("calibration.json")
    assert level["values"] == {"lens.roll_deg": 0.42}
    assert level["figures"] == {"roll_deg": 0.42}
    assert zero["values"] == {"lens.roll_deg": 0.42, "motion.zero_deg": "(not told)"}
    assert zero["figures"] == "(not told)"
    assert read("crashes/crash-000001.json")["why"].startswith("OSError")
    assert "python" in read("versions.json")


def test_a_report_is_for_its_owners_eyes_and_names_no_owner(
    examined: tuple[Examination, list[Check]], tmp_path: Path
) -> None:
    path = tmp_path / "report.tar.gz"
    write_report(path, *examined)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with tarfile.open(path) as tar:
        for member in tar.getmembers():
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
            assert member.mode == 0o600
            assert member.isfile()


def test_whoever_called_sudo_owns_the_report(
    examined: tuple[Examination, list[Check]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.zip"
    monkeypatch.setenv("SUDO_UID", "65534")
    monkeypatch.setenv("SUDO_GID", "65534")
    write_report(path, *examined)
    assert path.stat().st_uid == (65534 if os.geteuid() == 0 else os.geteuid())


def test_a_report_that_cannot_be_written_leaves_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="can't be written"):
        support.write_private(tmp_path / "none" / "report.zip", b"x")
    path = tmp_path / "report.zip"
    support.write_private(path, b"one")
    support.write_private(path, b"two")
    assert path.read_bytes() == b"two"
    aside = tmp_path / "aside"
    aside.write_bytes(b"not a report")
    link = tmp_path / "link.zip"
    link.symlink_to(aside)
    for odd, what in ((link, "is a link"), (tmp_path, "no ordinary file")):
        with pytest.raises(OutputError, match=what):
            support.write_private(odd, b"x")
    assert aside.read_bytes() == b"not a report"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["aside", "link.zip", "report.zip"]


def test_the_same_parts_at_the_same_time_are_the_same_bytes() -> None:
    parts = {"a.txt": b"a", "crashes/b.json": b"{}"}
    assert support.archive("x.tar.gz", parts, 1e9) == support.archive("y.tgz", parts, 1e9)
    assert support.archive("x.zip", parts, 1e9) == support.archive("x.zip", parts, 2e9)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(support.archive("x.tgz", parts, 1e9)))) as tar:
        assert tar.getnames() == ["hipbar-report/a.txt", "hipbar-report/crashes/b.json"]


def test_text_deep_inside_is_cleaned_and_figures_are_kept() -> None:
    told = support.cleaned({"a": ["/home/erika/x", {"b": 1.5, "/home/erika/k": True}], "c": None})
    assert told == {"a": ["(a path)", {"b": 1.5, "(a path)": True}], "c": None}
