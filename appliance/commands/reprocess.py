"""Visits' stored keypoints become steps by this program's arithmetic, beside the old ones, and what changed is told.

One visit after the other: each is kept whole or not at all, so it can be broken off at any time and begun again. Drops
in degrees by STANCE side. Steps as they were measured live are never written over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from appliance.commands.clinic import json_option, opened, progress, runner_codes, state_option, told

if TYPE_CHECKING:
    from appliance.clinic.rows import VisitRow
    from appliance.station.reprocess import Changed
    from appliance.store.store import Store

HAS_IT = "of this edition already"
RUNS = "still running"
_HEAD = ("visit", "runner", "edition", "steps", "new", "gone", "moved", "left hip drop", "right hip drop")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one visit. why : of one that was left as it is, in words; "" = computed. kept : in the store."""

    visit: int
    runner: str | None
    why: str = ""
    kept: bool = False
    changed: Changed | None = None
    error: str | None = None


@click.command(name="reprocess")
@click.argument("visits", nargs=-1, metavar="[VISIT...]")
@click.option("--all", "everything", is_flag=True, help="All visits in the store.")
@click.option("--runner", metavar="CODE", shell_complete=runner_codes, help="All visits of this runner.")
@click.option("--dry-run", is_flag=True, help="Compute and compare, keep nothing.")
@click.option("--force", is_flag=True, help="Also visits that have steps of this program's edition already.")
@json_option
@state_option
def command(
    visits: tuple[str, ...],
    everything: bool,
    runner: str | None,
    dry_run: bool,
    force: bool,
    as_json: bool,
    state: Path | None,
) -> None:
    """Compute the steps of visits anew from their stored keypoints.

    After an update that measures steps in another way, old visits can be brought up to it, so that a course is
    measured in one way from its first visit on. VISIT is a number of `hipbar visit list`, or `last`. Old steps stay
    under their edition: `hipbar report VISIT --edition N` reports them.

    \b
    Examples:
      hipbar reprocess last --dry-run
      hipbar reprocess --runner R-014
      hipbar reprocess --all --json | jq '.visits[] | select(.changed.moved > 0)'
    """
    from appliance.motion.edition import EDITION

    if bool(visits) + everything + (runner is not None) != 1:
        raise click.UsageError("name visits, or --runner CODE, or --all")
    with opened(state, make=False) as store:
        chosen = _chosen(store, visits, runner)
        lines = list(_reprocessed(store, chosen, EDITION, dry_run=dry_run, force=force))
    if as_json:
        told({"edition": EDITION, "kept": not dry_run, "visits": lines})
    else:
        click.echo("\n".join(_text(lines, EDITION, dry_run)))
    _raise_the_first(lines)


def _chosen(store: Store, visits: tuple[str, ...], runner: str | None) -> list[VisitRow]:
    """The visits that were named, oldest first, each once."""
    if visits:
        named = [store.visit(word if word == "last" else _number(word)) for word in visits]
        return sorted({row.id: row for row in named}.values(), key=lambda row: row.id)
    if runner is not None:
        runner = store.runner(runner).code
    return sorted(store.visits(runner), key=lambda row: row.id)


def _number(word: str) -> int:
    if not word.isascii() or not word.isdigit():
        raise click.BadParameter(f"`{word}` is no visit's number", param_hint="VISIT")
    return int(word)


def _reprocessed(
    store: Store, chosen: list[VisitRow], edition: int, *, dry_run: bool, force: bool
) -> Iterator[Line]:
    from appliance.errors import StoreError

    with progress("reprocessing") as tick:
        for done, row in enumerate(chosen):
            tick(done, len(chosen))
            try:
                yield _one(store, row, edition, dry_run=dry_run, force=force)
            except StoreError as error:  # one that is damaged keeps none of the others back
                yield Line(visit=row.id, runner=row.runner, why="damaged", error=f"{error}; {error.fix}")
        tick(len(chosen), len(chosen))


def _one(store: Store, row: VisitRow, edition: int, *, dry_run: bool, force: bool) -> Line:
    import time

    from appliance.clinic.terms import VisitState
    from appliance.commands.options import version
    from appliance.station.reprocess import reprocessed

    if row.state in (VisitState.RUNNING, VisitState.PAUSED):
        return Line(visit=row.id, runner=row.runner, why=RUNS)
    has = {number for number, _, _ in store.editions(row.id)}
    if edition in has and not force:
        return Line(visit=row.id, runner=row.runner, why=HAS_IT)
    steps, changed = reprocessed(store, row.id, edition)
    keep = not dry_run and edition != row.edition  # those that were measured live stay as they were
    if keep:
        store.put_steps(row.id, edition, steps, version(), time.time())
    return Line(visit=row.id, runner=row.runner, changed=changed, kept=keep)


def _text(lines: list[Line], edition: int, dry_run: bool) -> Iterator[str]:
    """A table of what was computed, then what was not."""
    rows = [_row(line.changed) for line in lines if line.changed]
    if rows:
        widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
        for row in (_HEAD, *rows):
            yield "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        yield ""
    computed = [line.changed for line in lines if line.changed]
    same = sum(changed.same for changed in computed)
    kept = "nothing was kept" if dry_run else f"{sum(line.kept for line in lines)} kept beside the old steps"
    yield f"edition {edition}: {_visits(len(computed))} computed, {same} the same to the last bit, {kept}"
    for why in (HAS_IT, RUNS):
        if count := sum(line.why == why for line in lines):
            yield f"{_visits(count)} left as {'it is' if count == 1 else 'they are'}, {why}"
    for line in lines:
        if line.error:
            yield f"visit {line.visit}: {line.error}"


def _visits(count: int) -> str:
    return f"{count} visit{'' if count == 1 else 's'}"


def _row(changed: Changed) -> tuple[str, ...]:
    return (
        str(changed.visit),
        changed.runner or "-",
        f"{changed.before} -> {changed.after}",
        f"{changed.steps_before} -> {changed.steps_after}"
        + ("" if not changed.dropped else " (frames dropped)"),
        *(str(count) if count else "-" for count in (changed.added, changed.lost, changed.moved)),
        _drops(changed.right_before_deg, changed.right_after_deg),  # the left hip drops in right stance
        _drops(changed.left_before_deg, changed.left_after_deg),
    )


def _drops(before_deg: float | None, after_deg: float | None) -> str:
    return " -> ".join("-" if deg is None else f"{deg:.2f}" for deg in (before_deg, after_deg)) + " deg"


def _raise_the_first(lines: list[Line]) -> None:
    """After all the others: the exit code says that one was damaged."""
    from appliance.errors import StoreError

    damaged = [line for line in lines if line.error]
    if damaged:
        raise StoreError(
            f"{_visits(len(damaged))} could not be reprocessed, the first is {damaged[0].visit}",
            fix="`hipbar verify` says what is damaged",
        )
