"""The sections of a settings file: every setting with its type, default, range and meaning, and nothing else.

Units are in the names: degrees, seconds, milliseconds, pixels, milliamperes, megahertz.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_Led = Annotated[int, Meta(ge=0, le=299)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file; a key that nobody knows is an error."""


class Camera(_Section, frozen=True):
    """Where frames come from and how the camera is mounted."""

    source: Annotated[
        Literal["virtual", "picamera", "v4l2", "video"],
        Meta(
            description="which driver: the virtual camera, a Pi camera, a USB/V4L2 camera, or a video file in real time"
        ),
    ] = "virtual"
    sensor: Annotated[
        Literal["ov9281", "ov9281-fast", "imx296", "imx708", "imx219"],
        Meta(
            description="picamera: the sensor and its mode; gives size, row time and rate (docs/cameras.md)"
        ),
    ] = "ov9281"
    number: Annotated[
        int, Meta(ge=0, le=3, description="picamera: which camera, as `hipbar camera --list` counts")
    ] = 0
    device: Annotated[str, Meta(min_length=1, description="v4l2: the device, best as /dev/v4l/by-id/...")] = (
        "/dev/video0"
    )
    file: Annotated[str, Meta(description="video: the file to play")] = ""
    runner: Annotated[
        str, Meta(description="virtual: which recorded runner (hipbar demo --help lists them)")
    ] = "rbds001"
    scene: Annotated[
        str,
        Meta(
            description="virtual: a file that says what is truly there (docs/cameras.md); empty = as these settings say"
        ),
    ] = ""
    width_px: Annotated[int, Meta(ge=64, le=8192, description="picture width as the sensor delivers it")] = (
        480
    )
    height_px: Annotated[
        int, Meta(ge=64, le=8192, description="picture height as the sensor delivers it")
    ] = 640
    rate_hz: Annotated[float, Meta(ge=10, le=1000, description="frames a second to ask for")] = 120.0
    row_us: Annotated[
        float,
        Meta(ge=0, le=1000, description="rolling shutter: microseconds from one row to the next; 0 = global"),
    ] = 0.0
    exposure_us: Annotated[
        float, Meta(ge=0, le=20000, description="fixed exposure time; 0 = the camera decides (v4l2 only)")
    ] = 1500.0
    gain: Annotated[float, Meta(ge=1, le=64, description="picamera: fixed analogue gain")] = 4.0
    focus_dpt: Annotated[
        float, Meta(ge=0, le=15, description="imx708: fixed focus in dioptres, 1 / metres to the runner")
    ] = 0.5
    rotate_deg: Annotated[
        Literal[0, 90, 180, 270],
        Meta(description="turn the picture clockwise by this much to see the runner upright"),
    ] = 0
    mirror: Annotated[
        bool, Meta(description="the upright picture shows the runner's left on the right; swap it back")
    ] = False


class Lens(_Section, frozen=True):
    """One calibration record: how a pixel becomes a ray. `fx_px = 0` means not calibrated: pixels as they are.

    OpenCV's model in sensor pixels (centre of the first pixel is 0, 0); pose of the camera against the runner.
    """

    fx_px: Annotated[float, Meta(ge=0, le=50000, description="focal length along x; 0 = no calibration")] = (
        0.0
    )
    fy_px: Annotated[
        float, Meta(ge=0, le=50000, description="focal length along y; 0 = the same as fx_px")
    ] = 0.0
    cx_px: Annotated[
        float, Meta(ge=-1, le=10000, description="principal point x; -1 = middle of the picture")
    ] = -1.0
    cy_px: Annotated[
        float, Meta(ge=-1, le=10000, description="principal point y; -1 = middle of the picture")
    ] = -1.0
    k1: Annotated[float, Meta(ge=-5, le=5, description="radial distortion, r^2")] = 0.0
    k2: Annotated[float, Meta(ge=-5, le=5, description="radial distortion, r^4")] = 0.0
    p1: Annotated[float, Meta(ge=-1, le=1, description="tangential distortion")] = 0.0
    p2: Annotated[float, Meta(ge=-1, le=1, description="tangential distortion")] = 0.0
    k3: Annotated[float, Meta(ge=-5, le=5, description="radial distortion, r^6")] = 0.0
    pitch_deg: Annotated[
        float, Meta(ge=-45, le=45, description="camera looks down: positive; needs fx_px")
    ] = 0.0
    roll_deg: Annotated[
        float, Meta(ge=-45, le=45, description="camera rolled clockwise, seen from behind it: positive")
    ] = 0.0
    yaw_deg: Annotated[
        float, Meta(ge=-45, le=45, description="camera turned to its right: positive; needs fx_px")
    ] = 0.0


