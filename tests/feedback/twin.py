"""The light, once more, slow and obvious: plain Python on settings and moments, to hold the compiled kernel to.

Written from the rules in docs/feedback.md. It adds and multiplies in the same order as the kernel, because the two
must agree byte for byte; everything else (names for numbers, objects for rows) is its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from appliance.config import Settings
from appliance.feedback.patterns import DEEP, PALETTES, pattern, top_byte
from appliance.records import U8, Posture, Shown


def toward(now: float, goal: float, reach: float) -> float:
    if abs(goal - now) <= reach:
        return goal
    return now + reach if goal > now else now - reach


def share(elapsed_s: float, span_ms: float) -> float:
    return elapsed_s / (span_ms / 1000) if span_ms else math.inf


@dataclass
class Watch:
    """The flash rule for one luminance: an LED, a half or the whole."""

    flash: int
    rising: bool = False
    extreme: int = 0
    rises_s: list[float] = field(default_factory=list)  # when each rise last went up

    def ceiling(self, now_s: float) -> float:
        recent = [t for t in self.rises_s[-3:] if not now_s - t > 1.1]
        return (
            math.inf
            if self.rising or (len(recent) < 3 and now_s > -math.inf)
            else self.extreme + self.flash - 1
        )

    def note(self, now_s: float, luminance: int) -> None:
        if self.rising and luminance > self.extreme:
            self.extreme, self.rises_s[-1] = luminance, now_s
        elif self.rising and luminance <= self.extreme - self.flash:
            self.rising, self.extreme = False, luminance
        elif not self.rising and luminance >= self.extreme + self.flash:
            self.rising, self.extreme = True, luminance
            self.rises_s.append(now_s)
        elif not self.rising:
            self.extreme = min(self.extreme, luminance)


def luminance(led: list[int]) -> int:
    return 2126 * led[0] + 7152 * led[1] + 722 * led[2]


def dimmed(led: list[int], part: int, whole: int) -> list[int]:
    red, green, blue = led if part >= whole else [byte * part // whole for byte in led]
    return [min(red, 3 * (green + blue)), green, blue]


class Twin:
    """`Feedback`, the slow way."""

    def __init__(self, settings: Settings) -> None:
        self.f, self.strip, self.n = settings.feedback, settings.strip, settings.strip.leds
        self.enough = min(3, settings.motion.steps)
        self.exchanged = (self.f.lights == "stance") != self.f.swap
        top = float(top_byte(settings.strip))
        inside, beyond, _ = PALETTES[self.f.palette]
        self.inside = [c * 0.35 * top for c in inside]
        self.beyond = [c * top for c in beyond]
        if self.f.mode == "live":
            self.inside = self.beyond = [max(1, int(c * top)) if c else 0 for c in DEEP[self.f.palette]]
        self.looks = {shown: pattern(shown, settings).tolist() for shown in Shown}
        self.weights = dict.fromkeys(Shown, 0.0)
        self.length, self.glow = [0.0, 0.0], [0.0, 0.0]
        self.is_beyond, self.known = [False, False], [False, False]
        self.clock_s, self.guard_acts, self.acting = -math.inf, 0, False
        half = range(self.n // 2)
        self.areas = [[i] for i in range(self.n)]
        self.areas += [list(half), [self.n - 1 - i for i in reversed(half)], list(range(self.n))]
        self.watches = [Watch(900 * int(top) * len(area)) for area in self.areas]

    def feed(self, moment: np.void) -> tuple[U8, Shown]:
        elapsed_s = 0.0
        t_s = float(moment["t_s"])
        if math.isfinite(t_s) and t_s > self.clock_s:
            elapsed_s, self.clock_s = t_s - self.clock_s, t_s
        seen_s = float(moment["seen_s"])
        age_s = self.clock_s - seen_s if seen_s <= self.clock_s else math.inf
        if age_s > 0:
            age_s += min(elapsed_s, 0.02)  # it stands until the next row
        if math.isnan(age_s):
            age_s = math.inf
        shown = self.choose(moment, age_s)
        was_held = self.weights[Shown.MEASUREMENT] > 0
        self.fade(shown, age_s, elapsed_s)
        if shown is Shown.MEASUREMENT:
            self.move(self.sides(moment), elapsed_s if was_held else math.inf)
        leds = self.guarded(self.capped([self.led(i) for i in range(self.n)]))
        return np.array(leds, np.uint8), shown

    def choose(self, m: np.void, age_s: float) -> Shown:
        live = self.f.mode == "live"
        if m["posture"] == Posture.UNSEEN or age_s >= 0.1:
            return Shown.NO_DATA
        if self.f.mode == "off":
            return Shown.OFF
        if live and m["sides_sure"] >= 0:
            return Shown.NO_DATA if np.isnan(m["level_deg"]) else Shown.MEASUREMENT
        if m["posture"] == Posture.STANDING:
            return Shown.STANDING
        if m["sides_sure"] < 1:
            return Shown.UNSURE_SIDES
        fresh = self.clock_s - float(m["step_s"]) < 1.5
        if self.f.mode == "step":
            known = not np.isnan(m["left_last_deg"]) or not np.isnan(m["right_last_deg"])
        else:
            counted = m["left_steps"] >= self.enough and m["right_steps"] >= self.enough
            known = counted and not np.isnan(m["difference_deg"])
        return Shown.MEASUREMENT if fresh and known else Shown.WARMING_UP

    def fade(self, shown: Shown, age_s: float, elapsed_s: float) -> None:
        reach = share(elapsed_s, self.f.fade_ms) if self.f.fade_ms else 2.0
        for what, weight in self.weights.items():
            if what is shown:
                self.weights[what] = min(weight + reach, 1.0)
            else:
                leaving = max(reach, elapsed_s / 0.1) if what is Shown.MEASUREMENT else reach
                self.weights[what] = max(weight - leaving, 0.0)
        stale = min(max((age_s - 0.06) / (0.1 - 0.06), 0.0), 1.0)
        self.weights[Shown.NO_DATA] = max(self.weights[Shown.NO_DATA], stale)
        others = [what for what in Shown if what is not Shown.NO_DATA]
        rest, room = 0.0, 1.0 - self.weights[Shown.NO_DATA]
        for what in others:
            rest += self.weights[what]
        if rest > room:
            for what in others:
                self.weights[what] *= room / rest

    def sides(self, m: np.void) -> list[float]:
        """The figures of the left and the right half, in degrees."""
        if self.f.mode == "step":
            pair = [float(m["right_last_deg"]), float(m["left_last_deg"])]
        else:
            figure = float(m["level_deg"] if self.f.mode == "live" else m["difference_deg"])
            pair = [figure, -figure]
        return pair[::-1] if self.exchanged else pair

    def move(self, figures: list[float], elapsed_s: float) -> None:
        fade = share(elapsed_s, self.f.fade_ms) if self.f.fade_ms else 2.0
        slew = share(elapsed_s, self.f.slew_ms) if self.f.slew_ms else 2.0
        band_deg = {"step": self.f.target_deg, "live": math.inf}.get(self.f.mode, self.f.band_deg)
        from_deg = self.f.band_deg if self.f.mode == "box" else 0.0
        scale = self.f.sensitivity / self.f.full_scale_deg
        goals = []
        for side, deg in enumerate(figures):
            back = 0.9 if self.is_beyond[side] and elapsed_s != math.inf else 1.0
            self.known[side], self.is_beyond[side] = not math.isnan(deg), deg > band_deg * back
            self.glow[side] = (
                toward(self.glow[side], float(self.is_beyond[side]), fade) if self.known[side] else 0.0
            )
            goals.append(min((deg - from_deg) * scale, 1.0) if deg > from_deg else 0.0)
        if self.f.mode == "step":
            for side in (0, 1):
                self.length[side] = toward(self.length[side], goals[side], slew) if self.known[side] else 0.0
            return
        at, goal = self.length[0] - self.length[1], goals[0] - goals[1]
        at = toward(at, goal, slew)
        self.length = [max(at, 0.0), max(-at, 0.0)]

    def led(self, i: int) -> list[int]:
        cover, glow, mark = self.measured(i)
        led = []
        for c in range(3):
            bar = glow * self.beyond[c] + (1.0 - glow) * self.inside[c]
            value = self.weights[Shown.MEASUREMENT] * (cover * bar + (1.0 - cover) * mark * self.inside[c])
            for what in (Shown.NO_DATA, Shown.UNSURE_SIDES, Shown.WARMING_UP, Shown.STANDING):
                value += self.weights[what] * self.looks[what][i][c]
            led.append(int(min(value + 0.5, top_byte(self.strip))))
        return led

    def measured(self, i: int) -> tuple[float, float, float]:
        """How much of LED i the bar covers, how it glows there, and the strength of the middle mark."""
        half, quarter = self.n // 2, self.n / 4
        place = (self.n - 1) / 2 - i  # LEDs to the left of the middle
        side = 0 if place > 0 else 1
        at = self.length[0] - self.length[1]
        mark = 0.0 if self.f.mode in ("box", "live") else 1.0
        if place == 0:
            cover = min(0.5, quarter + at * quarter) + min(0.5, quarter - at * quarter)
            return (
                (cover if self.f.mode == "live" else 0.0),
                0.0,
                0.5 * (self.known[0] + self.known[1]) * mark,
            )
        if self.f.mode == "live":
            start, centre = abs(place) - 0.5, (at if side == 0 else -at) * quarter
            cover = max(min(start + 1.0, centre + quarter) - max(start, centre - quarter), 0.0)
        else:
            rank = math.ceil(abs(place)) - 1
            cover = min(max(self.length[side] * half - rank, 0.0), 1.0)
        innermost = abs(place) <= 1
        return cover, self.glow[side], mark * self.known[side] if innermost else 0.0

    def capped(self, leds: list[list[int]]) -> list[list[int]]:
        total = sum(map(sum, leds))
        return [dimmed(led, min(self.strip.byte_budget, total), total) for led in leds]

    def guarded(self, leds: list[list[int]]) -> list[list[int]]:
        acted = False
        for area, watch in zip(self.areas, self.watches, strict=True):
            total, ceiling = sum(luminance(leds[i]) for i in area), watch.ceiling(self.clock_s)
            if total > ceiling:
                acted = True
                for i in area:
                    leds[i] = dimmed(leds[i], int(ceiling), total)
        for area, watch in zip(self.areas, self.watches, strict=True):
            watch.note(self.clock_s, sum(luminance(leds[i]) for i in area))
        self.guard_acts += acted and not self.acting
        self.acting = acted
        return leds
