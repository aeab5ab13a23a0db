"""A few figures of a runner become motion whose every answer is known: the synthetic runner.

x to the runner's right, y forward, z up, metres; seconds. Obliquity is positive when the right side is higher; a drop
is positive when the swing side is lower. Contacts fall on whole multiples of the step time, feet alternate. The pelvis
falls freely in flight; in stance the ground adds a smooth push whose impulse carries exactly one step's weight. The
stance heel rides on the belt, the swing heel is thrown up behind. Not a model of any one person, and no muscles.
"""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec
import numpy as np

from appliance.records import F64, Side
from hw.camera.trials import PAIRS

GRAVITY = 9.81
_SECOND_HARMONIC = 0.3
"""Share of the push's second harmonic: with it the fall is stopped 45-50 ms after contact, as in the recordings."""


class TrueStep(msgspec.Struct, frozen=True):
    """What a perfect instrument would report of one step; drops without the tilt of badly placed marks."""

    stance: Side
    contact_s: float
    off_s: float
    peak_s: float
    peak_drop_deg: float
    contact_drop_deg: float
    midstance_drop_deg: float


class Runner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The figures of a synthetic runner. `tilt_deg` is the constant obliquity of marks that were placed askew."""

    cadence_spm: float = 170.0
    contact_time_s: float = 0.25
    speed_mps: float = 3.0
    left_peak_drop_deg: float = 4.0
    right_peak_drop_deg: float = 6.0
    peak_at: float = 0.4
    tilt_deg: float = 0.0
    sway_m: float = 0.012
    rotation_deg: float = 5.0
    hip_height_m: float = 1.0
    pair: str = "plate"
    pair_width_m: float = 0.09
    step_width_m: float = 0.07
    heel_lift_m: float = 0.3
    heel_floor_m: float = 0.08
    first: Side = Side.RIGHT

    @property
    def step_s(self) -> float:
        """From one contact to the other foot's."""
        return 60.0 / self.cadence_spm

    @property
    def flight_s(self) -> float:
        """Without contact, once a step."""
        return self.step_s - self.contact_time_s

    def stance(self, k: int) -> Side:
        """Which foot makes contact at `k * step_s`."""
        other = Side.LEFT if self.first is Side.RIGHT else Side.RIGHT
        return self.first if k % 2 == 0 else other

    def step(self, k: int) -> TrueStep:
        """The truth of step `k`."""
        side, contact = self.stance(k), k * self.step_s
        sign = 1.0 if side is Side.RIGHT else -1.0
        at = np.array([contact, contact + self.contact_time_s / 2])
        drop = sign * (self.obliquity_deg(at) - self.tilt_deg)
        return TrueStep(
            stance=side,
            contact_s=contact,
            off_s=contact + self.contact_time_s,
            peak_s=contact + self.peak_at * self.contact_time_s,
            peak_drop_deg=self.right_peak_drop_deg if side is Side.RIGHT else self.left_peak_drop_deg,
            contact_drop_deg=float(drop[0]),
            midstance_drop_deg=float(drop[1]),
        )

    def steps(self, from_s: float, to_s: float) -> tuple[TrueStep, ...]:
        """The steps that lie wholly between two times."""
        first = math.ceil(from_s / self.step_s - 1e-9)
        last = math.floor((to_s - self.contact_time_s) / self.step_s + 1e-9)
        return tuple(self.step(k) for k in range(first, last + 1))

    def obliquity_deg(self, t_s: F64) -> F64:
        """Obliquity at each time: one hump a step, level at mid-flight, its top at `peak_at` of stance."""
        k, p = self._step_and_phase(t_s + self.flight_s / 2)
        top = self.flight_s / 2 + self.peak_at * self.contact_time_s
        hump = _smooth(np.minimum(p / top, (self.step_s - p) / (self.step_s - top)))
        is_first = k % 2 == 0
        sides = (self.right_peak_drop_deg, -self.left_peak_drop_deg)
        on_first, on_other = sides if self.first is Side.RIGHT else sides[::-1]
        return np.where(is_first, on_first, on_other) * hump + self.tilt_deg

    def height_m(self, t_s: F64) -> F64:
        """Height of the pelvis: free fall in flight, carried by the push in stance; `hip_height_m` at contact."""
        _, p = self._step_and_phase(t_s)
        c, flight = self.contact_time_s, self.flight_s
        a = GRAVITY * self.step_s / ((1 + _SECOND_HARMONIC) * c)
        w = 2 * math.pi / c
        ripple = (np.cos(w * p) - 1) / w**2 + _SECOND_HARMONIC * (np.cos(2 * w * p) - 1) / (4 * w**2)
        carried = (
            a * ((1 + _SECOND_HARMONIC) * p**2 / 2 + ripple) - GRAVITY * p**2 / 2 - GRAVITY * flight * p / 2
        )
        q = p - c
        flying = GRAVITY * flight * q / 2 - GRAVITY * q**2 / 2
        return self.hip_height_m + np.where(p < c, carried, flying)

    def heel_m(self, side: Side, t_s: F64) -> F64:
        """(n, 2): forward place and height of a heel: belt speed in stance, thrown up in swing."""
        start = 0.0 if side is self.first else self.step_s
        stride = 2 * self.step_s
        p = np.mod(t_s - start, stride)
        at_s, knots = _heel_knots(self)
        j = np.clip(np.searchsorted(at_s, p, side="right") - 1, 0, len(at_s) - 2)
        span = (at_s[j + 1] - at_s[j])[:, None]
        s = (p - at_s[j])[:, None] / span
        before, after = knots[j], knots[j + 1]
        rise = after[:, :2] - before[:, :2]
        c3 = span * (before[:, 2:] + after[:, 2:]) - 2 * rise
        c2 = rise - span * before[:, 2:] - c3
        return before[:, :2] + s * (span * before[:, 2:] + s * (c2 + s * c3))

    @property
    def marks(self) -> tuple[str, ...]:
        """The dots worn, in the order of the rows of `at`."""
        extra = ("plate_a", "plate_b") if self.pair == "plate" else ()
        return (*PAIRS[self.pair], *extra, "left_heel", "right_heel")

    @property
    def end_s(self) -> float:
        """A synthetic runner never tires."""
        return math.inf

    def at(self, t_s: F64) -> F64:
        """(n, K, 3) metres: every mark at each time."""
        stride = math.pi / self.step_s
        sign = 1.0 if self.first is Side.RIGHT else -1.0
        rotation = np.radians(self.rotation_deg) * sign * np.cos(stride * t_s)
        sway = self.sway_m * sign * np.sin(stride * t_s)
        pelvis = self._pelvis(np.radians(self.obliquity_deg(t_s)), rotation)
        pelvis[:, :, 0] += sway[:, None]
        pelvis[:, :, 2] += self.height_m(t_s)[:, None]
        return np.concatenate([pelvis, self._heels(t_s, sway)], axis=1)

    @property
    def standing(self) -> F64:
        """(K, 3) metres: every mark standing still; only the tilt of the marks remains."""
        pelvis = self._pelvis(np.radians(np.array([self.tilt_deg])), np.zeros(1))
        pelvis[:, :, 2] += self.hip_height_m
        half, z = self.step_width_m / 2, self.heel_floor_m
        return np.concatenate([pelvis[0], np.array([[-half, -0.05, z], [half, -0.05, z]])])

    def _pelvis(self, obliquity: F64, rotation: F64) -> F64:
        """(n, P, 3) pelvis marks around the middle of the pair: turned about the vertical, then tilted."""
        half = self.pair_width_m / 2
        spots = [(-half, 0.0), (half, 0.0)]
        if self.pair == "plate":
            spots += [(-half / 2, -0.05), (half / 2, -0.05)]
        co, so, cr, sr = np.cos(obliquity), np.sin(obliquity), np.cos(rotation), np.sin(rotation)
        right = np.stack([co * cr, co * sr, so], axis=1)
        up = np.stack([-so * cr, -so * sr, co], axis=1)
        return np.stack([x * right + z * up for x, z in spots], axis=1)

    def _heels(self, t_s: F64, sway: F64) -> F64:
        half = self.step_width_m / 2
        out = np.empty((len(t_s), 2, 3))
        for row, (side, x) in enumerate(((Side.LEFT, -half), (Side.RIGHT, half))):
            out[:, row, 0] = x + 0.5 * sway
            out[:, row, 1:] = self.heel_m(side, t_s)
        return out

    def _step_and_phase(self, t_s: F64) -> tuple[F64, F64]:
        k = np.floor(t_s / self.step_s)
        return k, t_s - k * self.step_s