class Sight(_Section, frozen=True):
    """What counts as a dot."""

    contrast: Annotated[
        int,
        Meta(
            ge=0, le=250, description="grey levels a dot must stand above its background; 0 = found by itself"
        ),
    ] = 0
    min_dot_px: Annotated[float, Meta(ge=1, le=50, description="smallest dot, across")] = 2.0
    max_dot_px: Annotated[float, Meta(ge=3, le=100, description="largest dot, across")] = 32.0


class Motion(_Section, frozen=True):
    """From keypoints to steps."""

    zero_deg: Annotated[
        float, Meta(ge=-20, le=20, description="obliquity standing still, subtracted from every angle")
    ] = 0.0
    smooth_ms: Annotated[float, Meta(ge=0, le=200, description="window of the live filter; 0 = none")] = 50.0
    steps: Annotated[int, Meta(ge=1, le=50, description="steps a side behind the running means")] = 7


class Feedback(_Section, frozen=True):
    """From figures to light."""

    mode: Annotated[
        Literal["asymmetry", "step", "live", "box", "off"],
        Meta(description="what the bar shows (docs/feedback.md)"),
    ] = "asymmetry"
    band_deg: Annotated[
        float, Meta(ge=0, le=20, description="target band: a difference up to this is level")
    ] = 2.0
    target_deg: Annotated[
        float, Meta(ge=0, le=30, description="step mode: a drop up to this is on target")
    ] = 5.0
    full_scale_deg: Annotated[
        float, Meta(ge=0.5, le=45, description="the figure that fills half of the bar")
    ] = 8.0
    sensitivity: Annotated[float, Meta(ge=0.1, le=10, description="multiplies the length of the bar")] = 1.0
    lights: Annotated[
        Literal["dropping", "stance"],
        Meta(description="which side lights for a drop: the hip that drops, or the leg that stands"),
    ] = "dropping"
    swap: Annotated[bool, Meta(description="exchange the bar's left and right ends")] = False
    palette: Annotated[
        Literal["blue-white", "amber-white", "green-violet", "white"], Meta(description="colours of the bar")
    ] = "blue-white"
    predict_ms: Annotated[
        float, Meta(ge=0, le=100, description="look ahead by the delay from exposure to light; 0 = off")
    ] = 0.0
    slew_ms: Annotated[float, Meta(ge=0, le=2000, description="shortest time from level to full scale")] = (
        150.0
    )
    fade_ms: Annotated[float, Meta(ge=0, le=2000, description="cross-fade between what the bar shows")] = (
        200.0
    )


class Strip(_Section, frozen=True):
    """The light bar."""

    kind: Annotated[
        Literal["terminal", "memory", "none", "apa102", "ws2812", "shift-register", "wled"],
        Meta(description="which driver lights the bar (docs/strips.md)"),
    ] = "terminal"
    leds: Annotated[int, Meta(ge=4, le=300, description="how many LEDs")] = 32
    brightness: Annotated[float, Meta(gt=0, le=1, description="share of full brightness")] = 0.5
    current_cap_ma: Annotated[
        float, Meta(ge=20, le=20000, description="the whole strip never draws more")
    ] = 1000.0
    led_ma: Annotated[float, Meta(ge=1, le=100, description="current of one LED at full white")] = 60.0
    idle_ma: Annotated[float, Meta(ge=0, le=10, description="current of one dark LED")] = 1.0
    order: Annotated[
        Literal["auto", "rgb", "rbg", "grb", "gbr", "brg", "bgr"],
        Meta(description="colours in the order of the wire; auto = as usual for the kind"),
    ] = "auto"
    reversed: Annotated[bool, Meta(description="the wire starts at the bar's right end")] = False
    pieces: Annotated[
        tuple[tuple[_Led, _Led], ...],
        Meta(
            max_length=8,
            description="a bar in pieces: first and last LED of each from the left, in wire order; [] = one piece",
        ),
    ] = ()
    device: Annotated[str, Meta(min_length=1, description="apa102, ws2812: the SPI device")] = (
        "/dev/spidev0.0"
    )
    speed_mhz: Annotated[float, Meta(ge=0.1, le=32, description="apa102: clock of the SPI bus")] = 8.0
    host: Annotated[str, Meta(description="wled: name or address of the controller")] = ""
    port: Annotated[int, Meta(ge=1, le=65535, description="wled: its DDP port (UDP)")] = 4048
    data_pin: Annotated[
        int, Meta(ge=0, le=27, description="shift-register: BCM number of SER (74HC595 pin 14)")
    ] = 5
    clock_pin: Annotated[
        int, Meta(ge=0, le=27, description="shift-register: BCM number of SRCLK (pin 11)")
    ] = 6
    latch_pin: Annotated[
        int, Meta(ge=0, le=27, description="shift-register: BCM number of RCLK (pin 12)")
    ] = 13
    enable_pin: Annotated[
        int, Meta(ge=-1, le=27, description="shift-register: BCM number of OE (pin 13); -1 = not wired")
    ] = 19

    @property
    def byte_budget(self) -> int:
        """The largest sum of a frame's bytes that draws, with what dark LEDs draw, no more than the current cap."""
        dark_ma = self.idle_ma * self.leds
        budget = int(max(0.0, self.current_cap_ma - dark_ma) * 765 / self.led_ma)
        while budget and dark_ma + budget * self.led_ma / 765 > self.current_cap_ma:
            budget -= 1  # rounding of the division went up
        return budget


