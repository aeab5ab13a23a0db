"""A video or a keypoint recording becomes steps, frames and light in files, as fast as it can be read.

Times are the source's own, and two runs write the same bytes; only the remark about speed on stderr differs.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from appliance.commands.options import (
    FILE,
    aside,
    chosen_keys,
    finite,
    header_now,
    load_kernels,
    open_books,
    with_zero,
)

if TYPE_CHECKING:
    from appliance.config import Settings
    from appliance.errors import SourceError
    from appliance.pipeline import Pipeline
    from appliance.station.books import Book
    from appliance.station.recording import Recording
    from appliance.station.replay import Progress
    from appliance.station.tally import Tally
    from hw.camera.video import VideoFile


@click.command(name="replay")
@click.argument("source", type=FILE)
@click.option(
    "--zero-deg",
    type=click.FloatRange(-20, 20),
    callback=finite,
    help="Obliquity standing still, subtracted from every angle; 0 = nothing.  [default: motion.zero_deg, 0]",
)
@click.option("--steps", type=FILE, help="Write each step as one JSON object a line.")
@click.option("--frames", type=FILE, help="Write each frame as a CSV row: time, obliquity, keypoints.")
@click.option("--bar", type=FILE, help="Write each frame's LED colours as a CSV row.")
@click.option("--record", type=FILE, help="Write the keypoints as a recording that replay reads back.")
@click.option("--config", type=FILE, help="Settings file (TOML); defaults without.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def command(
    source: Path,
    zero_deg: float | None,
    steps: Path | None,
    frames: Path | None,
    bar: Path | None,
    record: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Measure SOURCE, a video file or a keypoint recording, as fast as it can be read.

    The same code as on the station, from pixels or keypoints to light. A recording is replayed with the mount and
    lens that were in force when it was made, unless the settings file names them itself.

    \b
    Examples:
      hipbar replay run.mp4
      hipbar replay run.mp4 --steps steps.jsonl --frames frames.csv --record run.hbk
      hipbar replay run.hbk --zero-deg 1.3 --json
    """
    from appliance.config import load
    from appliance.output import refuse_clashes

    refuse_clashes([p for p in (steps, frames, bar, record) if p], source)
    settings = load(config)
    outputs = {"steps": steps, "frames": frames, "bar": bar, "record": record}
    with _opened(source, settings, chosen_keys(config)) as reel:
        _replay(reel, zero_deg, {name: path for name, path in outputs.items() if path}, as_json)


class _Reel(msgspec.Struct, frozen=True):
    """A source that is open: what it is, and how its frames are poured through a pipeline into books."""

    path: Path
    settings: Settings
    size: tuple[int, int]
    rate_hz: float
    row_s: float
    frames_total: int | None
    pour: Callable[[Pipeline, tuple[Book, ...], Progress], None]


@contextlib.contextmanager
def _opened(path: Path, settings: Settings, chosen: set[str]) -> Iterator[_Reel]:
    """The source, opened: a recording brings its mount and lens, a video is read under the settings as they are."""
    from appliance.station.recording import Recording, is_recording

    if is_recording(path):
        with contextlib.closing(Recording(path)) as recording:
            yield _of_recording(path, recording, recording.header.onto(settings, chosen))
    else:
        from hw.camera.video import VideoFile

        with contextlib.closing(VideoFile(str(path), row_s=settings.camera.row_us * 1e-6)) as video:
            yield _of_video(path, video, settings)


def _of_recording(path: Path, recording: Recording, settings: Settings) -> _Reel:
    load_kernels()
    from appliance.station.replay import replay_keypoints

    head = recording.header
    return _Reel(
        path,
        settings,
        size=(head.width_px, head.height_px),
        rate_hz=head.rate_hz,
        row_s=head.row_s,
        frames_total=recording.frames_total,
        pour=lambda pipeline, books, progress: replay_keypoints(recording, pipeline, books, progress),
    )


def _of_video(path: Path, video: VideoFile, settings: Settings) -> _Reel:
    load_kernels()
    from appliance.station.replay import replay_frames

    leds = settings.strip.leds
    return _Reel(
        path,
        settings,
        size=video.size,
        rate_hz=video.rate_hz,
        row_s=settings.camera.row_us * 1e-6,
        frames_total=video.frames_total,
        pour=lambda pipeline, books, progress: replay_frames(video.frames(), pipeline, leds, books, progress),
    )


def _replay(reel: _Reel, zero_deg: float | None, outputs: dict[str, Path], as_json: bool) -> None:
    """Pours the reel into the files, then tells the summary; what the source refused midway is told last."""
    from appliance.commands import words
    from appliance.errors import SourceError
    from appliance.pipeline import Pipeline
    from appliance.station.tally import Tally

    settings = with_zero(reel.settings, zero_deg)
    pipeline, tally = Pipeline(settings), Tally(settings.motion.zero_deg)
    header = header_now(settings, reel.size, reel.rate_hz, reel.row_s)
    trouble: SourceError | None = None
    began_s = time.perf_counter()
    try:
        with open_books(outputs, header) as books, _progress(reel.frames_total) as progress:
            reel.pour(pipeline, (*books, tally), progress)
    except SourceError as error:
        trouble = error
    wall_s = time.perf_counter() - began_s
    if tally.frames:
        summary = tally.summary(pipeline.guard_acts)
        click.echo(words.as_json(summary) if as_json else words.as_text(summary))
        aside(f"{tally.frames:,} frames in {wall_s:.2f} s: {tally.frames / wall_s:,.0f} frames/s")
    if trouble := trouble or _unmarked(reel.path, tally):
        raise trouble


@contextlib.contextmanager
def _progress(frames_total: int | None) -> Iterator[Progress]:
    """A progress bar on stderr when that is a terminal, nothing otherwise."""
    if not (frames_total and sys.stderr.isatty()):
        yield lambda frames: None
        return
    steps = max(1, frames_total // 200)
    with click.progressbar(length=frames_total, file=sys.stderr, update_min_steps=steps) as bar:
        yield bar.update


def _unmarked(path: Path, tally: Tally) -> SourceError | None:
    """The complaint about a source in which no pair of marks was ever seen."""
    from appliance.errors import SourceError

    if tally.pair_frames:
        return None
    return SourceError(
        f"{path}: no marks seen in {tally.frames:,} frames",
        fix="light the dots so that they are brighter than all around them, or set sight.contrast lower",
    )
