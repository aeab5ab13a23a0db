"""A laboratory's markers become the four marks of a runner: the pelvis pair and the heels, in metres.

By name, in the order of what is known of them: a wide pair on the crests before the PSIS before the ASIS
(docs/signals.md), and each side's heel. Capitals, points, underscores and a subject's prefix ("Runner:LHEE") do not
count. Several markers for one mark are taken by their mean. Refuses, with `SourceError`, to guess between two people or
when a mark has no marker.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

import numpy as np

from appliance.errors import SourceError
from appliance.records import F64, MARKS

_PAIRS = (
    "pelvis_left/pelvis_right", "plate_left/plate_right", "left_iliac_crest/right_iliac_crest",
    "L.Iliac.Crest/R.Iliac.Crest", "LIC/RIC", "LICR/RICR", "LILC/RILC", "LILCR/RILCR", "LCREST/RCREST",
    "left_psis/right_psis", "LPSI/RPSI", "LPSIS/RPSIS", "L_IPS/R_IPS", "psis_left/psis_right",
    "left_asis/right_asis", "LASI/RASI", "LASIS/RASIS", "L_IAS/R_IAS", "asis_left/asis_right",
)  # fmt: skip
_HEELS = (
    "left_heel/right_heel", "LHEE/RHEE", "LHEEL/RHEEL", "L.Heel.Top/R.Heel.Top", "L_FCC/R_FCC", "LCAL/RCAL",
    "LCALC/RCALC", "heel_left/heel_right", "LHL/RHL", "L.Heel.Bottom/R.Heel.Bottom",
)  # fmt: skip

Chosen = dict[str, tuple[str, ...]]
"""Each of `MARKS` with the names of its markers in the file."""


def chosen(markers: Mapping[str, F64], asked: Mapping[str, Sequence[str]]) -> Chosen:
    """Which markers stand for which mark; `asked` names some of them by hand."""
    names = _by_plain(markers)
    guess: Chosen = {}
    for pair, known in ((MARKS[:2], _PAIRS), (MARKS[2:], _HEELS)):
        if not all(asked.get(mark) for mark in pair):
            guess |= zip(pair, _pair(names, known), strict=True)
    guess |= {
        mark: tuple(_named(markers, names, name) for name in wanted)
        for mark, wanted in asked.items()
        if wanted
    }
    guess = {mark: guess[mark] for mark in MARKS}
    for mark in MARKS:
        if not guess[mark]:
            option = {"pelvis_left": "--pelvis-left", "pelvis_right": "--pelvis-right"}.get(
                mark, f"--{mark.replace('_', '-')}"
            )
            raise SourceError(
                f"no marker of the file is known as the {mark.replace('_', ' ')}",
                fix=f"name it with {option}; the file has {_listed(markers)}",
            )
    _refuse_twice(guess)
    return guess


def places(markers: Mapping[str, F64], names: Chosen) -> F64:
    """(n, 4, 3) metres: each mark the mean of its markers; NaN as soon as one of them is not seen."""
    return np.stack([np.mean([markers[name] for name in names[mark]], axis=0) for mark in MARKS], axis=1)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.rpartition(":")[2].lower())


def _by_plain(markers: Mapping[str, F64]) -> dict[str, list[str]]:
    """Plain name -> the file's names, of markers that were seen at all."""
    found: dict[str, list[str]] = {}
    for name, rows in markers.items():
        if np.isfinite(rows).any():
            found.setdefault(_plain(name), []).append(name)
    return found


def _pair(names: Mapping[str, list[str]], known: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The first known pair of which both are in the file."""
    for pair in known:
        left, right = (names.get(_plain(name), []) for name in pair.split("/"))
        if left and right:
            return (_only(left),), (_only(right),)
    return (), ()


def _only(names: list[str]) -> str:
    if len(names) > 1:
        raise SourceError(
            f"several people are in the file: {', '.join(names)}",
            fix="name the runner's markers with --pelvis-left, --pelvis-right, --left-heel and --right-heel",
        )
    return names[0]


def _named(markers: Mapping[str, F64], names: Mapping[str, list[str]], name: str) -> str:
    """A marker that was asked for by name."""
    if name in markers:
        if not np.isfinite(markers[name]).any():
            raise SourceError(
                f"marker `{name}` is not seen in a single frame", fix=f"The file has {_listed(markers)}"
            )
        return name
    if found := names.get(_plain(name)):
        return _only(found)
    near = difflib.get_close_matches(name, markers, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`? " if near else ""
    raise SourceError(f"the file has no marker `{name}`", fix=f"{hint}It has {_listed(markers)}")


def _refuse_twice(guess: Chosen) -> None:
    used: dict[str, str] = {}
    for mark, names in guess.items():
        for name in names:
            if name in used:
                what = f"`{name}` can't be both the {used[name].replace('_', ' ')} and the {mark.replace('_', ' ')}"
                raise SourceError(what, fix="name each mark's own markers")
            used[name] = mark


def _listed(markers: Mapping[str, F64], most: int = 40) -> str:
    names = list(markers)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
