"""A clinic's TOML text becomes typed values; what is wrong in it is told by file, place, line and remedy.

Refuses, with `SettingsError`, what is not TOML, keys that nobody knows (with the nearest known one), wrong types and
figures out of range. Nothing of such a text is used.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import Any, TypeVar

import msgspec

from appliance.errors import SettingsError

T = TypeVar("T")

Table = msgspec.inspect.StructType

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")
"""What a file of the clinic's may be called, without its .toml: small letters, digits, hyphens."""

_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[(\d+|\.\.\.)\]")


def read(text: str, origin: str, kind: type[T], *, fix: str) -> T:
    """The value of TOML text, as `kind` says. origin : named in errors; fix : what to do where nothing nearer helps."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{origin}: not TOML: {error}", fix=f"mend that line; {fix}") from None
    except RecursionError:
        raise SettingsError(f"{origin}: brackets in brackets without end", fix=fix) from None
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise _explained(str(error), text, origin, kind, fix) from None


def name_of(origin: str) -> str:
    """The name that a file gives to what is in it: its own, without folder and .toml."""
    name = origin.rsplit("/", 1)[-1].removesuffix(".toml")
    if not NAME.match(name):
        fix = "name it with small letters, digits and hyphens, such as mine-2.toml"
        raise SettingsError(f"{origin}: `{name}` is no name for that", fix=fix)
    return name


def place(text: str, where: str, nth: int | None = None) -> str:
    """A place in a text for a person: "block 3 (line 17)"; nth counts from 0."""
    if nth is None:
        return where
    header = re.compile(rf"^\s*\[\[\s*{re.escape(where)}\s*\]\]", re.MULTILINE)
    found = [text.count("\n", 0, match.end()) + 1 for match in header.finditer(text)]
    line = f" (line {found[nth]})" if nth < len(found) else ""
    return f"{where} {nth + 1}{line}"


def _explained(message: str, text: str, origin: str, kind: type[Any], fix: str) -> SettingsError:
    """msgspec's message in the file's own words."""
    what, _, path = message.partition(" - at `$")
    steps = _STEP.findall(path.rstrip("`"))
    where = _where(text, steps)
    head = f"{origin}: {where}: " if where else f"{origin}: "
    names = [name for name, _ in steps if name]
    key, value = re.search(r"unknown field `(.+?)`", what), re.search(r"enum value '(.*)'", what)
    if key:
        return SettingsError(f"{head}nobody knows `{key[1]}`", fix=_nearest(key[1], _keys_at(kind, names)))
    if value:
        return SettingsError(
            f"{head}nobody knows `{value[1]}`", fix=_nearest(value[1], _words_at(kind, names))
        )
    return SettingsError(head + _worded(what), fix=fix)


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"


def _where(text: str, steps: list[tuple[str, str]]) -> str:
    words: list[str] = []
    for name, number in steps:
        if name:
            words.append(name)
        elif words and number.isdigit():
            words[-1] = (
                place(text, words[-1], int(number)) if len(words) == 1 else f"{words[-1]} {int(number) + 1}"
            )
    return ", ".join(words)


def _worded(what: str) -> str:
    """Types as they are called in TOML."""
    what = re.sub(r"^Object missing required field", "lacks", what)
    for ours, theirs in (("object", "table"), ("array", "list"), ("str", "text"), ("float", "number")):
        what = re.sub(rf"(?<=[`| ]){ours}(?=[`| ])", theirs, what)
    return (what[:1].lower() + what[1:]).replace(" | null`", "`")


def _type_at(kind: Any, names: list[str]) -> msgspec.inspect.Type:
    here = msgspec.inspect.type_info(kind)
    for name in names:
        fields = {f.encode_name: f.type for one in _parts(here) if isinstance(one, Table) for f in one.fields}
        here = fields.get(name, msgspec.inspect.AnyType())
    return here


def _keys_at(kind: Any, names: list[str]) -> list[str]:
    """The keys that may stand at a place."""
    parts = _parts(_type_at(kind, names))
    return [f.encode_name for one in parts if isinstance(one, Table) for f in one.fields]


def _words_at(kind: Any, names: list[str]) -> list[str]:
    """The words that may stand at a place where only certain ones may."""
    words: list[str] = []
    for one in _parts(_type_at(kind, names)):
        if isinstance(one, msgspec.inspect.EnumType):
            words += [str(member.value) for member in one.cls]
        elif isinstance(one, msgspec.inspect.LiteralType):
            words += [str(value) for value in one.values]
    return words


def _parts(info: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    """A type without the lists, maps and alternatives around it."""
    if isinstance(info, msgspec.inspect.UnionType):
        return [part for one in info.types for part in _parts(one)]
    if isinstance(info, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
        return _parts(info.item_type)
    if isinstance(info, msgspec.inspect.DictType):
        return _parts(info.value_type)
    return [info]
