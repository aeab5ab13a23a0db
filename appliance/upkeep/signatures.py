"""A file, its signature and the keys that this station trusts become the name of who signed it.

The signature is a detached one of OpenPGP (`gpg --detach-sign`), checked by gpgv, which is part of every Debian. Keys
are binary keyrings (`gpg --export`) in folders that only root can write to. Times in keys are not held against a clock
that may be wrong: a signature "from the future" is taken; an expired key is refused by the clock as it stands.
Refuses, with `UpkeepError`, everything that is not one or more good signatures, each by a key that is trusted now.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import UpkeepError

SUFFIXES = (".asc", ".sig")
"""A signature is found next to its file: FILE.asc in text, FILE.sig in bytes."""

_MOST_BYTES = 65536
_ARMOUR = b"-----BEGIN PGP"
_ASK = "ask whoever gave you the file for the signature that belongs to it"
_AGAIN = (
    "copy both files to the station again; if it stays so, do not install it and ask whoever gave it to you"
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed: the name in the key, and the key's fingerprint."""

    name: str
    fingerprint: str

    def __str__(self) -> str:
        """For a person: the name, and the end of the fingerprint."""
        return f"{self.name} ({self.fingerprint[-16:]})"


def signature_of(file: Path) -> Path:
    """The signature next to a file."""
    for suffix in SUFFIXES:
        if (found := file.with_name(file.name + suffix)).is_file():
            return found
    names = " or ".join(file.name + suffix for suffix in SUFFIXES)
    raise UpkeepError(f"{file.name} has no signature: no {names} beside it", fix=_ASK)


def keyrings(folders: Iterable[Path]) -> list[Path]:
    """The keys that this station trusts, in the order of the folders."""
    folders = list(folders)
    found = [ring for folder in folders for ring in sorted(folder.glob("*.gpg")) if ring.is_file()]
    if not found:
        fix = f"put the key of whoever signs into {folders[-1]}: gpg --export NAME > {folders[-1]}/NAME.gpg"
        raise UpkeepError("this station trusts no key, so no signature can be checked", fix=fix)
    for ring in found:
        if ring.read_bytes()[: len(_ARMOUR)] == _ARMOUR:
            fix = f"gpg --dearmor < {ring} > {ring}.new && mv {ring}.new {ring}"
            raise UpkeepError(f"{ring} is a key as text; it has to be in bytes", fix=fix)
    return found


def signer_of(file: Path, signature: Path, rings: Sequence[Path]) -> Signer:
    """Who signed the file; whose key it is has to be in one of the keyrings."""
    if signature.stat().st_size > _MOST_BYTES:
        raise UpkeepError(f"{signature.name} is too long for a signature", fix=_ASK)
    words = ["gpgv", "--status-fd", "1", "--ignore-time-conflict", "--weak-digest", "SHA1"]
    words += [word for ring in rings for word in ("--keyring", str(ring.resolve()))]
    environment = {"PATH": os.defpath + ":/usr/local/bin", "LC_ALL": "C.UTF-8", "GNUPGHOME": "/nonexistent"}
    try:
        done = subprocess.run(
            [*words, str(signature.resolve()), str(file.resolve())],
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            check=False,
        )
    except FileNotFoundError:
        raise UpkeepError(
            "gpgv is not installed, so no signature can be checked", fix="apt install gpgv"
        ) from None
    return judged(done.stdout, done.returncode, file.name)


def judged(status: str, code: int, name: str) -> Signer:
    """The verdict on what gpgv said in its status lines (doc/DETAILS of GnuPG lists them). Pure."""
    told = [line.split(" ", 3)[1:] for line in status.splitlines() if line.startswith("[GNUPG:] ")]
    verdicts = [words for words in told if words[0] in _VERDICTS]
    for words in verdicts:
        if words[0] != "GOODSIG":
            raise _refusal(words, name)
    prints = [words[1] for words in told if words[0] == "VALIDSIG"]
    if code or not verdicts or len(prints) != len(verdicts) or "PLAINTEXT" in {words[0] for words in told}:
        raise UpkeepError(f"the signature of {name} is not a detached signature that can be read", fix=_ASK)
    return Signer(" ".join(verdicts[0][2:]), prints[0])


_VERDICTS = {"GOODSIG", "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"}


def _refusal(words: Sequence[str], name: str) -> UpkeepError:
    """What is wrong with one signature. `words` = verdict, key id, and the key's name or more of the verdict."""
    verdict, key, rest = words[0], words[1], " ".join(words[2:])
    if verdict == "BADSIG":
        return UpkeepError(
            f"{name} is not the file that {rest} signed: it was changed, or cut short", fix=_AGAIN
        )
    if verdict == "EXPSIG":
        return UpkeepError(f"the signature of {name} by {rest} has expired", fix=_ASK)
    if verdict == "EXPKEYSIG":
        fix = "put their renewed key into /etc/hipbar/keys; `date` shows whether the clock here is right"
        return UpkeepError(f"the key of {rest} has expired ({key})", fix=fix)
    if verdict == "REVKEYSIG":
        fix = "do not install it: they took that key back, so anybody may have it; ask for a file with a new key"
        return UpkeepError(f"the key of {rest} was revoked ({key})", fix=fix)
    if rest.split()[4:5] == ["9"]:
        fix = "if you trust whoever signed it, put their key into /etc/hipbar/keys; if not, do not install it"
        return UpkeepError(f"{name} is signed by a key that this station does not trust ({key})", fix=fix)
    return UpkeepError(
        f"the signature of {name} can't be checked: its kind is not one that is safe ({key})", fix=_ASK
    )
