"""Settings become the device nodes that they need, each with who may use it and who does.

The station runs as the user `hipbar` where there is one, else as whoever asks. Only looks; opens nothing.
"""

from __future__ import annotations

import getpass
import grp
import pwd
from collections.abc import Iterator
from pathlib import Path

from appliance.commands.doctoring.machine import USER, may
from appliance.config import Settings
from appliance.station.checks_bar import Node
from hw.claim import holder

_DEV = Path("/dev")


def nodes(settings: Settings, dev: Path = _DEV) -> list[Node]:
    """Every device that the station opens, in the order of docs/hardware.md: camera, bar, panel."""
    return [_node(Path(path), what) for path, what in _needed(settings, dev)]


def _needed(settings: Settings, dev: Path) -> Iterator[tuple[str, str]]:
    camera, strip = settings.camera, settings.strip
    if camera.source == "v4l2":
        yield camera.device, "camera"
    elif camera.source == "picamera":
        yield _first(dev, "media*", "media0"), "camera"
        yield _first(dev, "dma_heap/*", "dma_heap/linux,cma"), "camera"
    if strip.kind in ("apa102", "ws2812"):
        yield strip.device, "light bar"
    if strip.kind == "shift-register":
        yield _first(dev, "gpiochip*", "gpiochip0"), "light bar"
    elif settings.panel.kind == "gpio":
        yield _first(dev, "gpiochip*", "gpiochip0"), "panel"


def _first(dev: Path, pattern: str, usual: str) -> str:
    """The first device of a kind, or the name it would have."""
    return str(next(iter(sorted(dev.glob(pattern))), dev / usual))


def _node(path: Path, what: str) -> Node:
    user = station_user()
    if not path.exists():
        return Node(str(path), what, user, exists=False)
    return Node(str(path), what, user, True, may(path, user), _group(path), _holder(path, what))


def _holder(path: Path, what: str) -> str | None:
    """Who has it; a GPIO chip or a media device is shared, so there it means nothing."""
    alone = (what == "light bar" and "gpiochip" not in path.name) or "video" in path.name
    return holder(str(path)) if alone else None


def _group(path: Path) -> str:
    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return ""


def station_user() -> str:
    """As whom the station runs."""
    try:
        return pwd.getpwnam(USER).pw_name
    except KeyError:
        return getpass.getuser()
