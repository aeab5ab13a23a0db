"""Settings that can't be used become the best that is known of the station's wires, so that it can say so by light.

Table by table: what the bad file itself still says, the settings that worked last, the wiring of the hardware page.
Refuses to be used for measuring but on the technician's wish (the button held at power-on), and then only when somebody
has said which side is which.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from appliance.config import Panel, Settings, Strip, wiring
from appliance.errors import OutputError
from appliance.station.output import write_whole

LAST_GOOD = "last-good.toml"

AS_DRAWN = Settings(strip=Strip(kind="apa102"), panel=Panel(kind="gpio"))
"""The wiring that docs/hardware.md draws."""


def text_of(file: Path | None) -> str | None:
    """A settings file's text, whatever it is worth; None when it can't be read."""
    if file is not None:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return file.read_text(encoding="utf-8")
    return None


def known_wiring(file: Path | None, state: Path) -> Settings | None:
    """How the station is built by what somebody has said, used as if nothing else were set; None when nobody has."""
    texts = [text for text in (text_of(file), text_of(state / LAST_GOOD)) if text is not None]
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


def mark_of(file: Path | None) -> tuple[int, int, int] | None:
    """What changes with a file; None while there is none."""
    if file is not None:
        with contextlib.suppress(OSError):
            seen = file.stat()
            return seen.st_ino, seen.st_mtime_ns, seen.st_size
    return None
