"""Settings and machine become what its boot needs: lines for config.txt, a watchdog, keys instead of passwords.

Everything is read below a root folder and nothing is written; `files.apply` does that. A line that somebody has set
already, for this board, counts as set and is not said again. config.txt as Raspberry Pi's documentation has it: later
lines win; `[pi4]` and its like hold for a model, `[all]` ends every condition; remarks have lines of their own; 98
characters at the most. Refuses nothing: what can't or need not be done is a remark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.config import Settings
from appliance.errors import UpkeepError
from appliance.upkeep.files import Change, change, content, outside, with_block

CONFIG, OLD_CONFIG = "/boot/firmware/config.txt", "/boot/config.txt"
WATCHDOG = "/etc/systemd/system.conf.d/hipbar.conf"
SSH = "/etc/ssh/sshd_config.d/10-hipbar.conf"
CLOUD = "/etc/cloud/cloud-init.disabled"

WATCHDOG_TEXT = b"""\
# hipbar setup: a machine that stands still for 14 s starts anew. A Pi's watchdog counts 15 s at the most.
[Manager]
RuntimeWatchdogSec=14
RebootWatchdogSec=2min
"""
SSH_TEXT = b"""\
# hipbar setup: keys only. The first file in this folder that says something wins: cloud-init's is number 50.
PasswordAuthentication no
KbdInteractiveAuthentication no
"""
CLOUD_TEXT = b"""\
# hipbar setup: the first boot is done; from now on no start waits for cloud-init. Take this file away to have it back.
"""

_FOUND_BY_ITSELF = {"imx296", "imx708", "imx219"}
_CAMERAS = {
    "ov9281",
    "imx296",
    "imx708",
    "imx219",
    "imx477",
    "imx378",
    "imx519",
    "imx500",
    "ov5647",
    "ov7251",
    "ov64a40",
}
_ON = {"", "on", "true", "yes", "1", "okay"}
_INCLUDES = 3


class Machine(msgspec.Struct, frozen=True):
    """What setup must know of a machine: its model as the firmware names it, and whether a watchdog is there."""

    model: str | None
    watchdog: bool

    @property
    def is_pi(self) -> bool:
        """Whether it has a config.txt to speak of."""
        return bool(self.model and self.model.startswith("Raspberry Pi"))

    @property
    def filters(self) -> set[str]:
        """The names that config.txt's model filters have for it."""
        model = self.model or ""
        found = {f"pi{n}" for n in re.findall(r"Pi (?:Compute Module )?(\d)", model)}
        found |= {f"cm{n}" for n in re.findall(r"Compute Module (\d)", model)}
        return found | {f"pi{n}" for n in re.findall(r"Pi (\d00)", model)}


class Proposal(msgspec.Struct, frozen=True):
    """The changes, and what a technician should know besides."""

    changes: tuple[Change, ...]
    remarks: tuple[str, ...]


class _Boot(msgspec.Struct, frozen=True):
    """What config.txt says for this board: base parameters, overlays, everything else; the last word on each."""

    params: dict[str, str]
    overlays: list[str]
    values: dict[str, str]

    def on(self, param: str) -> bool:
        """Whether a base parameter is switched on."""
        return self.params.get(param, "off") in _ON


def propose(root: Path, settings: Settings, machine: Machine) -> Proposal:
    """What should change below `root` for this machine to start as a station by itself."""
    remarks: list[str] = []
    changes = [
        *_config(root, settings, machine, remarks),
        *_watchdog(root, machine, remarks),
        *_ssh(root, remarks),
        *_cloud(root, remarks),
    ]
    return Proposal(tuple(changes), tuple(remarks))


def said(root: Path, machine: Machine) -> _Boot:
    """What config.txt says for this board."""
    return _said(root, content(root, CONFIG) or b"", machine)


def _said(root: Path, data: bytes, machine: Machine, *, ours: bool = True) -> _Boot:
    """The same of a text that may not be written yet, with our block or without."""
    text = data if ours else b"\n".join(outside(data, CONFIG))
    boot = _Boot({}, [], {})
    for key, value in _lines(root, CONFIG, text, machine.filters):
        if key in ("dtparam", "device_tree_param"):
            boot.params.update((name, on) for name, _, on in (p.partition("=") for p in value.split(",")))
        elif key in ("dtoverlay", "device_tree_overlay"):
            boot.overlays.append(value.partition(",")[0])
        else:
            boot.values[key] = value
    return boot


def _lines(
    root: Path, path: str, data: bytes, filters: set[str], depth: int = 0
) -> Iterator[tuple[str, str]]:
    """Keys and values that hold for a board; a filter that can't be known here counts as closed."""
    model, other = True, True
    for raw in data.decode("utf-8", "replace").split("\n"):
        line = raw.strip()
        if line.startswith("["):
            name = line.strip("[]").strip()
            if name == "all":
                model, other = True, True
            elif re.fullmatch(r"(pi|cm)\d\w*\+?", name):
                model = name in filters
            else:
                other = False
        elif model and other and (found := re.fullmatch(r"include\s+(\S+)", line)):
            beside = str(Path(path).parent / Path(found[1]).name)
            if depth < _INCLUDES:
                yield from _lines(root, beside, content(root, beside) or b"", filters, depth + 1)
        elif model and other and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            yield key, value


