"""A visit of the store becomes files for other programs: CSV, Parquet, JSON, C3D, TRC, MOT, by the ending of the name.

Degrees and seconds of the visit. Each file is whole or not there. Refuses an ending that nobody knows, and what a
format can't hold; reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.clinic import json_option, opened, progress, state_option, told
from appliance.commands.options import FILE, finite, version

if TYPE_CHECKING:
    from appliance.clinic.rows import VisitData
    from appliance.commands.clinic import Ticked
    from appliance.exchange.part import Part
    from appliance.exchange.tables import Chunk
    from appliance.store.store import Store

ENDINGS = (".csv", ".parquet", ".json", ".c3d", ".trc", ".mot")
_SCALED = (".c3d", ".trc")


def visit_number(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    """A visit as it is typed: its number, or "last"."""
    if value is None or value == "last":
        return value
    if not value.isascii() or not value.isdigit():
        raise click.BadParameter(f"`{value}` is no visit's number", ctx=ctx, param=param)
    return int(value)


def _endings(ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]) -> tuple[Path, ...]:
    for path in value:
        if path.suffix.lower() not in ENDINGS:
            known = ", ".join(ENDINGS)
            raise click.BadParameter(f"{path}: ends in none of {known}", ctx=ctx, param=param)
    return value


@click.command(name="export")
@click.argument("visit", callback=visit_number)
@click.option(
    "-o", "--output", "outputs", type=FILE, multiple=True, required=True, callback=_endings,
    help="The file; its ending says the format. Can be given several times.",
)  # fmt: skip
@click.option(
    "--what", type=click.Choice(["steps", "trace", "reps"]),
    help="CSV, Parquet: a row a step, a frame, or a repetition.  [default: steps]  JSON: steps leaves frames out.",
)  # fmt: skip
@click.option(
    "--block", type=click.IntRange(min=1), help="Only this block, as `hipbar visit show` counts, from 1."
)
@click.option("--from", "from_s", type=float, callback=finite, help="Only from this second of the visit on.")
@click.option("--to", "to_s", type=float, callback=finite, help="Only before this second of the visit.")
@click.option(
    "--pair-mm", type=click.FloatRange(20, 600), callback=finite,
    help="C3D, TRC: true distance of the two pelvis marks, millimetres.",
)  # fmt: skip
@click.option("--edition", type=click.IntRange(min=0), help="Steps of this edition.  [default: the newest]")
@json_option
@state_option
def command(
    visit: int | str,
    outputs: tuple[Path, ...],
    what: str | None,
    block: int | None,
    from_s: float | None,
    to_s: float | None,
    pair_mm: float | None,
    edition: int | None,
    as_json: bool,
    state: Path | None,
) -> None:
    """Write visit VISIT, or a part of it, into files for other programs.

    VISIT is a number of `hipbar visit list`, or `last`. The ending of a file says what it becomes: .csv and .parquet
    (a row a step, or with --what trace a row a frame), .json (all of the visit), .c3d and .trc (marks in the plane
    across the running direction, steps as events), .mot (the pelvis's tilt for OpenSim). docs/exchange.md says what
    is in them.

    \b
    Examples:
      hipbar export last -o visit.csv
      hipbar export 17 -o visit.parquet -o visit.json
      hipbar export 17 -o trace.csv --what trace --block 2
      hipbar export 17 -o run.c3d -o run.trc -o run.mot --pair-mm 200 --from 60 --to 120
    """
    from appliance.exchange.part import part_of
    from appliance.output import refuse_clashes

    with opened(state) as store:
        data = store.data(visit, edition)
        refuse_clashes(outputs, store.path)
        _refuse(data, outputs, pair_mm)
        part = part_of(data, None if block is None else block - 1, from_s, to_s)
        job = _Job(store, data, part, what, pair_mm)
        files = [{"file": str(path), **job.write(path)} for path in outputs]
    if as_json:
        told({"visit": data.visit.id, "edition": data.edition, "files": files})
        return
    for file in files:
        counts = ", ".join(f"{number:,} {word}" for word, number in file.items() if word != "file")
        click.echo(f"{file['file']}: visit {data.visit.id}, {counts}")


def _refuse(data: VisitData, outputs: tuple[Path, ...], pair_mm: float | None) -> None:
    """What can be known to fail before the first file is written."""
    from appliance.exchange.even import scale_known

    if pair_mm is None and not scale_known(data):
        for path in outputs:
            if path.suffix.lower() in _SCALED:
                raise click.UsageError(
                    f"{path}: its unit is the millimetre, and one camera sees no size: measure the distance between "
                    "the two pelvis marks and give it with --pair-mm"
                )


class _Job:
    """One visit that is being written into files."""

    def __init__(
        self, store: Store, data: VisitData, part: Part, what: str | None, pair_mm: float | None
    ) -> None:
        self._store, self._whole, self._part = store, data, part
        self._data, self._what, self._pair_mm = part.data(data), what, pair_mm

    def write(self, path: Path) -> dict[str, int]:
        """Writes one file; what is in it, as counts."""
        makers: dict[str, Callable[[Path], dict[str, int]]] = {
            ".csv": self._table, ".parquet": self._table, ".json": self._json,
            ".c3d": self._marks, ".trc": self._marks, ".mot": self._marks,
        }  # fmt: skip
        with progress(path.name) as tick:
            self._tick = tick
            return makers[path.suffix.lower()](path)

    def _table(self, path: Path) -> dict[str, int]:
        from appliance.exchange import csv, parquet, tables

        if self._what == "trace":
            word, meanings, made = "frames", tables.FRAMES, tables.frames(self._data, self._chunks())
        elif self._what == "reps":
            word, meanings, made = "repetitions", tables.REPS, iter([tables.reps(self._data)])
        else:
            word, meanings, made = "steps", tables.STEPS, iter([tables.steps(self._data)])
        if path.suffix.lower() == ".csv":
            return {word: csv.write(path, meanings, made)}
        return {word: parquet.write(path, meanings, self._facts(), made)}

    def _json(self, path: Path) -> dict[str, int]:
        from appliance.exchange import json

        frames = json.write(path, self._data, [] if self._what == "steps" else self._chunks())
        return {"steps": len(self._data.steps), "frames": frames}

    def _marks(self, path: Path) -> dict[str, int]:
        from appliance.exchange import c3d, opensim
        from appliance.exchange.even import even

        grid = even(self._data, self._chunks(), self._pair_mm)
        if path.suffix.lower() == ".c3d":
            c3d.write(path, self._data, grid, version())
            return {"frames": len(grid.t_s), "steps": len(self._data.steps)}
        write = opensim.write_trc if path.suffix.lower() == ".trc" else opensim.write_mot
        write(path, grid)
        return {"frames": len(grid.t_s)}

    def _facts(self) -> dict[str, str]:
        """What a Parquet file says of the visit beside its columns."""
        import msgspec

        visit: dict[str, Any] = msgspec.to_builtins(self._data.visit)
        left_out = ("plan", "progress", "protocol_text")
        plain = {key: value for key, value in visit.items() if key not in left_out}
        return {
            "visit": msgspec.json.encode(plain).decode(),
            "edition": str(self._data.edition),
            "by": version(),
        }

    def _chunks(self) -> Iterator[Chunk]:
        """The part's frames, with the progress told."""
        whole = max(1, sum(span.frames for span in self._whole.spans))
        return _ticked(self._part.chunks(self._store.trace(self._whole.visit.id)), whole, self._tick)


def _ticked(chunks: Iterator[Chunk], whole: int, tick: Ticked) -> Iterator[Chunk]:
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk[1])
        tick(done, whole)
