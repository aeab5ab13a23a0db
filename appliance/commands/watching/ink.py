"""What a terminal can draw: colours become numbers for it, shades of grey become its nearest few.

A colour is an integer: -1 the terminal's own, 0..255 a number of its palette, from 0x1000000 on red, green and blue of
eight bits each. Few greys keep lines short: neighbours of one grey are one stretch of text. Refuses nothing: without
colours everything is the terminal's own, and the caller draws with letters.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.records import U8

Inks = NDArray[np.int32]
OWN = -1
_RGB = 0x1000000
_CUBE = np.array([0, 95, 135, 175, 215, 255])
_NAMED = np.array(
    [
        (0, 0, 0), (170, 0, 0), (0, 170, 0), (170, 85, 0), (0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170),
        (85, 85, 85), (255, 85, 85), (85, 255, 85), (255, 255, 85), (85, 85, 255), (255, 85, 255), (85, 255, 255),
        (255, 255, 255),
    ]
)  # fmt: skip
"""The sixteen colours as the Linux console has them; other terminals differ a little."""
_NAMED_GREYS = np.array([0, 8, 7, 15], dtype=np.int32)


class Depth(StrEnum):
    """How many colours a terminal has."""

    NONE = "none"
    NAMED = "16"
    INDEXED = "256"
    TRUE = "true"


class Ink(msgspec.Struct, frozen=True):
    """One terminal's means: its colours, and whether it draws more than ASCII. braille : also the patterns of dots."""

    depth: Depth = Depth.TRUE
    utf8: bool = True
    braille: bool = True

    @property
    def shaded(self) -> bool:
        """Whether pictures can be drawn as half blocks, two points in a cell."""
        return self.utf8 and self.depth is not Depth.NONE

    def greys(self, count: int) -> Inks:
        """`count` greys or fewer, from black to white."""
        if self.depth is Depth.NONE:
            return np.full(count, OWN, np.int32)
        if self.depth is Depth.NAMED:
            return _NAMED_GREYS
        shades = np.linspace(0, 255, count)
        if self.depth is Depth.TRUE:
            values = np.rint(shades).astype(np.int32)
            return np.asarray(_RGB + values * 0x10101, dtype=np.int32)
        ramp = np.clip(np.rint((shades - 8) / 10), -1, 24).astype(np.int32)
        return np.where(ramp < 0, 16, np.where(ramp > 23, 231, 232 + ramp)).astype(np.int32)

    def colours(self, rgb: U8) -> Inks:
        """(n, 3) red, green, blue -> the nearest that the terminal has."""
        wanted = rgb.astype(np.int32)
        if self.depth is Depth.NONE:
            return np.full(len(rgb), OWN, np.int32)
        if self.depth is Depth.TRUE:
            return np.asarray(_RGB + wanted[:, 0] * 65536 + wanted[:, 1] * 256 + wanted[:, 2], dtype=np.int32)
        if self.depth is Depth.NAMED:
            apart = ((wanted[:, None] - _NAMED[None]) ** 2).sum(axis=2)
            return np.asarray(apart.argmin(axis=1), dtype=np.int32)
        nearest = np.abs(wanted[:, :, None] - _CUBE).argmin(axis=2)
        return np.asarray(16 + nearest @ (36, 6, 1), dtype=np.int32)

    def colour(self, red: int, green: int, blue: int) -> int:
        """One colour."""
        return int(self.colours(np.array([[red, green, blue]], np.uint8))[0])


def rgb_of(ink: int) -> tuple[int, int, int] | None:
    """Red, green and blue of a colour number; None for the terminal's own."""
    if ink < 0:
        return None
    if ink >= _RGB:
        return (ink >> 16) & 255, (ink >> 8) & 255, ink & 255
    if ink < 16:
        red, green, blue = _NAMED[ink].tolist()
        return red, green, blue
    if ink >= 232:
        grey = 8 + 10 * (ink - 232)
        return grey, grey, grey
    cube = ink - 16
    return int(_CUBE[cube // 36]), int(_CUBE[cube // 6 % 6]), int(_CUBE[cube % 6])
