"""The kernel's GPIO chips become a list with labels and users; a pin becomes ours, or a refusal that says whose it is.

Chips are found by label, because their numbers moved between kernels. Pins are line offsets, which on a Pi are BCM
numbers. A pin in use by a station is locked with byte n of the chip's file for pin n (an open file description
lock): `RPi.GPIO` writes to registers past the kernel, so the kernel alone would let two stations fight over a pin.
Refuses, with `GpioRefused`, chips that are missing or not permitted and pins that somebody else has.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from hw.claim import process

PI_LABELS = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""The header's chip on a Pi 5, a Pi 4, and those before."""

GET_CHIPINFO, GET_LINEINFO = 0x8044_B401, 0xC100_B405
"""Calls of linux/gpio.h; a call's number contains its structure's size, so a wrong layout is refused by the kernel."""

_CHIP = struct.Struct("=32s32sI")
_LINE = struct.Struct("=32s32sIIQ176x")
_LOCK = struct.Struct("@hhqqi4x")
_USED, _OUTPUT = 0x1, 0x8
_GROUP = "add this user to the group `gpio` and log in again"


class GpioRefused(OSError):
    """A chip or pin that can't be had: `str(error)` is what and where, `error.fix` what to do."""

    def __init__(self, what: str, *, fix: str, number: int = errno.EIO) -> None:
        super().__init__(number, what)
        self.fix = fix

    def __str__(self) -> str:
        """What and where, without the number that only programs need."""
        return str(self.strerror)


class Chip(msgspec.Struct, frozen=True):
    """One GPIO chip: its kernel name (`gpiochip0`), label and number of lines; `path` opens it."""

    path: str
    name: str
    label: str
    lines: int

    @property
    def number(self) -> int:
        """The number in the kernel's name."""
        return int(self.name.removeprefix("gpiochip"))


class Line(msgspec.Struct, frozen=True):
    """What the kernel says about one pin; `consumer` is the name that its user gave, which may be empty."""

    pin: int
    name: str
    used: bool
    output: bool
    consumer: str


class Survey(msgspec.Struct, frozen=True):
    """The chips of this machine that could be opened, and the files of those that are not permitted."""

    chips: tuple[Chip, ...]
    denied: tuple[str, ...] = ()


def survey(folder: Path = Path("/dev")) -> Survey:
    """Every GPIO chip once, in the order of the kernel's numbers; a second name for a chip is left out."""
    chips: dict[str, Chip] = {}
    denied = []
    for path in sorted(folder.glob("gpiochip*")):
        try:
            chip = _asked(str(path))
        except PermissionError:
            denied.append(str(path))
        except OSError:
            continue  # not a chip, or gone meanwhile
        else:
            chips.setdefault(chip.name, chip)
    return Survey(tuple(sorted(chips.values(), key=lambda c: c.number)), tuple(denied))


def choose(found: Survey, wanted: str) -> Chip:
    """The chip with the label `wanted`; "auto" is the Pi's own."""
    for label in PI_LABELS if wanted == "auto" else (wanted,):
        for chip in found.chips:
            if chip.label == label:
                return chip
    if found.denied:
        raise GpioRefused(f"{', '.join(found.denied)}: not permitted", fix=_GROUP, number=errno.EACCES)
    asked = "no GPIO chip of a Raspberry Pi" if wanted == "auto" else f"no GPIO chip labelled {wanted}"
    there = ", ".join(c.label or c.name for c in found.chips) or "none at all"
    fix = "choose one in gpio.chip" if found.chips else "it needs a Raspberry Pi; leave it out elsewhere"
    raise GpioRefused(f"{asked}; there is {there}", fix=fix, number=errno.ENODEV)


