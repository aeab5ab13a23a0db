"""Somebody who runs before the camera becomes a word on how it stands, with what each fault costs in degrees.

Degrees, metres, sensor pixels. Keeps the figures; a setting (`lens.yaw_deg`) only when the technician says that the
camera stands straight behind the runner. Refuses when the pelvis dots are not seen.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.calibrate.keep import Ways, step_options, walk
from appliance.commands.options import FILE, finite
from appliance.errors import CalibrationError

if TYPE_CHECKING:
    from appliance.calibration.aim import Aim
    from appliance.calibration.reflections import Reflection
    from appliance.commands.calibrate.eye import Look, Rows
    from appliance.commands.calibrate.guide import Guide, Outcome
    from appliance.config import Settings
    from appliance.station.client import Link

_EVERY_S = 0.43
"""Between two pictures: no whole number of steps or strides."""
_NOW_S = 2.0
_BURNT = "the edges can't be judged: the dots burn out (`hipbar calibrate light`)"
_NOT_SEEN_FIX = "dots on, back to the camera, the ring's light on; `hipbar watch` shows what the camera sees"


@click.command(name="aim")
@click.option(
    "--seconds",
    type=click.FloatRange(2, 120),
    default=10.0,
    show_default=True,
    callback=finite,
    help="How long to look.",
)
@click.option(
    "--plate-mm",
    type=click.FloatRange(20, 500),
    default=120.0,
    show_default=True,
    callback=finite,
    help="Between the pelvis dots; the printed plate's by default.",
)
@click.option(
    "--straight-behind", is_flag=True, help="The camera stands straight behind the runner: keep its yaw."
)
@click.option("--picture", type=FILE, help="Write a picture with the marks and what to cover, as PNG.")
@step_options
def command(ways: Ways, seconds: float, plate_mm: float, straight_behind: bool, picture: Path | None) -> int:
    """Judge where the camera stands and what it sees.

    Somebody who wears the dots runs at their usual place. Height, distance, direction, focus, dots in view over the
    whole stride, and reflections are measured; whatever costs accuracy is told with its cost in degrees.

    \b
    Examples:
      hipbar calibrate aim
      hipbar calibrate aim --picture cover.png
      hipbar calibrate aim --plate-mm 90 --straight-behind --yes --json
    """
    return walk(
        "aim",
        ways,
        step,
        seconds=seconds,
        plate_mm=plate_mm,
        straight_behind=straight_behind,
        picture=picture,
    )


def step(link: Link, guide: Guide, **params: Any) -> Outcome:
    """Looks for a while, with a live figure, and judges."""
    from appliance.commands.calibrate.eye import eye_of, look

    settings, _ = eye_of(link)
    levelled = not str(link.settings()["origins"].get("lens.pitch_deg", "default")).startswith("default")
    plate_mm = float(params["plate_mm"])
    if params["straight_behind"] and not settings.lens.fx_px:
        raise CalibrationError(
            "a yaw needs a calibrated lens", fix="`hipbar calibrate lens`, or without --straight-behind"
        )

    def judged(rows: Rows) -> Aim:
        from appliance.calibration.aim import aim

        rows, running = _stride(rows)
        return aim(rows["t_s"], rows["xy_px"], running, settings, plate_mm=plate_mm, level_known=levelled)

    def tell(rows: Rows) -> None:
        found = judged(rows[rows["t_s"] >= rows["t_s"][-1] - _NOW_S])
        guide.figure(_live(found), good=not found.problems)

    guide.say("Somebody who wears the dots runs at their usual place and speed.")
    guide.ready("Running?")
    seen = look(link, float(params["seconds"]), _EVERY_S, tell)
    found = judged(seen.rows)
    if math.isnan(found.separation_px):
        raise CalibrationError("the pelvis dots were not seen", fix=_NOT_SEEN_FIX)
    spots = _reflections(seen, found, settings, plate_mm)
    edge = _edge(seen)
    if params["picture"] is not None:
        _draw(params["picture"], seen, spots, settings)
        what = (
            f"{len(spots)} reflection{'' if len(spots) == 1 else 's'} to cover"
            if spots
            else "nothing to cover"
        )
        guide.say(f"{params['picture']}: the marks, and {what}")
    for line in _table(found, edge[0], settings):
        guide.say(line)
    return _outcome(found, spots, edge, settings, straight_behind=bool(params["straight_behind"]))


def _stride(rows: Rows) -> tuple[Rows, bool]:
    """The frames of running, from when the heels have their names; all frames when nobody runs."""
    import numpy as np

    from appliance.records import Posture

    ran = rows["posture"] == Posture.RUNNING
    if len(rows) == 0 or ran.mean() < 0.5:
        return rows, False
    rows = rows[ran]
    named = np.flatnonzero(np.isfinite(rows["xy_px"][:, 2:]).all(axis=(1, 2)))
    return (rows[named[0] :] if len(named) else rows), True


def _live(a: Aim) -> str:
    """The live figure: one line that tells whether it gets better."""
    if math.isnan(a.separation_px):
        return "the pelvis dots are not seen"
    from appliance.calibration.aim import LEAST_SEEN

    whole = sum(m.seen >= LEAST_SEEN for m in a.marks)
    return (
        f"pelvis {a.height_m * 100:+.0f} cm ({a.elevation_deg:+.1f} deg), {a.distance_m:.2f} m away,"
        f" {a.azimuth_deg:+.1f} deg aside, {whole} of 4 dots"
    )


def _reflections(seen: Look, found: Aim, settings: Settings, plate_mm: float) -> tuple[Reflection, ...]:
    from appliance.calibration.reflections import Seen, reflections
    from appliance.calibration.spots import bright_spots

    pictures = [
        Seen(bright_spots(picture.luma), marks)
        for picture, marks in zip(seen.pictures, seen.marks, strict=True)
    ]
    return reflections(pictures, seen.rows["xy_px"], found.running, settings, plate_mm)


def _edge(seen: Look) -> tuple[float, float]:
    """The width of the pelvis dots' edges and their size, the medians over all pictures; NaN when none has them."""
    import numpy as np

    from appliance.calibration.spots import bright_spots, edge_px, near

    found = []
    for picture, marks in zip(seen.pictures, seen.marks, strict=True):
        dots = near(bright_spots(picture.luma), marks[:2], 6.0)
        found += [(edge_px(picture.luma, dot), dot.across_px) for dot in dots if dot is not None]
    known = [one for one in found if one[0] == one[0]]
    width, across = np.median(known, axis=0) if known else (math.nan, math.nan)
    return float(width), float(across)


