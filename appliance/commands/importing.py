"""A motion laboratory's file, or a visit that another station has exported, becomes a visit of this store.

The laboratory's markers go through the same arithmetic as a camera's (`appliance.exchange.brought`); what was taken of
the file and what was assumed is printed and kept in the visit's events. `--compare` lays it beside a visit of ours.
Degrees; sides by stance, the hip that drops named beside them. Refuses files that can't be used, with what is wrong.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.clinic import json_option, opened, progress, runner_codes, state_option, told
from appliance.commands.export import visit_number
from appliance.commands.options import FILE, finite, version

if TYPE_CHECKING:
    from appliance.clinic.rows import VisitRow
    from appliance.exchange.brought import Brought
    from appliance.exchange.compare import Compared
    from appliance.store.store import Store


_YEARS = (1970, 2100)


@click.command(name="import")
@click.argument("file", type=FILE)
@click.option("--runner", metavar="CODE", shell_complete=runner_codes, help="Whose visit it was: a code.")
@click.option(
    "--pelvis-left", multiple=True, metavar="NAME", help="Marker of the left pelvis; several: their mean."
)
@click.option("--pelvis-right", multiple=True, metavar="NAME", help="Marker of the right pelvis.")
@click.option("--left-heel", multiple=True, metavar="NAME", help="Marker of the left heel.")
@click.option("--right-heel", multiple=True, metavar="NAME", help="Marker of the right heel.")
@click.option(
    "--standing", type=FILE, help="File of the same runner standing still: gives the standing zero."
)
@click.option(
    "--zero-deg", type=click.FloatRange(-20, 20), callback=finite, help="Standing zero, if it is known."
)
@click.option(
    "--unit", type=click.Choice(["mm", "cm", "m"]), help="Unit of length, where the file says none."
)
@click.option(
    "--rate-hz",
    type=click.FloatRange(1, 10000),
    callback=finite,
    help="CSV without a column of times: its rate.",
)
@click.option(
    "--date", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]),
    help="When it was measured.  [default: the file's own date]",
)  # fmt: skip
@click.option("--compare", metavar="VISIT", callback=visit_number, help="Print it beside this visit of ours.")
@click.option("--dry-run", is_flag=True, help="Say what would come of it; keep nothing.")
@json_option
@state_option
def command(
    file: Path,
    runner: str | None,
    standing: Path | None,
    zero_deg: float | None,
    unit: str | None,
    rate_hz: float | None,
    date: datetime | None,
    compare: int | str | None,
    dry_run: bool,
    as_json: bool,
    state: Path | None,
    **names: tuple[str, ...],
) -> None:
    """Bring FILE of a motion laboratory into the store, through the same arithmetic as our own visits.

    FILE is a .c3d, a .trc or a .csv with 3-D markers (docs/exchange.md says which CSV), or the .json of a visit that
    another station has exported. The pelvis pair and the heels are found by their usual names, axes by the runner's
    own posture and direction; what was taken is printed.

    \b
    Examples:
      hipbar import gait.c3d --runner R-014 --standing static.c3d
      hipbar import gait.trc --dry-run
      hipbar import gait.c3d --runner R-014 --pelvis-left LPSI --pelvis-right RPSI --compare last
      hipbar import gait.csv --runner R-014 --unit mm --rate-hz 200
      hipbar import visit.json --runner R-014
    """
    _refuse(file, runner, standing, zero_deg, dry_run)
    if date is not None and not _YEARS[0] <= date.year < _YEARS[1]:
        raise click.UsageError(f"--date {date.date()}: nobody measured that then")
    if file.suffix.lower() == ".json":
        if compare is not None or any((*names.values(), standing, zero_deg, unit, rate_hz, date)):
            raise click.UsageError(
                f"{file} is a whole visit with all that it was measured by: give --runner or --dry-run alone"
            )
        _from_station(file, runner, dry_run=dry_run, as_json=as_json, state=state)
        return
    found = _brought(file, runner, standing, zero_deg, unit, rate_hz, date, names)
    side_by_side: Compared | None = None
    number: int | None = None
    if not dry_run or compare is not None:
        with opened(state) as store:
            side_by_side = _compared(store, found, compare)
            number = None if dry_run else _kept(store, found)
    if as_json:
        told({"visit": number, "taken": found.said, "figures": _figures(found), "compared": side_by_side})
        return
    click.echo("\n".join([*_taken(file, found, number), *_words(found, side_by_side)]))


def _refuse(
    file: Path, runner: str | None, standing: Path | None, zero_deg: float | None, dry_run: bool
) -> None:
    if runner is None and not dry_run:
        raise click.UsageError("whose visit is it? Give --runner CODE, or --dry-run to look first")
    if standing is not None and zero_deg is not None:
        raise click.UsageError("--standing and --zero-deg say the same: give one")
    with contextlib.suppress(OSError):  # reading it will say so
        if file.is_dir():
            raise click.UsageError(f"{file} is a folder: name one file")


def _brought(
    file: Path,
    runner: str | None,
    standing: Path | None,
    zero_deg: float | None,
    unit: str | None,
    rate_hz: float | None,
    date: datetime | None,
    names: dict[str, tuple[str, ...]],
) -> Brought:
    """The visit that the file is, with everything that was said on the way."""
    import time

    from appliance.commands.options import load_kernels
    from appliance.exchange.brought import About, brought, standing_zero
    from appliance.exchange.laboratory import read

    with progress(file.name) as tick:
        capture = read(file, unit=unit, rate_hz=rate_hz, tick=tick)
    measured_s = file.stat().st_mtime if date is None else date.timestamp()
    about = About(
        runner=None if runner is None else runner.upper(), file=file.name, measured_s=measured_s,
        now_s=time.time(), software=version(),
    )  # fmt: skip
    words = "standing zero not known: angles are as the markers sit"
    if standing is not None:
        zero_deg, words = standing_zero(read(standing, unit=unit, rate_hz=rate_hz), names)
    elif zero_deg is not None:
        words = f"standing zero {zero_deg:+.2f} deg, as given"
    load_kernels()
    return brought(capture, names, zero_deg or 0.0, about, (words,))


def _compared(store: Store, found: Brought, compare: int | str | None) -> Compared | None:
    from appliance.exchange.compare import compared

    return None if compare is None else compared(store.data(compare), found.data)


def _kept(store: Store, found: Brought) -> int:
    """Puts it into the store; the runner must be there."""
    import msgspec

    code = store.runner(found.data.visit.runner or "").code
    visit = msgspec.structs.replace(found.data.visit, runner=code)
    return store.put_visit(msgspec.structs.replace(found.data, visit=visit), found.trace)


def _from_station(
    file: Path, runner: str | None, *, dry_run: bool, as_json: bool, state: Path | None
) -> None:
    """The visit of another station, whole."""
    import msgspec

    from appliance.exchange import json

    data, chunks = json.read(file)
    trace = list(chunks)
    number: int | None = None
    if not dry_run:
        with opened(state) as store:
            code = store.runner(runner or "").code
            _check_new(store, code, data.visit)
            visit = msgspec.structs.replace(data.visit, runner=code)
            number = store.put_visit(msgspec.structs.replace(data, visit=visit), trace)
    frames = sum(len(track) for _, track, _ in trace)
    if as_json:
        told({"visit": number, "steps": len(data.steps), "frames": frames, "was": data.visit.id})
        return
    kept = "nothing is kept" if number is None else f"is visit {number} of {(runner or '').upper()}"
    click.echo(f"{file}: visit {data.visit.id} of {data.visit.software}, {len(data.steps):,} steps, {kept}")


def _check_new(store: Store, code: str, visit: VisitRow) -> None:
    """Raises `StoreError` for a visit that this runner has already: twice it would count twice in the course."""
    from appliance.errors import StoreError

    known = (visit.began_s, visit.seconds, visit.protocol, visit.number)
    for row in store.visits(code, protocol=visit.protocol):
        if (row.began_s, row.seconds, row.protocol, row.number) == known:
            raise StoreError(
                f"{code} has it already: it is visit {row.id}", fix="there is nothing to be done"
            )


def _figures(found: Brought) -> dict[str, Any]:
    from appliance.clinic.figures import visit_figures

    return {"whole": visit_figures(found.data).whole}


def _taken(file: Path, found: Brought, number: int | None) -> list[str]:
    """What was read, what was assumed, where it is now."""
    kept = "nothing is kept" if number is None else f"kept as visit {number} of {found.data.visit.runner}"
    head = f"{file}: {found.data.visit.seconds:.1f} s, {len(found.data.steps)} steps; {kept}"
    return [head, *(f"  {line}" for line in found.said)]


def _words(found: Brought, compared: Compared | None) -> Sequence[str]:
    from appliance.commands.exchanged import beside, figures

    return figures(found.data) if compared is None else beside(compared)
