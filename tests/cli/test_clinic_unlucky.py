"""A clinic in a hurry: wrong words, wrong files, wrong folders and wrong moments end in two lines and lose nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import msgspec
import pytest

from appliance.clinic.rows import EventRow
from appliance.station.recording import Header
from appliance.store.copies import MANIFEST
from appliance.store.store import Store
from tests.cli.conftest import ROOT, Hipbar, Said
from tests.cli.visits import BEGAN_S, visit_data
from tests.serving.conftest import LONG_S, Station

HUGE = "9" * 30


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A store with a runner of two visits."""
    folder = tmp_path / "state"
    with Store.open(folder, make=True) as store:
        store.add_runner("R07", "", BEGAN_S)
        for number in (1, 2):
            data = visit_data("R07", number)
            header = msgspec.json.encode(Header(width_px=480, height_px=640, rate_hz=120.0)).decode()
            spans = tuple(msgspec.structs.replace(span, header=header) for span in data.spans)
            store.put_visit(msgspec.structs.replace(data, spans=spans), ())
    return folder


@pytest.fixture
def backup(hipbar: Hipbar, state: Path, tmp_path: Path) -> Path:
    """Its backup."""
    file = tmp_path / "backup.zip"
    assert hipbar("backup", file, "--state", state).code == 0
    return file


def refused(said: Said, code: int, *parts: str) -> None:
    """Two lines at the most, no traceback, and it says what is asked for."""
    lines = said.err.strip().splitlines()
    assert said.code == code, said
    assert lines[0].startswith("hipbar: ")
    assert len(lines) <= 2
    assert "Traceback" not in said.err
    for part in parts:
        assert part in said.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("report", HUGE), 11),
        (("report", "--", "-1"), 11),
        (("report", ""), 11),
        (("report", "last", "--edition", HUGE), 11),
        (("visit", "show", HUGE), 2),
        (("export", "last", "-o", "a.csv", "--block", HUGE), 11),
        (("reprocess", "0"), 11),
    ],
)
def test_a_number_that_no_visit_has_is_told_in_words(
    hipbar: Hipbar, state: Path, words: tuple[str, ...], code: int
) -> None:
    of = 2 if words[0] == "visit" else 1
    refused(hipbar(*words[:of], "--state", state, *words[of:]), code)


def test_a_list_may_be_asked_to_be_as_long_as_anybody_likes(hipbar: Hipbar, state: Path) -> None:
    said = hipbar("visit", "list", "--limit", HUGE, "--state", state)
    assert (said.code, len(said.out.splitlines())) == (0, 3)


def test_no_runner_is_called_last_because_that_is_a_visit(hipbar: Hipbar, state: Path) -> None:
    refused(hipbar("runner", "add", "LAST", "--state", state), 11, "is no code")
    said = hipbar("report", "last", "--runner", "--state", state)
    refused(said, 11, "runner list")
    assert "runner add" not in said.err


def test_a_runner_s_note_is_one_line_that_fits_a_list(hipbar: Hipbar, state: Path) -> None:
    refused(hipbar("runner", "add", "R08", "--note", "n" * 5000, "--state", state), 11, "5,000", "200")
    assert hipbar("runner", "add", "R08", "--note", "left\n knee", "--state", state).code == 0
    said = hipbar("runner", "list", "--state", state)
    assert [line.split(maxsplit=3)[-1] for line in said.out.splitlines()][-1].endswith("left knee")
    assert len(said.out.splitlines()) == 3


def test_a_runner_without_a_visit_has_a_report_without_empty_tables(hipbar: Hipbar, state: Path) -> None:
    assert hipbar("runner", "add", "R09", "--state", state).code == 0
    said = hipbar("report", "R09", "--state", state)
    assert said.code == 0
    assert "no visit has ended yet" in said.out
    assert "Visit by visit" not in said.out


