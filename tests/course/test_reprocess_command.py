"""`hipbar reprocess` on a store whose visits were measured by an older program."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from appliance.cli import main
from appliance.clinic.rows import VisitData
from appliance.errors import StoreError
from appliance.motion.edition import EDITION
from appliance.store.store import Store
from tests.course.made import Short


@pytest.fixture(scope="module")
def short() -> Short:
    return Short()


def of_edition(data: VisitData, edition: int, steps: np.ndarray) -> VisitData:
    """The visit as another program would have kept it; nobody paused it."""
    plain = steps.copy()
    plain["paused"] = 0
    visit = replace(data.visit, edition=edition)
    return replace(data, visit=visit, steps=plain, edition=edition, events=())


@pytest.fixture
def folder(short: Short, tmp_path: Path) -> Path:
    """Visit 1 and 3 of an older program, which saw fewer and deeper steps; visit 2 of this one."""
    older = short.data.steps[4:].copy()
    older["peak_drop_deg"][older["right"] == 1] += 0.4
    with Store.open(tmp_path, make=True) as store:
        for code in ("R-1", "R-2"):
            store.add_runner(code, "", 1e9)
        store.put_visit(of_edition(short.data, EDITION - 1, older), short.trace)
        store.put_visit(of_edition(short.data, EDITION, short.data.steps), short.trace)
        other = of_edition(short.data, EDITION - 1, older)
        store.put_visit(replace(other, visit=replace(other.visit, runner="R-2")), short.trace)
    return tmp_path


def called(folder: Path, *words: str) -> Result:
    from appliance.commands.reprocess import command

    return CliRunner().invoke(command, [*words, "--state", str(folder)])


def lines(folder: Path, *words: str) -> list[dict[str, object]]:
    done = called(folder, *words, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["edition"] == EDITION
    return list(told["visits"])


def test_an_older_visit_gets_the_steps_of_this_program_and_keeps_its_own(short: Short, folder: Path) -> None:
    (line,) = lines(folder, "1")
    changed = line["changed"]
    assert isinstance(changed, dict)
    assert (changed["before"], changed["after"]) == (EDITION - 1, EDITION)
    assert (changed["added"], changed["lost"], changed["same"]) == (4, 0, False)
    assert changed["right_before_deg"] - changed["right_after_deg"] == pytest.approx(0.4, abs=0.15)
    with Store.open(folder) as store:
        assert [number for number, _, _ in store.editions(1)] == [EDITION - 1, EDITION]
        assert len(store.data(1, EDITION - 1).steps) == len(short.data.steps) - 4
        newest = store.data(1)
    assert newest.edition == EDITION
    plain = of_edition(short.data, EDITION, short.data.steps).steps
    assert newest.steps.tobytes() == plain.tobytes()


def test_a_dry_run_tells_the_same_and_keeps_nothing(folder: Path) -> None:
    (tried,) = lines(folder, "1", "--dry-run")
    assert tried["kept"] is False
    with Store.open(folder) as store:
        assert [number for number, _, _ in store.editions(1)] == [EDITION - 1]
    (done,) = lines(folder, "1")
    assert done["kept"] is True
    assert done["changed"] == tried["changed"]


def test_what_has_this_edition_is_left_alone_unless_forced_and_never_written_over(folder: Path) -> None:
    (line,) = lines(folder, "2")
    assert line["why"] == "of this edition already"
    (forced,) = lines(folder, "2", "--force")
    assert forced["kept"] is False
    assert forced["changed"]["same"] is True  # type: ignore[index]
    lines(folder, "1")
    (again,) = lines(folder, "1", "--force")
    assert again["kept"] is True
    assert again["changed"]["same"] is True  # type: ignore[index]


def test_all_and_a_runner_s_visits_are_chosen_and_counted(folder: Path) -> None:
    assert [line["visit"] for line in lines(folder, "--runner", "r-2", "--dry-run")] == [3]
    done = called(folder, "--all")
    assert done.exit_code == 0
    assert f"edition {EDITION}: 2 visits computed, 0 the same to the last bit, 2 kept" in done.output
    assert "1 visit left as it is, of this edition already" in done.output
    assert "left hip drop" in done.output


def test_a_damaged_visit_is_named_and_keeps_none_of_the_others_back(folder: Path) -> None:
    with sqlite3.connect(folder / "clinic.db") as db:
        db.execute("UPDATE chunks SET crc = crc + 1 WHERE visit = 1")
    done = called(folder, "--all")
    assert isinstance(done.exception, StoreError)
    assert "visit 1" in done.output
    assert "edition 1: 1 visit computed" in done.output
    with Store.open(folder) as store:
        assert len(store.editions(3)) == 2


@pytest.mark.parametrize("words", [(), ("1", "--all"), ("--all", "--runner", "R-1"), ("x1",), ("--runner",)])
def test_words_that_make_no_sense_are_refused(folder: Path, words: tuple[str, ...]) -> None:
    assert called(folder, *words).exit_code == 2


@pytest.mark.parametrize(("words", "said"), [(("99",), "99"), (("--runner", "R-9"), "R-9")])
def test_what_is_not_there_is_said(folder: Path, words: tuple[str, ...], said: str) -> None:
    done = called(folder, *words)
    assert isinstance(done.exception, StoreError)
    assert said in str(done.exception)


def test_without_a_store_it_says_where_it_looked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["hipbar", "reprocess", "last", "--state", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == StoreError.exit_code
    assert str(tmp_path) in capsys.readouterr().err
