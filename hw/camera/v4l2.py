"""A V4L2 camera's buffers become frames, stamped by the driver on the monotonic clock.

Luma from GREY, NV12, YU12, YUYV, UYVY or MJPG, the first of them that reaches the wanted rate; of the first three it is
the driver's own memory, and the buffer goes back when the next frame is asked for. A driver stamps the start of
exposure or the end of the frame, and says which; a frame is stamped mid-exposure of its first row. A driver whose
stamps can't be true (another clock, the future, more than a second ago) gets the time of arrival instead, and
`stamped_by` says so. Only the newest waiting buffer is delivered; older, damaged and short ones are lost. The kernel is
spoken to directly: OpenCV's reader waits in whole seconds and hides the stamps, and the pure-Python library for it
carries a licence that this product's does not go with.
Refuses, with `CameraLost`, what is missing, no camera, not permitted or used by somebody else, and what
`hw.camera.live` gives up.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import mmap
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.errors import CameraLost, SettingsError
from appliance.records import U8, Frame
from hw.camera import kernel_controls, kernel_video
from hw.camera.aside import within
from hw.camera.kernel_video import Buffer
from hw.camera.live import Live
from hw.claim import claim, holder

_BUFFERS = 4
_OPENING_S = 15.0
_CABLE = "reseat the camera's cable at both ends"
_OLDEST_S, _EARLIEST_S = 1.0, 0.002
"""A stamp further back than the first or further ahead than the second is not that of the frame that has just come."""

_LIST = "`hipbar camera --list` shows what is there"
_REMEDY = {
    errno.ENOENT: ("no such device", f"plug the camera in; {_LIST}"),
    errno.ENODEV: ("the device is gone", "plug the camera in again, into another port if it happens often"),
    errno.ENXIO: ("the device is gone", "plug the camera in again, into another port if it happens often"),
    errno.EACCES: ("not permitted", "add this user to the group `video` and log in again"),
    errno.EPERM: ("not permitted", "add this user to the group `video` and log in again"),
    errno.EISDIR: ("is a folder", "name the device itself, for example /dev/video0"),
    errno.ENOTTY: ("not a camera", f"name a video device; {_LIST}"),
    errno.EINVAL: (
        "gives no picture that can be used",
        "try another /dev/video number of the same camera; a loopback device needs its producer first",
    ),
}
_log = logging.getLogger("hipbar.camera")


class V4l2Camera:
    """A camera of the Linux kernel."""

    def __init__(
        self,
        device: str = "/dev/video0",
        *,
        size: tuple[int, int],
        rate_hz: float,
        row_s: float = 0.0,
        exposure_us: float = 0.0,
    ) -> None:
        self._device = _Device(device, size, rate_hz, row_s, exposure_us * 1e-6)
        try:
            within(_OPENING_S, self._device.open)
        except TimeoutError:
            self._device.is_open = False
            raise CameraLost(f"{device}: did not open within {_OPENING_S:.0f} s", fix=_CABLE) from None
        except OSError as error:
            self._device.close()
            raise _lost_to(device, error) from None
        self._live = Live(self._device, device, _CABLE)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that the driver granted."""
        return self._device.layout.width_px, self._device.layout.height_px

    @property
    def rate_hz(self) -> float:
        """Frames a second that the driver granted."""
        return self._device.rate_hz

    @property
    def lost(self) -> int:
        """Frames that the driver skipped or damaged, or that were waiting behind a newer one."""
        return self._device.lost

    @property
    def restarts(self) -> int:
        """How often a silent stream was started anew."""
        return self._live.restarts

    @property
    def stamped_by(self) -> str:
        """Who says when a frame was exposed: "driver" or, failing that, "arrival"."""
        return self._device.stamped_by

    def about(self) -> dict[str, str | float | int]:
        """Facts for a technician."""
        return {**self._device.about(), "restarts": self.restarts, "lost": self.lost}

    def now_s(self) -> float:
        """Now on the frames' clock."""
        return time.monotonic()

    def expose(self, exposure_us: float, gain: float) -> None:
        """Another exposure; 0 leaves it to the camera. The gain is the camera's own, as at opening."""
        self._device.expose(exposure_us * 1e-6)

    def close(self) -> None:
        """Stop the stream and let go of the device, unless that hangs."""
        self._device.is_open = False
        self._live.shut()

    def frames(self) -> Iterator[Frame | None]:
        """The newest frame again and again, None when none came for a while."""
        try:
            yield from self._live.frames()
        except OSError as error:
            raise _lost_to(self._device.path, error) from None


