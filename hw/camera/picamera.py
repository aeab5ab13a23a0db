"""A Pi camera's requests become frames: luma where libcamera put it, times of its sensor, nothing automatic.

Through picamera2 (imported only when opened), in the sensor's mode of `appliance.sensors`: YUV420 of the same size as
the sensor's output, so the ISP scales nothing, and the Y plane is read in place through `MappedArray`, row by row as
they lie. (R8 would be a third smaller, but picamera2 takes it for raw streams only, and those have no ISP behind them.)
Exposure, gain, white balance, focus and frame time are fixed; sharpening and noise reduction are off.

Times: libcamera's SensorTimestamp is when the read-out of the first row began, in nanoseconds of the monotonic clock
(picamera2 issue 821; its own tests subtract ExposureTime from it to get the start of exposure). So the middle of the
first row's exposure is half an exposure before it, and row y follows `row_s * y` later. Lost frames are gaps between
those stamps.

Nothing waits for ever. Requests are not fetched but handed over by picamera2's event loop (`pre_callback`) into a box
that holds one: the newest. `capture_request(wait=0.05)` would time out too, but leaves its job behind, which then takes
a request that nobody releases. Opening, starting, stopping and closing run aside, with an end.
Refuses, with `CameraLost`, a missing library or camera, another sensor than the settings say, a busy one, and what
`hw.camera.live` gives up.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from appliance.errors import CameraLost
from appliance.records import U8, Frame
from appliance.sensors import Sensor
from hw.camera import pi_library
from hw.camera.aside import within
from hw.camera.live import Live
from hw.camera.pi_library import Asked

_BUFFERS = 4  # one with the reader, one in the box, two being filled
_OPENING_S, _CLOSING_S = 15.0, 3.0
_SETTLED_FRAMES = 20  # controls take effect within a few frames of the start
_OLDEST_S = 1.0
_CABLE = "reseat the ribbon cable at both ends; then power the Pi off and on"
_log = logging.getLogger("hipbar.camera")


class PiCamera:
    """A camera on the Pi's own connector."""

    def __init__(
        self,
        sensor: Sensor,
        *,
        number: int = 0,
        rate_hz: float | None = None,
        row_s: float | None = None,
        exposure_us: float = 1500.0,
        gain: float = 4.0,
        focus_dpt: float = 0.5,
    ) -> None:
        rate_hz = sensor.rate_hz if rate_hz is None else rate_hz
        row_s = sensor.row_us * 1e-6 if row_s is None else row_s
        self._name = f"camera {number} ({sensor.model})"
        asked = Asked(sensor, rate_hz, exposure_us, gain, focus_dpt)
        self._device = _Device(number, self._name, asked, row_s)
        try:
            within(_OPENING_S, self._device.open)
        except TimeoutError:
            self._device.is_open = False
            raise CameraLost(
                f"{self._name}: libcamera did not answer for {_OPENING_S:.0f} s", fix=_CABLE
            ) from None
        self._live = Live(self._device, self._name, _CABLE)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sensor's mode."""
        return self._device.asked.sensor.width_px, self._device.asked.sensor.height_px

    @property
    def rate_hz(self) -> float:
        """Frames a second that were asked for; a camera that gives others is reported in the log."""
        return self._device.asked.rate_hz

    @property
    def lost(self) -> int:
        """Frames that are missing between two stamps, that were damaged, or that a newer one has overtaken."""
        return self._device.lost

    @property
    def restarts(self) -> int:
        """How often a silent stream was started anew."""
        return self._live.restarts

    def about(self) -> dict[str, str | float | int]:
        """Facts for a technician."""
        return {**self._device.about(), "restarts": self.restarts, "lost": self.lost}

    def now_s(self) -> float:
        """Now on the frames' clock."""
        return time.monotonic()

    def expose(self, exposure_us: float, gain: float) -> None:
        """Another exposure and gain, with the next request that goes to the camera: in force some frames later."""
        self._device.expose(exposure_us, gain)

    def close(self) -> None:
        """Stop the camera and let go of it; one that does not answer is left behind."""
        self._device.is_open = False
        if self._live.settle():
            self._device.close()
        else:
            self._device.leave()

    def frames(self) -> Iterator[Frame | None]:
        """The newest frame again and again, None when none came for a while."""
        yield from self._live.frames()


