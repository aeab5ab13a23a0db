"""Pin numbers become outputs and inputs of the Pi's header, through whichever library is called `RPi.GPIO` here.

Two libraries bear that name: RPi.GPIO itself (registers; not on a Pi 5) and rpi-lgpio (the kernel's GPIO chip). Only
what both offer with the same meaning is used: numbering, set-up, output, input, clean-up. Their debounces differ, so
none is used. BCM numbers; True is 3.3 V. The library's state belongs to the whole process, so each `Pins` sets up and
cleans up only its own, and several can be open together.
Refuses, with `GpioRefused`, a missing library, chip or permission and a pin that somebody else has, before any pin
is touched.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.util
import logging
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from hw.gpio_chip import Chip, GpioRefused, Hold, busy, choose, survey

Library = Any
"""The module `RPi.GPIO`, of whichever library; neither has types."""

_INSTALL = "sudo apt install python3-rpi-lgpio (it replaces python3-rpi.gpio: never both)"

log = logging.getLogger("hipbar.gpio")


class Wires(Protocol):
    """Some pins, set up and ours."""

    def write(self, pin: int, high: bool) -> None:
        """Drive an output, or `OSError`."""

    def read(self, pin: int) -> bool:
        """Whether an input is high, or `OSError`."""

    def close(self) -> None:
        """Make inputs without a pull of them all, and let go. Closing twice is fine."""


def open_pins(outputs: Mapping[int, bool], pulled_up: Collection[int] = (), *, chip: str = "auto") -> Pins:
    """Outputs with their first level, and inputs with a pull-up, on the chip of that label."""
    found = choose(survey(), chip)
    hold = Hold(found, [*outputs, *pulled_up])
    try:
        return Pins(load(found), outputs, pulled_up, hold=hold, chip=found)
    except BaseException:
        hold.close()
        raise


class Pins:
    """The pins of one part of the station, driven through `library`; takes `hold` over."""

    def __init__(
        self,
        library: Library,
        outputs: Mapping[int, bool],
        pulled_up: Collection[int] = (),
        *,
        hold: Hold | None = None,
        chip: Chip | None = None,
    ) -> None:
        self._library, self._hold, self._chip = library, hold, chip
        self._levels = (library.LOW, library.HIGH)
        self._ours: list[int] = []
        try:
            for pin, high in outputs.items():
                self._begin(pin, library.OUT, initial=self._levels[high])
            for pin in pulled_up:
                self._begin(pin, library.IN, pull_up_down=library.PUD_UP)
        except BaseException:
            self.close()
            raise

    def write(self, pin: int, high: bool) -> None:
        """Drive an output."""
        try:
            self._library.output(pin, self._levels[high])
        except Exception as error:
            raise self._explained(pin, error) from None

    def read(self, pin: int) -> bool:
        """Whether an input is high."""
        try:
            return bool(self._library.input(pin))
        except Exception as error:
            raise self._explained(pin, error) from None

    def close(self) -> None:
        """Clean up these pins and no others."""
        ours, self._ours = self._ours, []
        for pin in ours:
            with contextlib.suppress(Exception):  # what is gone needs no cleaning
                self._library.cleanup([pin])
        if self._hold:
            self._hold.close()
        self._hold = None

    def _begin(self, pin: int, direction: int, **more: int) -> None:
        try:
            self._library.setup(pin, direction, **more)
        except Exception as error:
            raise self._explained(pin, error) from None
        self._ours.append(pin)

    def _explained(self, pin: int, error: Exception) -> GpioRefused:
        """A library's exception (RuntimeError, ValueError, lgpio.error) in a technician's words."""
        if "busy" in str(error).lower() and self._chip:
            return busy(self._chip, pin)
        return _in_words(error, f"GPIO {pin}")


def load(chip: Chip) -> Library:
    """The library, pointed at that chip and at BCM numbers."""
    os.environ["RPI_LGPIO_CHIP"] = str(chip.number)
    try:
        with _own_folder():
            library = importlib.import_module("RPi.GPIO")
        library.setwarnings(False)
        if library.getmode() not in (None, library.BCM):
            raise GpioRefused(
                "GPIO: this process counts pins by board position already",
                fix="use BCM numbers everywhere",
                number=errno.EBUSY,
            )
        library.setmode(library.BCM)
    except GpioRefused:
        raise
    except Exception as error:
        raise _in_words(error, "GPIO library") from None
    if len(names()) > 1:
        log.warning("both RPi.GPIO and rpi-lgpio are installed, %s is in force: remove one", kind(library))
    return library


def kind(library: Library) -> str:
    """Which library it is. Only RPi.GPIO's own functions are compiled."""
    return "rpi-lgpio" if hasattr(library.setup, "__code__") else "RPi.GPIO"


def names() -> dict[str, str]:
    """The libraries that are installed, with their versions; two of them overwrite each other."""
    there = {}
    for name in ("rpi-lgpio", "RPi.GPIO"):
        with contextlib.suppress(PackageNotFoundError):
            there[name] = version(name)
    with contextlib.suppress(ImportError):
        if not there and importlib.util.find_spec("RPi.GPIO"):
            there["RPi.GPIO"] = "of unknown version"
    return there


@contextlib.contextmanager
def _own_folder() -> Iterator[None]:
    """lgpio wants to leave a pipe in the working folder while it is imported, and changes that folder: both undone.

    The folder may be read-only (a service's is), and a pipe that is open needs no name any more.
    """
    before = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with tempfile.TemporaryDirectory(
            prefix="hipbar-", dir=os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or None
        ) as folder:
            os.environ.setdefault("LG_WD", folder)
            try:
                yield
            finally:
                os.fchdir(before)
                if os.environ["LG_WD"] == folder:
                    del os.environ["LG_WD"]
    finally:
        os.close(before)


_KNOWN = (
    ("only be run on a raspberry pi", "this is not a Raspberry Pi", "leave it out elsewhere"),
    ("peripheral base address", "RPi.GPIO can't drive this board (a Pi 5?)", _INSTALL),
    ("not imported correctly", "RPi.GPIO can't drive this board", _INSTALL),
    ("no access to /dev/mem", "not permitted", "add this user to the group `gpio` and log in again"),
    ("can not open gpiochip", "the chip can't be opened", "`hipbar panel --list` shows the chips"),
    ("busy", "busy: used by another program", "`hipbar panel --list` shows who uses which pin"),
)
"""What the libraries say, in parts that they say whatever their version, and what it means."""


def _in_words(error: Exception, where: str) -> GpioRefused:
    if isinstance(error, ImportError):
        return GpioRefused(f"{where}: no module RPi.GPIO here", fix=_INSTALL, number=errno.ENOENT)
    text = " ".join(str(error).split()) or type(error).__name__
    for said, what, fix in _KNOWN:
        if said in text.lower():
            return GpioRefused(f"{where}: {what}", fix=fix)
    return GpioRefused(f"{where}: {text}", fix="check the wiring; `hipbar panel --list` shows the pins")
