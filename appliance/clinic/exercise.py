"""An exercise's TOML text becomes a value that plans its sets: holds or repetitions, a side at a time, with rests.

Seconds; degrees of the pelvis's obliquity; pixels of its way up and down in the upright picture. `side` is always the
side that works: the leg that stands, or the side that is leant on. Refuses, with `SettingsError` naming file, key and
remedy, figures out of range and figures that the exercise has no use for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from appliance.clinic.reading import name_of, read
from appliance.clinic.terms import Block, Kind, Measure, Mode, Plan, VisitKind
from appliance.errors import SettingsError
from appliance.records import Side

_FIX = "`hipbar exercise show hip-drop` shows one that is right"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file as it is written.

    how : what the runner is told, a line each. sides : in the order of a round; () = of no side. reps : of a set.
    hold_s : each hold. band_deg : a hold counts while the pelvis is level within it. range_deg, range_px : what a
    repetition goes out and comes back at least (for a hold by height: how far the pelvis is up). tempo_s : what a
    repetition takes, to plan by. rest_s : between sets; pause_s : between the holds of a set; ready_s : before the
    first set; stand_s : of standing still for the zero, 0 = none.
    """

    kind: Literal["hold", "reps"]
    title: str = ""
    about: str = ""
    how: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    measure: Measure = "angle"
    sides: tuple[Side, ...] = (Side.LEFT, Side.RIGHT)
    sets: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    reps: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    hold_s: Annotated[float, msgspec.Meta(ge=2, le=600)] | None = None
    band_deg: Annotated[float, msgspec.Meta(ge=0.5, le=20)] | None = None
    range_deg: Annotated[float, msgspec.Meta(ge=2, le=60)] | None = None
    range_px: Annotated[float, msgspec.Meta(ge=4, le=600)] | None = None
    tempo_s: Annotated[float, msgspec.Meta(ge=0.5, le=30)] = 4.0
    rest_s: Annotated[float, msgspec.Meta(ge=0, le=900)] = 60.0
    pause_s: Annotated[float, msgspec.Meta(ge=2, le=120)] = 5.0
    ready_s: Annotated[float, msgspec.Meta(ge=0, le=120)] = 10.0
    stand_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 5.0


class Exercise(_File, frozen=True, kw_only=True):
    """A checked exercise, under the name of its file."""

    name: str

    @property
    def of_a_set(self) -> int:
        """Repetitions or holds of a set."""
        return self.reps or 1

    @property
    def mode(self) -> Mode:
        """What the bar shows at work: the live pelvis, where that is what counts."""
        return "live" if self.measure == "angle" else "off"


def parse_exercise(text: str, origin: str) -> Exercise:
    """The exercise of TOML text; its name is that of the file `origin`. Raises `SettingsError`."""
    file = read(text, origin, _File, fix=_FIX)
    for what, fix in _faults(file):
        raise SettingsError(f"{origin}: {what}", fix=fix)
    return Exercise(name=name_of(origin), **msgspec.structs.asdict(file))


def drill_plan(exercise: Exercise) -> Plan:
    """What is to be done: the zero, time to get ready, then sets in rounds of all sides, with a rest between two."""
    zero = _block(exercise, Kind.STAND, exercise.stand_s, "standing zero")
    blocks = [zero, _block(exercise, Kind.REST, exercise.ready_s, "get ready")]
    sides: tuple[Side | None, ...] = exercise.sides or (None,)
    for number in range(1, exercise.sets + 1):
        for side in sides:
            blocks += [_set(exercise, side, number), _block(exercise, Kind.REST, exercise.rest_s, "rest")]
    return Plan(
        kind=VisitKind.EXERCISE,
        protocol=exercise.name,
        number=1,
        visits=0,
        blocks=tuple(block for block in blocks[:-1] if block.seconds > 0),
        title=exercise.title,
    )


def drill_s(exercise: Exercise) -> float:
    """About how long all of it takes, rests and pauses included."""
    plan = drill_plan(exercise)
    pauses = sum((block.reps or 1) - 1 for block in plan.blocks if block.kind is Kind.HOLD)
    return sum(block.seconds for block in plan.blocks) + pauses * exercise.pause_s


def _set(exercise: Exercise, side: Side | None, number: int) -> Block:
    """One set; its `seconds` are those of its holds, or what its repetitions are planned to take."""
    hold, each_s = exercise.kind == "hold", exercise.hold_s or exercise.tempo_s
    return Block(
        kind=Kind.HOLD if hold else Kind.REPS,
        seconds=exercise.of_a_set * each_s,
        name=side.value if side else "",
        mode=exercise.mode,
        exercise=exercise.name,
        side=side,
        set_number=number,
        reps=exercise.of_a_set,
        hold_s=exercise.hold_s,
        band_deg=exercise.band_deg,
        measure=exercise.measure,
        range_deg=exercise.range_deg,
        range_px=exercise.range_px,
        pause_s=exercise.pause_s if hold else None,
    )


def _block(exercise: Exercise, kind: Kind, seconds: float, name: str) -> Block:
    return Block(kind=kind, seconds=seconds, name=name, exercise=exercise.name)


def _faults(file: _File) -> Iterator[tuple[str, str]]:
    """What can't be meant, the first first."""
    hold = file.kind == "hold"
    if file.measure == "time" and not hold:
        yield 'measure = "time" counts no repetitions', 'give measure = "angle" or "height"'
    if hold and file.hold_s is None:
        yield "a hold needs hold_s", "hold_s = 30 holds for half a minute"
    if not hold and file.reps is None:
        yield "repetitions need reps", "reps = 15 makes fifteen of them a set"
    if len(set(file.sides)) != len(file.sides):
        yield "sides names a side twice", 'sides = ["left", "right"], or one of them, or [] for none'
    if 0 < file.stand_s < 2:
        yield f"stand_s = {file.stand_s:g} is too short to tell a zero", "give 2 or more, or 0 for none"
    needed = _needed(file)
    if needed and getattr(file, needed) is None:
        yield f"{file.kind} by {file.measure} needs {needed}", f"{needed} = {_USUAL[needed]:g} is usual"
    for key in ("hold_s", "band_deg", "range_deg", "range_px"):
        if getattr(file, key) is not None and key not in (needed, "hold_s" if hold else ""):
            what = f"{file.kind} by {file.measure} has no use for {key}"
            yield what, f"take {key} away" + (f"; it goes by {needed}" if needed else "")


_USUAL = {"band_deg": 3.0, "range_deg": 6.0, "range_px": 15.0}


def _needed(file: _File) -> str:
    """The one figure by which it is counted; "" for the clock."""
    if file.measure == "angle":
        return "band_deg" if file.kind == "hold" else "range_deg"
    return "range_px" if file.measure == "height" else ""
