"""What the parts of the station have to say becomes lines on standard error, which systemd keeps in its journal.

Under systemd each line carries its priority in the way that sd-daemon(3) describes; elsewhere the program's name.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

_PRIORITIES = {logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


class _Line(logging.Formatter):
    """One line, whatever the message holds."""

    def __init__(self, prefix: str, *, journal: bool) -> None:
        super().__init__()
        self._prefix, self._journal = prefix, journal

    def format(self, record: logging.LogRecord) -> str:
        text = " ".join(record.getMessage().split())
        part = record.name.rpartition(".")[2]
        who = f"<{_PRIORITIES.get(record.levelno, 6)}>" if self._journal else f"{self._prefix}hipbar: "
        return f"{who}{part}: {text}"


@contextlib.contextmanager
def journal() -> Iterator[None]:
    """Sends what is logged under the name `hipbar` to standard error for as long as it lasts."""
    handler = logging.StreamHandler(sys.stderr)
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
