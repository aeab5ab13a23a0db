"""A pseudo-terminal for tests that look at what a person sees; skipped where the machine has none to give."""

from __future__ import annotations

import os

import pytest


def pair() -> tuple[int, int]:
    """Our end and the program's end."""
    try:
        return os.openpty()
    except OSError as error:  # a bare chroot without /dev/pts
        pytest.skip(f"no pseudo-terminal on this machine: {error}")
