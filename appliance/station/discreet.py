"""Text that may name a person, a place or a machine becomes text that names none, for what leaves the clinic.

Left as they are: our own folders, devices, the system's programs. Taken out: every other path, addresses, the
machine's name, comments in settings, and files and hosts that settings name. Rather too much goes than too little.
Refuses nothing.
"""

from __future__ import annotations

import os
import re

PATH, ADDRESS, MACHINE, VALUE = "(a path)", "(an address)", "(this machine)", "(not told)"
"""What stands where something was taken out."""

_OURS = re.compile(
    r"/(?:(?:dev|proc|sys|usr)(?:/|$)|(?:run|etc|var/lib|var/cache)/hipbar(?:/|$)|boot/firmware(?:/|$))"
)
_CODE = re.compile(r"/(?:site-packages|dist-packages|lib/python3[.\d]*|appliance|hw)/.*\.py$")
_QUOTED = re.compile(r"(?P<quote>['\"])(?P<path>~?/[^'\"\n]*)(?P=quote)")
_BARE = re.compile(r"(?<![\w./~'\"<)])~?/[^\s'\":][^'\"\n]*?(?=: |:?$|[,;)] |['\"])", re.MULTILINE)
_FILE = re.compile(
    r"(?<![^\s'\"(=])[^\s'\"/]+\.(?:mp4|avi|mkv|mov|mjpe?g|hbk|csv|jsonl|png|jpe?g|pdf|db)\b", re.IGNORECASE
)
_IPV4 = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}(?![\w:])")
_HOST = re.compile(
    r"\b[\w-]+(?:\.[\w-]+)*\.(?:local|lan|home|internal|intern|corp|fritz\.box)\b", re.IGNORECASE
)
_MAIL = re.compile(r"[\w.+-]+@[\w.-]+")
_PRIVATE = re.compile(r"^(\s*(?:\w+\.)?(?:file|host|name|password|ssid)\s*=\s*)\S.*$", re.MULTILINE)
_COMMENT = re.compile(r"""("(?:\\.|[^"\\\n])*"|'[^'\n]*')|[ \t]*#[^\n]*""")


def discreet(text: str, machine: str | None = None) -> str:
    """The text without paths, addresses and this machine's name (`machine`, or what the kernel calls it)."""
    text = _QUOTED.sub(lambda m: m["quote"] + _path(m["path"]) + m["quote"], text)
    text = _BARE.sub(lambda m: _words(m[0]), text)
    text = _FILE.sub(lambda m: PATH, text)
    for pattern in (_MAIL, _HOST, _IPV4, _IPV6):
        text = pattern.sub(ADDRESS, text)
    name = os.uname().nodename if machine is None else machine
    if len(name) > 1 and name not in ("hipbar", "localhost"):
        text = re.sub(rf"(?<![\w./-]){re.escape(name)}(?![\w/-])", MACHINE, text, flags=re.IGNORECASE)
    return text


def discreet_settings(text: str, machine: str | None = None) -> str:
    """A settings file's text without its comments, and without what it says of files and hosts."""
    bare = _COMMENT.sub(lambda m: m[1] or "", text)
    lines = [line.rstrip() for line in _PRIVATE.sub(rf'\1"{VALUE}"', bare).splitlines()]
    return discreet("".join(f"{line}\n" for line in lines if line), machine)


def _path(path: str) -> str:
    """One path: ours as it is, code from its package on, nothing of any other."""
    if _OURS.match(path) and "/../" not in path:
        return path
    code = _CODE.search(path)
    return "..." + code[0] if code else PATH


def _words(text: str) -> str:
    """A path that nothing encloses: ours ends at a space, any other may hold spaces and ends with the sentence."""
    first, space, rest = text.partition(" ")
    told = _path(first)
    return told if told == PATH else told + space + _BARE.sub(lambda m: _words(m[0]), rest)
