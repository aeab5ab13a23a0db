"""`hipbar recordings`: what there is, when it was, how it ended; a damaged file is a line and never a traceback."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from appliance import cli
from appliance.station.archive import Archive
from appliance.station.pages import PAGE
from appliance.station.recording import Recorder
from appliance.station.reel import Reel
from appliance.station.shelf import recordings
from appliance.station.wallclock import Note
from tests.keeping.made import BOOT, HEADER, RATE, chunk, stamp, track

Said = tuple[int, str, str]
Hipbar = Callable[..., Said]


@pytest.fixture
def hipbar(capfd: pytest.CaptureFixture[str]) -> Hipbar:
    def said(*words: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(["recordings", *map(str, words)])
        assert isinstance(ended.value.code, int)
        return (ended.value.code, *capfd.readouterr())

    return said


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Three visits: 90 s, 70 s, and one that is cut off."""
    archive = Archive(tmp_path / "recordings", HEADER, limit_mb=100, reserve_mb=0, stamp=stamp)
    for second in range(91):
        archive.keep(chunk(second, seen=second <= 30))
    for second in range(1000, 1010):
        archive.keep(chunk(second))
    archive.close()
    reel = Reel(tmp_path / "recordings/rec-000003-99999999.hbk", HEADER)
    reel.add(track(0))
    reel.close()
    return tmp_path


def listed(hipbar: Hipbar, state: Path) -> list[dict[str, object]]:
    code, out, err = hipbar("--state", state, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["folder"] == str(state / "recordings")
    return told["recordings"]  # type: ignore[no-any-return]


def test_the_list_says_when_how_long_and_how_it_ended(hipbar: Hipbar, state: Path, tmp_path: Path) -> None:
    code, out, err = hipbar("--state", state)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 5
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_800_000_000))
    assert f"rec-000001-1f2e3d4c.hbk  {started}" in lines[1]
    assert "1:31     10,920" in lines[1]
    assert lines[1].endswith("nobody in view any more")
    assert lines[2].endswith("the station was stopped")
    assert "cut off" in lines[3]
    assert lines[4] == f"3 recordings, {_megabytes(state)} MB, in {tmp_path}/recordings"


def _megabytes(state: Path) -> str:
    return f"{sum(path.stat().st_size for path in recordings(state / 'recordings')) / 1e6:.1f}"


def test_as_json_it_has_figures_and_null_for_what_is_not_known(hipbar: Hipbar, state: Path) -> None:
    first, _, cut = listed(hipbar, state)
    assert first["start_s"] == pytest.approx(1_800_000_000, abs=0.01)
    assert first["start"] == "2027-01-15T08:00:00Z"
    assert first["start_sure"] is True
    assert first["length_s"] == pytest.approx(91, abs=0.1)
    assert (first["frames"], first["ended"]) == (91 * RATE, "left")
    assert (cut["start"], cut["start_sure"], cut["ended"], cut["frames"]) == (None, False, "cut", RATE)


def test_a_clock_that_was_set_later_corrects_the_start_and_one_that_never_was_is_told(
    hipbar: Hipbar, state: Path
) -> None:
    def unset() -> Note:
        return Note(BOOT, 1000.0, 5_000_000.0, False)

    archive = Archive(state / "recordings", HEADER, limit_mb=100, reserve_mb=0, stamp=unset)
    archive.keep(chunk(0))
    archive.close()
    _, out, _ = hipbar("--state", state)
    assert "the clock was not set" in out.splitlines()[4]
    assert listed(hipbar, state)[-1]["start_sure"] is False
    note = Note(BOOT, 4000.0, 1_800_003_000.0, True)
    (state / "clock.jsonl").write_bytes(msgspec.json.encode(note) + b"\n{torn")
    last = listed(hipbar, state)[-1]
    assert (last["start"], last["start_sure"]) == ("2027-01-15T08:00:00Z", True)


def test_one_that_is_being_written_is_listed_as_such_and_goes_on(hipbar: Hipbar, state: Path) -> None:
    archive = Archive(state / "recordings", HEADER, limit_mb=100, reserve_mb=0, stamp=stamp)
    archive.keep(chunk(5000))
    row = listed(hipbar, state)[-1]
    assert (row["being_written"], row["ended"], row["frames"]) == (True, None, RATE)
    _, out, _ = hipbar("--state", state)
    assert "being written" in out
    archive.keep(chunk(5001))
    assert archive.kept.frames == 2 * RATE
    archive.close()


def test_damaged_files_are_lines_and_no_traceback(hipbar: Hipbar, state: Path) -> None:
    folder = state / "recordings"
    first = recordings(folder)[0]
    data = bytearray(first.read_bytes())
    data[5 * PAGE + 100] ^= 1
    first.write_bytes(data[:-PAGE])
    wrong = {
        "rec-000011-00000000.hbk": b"",
        "rec-000012-00000000.hbk": os.urandom(3 * PAGE),
        "rec-000013-00000000.hbk": b'{"format":"hipbar-keypoints","version":9}\n',
        "rec-000014-00000000.hbk": bytes(data[: 4 * PAGE]).replace(b"hipbar test", b"hipbar tesu"),
    }
    for name, content in wrong.items():
        (folder / name).write_bytes(content)
    (folder / "rec-000015-00000000.hbk").mkdir()
    (folder / "rec-000016-00000000.hbk").symlink_to("/nowhere")
    by_hand = Recorder(folder / "rec-000017-00000000.hbk", HEADER)
    by_hand.keep(track(0))
    by_hand.close()
    rows = {str(row["file"]): row for row in listed(hipbar, state)}
    assert rows[first.name]["damage"] == f"damaged at byte {5 * PAGE}"
    assert all(rows[name]["damage"] or rows[name]["frames"] == 0 for name in wrong)
    assert "format 9" in str(rows["rec-000013-00000000.hbk"]["damage"])
    assert rows["rec-000015-00000000.hbk"]["damage"] == "is a folder"
    assert rows["rec-000017-00000000.hbk"]["frames"] == RATE
    code, out, err = hipbar("--state", state)
    assert (code, err) == (0, "")
    assert "nothing in it can be read" in out


def test_nothing_there_is_said_so(hipbar: Hipbar, tmp_path: Path) -> None:
    assert hipbar("--state", tmp_path) == (0, f"no recordings in {tmp_path}/recordings\n", "")
    assert (
        hipbar("--state", tmp_path, "--json")[1] == f'{{"folder":"{tmp_path}/recordings","recordings":[]}}\n'
    )


def test_a_state_folder_that_is_a_file_is_told_with_a_remedy(hipbar: Hipbar, tmp_path: Path) -> None:
    (tmp_path / "recordings").write_bytes(b"")
    code, out, err = hipbar("--state", tmp_path)
    assert (code, out) == (3, "")
    assert "can't be read: Not a directory" in err
    assert "--state" in err


def test_a_recording_of_the_service_replays(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    archive = Archive(tmp_path / "recordings", HEADER, limit_mb=100, reserve_mb=0, stamp=stamp)
    for second in range(20):
        archive.keep(chunk(second))
    path = recordings(tmp_path / "recordings")[0]
    with pytest.raises(SystemExit) as ended:
        cli.main(["replay", str(path), "--json"])
    assert ended.value.code == 0, "also while it is being written"
    assert json.loads(capfd.readouterr().out)["frames"] == 20 * RATE
    archive.close()
