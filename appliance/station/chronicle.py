"""journalctl's JSON becomes entries that a person can read: whose, when, how grave, and folded when repeated.

Times are wall seconds since 1970, as the machine's clock had them, right or wrong; gravity is syslog's, from 0
(emergency) to 7 (debug). Every field is distrusted, for whoever may log may write anything: control characters go, long
lines are cut, and what is no entry is left out. Reads no file and no clock.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from typing import Any

import msgspec

UNITS = ("hipbar.service", "hipbar-update.service")
WARNING, INFO = 4, 6
LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
_MOST = 500
_MOST_BYTES = 1_000_000
_HEALTH = "health: "
_OURS = "hipbar"
_MATTERS = re.compile(
    r"under-?voltage|throttl|i/o error|remount|out of memory|oom-kill|killed process|watchdog"
    r"|usb .*(?:disconnect|over-current|reset|new .*device)|temperature above",
    re.IGNORECASE,
)
"""Of the kernel's lines these are told whatever their level."""

_CONCERNS = re.compile(
    r"usb|spi|i2c|mmc|ext4|unicam|rp1|csi|ov9281|imx\d+|gpio|uvc|video|voltage|thermal|hipbar|segfault|memory",
    re.IGNORECASE,
)
"""And these when they are warnings or worse."""


class Entry(msgspec.Struct, frozen=True):
    """One line of the journal, or several that say the same. who : the program or unit. boot : systemd's number of it.

    wall_s, last_s : of the first and the last; times : how many.
    """

    wall_s: float
    boot: str
    who: str
    level: int
    text: str
    last_s: float
    times: int = 1
    kernel: bool = False

    @property
    def health(self) -> bool:
        """Whether it is one of the service's lines of health, one a minute."""
        return self.who == _OURS and self.text.startswith(_HEALTH)

    @property
    def matters(self) -> bool:
        """Whether a technician wants to see it: all that is ours or systemd's on us, and some of the kernel's."""
        if not self.kernel:
            return True
        return bool(_MATTERS.search(self.text) or (self.level <= WARNING and _CONCERNS.search(self.text)))


def entry(line: bytes) -> Entry | None:
    """One line of `journalctl -o json`; None when it is none."""
    if len(line) > _MOST_BYTES:
        return None
    try:
        raw = msgspec.json.decode(line)
        wall_s = int(raw["__REALTIME_TIMESTAMP"]) / 1e6
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, KeyError, TypeError, RecursionError):
        return None
    text = plain(_word(raw.get("MESSAGE")))
    if not text or not 0 <= wall_s < 32_503_680_000:  # the year 3000
        return None
    return Entry(
        wall_s=wall_s,
        boot=plain(_word(raw.get("_BOOT_ID")))[:32],
        who=_who(raw),
        level=_level(raw.get("PRIORITY")),
        text=text,
        last_s=wall_s,
        kernel=raw.get("_TRANSPORT") == "kernel",
    )


def _who(raw: dict[str, Any]) -> str:
    """In a word: our service is `hipbar`, whatever its program is called."""
    if raw.get("_TRANSPORT") == "kernel":
        return "kernel"
    unit = _word(raw.get("_SYSTEMD_UNIT"))
    if unit in UNITS:
        return unit.removesuffix(".service")
    return plain(_word(raw.get("SYSLOG_IDENTIFIER")) or _word(raw.get("_COMM")) or "?")[:24]


def _word(value: Any) -> str:
    """A field's text: a string, the bytes of one that is no UTF-8, or the first of several."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        if all(isinstance(b, int) and 0 <= b < 256 for b in value):
            return bytes(value).decode(errors="replace")
        return _word(value[0]) if isinstance(value[0], str) else ""
    return ""


def _level(value: Any) -> int:
    return int(value) if isinstance(value, str) and value in "01234567" and value else INFO


def plain(text: str) -> str:
    """One line without what could move a terminal's cursor, or turn the writing round; cut to its longest."""
    clean = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text[: 4 * _MOST])
    line = " ".join(clean.split())
    return line if len(line) <= _MOST else line[: _MOST - 4] + " ..."


def wanted(
    found: Iterable[Entry], *, errors: bool = False, health: bool = False, everything: bool = False
) -> Iterator[Entry]:
    """Those that a technician asked for."""
    for one in found:
        if errors and one.level > WARNING:
            continue
        if everything or ((health or not one.health) and one.matters):
            yield one


def folded(found: Iterable[Entry]) -> Iterator[Entry]:
    """In the same order; what is said again right after it was said is one entry, whatever its figures."""
    last: Entry | None = None
    for one in found:
        if last is not None and _same(last, one):
            last = msgspec.structs.replace(
                last,
                times=last.times + one.times,
                wall_s=min(last.wall_s, one.wall_s),
                last_s=max(last.last_s, one.last_s),
            )
            continue
        if last is not None:
            yield last
        last = one
    if last is not None:
        yield last


def _same(a: Entry, b: Entry) -> bool:
    return (a.boot, a.who, a.level) == (b.boot, b.who, b.level) and _shape(a.text) == _shape(b.text)


def _shape(text: str) -> str:
    return re.sub(r"\d+(?:[.,]\d+)*", "#", text)


def told(found: Iterable[Entry], zone: tzinfo | None = None) -> Iterator[tuple[int | None, str]]:
    """Each entry as its level and its line, times in `zone` (None = this machine's); None and a rule between boots."""
    boot = ""
    for one in found:
        if one.boot and one.boot != boot:
            anew = ": the machine was started anew" if boot else ""
            boot = one.boot
            yield None, f"-- boot {boot[:8]}{anew}"
        often = f"  (x {one.times}, until {at(one.last_s, zone)[11:]})" if one.times > 1 else ""
        yield (
            one.level,
            f"{at(one.wall_s, zone)}  {level_word(one):<9} {one.who:<8} {one.text}{often}".rstrip(),
        )


def level_word(one: Entry) -> str:
    """How grave it is, in a word; nothing where it is not."""
    return "" if one.level in (INFO, 7) else LEVELS[one.level]


def at(wall_s: float, zone: tzinfo | None = None) -> str:
    """A wall time as a person reads it."""
    return datetime.fromtimestamp(wall_s, zone).strftime("%Y-%m-%d %H:%M:%S")
