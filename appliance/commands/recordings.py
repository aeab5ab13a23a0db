"""The service's recordings become a list: when, how long, how it ended, and what is wrong with one that is damaged.

Start times are corrected by what the station noted of its clocks; one that may be wrong says so. Lengths in seconds,
megabytes of 10^6 bytes. Only reads, also while the service writes. A damaged file is a line, never the end of the list.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from appliance.station.recording import Header
    from appliance.station.shelf import Survey
    from appliance.station.wallclock import Note

FOLDER = "recordings"
_YEAR_10000_S = 253_402_300_800
_UNSURE = "the clock was not set"
_ENDED = {
    "left": "nobody in view any more",
    "full length": "full length, the next one goes on",
    "stopped": "the station was stopped",
    "no room": "no room on the disk",
    "cut": "cut off: power, a kill, or the card",
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One recording. start_s : seconds since 1970, UTC; start_sure : the clock was set. What is not known is None.

    ended : how, by its last page; None while it is being written. damage : in words.
    """

    file: str
    start_s: float | None = None
    start: str | None = None
    start_sure: bool = False
    length_s: float | None = None
    frames: int | None = None
    mb: float
    being_written: bool = False
    ended: str | None = None
    damage: str | None = None


@click.command(name="recordings")
@click.option("--json", "as_json", is_flag=True, help="Print the list as one JSON object.")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="The service's folder.  [default: HIPBAR_STATE, or service.state of the settings]",
)
def command(as_json: bool, state: Path | None) -> None:
    """List the recordings that the service keeps, oldest first.

    Each can be replayed as it is, also while it is being written. The start is in this machine's time zone; where
    the station's clock was not set, and was never set later in the same boot, it says so.

    \b
    Examples:
      hipbar recordings
      hipbar replay /var/lib/hipbar/recordings/rec-000042-1f2e3d4c.hbk --steps steps.jsonl
      hipbar recordings --json | jq '.recordings[-1].file'
    """
    from appliance.commands.status import state_folder

    state = state or state_folder()
    rows = list(listed(state))
    if as_json:
        told = {"folder": str(state / FOLDER), "recordings": rows}
        click.echo(msgspec.json.encode(told).decode())
    else:
        click.echo("\n".join(lines(state / FOLDER, rows)))


def listed(state: Path) -> Iterator[Row]:
    """All recordings of a state folder, oldest first."""
    from appliance.errors import SourceError
    from appliance.station.shelf import recordings
    from appliance.station.wallclock import FILE, read_notes

    try:
        paths = recordings(state / FOLDER)
    except OSError as error:
        raise SourceError(
            f"{state / FOLDER}: can't be read: {error.strerror}", fix="run it with sudo, or name --state"
        ) from None
    notes = read_notes(state / FILE)
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # the service has taken it away meanwhile
            yield _row(path, notes)


def _row(path: Path, notes: Sequence[Note]) -> Row:
    from appliance.errors import SourceError
    from appliance.station.shelf import being_written, survey

    megabytes, writing = path.stat().st_size / 1e6, being_written(path)
    try:
        found = survey(path)
    except SourceError as error:
        words = str(error).removeprefix(f"{path}: ")
        return Row(file=path.name, mb=megabytes, being_written=writing, damage=words)
    return _of_survey(path.name, found, notes, megabytes, writing)


def _of_survey(name: str, found: Survey, notes: Sequence[Note], megabytes: float, writing: bool) -> Row:
    end = found.end
    first_s, last_s = end.first_t_s, end.last_t_s
    start_s, sure = _start(found.header, first_s, notes)
    return Row(
        file=name,
        start_s=start_s,
        start=None if start_s is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start_s)),
        start_sure=sure,
        length_s=None if first_s is None or last_s is None else round(last_s - first_s, 3),
        frames=end.frames,
        mb=megabytes,
        being_written=writing and not found.ended,
        ended=None if writing and not found.ended else end.how,
        damage=None if found.damaged_at is None else f"damaged at byte {found.damaged_at}",
    )


def _start(header: Header, first_s: float | None, notes: Sequence[Note]) -> tuple[float | None, bool]:
    """When it began, by the notes of its boot and by what its header says itself."""
    from appliance.station.wallclock import Note, corrected

    if first_s is None or header.boot_id is None or header.wall_s is None or header.wall_at_s is None:
        return None, False
    own = Note(header.boot_id, header.wall_at_s, header.wall_s, header.wall_synchronised)
    start_s, sure = corrected(header.boot_id, first_s, [*notes, own])
    if start_s is None or not 0 <= start_s < _YEAR_10000_S:
        return None, False
    return start_s, sure


def lines(folder: Path, rows: Sequence[Row]) -> Iterator[str]:
    """The list for a person."""
    if not rows:
        yield f"no recordings in {folder}"
        return
    wide = max(len(row.file) for row in rows)
    yield f"{'file':<{wide}}  {'start':<19}  {'length':>8}  {'frames':>9}  {'MB':>6}  ended"
    for row in rows:
        started = "-" if row.start_s is None else _local(row.start_s)
        frames = "-" if row.frames is None else f"{row.frames:,}"
        yield (
            f"{row.file:<{wide}}  {started:<19}  {_span(row.length_s):>8}  {frames:>9}  {row.mb:6.1f}  {_remark(row)}"
        )
    total = sum(row.mb for row in rows)
    yield f"{len(rows)} recordings, {total:,.1f} MB, in {folder}"


def _remark(row: Row) -> str:
    """How it ended, and what else there is to say."""
    words = [row.damage or ("being written" if row.being_written else _ENDED.get(row.ended or "", "-"))]
    if row.frames == 0 and not row.damage:
        words.append("nothing in it can be read")
    if row.start_s is not None and not row.start_sure:
        words.append(_UNSURE)
    return "; ".join(words)


def _local(wall_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall_s))


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
