"""A step's outcome becomes a revision of the station's calibration, or nothing: shown, asked, kept, and how to undo it.

Every step runs through `walk`: the station is reached, the step measures, before and after are shown side by side, and
only a yes is kept. A step that fails keeps nothing and ends with exit code 9 and the reason.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click
import msgspec

from appliance.commands.calibrate.guide import Guide, Outcome
from appliance.commands.options import FILE
from appliance.errors import HipbarError

if TYPE_CHECKING:
    from appliance.station.client import Link

_F = TypeVar("_F", bound=Callable[..., Any])


class Ways(msgspec.Struct, frozen=True):
    """How a step was called: the options that all steps have."""

    config: Path | None = None
    yes: bool = False
    as_json: bool = False
    dry_run: bool = False

    def guide(self) -> Guide:
        """The talk of this call; beside JSON it goes to standard error."""
        return Guide(yes=self.yes, out=sys.stderr if self.as_json else sys.stdout)


class Step(Protocol):
    """What measures: asks the station through the link, the technician through the guide."""

    def __call__(self, link: Link, guide: Guide, **params: Any) -> Outcome:
        """Measures once; raises `CalibrationError` with what to do when there is nothing to keep."""


def config_option(function: _F) -> _F:
    """`--config`: which station, for one that does not run."""
    return click.option(
        "--config",
        type=FILE,
        help="Settings file of a station that does not run.  [default: /etc/hipbar/hipbar.toml]",
    )(function)


def step_options(function: _F) -> _F:
    """The options that all steps have; the command gets them as `ways`, its first argument."""

    @functools.wraps(function)
    def called(config: Path | None, yes: bool, as_json: bool, dry_run: bool, **params: Any) -> Any:
        return function(Ways(config, yes, as_json, dry_run), **params)

    called = click.option("--dry-run", is_flag=True, help="Measure and show, keep nothing.")(called)
    called = click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object at the end; the talk goes to stderr."
    )(called)
    called = click.option(
        "--yes", is_flag=True, help="Answer every question with yes and wait for no key: for scripts."
    )(called)
    return config_option(called)  # type: ignore[return-value]


def walk(name: str, ways: Ways, step: Step, **params: Any) -> int:
    """Runs one step against the station and keeps what it found; the exit code of the command."""
    guide = ways.guide()
    try:
        with reaching(ways) as link:
            told = walked(name, ways, guide, link, step, **params)
    except HipbarError as error:
        if ways.as_json:
            told = {"step": name, "ok": False, "kept": False, "error": str(error), "fix": error.fix}
            click.echo(msgspec.json.encode(told))
        raise
    finally:
        guide.clear()
    if ways.as_json:
        click.echo(msgspec.json.encode(told))
    return 0


_OPEN: ContextVar[Link | None] = ContextVar("the link of a walk through several steps", default=None)


@contextlib.contextmanager
def reaching(ways: Ways) -> Iterator[Link]:
    """The link to the station: the running service, or one of our own; inside another `reaching` the same link."""
    from appliance.commands.reach import reached

    already = _OPEN.get()
    if already is not None:
        yield already
        return
    with reached(ways.config) as link:
        token = _OPEN.set(link)
        try:
            yield link
        finally:
            _OPEN.reset(token)


def walked(name: str, ways: Ways, guide: Guide, link: Link, step: Step, **params: Any) -> dict[str, Any]:
    """One step on a link that is open: measured, shown, asked, kept; what `--json` tells of it."""
    _check(link)
    before = link.settings()["settings"]
    outcome = step(link, guide, **params)
    guide.clear()
    changes = {key: (_at(before, key), value) for key, value in outcome.values.items()}
    for line in _lines(outcome, changes):
        guide.say(line)
    revision = None
    if ways.dry_run:
        guide.say("nothing was kept (--dry-run)")
    elif guide.ask("keep this?"):
        revision = link.commit(
            name,
            outcome.values,
            outcome.figures,
            lens_mode=outcome.lens_mode,
            proves_sides=outcome.proves_sides,
        )
        guide.say(f"kept as calibration {revision}, in force now; `hipbar calibrate undo` takes it back")
    else:
        guide.say("nothing was kept")
    return {
        "step": name,
        "ok": True,
        "kept": revision is not None,
        "revision": revision,
        "changed": {key: {"before": old, "after": new} for key, (old, new) in changes.items()},
        "figures": outcome.figures,
        "problems": outcome.problems,
        "words": outcome.words,
    }


def _check(link: Link) -> None:
    """Refuses a station that works with no settings of its own: nothing measured on it would be true later."""
    from appliance.errors import ServiceDown
    from appliance.records import Light

    status = link.status()
    if status.state == Light.FAULT:
        what = status.troubles[0] if status.troubles else "the station shows a fault"
        raise ServiceDown(what, fix="mend that first; `hipbar status` says when it is well again")


def default_config() -> Path | None:
    """The installed station's settings; without them a station is what the defaults say."""
    from appliance.commands.reach import CONFIG

    return CONFIG if CONFIG.exists() else None


def _at(settings: dict[str, Any], key: str) -> Any:
    """A setting by its dotted key."""
    section, name = key.split(".")
    return settings[section][name]


def _lines(outcome: Outcome, changes: dict[str, tuple[Any, Any]]) -> list[str]:
    """What was found, for a person: the sentence, each value before and after, and what to mind."""
    lines = [outcome.words] if outcome.words else []
    if changes:
        wide = max(map(len, changes))
        lines += [
            f"  {key:<{wide}}  {shown(old):>10} -> {shown(new)}{'' if old != new else '  (as it was)'}"
            for key, (old, new) in changes.items()
        ]
    return lines + [f"  mind: {problem}" for problem in outcome.problems]


def shown(value: Any) -> str:
    """A setting's value as a settings file would write it, figures rounded to what matters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
