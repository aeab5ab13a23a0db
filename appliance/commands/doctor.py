"""A station becomes a list of checks, each with a verdict, a figure and what to do; on request a report for support.

Exit code 0 when nothing fails, 7 otherwise. Changes nothing but the bar, on which a light walks for some seconds. A
station that does not run is started for the time of this, and ended again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.commands.options import FILE, finite

if TYPE_CHECKING:
    from appliance.commands.doctoring.examination import Examination
    from appliance.errors import HipbarError
    from appliance.station.checkup import Check
    from appliance.station.client import Link

_SEE = "Did one light go along the bar from the runner's left to the right?"
_COLOURS = {"pass": "green", "warn": "yellow", "fail": "red"}
_INDENT = 25


@click.command(name="doctor")
@click.option(
    "--config",
    type=FILE,
    default=Path("/etc/hipbar/hipbar.toml"),
    show_default=True,
    help="Settings file (TOML).",
)
@click.option("--yes", is_flag=True, help="Ask nothing: the light on the bar counts as seen.")
@click.option("--no-walk", is_flag=True, help="Leave the bar alone.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 60),
    default=3.0,
    show_default=True,
    callback=finite,
    help="How long frames are watched.",
)
@click.option("--report", type=FILE, help="Write a report for support: FILE.tar.gz or FILE.zip.")
@click.option("--json", "as_json", is_flag=True, help="Print all checks as one JSON object.")
def command(
    config: Path, yes: bool, no_walk: bool, seconds: float, report: Path | None, as_json: bool
) -> int:
    """Check everything that a healthy station needs, in order, and say what to do.

    Camera, frame rate, exposure, dots, background, wires, light bar, service, watchdog, kernel cache, disk, card,
    clock, supply, calibration, delay. Each is pass, warn, fail or "can't tell" (with why). Exit code 7 when one fails.
    The report holds these checks, settings, versions and logs: no pictures, no recordings, no names.

    \b
    Examples:
      sudo hipbar doctor
      sudo hipbar doctor --yes --json | jq '.checks[] | select(.verdict == "fail")'
      sudo hipbar doctor --report station.tar.gz
    """
    from appliance.errors import ServiceDown
    from appliance.station.checkup import Verdict

    if report is not None:
        _refuse_name(report)
    with contextlib.ExitStack() as stack:
        sees, why = _asking(yes, no_walk)
        examination = _examination(config, stack, sees, why, seconds)
        checks = list(_made(examination, as_json))
        click.echo(as_object(checks) if as_json else summary(checks))
        if report is not None:
            _write(report, examination, checks)
    bad = [check.name for check in checks if check.verdict is Verdict.FAIL]
    if bad:
        many = "1 check fails" if len(bad) == 1 else f"{len(bad)} checks fail"
        raise ServiceDown(
            f"{many}: {', '.join(bad)}", fix="mend them from the top: one often causes the next"
        )
    return 0


def _asking(yes: bool, no_walk: bool) -> tuple[Callable[[], bool] | None, str]:
    """Who says what is seen on the bar; or nobody, and why."""
    if no_walk:
        return None, "let be (--no-walk)"
    if yes:
        return (lambda: True), ""
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        return None, "nobody at a terminal to look at it"
    return _asked, ""


def _asked() -> bool:
    _clear()
    return click.confirm(_SEE, err=True)


def _examination(
    config: Path, stack: contextlib.ExitStack, sees: Callable[[], bool] | None, why: str, seconds: float
) -> Examination:
    """With a link to the station where there can be one."""
    from appliance.commands.doctoring.examination import Examination

    return Examination(config, _linked(config, stack), sees, why, seconds)


def _linked(config: Path, stack: contextlib.ExitStack) -> Link | HipbarError:
    from appliance.commands.reach import reached
    from appliance.errors import HipbarError

    try:
        return stack.enter_context(reached(config, start=_names_its_parts(config)))
    except HipbarError as error:
        return error


def _names_its_parts(config: Path) -> bool:
    """Whether there is a bar and a camera to be started with; what can't be read is for others to refuse."""
    from appliance.config import keys_of

    try:
        return {"camera.source", "strip.kind"} <= keys_of(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True


def _made(examination: Examination, as_json: bool) -> Iterator[Check]:
    """The checks, shown as they come."""
    from appliance.commands.doctoring.examination import tried
    from appliance.station.checkup import Check, told

    for name, make in examination.checks():
        _say(name)
        found = tried(make)
        check = found if isinstance(found, Check) else told(name, make, found)
        _clear()
        if not as_json:
            click.echo("\n".join(lines(check)))
        yield check


def lines(check: Check) -> Iterator[str]:
    """One check on its line, folded to the screen; what to do below it."""
    wide = max(60, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 10_000
    indent = " " * _INDENT
    verdict = f"{check.verdict:<10}"
    shown = verdict if os.environ.get("NO_COLOR") else click.style(verdict, fg=_COLOURS.get(check.verdict))
    head, *rest = textwrap.wrap(check.figure, wide - _INDENT) or [""]
    yield f"{shown} {check.name:<13} {head}".rstrip()
    yield from (indent + line for line in rest)
    yield from (
        indent + line for line in textwrap.wrap(f"-> {check.fix}" if check.fix else "", wide - _INDENT)
    )


def summary(checks: list[Check]) -> str:
    """How many there are of each verdict."""
    from appliance.station.checkup import counted

    return f"{len(checks)} checks: " + ", ".join(
        f"{many} {word}" for word, many in counted(checks).items() if many
    )


def as_object(checks: list[Check]) -> str:
    """Everything as one JSON object on one line."""
    import msgspec

    from appliance.station.checkup import counted, gravest

    told = {"verdict": gravest(checks), "counts": counted(checks), "checks": checks}
    return msgspec.json.encode(told).decode()


def _refuse_name(report: Path) -> None:
    """Before anything is done: a report has to have a name that says what it is."""
    if not report.name.endswith((".tar.gz", ".tgz", ".zip")):
        raise click.UsageError("--report makes FILE.tar.gz or FILE.zip: give it such a name")
    if not report.absolute().parent.is_dir():
        raise click.UsageError(f"--report: there is no folder {report.parent}")


def _write(report: Path, examination: Examination, checks: list[Check]) -> None:
    from appliance.commands.doctoring.report import write_report

    _say("the report")
    size, members = write_report(report, examination, checks)
    _clear()
    click.echo(
        f"{report}: {members} files, {size / 1024:.0f} kB, without names, pictures or recordings", err=True
    )


def _say(name: str) -> None:
    """Progress, for a person at a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[Klooking at {name} ...", end="", file=sys.stderr, flush=True)


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
