"""Camera, strip and settings become the station: it runs until it is stopped, and ends with a dark bar and a summary.

The bar says "warming up" before any compiled code is loaded. A lost camera or strip ends it with "no data" on the bar
for a moment and an exit code of its own, so that whatever started the station can start it again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.commands.journal import journal
from appliance.commands.options import FILE, finite, header_now, open_books, warmed_pipeline
from appliance.commands.stop import Stop

if TYPE_CHECKING:
    from appliance.config import Settings
    from appliance.pipeline import Pipeline
    from hw.camera import Camera
    from hw.strip import Strip

_NO_DATA_S = 1.0  # how long "no data" stays on the bar before the end, for somebody to see it


@click.command(name="run")
@click.option("--config", type=FILE, help="Settings file (TOML); defaults without.")
@click.option("--record", type=FILE, help="Write the keypoints as a recording that replay reads back.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    callback=finite,
    help="Stop after this long.  [default: never]",
)
def command(config: Path | None, record: Path | None, seconds: float | None) -> None:
    """Run the station: camera, bar and settings, until stopped.

    Ctrl-C or SIGTERM stop it: the bar goes dark and a summary is printed. Without a settings file a recorded runner
    before the virtual camera is shown on a bar in the terminal.

    \b
    Examples:
      hipbar run
      hipbar run --config station.toml --record visit.hbk
    """
    stop = Stop(seconds)
    with journal(), stop.listening():
        _run(config, {"record": record} if record else {}, stop)


def _run(config: Path | None, outputs: dict[str, Path], stop: Stop) -> None:
    """Strip first, then compiled code, then the camera: the bar is never dark without a reason."""
    import hw
    from appliance.config import load
    from appliance.feedback.patterns import pattern
    from appliance.records import Shown

    settings = load(config)
    visit = _Visit(settings, outputs, stop)
    try:
        with contextlib.closing(hw.open_strip(settings.strip)) as strip:
            strip.show(pattern(Shown.WARMING_UP, settings))
            visit.light(strip)
    finally:
        visit.tell()


class _Visit:
    """One run of the station, from a lit strip to the summary."""

    def __init__(self, settings: Settings, outputs: dict[str, Path], stop: Stop) -> None:
        self._settings, self._outputs, self._stop = settings, outputs, stop
        self._told: list[str] = []

    def light(self, strip: Strip) -> None:
        """Loads what is compiled, opens the camera and runs; what is lost leaves "no data" on the bar for a moment."""
        import hw
        from appliance.errors import HipbarError, OutputError
        from appliance.feedback.patterns import pattern
        from appliance.records import Shown

        with self._stop.at_once():
            pipeline = warmed_pipeline(self._settings)
        try:
            with contextlib.closing(hw.open_camera(self._settings)) as camera:
                self._watch(camera, strip, pipeline)
        except OutputError:
            raise
        except HipbarError:
            with contextlib.suppress(HipbarError):
                strip.show(pattern(Shown.NO_DATA, self._settings))
                self._stop.pause(_NO_DATA_S)
            raise

    def tell(self) -> None:
        """The summary, if there was anything to sum up."""
        for line in self._told:
            click.echo(line)

    def _watch(self, camera: Camera, strip: Strip, pipeline: Pipeline) -> None:
        """The loop with its books; a disk that failed is told when the loop is done."""
        from appliance.commands import words
        from appliance.station.loop import Ledger, watch
        from appliance.station.post import Post
        from appliance.station.tally import Tally

        tally = Tally(self._settings.motion.zero_deg, camera.rate_hz)
        header = header_now(self._settings, camera.size, camera.rate_hz, self._settings.camera.row_us * 1e-6)
        self._stop.begin()
        with open_books(self._outputs, header) as files:
            ledger = Ledger(tally, files, self._settings.strip.leds, frames=max(1, round(camera.rate_hz)))
            try:
                watch(camera, strip, pipeline, ledger, Post(recording=bool(files)), self._stop)
            finally:
                ledger.flush()
                if tally.frames:
                    self._told = [
                        words.as_text(tally.summary(pipeline.guard_acts)),
                        words.delays_text(ledger.delays),
                        words.ages_text(ledger.ages),
                    ]
        if ledger.trouble:
            raise ledger.trouble
