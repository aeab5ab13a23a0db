"""A stand-in for picamera2, for machines without it: a contract, not the library.

Recorded: the names, arguments, threads and reference counts that the driver meets in picamera2 0.3.38 (its source, and
`python -m tests.station.picamera`, which runs the driver over the real class), and the metadata of an OV9281 as printed
in picamera2's issue 787. An event loop in a thread of its own hands requests to `pre_callback` under the camera's
lock; a request goes back into the pool when its last reference is released, and an empty pool means no frame. Knobs are
class attributes: `reset` puts them back.
"""

from __future__ import annotations

import itertools
import mmap
import threading
import time
import types
from typing import Any, ClassVar

import numpy as np

RECORDED = {
    "SensorTimestamp": 7881759452000,
    "ScalerCrop": (0, 0, 1280, 800),
    "DigitalGain": 1.0000009536743164,
    "SensorBlackLevels": (4096, 4096, 4096, 4096),
    "AeLocked": True,
    "FrameDuration": 100036,
    "AnalogueGain": 1.0,
    "Lux": 22.44012069702148,
    "ExposureTime": 99995,
}
MONO = ("FrameDurationLimits", "AeEnable", "ExposureTime", "AnalogueGain", "NoiseReductionMode", "Sharpness")
COLOUR = (*MONO, "AwbEnable", "ColourGains")
FOCUSING = (*COLOUR, "AfMode", "LensPosition")
PADDING = 32


class CompletedRequest:
    """One filled buffer, counted references."""

    def __init__(self, camera: Picamera2, memory: mmap.mmap, metadata: dict[str, Any]) -> None:
        self._camera, self.memory, self._metadata = camera, memory, metadata
        self._stops = camera.stops
        self._references = 1
        self._lock = threading.Lock()

    def acquire(self) -> None:
        with self._lock:
            if self._references == 0:
                raise RuntimeError("CompletedRequest: acquiring lock with ref_count 0")
            self._references += 1

    def release(self) -> None:
        with self._lock:
            self._references -= 1
            assert self._references >= 0, "released twice"
            if self._references == 0 and self._stops == self._camera.stops:
                self._camera.pool.append(self.memory)

    def get_metadata(self) -> dict[str, Any]:
        if self._camera.unreadable:
            raise RuntimeError("failed to find buffer")
        return dict(self._metadata)


class MappedArray:
    """A request's memory as an array of one and a half times the height, rows padded."""

    def __init__(
        self, request: CompletedRequest, stream: str, reshape: bool = True, write: bool = True
    ) -> None:
        assert stream == "main"
        assert not write
        self._request = request
        self.array: Any = None

    def __enter__(self) -> MappedArray:
        stride = Picamera2.last.camera_configuration()["main"]["stride"]
        self.array = np.frombuffer(self._request.memory, np.uint8).reshape(-1, stride)
        return self

    def __exit__(self, *_: object) -> None:
        self.array = None


