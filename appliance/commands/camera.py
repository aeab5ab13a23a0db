"""The camera alone: settings and machine become a list of what is there, a test of some seconds, or a picture.

Standard output gets the list or the report, progress is a remark on standard error. Exit code 5 for a camera that is
missing or stops, as for the station; a test with warnings still ends with 0.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from appliance.commands.options import FILE, as_built, aside, finite, warmed_pipeline
from appliance.commands.stop import Stop

if TYPE_CHECKING:
    from appliance.commands.trial import Figures, Watch
    from appliance.config import Settings
    from appliance.pipeline import Pipeline
    from appliance.records import F64, U8
    from hw.camera import Camera
    from hw.camera.listing import Device

_STOPPED = 130
_TOLD_S = 1.0
_SNAPSHOT_S = 3.0
_LIVE = ("v4l2", "picamera")


@click.command(name="camera")
@click.option("--config", type=FILE, help="Settings file (TOML); defaults without.")
@click.option(
    "--list", "mode", flag_value="list", default=True, help="Show what is there. This is the default."
)
@click.option("--test", "mode", flag_value="test", help="Run the camera and say how it does.")
@click.option("--snapshot", type=FILE, help="Write a picture with the dots ringed, as PNG.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 3600),
    default=10.0,
    show_default=True,
    callback=finite,
    help="How long the test takes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    config: Path | None, mode: str | None, snapshot: Path | None, seconds: float, as_json: bool
) -> int:
    """Try the camera alone.

    The test says for rate, lost frames, intervals, delay, light and dots whether they will do, and what to do if not.
    Run it with somebody before the camera who wears the dots.

    \b
    Examples:
      hipbar camera
      hipbar camera --config station.toml --test
      hipbar camera --config station.toml --snapshot seen.png
    """

    settings = as_built(config)
    if mode == "test" or snapshot is not None:
        return _try(settings, seconds if mode == "test" else _SNAPSHOT_S, mode == "test", snapshot, as_json)
    _list(settings, as_json)
    return 0


def _list(settings: Settings, as_json: bool) -> None:
    """The cameras of this machine, and which one the settings mean."""
    from hw.camera.listing import devices, pi_cameras

    found, (models, note) = devices(), pi_cameras()
    if as_json:
        report = {"v4l2": found, "libcamera": models, "libcamera_trouble": note or None}
        click.echo(msgspec.json.encode({**report, "settings": _chosen(settings)}))
        return
    click.echo(f"settings: {_chosen(settings)}")
    for device in found:
        click.echo("\n".join(_device_lines(device)))
    if not found:
        click.echo("no V4L2 camera (/dev/video*)")
    for number, model in enumerate(models):
        click.echo(f'libcamera {number}: {model} (camera.source = "picamera", camera.number = {number})')
    if note or not models:
        click.echo(f"no libcamera camera: {note or 'none connected'}")


def _chosen(settings: Settings) -> str:
    """Which camera the settings mean."""
    camera = settings.camera
    what = {
        "virtual": f"virtual camera, runner {camera.runner}",
        "video": f"video file {camera.file}",
        "v4l2": camera.device,
        "picamera": f"libcamera {camera.number}, {camera.sensor}",
    }[camera.source]
    return f"{what}, {camera.width_px}x{camera.height_px} at {camera.rate_hz:g} frames/s"


def _device_lines(device: Device) -> list[str]:
    lines = [f"{device.device}: {device.name or '?'}" + (f" ({device.driver})" if device.driver else "")]
    lines += [f"  {device.by_id}"] if device.by_id else []
    lines += [f"  {device.trouble}"] if device.trouble else []
    for offer in device.offers:
        sizes = [f"{w}x{h}" + (f" {hz:g}" if hz else "") for w, h, hz in offer.sizes]
        more = f" and {len(sizes) - 6} more" if len(sizes) > 6 else ""
        lines.append(f"  {offer.fourcc}: {', '.join(sizes[:6]) or 'sizes unknown'}{more}")
    return lines


def _try(settings: Settings, seconds: float, judged: bool, snapshot: Path | None, as_json: bool) -> int:
    """Runs the camera; the report and the picture follow when it is closed."""
    import hw
    from appliance.commands.trial import Watch
    from appliance.errors import CameraLost

    stop, watch, best = Stop(None), Watch(), _Best()
    with stop.listening():
        with stop.at_once():
            pipeline = warmed_pipeline(settings)
        with contextlib.closing(hw.open_camera(settings)) as camera:
            until_s = time.monotonic() + seconds
            _run(camera, pipeline, watch, best, lambda: stop() or time.monotonic() >= until_s)
            facts = camera.about()
            asked_hz = settings.camera.rate_hz if settings.camera.source in _LIVE else camera.rate_hz
            figures = watch.figures(asked_hz, camera.restarts, camera.lost)
    if not watch.frames and not stop():
        raise CameraLost(
            f"{facts['device']}: no frame in {seconds:g} s",
            fix="look at the cable, or give it more --seconds",
        )
    if snapshot is not None and best.luma is not None:
        best.write(snapshot)
        aside(f"{snapshot}: {best.marks} of 4 dots found, {_size(best.luma)}")
    if judged:
        _report(figures, facts, as_json)
    elif as_json:
        click.echo(msgspec.json.encode({"snapshot": str(snapshot), "dots": best.marks}))
    return _STOPPED if stop() else 0


def _run(camera: Camera, pipeline: Pipeline, watch: Watch, best: _Best, over: Callable[[], bool]) -> None:
    """Feeds frames until it is over; a remark every second."""
    told_s = time.monotonic()
    for frame in camera.frames():
        if over():
            break
        if frame is not None:
            watch.take(frame, camera.now_s())
            places = pipeline.feed(frame).keypoints.xy_px
            watch.see(places)
            best.offer(frame.luma, places)
        if time.monotonic() - told_s >= _TOLD_S:
            told_s = time.monotonic()
            rate_hz = watch.rate_hz
            aside(
                f"{watch.frames:,} frames, " + ("none yet" if rate_hz is None else f"{rate_hz:.1f} a second")
            )


class _Best:
    """The frame in which most dots were found, the last one of several alike."""

    def __init__(self) -> None:
        self.luma: U8 | None = None
        self.marks = -1
        self._places: F64 | None = None
        self._at_s = 0.0

    def offer(self, luma: U8, places: F64) -> None:
        """A frame that is valid only now; copied when it is better, or as good and the kept one is a while old."""
        import numpy as np

        marks, now_s = int(np.isfinite(places).all(axis=1).sum()), time.monotonic()
        if marks > self.marks or (marks == self.marks and now_s - self._at_s > _TOLD_S):
            self.luma, self._places = luma.copy(), places.copy()
            self.marks, self._at_s = marks, now_s

    def write(self, path: Path) -> None:
        """The frame as a PNG, dots ringed."""
        from appliance.output import Output
        from appliance.records import MARKS
        from hw.camera.picture import as_png

        if self.luma is not None and self._places is not None:
            with contextlib.closing(Output(path)) as file:
                file.write(as_png(self.luma, dict(zip(MARKS, self._places, strict=True))))


def _report(figures: Figures, facts: dict[str, Any], as_json: bool) -> None:
    """What was measured, and what to do about it."""
    from appliance.commands.trial import verdicts

    found = verdicts(figures, str(facts["stamped_by"]))
    if as_json:
        ok = bool(found) and all(v.ok for v in found)
        click.echo(msgspec.json.encode({"ok": ok, "camera": facts, "figures": figures, "verdicts": found}))
        return
    click.echo(f"camera    {_about(facts)}")
    if not found:
        click.echo("frames    too few to say anything: let it run for longer")
    for verdict in found:
        click.echo(f"{verdict.what:<10}{'ok  ' if verdict.ok else 'warn'}  {verdict.text}")
        if not verdict.ok:
            click.echo(f"{'':16}{verdict.fix}")


def _about(facts: dict[str, Any]) -> str:
    size = f"{facts['width_px']}x{facts['height_px']} at {facts['rate_hz']:g} frames/s"
    exposure_us = facts.get("exposure_us")
    exposed = f", exposed {exposure_us:g} us" if exposure_us else ""
    kind = f" {facts['format']}" if facts.get("format") else ""
    return f"{facts['driver']}, {facts['device']}:{kind} {size}{exposed}"


def _size(luma: U8) -> str:
    return f"{luma.shape[1]}x{luma.shape[0]} as the sensor delivers it"
