"""A program on a pseudo-terminal of a size and speed of one's choice, and what a person would see there.

The terminal understands what xterm does (pyte), answers questions about its cursor, and takes no more than so many
bytes a second, as a serial line would.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import pyte

from tests.terminals import pair

LONG_S = 40.0


class _Glass(pyte.Screen):  # type: ignore[misc]
    """A screen whose answers go back to the program."""

    answers: Callable[[bytes], None]

    def write_process_input(self, data: str) -> None:
        self.answers(data.encode())


_LOGIN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the terminal on standard input the process's own, as a login does, and becomes the program."""


class Terminal:
    """One program; leaving the block ends it.

    bytes_s : how many bytes a second the line carries, 0 = any number. drawn : False = nothing is drawn here, which
    takes a processor's time; only questions are answered.
    """

    def __init__(
        self,
        words: Sequence[str],
        env: Mapping[str, str],
        size: tuple[int, int] = (80, 24),
        bytes_s: float = 0.0,
        deaf: bool = False,
        bytewise: bool = False,
        drawn: bool = True,
    ) -> None:
        self._ours, theirs = pair()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self._glass = _Glass(*size)
        self._glass.answers = (lambda _: None) if deaf else self._type
        self._stream = pyte.ByteStream(self._glass)
        if bytewise:
            self._stream.select_other_charset("@")  # a terminal that takes each byte for a character
        self._lock, self._bytes_s, self._ended = threading.Lock(), bytes_s, False
        self.taken, self._drawn = 0, drawn
        self.raw = bytearray()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LOGIN, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            env=dict(env),
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def lines(self) -> list[str]:
        """What is on the screen now."""
        with self._lock:
            return list(self._glass.display)

    def text(self) -> str:
        return "\n".join(self.lines())

    def cell(self, x: int, y: int) -> pyte.screens.Char:
        """One cell with its colours."""
        with self._lock:
            return self._glass.buffer[y][x]

    def press(self, keys: str) -> None:
        self._type(keys.encode())

    def resize(self, width: int, height: int) -> None:
        with self._lock:
            self._glass.resize(height, width)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def hang_up(self) -> None:
        """The line is cut."""
        self._ended = True
        self._reader.join(5)
        os.close(self._ours)

    def shows(self, wanted: str | Callable[[str], object], within_s: float = LONG_S) -> str:
        """Waits until the screen shows this; the screen."""
        until_s = time.monotonic() + within_s
        seen = wanted if callable(wanted) else (lambda text: wanted in text)
        while time.monotonic() < until_s:
            text = self.text()
            if seen(text):
                return text
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        code = self.process.poll()
        errors = self.process.stderr.read().decode() if code is not None and self.process.stderr else ""
        raise AssertionError(f"never so (exit code {code}, {errors}):\n{self.text()}")

    def left(self) -> bytes:
        """Everything that was written, once the program has ended."""
        until_s = time.monotonic() + 2.0
        while time.monotonic() < until_s and b"\x1b[?1004l" not in self.raw:
            time.sleep(0.02)
        return bytes(self.raw)

    def ended(self, within_s: float = LONG_S) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(within_s)

    def close(self) -> None:
        self._ended = True
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        if self.process.stderr:
            self.process.stderr.close()
        self._reader.join(5)
        with contextlib.suppress(OSError):
            os.close(self._ours)

    def _type(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._ours, data)

    def _read(self) -> None:
        """Takes what the program writes, at the line's speed."""
        due_s = time.monotonic()
        most = max(int(self._bytes_s / 50), 1) if self._bytes_s else 65536
        while not self._ended:
            if not select.select([self._ours], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self._ours, most)
            except OSError:
                return
            if self._bytes_s:
                due_s = max(due_s, time.monotonic()) + len(data) / self._bytes_s
                time.sleep(max(due_s - time.monotonic(), 0.0))
            with self._lock:
                self.taken += len(data)
                self.raw += data
                if self._drawn:
                    self._stream.feed(data)
            if not self._drawn and b"\x1b[6n" in data:
                self._type(b"\x1b[1;2R")