class Picamera2:
    """The camera."""

    models: ClassVar[list[str]] = ["ov9281"]
    controls: ClassVar[tuple[str, ...]] = MONO
    changed: ClassVar[dict[str, Any]] = {}
    busy: ClassVar[bool] = False
    silent: ClassVar[bool] = False
    unreadable: ClassVar[bool] = False
    hangs: ClassVar[bool] = False
    skipped: ClassVar[int] = 0
    granted: ClassVar[dict[str, Any]] = {}
    last: ClassVar[Picamera2]

    @classmethod
    def reset(cls) -> None:
        cls.models, cls.controls, cls.changed, cls.granted = ["ov9281"], MONO, {}, {}
        cls.busy = cls.silent = cls.unreadable = cls.hangs = False
        cls.skipped = 0

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return [{"Model": m, "Location": 2, "Rotation": 0, "Num": k} for k, m in enumerate(Picamera2.models)]

    def __init__(self, camera_num: int = 0) -> None:
        if self.busy:
            try:
                raise RuntimeError("Failed to acquire camera: Device or resource busy")
            except RuntimeError as error:
                raise RuntimeError("Camera __init__ sequence did not complete.") from error
        Picamera2.last = self
        self.camera_controls = dict.fromkeys(self.controls, (0, 1, 0))
        self.pre_callback: Any = None
        self.lock = threading.Lock()
        self.pool: list[mmap.mmap] = []
        self.stops = self.starts = self.configured = 0
        self.closed = False
        self.stamps_ns: list[int] = []
        self.given: list[dict[str, Any]] = []
        self._config: dict[str, Any] = {}
        self._running = threading.Event()
        self._loop: threading.Thread | None = None

    def create_video_configuration(
        self,
        main: dict[str, Any],
        lores: Any = None,
        raw: Any = (),
        buffer_count: int = 6,
        controls: Any = (),
        display: str | None = "main",
        encode: str | None = "main",
        queue: bool = True,
        sensor: Any = (),
    ) -> dict[str, Any]:
        return {
            "main": dict(main),
            "lores": lores,
            "raw": raw,
            "buffer_count": buffer_count,
            "controls": dict(controls),
            "display": display,
            "encode": encode,
            "queue": queue,
            "sensor": sensor,
        }

    def configure(self, config: dict[str, Any]) -> None:
        for name in config["controls"]:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self.configured += 1
        width, height = config["main"]["size"]
        main = {**config["main"], "stride": width + PADDING, "framesize": (width + PADDING) * height * 3 // 2}
        self._config = {**config, "main": {**main, **self.granted}}
        self.pool = [mmap.mmap(-1, main["framesize"]) for _ in range(config["buffer_count"])]
        self._buffers = list(self.pool)

    def camera_configuration(self) -> dict[str, Any]:
        return self._config

    def set_controls(self, controls: dict[str, Any]) -> None:
        """In force with the next request; running or not."""
        for name in controls:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self.given.append(dict(controls))
        self._config = {**self._config, "controls": {**self._config["controls"], **controls}}

    def start(self) -> None:
        self.starts += 1
        self.pool = list(self._buffers)
        self._running.set()
        self._loop = threading.Thread(target=self._events, daemon=True)
        self._loop.start()

    def stop(self) -> None:
        if self.hangs:
            threading.Event().wait()
        self.stops += 1
        self._running.clear()
        if self._loop is not None:
            self._loop.join()

    def close(self) -> None:
        self.stop()
        self.closed = True

    @property
    def held(self) -> int:
        """How many buffers are not in the pool."""
        return len(self._buffers) - len(self.pool)

    def _events(self) -> None:
        period_s = self._config["controls"]["FrameDurationLimits"][0] * 1e-6
        due_s, pause = time.monotonic() + period_s, threading.Event()
        for number in itertools.count(1):
            pause.wait(max(0.0, due_s - time.monotonic()))
            if not self._running.is_set():
                return
            stamp_ns = int((due_s - 0.4 * period_s) * 1e9)
            due_s += period_s * (1 + self.skipped)
            if self.pool and not self.silent:
                self._complete(number, stamp_ns, self._config)

    def _complete(self, number: int, stamp_ns: int, config: dict[str, Any]) -> None:
        memory = self.pool.pop(0)
        memory[:4] = number.to_bytes(4, "little")
        asked = config["controls"]
        metadata = {
            **RECORDED,
            "SensorTimestamp": stamp_ns,
            "FrameDuration": asked["FrameDurationLimits"][0],
            "ExposureTime": asked["ExposureTime"] - 4,  # whole rows only
            "AnalogueGain": asked["AnalogueGain"],
            **self.changed,
        }
        request = CompletedRequest(self, memory, {k: v for k, v in metadata.items() if v is not None})
        with self.lock:
            self.stamps_ns.append(stamp_ns)
            self.pre_callback(request)
            request.release()


def module() -> types.ModuleType:
    """Something that `import picamera2` can give."""
    found = types.ModuleType("picamera2")
    found.Picamera2, found.MappedArray = Picamera2, MappedArray  # type: ignore[attr-defined]
    return found