class Panel(_Section, frozen=True):
    """Button and status light at the station."""

    kind: Annotated[Literal["none", "gpio"], Meta(description="whether there is a panel")] = "none"
    button_pin: Annotated[
        int, Meta(ge=-1, le=27, description="BCM number of the button, which closes to ground; -1 = none")
    ] = 27
    light_pin: Annotated[int, Meta(ge=-1, le=27, description="BCM number of the status light; -1 = none")] = (
        22
    )
    debounce_ms: Annotated[
        float, Meta(ge=0, le=200, description="a contact must rest for so long to count")
    ] = 30.0
    long_s: Annotated[float, Meta(ge=0.3, le=5, description="a press of this length is a long one")] = 1.0
    very_long_s: Annotated[
        float, Meta(ge=1, le=20, description="a press of this length is a very long one")
    ] = 5.0


class Gpio(_Section, frozen=True):
    """The chip that the pins belong to."""

    chip: Annotated[str, Meta(description="label of the GPIO chip; auto = the Pi's own")] = "auto"


class Service(_Section, frozen=True):
    """The station as a service (`hipbar serve`): what it keeps, and its limits."""

    state: Annotated[
        str,
        Meta(
            min_length=1,
            description="folder of recordings and crash reports; HIPBAR_STATE in the environment overrides it",
        ),
    ] = "/var/lib/hipbar"
    record: Annotated[bool, Meta(description="keep a recording of the marks while somebody is in view")] = (
        True
    )
    record_mb: Annotated[
        float, Meta(ge=10, le=1e6, description="all recordings together; the oldest go first")
    ] = 4000.0
    reserve_mb: Annotated[
        float, Meta(ge=10, le=1e6, description="room on the disk that recordings never take")
    ] = 500.0
    memory_mb: Annotated[
        float, Meta(ge=200, le=16000, description="a process that has grown beyond it starts anew")
    ] = 600.0


class Clinic(_Section, frozen=True):
    """Visits (docs/visits.md)."""

    protocol: Annotated[
        str,
        Meta(min_length=1, max_length=64, description="by which protocol a visit goes unless one is named"),
    ] = "retraining"
    language: Annotated[
        Literal["en", "de"], Meta(description="of reports, unless one is asked for: English or German")
    ] = "en"
    resume_min: Annotated[
        float,
        Meta(ge=0, le=240, description="a visit that was cut off goes on when so many minutes have gone by"),
    ] = 10.0
    button: Annotated[
        bool, Meta(description="the panel's button begins, marks and ends visits (docs/visits.md)")
    ] = True


class Settings(_Section, frozen=True):
    """All settings, section by section; see `docs/settings.md`."""

    camera: Camera = Camera()
    lens: Lens = Lens()
    sight: Sight = Sight()
    motion: Motion = Motion()
    feedback: Feedback = Feedback()
    strip: Strip = Strip()
    panel: Panel = Panel()
    gpio: Gpio = Gpio()
    service: Service = Service()
    clinic: Clinic = Clinic()
