"""What hangs on this machine becomes a list of cameras: the kernel's video devices, and libcamera's where it is.

Rates in frames a second. A device that may not be opened is listed with the reason. Refuses nothing: a machine without
cameras gives an empty list.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from appliance.errors import CameraLost
from hw.camera import kernel_controls, kernel_video, pi_library
from hw.camera.kernel_controls import Offer
from hw.claim import holder

_LIBCAMERAS = ("unicam", "rp1-cfe", "pispbe", "bcm2835-isp")
"""Drivers of a Pi's own camera connector: their devices are libcamera's to use."""


class Device(msgspec.Struct, frozen=True):
    """A video device that can capture, or might: `trouble` says why it could not be asked or used."""

    device: str
    by_id: str = ""
    name: str = ""
    driver: str = ""
    offers: tuple[Offer, ...] = ()
    trouble: str = ""


def devices(folder: Path = Path("/dev")) -> tuple[Device, ...]:
    """The kernel's capture devices, in the order of their numbers."""
    numbered = [p for p in folder.glob("video*") if p.name[5:].isdigit()]
    found = (_device(str(p), _by_id(p)) for p in sorted(numbered, key=lambda p: int(p.name[5:])))
    return tuple(device for device in found if device is not None)


def pi_cameras() -> tuple[list[str], str]:
    """The models that libcamera finds, and why it could not be asked ("" when it could)."""
    try:
        return pi_library.cameras(pi_library.load()), ""
    except CameraLost as lost:
        return [], f"{lost}; {lost.fix}"
    except Exception as error:  # the library's own kinds of failure
        return [], f"libcamera fails: {error}"


def _by_id(path: Path) -> str:
    """The name that stays when cameras are plugged in another order."""
    for folder in ("by-id", "by-path"):
        for link in sorted((path.parent / "v4l" / folder).glob("*")):
            if link.resolve() == path.resolve():
                return str(link)
    return ""


def _device(path: str, by_id: str) -> Device | None:
    """None for a device that captures nothing: a camera's second one for metadata, a video codec."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return Device(path, by_id, trouble="not permitted: add this user to the group `video`")
    except OSError as error:
        return Device(path, by_id, trouble=error.strerror or str(error))
    try:
        driver, name = kernel_video.describe(fd)
        if driver in _LIBCAMERAS:
            return Device(path, by_id, name, driver, trouble='libcamera\'s: use camera.source = "picamera"')
        user = holder(path)
        busy = f"used by {user}" if user else ""
        return Device(path, by_id, name, driver, kernel_controls.offers(fd), busy)
    except OSError:
        return None
    finally:
        os.close(fd)
