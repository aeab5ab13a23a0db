"""What the parts of the station have to say becomes lines on standard error, which systemd keeps in its journal.

Under systemd each line carries its priority in the way that sd-daemon(3) describes; elsewhere the program's name.
Refuses to wait: a line that nobody takes off is left out and counted, because whoever logs may be lighting the bar.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sys
import traceback
from collections.abc import Iterator
from typing import TextIO

_PRIORITIES = {logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}

_LONGEST = 1000
"""Characters of a line: whatever their bytes, a pipe that says it is ready has room for so many (pipe(7): 4096)."""


class _Line(logging.Formatter):
    """One line, whatever the message holds."""

    def __init__(self, prefix: str, *, journal: bool) -> None:
        super().__init__()
        self._prefix, self._journal = prefix, journal

    def format(self, record: logging.LogRecord) -> str:
        text = " ".join((record.getMessage() + _cause(record)).split())[:_LONGEST]
        part = record.name.rpartition(".")[2]
        who = f"<{_PRIORITIES.get(record.levelno, 6)}>" if self._journal else f"{self._prefix}hipbar: "
        return f"{who}{part}: {text}"


def _cause(record: logging.LogRecord) -> str:
    """The exception that a line is about, and where it was raised."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return ""
    places = traceback.extract_tb(error.__traceback__)
    return f": {error!r}" + (f" ({places[-1].filename}:{places[-1].lineno})" if places else "")


class _Patient(logging.StreamHandler[TextIO]):
    """Standard error, written to only while there is room: a pipe or socket that is ready takes a short line whole."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._missed = 0

    def emit(self, record: logging.LogRecord) -> None:
        """One line, or one more that is missed."""
        if not _has_room(self.stream):
            self._missed += 1
            return
        missed, self._missed = self._missed, 0
        if missed:
            words = "%d lines before this one are missing: nobody took them"
            super().emit(logging.LogRecord("hipbar.journal", logging.WARNING, "", 0, words, (missed,), None))
        super().emit(record)


def _has_room(stream: TextIO) -> bool:
    """Whether a short line can be written without waiting; what can't be asked (a test's buffer, a file) has."""
    try:
        asking = select.poll()
        asking.register(stream.fileno(), select.POLLOUT)
        return bool(asking.poll(0))
    except (OSError, ValueError):
        return True


@contextlib.contextmanager
def journal() -> Iterator[None]:
    """Sends what is logged under the name `hipbar` to standard error for as long as it lasts."""
    handler = _Patient()
    prefix = "\r\x1b[K" if sys.stderr.isatty() else ""  # a bar drawn on this terminal's line gives way
    handler.setFormatter(_Line(prefix, journal=_in_journal()))
    ours = logging.getLogger("hipbar")
    before = ours.handlers, ours.propagate, ours.level
    ours.handlers, ours.propagate = [handler], False
    ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.handlers, ours.propagate, level = before
        ours.setLevel(level)


def _in_journal() -> bool:
    """Whether standard error leads to systemd's journal: its device and inode are those that systemd named."""
    named = os.environ.get("JOURNAL_STREAM", "")
    try:
        here = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{here.st_dev}:{here.st_ino}"
