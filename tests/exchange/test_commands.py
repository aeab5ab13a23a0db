"""`hipbar export` and `hipbar import` on a real store: out, in, beside one another, and refused with what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import laboratories as lab
import msgspec
import pytest
from kept_visits import kept

from appliance import cli
from appliance.clinic.terms import VisitKind
from appliance.exchange import json as ours
from appliance.store.store import Store

Hipbar = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hipbar(capfd: pytest.CaptureFixture[str]) -> Hipbar:
    """Runs the command line in this process: exit code, standard output, standard error."""

    def said(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return said


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with one runner and one visit."""
    folder = tmp_path / "state"
    folder.mkdir()
    with Store.open(folder, make=True) as store:
        store.add_runner("R-014", "", 1.8e9)
        store.put_visit(kept(whole=True).data, kept(whole=True).chunks)
    return folder


def test_a_visit_goes_out_in_every_format_at_once(hipbar: Hipbar, state: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"run{ending}" for ending in (".csv", ".parquet", ".json", ".c3d", ".trc", ".mot")]
    outputs = [word for file in files for word in ("-o", file)]
    code, out, err = hipbar("export", "last", *outputs, "--pair-mm", 250, "--state", state, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert [Path(file["file"]).name for file in told["files"]] == [file.name for file in files]
    assert all(file.stat().st_size > 2000 for file in files)
    counts = duckdb.sql(f"SELECT count(*), sum(right_steps) FROM (SELECT *, (stance = 'right')::INT AS right_steps "
                        f"FROM '{files[1]}')").fetchall()  # fmt: skip
    steps = kept(whole=True).data.steps
    assert counts == [(len(steps), int(steps["right"].sum()))]


def test_a_part_of_a_visit_goes_out_a_row_a_frame(hipbar: Hipbar, state: Path, tmp_path: Path) -> None:
    file = tmp_path / "part.csv"
    words = ("export", 1, "-o", file, "--what", "trace", "--block", 2, "--from", 10, "--state", state)
    code, out, _ = hipbar(*words)
    assert (code, out) == (0, f"{file}: visit 1, 720 frames\n")
    found = duckdb.sql(f"SELECT min(t_s), max(t_s), min(block), max(block) FROM '{file}'").fetchall()
    assert found == [(10.0, pytest.approx(15.99, abs=0.01), 1, 1)]


def test_a_visit_moves_to_another_station_and_is_the_same_there(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    file, other = tmp_path / "visit.json", tmp_path / "other"
    other.mkdir()
    with Store.open(other, make=True) as store:
        store.add_runner("R-99", "", 1.8e9)
    assert hipbar("export", 1, "-o", file, "--state", state)[0] == 0
    code, out, _ = hipbar("import", file, "--runner", "r-99", "--state", other)
    assert code == 0
    assert "is visit 1 of R-99" in out
    with Store.open(state) as a, Store.open(other) as b:
        one, two = a.data(1), b.data(1)
        assert one.steps.tobytes() == two.steps.tobytes()
        assert (two.visit.runner, two.visit.protocol, two.visit.number) == ("R-99", "retraining", 3)
        assert (one.blocks, one.spans, one.events) == (two.blocks, two.spans, two.events)
        for (_, track, trace), (_, track2, trace2) in zip(a.trace(1), b.trace(1), strict=True):
            assert (track.tobytes(), trace.tobytes()) == (track2.tobytes(), trace2.tobytes())


def test_a_laboratory_s_file_is_kept_as_a_visit_and_compared_with_ours(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    run = lab.to_c3d(tmp_path / "run.c3d", lab.markers("rbds002", lab.Y_UP, lab.VICON), 150.0)
    static = lab.to_c3d(tmp_path / "static.c3d", lab.standing("rbds002", lab.Y_UP, 10), 150.0)
    when = time.mktime((2026, 5, 4, 0, 0, 0, 0, 0, -1))
    words = (
        "import",
        run,
        "--runner",
        "r-014",
        "--standing",
        static,
        "--pelvis-left",
        "LIC",
        "--pelvis-right",
        "RIC",
    )
    names = ("--pelvis-left", "left_iliac_crest", "--pelvis-right", "right_iliac_crest")
    assert hipbar(*words, "--state", state)[0] == 3  # in the standing trial they have other names
    static = lab.to_c3d(tmp_path / "static.c3d", lab.standing("rbds002", lab.Y_UP, 10), 150.0)
    run = lab.to_c3d(tmp_path / "run.c3d", lab.markers("rbds002", lab.Y_UP), 150.0)
    words = (
        "import",
        run,
        "--runner",
        "r-014",
        "--standing",
        static,
        *names,
        "--compare",
        1,
        "--date",
        "2026-05-04",
    )
    code, out, err = hipbar(*words, "--state", state)
    assert (code, err) == (0, "")
    assert "kept as visit 2 of R-014" in out
    assert "up = +Y, right = +Z" in out
    assert "standing zero +0.59 deg from 10 frames" in out
    assert "Step by step" in out
    with Store.open(state) as store:
        visit = store.visit(2)
        assert (visit.kind, visit.runner, visit.began_s) == (VisitKind.IMPORTED, "R-014", when)
        assert "up = +Y" in store.data(2).events[0].words
        assert store.summary(2).whole.steps == visit.steps == len(store.data(2).steps)
        assert sum(len(track) for _, track, _ in store.trace(2)) == 4500


def test_a_dry_run_tells_and_keeps_nothing(hipbar: Hipbar, tmp_path: Path) -> None:
    run = lab.to_trc(tmp_path / "run.trc", lab.markers("rbds001"), 150.0)
    code, out, _ = hipbar("import", run, "--dry-run")
    assert code == 0
    assert out.startswith(f"{run}: 30.0 s, 78 steps; nothing is kept\n  TRC, mm, 150 frames/s\n")
    assert "standing zero not known" in out
    assert "left hip drop (right stance), deg" in out
    told = json.loads(hipbar("import", run, "--dry-run", "--json")[1])
    assert told["visit"] is None
    assert told["figures"]["whole"]["left"]["drop_deg"]["n"] == 39


def test_an_imported_visit_knows_its_scale_and_goes_out_again_in_millimetres(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    run = lab.to_csv(tmp_path / "run.csv", lab.markers("rbds001"), 150.0)
    assert hipbar("import", run, "--runner", "R-014", "--state", state)[0] == 0
    assert hipbar("export", "last", "-o", tmp_path / "out.trc", "--state", state)[0] == 0
    again = hipbar("import", tmp_path / "out.trc", "--dry-run", "--compare", 2, "--state", state)
    assert again[0] == 0
    assert "our second 0.000 is the laboratory's second 0" in again[1]


@pytest.mark.parametrize(
    ("words", "code", "what", "fix"),
    [
        (("export", "last", "-o", "a.xlsx"), 2, "ends in none of .csv", "--help"),
        (("export", "last"), 2, "'-o'", "--help"),
        (("export", "first", "-o", "a.csv"), 2, "`first` is no visit's number", "--help"),
        (("export", "12", "-o", "a.csv"), 11, "no visit 12", "visit list"),
        (("export", "1", "-o", "a.c3d"), 2, "--pair-mm", "--help"),
        (("export", "1", "-o", "a.csv", "-o", "./a.csv"), 4, "named twice", "file of its own"),
        (("export", "1", "-o", "no/a.csv"), 4, "can't be written", "create the folder"),
        (("export", "1", "-o", "a.csv", "--block", "7"), 11, "block 7 of visit 1 was not begun", "1, 2, 3"),
        (("export", "1", "-o", "a.csv", "--from", "9", "--to", "3"), 11, "empty", "--from"),
        (("export", "1", "-o", "a.csv", "--edition", "4"), 11, "no edition 4", "reprocess"),
        (("import", "a.c3d"), 2, "--runner", "--help"),
        (("import", "a.c3d", "--runner", "R-014"), 3, "No such file", "another file"),
        (("import", ".", "--runner", "R-014"), 2, "is a folder", "--help"),
        (
            ("import", "a.c3d", "--runner", "R-014", "--standing", "b.c3d", "--zero-deg", "1"),
            2,
            "the same",
            "--help",
        ),
        (("import", "a.json", "--dry-run"), 3, "can't be read", "another file"),
    ],
)
def test_what_can_t_be_done_is_told_in_two_lines(
    hipbar: Hipbar, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...], code: int, what: str, fix: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    found = hipbar(*words, "--state", state)
    assert found[0] == code
    assert what in found[2]
    assert fix in found[2]
    assert len(found[2].splitlines()) <= 2
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_an_unknown_runner_keeps_nothing(hipbar: Hipbar, state: Path, tmp_path: Path) -> None:
    run = lab.to_trc(tmp_path / "run.trc", lab.markers("rbds001"), 150.0)
    code, _, err = hipbar("import", run, "--runner", "R-041", "--state", state)
    assert code == 11
    assert "R-041" in err
    file = tmp_path / "visit.json"
    ours.write(file, msgspec.structs.replace(kept().data), kept().chunks)
    assert hipbar("import", file, "--runner", "R-041", "--state", state)[0] == 11
    with Store.open(state) as store:
        assert len(store.visits()) == 1
