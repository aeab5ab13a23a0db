"""The comparison of two machines' figures: nothing passes for equal that is not."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.station import figures

FILES = {
    "one.steps.jsonl": '{"stance":"left","contact_s":1.25,"peak_drop_deg":-3.5e-05}\n{"stance":"right"}\n',
    "one.bar.csv": "t_s,shown,leds\n0.008333333333333333,measurement,102030 0a0b0c\n",
    "one.pictures": "ab" * 32 + "\n",
    "one.hbk": "the software's name",
    figures.VERSIONS: "one machine",
}


def folder(path: Path, **changed: str) -> Path:
    path.mkdir()
    for name, text in {**FILES, **changed}.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def test_the_same_figures_are_equal_whatever_the_software_is_called(tmp_path: Path) -> None:
    other = folder(tmp_path / "b", **{"one.hbk": "another", figures.VERSIONS: "another"})
    found = figures.compared(folder(tmp_path / "a"), other)
    assert [one.name for one in found] == ["one.bar.csv", "one.pictures", "one.steps.jsonl"]
    assert all((one.differ, one.largest) == (0, 0.0) for one in found)


@pytest.mark.parametrize(
    ("name", "old", "new", "largest"),
    [
        ("one.steps.jsonl", "1.25", "1.2500000000000002", 2.220446049250313e-16),
        ("one.steps.jsonl", "-3.5e-05", "3.5e-05", 7e-05),
        ("one.steps.jsonl", "left", "right", math.inf),
        ("one.steps.jsonl", "1.25", "null", math.inf),
        ("one.bar.csv", "102030", "102130", 1.0),
        ("one.bar.csv", "measurement", "no_data", math.inf),
        ("one.pictures", "ab", "ac", math.inf),
    ],
)
def test_one_bit_of_difference_is_found_and_measured(
    tmp_path: Path, name: str, old: str, new: str, largest: float
) -> None:
    other = folder(tmp_path / "b", **{name: FILES[name].replace(old, new, 1)})
    found = {one.name: one for one in figures.compared(folder(tmp_path / "a"), other)}
    assert found[name].differ == 1
    assert found.pop(name).largest == pytest.approx(largest, rel=1e-12)
    assert not any(one.largest for one in found.values())


def test_a_step_more_and_a_file_less_are_differences(tmp_path: Path) -> None:
    steps = "one.steps.jsonl"
    more = folder(tmp_path / "b", **{steps: FILES[steps] + '{"stance":"left"}\n'})
    (more / "one.bar.csv").unlink()
    found = {one.name: one.largest for one in figures.compared(folder(tmp_path / "a"), more)}
    assert found == {"one.bar.csv": math.inf, "one.pictures": 0.0, steps: math.inf}
