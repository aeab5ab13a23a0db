"""The last seconds of obliquity become a curve in characters, drawn as by a sweeping pen.

Degrees, positive upwards (the runner's right side higher). The newest value is where the gap is; what lies right of it
is the sweep before. So between two screens only the columns under the pen change, and a slow line can follow. With
Braille patterns a cell has 2 x 4 points, otherwise one. A frame without a measured pair leaves a hole.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from appliance.commands.watching.canvas import Canvas, Look
from appliance.commands.watching.ink import Depth, Ink
from appliance.commands.watching.view import SPAN_S, Past

SCALES_DEG = (5.0, 10.0, 20.0, 45.0)
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The Unicode Braille pattern's bit for each of its 4 x 2 points."""
_PATTERNS = np.array([chr(0x2800 + code) for code in range(256)], "<U1")
_GAP_S = 0.15
"""So much is left blank before the pen."""


def scale_deg(past: Past) -> float:
    """The smallest of the scales that holds all but single outliers."""
    seen = past.obliquity_deg[np.isfinite(past.obliquity_deg)]
    most = float(np.quantile(np.abs(seen), 0.99)) if len(seen) else 0.0
    return next((scale for scale in SCALES_DEG if most <= scale), SCALES_DEG[-1])


def points(past: Past, columns: int, rows: int, scale: float) -> NDArray[np.bool_]:
    """(rows, columns) points that the pen has touched within the last sweep."""
    touched = np.zeros((rows, columns), bool)
    if not len(past.t_s):
        return touched
    now_s = float(past.t_s[-1])
    recent = (past.t_s > now_s - SPAN_S + _GAP_S) & np.isfinite(past.obliquity_deg)
    ticks = np.floor(past.t_s[recent] * (columns / SPAN_S)).astype(np.int64)
    heights = np.clip((1 - past.obliquity_deg[recent] / scale) / 2, 0, 1) * (rows - 1)
    ys = np.rint(heights).astype(np.int64)
    if not len(ticks):
        return touched
    firsts = np.concatenate(([0], np.flatnonzero(np.diff(ticks)) + 1))
    before = np.maximum(firsts - 1, 0)  # a stroke begins where the one before it has ended
    joined = np.where(ticks[before] == ticks[firsts] - 1, ys[before], ys[firsts])
    upper = np.minimum(np.minimum.reduceat(ys, firsts), joined)
    lower = np.maximum(np.maximum.reduceat(ys, firsts), joined)
    row = np.arange(rows)[:, None]
    touched[:, ticks[firsts] % columns] = (row >= upper) & (row <= lower)
    return touched


def draw(canvas: Canvas, box: tuple[int, int, int, int], past: Past, ink: Ink, zero: Look) -> None:
    """Puts the curve into box (x, y, columns, rows); its last row tells the steps, its left edge the scale."""
    x, y, columns, rows = box
    scale = scale_deg(past)
    labels = 4
    wide, high = columns - labels, rows - 1
    if wide < 8 or high < 3:
        return
    middle = high // 2
    for row, value in ((0, scale), (middle, 0.0), (high - 1, -scale)):
        canvas.write(x, y + row, f"{value:+3.0f}" if value else "  0", zero)
    dash = "─" if ink.utf8 else "-"
    canvas.write(x + labels, y + middle, dash * wide, zero)
    drawn = _braille if ink.utf8 and ink.braille else _letters
    signs = drawn(past, wide, high, scale)
    canvas.over(x + labels, y, signs)
    _steps(canvas, x + labels, y + high, wide, past, zero)


def _braille(past: Past, wide: int, high: int, scale: float) -> NDArray[np.str_]:
    touched = points(past, 2 * wide, 4 * high, scale)
    codes = (touched.reshape(high, 4, wide, 2) * _BITS[None, :, None, :]).sum(axis=(1, 3))
    return np.where(codes > 0, _PATTERNS[codes], " ").astype("<U1")


def _letters(past: Past, wide: int, high: int, scale: float) -> NDArray[np.str_]:
    return np.where(points(past, wide, high, scale), "*", " ").astype("<U1")


def _steps(canvas: Canvas, x: int, y: int, wide: int, past: Past, look: Look) -> None:
    """Each foot's time on the belt under the curve: its letter at contact, a line until it is off; a caret for now."""
    if not len(past.t_s):
        return
    now_s = float(past.t_s[-1])
    for contact_s, off_s, foot in past.steps:
        if now_s - SPAN_S + _GAP_S < contact_s and off_s <= now_s:
            first, last = (math.floor(at_s * (wide / SPAN_S)) for at_s in (contact_s, off_s))
            text, column = foot + "-" * (last - first), first % wide
            canvas.write(x + column, y, text[: wide - column], look)
            canvas.write(x, y, text[wide - column :], look)
    canvas.write(x + math.floor(now_s * (wide / SPAN_S)) % wide, y, "^")


def faint(ink: Ink) -> Look:
    """How lines and labels are drawn that are there only for orientation."""
    return (
        Look()
        if ink.depth is Depth.NONE
        else Look(8 if ink.depth is Depth.NAMED else ink.colour(110, 110, 120))
    )
