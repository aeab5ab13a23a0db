"""A foot lifted when told, and a half of the bar that a person names, prove that left is left from end to end.

Left and right are always the runner's. Keeps `camera.mirror` and `strip.reversed`, and with them the proof without
which the service shows nothing per side. Nothing is concluded from the obliquity: a hip may drop on either side.
Refuses answers that contradict one another.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.calibrate.keep import Ways, step_options, walk
from appliance.commands.options import finite
from appliance.errors import CalibrationError

if TYPE_CHECKING:
    from appliance.calibration.sides import Lift, Look
    from appliance.commands.calibrate.bar import Bar
    from appliance.commands.calibrate.guide import Guide, Outcome
    from appliance.config import Settings
    from appliance.records import Side
    from appliance.station.client import Link

_NOTHING_TO_SEE = ("none", "memory")
_STAND_FIX = (
    "back to the camera, all dots in view and free, nobody else's;"
    " `hipbar calibrate aim` shows what the camera sees"
)
_LIFT_FIX = (
    "only the foot that is named, straight up by a hand's length, so that its dot still looks at the camera;"
    " the other stays"
)
_LOOK_HZ, _KEPT_S = 8.0, 3.0
_ANSWERS = {"l": "left", "r": "right", "n": "neither"}


@click.command(name="sides")
@click.option(
    "--wait",
    type=click.FloatRange(2, 300),
    default=20.0,
    show_default=True,
    callback=finite,
    help="Seconds to wait for each lift.",
)
@click.option(
    "--bar-seen",
    type=click.Choice(("right-way", "wrong-way")),
    help="What somebody saw of the bar's halves (hipbar leds --test); without it they are asked.",
)
@step_options
def command(ways: Ways, wait: float, bar_seen: str | None) -> int:
    """Prove that left is left: lift a foot when told, then say which half of the bar is lit.

    Sets the camera's mirroring and the end at which the bar begins. Until this has passed once the bar shows nothing
    per side, and again after the camera, its mount or the bar's wiring was changed.

    \b
    Examples:
      hipbar calibrate sides
      hipbar calibrate sides --wait 60
      hipbar calibrate sides --yes --bar-seen right-way --json
    """
    if ways.yes and bar_seen is None:
        raise click.UsageError("with --yes nobody looks at the bar: say --bar-seen right-way or wrong-way")
    return walk("sides", ways, step, wait=wait, bar_seen=bar_seen)


def step(link: Link, guide: Guide, **params: Any) -> Outcome:
    """The feet, then the bar."""
    from appliance.commands.calibrate.bar import settings_of
    from appliance.commands.calibrate.guide import Outcome

    settings = settings_of(link)
    began, was = settings, settings.camera.mirror
    guide.say("The runner stands in view with the back to the camera, feet hip-wide, both heels free.")
    guide.ready("Ready?")
    lifts, mirror = _feet(link, guide, settings, float(params["wait"]))
    settings = settings_of(link)
    bar, turned = _bar(link, guide, settings, params["bar_seen"])
    words = f"left is left: {len(lifts)} lifts, {'the picture is mirrored back' if mirror else 'no mirror'}; {bar}"
    figures = {
        "lifts": len(lifts),
        "least_rise": round(min(lift.height for lift in lifts), 3),
        "mirror_changed": mirror != was,
        "bar": bar,
        "bar_changed": turned != settings.strip.reversed,
    }
    values = {"camera.mirror": mirror, "strip.reversed": turned}
    _still_so(began, settings_of(link), values)
    return Outcome(
        values=values,
        figures=figures,
        words=words,
        problems=_problems(settings, mirror != was),
        proves_sides=True,
    )


def _still_so(began: Settings, ended: Settings, found: dict[str, bool]) -> None:
    """Refuses a proof of settings that somebody else has changed meanwhile: it would be kept as one of the new ones."""
    from appliance.station.calibration import sides_of

    if sides_of(began) | found != sides_of(ended) | found or ended.camera.mirror != found["camera.mirror"]:
        raise CalibrationError(
            "somebody has changed which side is which while it was looked at", fix="start again, alone"
        )


def _problems(settings: Settings, exchanged: bool) -> tuple[str, ...]:
    """What was measured through a picture that was the other way round."""
    angles = settings.lens.roll_deg, settings.lens.yaw_deg, settings.motion.zero_deg
    if not exchanged or not any(angles):
        return ()
    return (
        "roll, yaw and zero were measured the other way round: `hipbar calibrate level` and `zero` again",
    )


def _feet(link: Link, guide: Guide, settings: Settings, wait_s: float) -> tuple[tuple[Lift, ...], bool]:
    """Both feet once; and once more with the mirror the other way, when they say so."""
    from appliance.calibration.sides import mirrored

    lifts = _both(link, guide, settings, wait_s)
    mirror = mirrored(*lifts)
    if mirror is None:
        raise CalibrationError(
            "the same heel rose both times",
            fix="lift the foot that is named, put it down, then the other one",
        )
    if mirror == settings.camera.mirror:
        return lifts, mirror
    guide.say("The wrong heel rose, both times: the station takes the runner's left for their right.")
    if not guide.ask(f"set camera.mirror = {_toml(mirror)} and look once more?"):
        raise CalibrationError(
            "the sides are exchanged, and were left so", fix=f"set camera.mirror = {_toml(mirror)}"
        )
    link.set({"camera.mirror": mirror})
    again = _both(link, guide, settings, wait_s)
    if mirrored(*again) is not mirror:
        raise CalibrationError(
            "the second time it was the other way round", fix="start again, one foot at a time"
        )
    return lifts + again, mirror


def _both(link: Link, guide: Guide, settings: Settings, wait_s: float) -> tuple[Lift, Lift]:
    """The left foot, then the right one."""
    from appliance.records import Side

    return tuple(_lift(link, guide, settings, side, wait_s) for side in (Side.LEFT, Side.RIGHT))  # type: ignore[return-value]


def _lift(link: Link, guide: Guide, settings: Settings, side: Side, wait_s: float) -> Lift:
    """Waits until both feet rest, has one lifted, and sees which heel rises."""
    from appliance.calibration.sides import gone, lifted, on_one_leg, pelvis, stand

    rest = found = None
    missing = "pelvis dots"
    for looks in _looks(link, settings, wait_s):
        # the foot of before is not down yet: held still, it would pass for one at rest
        up = on_one_leg(looks[-1])
        rest = None if up else stand(looks)
        missing = "two heels at rest" if pelvis(looks) else "pelvis dots"
        word = "one foot is still up" if up else f"waiting for {missing}"
        guide.figure("both heels rest" if rest else word, good=bool(rest))
        if rest:
            break
    if rest is None:
        raise CalibrationError(f"no {missing} were seen in {wait_s:g} s", fix=_STAND_FIX)
    guide.say(f"Lift the {side.upper()} foot, and keep it up.")
    for looks in _looks(link, settings, wait_s):
        found = lifted(looks, rest, side)
        word = "a heel is off the ground" if gone(looks[-1], rest) else "no heel is up"
        guide.figure("a heel is up" if found else word, good=bool(found))
        if found:
            break
    if found is None:
        raise CalibrationError(f"no heel rose clearly in {wait_s:g} s", fix=_LIFT_FIX)
    guide.say("Seen. Put it down again.")
    return found


def _looks(link: Link, settings: Settings, wait_s: float) -> Iterator[list[Look]]:
    """The pictures of the last seconds, newest last, several times a second, for so long."""
    import numpy as np

    from appliance.calibration.sides import look
    from appliance.calibration.spots import bright_spots

    until_s, looks, seq = time.monotonic() + wait_s, list[Any](), None
    size = settings.camera.width_px, settings.camera.height_px
    with contextlib.closing(link.live(_LOOK_HZ, size)) as stream:
        for live in stream:
            if live.luma and live.xy_px is not None and live.t_s is not None and live.seq != seq:
                seq = live.seq
                luma = np.frombuffer(live.luma, np.uint8).reshape(live.height, live.width)
                marks = np.array(live.xy_px, np.float64)
                looks = [*looks, look(live.t_s, bright_spots(luma), marks, settings.camera, luma.shape[::-1])]
                looks = [one for one in looks if one.t_s > live.t_s - _KEPT_S]
                yield looks
            if time.monotonic() > until_s:
                return


def _bar(link: Link, guide: Guide, settings: Settings, seen: str | None) -> tuple[str, bool]:
    """How the bar was seen, in words, and which way round it has to be."""
    from appliance.commands.calibrate.bar import Bar

    now = settings.strip.reversed
    if seen is not None:
        return f"{seen.replace('-', ' ')} round, as was said", now if seen == "right-way" else not now
    if settings.strip.kind in _NOTHING_TO_SEE:
        return f'not looked at: strip.kind is "{settings.strip.kind}"', now
    guide.say("Now the bar. Stand where the runner runs, and look at it.")
    with contextlib.closing(Bar(link, settings.strip.leds)) as bar:
        right = _looked(guide, bar, settings)
        if right:
            return "right way round", now
        if not guide.ask(f"the halves are exchanged: set strip.reversed = {_toml(not now)}?"):
            raise CalibrationError(
                "the bar's halves are exchanged, and were left so", fix="set strip.reversed"
            )
        link.set({"strip.reversed": not now})
        if not _looked(guide, bar, settings):
            raise CalibrationError(
                "the bar was seen the other way round again", fix="answer as the runner sees it"
            )
    return "turned round", not now


def _looked(guide: Guide, bar: Bar, settings: Settings) -> bool:
    """Three halves in an order that nobody can guess: whether they were seen where they are; refuses a mixture."""
    order = ["left", "right", random.SystemRandom().choice(("left", "right"))]
    random.SystemRandom().shuffle(order)
    same = []
    for half in order:
        bar.show(_half(settings, half))
        said = _ANSWERS[guide.choose("Which half of the bar is lit?", _ANSWERS, meanwhile=bar.keep)]
        if said == "neither":
            raise CalibrationError(
                "no half was seen to be lit", fix="`hipbar calibrate strip` looks at the bar"
            )
        same.append(said == half)
    if len(set(same)) > 1:
        raise CalibrationError(
            "the answers do not agree with one another",
            fix="answer as the runner sees the bar, and start again",
        )
    return same[0]


def _half(settings: Settings, half: str) -> Any:
    """The half that the station would light for that side: `feedback.swap` counts, as it does in a run."""
    from appliance.calibration.strip import single
    from appliance.feedback.patterns import top_byte

    count, top = settings.strip.leds, top_byte(settings.strip)
    first = (half == "left") != settings.feedback.swap
    which = range(count // 2) if first else range(count - count // 2, count)
    return single(count, which, (top, top, top))


def _toml(value: bool) -> str:
    return "true" if value else "false"
