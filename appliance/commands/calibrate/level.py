"""A plumb line, a level bar or an upright board before the camera becomes its roll and pitch; a shim proves them.

Degrees with the settings' signs, millimetres and metres as the names say. Keeps `lens.roll_deg`, and `lens.pitch_deg`
where the lens is calibrated and the method shows it. Refuses what moves, what is seen in a mirror, and a proof that is
off by more than 0.25 degrees.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.calibrate.keep import Ways, step_options, walk
from appliance.commands.options import finite
from appliance.errors import CalibrationError

if TYPE_CHECKING:
    from appliance.calibration.level import Level
    from appliance.commands.calibrate.guide import Guide, Outcome
    from appliance.commands.calibrate.levelled import Sight
    from appliance.station.client import Link

PROOF_DEG = 0.25
"""1 mm too much or too little under 600 mm is 0.1 degrees, and the dots' own noise a tenth of that."""
_HEIGHTS = "--lens-height, --bar-height and --distance belong together, and to --by bar"
_SPAN_MM = {"plumb": 600.0, "bar": 600.0, "board": 297.0}


@click.command(name="level")
@click.option(
    "--by",
    type=click.Choice(("plumb", "bar", "board")),
    default="plumb",
    show_default=True,
    help="What hangs or lies true.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 60),
    default=3.0,
    show_default=True,
    callback=finite,
    help="How long to average.",
)
@click.option(
    "--wait",
    type=click.FloatRange(2, 600),
    default=120.0,
    show_default=True,
    callback=finite,
    help="Seconds to wait for each thing to be there and at rest.",
)
@click.option(
    "--shim-mm",
    type=click.FloatRange(1, 200),
    default=20.0,
    show_default=True,
    callback=finite,
    help="For the proof: what is put under the right end.",
)
@click.option(
    "--span-mm",
    type=click.FloatRange(50, 3000),
    callback=finite,
    help="For the proof: from the shim to where the other end rests.  [default: 600; 297 for the board]",
)
@click.option("--turn", is_flag=True, help="Measure bar or board again turned about: its own error is gone.")
@click.option("--no-proof", is_flag=True, help="Leave the proof out.")
@click.option(
    "--lens-height", type=click.FloatRange(0, 5), callback=finite, help="Metres from floor to lens."
)
@click.option(
    "--bar-height", type=click.FloatRange(0, 5), callback=finite, help="Metres from floor to the bar's dots."
)
@click.option("--distance", type=click.FloatRange(0.2, 20), callback=finite, help="Metres from lens to bar.")
@step_options
def command(ways: Ways, **params: Any) -> int:
    """Measure how the camera is rolled and pitched.

    With a plumb line of three or more dots, hung once at the left and once at the right of the picture (roll and
    pitch); a bar with two dots, levelled with a spirit level (roll, and pitch with the three measures); or the printed
    board, upright and level (roll and pitch, less exact). Then a shim under the right end proves it.

    \b
    Examples:
      hipbar calibrate level
      hipbar calibrate level --by bar --lens-height 1.00 --bar-height 0.95 --distance 2.50
      hipbar calibrate level --by board --turn --no-proof
    """
    heights = [params[key] is not None for key in ("lens_height", "bar_height", "distance")]
    if any(heights) and not (all(heights) and params["by"] == "bar"):
        raise click.UsageError(_HEIGHTS)
    if params["turn"] and params["by"] == "plumb":
        raise click.UsageError("--turn is for bar and board: a plumb line has no error of its own")
    return walk("level", ways, step, **params)


def step(link: Link, guide: Guide, **params: Any) -> Outcome:
    """Measures, then proves."""
    import msgspec

    from appliance.commands.calibrate.guide import Outcome
    from appliance.commands.calibrate.levelled import Sight

    sight = Sight(link, guide, float(params["seconds"]), float(params["wait"]))
    by = str(params["by"])
    if not sight.has_lens:
        guide.say(
            "The lens is not calibrated: roll can be measured, pitch can't. Best is `calibrate lens` first."
        )
    found = _measured(sight, by, params)
    if found.problems:
        raise CalibrationError("; ".join(found.problems), fix=_fix(found))
    figures = {**msgspec.to_builtins(found), **sight.mount}  # with another mount the signs would be others
    hints = list(figures.pop("hints"))
    figures.pop("problems")
    if not params["no_proof"]:
        figures |= _proved(sight, by, found, float(params["shim_mm"]), params["span_mm"] or _SPAN_MM[by])
    values = {"lens.roll_deg": round(found.roll_deg, 3)}
    if found.pitch_deg is not None:
        values["lens.pitch_deg"] = round(found.pitch_deg, 3)
    else:
        hints.append(f"pitch was not measured and stays {sight.pitch_deg:g} deg")
    return Outcome(values=values, figures=figures, words=_words(found, figures), problems=tuple(hints))


def _measured(sight: Sight, by: str, params: dict[str, Any]) -> Level:
    """Roll and pitch by the method that was asked for."""
    if by == "plumb":
        return sight.by_plumb()
    if by == "board":
        return sight.by_board(turn=params["turn"])
    if params["distance"] is None:
        return sight.by_bar(None, turn=params["turn"])
    below = (params["lens_height"] - params["bar_height"]) / params["distance"]
    return sight.by_bar(below, turn=params["turn"])


def _proved(sight: Sight, by: str, found: Level, shim_mm: float, span_mm: float) -> dict[str, float]:
    """What a known tilt reads; raises `CalibrationError` when it reads otherwise."""
    from msgspec.structs import replace

    expected = math.degrees(math.asin(min(1.0, shim_mm / span_mm)))
    if found.pitch_deg is None:
        found = replace(found, pitch_deg=sight.pitch_deg)
    read = sight.tilted_by(
        by, found, expected, f"{shim_mm:g} mm under its RIGHT end, {span_mm:g} mm from the left"
    )
    off = read - expected
    told = {"proof_expected_deg": expected, "proof_read_deg": read, "proof_error_deg": off}
    if abs(read + expected) < abs(off):
        raise CalibrationError(
            f"{expected:.2f} deg up at the right end reads {read:+.2f}: left and right are exchanged in the picture",
            fix="`hipbar calibrate sides` first, then level",
        )
    if abs(off) > PROOF_DEG:
        raise CalibrationError(
            f"a tilt of {expected:.2f} deg reads {read:.2f}: off by {off:+.2f} deg (limit {PROOF_DEG:g})",
            fix="measure shim and span again; is the line or the level true? `hipbar calibrate lens` if it is",
        )
    return told


def _fix(found: Level) -> str:
    mirrored = any("mirror" in problem for problem in found.problems)
    return (
        "`hipbar calibrate sides`, then level again" if mirrored else "let it come to rest, and start again"
    )


def _words(found: Level, figures: dict[str, Any]) -> str:
    words = f"{found.method}: roll {found.roll_deg:+.2f} deg (spread {found.roll_spread_deg:.2f})"
    if found.pitch_deg is not None:
        words += f", pitch {found.pitch_deg:+.2f} deg"
        words += f" (spread {found.pitch_spread_deg:.2f})" if found.pitch_spread_deg is not None else ""
    words += f", from {found.pictures} pictures"
    if "proof_read_deg" in figures:
        read, expected = figures["proof_read_deg"], figures["proof_expected_deg"]
        words += f"; proof: {expected:.2f} deg reads {read:.2f}, off by {read - expected:+.2f}"
    return words
