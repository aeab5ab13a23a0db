"""Rendered pictures with a known answer become a table: what a frame costs here, and whether that will do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from appliance.commands.options import aside, finite, load_kernels

if TYPE_CHECKING:
    from appliance.config import Settings
    from appliance.station.bench import Outcome, Pictures

_SIZES = ((640, 480), (1280, 800))
_FRAMES = 96


@click.command(name="bench")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3600),
    default=10.0,
    show_default=True,
    callback=finite,
    help="Time spent measuring at each picture size.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all figures as one JSON object.")
def command(seconds: float, as_json: bool) -> None:
    """Measure what one frame costs on this machine, stage by stage and whole.

    Beside it: OpenCV's ways in the same process on the same pictures, the angle error of each, and the floor, one
    read of the frame. Says whether this machine keeps up with 120 frames a second.

    \b
    Examples:
      hipbar bench
      hipbar bench --seconds 60 --json > bench.json
    """
    load_kernels()
    from appliance.station.bench import bench

    outcomes = []
    for width, height in _SIZES:
        pictures, settings = _pictures(width, height)
        aside(f"measuring {width}x{height} for {seconds:g} s")
        outcomes.append(bench(pictures, settings, seconds))
    if as_json:
        keeps_up = all(outcome.keeps_up for outcome in outcomes)
        click.echo(msgspec.json.encode({"keeps_up_with_120_fps": keeps_up, "sizes": outcomes}))
    else:
        click.echo("\n\n".join(map(_table, outcomes)))


def _pictures(width: int, height: int) -> tuple[Pictures, Settings]:
    """A recorded runner as a sensor mounted in portrait sees her, and the settings for that mount."""
    import numpy as np

    from appliance.station.bench import Pictures
    from hw.camera.scene import Scene, settings
    from hw.camera.virtual import VirtualCamera

    scene = Scene(width_px=width, height_px=height, rotate_deg=90, duration_s=_FRAMES / 120)
    camera = VirtualCamera(scene)
    frames = tuple(frame for frame in camera.frames() if frame is not None)
    left, right = camera.pair
    places = [camera.pixels(frame.t_s) for frame in frames]
    return Pictures(frames, np.array([(at[left], at[right]) for at in places])), settings(scene)


def _table(outcome: Outcome) -> str:
    """One picture size, for a person."""
    lines = [f"{outcome.width_px}x{outcome.height_px}, {outcome.frames:,} frames each; microseconds a frame"]
    lines.append(f"  {'':22}{'p50':>9}{'p99':>9}{'p99.9':>9}   angle error")
    for name, cost in outcome.costs.items():
        error = "" if cost.error_deg is None else f"   {cost.error_deg:.3f} deg"
        missed = f", {100 * cost.missed:.1f} % missed" if cost.missed else ""
        lines.append(f"  {name:22}{cost.p50_us:9.1f}{cost.p99_us:9.1f}{cost.p999_us:9.1f}{error}{missed}")
    lines.append(f"  full search: {outcome.search_to_floor:.1f} times one read of the frame")
    faster = f"{outcome.rival_to_whole_search:.1f} times faster, tracked {outcome.rival_to_whole_tracked:.1f} times"
    lines.append(f"  whole path against the fastest other way ({outcome.fastest_rival}): {faster}")
    verdict = "keeps up" if outcome.keeps_up else "does NOT keep up"
    lines.append(f"  this machine {verdict} with 120 frames/s (a frame every 8,333 us)")
    return "\n".join(lines)
