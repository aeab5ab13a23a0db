"""The station's journal becomes lines that can be read: filtered, folded, with local times, the newest last.

Only looks, through `journalctl`. Exit code 0 also when there is nothing to show; 1 where there is no journal. What
nobody may see or read is said on standard error.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from appliance.commands.options import FILE, aside

if TYPE_CHECKING:
    from appliance.station.chronicle import Entry

_AGO = re.compile(r"(\d{1,5})\s*(s|min|m|h|d|w)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?)?|today|yesterday")
_UNITS = {"s": "s", "m": "min", "min": "min", "h": "h", "d": "d", "w": "w"}
_MOST_READ = 200_000
"""So many lines are looked through for those that were asked for."""

_KEPT = (Path("/var/log/journal"), Path("/run/log/journal"))
_COLOURS = {0: "red", 1: "red", 2: "red", 3: "red", 4: "yellow", 5: "cyan"}
_NONE = "the log is systemd's journal: look on the station itself, or give --directory"


@click.command(name="logs")
@click.option("--since", help='Only what is newer: "90s", "15m", "1h", "2d", "2026-11-21 10:00", "today".')
@click.option("--errors", is_flag=True, help="Only warnings and what is graver.")
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(1, 100_000),
    default=200,
    show_default=True,
    help="At most so many lines, the newest.",
)
@click.option(
    "--boot",
    type=click.IntRange(-1000, 0),
    help="Only one start of the machine: 0 this one, -1 the one before.",
)
@click.option("--health", is_flag=True, help="Also the line of health that the service writes each minute.")
@click.option("--all-units", is_flag=True, help="Everything that the machine logs, unfiltered.")
@click.option("--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("--directory", type=FILE, help="A journal somewhere else: /var/log/journal of another card.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --follow one a line.")
def command(
    since: str | None,
    errors: bool,
    count: int,
    boot: int | None,
    health: bool,
    all_units: bool,
    follow: bool,
    directory: Path | None,
    as_json: bool,
) -> int:
    """Show what the station logged: itself, systemd about it, its updates, and what the kernel says of its parts.

    The newest lines come last; a line that is said again and again is one with how often. Local time, by the clock of
    the machine, which may have been wrong. Who is not root needs the group systemd-journal.

    \b
    Examples:
      hipbar logs
      hipbar logs --errors --since 2d
      hipbar logs --boot -1 -n 50
      hipbar logs --follow --health
    """
    from appliance.station.chronicle import wanted

    words = [*where(since, boot, directory), *([] if all_units else matches())]

    def chosen(found: Iterable[Entry]) -> Iterator[Entry]:
        return wanted(found, errors=errors, health=health, everything=all_units)

    if follow:
        _follow([*words, f"--lines={min(count, 1000)}"], chosen, as_json)
        return 0
    found, refusal, more = newest(words, count, errors=errors, health=health, everything=all_units)
    if as_json:
        click.echo(as_object(found, more))
    elif found:
        _print(found)
    _remark(found, refusal, more, as_json, directory is not None)
    return 0


def where(since: str | None, boot: int | None, directory: Path | None) -> list[str]:
    """Words for journalctl on when and which journal."""
    words = []
    if since is not None:
        ago = _AGO.fullmatch(since.strip())
        if not ago and not _DATE.fullmatch(since.strip()):
            raise click.UsageError(
                f'--since: {since!r} is neither a span ("1h") nor a date ("2026-11-21 10:00")'
            )
        words.append(
            f"--since=-{ago[1]}{_UNITS[ago[2]]}" if ago else f"--since={since.strip().replace('T', ' ')}"
        )
    if boot is not None:
        words.append(f"--boot={boot}")
    if directory is not None:
        words.append(f"--directory={directory}")
    return words


def matches() -> list[str]:
    """Words for journalctl on whose lines: the service, systemd about it, updates, the kernel."""
    from appliance.station.chronicle import UNITS

    words = ["_TRANSPORT=kernel"]
    for unit in UNITS:  # whatever says UNIT= is believed only when it is systemd that says so
        words += ["+", f"_SYSTEMD_UNIT={unit}", "+", f"UNIT={unit}", "_PID=1"]
    return words


def newest(
    words: Sequence[str], count: int, *, errors: bool = False, health: bool = False, everything: bool = False
) -> tuple[list[Entry], str, bool]:
    """The newest entries, oldest of them first; what journalctl had to say on its side, and whether there are more."""
    from itertools import islice

    from appliance.station.chronicle import folded, wanted

    with _journalctl([*words, "--reverse"]) as (out, complaint):
        entries = wanted(
            _entries(islice(out, _MOST_READ)), errors=errors, health=health, everything=everything
        )
        found = list(islice(folded(entries), count + 1))
    return found[:count][::-1], complaint(), len(found) > count


@contextlib.contextmanager
def _journalctl(words: Sequence[str]) -> Iterator[tuple[IO[bytes], _Complaint]]:
    """Its lines, as long as they are wanted; what it complains of is known afterwards."""
    asked = ["journalctl", "--output=json", "--no-pager", *words]
    complaint = _Complaint()
    try:
        process = subprocess.Popen(
            asked, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_plain_env()
        )
    except OSError as error:
        from appliance.errors import HipbarError

        raise HipbarError(f"no journal here: journalctl: {error.strerror}", fix=_NONE) from None
    with process:
        assert process.stdout
        assert process.stderr
        try:
            yield process.stdout, complaint
        finally:
            process.terminate()
            complaint.text = process.stderr.read(4000).decode(errors="replace")


class _Complaint:
    """What a program said on standard error, once it has ended."""

    text = ""

    def __call__(self) -> str:
        from appliance.station.chronicle import plain

        return plain(self.text)


def _plain_env() -> dict[str, str]:
    return {**os.environ, "SYSTEMD_COLORS": "0", "LC_ALL": "C.UTF-8"}


def _entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Those that are entries."""
    from appliance.station.chronicle import entry

    for line in lines:
        one = entry(line)
        if one is not None:
            yield one


