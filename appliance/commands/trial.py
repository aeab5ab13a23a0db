"""Frames of a camera under test become figures, and figures become verdicts: a line each, ok or what to do.

Milliseconds and grey levels (0 to 255); shares from 0 to 1. What was not measured is None, and None in JSON.
"""

from __future__ import annotations

import msgspec
import numpy as np

from appliance.records import F64, STALE_S, U8, Frame

_LOOKED_EVERY = 16
"""Brightness is looked at in one frame of so many: it takes longer than to find the dots."""
_SATURATED = 250


class Figures(msgspec.Struct, frozen=True):
    """What a camera did while it was watched."""

    frames: int
    lost: int
    restarts: int
    asked_hz: float
    rate_hz: float | None
    interval_ms: dict[str, float | None]
    delay_ms: dict[str, float | None]
    silence_ms: float
    background: float | None
    brightest: float | None
    saturated: float | None
    pair_seen: float | None
    heels_seen: float | None
    dots: float | None


class Verdict(msgspec.Struct, frozen=True):
    """One line of the report."""

    what: str
    ok: bool
    text: str
    fix: str


def _line(what: str, ok: bool, text: str, fix: str) -> Verdict:
    return Verdict(what, ok, text, "" if ok else fix)


class Watch:
    """Takes frames as they come, and what was seen in them."""

    def __init__(self) -> None:
        self._t_s: list[float] = []
        self._delays_s: list[float] = []
        self._seen = np.zeros(4, np.int64)
        self._histogram = np.zeros(256, np.int64)
        self._peaks: list[float] = []

    @property
    def frames(self) -> int:
        """How many so far."""
        return len(self._t_s)

    @property
    def rate_hz(self) -> float | None:
        """Frames a second so far, by their own times."""
        span_s = self._t_s[-1] - self._t_s[0] if len(self._t_s) > 1 else 0.0
        return (len(self._t_s) - 1) / span_s if span_s > 0 else None

    def take(self, frame: Frame, now_s: float) -> None:
        """A frame that has just come."""
        self._t_s.append(frame.t_s)
        self._delays_s.append(now_s - frame.t_s)
        if len(self._t_s) % _LOOKED_EVERY == 1:
            self._look(frame.luma)

    def see(self, xy_px: F64) -> None:
        """Which of the marks were found in it."""
        self._seen += np.isfinite(xy_px).all(axis=1)

    def figures(self, asked_hz: float, restarts: int, lost: int) -> Figures:
        """The figures up to here."""
        n = len(self._t_s)
        gaps_s = np.diff(self._t_s)
        share = self._seen / n if n else np.full(4, np.nan)
        total = int(self._histogram.sum())
        cumulated = np.cumsum(self._histogram)
        return Figures(
            frames=n,
            lost=lost,
            restarts=restarts,
            asked_hz=asked_hz,
            rate_hz=self.rate_hz,
            interval_ms=_spread_ms(gaps_s),
            delay_ms=_spread_ms(np.array(self._delays_s)),
            silence_ms=1e3 * float(gaps_s.max()) if len(gaps_s) else 0.0,
            background=float(np.searchsorted(cumulated, total / 2)) if total else None,
            brightest=float(np.median(self._peaks)) if self._peaks else None,
            saturated=float(self._histogram[_SATURATED:].sum() / total) if total else None,
            pair_seen=float(share[:2].min()) if n else None,
            heels_seen=float(share[2:].min()) if n else None,
            dots=float(share.sum()) if n else None,
        )

    def _look(self, luma: U8) -> None:
        counts = np.bincount(luma.ravel(), minlength=256)
        self._histogram += counts
        self._peaks.append(float(np.flatnonzero(counts)[-1]))


def _spread_ms(values_s: F64) -> dict[str, float | None]:
    if not len(values_s):
        return {"p50": None, "p99": None, "max": None}
    p50, p99 = np.percentile(values_s * 1e3, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "max": float(values_s.max() * 1e3)}


def verdicts(f: Figures, stamped_by: str) -> list[Verdict]:
    """The report; empty when there was no frame to judge."""
    if f.rate_hz is None or f.interval_ms["p99"] is None or f.delay_ms["p99"] is None:
        return []
    return [
        *_flow(f, f.rate_hz, f.interval_ms["p99"]),
        _delay(f, f.delay_ms["p99"], stamped_by),
        *_picture(f),
    ]


def _flow(f: Figures, rate_hz: float, p99_ms: float) -> list[Verdict]:
    slow = (
        "a smaller picture, a shorter exposure or a lower camera.rate_hz; USB cameras slow down in the dark"
    )
    busy = "stop other programs, or lower camera.rate_hz; `hipbar bench` says what this machine can do"
    share = f.lost / max(1, f.frames + f.lost)
    return [
        _line(
            "rate", rate_hz >= 0.97 * f.asked_hz, f"{rate_hz:.1f} frames/s of {f.asked_hz:g} asked for", slow
        ),
        _line("lost", share <= 0.005, f"{f.lost:,} of {f.frames + f.lost:,} frames", busy),
        _line(
            "interval",
            p99_ms <= 1.6e3 / f.asked_hz and f.silence_ms < STALE_S * 1e3,
            f"{_ms(f.interval_ms)} longest",
            busy,
        ),
        _line(
            "restarts",
            f.restarts == 0,
            str(f.restarts),
            "reseat the camera's cable at both ends; another supply",
        ),
    ]


def _delay(f: Figures, p99_ms: float, stamped_by: str) -> Verdict:
    text = f"{_ms(f.delay_ms)} longest, from exposure to memory; times by {stamped_by}"
    if stamped_by == "arrival":
        return _line(
            "delay", False, text, "this driver gives no usable times: speeds and delays are less exact"
        )
    return _line("delay", p99_ms <= 50.0, text, "a faster rate, or another pixel format than JPEG")


def _picture(f: Figures) -> list[Verdict]:
    dark, glare = f.brightest or 0.0, f.saturated or 0.0
    background = f.background or 0.0
    light = f"background {background:.0f}, brightest {dark:.0f} of 255, {100 * glare:.2f} % saturated"
    pair, heels = f.pair_seen or 0.0, f.heels_seen or 0.0
    if dark < 100:
        fix = "too dark: raise camera.gain or camera.exposure_us, or bring the infrared ring nearer"
    elif background > 80:
        fix = "too bright around the dots: shorter camera.exposure_us, a long-pass filter, less daylight"
    else:
        fix = "too bright: lower camera.gain or camera.exposure_us, look for lamps and mirrors in the picture"
    return [
        _line("light", dark >= 100 and background <= 80 and glare <= 0.02, light, fix),
        _line(
            "dots",
            pair >= 0.95,
            f"{f.dots or 0.0:.1f} a frame: pelvis pair in {100 * pair:.1f} %, each heel in {100 * heels:.1f} % or more",
            "stand before the camera with all four dots on; `--snapshot` shows what it sees",
        ),
    ]


def _ms(spread: dict[str, float | None]) -> str:
    p50, p99, longest = (spread[k] or 0.0 for k in ("p50", "p99", "max"))
    return f"{p50:.1f} ms at p50, {p99:.1f} at p99, {longest:.1f}"