def test_a_visit_by_another_protocol_is_not_lost_from_a_runner_s_report_without_a_word(
    hipbar: Hipbar, state: Path
) -> None:
    data = visit_data("R07", 1)
    open_one = msgspec.structs.replace(data.visit, protocol="open")
    with Store.open(state) as store:
        store.put_visit(msgspec.structs.replace(data, visit=open_one), ())
    assert "not here: visits by retraining" in " ".join(hipbar("report", "R07", "--state", state).out.split())
    said = hipbar("report", "R07", "--protocol", "retraining", "--state", state)
    assert "not here: visits by open" in " ".join(said.out.split())


def test_a_backup_takes_no_place_but_that_of_a_backup(
    hipbar: Hipbar, state: Path, backup: Path, tmp_path: Path
) -> None:
    pipe, words = tmp_path / "pipe", tmp_path / "words.txt"
    os.mkfifo(pipe)
    words.write_text("a letter")
    refused(hipbar("backup", pipe, "--replace", "--state", state), 4, "no ordinary file")
    refused(hipbar("backup", words, "--replace", "--state", state), 4, "is no backup")
    assert pipe.is_fifo()
    assert words.read_text() == "a letter"
    assert hipbar("backup", backup, "--replace", "--state", state).code == 0


@pytest.mark.parametrize("what", ["folder", "bomb", "long text", "password", "half"])
def test_what_is_no_backup_is_refused_at_once_and_the_store_stays(
    hipbar: Hipbar, state: Path, backup: Path, tmp_path: Path, what: str
) -> None:
    before = (state / "clinic.db").read_bytes()
    bad = tmp_path / "bad.zip"
    if what == "folder":
        bad.mkdir()
    elif what == "half":
        bad.write_bytes(backup.read_bytes()[:-200])
    elif what == "password":
        whole = bytearray(backup.read_bytes())
        for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            place = whole.find(mark)
            whole[place + at] |= 1
        bad.write_bytes(whole)
    else:
        remade(backup, bad, bomb="clinic.db" if what == "bomb" else MANIFEST)
    began_s = time.monotonic()
    refused(hipbar("restore", bad, "--yes", "--state", state), 11, "bad.zip")
    assert time.monotonic() - began_s < 5
    assert (state / "clinic.db").read_bytes() == before


def remade(backup: Path, bad: Path, bomb: str) -> None:
    """The same, one file of it 300 MB of zeros that are packed into less than one."""
    with zipfile.ZipFile(backup) as old, zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            with new.open(name, "w", force_zip64=True) as file:
                for _ in range(300 if name == bomb else 0):
                    file.write(bytes(1_000_000))
                if name != bomb:
                    file.write(old.read(name))