def _smooth(x: F64) -> F64:
    """0 at 0 and 1 at 1 with flat first and second derivatives at both."""
    return x * x * x * (10 + x * (6 * x - 15))


@lru_cache(maxsize=64)
def _heel_knots(runner: Runner) -> tuple[F64, F64]:
    """Times in the stride, and (y, z, vy, vz) there; shaped after the recorded runners' mean heel path."""
    c, v, z = runner.contact_time_s, runner.speed_mps, runner.heel_floor_m
    landed, lifted, swing = 0.03, 0.5 * c, 2 * runner.step_s - c
    y_landed = 0.35 - 0.8 * v * landed
    y_lifted = y_landed - v * (lifted - landed)
    y_off = y_lifted - 0.75 * v * (c - lifted)
    knots = (
        (0.0, (0.35, z + 0.01, -0.55 * v, -0.35)),
        (landed, (y_landed, z, -v, 0.0)),
        (lifted, (y_lifted, z, -v, 0.0)),
        (c, (y_off, z + 0.45 * runner.heel_lift_m, -0.35 * v, 1.3)),
        (c + 0.2 * swing, (y_off - 0.035, z + 0.83 * runner.heel_lift_m, 0.0, 1.0)),
        (c + 0.39 * swing, (y_off + 0.06, z + runner.heel_lift_m, 0.55 * v, 0.0)),
        (c + 0.83 * swing, (0.31, z + 0.06, 0.85 * v, -0.8)),
        (c + 0.92 * swing, (0.37, z + 0.03, 0.2 * v, -0.35)),
        (c + swing, (0.35, z + 0.01, -0.55 * v, -0.35)),
    )
    return np.array([at for at, _ in knots]), np.array([k for _, k in knots])