class _Device:
    """One video device: opened, streaming, pulled out, opened again."""

    def __init__(
        self, path: str, size: tuple[int, int], rate_hz: float, row_s: float, exposure_s: float
    ) -> None:
        self.path, self.is_open = path, True
        self._wanted = size, rate_hz
        self._row_s, self._wanted_exposure_s = row_s, exposure_s
        self._fd, self._held = -1, -1
        self._maps: list[mmap.mmap] = []
        self._first_seq, self._next_seq, self._last_s = 0, 0, 0.0
        self._exposure_s = 0.0
        self.layout = kernel_video.Layout("", *size, 0)
        self.rate_hz = rate_hz
        self.lost = 0
        self.stamped_by = "driver"
        self._told_stamps = False
        self._names = "", ""

    def about(self) -> dict[str, str | float | int]:
        """Facts for a technician."""
        return {
            "driver": self._names[0],
            "name": self._names[1],
            "device": self.path,
            "format": self.layout.fourcc,
            "copied": "no" if self.layout.shares else "yes",
            "width_px": self.layout.width_px,
            "height_px": self.layout.height_px,
            "rate_hz": self.rate_hz,
            "exposure_us": round(self._exposure_s * 1e6),
            "row_us": self._row_s * 1e6,
            "stamped_by": self.stamped_by,
        }

    def open(self) -> None:
        """Open the path, the first time or again; the same kind of picture is insisted on."""
        before = self.layout
        self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            claim(self._fd)
            self._names = kernel_video.describe(self._fd)
            self.layout, self.rate_hz = kernel_video.configure(self._fd, *self._wanted)
            if before.fourcc and (before.width_px, before.height_px) != (
                self.layout.width_px,
                self.layout.height_px,
            ):
                raise OSError(errno.EINVAL, "another camera, with pictures of another size")
            self._exposure_s = self._exposed()
            self._maps = kernel_video.map_buffers(self._fd, _BUFFERS)
            self._stream()
        except OSError:
            self.layout = before
            self.let_go()
            raise
        if not self.is_open:  # it took so long that nobody waits for it any more
            self.close()

    def expose(self, wanted_s: float) -> None:
        """Set another exposure while frames come; one that is pulled out just now gets it when it is back."""
        fd = self._fd  # the reader's thread may lose the device meanwhile: then this number is nobody's
        if fd >= 0 and wanted_s <= 0:
            kernel_controls.free_exposure(fd)
        elif fd >= 0 and kernel_controls.fix_exposure(fd, wanted_s) is None:
            raise SettingsError(
                f"{self.path}: its exposure can't be set: it is the camera's own",
                fix="set camera.exposure_us = 0",
            )
        self._wanted_exposure_s = wanted_s
        if fd >= 0:
            self._exposure_s = kernel_controls.exposure_s(fd)

    def restart(self) -> None:
        """Stop the stream and start it again; the buffers stay."""
        kernel_video.stream(self._fd, on=False)
        self._stream()

    def let_go(self) -> None:
        """Drop everything; a picture that somebody still holds keeps its memory."""
        for mapped in self._maps:
            with contextlib.suppress(BufferError):
                mapped.close()
        self._maps, self._held = [], -1
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def close(self) -> None:
        """Stop the stream, for good."""
        self.is_open = False
        if self._fd >= 0 and self._maps:
            with contextlib.suppress(OSError):  # a device that is gone can't be stopped either
                kernel_video.stream(self._fd, on=False)
        self.let_go()

    def newest(self, wait_s: float) -> Frame | None:
        """Wait for buffers, keep the newest good one, give the others back; a bad one alone does not end the wait."""
        self.give_back()
        until_s = time.monotonic() + wait_s
        ready = select.poll()
        ready.register(self._fd, select.POLLIN)
        while (left_s := until_s - time.monotonic()) > 0 and ready.poll(left_s * 1e3):
            taken = []
            while (buffer := kernel_video.take(self._fd)) is not None:
                taken.append(buffer)
            if not taken:  # an error state is reported at once, again and again; silence then decides
                time.sleep(max(0.0, until_s - time.monotonic()))
            elif (frame := self._best(taken, time.monotonic())) is not None:
                return frame
        return None

    def give_back(self) -> None:
        """The reader is done with the last frame: the driver may fill its buffer again."""
        if self._held >= 0 and self._fd >= 0:
            index, self._held = self._held, -1
            kernel_video.give(self._fd, index)

    def _best(self, taken: list[Buffer], arrival_s: float) -> Frame | None:
        frame = None
        for buffer in reversed(taken):
            if frame is None and (frame := self._frame(buffer, arrival_s)) is not None:
                self._held = buffer.index
            else:
                kernel_video.give(self._fd, buffer.index)
        if frame is None:
            return None
        self.lost += frame.seq - self._next_seq if self._next_seq > self._first_seq else 0
        self._next_seq, self._last_s = frame.seq + 1, frame.t_s
        if not self.layout.shares:
            self.give_back()
        return frame

    def _frame(self, buffer: Buffer, arrival_s: float) -> Frame | None:
        luma = self._luma(buffer)
        if luma is None:
            return None
        t_s = self._stamp(buffer, arrival_s)
        if t_s <= self._last_s:
            return None  # a driver that goes back in time: one frame less is better than a wrong speed
        seq = self._first_seq + buffer.seq
        if seq < self._next_seq:  # it has begun to count anew
            self._first_seq = self._next_seq - buffer.seq
            seq = self._next_seq
        return Frame(seq=seq, t_s=t_s, luma=luma, row_s=self._row_s)

    def _luma(self, buffer: Buffer) -> U8 | None:
        return None if buffer.damaged else self.layout.luma(self._maps[buffer.index], buffer.used)

    def _stamp(self, buffer: Buffer, arrival_s: float) -> float:
        """Mid-exposure of the first row, by the driver's stamp where that can be true."""
        readout_s = self._row_s * (self.layout.height_px - 1)
        t_s = buffer.exposed_s(self._exposure_s, readout_s)
        if t_s is not None and -_EARLIEST_S < arrival_s - t_s < _OLDEST_S:
            self.stamped_by = "driver"
            return t_s
        if not self._told_stamps:  # once: stamps that are at times true would fill the log
            _log.warning("%s: the driver's frame times can't be used: stamped by arrival", self.path)
        self.stamped_by, self._told_stamps = "arrival", True
        return arrival_s - readout_s - self._exposure_s / 2

    def _exposed(self) -> float:
        """Fix the exposure where the camera lets us; what it then is, in seconds (0 = nobody knows)."""
        wanted_s = self._wanted_exposure_s
        if wanted_s <= 0:
            return kernel_controls.exposure_s(self._fd)
        got_s = kernel_controls.fix_exposure(self._fd, wanted_s)
        if got_s is None:
            _log.warning("%s: its exposure can't be set: it is the camera's own", self.path)
            return 0.0
        if abs(got_s - wanted_s) > 0.1 * wanted_s:
            _log.warning(
                "%s: exposes %.0f us, not the %.0f us asked for", self.path, got_s * 1e6, wanted_s * 1e6
            )
        return got_s

    def _stream(self) -> None:
        self._first_seq = self._next_seq  # the driver counts from zero again
        self._held = -1
        for index in range(len(self._maps)):
            kernel_video.give(self._fd, index)
        kernel_video.stream(self._fd, on=True)


def _lost_to(device: str, error: OSError) -> CameraLost:
    """The kernel's answer in words."""
    if error.errno == errno.EBUSY:
        return CameraLost(
            f"{device}: busy: used by {holder(device) or 'another program'}", fix="stop it, then start again"
        )
    what, fix = _REMEDY.get(
        error.errno or 0, (error.strerror or str(error), "unplug the camera and plug it in again")
    )
    there = sorted(str(p) for p in Path("/dev").glob("video*"))
    if error.errno == errno.ENOENT and there:
        fix = f"set camera.device to one of {', '.join(there[:4])}; {_LIST}"
    return CameraLost(f"{device}: {what}", fix=fix)