def _config(root: Path, settings: Settings, machine: Machine, remarks: list[str]) -> list[Change]:
    if not machine.is_pi:
        remarks.append("not a Raspberry Pi: no config.txt to propose")
        return []
    data = content(root, CONFIG)
    if data is None:
        old = content(root, OLD_CONFIG) is not None
        why = "this system is older than Bookworm" if old else "is the first partition mounted?"
        remarks.append(f"{CONFIG} is not there ({why}): SPI, camera and watchdog are not set up")
        return []
    try:
        lines = _wanted(settings, machine, _said(root, data, machine, ours=False), remarks)
        after = with_block(data, ["[all]", *lines] if lines else [], CONFIG)
    except UpkeepError as error:
        remarks.append(f"{error}; {error.fix}")
        return []
    undone = _wanted(settings, machine, _said(root, after, machine), [])
    remarks += [f"a line below hipbar's in {CONFIG} takes `{line}` back" for line in undone if line[0] != "#"]
    return change(root, CONFIG, after)


def _wanted(settings: Settings, machine: Machine, boot: _Boot, remarks: list[str]) -> list[str]:
    """The lines that are not said yet."""
    lines = [*_bar(settings, boot, remarks), *_camera(settings, boot, remarks), *_pins(settings, boot)]
    if not machine.watchdog and not boot.on("watchdog"):
        lines += ["# no watchdog was found", "dtparam=watchdog=on"]
    return lines


def _bar(settings: Settings, boot: _Boot, remarks: list[str]) -> list[str]:
    if settings.strip.kind not in ("apa102", "ws2812"):
        return []
    bus = re.fullmatch(r"/dev/spidev(\d+)\.\d+", settings.strip.device)
    if not bus or bus[1] != "0":
        remarks.append(
            f"strip.device is {settings.strip.device}: that bus needs a dtoverlay of its own, not proposed"
        )
        return []
    return [] if boot.on("spi") else ["# the light bar's bus", "dtparam=spi=on"]


def _camera(settings: Settings, boot: _Boot, remarks: list[str]) -> list[str]:
    if settings.camera.source != "picamera":
        return []
    sensor = settings.camera.sensor.partition("-")[0]
    if others := sorted(_CAMERAS & set(boot.overlays) - {sensor}):
        remarks.append(
            f"{CONFIG} has dtoverlay={others[0]} too: take it out unless such a camera is there beside the {sensor}"
        )
    if sensor in boot.overlays:
        return []
    if sensor in _FOUND_BY_ITSELF:
        found = boot.values.get("camera_auto_detect") == "1"
        return [] if found else ["# the camera is looked for", "camera_auto_detect=1"]
    return ["# this camera is not found by itself", "camera_auto_detect=0", f"dtoverlay={sensor}"]


def _pins(settings: Settings, boot: _Boot) -> list[str]:
    """Pins that go back to inputs when their process dies: Pi kernels keep them as they were without this."""
    wired = settings.strip.kind == "shift-register" or (
        settings.panel.kind == "gpio" and settings.panel.light_pin >= 0
    )
    if not wired or boot.on("strict_gpiod"):
        return []
    return ["# pins are let go when their process dies: lights go dark", "dtparam=strict_gpiod"]


def _watchdog(root: Path, machine: Machine, remarks: list[str]) -> list[Change]:
    if not machine.is_pi and not machine.watchdog:
        remarks.append(
            "no hardware watchdog here: nothing starts the machine anew when the kernel stands still"
        )
        return []
    name = Path(WATCHDOG).name
    for folder in ("etc", "run", "usr/lib"):
        for path in sorted((root / folder / "systemd/system.conf.d").glob("*.conf")):
            if path.name > name and b"RuntimeWatchdogSec" in path.read_bytes():
                remarks.append(f"{path} comes after {name} and sets the watchdog too: its word holds")
    return change(root, WATCHDOG, WATCHDOG_TEXT)


def _ssh(root: Path, remarks: list[str]) -> list[Change]:
    """Passwords off, as soon as somebody can come in without one."""
    main = content(root, "/etc/ssh/sshd_config")
    if main is None:
        return []
    if not re.search(rb"(?mi)^\s*Include\s+/etc/ssh/sshd_config\.d/", main):
        remarks.append("sshd_config does not include sshd_config.d: passwords are left as they are")
        return []
    users = keyholders(root)
    if not users:
        remarks.append(
            "SSH keeps its passwords: no user has a key yet, and nobody must be locked out. "
            "Put one there from your computer: ssh-copy-id USER@THIS-MACHINE, then run setup again"
        )
        return []
    remarks.append(f"SSH by key only; keys are there for {', '.join(users)}")
    return change(root, SSH, SSH_TEXT)


def keyholders(root: Path) -> list[str]:
    """Users who may log in and have a key that sshd takes: in a file that only they and root can write to."""
    users = []
    for line in (content(root, "/etc/passwd") or b"").decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) != 7 or fields[6].endswith(("/nologin", "/false")) or not fields[2].isdigit():
            continue
        if _has_key(root, root / fields[5].lstrip("/"), int(fields[2])):
            users.append(fields[0])
    return users


def _has_key(root: Path, home: Path, uid: int) -> bool:
    for name in ("authorized_keys", "authorized_keys2"):
        keys = home / ".ssh" / name
        try:
            safe = all(
                not (seen := path.stat()).st_mode & 0o022 and seen.st_uid in (0, uid)
                for path in (home, home / ".ssh", keys)
            )
            lines = keys.read_bytes().splitlines() if safe else []
        except OSError:
            continue
        if any(line.strip() and not line.lstrip().startswith(b"#") for line in lines):
            return True
    return False


def _cloud(root: Path, remarks: list[str]) -> list[Change]:
    """cloud-init runs at every start, before everything else is up; it is needed for the first one only."""
    if not (root / "etc/cloud").is_dir():
        return []
    if not any((root / "var/lib/cloud/instances").glob("*/boot-finished")):
        remarks.append("cloud-init has not finished its first boot: run setup again when it has")
        return []
    return change(root, CLOUD, content(root, CLOUD) or CLOUD_TEXT)
