"""A clinic's protocols and exercises, a file each, become a list, a file that is shown, and one that was asked for.

The clinic's own stand above shipped ones of the same name. One that can't be used is told with what is wrong, and all
others stay usable. Light, because `--help` imports it. Refuses names that there are not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click
from click.shell_completion import CompletionItem

from appliance.commands.clinic import folder, told

if TYPE_CHECKING:
    from appliance.errors import SettingsError
    from appliance.store.texts import Text, TextKind


class Titled(Protocol):
    """What a file is about."""

    @property
    def title(self) -> str:
        """In some words, or none."""


T = TypeVar("T", bound=Titled)
Parse = Callable[[str, str], T]
Names = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def names_of(kind: TextKind) -> Names:
    """For the shell's completion: those that there are."""

    def names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from appliance.errors import HipbarError
        from appliance.store.texts import texts

        with contextlib.suppress(HipbarError):
            found = texts(folder(ctx.params.get("state")), kind)
            return [CompletionItem(name) for name in found if name.startswith(incomplete)]
        return []

    return names


def chosen(which: str, kind: TextKind, state: Path | None) -> Text:
    """One by its name, or a file: that ends in .toml, or is a path."""
    from appliance.store.texts import of_file, text

    if which.endswith(".toml") or "/" in which:
        return of_file(Path(which))
    return text(folder(state), kind, which)


def listing(
    kind: TextKind,
    state: Path | None,
    parse: Parse[T],
    *,
    plain: Callable[[T], Mapping[str, Any]],
    sized: Callable[[T], str],
    as_json: bool,
) -> None:
    """Prints all of them: `plain` for JSON, their titles with how large they are for people."""
    from appliance.errors import SettingsError
    from appliance.store.texts import texts

    where = folder(state)
    files = texts(where, kind)
    found = {name: file.tried(parse) for name, file in files.items()}
    if as_json:
        told(
            {
                "folder": str(where / kind),
                kind: [_row(files[name], one, plain) for name, one in found.items()],
            }
        )
        return
    wide = max(len(name) for name in found)
    for name, one in found.items():
        whose = "yours" if files[name].own else "shipped"
        what = (
            f"can't be used: {one}" if isinstance(one, SettingsError) else f"{one.title or '-'}; {sized(one)}"
        )
        click.echo(f"{name:<{wide}}  {whose:<7}  {what}")


def shown(file: Text, parse: Parse[T], *, plain: Callable[[T], Mapping[str, Any]], as_json: bool) -> None:
    """Prints a file as it is, or what is in it as JSON."""
    if as_json:
        told(_row(file, file.tried(parse), plain))
    else:
        click.echo(file.parsed(lambda words, origin: words), nl=False)


def _row(file: Text, one: T | SettingsError, plain: Callable[[T], Mapping[str, Any]]) -> dict[str, Any]:
    """One of them, or what is wrong with it, for JSON."""
    from appliance.errors import SettingsError

    about = {"file": file.origin, "own": file.own}
    if isinstance(one, SettingsError):
        return {**about, "name": file.name, "usable": False, "error": str(one), "fix": one.fix}
    return {**about, **plain(one)}
