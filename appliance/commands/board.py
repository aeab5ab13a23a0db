"""What the machine says of itself becomes a table: each figure, whether it will do for a station, and what to do.

Limits are those of a Pi; elsewhere figures are shown and only judged where they would be the same. Exit code 0 even
when something is wrong: this looks, and the station runs on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from hw.board import Board


class Row(msgspec.Struct, frozen=True):
    """One figure; verdict "good", "look", "bad" or, where nothing can be said, "-"."""

    figure: str
    value: str
    verdict: str = "-"
    todo: str = ""


@click.command(name="board")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    default=".",
    show_default="here",
    help="A folder on the disk to look at.",
)
@click.option(
    "--pid", type=click.IntRange(1), help="The process to look at, such as the station.  [default: this one]"
)
@click.option("--json", "as_json", is_flag=True, help="Print all figures as one JSON object.")
def command(data: Path, pid: int | None, as_json: bool) -> int:
    """Look at the machine: heat, supply, disk, clock, priority, watchdog.

    \b
    Examples:
      hipbar board
      hipbar board --pid $(pgrep -of "hipbar run") --json
    """
    from appliance.errors import HipbarError
    from hw.board import read_board

    if pid is not None and not Path(f"/proc/{pid}").exists():
        raise HipbarError(f"there is no process {pid}", fix="`pgrep -f hipbar` finds the station's")
    board = read_board(data=data, pid=pid)
    rows = list(judged(board))
    if as_json:
        figures = msgspec.to_builtins(board)
        figures["lockable_mb"] = None if board.lockable_mb == float("inf") else board.lockable_mb
        told = {"board": figures, "rows": msgspec.to_builtins(rows)}
        click.echo(msgspec.json.encode(told))
    else:
        click.echo("\n".join(_lines(rows)))
    return 0


def judged(board: Board) -> Iterator[Row]:
    """Every figure that is known, in the order in which a technician looks."""
    yield Row("board", board.model or "unknown", *(() if board.is_pi else ("-", "not a Pi")))
    if board.revision:
        yield Row("revision", board.revision)
    if board.temperature_c is not None:
        yield _temperature(board.temperature_c)
    yield from _supply(board)
    yield from _room(board)
    if board.clock_synchronised is not None:
        words = "synchronised" if board.clock_synchronised else "not synchronised"
        todo = "" if board.clock_synchronised else "dates in files may be wrong; measuring is not affected"
        yield Row("clock", words, "good" if board.clock_synchronised else "look", todo)
    yield from _process(board)
    yield from _watchdog(board)


def _temperature(celsius: float) -> Row:
    value = f"{celsius:.1f} C"
    if celsius >= 80:
        return Row(
            "temperature", value, "bad", "the processor is slowed down: a heat sink, air, out of the sun"
        )
    if celsius >= 70:
        return Row("temperature", value, "look", "10 C and it is slowed down: give it air")
    return Row("temperature", value, "good")


def _supply(board: Board) -> Iterator[Row]:
    """Under-voltage and throttling, now and since the start."""
    from hw.board import throttled_words

    todo = "use the supply made for this Pi, and a short thick cable"
    if board.throttled is not None:
        now, past = throttled_words(board.throttled)
        words = [", ".join(now), f"earlier: {', '.join(past)}" if past else ""]
        value = "; ".join(w for w in words if w) or "never too low, never throttled"
        verdict = "bad" if now else "look" if past else "good"
        heat = not any("voltage" in word for word in (*now, *past))
        yield Row("supply", value, verdict, "" if not (now or past) else "give it air" if heat else todo)
    elif board.under_voltage is not None:
        low = board.under_voltage
        yield Row("supply", "too low" if low else "good", "bad" if low else "good", todo if low else "")


def _room(board: Board) -> Iterator[Row]:
    """Disk, memory and load."""
    if board.free_mb is not None:
        verdict = "bad" if board.free_mb < 200 else "look" if board.free_mb < 1000 else "good"
        todo = "" if verdict == "good" else "an hour of keypoints takes some 50 MB: remove old recordings"
        yield Row("free disk", f"{board.free_mb:,.0f} MB", verdict, todo)
    if board.memory_mb is not None:
        short = board.memory_mb < 300
        todo = "end what else runs here" if short else ""
        yield Row("free memory", f"{board.memory_mb:,.0f} MB", "look" if short else "good", todo)
    if board.load is not None and board.cores:
        busy = board.load > board.cores
        value = f"{board.load:.2f} on {board.cores} processors"
        yield Row("load", value, "look" if busy else "good", "end what else runs here" if busy else "")


def _process(board: Board) -> Iterator[Row]:
    """What systemd gives a station, and a command started by hand does not have."""
    if board.policy:
        real_time = board.policy in ("fifo", "round robin")
        value = (
            f"{board.policy}, priority {board.priority}" if real_time else f"{board.policy}, not real-time"
        )
        yield Row("scheduling", value, "good" if real_time else "-", "" if real_time else _BY_HAND)
    if board.locked_mb is not None:
        most = board.lockable_mb
        allowed = (
            ""
            if most is None
            else " of any amount"
            if most == float("inf")
            else f" of {most:,.0f} MB allowed"
        )
        locked = board.locked_mb > 0
        yield Row("locked memory", f"{board.locked_mb:,.0f} MB{allowed}", "good" if locked else "-")
    if board.affinity is not None:
        yield Row("may run on", f"processors {', '.join(map(str, board.affinity))}")


def _watchdog(board: Board) -> Iterator[Row]:
    """Whether a machine that hangs starts itself again."""
    if board.watchdog is None:
        if board.is_pi:
            yield Row("watchdog", "none", "look", "dtparam=watchdog=on in /boot/firmware/config.txt")
        return
    dog = board.watchdog
    limit = "" if dog.timeout_s is None else f", {dog.timeout_s:g} s"
    state = {True: "armed", False: "not armed", None: "state unknown"}[dog.armed]
    todo = "" if dog.armed is not False else "RuntimeWatchdogSec=14 in /etc/systemd/system.conf"
    yield Row(
        "watchdog", f"{dog.name}, {state}{limit}", "look" if todo else "good" if dog.armed else "-", todo
    )


_BY_HAND = "the service sets it; a command started by hand has none"


def _lines(rows: list[Row]) -> list[str]:
    """The table, in colours where the screen has them."""
    wide = max(len(row.value) for row in rows)
    colours = {"good": "green", "look": "yellow", "bad": "red"}
    plain = bool(os.environ.get("NO_COLOR"))
    lines = []
    for row in rows:
        verdict = f"{row.verdict:<5}"
        shown = verdict if plain or row.verdict == "-" else click.style(verdict, fg=colours[row.verdict])
        lines.append(f"{row.figure:<14} {row.value:<{wide}}  {shown} {row.todo}".rstrip())
    return lines
