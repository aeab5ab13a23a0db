"""A recorded runner becomes light on a bar in the terminal, in real time, from pixels: the main job without hardware.

The runner stands for a moment; the standing zero is measured from that through the same camera. Then the running is
watched by the station's own loop. Standing still and the first stride, which glides in, are in no figure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from appliance.commands.options import MODES, aside, finite, warmed_pipeline, with_zero
from appliance.commands.stop import Stop

if TYPE_CHECKING:
    from appliance.commands.screen import Screen
    from appliance.config import Settings
    from appliance.pipeline import Pipeline
    from appliance.records import Frame
    from appliance.station.tally import Delays, Tally
    from hw.camera import Camera

RUNNERS = ("rbds001", "rbds002", "ric")
"""As `hw.camera.trials.names()`; a test holds the two together."""

_STAND_S = 1.5


@click.command(name="demo")
@click.option("--runner", type=click.Choice(RUNNERS), default=RUNNERS[0], show_default=True, help="Who runs.")
@click.option(
    "--mode", type=click.Choice(MODES), default=MODES[0], show_default=True, help="What the bar shows."
)
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 10),
    default=1.0,
    show_default=True,
    callback=finite,
    help="Times as fast as real.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86400),
    default=20.0,
    show_default=True,
    callback=finite,
    help="How long the runner runs.",
)
@click.option("--no-display", is_flag=True, help="No bar in the terminal, the summary only.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as one JSON object, and nothing else."
)
def command(runner: str, mode: str, speed: float, seconds: float, no_display: bool, as_json: bool) -> None:
    """Show a recorded runner's hip drop on a bar in the terminal.

    A real person's motion on a real treadmill, seen by a virtual camera at 120 frames a second in real time and
    measured by the same code as on the station. Ends with a summary.

    \b
    Runners: rbds001 and rbds002 wear dots on the skin, ric a rigid plate on the sacrum.
    \b
    Examples:
      hipbar demo
      hipbar demo --runner ric --mode step --seconds 60
      hipbar demo --no-display --json
    """
    stop = Stop(seconds / speed)
    with stop.listening():
        _Demo(_settings(runner, mode), speed, stop).show(display=not (no_display or as_json), as_json=as_json)


def _settings(runner: str, mode: str) -> Settings:
    from appliance.config import parse

    return parse(f'camera.runner = "{runner}"\nfeedback.mode = "{mode}"\nstrip.kind = "none"', "demo")


class _Demo:
    """One showing, from standing still to the summary."""

    def __init__(self, settings: Settings, speed: float, stop: Stop) -> None:
        self._settings, self._speed, self._stop = settings, speed, stop

    def show(self, *, display: bool, as_json: bool) -> None:
        """Stands, runs, tells."""
        with self._screen(display) as screen:
            tally, delays, guard_acts = self._run(screen)
        from appliance.commands import words

        summary = tally.summary(guard_acts)
        if as_json:
            more = {"latency_us": words.delays(delays), "runner": self._settings.camera.runner}
            click.echo(words.as_json(summary, **more))
        else:
            click.echo(f"\n{words.as_text(summary)}\n{words.delays_text(delays)}")

    def _run(self, screen: Screen) -> tuple[Tally, Delays, int]:
        """Everything that happens before the camera; then the sums, the delays, how often the guard had to act."""
        import hw

        with self._stop.at_once():
            pipeline = warmed_pipeline(self._settings)
        from appliance.pipeline import Pipeline
        from appliance.station.loop import Ledger, watch
        from appliance.station.post import Post
        from appliance.station.tally import Tally

        camera = hw.open_camera(self._settings, speed=self._speed, stand_s=_STAND_S)
        self._stop.begin(_STAND_S / self._speed)
        with contextlib.closing(camera):
            frames = camera.frames()
            zero_deg = self._stand(frames, camera, screen, pipeline)
            settings = with_zero(self._settings, zero_deg)
            pipeline, tally = Pipeline(settings), Tally(zero_deg or 0.0, camera.rate_hz)
            ledger = Ledger(tally, (screen,), settings.strip.leds, frames=12)
            watch(_Rest(camera, frames), screen, pipeline, ledger, Post(), self._stop)
            ledger.flush()
        return tally, ledger.delays, pipeline.guard_acts

    @contextlib.contextmanager
    def _screen(self, display: bool) -> Iterator[Screen]:
        """The terminal, or a screen that draws nothing."""
        from appliance.commands.screen import Screen
        from appliance.feedback.patterns import pattern
        from appliance.records import Shown

        camera, mode = self._settings.camera, self._settings.feedback.mode
        title = f"hipbar: {camera.runner} at {camera.rate_hz:.0f} frames/s, mode {mode}"
        with contextlib.closing(Screen(self._settings.strip.leds, title, display=display)) as screen:
            screen.say("warming up: the first start compiles for some seconds")
            screen.show(pattern(Shown.WARMING_UP, self._settings))
            yield screen

    def _stand(
        self, frames: Iterator[Frame | None], camera: Camera, screen: Screen, pipeline: Pipeline
    ) -> float | None:
        from appliance.station.standing import standing_zero

        screen.say("standing still: taking the zero")
        zero_deg = standing_zero(frames, camera, screen, pipeline, seconds=_STAND_S, stop=self._stop)
        if zero_deg is None:
            aside("standing: too little was seen for a zero; nothing is subtracted")
        return zero_deg


class _Rest:
    """A camera whose first frames were taken by somebody else."""

    def __init__(self, camera: Camera, frames: Iterator[Frame | None]) -> None:
        self._camera, self._frames = camera, frames

    def now_s(self) -> float:
        return self._camera.now_s()

    def frames(self) -> Iterator[Frame | None]:
        return self._frames
