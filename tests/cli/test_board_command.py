"""`hipbar board`: a table that a technician can act on, honest about what is no Pi."""

import json
import os

import msgspec
import pytest

from appliance.commands.board import judged
from hw.board import Board, Watchdog, read_board

WELL = Board(
    is_pi=True,
    model="Raspberry Pi 5 Model B Rev 1.0",
    revision="d04170",
    temperature_c=52.0,
    throttled=0,
    under_voltage=False,
    free_mb=20000,
    memory_mb=6000,
    load=0.4,
    cores=4,
    policy="fifo",
    priority=20,
    locked_mb=120,
    lockable_mb=float("inf"),
    affinity=(1, 2, 3),
    clock_synchronised=True,
    watchdog=Watchdog("Broadcom BCM2835 Watchdog timer", True, 14),
    boot_id="6f1a3f0e",
)


def _rows(**changes):
    return {row.figure: row for row in judged(msgspec.structs.replace(WELL, **changes))}


def test_a_pi_that_is_well_asks_for_nothing():
    rows = _rows()
    assert {row.verdict for row in rows.values()} == {"good", "-"}
    assert not [row for row in rows.values() if row.todo]
    assert rows["supply"].value == "never too low, never throttled"


@pytest.mark.parametrize(
    ("change", "figure", "verdict", "words"),
    [
        ({"temperature_c": 81.0}, "temperature", "bad", "heat sink"),
        ({"temperature_c": 72.0}, "temperature", "look", "air"),
        ({"throttled": 0x50005}, "supply", "bad", "supply made for this Pi"),
        ({"throttled": 0x50000}, "supply", "look", "supply made for this Pi"),
        ({"throttled": 0x80008}, "supply", "bad", "air"),
        ({"throttled": None, "under_voltage": True}, "supply", "bad", "supply made for this Pi"),
        ({"free_mb": 100.0}, "free disk", "bad", "recordings"),
        ({"free_mb": 900.0}, "free disk", "look", "recordings"),
        ({"memory_mb": 100.0}, "free memory", "look", "else"),
        ({"load": 5.0}, "load", "look", "else"),
        ({"clock_synchronised": False}, "clock", "look", "measuring is not affected"),
        ({"watchdog": None}, "watchdog", "look", "dtparam=watchdog=on"),
        ({"watchdog": Watchdog("w", False, 15)}, "watchdog", "look", "RuntimeWatchdogSec=14"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(change, figure, verdict, words):
    row = _rows(**change)[figure]
    assert row.verdict == verdict
    assert words in row.todo


def test_a_command_by_hand_is_not_blamed_for_its_priority():
    row = _rows(policy="other", priority=0)["scheduling"]
    assert (row.verdict, row.value) == ("-", "other, not real-time")


def test_a_laptop_is_not_a_pi_and_is_not_asked_for_a_watchdog():
    rows = _rows(is_pi=False, watchdog=None, revision=None, throttled=None, under_voltage=None)
    assert rows["board"].todo == "not a Pi"
    assert not {"watchdog", "supply", "revision"} & set(rows)


def test_what_is_unknown_has_no_row():
    nothing = {name: None for name in Board.__struct_fields__ if name != "is_pi"}
    assert list(_rows(**nothing)) == ["board", "watchdog"]


def test_the_table_has_a_line_a_figure(hipbar):
    done = hipbar("board")
    assert done.code == 0
    figures = [line.split("  ")[0].strip() for line in done.out.splitlines()]
    assert figures == [row.figure for row in judged(read_board())]


def test_json_has_every_figure_and_every_verdict(hipbar, tmp_path):
    done = hipbar("board", "--json", "--data", tmp_path, "--pid", os.getpid())
    told = json.loads(done.out)
    assert set(told["board"]) == set(Board.__struct_fields__)
    assert told["rows"][0]["figure"] == "board"


def test_a_process_that_is_not_there_is_refused(hipbar):
    done = hipbar("board", "--pid", 2**22 + 1)
    assert done.code == 1
    assert "there is no process" in done.err
    assert "pgrep" in done.err


def test_a_folder_that_is_not_there_is_refused(hipbar, tmp_path):
    done = hipbar("board", "--data", tmp_path / "nowhere")
    assert done.code == 2
    assert "does not exist" in done.err
