"""A frame becomes keypoints: four windows around where the marks should be, or the whole picture when one is lost.

Sensor pixels; rows as `records.MARKS`; a mark that is not seen is NaN with score 0, never carried on.
Refuses a frame of another size or kind with `SourceError`. All memory is set aside at the first frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.config import Settings
from appliance.errors import SourceError
from appliance.kernels import blobs, names, tracks
from appliance.records import U8, Frame, Keypoints

_LEAST_RISE = 12.0
_FIRM_SHARE, _KEEN_SHARE = 0.25, 0.08
"""How far from background to the brightest dot a pixel must rise: at first, and when nothing is found with that."""
_SEARCH_FRAMES = 40
"""So many frames without a runner, then the other share is tried."""
_REFRESH_FRAMES = 8
"""A tile of the background is looked at again every so many frames."""


class Sight:
    """Follows one runner's marks through the frames of one camera."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ground: _Ground | None = None
        self._windows = np.zeros(4, blobs.WINDOW)
        self._found = np.zeros(blobs.MAX_BLOBS, blobs.BLOB)
        self._runs = np.zeros((2, blobs.MAX_RUNS, 3), np.int64)
        self._spots = np.zeros((blobs.MAX_SPOTS, 6), np.int64)
        self._upright = np.zeros((blobs.MAX_BLOBS, 4))
        self._slots = np.zeros(5, tracks.TRACK)  # the four marks, and room to exchange two
        self._tracks = np.zeros(tracks.MAX_TRACKS, tracks.TRACK)
        self._lock = np.zeros(1, tracks.LOCK)
        self._slots["blob"] = self._tracks["blob"] = -1
        self._lock["first_s"] = np.nan
        self.tracked = False

    def locate(self, frame: Frame) -> Keypoints:
        """Where the marks are in this frame; `tracked` then says whether windows were enough."""
        ground = self._ground
        if ground is None or frame.luma.shape != ground.shape or frame.luma.dtype != np.uint8:
            ground = self._open(frame)
        luma, words = ground.admit(frame.luma)
        seen = Keypoints(frame.seq, frame.t_s, np.empty((4, 2)), np.empty(4))
        n = tracks.plan(self._slots, self._lock, self._view, frame.t_s, self._windows)
        self.tracked = n > 1 and self._look(ground, luma, words, n, seen)
        if not self.tracked:
            self._windows[0] = self._everything
            self._look(ground, luma, words, 1, seen)
            ground.searched(bool(self._lock[0]["held"]))
        return seen

    def _look(self, g: _Ground, luma: U8, words: Any, n: int, seen: Keypoints) -> bool:
        """Find and name the dots in the first `n` windows (1 = everywhere); False: look everywhere instead."""
        least, most = self._limits
        found = blobs.find(
            luma, words, g.levels, g.add, g.keep, self._windows, n, g.shape[1], least, most,
            self._runs, self._spots, self._found,
        )  # fmt: skip
        if (
            found < 0
        ):  # overrun by bright clutter: see nothing rather than the first things found, and look less keenly
            g.firm()
            found = 0
        who = (self._slots, self._tracks, self._lock, self._view)
        if not tracks.follow(self._found, found, n == 1, seen.t_s, *who, self._upright):
            return False
        names.settle(self._found, n == 1, seen.t_s, *who, seen.xy_px, seen.score)
        return True

    def _open(self, frame: Frame) -> _Ground:
        if frame.luma.ndim != 2 or frame.luma.dtype != np.uint8 or min(frame.luma.shape) < 16:
            raise SourceError(
                f"frame {frame.seq}: {frame.luma.dtype} {frame.luma.shape} is not a grey picture",
                fix="luma is (height, width) uint8, at least 16 x 16",
            )
        if self._ground is not None:  # the kind is right, so it is the size
            was, now = self._ground.shape, frame.luma.shape
            raise SourceError(
                f"frame {frame.seq} is {now[1]}x{now[0]} px, those before were {was[1]}x{was[0]}",
                fix="start again with one picture size",
            )
        height, width = frame.luma.shape
        camera, sight = self._settings.camera, self._settings.sight
        turn = camera.rotate_deg // 90
        scale = (width if turn % 2 else height) / 640.0
        self._view = np.array([(width, height, turn, camera.mirror, scale)], tracks.VIEW)
        self._everything = np.array([(0, width, 0, height)], blobs.WINDOW)[0]
        self._limits = (sight.min_dot_px, sight.max_dot_px)
        self._ground = _Ground(frame.luma, float(sight.contrast))
        return self._ground


class _Ground:
    """The background of the picture in tiles, and the thresholds that follow from it."""

    def __init__(self, luma: U8, contrast: float) -> None:
        self.shape: tuple[int, int] = (luma.shape[0], luma.shape[1])
        height, width = self.shape
        words = -(-width // 8)
        tiles = (-(-height // blobs.TILE), -(-width // blobs.TILE))
        self._padded = np.zeros((height, 8 * words), np.uint8)
        self._base, self._noise = np.zeros(tiles), np.zeros(tiles)
        self._histogram = np.zeros(256, np.int64)
        self.levels = np.zeros(tiles, np.uint8)
        self.add, self.keep = np.zeros((tiles[0], words), np.uint64), np.zeros((tiles[0], words), np.uint64)
        self._contrast = contrast
        self._share = _FIRM_SHARE
        self._frames = self._in_vain = 0
        self._next = -1

    def admit(self, luma: U8) -> tuple[U8, NDArray[np.uint64]]:
        """The picture as the kernels want it (copied only if its rows do not lie close), its background kept up."""
        if luma.shape[1] % 8 or not luma.flags.c_contiguous or not luma.view(np.uint64).flags.aligned:
            self._padded[:, : self.shape[1]] = luma
            luma = self._padded
        if self._next < 0:
            self._survey(luma)
        self._frames += 1
        if self._frames % _REFRESH_FRAMES == 0:
            self._refresh(luma)
        return luma, luma.view(np.uint64)

    def searched(self, held: bool) -> None:
        """After a whole search: having long found no runner, try the other share and look at the background anew."""
        self._in_vain = 0 if held else self._in_vain + 1
        if self._in_vain == _SEARCH_FRAMES:
            self._in_vain = 0
            self._share = _KEEN_SHARE if self._share == _FIRM_SHARE else _FIRM_SHARE
            self._next = -1

    def firm(self) -> None:
        """Look only for what stands out clearly."""
        self._share = min(0.8, max(_FIRM_SHARE, self._share * 1.3))
        self._arm()

    def _survey(self, luma: U8) -> None:
        for row in range(self._base.shape[0]):
            for column in range(self._base.shape[1]):
                blobs.survey(luma, row, column, self._histogram, self._base, self._noise)
        self._peak = float(luma.max())
        self._next = 0
        self._arm()

    def _refresh(self, luma: U8) -> None:
        """One tile and its mirror images, across and down, a call, in turn: a mirrored picture, even of a sensor that
        is turned by a quarter, has mirrored thresholds."""
        down, across = self._base.shape
        row, column = divmod(self._next, -(-across // 2))
        for r, c in {(r, c) for r in (row, down - 1 - row) for c in (column, across - 1 - column)}:
            blobs.survey(luma, r, c, self._histogram, self._base, self._noise)
        self._next += 1
        if self._next == -(-down // 2) * -(-across // 2):
            self._next = 0
            self._arm()

    def _arm(self) -> None:
        fixed = self._contrast > 0
        least, share = (self._contrast, 0.0) if fixed else (_LEAST_RISE, self._share)
        blobs.arm(self._base, self._noise, least, share, self._peak, self.levels, self.add, self.keep)
