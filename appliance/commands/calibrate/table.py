"""The calibration file becomes a table: each step, when, what it found, and whether that still fits the station.

Ages in days of the wall clock; a revision made while the clock was not set has no age. Only reads: a service that runs
is asked, none is started. A step is "good", "old", "never", or "does not fit" with what has changed since.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from appliance.commands.calibrate import STEPS

if TYPE_CHECKING:
    from appliance.config import Settings
    from appliance.station.calibration import Calibration, Revision

GOOD_DAYS: dict[str, float] = {
    "aim": 30,
    "light": 30,
    "lens": 365,
    "level": 90,
    "zero": 1,
    "strip": 365,
    "sides": 365,
    "latency": 180,
}
"""How long a step is good for if nothing changes: a zero for the day on which dots are worn, a lens for a year."""

_RESTS_ON = {
    "level": ("lens",),
    "zero": ("lens", "level"),
    "latency": ("light",),
}
"""What a step's figure rests on: with one of these made anew it has to be made again."""

_MOUNT = ("mirror", "rotate_deg")
"""Kept among a step's figures where its angles would have other signs, or mean something else, with another mount."""

_FIGURES = {
    "aim": (("elevation_deg", "height off by {:+.1f} deg"), ("distance_m", "{:.2f} m away")),
    "light": (("exposure_us", "{:.0f} us"), ("gain", "gain {:.1f}")),
    "lens": (("rms_px", "{:.2f} px rms"), ("views", "{:.0f} views")),
    "level": (("roll_deg", "roll {:+.2f} deg"), ("pitch_deg", "pitch {:+.2f} deg")),
    "zero": (("zero_deg", "{:+.2f} deg"), ("spread_deg", "spread {:.2f} deg")),
    "strip": (("leds", "{:.0f} LEDs"), ("most_ma", "{:.0f} mA at most")),
    "sides": (("lifts", "{:.0f} lifts"), ("bar", "bar {}")),
    "latency": (("median_ms", "{:.1f} ms"), ("p95_ms", "p95 {:.1f} ms")),
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One step: its verdict, and what is behind it. What is not known is None."""

    step: str
    verdict: str
    why: str | None = None
    revision: int | None = None
    made_s: float | None = None
    clock_set: bool | None = None
    age_days: float | None = None
    figure: str | None = None


def print_table(config: Path | None, *, as_json: bool) -> None:
    """Prints the table of the station that this file describes."""
    settings, calibration = read_station(config)
    rows = table(calibration, settings, time.time())
    current = calibration.current
    if as_json:
        told = {"revision": current.number if current else 0, "steps": rows}
        click.echo(msgspec.json.encode(told).decode())
        return
    click.echo("\n".join(_lines(rows)))
    due = next((row.step for row in rows if row.verdict != "good"), None)
    if due:
        click.echo(f"next: hipbar calibrate {due}")


def read_station(config: Path | None) -> tuple[Settings, Calibration]:
    """The settings in force and the calibration: as the running service has them, else as the files say."""
    from appliance.commands.reach import reached
    from appliance.config import Settings
    from appliance.errors import ServiceDown

    with contextlib.suppress(ServiceDown), reached(config, start=False) as link:
        settings = msgspec.convert(link.settings()["settings"], Settings)
        return settings, link.calibration()
    return _read_files(config)


def _read_files(config: Path | None) -> tuple[Settings, Calibration]:
    """What a stopped station would be."""
    from appliance.commands.calibrate.keep import default_config
    from appliance.config import load
    from appliance.station.calibration import read_calibration
    from appliance.station.places import state_dir

    file = config or default_config()
    settings = load(file)
    calibration = read_calibration(state_dir(settings))
    return load(file, calibration.over(settings)), calibration


def table(calibration: Calibration, settings: Settings, now_s: float) -> list[Row]:
    """A row a step, in the order of setting up."""
    return [_row(step, calibration, settings, now_s) for step in STEPS]


def _row(step: str, calibration: Calibration, settings: Settings, now_s: float) -> Row:
    revision = calibration.last(step)
    if revision is None:
        return Row(step=step, verdict="never", why="not measured yet")
    age = (now_s - revision.made_s) / 86400 if revision.clock_set is not False else None
    unfit = _unfit(step, revision, calibration, settings)
    verdict, why = "good", None
    if unfit:
        verdict, why = "does not fit", unfit
    elif age is not None and age > GOOD_DAYS[step]:
        verdict, why = "old", f"good for {GOOD_DAYS[step]:g} days, made {age:.0f} days ago"
    return Row(
        step=step,
        verdict=verdict,
        why=why,
        revision=revision.number,
        made_s=revision.made_s,
        clock_set=revision.clock_set,
        age_days=None if age is None else round(max(0.0, age), 3),
        figure=figure(revision),
    )


def _unfit(step: str, revision: Revision, calibration: Calibration, settings: Settings) -> str | None:
    """What has changed since the step, so that it no longer says anything about the station as it is."""
    from appliance.station.calibration import mode_of, sides_proved

    current = calibration.current
    if step == "lens" and current is not None and mode_of(settings) not in current.lenses:
        return f"made for another sensor mode; this one is {mode_of(settings)}"
    if step == "sides" and not sides_proved(calibration, settings):
        return "camera, mount or bar are not as they were"
    for other in _RESTS_ON.get(step, ()):
        newer = calibration.last(other)
        if newer is not None and newer.number > revision.number:
            return f"{other} was measured after it"
    for key in _MOUNT:
        if revision.figures.get(key, getattr(settings.camera, key)) != getattr(settings.camera, key):
            return f"camera.{key} is not as it was"
    return None


def figure(revision: Revision) -> str | None:
    """The one or two figures that say most about a step; None when it kept none of them."""
    found = [
        form.format(revision.figures[key])
        for key, form in _FIGURES.get(revision.step, ())
        if _fits(form, revision.figures.get(key))
    ]
    return ", ".join(found) or None


def _fits(form: str, value: Any) -> bool:
    """Whether a figure can be written so: files of other versions may hold others."""
    return isinstance(value, str) if form.endswith("{}") else isinstance(value, int | float)


def when(made_s: float | None, clock_set: bool | None) -> str:
    """A revision's time for a person, in this machine's time zone."""
    if made_s is None:
        return "-"
    if clock_set is False:
        return "clock was not set"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(made_s))


def _lines(rows: list[Row]) -> list[str]:
    lines = [f"{'step':<9}{'verdict':<14}{'made':<19}{'figure'}"]
    for row in rows:
        made = when(row.made_s, row.clock_set)
        lines.append(f"{row.step:<9}{row.verdict:<14}{made:<19}{row.figure or '-'}".rstrip())
        if row.why and row.verdict != "never":
            lines.append(f"{'':<9}{row.why}")
    return lines
