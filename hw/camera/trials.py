"""A recorded trial's CSV files become a frozen `Trial`: marks in metres against time, and what is known beside them.

x to the runner's right, y forward, z up, metres; seconds from the start of the recording. A heel is the mean of the
foot's dots where the laboratory put several on the foot. An empty cell (mark not seen) is NaN.
Refuses a name that is not among `names()`.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec
import numpy as np

from appliance.errors import SettingsError
from appliance.records import F64, Side

PAIRS: dict[str, tuple[str, str]] = {
    "plate": ("plate_left", "plate_right"),
    "iliac_crest": ("left_iliac_crest", "right_iliac_crest"),
    "psis": ("left_psis", "right_psis"),
}
"""The pelvis pairs that a runner may wear, best first: left mark, right mark."""

_FILES = {"rbds001": "rbds001_2.5mps", "rbds002": "rbds002_2.5mps", "ric": "ric_20160226"}
_EMPTY_CELL = re.compile(r"(?<=[,\n])(?=[,\n])")
_FOOT_DOT = re.compile(r"(left|right)_foot_\d+")


class Contact(msgspec.Struct, frozen=True):
    """One foot on the belt, as the force plate felt it."""

    stance: Side
    contact_s: float
    off_s: float


class Trial(msgspec.Struct, frozen=True):
    """A recorded run.

    t_s : (n,) seconds. marks : name -> (n, 3) metres. standing : name -> (3,) metres, the mean of standing still.
    pairs : which of `PAIRS` the runner wore, best first. steps : from the force plate; empty where there was none.
    """

    name: str
    t_s: F64
    marks: dict[str, F64]
    standing: dict[str, F64]
    pairs: tuple[str, ...]
    steps: tuple[Contact, ...]


def names() -> tuple[str, ...]:
    """The runners that travel with the product."""
    return tuple(_FILES)


@cache
def load(name: str) -> Trial:
    """The trial of that name; read once, then kept."""
    if name not in _FILES:
        near = difflib.get_close_matches(name, _FILES, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(_FILES)}"
        raise SettingsError(f"no recorded runner `{name}`", fix=hint)
    folder, stem = resources.files("appliance") / "trials", _FILES[name]
    t_s, marks = _table(folder / f"{stem}.csv")
    _, standing = _table(folder / f"{stem}_standing.csv")
    return Trial(
        name=name,
        t_s=t_s,
        marks=marks,
        standing={mark: rows[0] for mark, rows in standing.items()},
        pairs=tuple(pair for pair, (left, _) in PAIRS.items() if left in marks),
        steps=_steps(folder / f"{stem}_steps.csv"),
    )


def _table(file: Traversable) -> tuple[F64, dict[str, F64]]:
    """Times and marks of one CSV file; `numpy.loadtxt` because it is the quickest reader at hand."""
    head, _, body = file.read_text(encoding="ascii").partition("\n")
    rows = np.loadtxt(io.StringIO(_EMPTY_CELL.sub("nan", body)), delimiter=",", ndmin=2)
    columns = head.strip().split(",")[1::3]
    marks = {c.removesuffix("_x_m"): rows[:, 1 + 3 * k : 4 + 3 * k] for k, c in enumerate(columns)}
    return rows[:, 0], _with_heels(marks)


def _with_heels(marks: dict[str, F64]) -> dict[str, F64]:
    """Foot clusters replaced by one heel each: rigid dots, so their mean moves as the foot does."""
    feet: dict[str, list[F64]] = {}
    for mark, rows in marks.items():
        if foot := _FOOT_DOT.fullmatch(mark):
            feet.setdefault(f"{foot[1]}_heel", []).append(rows)
    rest = {mark: rows for mark, rows in marks.items() if not _FOOT_DOT.fullmatch(mark)}
    return rest | {heel: np.mean(rows, axis=0) for heel, rows in feet.items()}


def _steps(file: Traversable) -> tuple[Contact, ...]:
    if not file.is_file():
        return ()
    rows = csv.DictReader(file.read_text(encoding="ascii").splitlines())
    return tuple(Contact(Side(r["stance"]), float(r["contact_s"]), float(r["off_s"])) for r in rows)
