"""Files that are shipped and the clinic's own above them become named texts: protocols, exercises, cues.

The clinic's are `<state>/protocols/NAME.toml`, `<state>/exercises/NAME.toml` and `<state>/cues.toml`. One that can't
be read is named with what is wrong and stands above a shipped one of its name, so that nothing else is done in its
stead; all others stay usable. Nothing here writes.
"""

from __future__ import annotations

import difflib
import stat
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from appliance.clinic.protocol import Protocol, parse_protocol
from appliance.clinic.reading import NAME
from appliance.errors import SettingsError, StoreError, VisitError

T = TypeVar("T")
TextKind = Literal["protocols", "exercises"]

MOST_BYTES = 256 * 1024
"""No text of a clinic's is that long; a file that is was put there by mistake."""
CUES = "cues.toml"
_SHIPPED = files("appliance.clinic") / "shipped"
_FIXES = {
    "protocols": "`hipbar protocol list` names those that there are",
    "exercises": "`hipbar exercise list` names those that there are",
}


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """One file. origin : its path, or "shipped/NAME.toml"; own : the clinic's. trouble : why it can't be read."""

    name: str
    origin: str
    text: str
    own: bool = False
    trouble: str | None = None

    def parsed(self, parse: Callable[[str, str], T]) -> T:
        """What `parse(text, origin)` makes of it. Raises `SettingsError`, also for a text that can't be read."""
        if self.trouble is not None:
            raise SettingsError(f"{self.origin}: {self.trouble}", fix="check its path, or mend the file")
        return parse(self.text, self.origin)

    def tried(self, parse: Callable[[str, str], T]) -> T | SettingsError:
        """The same; what can't be used is the error that says why."""
        try:
            return self.parsed(parse)
        except SettingsError as error:
            return error


def texts(state: Path, kind: TextKind) -> dict[str, Text]:
    """All of a kind by name: the shipped ones, and the clinic's own above them.

    Raises nothing for a bad file; `StoreError` for a folder that this user may not look into.
    """
    found: dict[str, Text] = {}
    shipped = _SHIPPED / kind
    for file in shipped.iterdir() if shipped.is_dir() else ():
        if file.name.endswith(".toml"):
            name = file.name.removesuffix(".toml")
            found[name] = Text(
                name=name, origin=f"shipped/{file.name}", text=file.read_text(encoding="utf-8")
            )
    for path in _own(state / kind):
        found[path.stem] = _read(path)
    return dict(sorted(found.items()))


def text(state: Path, kind: TextKind, name: str) -> Text:
    """The one of that name. Raises `VisitError` with the nearest name that there is."""
    found = texts(state, kind)
    if name in found:
        return found[name]
    near = difflib.get_close_matches(name, found, n=1)
    fix = f"did you mean `{near[0]}`?" if near else _FIXES[kind]
    raise VisitError(f"there is no {kind[:-1]} `{name}`", fix=fix)


def protocol(state: Path, name: str) -> tuple[Protocol, Text]:
    """A protocol by name, with its text. Raises `VisitError` where there is none, `SettingsError` for a bad one."""
    found = text(state, "protocols", name)
    return found.parsed(parse_protocol), found


def protocols(state: Path) -> Mapping[str, Protocol | SettingsError]:
    """All protocols by name; one that can't be used is the error that says why."""
    return {name: found.tried(parse_protocol) for name, found in texts(state, "protocols").items()}


def cues(state: Path) -> Text:
    """The clinic's list of cues, or the shipped one. Raises as `texts`."""
    path = state / CUES
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        shipped = (_SHIPPED / CUES).read_text(encoding="utf-8")
        return Text(name="cues", origin=f"shipped/{CUES}", text=shipped)
    except OSError as error:
        raise _closed(path, error) from None
    return _read(path)


def of_file(path: Path) -> Text:
    """A file anywhere, as if it were one of the clinic's."""
    return _read(path)


def _own(folder: Path) -> list[Path]:
    """The clinic's files of a folder; one that is not there has none."""
    try:
        return [path for path in folder.iterdir() if path.suffix == ".toml" and not path.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _closed(folder, error) from None


def _closed(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: can't be read: {error.strerror}", fix="use sudo, or let your user join the group `hipbar`"
    )


def _read(path: Path) -> Text:
    """One file of the clinic's, or what is wrong with it."""
    try:
        return Text(name=path.stem, origin=str(path), text=_decoded(path), own=True)
    except OSError as error:
        trouble = f"can't be read: {error.strerror or error}"
    except ValueError as error:
        trouble = str(error)
    return Text(name=path.stem, origin=str(path), text="", own=True, trouble=trouble)


def _decoded(path: Path) -> str:
    """The text of an ordinary file of an ordinary name; ValueError says what it is instead."""
    if not NAME.match(path.stem):
        raise ValueError("is named in a way that can't be asked for: small letters, digits and hyphens only")
    kept = path.stat()
    if not stat.S_ISREG(kept.st_mode):
        raise ValueError("is no ordinary file")
    if kept.st_size > MOST_BYTES:
        raise ValueError(f"is {kept.st_size:,} bytes long, which no such text is")
    try:
        return path.read_bytes().decode("utf-8-sig")  # some editors put a mark before the first letter
    except UnicodeDecodeError:
        raise ValueError("is no text in UTF-8") from None
