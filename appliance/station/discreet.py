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
_START = re.compile(r"(?<![\w./~<)])~?/(?=[^\s/])")
_FIRST = re.compile(r"[^\s'\":,;)]+")  # of a path that nothing encloses; ours have no spaces
_END = re.compile(r"[:,;)] |:$|['\"]|$")  # one of anybody else's may have some, and ends with its clause
_FILE = re.compile(
    r"(?<![^\s'\"(=])[^\s'\"/]+\.(?:mp4|avi|mkv|mov|mjpe?g|hbk|csv|jsonl|png|jpe?g|pdf|db)\b", re.IGNORECASE
)
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w.-]+")
_HOST = re.compile(r"(?<![\w.-])[\w.-]+\.(?:local|lan|home|internal|intern|corp|fritz\.box)\b", re.IGNORECASE)
_IPV4 = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}(?![\w:])")
_PRIVATE = re.compile(r"(\s*(?:\w+\.)?(?:file|host|name|password|ssid)\s*=\s*)\S.*")
_COMMENT = re.compile(r"""("(?:\\.|[^"\\])*"|'[^']*')|\s*#.*""")
_MOST_LINE = 400
"""A longer line is cut: the time that all this takes grows with the lines, not with their square."""


def discreet(text: str, machine: str | None = None) -> str:
    """The text without paths, addresses and this machine's name (`machine`, or what the kernel calls it)."""
    name = os.uname().nodename if machine is None else machine
    known = len(name) > 1 and name not in ("hipbar", "localhost")
    named = re.compile(rf"(?<![\w./-]){re.escape(name)}(?![\w/-])", re.IGNORECASE) if known else None
    whole = text.encode(errors="replace").decode()  # names of files that are no UTF-8 are half characters
    return "\n".join(_line(line, named) for line in whole.split("\n"))


def discreet_settings(text: str, machine: str | None = None) -> str:
    """A settings file's text without its comments, and without what it says of files and hosts."""
    bare = [_COMMENT.sub(lambda m: m[1] or "", line[:_MOST_LINE]).rstrip() for line in text.splitlines()]
    lines = [_PRIVATE.sub(rf'\1"{VALUE}"', line) for line in bare if line]
    return discreet("".join(f"{line}\n" for line in lines), machine)


def _line(line: str, named: re.Pattern[str] | None) -> str:
    """One line, cut to its longest."""
    line = _without_paths(line[:_MOST_LINE])
    line = _FILE.sub(PATH, line)
    for pattern in (_MAIL, _HOST, _IPV4, _IPV6):
        line = pattern.sub(ADDRESS, line)
    return named.sub(MACHINE, line) if named else line


def _without_paths(line: str) -> str:
    """Ours stay, up to a space; in quotes, any path goes up to the quote, and bare ones to the end of their clause."""
    told, at = [], 0
    while start := _START.search(line, at):
        quote = line[start.start() - 1 : start.start()]
        closing = line.find(quote, start.end()) if quote in ("'", '"') else -1
        if closing >= 0:
            first = end = closing
        else:
            first, end = (found.end() if (found := _FIRST.match(line, start.start())) else start.end()), -1
        told.append(line[at : start.start()])
        path = _path(line[start.start() : first])
        if path == PATH and end < 0:
            clause = _END.search(line, first)
            first = clause.start() if clause else len(line)
        told.append(path)
        at = first
    return "".join(told) + line[at:]


def _path(path: str) -> str:
    """One path: ours as it is, code from its package on, nothing of any other."""
    if _OURS.match(path) and "/../" not in path:
        return path
    code = _CODE.search(path)
    return "..." + code[0] if code else PATH