def _follow(
    words: Sequence[str], chosen: Callable[[Iterable[Entry]], Iterator[Entry]], as_json: bool
) -> None:
    """Until Ctrl-C, line by line, nothing folded: a line is shown when it comes."""
    import msgspec

    from appliance.station.chronicle import told

    with _journalctl([*words, "--follow"]) as (out, complaint), contextlib.suppress(KeyboardInterrupt):
        found = chosen(_entries(iter(out.readline, b"")))
        if as_json:
            for one in found:
                click.echo(msgspec.json.encode(one).decode())
        for level, line in () if as_json else told(found):
            click.echo(coloured(level, line))
    _refuse(complaint())


def _print(found: Iterable[Entry]) -> None:
    from appliance.station.chronicle import told

    for level, line in told(found):
        click.echo(coloured(level, line))


def coloured(level: int | None, line: str) -> str:
    """A line in its level's colour, where the screen has colours."""
    if os.environ.get("NO_COLOR"):
        return line
    return click.style(line, dim=True) if level is None else click.style(line, fg=_COLOURS.get(level))


def as_object(found: Sequence[Entry], more: bool) -> str:
    """Everything as one JSON object on one line."""
    import msgspec

    return msgspec.json.encode({"entries": found, "more": more}).decode()


def _remark(found: Sequence[Entry], complaint: str, more: bool, as_json: bool, elsewhere: bool) -> None:
    """What is not shown, and why there may be nothing."""
    if not found:
        _refuse(complaint)
        if not elsewhere and not any(any(folder.glob("*/*.journal*")) for folder in _KEPT):
            _refuse(f"No journal files were found in {' or '.join(map(str, _KEPT))}")
    if not found and not as_json:
        aside("nothing in the journal that fits")
        if os.geteuid() != 0:
            aside("  perhaps this user may not look: `sudo hipbar logs`, or the group systemd-journal")
    if more and not as_json:
        aside(f"older lines are left out; -n {10 * len(found)} shows more")


def _refuse(complaint: str) -> None:
    """journalctl's own words, when they say that there is no such journal."""
    from appliance.errors import HipbarError

    if "parse timestamp" in complaint:
        raise click.UsageError("--since: there is no such time, or it is too long ago")
    if re.search("specified boot|boot ID|No such boot", complaint):
        raise HipbarError(complaint, fix="`journalctl --list-boots` lists those that are kept")
    if re.search("No journal files|Failed to|No such file", complaint):
        raise HipbarError(f"no journal: {complaint}", fix=_NONE)
