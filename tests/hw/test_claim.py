"""A device belongs to one process at a time, and whoever is refused hears who has it: real locks, real processes."""

import errno
import os
import subprocess
import sys

import pytest

from hw.camera.listing import devices
from hw.camera.v4l2 import _lost_to
from hw.claim import claim, holder

_HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
if sys.argv[2] == "lock":
    fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["lock", "open"])
def held(request, tmp_path):
    """A file that another process has locked, or just open; and that process."""
    path = tmp_path / "video0"
    path.write_bytes(b"")
    words = [sys.executable, "-c", _HOLD, str(path), request.param]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        yield str(path), other, request.param
        other.stdin.close()


def test_who_has_a_device_is_named(held):
    path, other, _ = held
    assert holder(path).startswith(f"process {other.pid} (python")


def test_a_locked_device_is_refused_and_an_open_one_can_be_claimed(held):
    path, _, how = held
    fd = os.open(path, os.O_RDWR)
    try:
        if how == "open":
            claim(fd)
        else:
            with pytest.raises(OSError) as refused:
                claim(fd)
            assert refused.value.errno == errno.EBUSY
    finally:
        os.close(fd)


def test_the_refusal_says_who_and_what_to_do(held):
    path, other, _ = held
    lost = _lost_to(path, OSError(errno.EBUSY, "busy"))
    assert f"busy: used by process {other.pid}" in str(lost)
    assert lost.fix


def test_a_device_that_nobody_has_can_be_claimed_and_comes_free_with_its_descriptor(tmp_path):
    path = tmp_path / "video0"
    path.write_bytes(b"")
    for _ in range(3):
        fd = os.open(path, os.O_RDWR)
        claim(fd)
        os.close(fd)
    assert holder(str(path)) is None
    assert holder(str(tmp_path / "nothing")) is None


def test_what_is_no_camera_is_not_listed(tmp_path):
    for name in ("video0", "video1x", "videos"):
        (tmp_path / name).write_bytes(b"")
    assert devices(tmp_path) == ()
    (tmp_path / "video10").mkdir()
    (listed,) = devices(tmp_path)
    assert listed.trouble == "Is a directory"