class _Device:
    """The library's camera, and the box that its newest request waits in."""

    def __init__(self, number: int, name: str, asked: Asked, row_s: float) -> None:
        self._number, self._name, self._row_s = number, name, row_s
        self.asked, self.is_open = asked, True
        self.lost, self.stamped_by = 0, "sensor"
        self._warned: set[str] = set()
        self._box: Any = None
        self._filled = threading.Condition()
        self._held: tuple[Any, Any] | None = None
        self._seq, self._frames, self._last_s = 0, 0, -np.inf
        self._judged_at = _SETTLED_FRAMES
        self._camera: Any = None
        self._mapped_array: Any = None
        self._format: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}

    def about(self) -> dict[str, str | float | int]:
        """Facts for a technician; what the camera says of itself goes before what was asked."""
        frame_us = self._metadata.get("FrameDuration", 1e6 / self.asked.rate_hz)
        return {
            "driver": "picamera2",
            "device": self._name,
            "format": str(self._format.get("format", "")),
            "width_px": self.asked.sensor.width_px,
            "height_px": self.asked.sensor.height_px,
            "stride": int(self._format.get("stride", 0)),
            "rate_hz": round(1e6 / float(frame_us), 2),
            "exposure_us": float(self._metadata.get("ExposureTime", self.asked.exposure_us)),
            "gain": round(float(self._metadata.get("AnalogueGain", self.asked.gain)), 2),
            "row_us": self._row_s * 1e6,
            "stamped_by": self.stamped_by,
        }

    def open(self) -> None:
        """Load the library, configure the camera once, start it."""
        try:
            library = pi_library.load()
            self._mapped_array = library.MappedArray
            self._camera = pi_library.opened(library, self._number, self._name, self.asked.sensor)
            self._format = pi_library.configured(self._camera, self._name, self.asked, _BUFFERS)
            self._camera.pre_callback = self._arrived
            self._camera.start()
        except CameraLost:
            self.close()
            raise
        except Exception as error:  # the library's own kinds of failure, of which there are many
            self.close()
            raise CameraLost(f"{self._name}: can't be started: {error}", fix=_CABLE) from error
        if not self.is_open:  # it took so long that nobody waits for it any more
            self.close()

    def expose(self, exposure_us: float, gain: float) -> None:
        """Ask for another exposure; what comes of it is looked at when it has settled."""
        self.asked = msgspec.structs.replace(self.asked, exposure_us=exposure_us, gain=gain)
        self._judged_at = self._frames + _SETTLED_FRAMES
        try:
            self._camera.set_controls(self._exposure())
        except Exception as error:  # the library's own kinds of failure, of which there are many
            raise CameraLost(f"{self._name}: its exposure can't be set: {error}", fix=_CABLE) from error

    def _exposure(self) -> dict[str, Any]:
        """What this camera has of the exposure's controls."""
        return {k: v for k, v in self.asked.exposure().items() if k in self._camera.camera_controls}

    def restart(self) -> None:
        """Stop the stream and start it again, in the same configuration: changing modes leaks memory.

        picamera2 forgets at a start what controls it was given, so those that may have changed are given again.
        """
        try:
            self._camera.stop()
            self._empty()
            self._camera.set_controls(self._exposure())
            self._camera.start()
        except Exception as error:  # the library's own kinds of failure; silence then decides
            raise OSError(str(error)) from error

    def let_go(self) -> None:
        """Never called: a camera on a ribbon cable can't be pulled out, it only falls silent."""

    def close(self) -> None:
        """Give everything back; a library that does not come back from that is left behind."""
        self.is_open = False
        self.give_back()
        self._empty()
        if self._camera is None:
            return
        try:
            within(_CLOSING_S, self._camera.close)
        except TimeoutError:
            self.leave()
        except Exception as error:  # whatever it is, the camera is of no use any more
            _log.warning("%s: did not close cleanly: %s", self._name, error)
        self._camera = None

    def leave(self) -> None:
        """Give up a camera that does not answer: the library would wait for it at the end of the process."""
        camera, self._camera = self._camera, None
        if camera is not None:
            atexit.unregister(camera.close)
            _log.warning("%s: libcamera does not answer: left as it is", self._name)

    def newest(self, wait_s: float) -> Frame | None:
        """Wait for a request in the box; the one before goes back to the camera first."""
        self.give_back()
        with self._filled:
            if self._box is None:
                self._filled.wait(wait_s)
            request, self._box = self._box, None
        return None if request is None else self._frame(request)

    def give_back(self) -> None:
        """The reader is done with the last frame."""
        held, self._held = self._held, None
        if held is not None:
            request, mapped = held
            try:
                mapped.__exit__(None, None, None)
            except BufferError:  # somebody still looks at the picture: its memory stays until they don't
                pass
            finally:
                request.release()

    def _arrived(self, request: Any) -> None:
        """On the library's thread, under its lock: into the box with it; what was in there is late and goes back."""
        request.acquire()
        with self._filled:
            kept = self.is_open  # asked once: it may be closed in between, and a request is given back once
            older, self._box = self._box, request if kept else None
            self._filled.notify()
        if older is not None:
            older.release()
        if not kept:
            request.release()

    def _empty(self) -> None:
        with self._filled:
            request, self._box = self._box, None
        if request is not None:
            request.release()

    def _frame(self, request: Any) -> Frame | None:
        """The request as a frame, held until the next one; one that can't be read counts as lost by its gap."""
        mapped = None
        try:
            metadata = request.get_metadata()
            mapped = self._mapped_array(request, "main", write=False)
            luma = self._luma(mapped.__enter__().array)
        except Exception as error:  # a damaged request must not keep its buffer, whatever is wrong with it
            self._warn_once("frame", f"a frame could not be read: {error}")
            request.release()
            return None
        self._held = request, mapped
        return self._stamped(luma, metadata)

    def _warn_once(self, about: str, words: str) -> None:
        """What may be so for every frame is told for the first."""
        if about not in self._warned:
            self._warned.add(about)
            _log.warning("%s: %s", self._name, words)

    def _luma(self, planes: U8) -> U8:
        """The Y plane of YUV420 or NV12: the first `height` rows, without their padding; shared, not copied."""
        luma: U8 = planes[: self.asked.sensor.height_px, : self.asked.sensor.width_px]
        luma.flags.writeable = False
        return luma

    def _stamped(self, luma: U8, metadata: dict[str, Any]) -> Frame | None:
        exposure_s = float(metadata.get("ExposureTime", self.asked.exposure_us)) * 1e-6
        t_s = self._time(metadata, exposure_s)
        if t_s <= self._last_s:
            return None  # back in time: one frame less is better than a wrong speed
        if self._frames:
            frame_s = float(metadata.get("FrameDuration", 1e6 / self.asked.rate_hz)) * 1e-6
            gap = max(0, round((t_s - self._last_s) / frame_s) - 1)
            self.lost += gap
            self._seq += gap + 1
        self._last_s = t_s
        self._frames += 1
        self._metadata = metadata
        if self._frames == self._judged_at:
            for line in self.asked.unlike(metadata):
                _log.warning("%s: %s", self._name, line)
        return Frame(seq=self._seq, t_s=t_s, luma=luma, row_s=self._row_s)

    def _time(self, metadata: dict[str, Any], exposure_s: float) -> float:
        """Mid-exposure of the first row, by the sensor's stamp where that can be true."""
        now_s = time.monotonic()
        readout_s = float(metadata.get("SensorTimestamp", 0)) * 1e-9
        if 0 <= now_s - readout_s < _OLDEST_S:
            self.stamped_by = "sensor"
            return readout_s - exposure_s / 2
        self._warn_once("stamp", "the sensor's frame times can't be used: stamped by arrival")
        self.stamped_by = "arrival"
        return now_s - self._row_s * self.asked.sensor.height_px - exposure_s / 2
