"""Somebody who stands before the camera becomes the standing zero that every angle is measured from.

Seconds on the camera's clock, degrees, right side higher positive. Keeps `motion.zero_deg`. Refuses those who move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.commands.calibrate.keep import Ways, step_options, walk
from appliance.commands.options import finite
from appliance.errors import CalibrationError

if TYPE_CHECKING:
    from appliance.calibration.zero import StandingZero
    from appliance.commands.calibrate.guide import Guide, Outcome
    from appliance.commands.calibrate.rows import Rows
    from appliance.station.client import Link

_SETTLE_S = 0.5
"""What comes right after the start still holds the last movement: a posture is known after half a second."""


@click.command(name="zero")
@click.option(
    "--seconds",
    type=click.FloatRange(2, 60),
    default=3.0,
    show_default=True,
    callback=finite,
    help="How long they stand.",
)
@step_options
def command(ways: Ways, seconds: float) -> int:
    """Measure the runner's standing zero.

    Dots are never worn perfectly level. The runner (or the plate alone, held level) stands still for some seconds;
    what the line through the pelvis dots reads then is subtracted from every angle. Measure it whenever dots or
    plate are put on anew.

    \b
    Examples:
      hipbar calibrate zero
      hipbar calibrate zero --seconds 5
      hipbar calibrate zero --yes --json
    """
    return walk("zero", ways, step, seconds=seconds)


def step(link: Link, guide: Guide, **params: Any) -> Outcome:
    """Measures until it is good, or the technician has had enough; a script has one try."""
    seconds = float(params["seconds"])
    guide.say(
        "The runner stands with the back to the camera: feet level and hip-wide, arms still, looking ahead."
    )
    while True:
        guide.ready("Ready?")
        try:
            return _measured(link, guide, seconds)
        except CalibrationError as error:
            if guide.yes:
                raise
            guide.say(f"{error}")
            guide.say(f"  {error.fix}")
            if not guide.ask("once more?"):
                raise


def _measured(link: Link, guide: Guide, seconds: float) -> Outcome:
    """One standing of so many seconds."""
    import msgspec

    from appliance.calibration.zero import standing_zero
    from appliance.commands.calibrate.guide import Outcome
    from appliance.commands.calibrate.rows import gathered

    settings = link.settings()["settings"]
    old_deg = float(settings["motion"]["zero_deg"])
    rows = gathered(link, seconds + _SETTLE_S, lambda so_far: _show(guide, so_far, seconds))
    rows = rows[rows["t_s"] >= rows["t_s"][0] + _SETTLE_S]
    _refuse_one_leg(link, rows)
    found = standing_zero(rows["t_s"], rows["obliquity_deg"], rows["posture"], rows["xy_px"], old_deg)
    mount = {key: settings["camera"][key] for key in ("mirror", "rotate_deg")}
    figures = {**msgspec.to_builtins(found), **mount}
    problems = tuple(figures.pop("problems"))
    values = {"motion.zero_deg": round(found.zero_deg, 3)}
    return Outcome(values=values, figures=figures, words=_words(found), problems=problems)


def _refuse_one_leg(link: Link, rows: Rows) -> None:
    """Looks once more at who stood there: on one leg the pelvis drops by degrees, and stays there."""
    import numpy as np

    from appliance.calibration.sides import look, on_one_leg
    from appliance.calibration.spots import bright_spots
    from appliance.commands.calibrate.bar import settings_of
    from appliance.records import Posture

    if (rows["posture"] == Posture.RUNNING).any():
        return
    picture, marks = link.picture(), np.array(rows["xy_px"][-1])
    luma = np.asarray(picture.luma)
    seen = look(picture.t_s, bright_spots(luma), marks, settings_of(link).camera, luma.shape[::-1])
    if on_one_leg(seen):
        raise CalibrationError(
            "they stand on one leg: one heel is well above the other",
            fix="both feet on the ground; cover what else shines below the pelvis; then measure again",
        )


def _show(guide: Guide, rows: Rows, seconds: float) -> None:
    """The live figure: the angle, how much it goes to and fro, and how long already."""
    import numpy as np

    from appliance.calibration.zero import SPREAD_DEG

    over_s = float(rows["t_s"][-1] - rows["t_s"][0])
    angle = rows["obliquity_deg"][rows["t_s"] >= rows["t_s"][0] + min(_SETTLE_S, over_s / 2)]
    angle = angle[np.isfinite(angle)]
    if len(angle) < 2:
        guide.figure("the pelvis dots are not seen", good=False)
        return
    spread = float(angle.std())
    guide.figure(
        f"{float(angle.mean()):+.2f} deg from the old zero, spread {spread:.2f} deg,"
        f" {max(0.0, over_s - _SETTLE_S):.1f} of {seconds:g} s",
        good=spread <= SPREAD_DEG,
    )


def _words(found: StandingZero) -> str:
    return (
        f"standing zero {found.zero_deg:+.2f} deg ± {found.error_deg:.2f}, spread {found.spread_deg:.2f} deg,"
        f" drift {found.drift_deg:+.2f} deg, over {found.frames} frames in {found.seconds:.1f} s"
    )
