"""A V4L2 camera's buffers become frames, stamped by the driver on the monotonic clock.

Luma from GREY, NV12, YU12, YUYV, UYVY or MJPG, the first of them that reaches the wanted rate. A driver stamps the
start of exposure or the end of the frame, and says which; a frame is stamped mid-exposure of its first row. A driver
that does not stamp monotonically gets the time of arrival instead, and `stamped_by` says so. Only the newest waiting
buffer is delivered, older ones are lost. The kernel is spoken to directly: OpenCV's reader waits in whole seconds and
hides the stamps, and the pure-Python library for it carries a licence that this product's does not go with.
Refuses, with `CameraLost`, what is missing, no camera, busy or not permitted, and a stream that stays silent for 2 s
and for 2 s more after one restart.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.errors import CameraLost
from appliance.records import Frame
from hw.camera import LONGEST_WAIT_S, kernel_video
from hw.camera.kernel_video import Buffer

RESTART_S = 2.0
LOST_S = 4.0
_BUFFERS = 4
_POLL_S = LONGEST_WAIT_S - 0.005

_REMEDY = {
    errno.ENOENT: ("no such device", "plug the camera in; `ls /dev/v4l/by-id` shows what is there"),
    errno.ENODEV: ("the device is gone", "plug the camera in again, into another port if it happens often"),
    errno.ENXIO: ("the device is gone", "plug the camera in again, into another port if it happens often"),
    errno.EACCES: ("not permitted", "add this user to the group `video` and log in again"),
    errno.EPERM: ("not permitted", "add this user to the group `video` and log in again"),
    errno.EBUSY: ("busy", "close the other program that uses the camera"),
    errno.EISDIR: ("is a folder", "name the device itself, for example /dev/video0"),
    errno.ENOTTY: ("not a camera", "name a video device; `ls /dev/v4l/by-id` shows what is there"),
    errno.EINVAL: ("gives no picture that can be used", "try another /dev/video number of the same camera"),
}


class V4l2Camera:
    """A camera of the Linux kernel."""

    def __init__(
        self, device: str = "/dev/video0", *, size: tuple[int, int], rate_hz: float, row_s: float = 0.0
    ) -> None:
        self._device, self._row_s = device, row_s
        self._lost, self._restarted = 0, False
        self._first_seq, self._next_seq = 0, 0
        self.stamped_by = "driver"
        self._maps: list[mmap.mmap] = []
        self._fd = -1
        try:
            self._fd = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            self._layout, self._rate_hz = kernel_video.configure(self._fd, size, rate_hz)
            self._exposure_s = kernel_video.exposure_s(self._fd)
            self._start()
        except OSError as error:
            self.close()
            raise self._lost_to(error) from None
        self._size = self._layout.width_px, self._layout.height_px

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that the driver granted."""
        return self._size

    @property
    def rate_hz(self) -> float:
        """Frames a second that the driver granted."""
        return self._rate_hz

    @property
    def lost(self) -> int:
        """Frames that the driver skipped or damaged, or that were waiting behind a newer one."""
        return self._lost

    def now_s(self) -> float:
        """Now on the frames' clock."""
        return time.monotonic()

    def close(self) -> None:
        """Stop the stream and let go of the device."""
        self._stop()
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def frames(self) -> Iterator[Frame | None]:
        """The newest frame again and again, None when none came for a while."""
        silent_since_s = time.monotonic()
        try:
            while self._fd >= 0:
                frame = self._newest()
                if frame is not None:
                    silent_since_s, self._restarted = time.monotonic(), False
                else:
                    self._bear(time.monotonic() - silent_since_s)
                yield frame
        except OSError as error:
            raise self._lost_to(error) from None

    def _newest(self) -> Frame | None:
        """Wait for buffers, keep the newest good one, give them all back."""
        ready = select.poll()
        ready.register(self._fd, select.POLLIN)
        events = ready.poll(_POLL_S * 1e3)
        if not events:
            return None
        if not events[0][1] & select.POLLIN:
            time.sleep(_POLL_S)  # an error state is reported at once, again and again; silence then decides
        taken = []
        while (buffer := kernel_video.take(self._fd)) is not None:
            taken.append(buffer)
        arrival_s = time.monotonic()
        frame = next((f for b in reversed(taken) if (f := self._frame(b, arrival_s)) is not None), None)
        for buffer in taken:
            kernel_video.give(self._fd, buffer.index)
        if frame is not None:
            self._lost += max(0, frame.seq - self._next_seq) if self._next_seq > self._first_seq else 0
            self._next_seq = frame.seq + 1
        return frame

    def _frame(self, buffer: Buffer, arrival_s: float) -> Frame | None:
        luma = None if buffer.damaged else self._layout.luma(self._maps[buffer.index], buffer.used)
        if luma is None:
            return None
        readout_s = self._row_s * (self._size[1] - 1)
        t_s = buffer.exposed_s(self._exposure_s, readout_s)
        self.stamped_by = "arrival" if t_s is None else "driver"
        return Frame(
            seq=self._first_seq + buffer.seq,
            t_s=arrival_s if t_s is None else t_s,
            luma=luma,
            row_s=self._row_s,
        )

    def _bear(self, silent_s: float) -> None:
        """Be patient, then restart once, then give up."""
        what = verdict(silent_s, restarted=self._restarted)
        if what == "lost":
            raise CameraLost(
                f"{self._device}: no frame for {silent_s:.1f} s, not even after a restart",
                fix="reseat the camera's cable at both ends",
            )
        if what == "restart":
            self._restarted = True
            self._stop()
            self._start()

    def _start(self) -> None:
        self._maps = kernel_video.map_buffers(self._fd, _BUFFERS)
        self._first_seq = self._next_seq  # the driver counts from zero again
        for index in range(len(self._maps)):
            kernel_video.give(self._fd, index)
        kernel_video.stream(self._fd, on=True)

    def _stop(self) -> None:
        if self._fd >= 0 and self._maps:
            with contextlib.suppress(OSError):  # a device that is gone can't be stopped either
                kernel_video.stream(self._fd, on=False)
        for mapped in self._maps:
            mapped.close()
        if self._fd >= 0 and self._maps:
            kernel_video.free_buffers(self._fd)
        self._maps = []

    def _lost_to(self, error: OSError) -> CameraLost:
        there = sorted(str(p) for p in Path("/dev").glob("video*"))
        what, fix = _REMEDY.get(
            error.errno or 0, (os.strerror(error.errno or 0), "unplug the camera and plug it in again")
        )
        if error.errno == errno.ENOENT and there:
            fix = f"set camera.device to one of {', '.join(there[:4])}"
        return CameraLost(f"{self._device}: {what}", fix=fix)


def verdict(silent_s: float, *, restarted: bool) -> str:
    """What to do about a stream that has been silent for so long: "wait", "restart" (once) or "lost"."""
    if silent_s >= LOST_S:
        return "lost"
    return "restart" if silent_s >= RESTART_S and not restarted else "wait"