def test_a_damaged_store_is_told_in_words_and_not_in_sqlite_s_banner(hipbar: Hipbar, state: Path) -> None:
    with (state / "clinic.db").open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for page in range(4, size // 4096, 3):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    refused(hipbar("backup", state.parent / "b.zip", "--state", state), 11, "damaged")
    said = hipbar("verify", "--state", state)
    assert said.code == 11
    assert "***" not in said.out


def test_a_path_that_can_t_even_be_looked_at_is_told_by_every_command(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    """As one in a folder that is shut to this user, which root never meets."""
    for words, ending, code in (
        (("export", "1", "-o"), ".csv", 4),
        (("report", "1", "-o"), ".html", 4),
        (("backup",), ".zip", 4),
        (("restore", "--yes"), ".zip", 4),
        (("import", "--runner", "R07"), ".c3d", 3),
    ):
        path = tmp_path / ("x" * 300 + ending)
        refused(hipbar(*words, path, "--state", state), code, "too long")


def test_a_visit_that_is_there_is_not_brought_in_once_more(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    file = tmp_path / "visit.json"
    assert hipbar("export", "2", "-o", file, "--state", state).code == 0
    refused(hipbar("import", file, "--runner", "R07", "--state", state), 11, "it is visit 2")
    refused(hipbar("import", file, "--runner", "R07", "--compare", "1", "--state", state), 2, "alone")
    assert hipbar("runner", "add", "R08", "--state", state).code == 0
    assert hipbar("import", file, "--runner", "R08", "--state", state).code == 0


def test_an_exported_visit_does_not_say_where_the_station_is(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    own = {"strip": {"kind": "wled", "host": "10.1.2.3"}, "camera": {"device": "/dev/v4l/by-id/cam-77"}}
    with Store.open(state) as store:
        data = store.data(1)
        spans = (msgspec.structs.replace(data.spans[0], settings=msgspec.json.encode(own).decode()),)
        visit = store.put_visit(msgspec.structs.replace(data, spans=spans), ())
    file = tmp_path / "visit.json"
    assert hipbar("export", visit, "-o", file, "--state", state).code == 0
    page = file.read_text()
    assert '"strip":{"kind":"wled"}' in page
    assert "10.1.2.3" not in page
    assert "cam-77" not in page


def test_a_date_on_which_nobody_measured_is_refused(hipbar: Hipbar, tmp_path: Path) -> None:
    for date in ("0001-01-01", "9999-12-31"):
        said = hipbar("import", tmp_path / "a.c3d", "--dry-run", "--date", date)
        refused(said, 2, date)


def test_a_trc_whose_end_is_missing_is_not_taken_for_a_shorter_run(hipbar: Hipbar, tmp_path: Path) -> None:
    file = tmp_path / "run.trc"
    names = "\t\t\t".join(("LPSI", "RPSI", "LHEE", "RHEE"))
    head = "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\n100\t100\t1000\t4\tmm\n"
    rows = "".join(f"{n}\t{n / 100:.2f}" + "\t1" * 12 + "\n" for n in range(600))
    file.write_text(f"PathFileType\t4\t(X/Y/Z)\trun.trc\n{head}Frame#\tTime\t{names}\n\t\tX1\n\n{rows}")
    refused(hipbar("import", file, "--dry-run"), 3, "cut off", "600 of its 1,000")


def test_words_from_a_keyboard_can_not_change_a_page(hipbar: Hipbar, tmp_path: Path) -> None:
    folder, evil = tmp_path / "state", "<script>alert(1)</script>"
    data = visit_data("R07", 1)
    note = EventRow(at_s=1.0, wall_s=BEGAN_S, kind="note", words=evil)
    with Store.open(folder, make=True) as store:
        store.add_runner("R07", "", BEGAN_S)
        store.put_visit(msgspec.structs.replace(data, events=(note,)), ())
    file = tmp_path / "page.html"
    assert hipbar("report", "1", "-o", file, "--state", folder).code == 0
    page = file.read_text()
    assert evil not in page
    assert "&lt;script&gt;" in page


def test_beside_a_running_service_nothing_is_begun_twice_and_nobody_is_remembered_who_was_erased(
    tmp_path: Path,
) -> None:
    station = Station(tmp_path, '[camera]\nsource = "virtual"\n')
    env = {**os.environ, "HIPBAR_RUNTIME": str(station.runtime), "HIPBAR_STATE": str(station.state)}

    def hipbar(*words: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "appliance.cli", *words],
            cwd=ROOT, env=env, capture_output=True, text=True, timeout=LONG_S, check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout, done.stderr)

    try:
        station.start()
        station.hears("READY=1")
        assert hipbar("runner", "add", "R07").code == 0
        assert "visit 1" in hipbar("visit", "ready", "R07", "--protocol", "demo").out
        assert hipbar("visit", "start", "r07", "--protocol", "demo", "--no-follow").code == 0
        station.status(lambda status: status.visit is not None and status.visit_ready is None)
        refused(hipbar("visit", "note", "x" * 5000), 2, "5,000", "500")
        assert hipbar("visit", "note", "two\nlines\tof it").code == 0
        refused(hipbar("runner", "forget", "R07", "--yes"), 10, "visit stop")
        assert hipbar("visit", "stop").code == 0
        with Store.open(station.state) as store:
            assert "two lines of it" in {event.words for event in store.data("last").events}
        assert hipbar("visit", "ready", "R07").code == 0
        station.status(lambda status: status.visit_ready is not None)
        assert "saved elsewhere" in hipbar("runner", "forget", "R07", "--yes").out
        station.status(lambda status: status.visit_ready is None)
        assert b"R07" not in (station.runtime / "status.json").read_bytes()
        assert b"R07" not in (station.state / "clinic.db").read_bytes()
    finally:
        station.close()
