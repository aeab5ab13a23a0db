"""How a visit stands becomes words: one line for others' screens, or a screen of its own.

Minutes and seconds, degrees. A drop is named by the hip that drops, with the stance side beside it. What is not known
is left out, or a dash. Pure; refuses nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from appliance.clinic.terms import View
from appliance.commands.clinic import span
from appliance.station.told import Gait, Ready, Visit

_WAITS = {
    "runner": "waits for the runner to run",
    "standing still": "waits for standing still",
    "the runner in view": "waits for the runner in view",
    "a level pelvis": "waits for a level pelvis",
    "a lifted pelvis": "waits for a lifted pelvis",
}
_LABEL = 11
_BAR_MOST = 40
_COLUMN = 15


def line(visit: Visit) -> str:
    """All in one line: "12, P-07, retraining 3 of 8: block 4 of 7, feedback, 4:20 of 10:00, ..."."""
    parts = [standing(visit), shows(visit.view), steps(visit.view), trouble(visit)]
    return f"{visit.id}, {whose(visit)}: {', '.join(part for part in parts if part)}"


def short(visit: Visit) -> str:
    """The same in some 80 columns."""
    view = visit.view
    number = f" {visit.number}/{visit.visits}" if visit.visits > 1 else ""
    head = f"{visit.kind} {visit.id}  {visit.runner or 'no runner'}  {visit.protocol}{number}"
    if view is None:
        return f"{head}  {visit.state}"
    state = "PAUSED" if view.paused else _WAITS.get(view.waiting, view.waiting)
    lit = view.mode if view.lit else "dark"
    parts = [head, f"{view.kind} {span(view.ran_s)}/{span(view.planned_s)}", lit, state]
    return "  ".join(part for part in [*parts, "NOT RECORDING" if visit.trouble else ""] if part)


def whose(visit: Visit) -> str:
    """The runner's code and where in the protocol this is."""
    number = f" {visit.number} of {visit.visits}" if visit.visits > 1 else ""
    return f"{visit.runner or 'no runner yet'}, {visit.protocol}{number}"


def armed(ready: Ready) -> str:
    """What the button begins next."""
    if ready.runner is None:
        return f"{ready.protocol or 'an open visit'}, without a runner: a short press begins it"
    number = f", visit {ready.number}" if ready.number else ""
    return f"{ready.runner}, {ready.protocol}{number}: a short press begins it"


def standing(visit: Visit) -> str:
    """Which block, how far, and what it waits for."""
    view = visit.view
    if view is None:
        return f"{visit.state}, waits for its first frame"
    parts = [
        f"block {view.block + 1} of {view.blocks}",
        view.kind + (f" ({view.name})" if view.name and view.name != view.kind else ""),
        f"{span(view.ran_s)} of {span(view.planned_s)}",
        *exercise(view),
        "paused" if view.paused else _WAITS.get(view.waiting, view.waiting),
    ]
    return ", ".join(part for part in parts if part)


def exercise(view: View) -> Iterator[str]:
    """Set, side, repetitions and hold of an exercise's block."""
    if view.set_number is not None:
        yield f"set {view.set_number}"
    if view.side is not None:
        yield f"{view.side} side"
    if view.reps is not None:
        yield f"{view.reps} of {view.reps_wanted}" if view.reps_wanted else f"{view.reps}"
    if view.held_s is not None:
        wanted = f" of {view.held_wanted_s:.0f}" if view.held_wanted_s else ""
        yield f"held {view.held_s:.0f}{wanted} s"


def shows(view: View | None) -> str:
    """What the runner sees, and what is asked."""
    if view is None:
        return ""
    if not view.lit:
        return "bar dark"
    if view.mode == "step" and view.target_deg is not None:
        return f"bar shows step, drop up to {view.target_deg:.1f} deg"
    if view.band_deg is not None:
        return f"bar shows {view.mode}, level within {view.band_deg:.1f} deg"
    return f"bar shows {view.mode}"


def steps(view: View | None) -> str:
    """The block's steps by side."""
    if view is None or not view.left_steps + view.right_steps:
        return ""
    return f"steps left hip {view.right_steps}, right hip {view.left_steps}"


def trouble(visit: Visit) -> str:
    """Why nothing of it is kept, if so."""
    return f"NOT RECORDING: {visit.trouble}" if visit.trouble else ""


def screen(visit: Visit, gait: Gait, width: int, *, utf8: bool = True) -> list[str]:
    """A whole screen, in at most `width` columns."""
    rows = [(visit.kind, f"{visit.id}, {whose(visit)}")]
    view = visit.view
    if view is None:
        rows.append(("", standing(visit)))
    else:
        rows += _block(view, width, utf8=utf8)
        rows += _figures(view, gait)
    lines = [f"{label:<{_LABEL}}{words}"[:width] for label, words in rows if words]
    kept = trouble(visit) or f"{visit.kept_steps:,} steps, up to {span(visit.kept_s)}"
    return lines + textwrap.wrap(f"{'recorded':<{_LABEL}}{kept}", width, subsequent_indent=" " * _LABEL)


def _block(view: View, width: int, *, utf8: bool) -> Iterator[tuple[str, str]]:
    name = f"{view.kind}: {view.name}" if view.name and view.name != view.kind else view.kind
    yield f"block {view.block + 1}/{view.blocks}", ", ".join([name, *exercise(view)])
    if view.cue:
        yield "say", f'"{view.cue}"'
    yield (
        "",
        f"{_bar(view, min(width - 30, _BAR_MOST), utf8=utf8)}  {span(view.ran_s)} of {span(view.planned_s)}",
    )
    yield "", "PAUSED" if view.paused else _WAITS.get(view.waiting, view.waiting)
    yield "bar", shows(view).removeprefix("bar ")


def _bar(view: View, cells: int, *, utf8: bool) -> str:
    """How much of the block's time has been counted."""
    full, empty = ("█", "░") if utf8 else ("#", "-")
    done = min(max(view.ran_s / view.planned_s, 0.0), 1.0) if view.planned_s > 0 else 1.0
    cells = max(cells, 10)
    return full * int(done * cells) + empty * (cells - int(done * cells))


def _figures(view: View, gait: Gait) -> Iterator[tuple[str, str]]:
    """What is measured now, by the hip that drops."""
    yield "", _columns("left hip", "right hip")
    yield "", _columns("(right stance)", "(left stance)")
    yield "drop", f"{_columns(_deg(gait.left_hip_drop_deg), _deg(gait.right_hip_drop_deg))}  deg, last steps"
    yield "steps", f"{_columns(str(view.right_steps), str(view.left_steps))}  in this block"
    cadence = "-" if gait.cadence_spm is None else f"{gait.cadence_spm:.0f}"
    yield "cadence", f"{cadence:>{_COLUMN}}  steps/min"


def _columns(left: str, right: str) -> str:
    """By hip, as one who stands behind the runner sees them."""
    return f"{left:>{_COLUMN}}{right:>{_COLUMN}}"


def _deg(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
