"""Camera, strip and settings become the station: it runs until it is stopped, and ends with a dark bar and a summary.

The bar says "warming up" before any compiled code is loaded. A lost camera or strip ends it with "no data" on the bar
for a moment and an exit code of its own, so that whatever started the station can start it again. What happens on the
way is a line on standard error each.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.commands.journal import journal
from appliance.commands.options import FILE, as_built, finite, header_now, open_books, warmed_pipeline
from appliance.commands.stop import Stop

if TYPE_CHECKING:
    from appliance.config import Settings
    from appliance.pipeline import Pipeline
    from hw import Rig
    from hw.camera import Camera

_log = logging.getLogger("hipbar.station")
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

    Ctrl-C, SIGTERM or a very long press of the button stop it: the bar goes dark and a summary is printed.
    Without a settings file a recorded runner before the virtual camera is shown on a bar in the terminal.

    \b
    Examples:
      hipbar run
      hipbar run --config station.toml --record visit.hbk
    """
    stop = Stop(seconds)
    with journal(), stop.listening():
        _run(config, {"record": record} if record else {}, stop)


def _run(config: Path | None, outputs: dict[str, Path], stop: Stop) -> None:
    """Strip and panel first, then compiled code, then the camera: the bar is never dark without a reason."""
    import hw
    from appliance.feedback.patterns import pattern
    from appliance.records import Light, Shown

    settings = as_built(config)
    visit = _Visit(settings, outputs, stop)
    try:
        with contextlib.closing(hw.open_rig(settings)) as rig:
            rig.strip.show(pattern(Shown.WARMING_UP, settings))
            rig.panel.say(Light.WARMING_UP)
            for warning in rig.warnings:
                _log.warning(warning)
            visit.light(rig)
    finally:
        visit.tell()


class _Visit:
    """One run of the station, from a lit strip to the summary."""

    def __init__(self, settings: Settings, outputs: dict[str, Path], stop: Stop) -> None:
        self._settings, self._outputs, self._stop = settings, outputs, stop
        self._told: list[str] = []

    def light(self, rig: Rig) -> None:
        """Loads what is compiled, opens the camera and runs; what is lost is shown for a moment where light is."""
        from appliance.errors import HipbarError, OutputError, StripLost
        from appliance.feedback.patterns import pattern
        from appliance.records import Light, Shown

        with self._stop.at_once():
            pipeline = warmed_pipeline(self._settings)
        try:
            self._watch(rig.see(), rig, pipeline)
        except OutputError:
            raise
        except HipbarError as error:
            rig.panel.say(Light.FAULT if isinstance(error, StripLost) else Light.NO_CAMERA)
            with contextlib.suppress(HipbarError):
                rig.strip.show(pattern(Shown.NO_DATA, self._settings))
            self._stop.pause(_NO_DATA_S)
            raise

    def tell(self) -> None:
        """The summary, if there was anything to sum up."""
        for line in self._told:
            click.echo(line)

    def _watch(self, camera: Camera, rig: Rig, pipeline: Pipeline) -> None:
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
            post = Post(rig.panel, recording=bool(files))
            try:
                watch(camera, rig.strip, pipeline, ledger, post, self._stop)
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
