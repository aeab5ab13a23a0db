"""What the virtual camera looks at, and through what: one frozen `Scene`, every part with a default.

Metres, degrees, pixels, milliseconds and grey levels as the names say. The camera's place is given against the mean
place of the runner's pelvis pair; signs of pitch, roll and yaw are those of the lens settings, in the order yaw, pitch,
roll. Places in the picture are pixels from its middle, x right and y down, as the runner is seen upright.
Refuses a pair that the runner does not wear, and figures without sense.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import msgspec

from appliance.config import Lens, Settings
from appliance.errors import SettingsError
from hw.camera import trials
from hw.camera.acting import Act, Acts, Performer
from hw.camera.actors import Actor, Mirrored, Recorded, StandingFirst, exchanged
from hw.camera.props import Beam, Board, Lamp, Plumb
from hw.camera.runner import Runner


class Reflection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bright spot that is nobody's mark; with a path it swings to and fro through (x, y)."""

    x_px: float
    y_px: float
    diameter_px: float = 8.0
    level: float = 200.0
    path_x_px: float = 0.0
    path_y_px: float = 0.0
    period_s: float = 1.0


class Hidden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mark that something stands before, from one time to another."""

    mark: str
    from_s: float
    to_s: float


class Other(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another person on the next treadmill: the same motion, elsewhere, a little later and with other weight."""

    right_m: float = 1.0
    forward_m: float = 0.5
    up_m: float = -0.05
    later_s: float = 0.21


