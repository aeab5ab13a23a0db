"""A device that can stall, be pulled out and come back becomes an even stream: a frame, or None after 50 ms at most.

While nothing comes None follows every 20 ms, so that the light goes out step by step. Seconds on the monotonic clock.
What may take long (starting a stream anew, opening a device again) runs aside, and None goes on meanwhile. Every event
is a line on the logger "hipbar.camera".
Refuses to wait for ever: `CameraLost` after the times in `hw.camera.patience`, whatever the device does.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from collections.abc import Iterator
from typing import Protocol

from appliance.errors import CameraLost
from appliance.records import LOOK_S, Frame
from hw.camera import LONGEST_WAIT_S
from hw.camera.aside import Aside, within
from hw.camera.patience import Absence, Patience, Verdict

WAIT_S = LONGEST_WAIT_S - 0.005
"""So long at most the first look for a frame takes."""

AGAIN_S = LOOK_S - 0.005
"""So long at most each further look takes, while nothing comes."""

GONE = frozenset({errno.ENODEV, errno.ENXIO})
"""What the kernel answers for a device that has been pulled out."""

_CLOSING_S = 2.0
_log = logging.getLogger("hipbar.camera")


class Device(Protocol):
    """What a driver can do with its device. `OSError` with an errno of `GONE` says that it was pulled out."""

    @property
    def is_open(self) -> bool:
        """False once the camera was closed."""

    def newest(self, wait_s: float) -> Frame | None:
        """The newest frame, waiting for it no longer than `wait_s`. Takes back what was given before."""

    def give_back(self) -> None:
        """The reader is done with the last frame."""

    def close(self) -> None:
        """Stop the stream and let go of the device; may hang."""

    def restart(self) -> None:
        """Stop the stream and start it again; may take long, may hang."""

    def let_go(self) -> None:
        """Drop a device that was pulled out."""

    def open(self) -> None:
        """Open the same device again; may take long, may hang."""


class Live:
    """Frames of one device, with the patience that live cameras have."""

    def __init__(self, device: Device, name: str, fix: str) -> None:
        self._device, self._name, self._fix = device, name, fix
        self._last_s = time.monotonic()
        self._patience = Patience(self._last_s)
        self._absence: Absence | None = None
        self._away_s: float | None = None  # since when; being plugged in without a frame does not end it
        self._told_back = False
        self._job: Aside[None] | None = None
        self._troubled, self._wait_s = False, WAIT_S
        self.restarts = 0

    def frames(self) -> Iterator[Frame | None]:
        """Frames and Nones until the camera is closed."""
        self._last_s = time.monotonic()
        self._patience.opened(self._last_s)
        try:
            while self._device.is_open:
                frame = self._one()
                self._wait_s = WAIT_S if frame is not None else AGAIN_S
                yield frame
        finally:
            if self._job is None:
                with contextlib.suppress(OSError):  # a device that is gone has nothing to get back
                    self._device.give_back()

    def settle(self) -> bool:
        """Before closing: wait a moment for what runs aside; whether nothing does any more."""
        return self._job is None or self._job.ended(_CLOSING_S)

    def shut(self) -> None:
        """Close the device; one that does not answer is left as it is."""
        if self.settle():
            with contextlib.suppress(TimeoutError):
                within(_CLOSING_S, self._device.close)
                return
        _log.warning("%s: does not answer: left as it is", self._name)

    def _one(self) -> Frame | None:
        if self._job is not None:
            self._wait_for(self._job)
            return None
        if self._absence is not None:
            self._look(self._absence)
            return None
        try:
            frame = self._device.newest(self._wait_s)
        except OSError as error:
            if error.errno not in GONE:
                raise
            self._gone()
            return None
        now_s = time.monotonic()
        if frame is None:
            self._bear(now_s)
        else:
            self._hear(now_s)
        return frame

    def _hear(self, now_s: float) -> None:
        self._patience.heard(now_s)
        if self._troubled:
            _log.info("%s: frames again after %.1f s", self._name, now_s - self._last_s)
        self._last_s, self._troubled = now_s, False
        self._away_s, self._told_back = None, False

    def _wait_for(self, job: Aside[None]) -> None:
        """Look at what runs aside: when it has ended at its outcome; what takes too long ends the camera."""
        if not job.ended(self._wait_s):
            self._bear(time.monotonic())
            return
        self._job = None
        try:
            job.result()
        except OSError as error:
            self._failed(error)
        else:
            self._worked()

    def _worked(self) -> None:
        if self._absence is not None:
            if not self._told_back:
                _log.info("%s: plugged in again", self._name)
            self._told_back = True
            self._absence = None
            self._patience.opened(time.monotonic())

    def _failed(self, error: OSError) -> None:
        if self._absence is not None:
            return  # not there yet: the next look will tell
        if error.errno in GONE:
            self._gone()
        else:
            _log.warning("%s: it did not start again: %s", self._name, error.strerror or error)

    def _bear(self, now_s: float) -> None:
        """Be patient, then restart once, then give up."""
        if self._absence is not None:
            self._check_absence(self._absence, now_s)
            return
        verdict = self._patience.verdict(now_s)
        if verdict is Verdict.WAIT:
            return
        silent_s = self._patience.silent_s(now_s)
        if verdict is Verdict.LOST:
            raise CameraLost(
                f"{self._name}: no frame for {silent_s:.1f} s, not even after a restart", fix=self._fix
            )
        _log.warning("%s: no frame for %.1f s: restarting the stream", self._name, silent_s)
        self._troubled = True
        self.restarts += 1
        self._job = Aside(self._device.restart)

    def _gone(self) -> None:
        now_s = time.monotonic()
        if self._away_s is None:
            _log.warning("%s: pulled out: looking for it for 30 s", self._name)
            self._away_s = now_s
        self._device.let_go()
        self._troubled = True
        self._absence = Absence(now_s, self._away_s)

    def _look(self, absence: Absence) -> None:
        """Look for the device when it is time to."""
        now_s = time.monotonic()
        self._check_absence(absence, now_s)
        if absence.due(now_s):
            self._job = Aside(self._device.open)
        else:
            time.sleep(self._wait_s)

    def _check_absence(self, absence: Absence, now_s: float) -> None:
        if absence.over(now_s):
            raise CameraLost(
                f"{self._name}: pulled out {absence.lasted_s(now_s):.0f} s ago and not back",
                fix="plug the camera in again, into another port if it happens often",
            )
