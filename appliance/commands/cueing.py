"""What a cue has changed becomes lines of a terminal: each figure before, with and after it, and what may be said.

Drops are named by the hip that drops, with the stance side beside it. Degrees, pixels of the picture, steps a minute.
Pure; refuses nothing: what is not known is a dash.
"""

from __future__ import annotations

from collections.abc import Iterator

from appliance.clinic.cue import CueResult, CueRow
from appliance.clinic.intervals import Change, Spread, Verdict
from appliance.clinic.terms import SDD_DEG
from appliance.commands.clinic import date, span

FIGURES = {
    "right_drop_deg": "left hip drop (right stance), deg",
    "left_drop_deg": "right hip drop (left stance), deg",
    "asymmetry_deg": "difference, right stance minus left stance, deg",
    "right_sway_px": "sway in right stance, px of the picture",
    "left_sway_px": "sway in left stance, px of the picture",
    "cadence_spm": "cadence, steps a minute",
}
"""In the order in which they are shown; left hip first."""

_VERDICTS = {
    Verdict.WITHIN: f"clear, within {SDD_DEG} deg",
    Verdict.BEYOND: f"clear, beyond {SDD_DEG} deg",
}
_FOOT = (
    "( ) holds the true change of this run in 95 of 100 trials; clear: zero is outside.",
    "One line in twenty is clear by chance: look first at what the cue is for.",
    f"{SDD_DEG} deg is the smallest detectable difference of a drop over a week.",
    "Feedback and training aid, not a diagnosis.",
)


def lines(result: CueResult) -> Iterator[str]:
    """A trial, in at most 80 columns."""
    who = result.runner or "no runner yet"
    before, during, after = (span(seconds) for seconds in result.seconds)
    yield f'cue trial {result.visit}, {who}, {date(result.began_s)}: "{result.words}"'
    yield f"ran {before} before the cue, {during} with it, {after} after it"
    yield ""
    yield f"{'':<16}{'steps':>6}{'mean':>8}   change from before"
    rows = {row.figure: row for row in result.rows}
    for figure, words in FIGURES.items():
        yield words + ("   <- what the cue is for" if rows[figure].meant else "")
        yield from _row(rows[figure])
    yield ""
    yield from _FOOT


def _row(row: CueRow) -> Iterator[str]:
    parts = (
        ("before", row.before, None, None),
        ("with the cue", row.during, row.with_cue, row.with_cue_verdict),
        ("afterwards", row.after, row.afterwards, row.afterwards_verdict),
    )
    for name, part, by, said in parts:
        change = f"   {_change(by):<24}{_VERDICTS.get(said, said)}" if by and said else ""
        yield f"  {name:<14}{part.n:>6}{_mean(part):>8}{change}".rstrip()


def _mean(part: Spread) -> str:
    return "-" if part.mean is None else f"{part.mean:.1f}"


def _change(by: Change) -> str:
    if by.change is None:
        return "-"
    if by.low is None or by.high is None:
        return _signed(by.change)
    return f"{_signed(by.change)} ({_signed(by.low)} to {_signed(by.high)})"


def _signed(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}"