def lines(chip: Chip) -> list[Line]:
    """Every line of a chip, as the kernel knows it."""
    fd = os.open(chip.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return [_line(fd, pin) for pin in range(chip.lines)]
    finally:
        os.close(fd)


class Hold:
    """Pins that no other station may use meanwhile. Letting go twice is fine; a dead process lets go by itself."""

    def __init__(self, chip: Chip, pins: Collection[int], *, proc: Path = Path("/proc")) -> None:
        self._chip, self._proc, self._fd = chip, proc, -1
        try:
            self._fd = os.open(chip.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise _unopened(chip, error) from None
        try:
            for pin in pins:
                self._take(pin)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the pins."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _take(self, pin: int) -> None:
        if pin >= self._chip.lines:
            fix = f"{self._chip.label} has pins 0 to {self._chip.lines - 1}"
            raise GpioRefused(f"GPIO {pin}: no such pin", fix=fix, number=errno.EINVAL)
        try:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, pin, 1, 0))
        except (BlockingIOError, PermissionError):
            raise busy(self._chip, pin, proc=self._proc) from None
        if (line := self._asked(pin)) and line.used:
            # without our own lock, or we would be taken for the pin's user
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _LOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, pin, 1, 0))
            raise busy(self._chip, pin, line.consumer, proc=self._proc)

    def _asked(self, pin: int) -> Line | None:
        """What the kernel says of a pin; one before 5.10 tells nothing of its lines."""
        try:
            return _line(self._fd, pin)
        except OSError:
            return None


def busy(chip: Chip, pin: int, consumer: str = "", *, proc: Path = Path("/proc")) -> GpioRefused:
    """The refusal of a pin that somebody else has, with all that is known of them."""
    who = holder(chip, pin, proc=proc)
    named = f'"{consumer}"' if consumer else ""
    told = " as ".join(w for w in (who, named) if w) or "another program"
    fix = "stop that one first" if who else "give the part another pin, or switch off what uses this one"
    return GpioRefused(f"GPIO {pin} of {chip.label}: busy: used by {told}", fix=fix, number=errno.EBUSY)


def holder(chip: Chip, pin: int, *, proc: Path = Path("/proc")) -> str | None:
    """Which process has a pin, as "process 123 (hipbar)"; None when nobody is found or it may not be known."""
    with contextlib.suppress(OSError):
        inode = os.stat(chip.path).st_ino  # noqa: PTH116 (a device's number)
        for file in proc.glob("[0-9]*/fdinfo/*"):
            with contextlib.suppress(OSError):
                if _holds(file.read_text(encoding="ascii", errors="replace"), chip, inode, pin):
                    return process(file.parents[1])
    return None


def _holds(fdinfo: str, chip: Chip, inode: int, pin: int) -> bool:
    """Whether a /proc/*/fdinfo file is about this pin: a line that was asked for, or one of our locks."""
    words = [line.split() for line in fdinfo.splitlines()]
    if ["gpio-chip:", chip.name] in words and ["gpio-line:", str(pin)] in words:
        return True
    return any(
        w[0] == "lock:"
        and "OFDLCK" in w
        and w[-3].endswith(f":{inode}")
        and int(w[-2]) <= pin <= _last(w[-1])
        for w in words
        if len(w) > 5
    )


def _last(word: str) -> float:
    return float("inf") if word == "EOF" else int(word)


def _asked(path: str) -> Chip:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return chip_of(fcntl.ioctl(fd, GET_CHIPINFO, bytes(_CHIP.size)), path)
    finally:
        os.close(fd)


def chip_of(raw: bytes, path: str) -> Chip:
    """The kernel's structure as a `Chip`."""
    name, label, count = _CHIP.unpack(raw)
    return Chip(path, _text(name), _text(label), count)


def line_of(raw: bytes) -> Line:
    """The kernel's structure as a `Line`."""
    name, consumer, pin, _, flags = _LINE.unpack(raw)
    return Line(pin, _text(name), bool(flags & _USED), bool(flags & _OUTPUT), _text(consumer))


def _line(fd: int, pin: int) -> Line:
    return line_of(fcntl.ioctl(fd, GET_LINEINFO, _LINE.pack(b"", b"", pin, 0, 0)))


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "replace")


def _unopened(chip: Chip, error: OSError) -> GpioRefused:
    number = error.errno or errno.EIO
    if number in (errno.EACCES, errno.EPERM):
        return GpioRefused(f"{chip.path}: not permitted", fix=_GROUP, number=number)
    return GpioRefused(
        f"{chip.path}: {os.strerror(number).lower()}", fix="`hipbar panel --list`", number=number
    )


def walk(found: Survey) -> Iterator[tuple[Chip, list[Line]]]:
    """Every chip with its lines that are in use, for a person to look at."""
    for chip in found.chips:
        with contextlib.suppress(OSError):
            yield chip, [line for line in lines(chip) if line.used]