def _draw(path: Path, seen: Look, spots: tuple[Reflection, ...], settings: Settings) -> None:
    """The last picture, upright, with the marks named and the reflections numbered."""
    from contextlib import closing

    import numpy as np

    from appliance.calibration.reflections import upright
    from appliance.output import Output
    from appliance.records import MARKS
    from hw.camera.picture import as_png

    names = (*MARKS, *(f"cover {k + 1}" for k in range(len(spots))))
    xy_px = np.array([*seen.marks[-1], *((r.x_px, r.y_px) for r in spots)])
    luma, xy_px = upright(seen.pictures[-1].luma, xy_px, settings.camera)
    with closing(Output(path)) as file:
        file.write(as_png(luma, dict(zip(names, xy_px, strict=True))))


def _table(a: Aim, edge_px: float, settings: Settings) -> list[str]:
    """All figures, a line each."""
    guess = "" if a.lens_known else "  (usual lens taken)"
    margins = ", ".join(
        f"{m.mark.replace('_', ' ')} {100 * m.seen:.0f} %" + (f" {m.margin_px:.0f} px" if m.edge else "")
        for m in a.marks
    )
    return [
        f"  pelvis     {a.height_m * 100:+.0f} cm against the camera, {a.elevation_deg:+.1f} deg:"
        f" axial rotation leaks in as {a.elevation_cost_deg:.2f} deg{guess}",
        f"  distance   {a.distance_m:.2f} m{guess}",
        f"  direction  runner {a.azimuth_deg:+.1f} deg aside (right +), costs {a.azimuth_cost_deg:.2f} deg",
        f"  roll       {settings.lens.roll_deg:+.2f} deg set; pelvis line {a.tilt_deg:+.2f} deg on the average",
        f"  pixels     {a.separation_px:.0f} between the pelvis dots, centres ±{a.centre_noise_px:.3f}:"
        f" {a.noise_deg:.3f} deg a frame",
        f"  focus      {f'edges {edge_px:.1f} px wide' if edge_px == edge_px else _BURNT}",
        f"  in view    {margins}",
    ]


def _outcome(
    a: Aim,
    spots: tuple[Reflection, ...],
    edge: tuple[float, float],
    settings: Settings,
    *,
    straight_behind: bool,
) -> Outcome:
    import msgspec

    from appliance.calibration.aim import yaw_deg
    from appliance.calibration.reflections import MOST_EDGE_PX, blur_cost_deg
    from appliance.commands.calibrate.guide import Outcome

    problems = [*a.problems, *(r.words for r in spots)]
    edge_px = edge[0]
    if edge_px != edge_px:
        problems.append(_BURNT)
    if edge_px > MOST_EDGE_PX:
        cost = blur_cost_deg(*edge, a.noise_deg)
        problems.append(
            f"the dots' edges are {edge_px:.1f} px wide: focus the lens on the plate; {cost:.3f} deg of the noise"
        )
    figures = _plain(msgspec.to_builtins(msgspec.structs.replace(a, problems=())))
    del figures["problems"]
    figures["edge_px"] = _rounded(edge_px)
    figures["reflections"] = [_plain(msgspec.to_builtins(r)) for r in spots]
    values = {"lens.yaw_deg": float(round(yaw_deg(settings, a.azimuth_deg), 2))} if straight_behind else {}
    things = "one thing" if len(problems) == 1 else f"{len(problems)} things"
    good = f"{things} to mind" if problems else "the camera stands well"
    return Outcome(values=values, figures=figures, words=f"{good}: {_live(a)}", problems=tuple(problems))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Figures to four decimals; NaN becomes None."""
    return {name: _rounded(value) for name, value in values.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(round(value, 4)) if math.isfinite(value) else None
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return _plain(value) if isinstance(value, dict) else value
