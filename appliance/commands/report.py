"""A visit or a runner becomes one page: HTML, PDF, or lines in the terminal.

The page holds codes, never names, and is as private as the store. Refuses files that are neither `.html` nor `.pdf`,
visits and runners that there are not, and languages without a catalogue. An existing file is replaced whole.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.clinic import json_option, opened, runner_codes, state_option, told
from appliance.commands.options import FILE, aside

if TYPE_CHECKING:
    from appliance.reports.sheet import Sheet
    from appliance.reports.source import RunnerSource, VisitSource
    from appliance.store.store import Store

_SUFFIXES = (".html", ".htm", ".pdf")


@click.command(name="report")
@click.argument("subject", metavar="VISIT|RUNNER", shell_complete=runner_codes)
@click.option("--output", "-o", type=FILE, help="Write one page: FILE.html or FILE.pdf.")
@click.option(
    "--text", "as_text", is_flag=True, help="Print it in the terminal; the default without --output."
)
@click.option("--language", help="Of the report: en or de.  [default: clinic.language of the settings]")
@click.option("--edition", type=click.IntRange(1), help="Of a visit's steps.  [default: the newest]")
@click.option("--protocol", help="Of a runner's course.  [default: that of the newest visit]")
@click.option(
    "--runner", "is_runner", is_flag=True, help="The word is a runner's code, even if it is a number."
)
@json_option
@state_option
def command(
    subject: str,
    output: Path | None,
    as_text: bool,
    language: str | None,
    edition: int | None,
    protocol: str | None,
    is_runner: bool,
    as_json: bool,
    state: Path | None,
) -> None:
    """Report a VISIT (a number, or "last") or a RUNNER's course on one page.

    The HTML file needs nothing else: it can be sent, opened anywhere, and prints on one sheet. It is as private as the
    store: it holds the runner's code and everything that was measured.

    \b
    Examples:
      hipbar report last
      hipbar report 46 -o visit-46.pdf
      hipbar report R07 -o R07.html --language de
      hipbar report 46 --json | jq .figures.on_off
    """
    from appliance.reports.words import Words

    _check(output, edition, protocol, of_visit=(of_visit := not is_runner and _is_visit(subject)))
    words = Words(language or _language())
    with opened(state) as store:
        source = (
            _visit(store, subject, edition, curves=output is not None)
            if of_visit
            else _runner(store, subject, protocol, curves=output is not None)
        )
    if as_json:
        told(_plain(source))
        return
    from appliance.reports.report import sheet_of

    sheet = sheet_of(words, source)
    if output is not None:
        _write(sheet, output)
    if as_text or output is None:
        _print(sheet)


def _check(output: Path | None, edition: int | None, protocol: str | None, *, of_visit: bool) -> None:
    if output is not None and output.suffix.lower() not in _SUFFIXES:
        raise click.UsageError(f"{output}: a report is a .html or a .pdf file")
    if not of_visit and edition is not None:
        raise click.UsageError("--edition is for a visit's report")
    if of_visit and protocol is not None:
        raise click.UsageError("--protocol is for a runner's report")


def _is_visit(subject: str) -> bool:
    return subject == "last" or (subject.isascii() and subject.isdigit())


def _visit(store: Store, subject: str, edition: int | None, *, curves: bool) -> VisitSource:
    from appliance.reports.gather import visit_source

    number = subject if subject == "last" else int(subject)
    return visit_source(store, number, edition=edition, made_s=time.time(), curves=curves)


def _runner(store: Store, subject: str, protocol: str | None, *, curves: bool) -> RunnerSource:
    from appliance.reports.gather import runner_source

    return runner_source(store, subject, protocol=protocol, made_s=time.time(), curves=curves)


def _language() -> str:
    """As the station's settings say; a settings file that can't be read costs no report."""
    from appliance.commands.status import SETTINGS
    from appliance.config import Settings, load
    from appliance.errors import SettingsError

    try:
        return load(SETTINGS).clinic.language
    except SettingsError:
        return Settings().clinic.language


def _plain(source: VisitSource | RunnerSource) -> dict[str, Any]:
    """The figures without the drawings."""
    from appliance.reports.source import VisitSource

    if isinstance(source, VisitSource):
        visit = source.data.visit
        return {"visit": visit, "figures": source.figures, "reps": source.data.reps, "course": source.course}
    visits = [each.row for each in source.seen]
    return {"runner": source.code, "protocol": source.protocol, "visits": visits, "course": source.course}


def _write(sheet: Sheet, path: Path) -> None:
    """The page as a file, whole or not at all."""
    from appliance.output import write_whole

    with _busy(f"drawing {path.name}"), _unswept():
        if path.suffix.lower() == ".pdf":
            from appliance.reports.pdf import pdf

            made = pdf(sheet)
        else:
            from appliance.reports.page import html

            made = html(sheet).encode()
    write_whole(path, made)
    aside(f"{path}: one page, {len(made) / 1000:,.0f} kB")


@contextlib.contextmanager
def _busy(words: str) -> Iterator[None]:
    """Something moves while a page is drawn, where somebody is looking."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(words):
        yield


@contextlib.contextmanager
def _unswept() -> Iterator[None]:
    """Nothing is looked for that could be thrown away: a page is drawn at once, and then the command ends."""
    swept = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if swept:
            gc.enable()


def _print(sheet: Sheet) -> None:
    import os
    import shutil

    from appliance.reports.text import text

    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((110, 24)).columns
    click.echo(text(sheet, width=max(width, 60), colours=colours), nl=False)
