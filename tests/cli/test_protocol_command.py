"""`hipbar protocol`: what there is, whether it is right, and what a visit will be like."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from appliance.clinic.protocol import parse_protocol
from appliance.commands.drawn import rows
from appliance.store.texts import protocol
from tests.cli.conftest import Hipbar

MINE = 'title = "Mine"\n[[block]]\nkind = "warm-up"\nminutes = 3\n'


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols" / "mine.toml").write_text(MINE)
    return tmp_path


def test_list_names_the_shipped_ones_the_clinic_s_and_what_is_wrong(hipbar: Hipbar, state: Path) -> None:
    (state / "protocols" / "bad.toml").write_text("visits = ")
    said = hipbar("protocol", "list", "--state", state)
    lines = said.out.splitlines()
    assert said.code == 0
    assert [line.split()[0] for line in lines] == ["bad", "demo", "mine", "open", "retraining"]
    assert "can't be used" in lines[0]
    assert "yours" in lines[2]
    assert "8 visits, 15 to 30 min of running, 180 in all" in lines[4]
    told = json.loads(hipbar("protocol", "list", "--state", state, "--json").out)["protocols"]
    assert [one["usable"] for one in told] == [False, True, True, True, True]
    assert told[4]["durations"][7] == {"all_s": 2105.0, "run_s": 1800.0, "lit_s": 330.0}


def test_the_folder_may_be_named_in_the_environment(
    hipbar: Hipbar, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPBAR_STATE", str(state))
    assert "mine" in hipbar("protocol", "list").out


def test_what_show_prints_is_a_protocol(hipbar: Hipbar, state: Path) -> None:
    text = hipbar("protocol", "show", "retraining", "--state", state).out
    assert parse_protocol(text, "again.toml").plan(8) is not None
    assert hipbar("protocol", "show", "mine", "--state", state).out == MINE
    told = json.loads(hipbar("protocol", "show", "retraining", "--json", "--state", state).out)
    assert told["target"] == {"percent": 70.0, "degrees": None, "floor_deg": 2.8, "of": "first"}


def test_check_says_good_with_remarks_or_exits_with_2(hipbar: Hipbar, state: Path) -> None:
    good = hipbar("protocol", "check", "retraining", "--state", state)
    assert (good.code, "remark" in good.out) == (0, False)
    odd = hipbar("protocol", "check", "demo", "--state", state)
    assert (odd.code, odd.out.count("remark")) == (0, 2)
    assert len(json.loads(hipbar("protocol", "check", "demo", "--json").out)["remarks"]) == 2
    (state / "protocols" / "mine.toml").write_text(MINE.replace("minutes", "minits"))
    bad = hipbar("protocol", "check", "mine", "--state", state)
    assert bad.code == 2
    assert "block 1 (line 2): nobody knows `minits`" in bad.err
    assert "did you mean `minutes`?" in bad.err


def test_check_and_preview_take_a_file_as_well(hipbar: Hipbar, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_text(MINE)
    assert hipbar("protocol", "check", path).out.startswith(f"elsewhere ({path}): good")
    assert "elsewhere: Mine" in hipbar("protocol", "preview", path).out
    assert hipbar("protocol", "check", tmp_path / "none.toml").code == 2


def test_an_unknown_protocol_is_answered_with_the_nearest_one(hipbar: Hipbar, state: Path) -> None:
    said = hipbar("protocol", "preview", "retrainig", "--state", state)
    assert said.code == 10
    assert "did you mean `retraining`?" in said.err


def test_preview_draws_a_row_a_visit_or_one_with_its_blocks(hipbar: Hipbar, state: Path) -> None:
    said = hipbar("protocol", "preview", "retraining", "--state", state)
    assert [line.split()[0] for line in said.out.splitlines()[2:10]] == list("12345678")
    one = hipbar("protocol", "preview", "retraining", "--number", "5", "--state", state).out
    assert "at most 70 % of the first visit's baseline, not below 2.8 deg; 90 s on, 30 s off" in one
    told = json.loads(hipbar("protocol", "preview", "retraining", "--json", "--state", state).out)
    assert [len(visit["blocks"]) for visit in told["visits"]] == [6] * 8
    assert hipbar("protocol", "preview", "retraining", "--number", "9", "--state", state).code == 10


def drawn(name: str, columns: int, **more: bool) -> list[str]:
    found, _ = protocol(Path("/nowhere"), name)
    plans = [found.plan(n) for n in range(1, (found.visits or 1) + 1)]
    return list(rows(plans, columns, **more))


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("name", ["retraining", "open", "demo"])
def test_a_timeline_fits_its_terminal_and_leaves_no_block_out(name: str, columns: int) -> None:
    lines = drawn(name, columns)
    assert max(map(len, lines)) <= max(columns, 60)
    for line in lines[1:]:
        if line[:5].strip().isdigit():
            assert line[7] == "|"
            assert {"b", "r"} <= set(line) or name == "open"


def test_a_timeline_needs_neither_colour_nor_more_than_ascii() -> None:
    assert all(line.isascii() for line in drawn("retraining", 80, plain=True))
    assert "#" in drawn("retraining", 80, plain=True)[1]


def test_light_and_dark_in_turn_are_drawn_as_such_where_the_cells_are_short_enough() -> None:
    line = drawn("demo", 80)[2]
    assert [len(run) for run in re.findall("█+", line)] == [4, 4, 4]


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")])
def test_preview_writes_a_picture(hipbar: Hipbar, tmp_path: Path, name: str, begins: bytes) -> None:
    said = hipbar("protocol", "preview", "demo", "-o", tmp_path / name)
    assert (said.code, said.out) == (0, "")
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_picture_of_another_format_or_in_a_folder_that_is_not_there_is_refused(
    hipbar: Hipbar, tmp_path: Path
) -> None:
    said = hipbar("protocol", "preview", "demo", "-o", tmp_path / "a.docx")
    assert (said.code, "end it in .svg, .png or .pdf" in said.err) == (4, True)
    assert hipbar("protocol", "preview", "demo", "-o", tmp_path / "no" / "a.png").code == 4
