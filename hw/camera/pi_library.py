"""What is asked of a Pi camera becomes picamera2's configuration, and what the camera then says is held against it.

The library is handed around as `Any`: it exists on a Pi only. Times in microseconds, focus in dioptres.
Refuses, with `CameraLost` and what to do, whatever keeps a camera from being opened as asked.
"""

from __future__ import annotations

import importlib
from typing import Any

import msgspec

from appliance.errors import CameraLost
from appliance.sensors import SENSORS, Sensor

_APT = "sudo apt install -y --no-install-recommends python3-picamera2, and make the venv with --system-site-packages"
_CABLE = (
    "`hipbar camera --list` shows what is there; reseat the ribbon cable at both ends, and name the sensor in"
)


class Asked(msgspec.Struct, frozen=True):
    """How the camera shall run."""

    sensor: Sensor
    rate_hz: float
    exposure_us: float
    gain: float
    focus_dpt: float

    def exposure(self) -> dict[str, Any]:
        """The controls of the exposure alone."""
        return {"AeEnable": False, "ExposureTime": round(self.exposure_us), "AnalogueGain": self.gain}

    def controls(self) -> dict[str, Any]:
        """libcamera's controls: everything fixed, nothing smoothed. Not every camera has all of them."""
        frame_us = round(1e6 / self.rate_hz)
        controls = {
            "FrameDurationLimits": (frame_us, frame_us),
            **self.exposure(),
            "AwbEnable": False,
            "ColourGains": (1.0, 1.0),  # 850 nm passes all three colour filters about alike
            "NoiseReductionMode": 0,
            "Sharpness": 0.0,
        }
        if self.sensor.focuses:
            controls |= {"AfMode": 0, "LensPosition": self.focus_dpt}
        return controls

    def unlike(self, metadata: dict[str, Any]) -> list[str]:
        """In what the camera does not do what was asked, a line each; silent about what it does not tell."""
        wanted = (
            ("FrameDuration", 1e6 / self.rate_hz, 0.02, "a frame every {:.0f} us", "lower camera.rate_hz"),
            ("ExposureTime", self.exposure_us, 0.05, "exposure {:.0f} us", "change camera.exposure_us"),
            ("AnalogueGain", self.gain, 0.1, "gain {:.2f}", "change camera.gain"),
        )
        return [
            f"{form.format(float(metadata[key]))} where {form.format(value)} was asked for: {fix}"
            for key, value, share, form, fix in wanted
            if key in metadata and abs(float(metadata[key]) - value) > max(share * value, 0.02)
        ]


def load() -> Any:
    """The library, or why it can't be had."""
    try:
        return importlib.import_module("picamera2")
    except ImportError as error:
        raise CameraLost(f"picamera2 is not there: {error}", fix=_APT) from None
    except ValueError as error:  # "numpy.dtype size changed": a simplejpeg built for another numpy
        raise CameraLost(
            f"picamera2 can't be loaded: {error}", fix="pip install --upgrade simplejpeg in the venv"
        ) from None


def cameras(library: Any) -> list[str]:
    """The models of the cameras that libcamera finds, in the order of `camera.number`."""
    return [str(info.get("Model", "?")) for info in library.Picamera2.global_camera_info()]


def opened(library: Any, number: int, name: str, sensor: Sensor) -> Any:
    """The library's camera, sure to be the one that the settings mean."""
    models = cameras(library)
    config = f"/boot/firmware/config.txt (dtoverlay={sensor.model})"
    if number >= len(models):
        found = f"only {', '.join(models)}" if models else "none"
        raise CameraLost(f"{name}: no such camera: libcamera finds {found}", fix=f"{_CABLE} {config}")
    if not models[number].startswith(sensor.model):
        near = [key for key, known in SENSORS.items() if models[number].startswith(known.model)]
        fix = f'set camera.sensor = "{near[0]}"' if near else f"{_CABLE} {config}"
        raise CameraLost(f"{name}: its sensor is {models[number]}", fix=fix)
    try:
        return library.Picamera2(number)
    except (RuntimeError, OSError, IndexError) as error:
        raise _refused(name, error) from error


def configured(camera: Any, name: str, asked: Asked, buffers: int) -> dict[str, Any]:
    """Configure the camera, once; the stream as it was granted."""
    size = asked.sensor.width_px, asked.sensor.height_px
    controls = {k: v for k, v in asked.controls().items() if k in camera.camera_controls}
    try:
        wanted = camera.create_video_configuration(
            main={"size": size, "format": "YUV420"},
            raw=None,
            sensor={"output_size": size, "bit_depth": asked.sensor.bit_depth},
            buffer_count=buffers,
            queue=False,
            controls=controls,
            display=None,
            encode=None,
        )
    except TypeError as error:
        raise CameraLost(f"{name}: this picamera2 is too old: {error}", fix="sudo apt full-upgrade") from None
    camera.configure(wanted)
    got = camera.camera_configuration()
    main: dict[str, Any] = got["main"]
    mode = (got.get("sensor") or {}).get("output_size", size)
    if tuple(main["size"]) != size or main["format"] not in ("YUV420", "NV12") or tuple(mode) != size:
        raise CameraLost(
            f"{name}: gives {main['format']} {main['size'][0]}x{main['size'][1]} from a mode of"
            f" {mode[0]}x{mode[1]}, not {size[0]}x{size[1]}",
            fix="choose another camera.sensor; `hipbar camera --list` shows its modes",
        )
    return main


def _refused(name: str, error: BaseException) -> CameraLost:
    """Why the library would not open it; the reason is often in what caused its error."""
    reasons, cause = [str(error)], error.__cause__ or error.__context__
    while cause is not None:
        reasons.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    said = "; ".join(reasons)
    if "busy" in said.lower() or "in use" in said.lower():
        return CameraLost(
            f"{name}: busy: another program uses it", fix="stop it (`pgrep -af cam`), then start again"
        )
    if "dmaheap" in said.lower() or "permission" in said.lower():
        return CameraLost(f"{name}: not permitted: {reasons[-1]}", fix="add this user to the group `video`")
    return CameraLost(f"{name}: can't be opened: {reasons[-1]}", fix=f"{_CABLE} /boot/firmware/config.txt")
