"""Crash reports become a list, one report in words, or the recording of its last ten seconds.

Only looks, at what the service has written; a damaged report is listed with what is wrong with it. Nothing in a report
names a person, a place or a machine (docs/crashes.md), so it may be sent away as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.options import FILE

if TYPE_CHECKING:
    from appliance.station.crash import Crash


@click.command(name="crash")
@click.argument("file", type=FILE, required=False)
@click.option(
    "--keypoints", type=FILE, help="Write the report's last seconds as a recording for `hipbar replay`."
)
@click.option("--json", "as_json", is_flag=True, help="Print the list, or the report, as one JSON object.")
def command(file: Path | None, keypoints: Path | None, as_json: bool) -> None:
    """Show what the station left when it died: the list of reports, or the report FILE.

    FILE is a path, or a name from the list. A report holds why, versions, settings, traceback and the places of the
    dots in the last ten seconds; no names, no pictures.

    \b
    Examples:
      hipbar crash
      hipbar crash crash-000003.json
      hipbar crash crash-000003.json --keypoints last.hbk && hipbar replay last.hbk
    """
    from appliance.commands.status import state_folder
    from appliance.station.crash import FOLDER, read_crash

    folder = state_folder() / FOLDER
    if file is None:
        if keypoints:
            raise click.UsageError("--keypoints takes them from a report: name its FILE")
        _list(folder, as_json)
        return
    path = folder / file if file.name == str(file) and not file.exists() else file
    crash = read_crash(path)
    if keypoints:
        _write(crash, path, keypoints)
    elif as_json:
        import msgspec

        click.echo(msgspec.json.encode(crash).decode())
    else:
        click.echo("\n".join(_lines(path.name, crash)))


def _list(folder: Path, as_json: bool) -> None:
    """All reports, newest first."""
    import msgspec

    from appliance.commands.status import may_look
    from appliance.errors import HipbarError

    if not may_look(folder):
        raise HipbarError(f"{folder}: this user may not look", fix="`sudo hipbar crash`")
    rows = list(_rows(folder))
    if as_json:
        click.echo(msgspec.json.encode({"folder": str(folder), "crashes": rows}).decode())
    elif not rows:
        click.echo(f"no crash reports in {folder}")
    for row in () if as_json else rows:
        others = f" (and {row['others']} more before it)" if row["others"] else ""
        click.echo(f"{row['file']}  {row['when']}  {row['why']}{others}")


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    from appliance.errors import SourceError
    from appliance.station.crash import crashes, read_crash

    for path in crashes(folder):
        try:
            crash = read_crash(path)
            yield {"file": path.name, "when": _when(crash), "why": crash.why, "others": crash.others}
        except SourceError as error:
            yield {"file": path.name, "when": "-", "why": str(error), "others": 0}


def _when(crash: Crash) -> str:
    """The wall clock's word, which may have been wrong: docs/recordings.md says how it is corrected."""
    try:
        return datetime.fromtimestamp(crash.wall_s or 0, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "-"


def _lines(name: str, crash: Crash) -> Iterator[str]:
    """One report in words; the settings and the traceback as they are, last."""
    from appliance.station.status import span

    yield f"{name}: {crash.why}"
    ran = f", after {span(crash.ran_s)}" if crash.ran_s is not None else ""
    yield f"written    {_when(crash)} by the machine's clock, which may have been wrong"
    yield f"state      {crash.state or 'unknown'}{ran}"
    if crash.others:
        yield f"others     {crash.others} more since the report before; at most one a minute is written"
    yield "versions   " + ", ".join(f"{name} {version}" for name, version in crash.versions.items())
    yield from _light_lines(crash)
    for title, text in (("settings", crash.settings), ("traceback", crash.traceback)):
        yield f"{title:<10} {'' if text.strip() else 'none'}".rstrip()
        yield from (f"  {line}" for line in text.strip().splitlines())


def _light_lines(crash: Crash) -> Iterator[str]:
    """What the last seconds held."""
    if crash.shown:
        runs = ", ".join(f"{what.replace('_', ' ')} {frames:,}" for what, frames in crash.shown[-5:])
        yield f"shown      {runs} frames"
    ages = crash.age_ms
    if ages:
        yield "light      " + ", ".join(f"{name} {age} ms" for name, age in ages.items()) + " old"
    torn = f", {crash.torn} torn" if crash.torn else ""
    how = "; --keypoints FILE.hbk writes them" if crash.frames else ""
    yield f"keypoints  {crash.frames:,} frames{torn}{how}"


def _write(crash: Crash, path: Path, keypoints: Path) -> None:
    """The last seconds as a recording."""
    import contextlib

    from appliance.errors import SourceError
    from appliance.output import refuse_clashes
    from appliance.station.recording import Recorder

    refuse_clashes([keypoints], path)
    if crash.header is None or not crash.frames:
        raise SourceError(f"{path}: holds no keypoints", fix="it ended before the camera gave frames")
    track = crash.track()
    with contextlib.closing(Recorder(keypoints, crash.header)) as recorder:
        recorder.keep(track)
    click.echo(f"{keypoints}: {len(track):,} frames")
