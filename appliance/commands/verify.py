"""The clinic's store becomes an answer: whole, or what is damaged in it and how much can still be read.

Only reads, also while the service writes. Ends with exit code 11 when anything is damaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.commands.clinic import counted, folder, json_option, progress, state_option, told

if TYPE_CHECKING:
    from appliance.store.verify import Verified


@click.command(name="verify")
@json_option
@state_option
def command(state: Path | None, as_json: bool) -> int:
    """Read all of the clinic's store and say whether it is as it was written.

    The database's own structure, the checksums of every visit's steps and traces, times that go forward, counts that
    fit. Changes nothing; the service may run.

    \b
    Examples:
      hipbar verify
      hipbar verify --json | jq .damage
    """
    from appliance.errors import StoreError
    from appliance.store.verify import verify

    where = folder(state)
    with progress("verify") as ticked:
        found = verify(where, ticked)
    if as_json:
        told(found)
    else:
        click.echo("\n".join(_lines(where, found)))
    return StoreError.exit_code if found.damage else 0


def _lines(where: Path, found: Verified) -> Iterator[str]:
    counts = {"runner": found.runners, "visit": found.visits, "step": found.steps, "frame": found.frames}
    kept = ", ".join(counted(number, word) for word, number in counts.items())
    kept += f"; {found.bytes / 1e6:,.1f} MB"
    if not found.damage:
        yield f"{where / 'clinic.db'}: whole; {kept}"
        return
    yield f"{where / 'clinic.db'}: damaged; {kept}"
    plain = (words.replace(f"{where / 'clinic.db'}: ", "") for words in found.damage)
    yield from (f"  {words}" for words in dict.fromkeys(plain))
    yield f"  {found.whole:,} of {counted(found.visits, 'visit')} can be read to the last bit"
    yield "  `hipbar restore FILE` brings a backup back; what is here now stays beside it"
