"""Settings that can't be used become the best that is known of the station's wires, so that it can say so by light.

Table by table: what the bad file itself still says, the settings that worked last, the wiring of the hardware page.
Refuses to be used for measuring but on the technician's wish (the button held at power-on), and then only when somebody
has said which side is which.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from appliance.config import Panel, Settings, Strip, wiring
from appliance.errors import OutputError, SettingsError
from appliance.output import write_whole

LAST_GOOD = "last-good.toml"
_MOST_BYTES = 1_000_000

AS_DRAWN = Settings(strip=Strip(kind="apa102"), panel=Panel(kind="gpio"))
"""The wiring that docs/hardware.md draws."""


def read(file: Path) -> str:
    """A settings file's text; `SettingsError` for what has none, without waiting for it: nobody may write to a pipe."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise SettingsError(f"{file}: is no file", fix="put a settings file there (TOML)")
            with os.fdopen(fd, "rb", closefd=False) as opened:
                data = opened.read(_MOST_BYTES + 1)
        finally:
            os.close(fd)
    except OSError as error:
        raise SettingsError(
            f"{file}: can't be read: {error.strerror}", fix="put it there, and make it readable for this user"
        ) from None
    if len(data) > _MOST_BYTES:
        raise SettingsError(f"{file}: larger than any settings", fix="start from `hipbar config show`")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: not a text file", fix="settings are a TOML file in UTF-8") from None


def text_of(file: Path) -> str | None:
    """A settings file's text, whatever it is worth; None when it can't be read."""
    with contextlib.suppress(SettingsError):
        return read(file)
    return None


def known_wiring(text: str | None, state: Path) -> Settings | None:
    """How the station is built by what somebody has said, used as if nothing else were set; None when nobody has.

    text : of the settings file, as far as there is any.
    """
    texts = [known for known in (text, text_of(state / LAST_GOOD)) if known is not None]
    found = wiring(texts, AS_DRAWN)
    return None if found is AS_DRAWN else found


def remember(text: str | None, state: Path) -> str | None:
    """Keeps the settings that have just proved to work; what went wrong, in words. An unchanged file is not written."""
    if text is None or text == text_of(state / LAST_GOOD):
        return None
    try:
        write_whole(state / LAST_GOOD, text.encode())
    except OutputError as error:
        return f"the settings that worked could not be kept: {error}"
    return None


def mark_of(file: Path) -> tuple[int, ...] | None:
    """What changes with a file and with who may read it; None while there is none."""
    with contextlib.suppress(OSError):
        seen = file.stat()
        return seen.st_dev, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size
    return None
