"""A signed package file, or the wish to go back, becomes an update that is written down and can be carried out.

The file is copied to where only root can write, and from then on only that copy is looked at: what was checked is what
is installed. Nothing is changed on the machine here. Refuses, with `UpkeepError`, whatever can be known beforehand: no
or no good signature, another package, other processors, an older version, something it needs, no room, a root that
forgets.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from appliance.errors import UpkeepError
from appliance.upkeep.ledger import Ledger
from appliance.upkeep.packages import NAME, Facts, Packages, digest_of, facts_of, newer
from appliance.upkeep.signatures import Signer, keyrings, signature_of, signer_of
from appliance.upkeep.stages import FAULT, HEALTHY, NO_CAMERA, STOPPED, Package, Update
from appliance.upkeep.worker import Service

KEYS = (Path("usr/share/hipbar/keys"), Path("etc/hipbar/keys"))
"""Keys that came with the package, and those that the clinic trusts besides."""

RESERVE_BYTES = 200 << 20
"""Room that has to be left on each disk, for compiled kernels, the journal, and what goes on meanwhile."""

_SETTLED = {HEALTHY, NO_CAMERA, FAULT, STOPPED}
_SETTLE_S = 5.0


class Desk:
    """Takes orders for the system under `root`. settle_s : how long a service that is on its way somewhere may take."""

    def __init__(self, root: Path = Path("/"), settle_s: float = _SETTLE_S) -> None:
        self.ledger = Ledger(root)
        self._packages, self._service, self._settle_s = Packages(root), Service(root), settle_s

    def update(self, file: Path, *, allow_downgrade: bool = False) -> Update:
        """An order for the version in a file."""
        installed = self._ready()
        if not file.is_file():
            raise UpkeepError(f"{file}: there is no such file", fix="give the path of the package, FILE.deb")
        signature = signature_of(file)
        rings = keyrings(self.ledger.root / folder for folder in KEYS)
        number = secrets.token_hex(4)
        copy = self._copied(file, signature, number)
        try:
            signer = signer_of(copy, copy.with_name(copy.name + ".sig"), rings)
            facts = facts_of(copy)
            self._fits(facts, installed, allow_downgrade)
            self._lacks_nothing(copy)
            self._room(facts, installed)
        except UpkeepError as error:
            self.ledger.sweep()
            raise UpkeepError(str(error).replace(copy.name, file.name), fix=error.fix) from None
        named = copy.rename(copy.with_name(f"{facts.file.removesuffix('.deb')}.{number}.deb"))
        new = Package(facts.version, named.name, digest_of(named))
        return self._order(number, new, installed, signer)

    def back(self) -> Update:
        """An order for the version that is kept from before."""
        installed = self._ready()
        kept = [package for package in self.ledger.kept() if package.version != installed.version]
        if not kept:
            fix = (
                "give the file of the version that you want: `sudo hipbar update FILE.deb --allow-downgrade`"
            )
            raise UpkeepError("no other version is kept here", fix=fix)
        file = self.ledger.packages / kept[0].file
        if not file.is_file() or digest_of(file) != kept[0].sha256:
            raise UpkeepError(f"{file} is not the package that was kept", fix="check the disk")
        self._room(facts_of(file), installed)
        return self._order(secrets.token_hex(4), kept[0], installed, None)

    def _ready(self) -> Facts:
        """The installed version, on a machine that can be changed."""
        refuse_forgetful(self.ledger.root)
        if (update := self.ledger.under_way()) is not None:
            fix = "`hipbar update --status` shows it; `sudo systemctl start hipbar-update` takes up one that stopped"
            raise UpkeepError(f"the update to {update.new.version} is not over yet", fix=fix)
        self.ledger.prepare()
        self.ledger.sweep()
        if (installed := self._packages.installed()) is None:
            raise UpkeepError(
                "hipbar is not installed as a package here", fix="`sudo apt install ./FILE.deb`"
            )
        return installed

    def _copied(self, file: Path, signature: Path, number: str) -> Path:
        """The file and its signature, where only root can change them."""
        _refuse_lack({self.ledger.packages: file.stat().st_size})
        copy = self.ledger.packages / f"new.{number}.deb"
        for source, target in ((file, copy), (signature, copy.with_name(copy.name + ".sig"))):
            with source.open("rb") as reading, target.open("xb") as writing:
                os.fchmod(writing.fileno(), 0o644)
                shutil.copyfileobj(reading, writing, 1 << 20)
                writing.flush()
                os.fsync(writing.fileno())
        return copy

    def _fits(self, facts: Facts, installed: Facts, allow_downgrade: bool) -> None:
        """Whether it is a hipbar for this machine, and newer."""
        if facts.package != NAME:
            raise UpkeepError(
                f"this is the package {facts.package}, not {NAME}", fix="give a package of hipbar"
            )
        here = self._packages.architecture
        if facts.architecture not in (here, "all"):
            what = f"this package is for {facts.architecture} processors, and here is {here}"
            raise UpkeepError(what, fix=f"take the file that ends in _{here}.deb")
        if facts.version == installed.version:
            fix = "nothing is to be done; `sudo dpkg -V hipbar` looks for damage"
            raise UpkeepError(f"{facts.version} is installed already", fix=fix)
        if not allow_downgrade and not newer(facts.version, installed.version):
            what = f"{facts.version} is older than {installed.version}, which is installed"
            raise UpkeepError(what, fix="--allow-downgrade, if that is what you want")

    def _lacks_nothing(self, copy: Path) -> None:
        if lacking := self._packages.lacking(copy):
            fix = "take the package made for this Debian, or `sudo apt install` what it needs first"
            raise UpkeepError(f"it can't be installed here: {lacking}", fix=fix)

    def _room(self, facts: Facts, installed: Facts) -> None:
        """Room for the new version beside the old one, and for packing that up."""
        kept = any(package.version == installed.version for package in self.ledger.kept())
        packing = 0 if kept else 2 * installed.installed_bytes
        _refuse_lack({self.ledger.packages: packing, self.ledger.root / "usr": facts.installed_bytes})

    def _order(self, number: str, new: Package, installed: Facts, signer: Signer | None) -> Update:
        kept = [package for package in self.ledger.kept() if package.version == installed.version]
        look, until_s = self._service.look(), time.monotonic() + self._settle_s
        while look.condition not in _SETTLED and time.monotonic() < until_s:
            time.sleep(0.2)
            look = self._service.look()
        return Update(
            number=number,
            new=new,
            old=kept[0] if kept else Package(installed.version, ""),
            before=look.condition,
            before_process=look.process,
            signer=str(signer or "kept from before"),
            begun_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def refuse_forgetful(root: Path) -> None:
    """Refuses a root that is read-only, or whose changes are gone after the next start."""
    mounts = (Path("/proc/self/mounts")).read_text(errors="replace") if root == Path("/") else ""
    in_container = Path("/run/systemd/container").exists()
    if words := forgets(mounts, in_container=in_container):
        fix = (
            "`sudo hipbar setup --read-only off`, start the station anew, update it, then switch it on again"
        )
        raise UpkeepError(words, fix=fix)


def forgets(mounts: str, *, in_container: bool) -> str:
    """Why changes to / would not last, by the kernel's list of mounts; "" = they do. Pure.

    A container's root may be an overlay that lasts; a station's is one that is in memory.
    """
    roots = [words for words in (line.split() for line in mounts.splitlines()) if words[1:2] == ["/"]]
    if not roots:
        return ""
    _, _, kind, options, *_ = roots[-1]
    if kind == "overlay" and not in_container:
        return (
            "the root is read-only here: what is written goes into memory, and is gone after the next start"
        )
    return "the root is read-only here" if "ro" in options.split(",") else ""


def _refuse_lack(needs: dict[Path, int]) -> None:
    """Refuses when a disk has less free than that and the reserve; folders on one disk are added up."""
    disks: dict[int, tuple[Path, int]] = {}
    for folder, need in needs.items():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        first, sum_bytes = disks.get(there.stat().st_dev, (there, RESERVE_BYTES))
        disks[there.stat().st_dev] = (first, sum_bytes + need)
    for folder, need in disks.values():
        free = shutil.disk_usage(folder).free
        if free < need:
            what = f"the disk of {folder} has {free >> 20} MB free, and {need >> 20} MB are needed"
            raise UpkeepError(what, fix="remove old recordings: `hipbar recordings` lists them; then again")
