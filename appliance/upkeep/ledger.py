"""The folder of updates: the update that is under way, how earlier ones ended, and the packages that are kept.

    stage.json     the update under way, as it stands; there is none when none is
    last.json      how the last one ended
    history.jsonl  one line an update, the newest last
    log            what the last one did, in words
    packages/      the package that is installed, and the one before; kept.json says which is which
    program.pyz    what carries an update out, apart from the package that it replaces

It belongs to root and lies apart from the service's own folder, whose owner could put other packages in their place.
Every file is written whole and is on the disk when the writing ends. Refuses what can't be written (`OutputError`)
and a file that says nothing that can be understood (`UpkeepError`).
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.errors import UpkeepError
from appliance.output import sync_folder, write_whole
from appliance.upkeep.stages import Package, Update

FOLDER = Path("var/lib/hipbar-update")
MOST_HISTORY = 200
"""Lines; an update a week makes that four years."""


class Ledger:
    """The folder under a root. Reading is for everybody, writing for root."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.folder = root / FOLDER
        self.packages = self.folder / "packages"
        self.program = self.folder / "program.pyz"
        self.log = self.folder / "log"
        self.stage = self.folder / "stage.json"
        self._last, self._history = self.folder / "last.json", self.folder / "history.jsonl"
        self._kept = self.packages / "kept.json"

    def prepare(self) -> None:
        """Makes the folders; refuses one that somebody else than root, or than us, could write to."""
        for folder in (self.folder, self.packages):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            about = folder.lstat()
            if folder.is_symlink() or about.st_uid not in (0, os.geteuid()) or about.st_mode & 0o022:
                fix = f"`sudo mv {folder} {folder}.bad`, and look who has put it there"
                raise UpkeepError(f"{folder} does not belong to root alone", fix=fix)

    def under_way(self) -> Update | None:
        """The update that has begun and is not over."""
        return self._update(self.stage)

    def last(self) -> Update | None:
        """How the last one ended."""
        return self._update(self._last)

    def write(self, update: Update) -> None:
        """Puts down how it stands; when it is over, in the history too."""
        if not update.over:
            write_whole(self.stage, _bytes(update.as_dict()))
            return
        keep = update.keeping(self.kept())
        write_whole(self._kept, _bytes([dataclasses.asdict(package) for package in keep]))
        others = [line for line in self._lines() if json.loads(line).get("number") != update.number]
        write_whole(self._history, b"".join([*others, _bytes(_entry(update))][-MOST_HISTORY:]))
        write_whole(self._last, _bytes(update.as_dict()))
        self.stage.unlink(missing_ok=True)
        sync_folder(self.folder)
        self.sweep()

    def kept(self) -> list[Package]:
        """The packages that are kept: what was installed last, and what was before."""
        try:
            return [Package(**entry) for entry in json.loads(self._kept.read_bytes())]
        except (OSError, ValueError, TypeError):
            return []

    def history(self) -> list[dict[str, Any]]:
        """How updates ended, the newest last."""
        return [json.loads(line) for line in self._lines()]

    def size(self, package: Package) -> int | None:
        """Bytes of a kept package."""
        try:
            return (self.packages / package.file).stat().st_size
        except OSError:
            return None

    def note(self, line: str) -> None:
        """One more line in the log."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def begin_log(self) -> None:
        """An empty log."""
        self.log.write_bytes(b"")

    def sweep(self) -> None:
        """Removes packages that nobody keeps: what a refusal or a cut left behind."""
        wanted = {package.file for package in self.kept()} | {self._kept.name}
        if update := self.under_way():
            wanted |= {update.new.file, update.old.file}
        for file in self.packages.glob("*"):
            if file.name not in wanted and file.is_file():
                file.unlink()

    def _update(self, file: Path) -> Update | None:
        try:
            return Update.of(json.loads(file.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            fix = f"`sudo rm {file}`, then `sudo apt install --reinstall ./FILE.deb` with a package that you trust"
            raise UpkeepError(f"{file} can't be understood: {error}", fix=fix) from None

    def _lines(self) -> Sequence[bytes]:
        try:
            lines = self._history.read_bytes().splitlines(keepends=True)
        except OSError:
            return []
        return [line for line in lines if line.endswith(b"}\n")]


def _entry(update: Update) -> dict[str, Any]:
    """An update's line in the history."""
    return {
        "number": update.number,
        "begun_utc": update.begun_utc,
        "from": update.old.version,
        "to": update.new.version,
        "outcome": update.stage,
        "why": update.why,
        "signer": update.signer,
        "seconds": update.seconds,
    }


def _bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
