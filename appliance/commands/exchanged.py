"""A laboratory's figures, alone or beside ours, become a table for people.

Degrees, milliseconds, steps a minute. Sides are named by the hip that drops with the stance in brackets. Every change
stands beside the smallest detectable difference.
"""

from __future__ import annotations

from appliance.clinic.figures import PartFigures, visit_figures
from appliance.clinic.intervals import Change, Spread, verdict
from appliance.clinic.rows import VisitData
from appliance.clinic.terms import SDD_DEG
from appliance.exchange.compare import Agreement, Compared

_ROWS = (
    ("left hip drop (right stance), deg", "right", "drop_deg", 1.0),
    ("right hip drop (left stance), deg", "left", "drop_deg", 1.0),
    ("contact time, right stance, ms", "right", "contact_time_s", 1e3),
    ("contact time, left stance, ms", "left", "contact_time_s", 1e3),
)


def figures(data: VisitData) -> list[str]:
    """The laboratory's figures alone."""
    whole = visit_figures(data).whole
    return ["", f"{'':36}{'mean':>9}{'SD':>8}{'steps':>8}", *(_alone(*row) for row in _spreads(whole))]


def beside(found: Compared) -> list[str]:
    """Ours, theirs, and the difference with its interval; then step by step where both saw the same run."""
    lines = ["", f"{'':36}{f'visit {found.visit}':>18}{'laboratory':>18}{'difference':>26}"]
    ours, theirs = _spreads(found.ours), _spreads(found.laboratory)
    changes = _changes(found)
    for (name, a, by), (_, b, _), change in zip(ours, theirs, changes, strict=True):
        lines.append(f"{name:36}{_mean(a, by):>18}{_mean(b, by):>18}{_change(change, by):>26}")
    lines += ["", f"Means +- SD (steps). A change of less than {SDD_DEG} deg can't be told from chance."]
    for name, change in zip(("left hip drop", "right hip drop"), changes[:2], strict=True):
        lines.append(f"{name}: {verdict(change, SDD_DEG)}")
    ours_deg, theirs_deg = found.ours_zero_deg, found.laboratory_zero_deg
    lines.append(f"Standing zero: ours {ours_deg:+.2f} deg, the laboratory's {theirs_deg:+.2f} deg.")
    return [*lines, "", *_paired(found)]


def _spreads(part: PartFigures) -> list[tuple[str, Spread, float]]:
    rows = [(name, getattr(getattr(part, side), figure), by) for name, side, figure, by in _ROWS]
    cadence = ("cadence, steps/min", part.cadence_spm, 1.0)
    return [*rows[:2], ("difference, right - left stance, deg", part.asymmetry_deg, 1.0), *rows[2:], cadence]


def _changes(found: Compared) -> list[Change]:
    by = found.difference
    return [
        by.right_drop_deg, by.left_drop_deg, by.asymmetry_deg, by.right_contact_time_s, by.left_contact_time_s,
        by.cadence_spm,
    ]  # fmt: skip


def _paired(found: Compared) -> list[str]:
    if found.shift_s is None:
        return [
            "Steps are not paired: the two are no recordings of the same run, or too few steps are in both."
        ]
    at_s = f"{round(found.shift_s, 3) + 0.0:.3f}"
    lines = [f"The same run: our second {at_s} is the laboratory's second 0. Step by step:"]
    sides = (("left hip drop (right stance)", found.right), ("right hip drop (left stance)", found.left))
    for name, side in sides:
        lines += [f"  {name}: {_agreement(side)}"] if side else []
    return lines


def _agreement(side: Agreement) -> str:
    by, low, high = (
        f"{round(v, 2) + 0.0:+.2f}" for v in (side.drop_bias_deg, side.drop_low_deg, side.drop_high_deg)
    )
    return (
        f"{side.n} steps, laboratory - ours {by} deg, 95 % of steps within {low} to {high}; "
        f"contacts scatter by {side.contact_sd_s * 1e3:.1f} ms"
    )


def _alone(name: str, spread: Spread, by: float) -> str:
    mean = "-" if spread.mean is None else f"{spread.mean * by:.1f}"
    sd = "-" if spread.sd is None else f"{spread.sd * by:.1f}"
    return f"{name:36}{mean:>9}{sd:>8}{spread.n:>8}"


def _mean(spread: Spread, by: float) -> str:
    if spread.mean is None:
        return "-"
    sd = "" if spread.sd is None else f" +- {spread.sd * by:.1f}"
    return f"{spread.mean * by:.1f}{sd} ({spread.n})"


def _change(change: Change, by: float) -> str:
    if change.change is None:
        return "-"
    if change.low is None or change.high is None:
        return f"{change.change * by:+.1f}"
    return f"{change.change * by:+.1f} [{change.low * by:+.1f} to {change.high * by:+.1f}]"