class Scene(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that decides the virtual camera's pictures; the same scene gives the same bytes.

    runner : a recorded one's name or a synthetic `Runner`. pair : "" = the best that the runner wears.
    f_px : 0 = as many pixels as the upright picture is high: pelvis and heels in view from 2.5 m at hip height.
    cx_px, cy_px : principal point in sensor pixels, -1 = middle. shot : variance of the shot noise per grey level.
    hide_heels_below_m, _above_m : a heel is hidden below or above this height over the floor, a part of each stride.
    mirrored : the whole world, camera and noise included, is its own mirror image; left is right.
    loop : a recording goes on after its end; otherwise the frames end there. duration_s : frames end after so long.
    act : what the person does (`hw.camera.acting`); "away" = nobody there. reference_us : exposure times gain at which
    the levels hold, once somebody has set an exposure (`expose`); until then `exposure_ms` and the levels as written.
    flicker_hz : the background's light swings so often, by the share `flicker`. blur_px : how far out of focus, as the
    sigma of a Gaussian. stamp_late_ms : the frames' times are late by so much, which no real camera would tell.
    """

    runner: str | Runner = "rbds001"
    act: Act = "run"
    pair: str = ""
    plate_dots: int = 4
    heels: bool = True
    stand_s: float = 0.0
    loop: bool = True
    duration_s: float | None = None
    mirrored: bool = False

    width_px: int = 480
    height_px: int = 640
    rate_hz: float = 120.0
    row_us: float = 0.0
    exposure_ms: float = 1.0
    rotate_deg: Literal[0, 90, 180, 270] = 0
    mirror: bool = False

    f_px: float = 0.0
    cx_px: float = -1.0
    cy_px: float = -1.0
    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    distance_m: float = 2.5
    above_m: float = 0.0
    right_m: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    yaw_deg: float = 0.0

    dot_mm: float = 14.0
    dot_level: float = 215.0
    background: float = 18.0
    gradient_x: float = 0.0
    gradient_y: float = 0.0
    noise: float = 1.5
    shot: float = 0.02
    clutter: tuple[Reflection, ...] = ()
    other: Other | None = None
    hidden: tuple[Hidden, ...] = ()
    hide_heels_below_m: float | None = None
    hide_heels_above_m: float | None = None
    lost: float = 0.0
    seed: int = 1

    reference_us: float = 6000.0
    flicker_hz: float = 0.0
    flicker: float = 0.5
    blur_px: float = 0.0
    stamp_late_ms: float = 0.0
    board: Board | None = None
    beam: Beam | None = None
    plumb: Plumb | None = None
    lamp: Lamp | None = None

    @property
    def upright_px(self) -> tuple[int, int]:
        """Width and height of the picture turned upright."""
        turned = self.rotate_deg in (90, 270)
        return (self.height_px, self.width_px) if turned else (self.width_px, self.height_px)

    @property
    def focal_px(self) -> float:
        """The focal length in force."""
        return self.f_px or float(self.upright_px[1])


def actor(scene: Scene, acts: Acts = ()) -> Actor:
    """The person in the scene, as `mirrored` and `stand_s` want them, doing what `acts` says."""
    who = _person(scene)
    if scene.stand_s > 0:
        who = StandingFirst(who, scene.stand_s)
    if any(act not in ("run", "away") for _, act in acts):
        who = Performer(who, acts)
    return Mirrored(who) if scene.mirrored else who


def worn(scene: Scene) -> tuple[str, ...]:
    """The marks that carry a dot in this scene."""
    marks = _person(scene).marks
    plate = [m for m in marks if m.startswith("plate_")][: scene.plate_dots]
    pair = plate or list(marks[:2])
    return (*pair, *(("left_heel", "right_heel") if scene.heels else ()))


def lens(scene: Scene) -> Lens:
    """The calibration record that fits the scene exactly."""
    return Lens(
        fx_px=scene.focal_px,
        cx_px=scene.cx_px,
        cy_px=scene.cy_px,
        k1=scene.k1,
        k2=scene.k2,
        p1=scene.p1,
        p2=scene.p2,
        k3=scene.k3,
        pitch_deg=scene.pitch_deg,
        roll_deg=scene.roll_deg,
        yaw_deg=scene.yaw_deg,
    )


def settings(scene: Scene, base: Settings | None = None) -> Settings:
    """`base` with the mount and lens of the scene: what a calibrated station would be set to."""
    base = base or Settings()
    camera = msgspec.structs.replace(
        base.camera,
        width_px=scene.width_px,
        height_px=scene.height_px,
        rate_hz=scene.rate_hz,
        row_us=scene.row_us,
        rotate_deg=scene.rotate_deg,
        mirror=scene.mirror,
    )
    return msgspec.structs.replace(base, camera=camera, lens=lens(scene))


def mounted(settings: Settings, *, stand_s: float = 0.0) -> Scene:
    """The default scene through the mount and lens that the settings describe: a sensor that is what they say."""
    camera, lens = settings.camera, settings.lens
    return Scene(
        runner=camera.runner,
        stand_s=stand_s,
        width_px=camera.width_px,
        height_px=camera.height_px,
        rate_hz=camera.rate_hz,
        row_us=camera.row_us,
        rotate_deg=camera.rotate_deg,
        mirror=camera.mirror,
        f_px=lens.fx_px,
        cx_px=lens.cx_px,
        cy_px=lens.cy_px,
        k1=lens.k1,
        k2=lens.k2,
        p1=lens.p1,
        p2=lens.p2,
        k3=lens.k3,
        pitch_deg=lens.pitch_deg,
        roll_deg=lens.roll_deg,
        yaw_deg=lens.yaw_deg,
    )


def reflected(scene: Scene) -> Scene:
    """The scene whose pictures are those of `scene` in a mirror that exchanges the runner's left and right.

    Everything sideways changes its sign; on a sensor turned by a quarter, sideways is up and down its columns
    (and a rolling shutter then breaks the symmetry, as it does in the world). A board has no mirror image here: a
    mirrored one could not be read.
    """
    upright = scene.rotate_deg in (0, 180)
    cx = 2 * ((scene.width_px - 1) / 2) - scene.cx_px if upright and scene.cx_px >= 0 else scene.cx_px
    cy = 2 * ((scene.height_px - 1) / 2) - scene.cy_px if not upright and scene.cy_px >= 0 else scene.cy_px
    clutter = tuple(msgspec.structs.replace(c, x_px=-c.x_px, path_x_px=-c.path_x_px) for c in scene.clutter)
    swap = msgspec.structs.replace
    other = scene.other and swap(scene.other, right_m=-scene.other.right_m)
    beam = scene.beam and swap(
        scene.beam,
        right_m=-scene.beam.right_m,
        tilt_deg=-scene.beam.tilt_deg,
        turn_deg=-scene.beam.turn_deg,
    )
    plumb = scene.plumb and swap(scene.plumb, right_m=-scene.plumb.right_m, swing_deg=-scene.plumb.swing_deg)
    return msgspec.structs.replace(
        scene,
        mirrored=not scene.mirrored,
        cx_px=cx,
        cy_px=cy,
        p1=scene.p1 if upright else -scene.p1,
        p2=-scene.p2 if upright else scene.p2,
        right_m=-scene.right_m,
        roll_deg=-scene.roll_deg,
        yaw_deg=-scene.yaw_deg,
        gradient_x=-scene.gradient_x,
        clutter=clutter,
        other=other,
        beam=beam,
        plumb=plumb,
        lamp=scene.lamp and swap(scene.lamp, x_px=-scene.lamp.x_px),
        hidden=tuple(msgspec.structs.replace(h, mark=exchanged(h.mark)) for h in scene.hidden),
    )


def check(scene: Scene) -> None:
    """Refuse figures without sense, in words."""
    finite = [v for v in msgspec.structs.astuple(scene) if isinstance(v, float)]
    if not all(math.isfinite(v) for v in finite):
        raise SettingsError(
            "virtual camera: a figure of the scene is not a finite number", fix="give finite numbers"
        )
    if scene.rate_hz <= 0 or scene.width_px < 16 or scene.height_px < 16 or scene.distance_m <= 0:
        raise SettingsError(
            "virtual camera: rate, size and distance must be above zero",
            fix="for example 120 Hz, 480x640, 2.5 m",
        )
    if not 0 <= scene.lost < 1:
        raise SettingsError(f"virtual camera: a share of {scene.lost} lost frames", fix="give 0 to below 1")
    if isinstance(scene.runner, Runner) and scene.runner.flight_s <= 0:
        raise SettingsError("synthetic runner: no flight", fix="shorten contact_time_s or lower cadence_spm")
    _pair(scene)


def _person(scene: Scene) -> Actor:
    if isinstance(scene.runner, Runner):
        return scene.runner
    return _recorded(scene.runner, _pair(scene), scene.loop)


@lru_cache(maxsize=4)
def _recorded(name: str, pair: str, loop: bool) -> Recorded:
    return Recorded(trials.load(name), pair, loop=loop)


def _pair(scene: Scene) -> str:
    has = (scene.runner.pair,) if isinstance(scene.runner, Runner) else trials.load(scene.runner).pairs
    if scene.pair and scene.pair not in has:
        raise SettingsError(f"the runner wears no pair `{scene.pair}`", fix=f"worn: {', '.join(has)}")
    return scene.pair or has[0]
