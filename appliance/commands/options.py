"""What commands have in common on the command line; light, because `--help` imports it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from appliance.config import Settings
    from appliance.pipeline import Pipeline
    from appliance.station.books import Book
    from appliance.station.recording import Header

FILE = click.Path(path_type=Path, readable=False)
MODES = ("asymmetry", "step", "live", "box", "off")
"""As `feedback.mode`; a test holds the two together."""


def finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """An option's figure; NaN, which no range refuses, is refused here."""
    if value is not None and value != value:
        raise click.BadParameter("give a number", ctx=ctx, param=param)
    return value


def version() -> str:
    """This software's name and version."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return f"hipbar {installed('hipbar')}"
    except PackageNotFoundError:
        return "hipbar (not installed)"


def aside(text: str) -> None:
    """A remark for the person at the terminal; standard output stays clean."""
    print(text, file=sys.stderr, flush=True)


def chosen_keys(config: Path | None) -> set[str]:
    """The dotted keys that a settings file sets."""
    from appliance.config import keys_of

    return set() if config is None else keys_of(config.read_text(encoding="utf-8"))


def as_built(config: Path | None) -> Settings:
    """A settings file with this machine's own calibration above it, as the service uses it; the defaults without.

    A calibration that can't be read or does not fit is told, and left out.
    """
    from appliance.config import laid, load
    from appliance.errors import CalibrationError, SettingsError
    from appliance.station.calibration import read_calibration
    from appliance.station.places import state_dir

    settings = load(config)
    if config is None:
        return settings
    try:
        return laid(settings, read_calibration(state_dir(settings)).over(settings), "calibration")
    except (CalibrationError, SettingsError) as error:
        aside(f"without the station's calibration: {error}")
        return settings


@contextlib.contextmanager
def open_books(outputs: dict[str, Path], header: Header) -> Iterator[tuple[Book, ...]]:
    """The files asked for ("steps", "frames", "bar", "record"), opened; closed whatever happens."""
    from appliance.station.books import BarFile, FramesFile, RecordFile, StepsFile

    makers: dict[str, Callable[[Path], Book]] = {"steps": StepsFile, "frames": FramesFile, "bar": BarFile}
    with contextlib.ExitStack() as stack:
        books: list[Book] = []
        for name, path in outputs.items():
            book = RecordFile(path, header) if name == "record" else makers[name](path)
            books.append(stack.enter_context(contextlib.closing(book)))
        yield tuple(books)


def header_now(settings: Settings, size: tuple[int, int], rate_hz: float, row_s: float) -> Header:
    """The header of a recording that begins now."""
    from appliance.station.recording import Header

    return Header.of(settings, size, rate_hz, row_s, version())


def with_zero(settings: Settings, zero_deg: float | None) -> Settings:
    """The settings with another standing zero, or as they are."""
    import msgspec

    if zero_deg is None:
        return settings
    return msgspec.structs.replace(
        settings, motion=msgspec.structs.replace(settings.motion, zero_deg=zero_deg)
    )


def load_kernels() -> None:
    """Loads compiled code; where the cache is cold, compiles it in two processes side by side."""
    from appliance.kernels.warm import warm

    warm()


def warmed_pipeline(settings: Settings) -> Pipeline:
    """A pipeline that is ready for its first frame."""
    load_kernels()
    from appliance.station.loop import warmed

    return warmed(settings)
