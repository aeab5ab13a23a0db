"""A picture becomes dots the way that others do it: OpenCV's three routes, to be timed and judged beside ours.

Each takes (h, w) uint8 luma and returns (k, 2) float64 centres in pixels, first pixel's centre at 0, 0. All are given
what they need to do well: a threshold that suits the pictures, and the background's level to subtract where they weigh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np

from appliance.records import F64, U8

Rival = Callable[[U8], F64]

_THRESHOLD = 96  # half way between the pictures' background and their dots
_MARGIN_PX = 2  # a dot's soft edge lies below the threshold
_SMALLEST_PX, _LARGEST_PX = 6.0, 2000.0


def rivals() -> dict[str, Rival]:
    """The other ways, by name."""
    return {
        "contours, weighted": _contours,
        "components, weighted": _components,
        "SimpleBlobDetector": _simple_blobs(),
    }


def _contours(luma: U8) -> F64:
    """Outlines of the thresholded picture, then grey-weighted moments of each one's surroundings."""
    _, mask = cv2.threshold(luma, _THRESHOLD, 255, cv2.THRESH_BINARY)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return _centres(luma, [cv2.boundingRect(outline) for outline in outlines])


def _components(luma: U8) -> F64:
    """Labelled regions of the thresholded picture, then grey-weighted centres of each one's surroundings."""
    _, mask = cv2.threshold(luma, _THRESHOLD, 255, cv2.THRESH_BINARY)
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return _centres(luma, stats[1:count, :4].tolist())


def _simple_blobs() -> Rival:
    wanted = cv2.SimpleBlobDetector.Params()
    wanted.filterByColor, wanted.blobColor = True, 255
    wanted.filterByArea, wanted.minArea, wanted.maxArea = True, _SMALLEST_PX, _LARGEST_PX
    wanted.filterByCircularity = wanted.filterByConvexity = wanted.filterByInertia = False
    wanted.minThreshold, wanted.maxThreshold, wanted.thresholdStep = 60, 220, 40
    wanted.minDistBetweenBlobs = 5
    detector = cv2.SimpleBlobDetector.create(wanted)

    def found(luma: U8) -> F64:
        return np.array([spot.pt for spot in detector.detect(luma)], np.float64).reshape(-1, 2)

    return found


def _centres(luma: U8, boxes: Iterable[Sequence[int]]) -> F64:
    """Grey-weighted centres of the boxes and a margin around each, the darkest level there taken off."""
    rows, columns = luma.shape
    centres: list[tuple[float, float]] = []
    for x, y, w, h in boxes:
        left, top = max(0, x - _MARGIN_PX), max(0, y - _MARGIN_PX)
        patch = luma[top : min(rows, y + h + _MARGIN_PX), left : min(columns, x + w + _MARGIN_PX)]
        if not _SMALLEST_PX <= w * h <= _LARGEST_PX:
            continue
        m = cv2.moments(cv2.subtract(patch, _background(patch)))  # type: ignore[call-overload]
        if m["m00"] > 0:
            centres.append((left + m["m10"] / m["m00"], top + m["m01"] / m["m00"]))
    return np.array(centres, np.float64).reshape(-1, 2)


def _background(patch: U8) -> float:
    """The level around a dot, from the patch's first row."""
    return float(cv2.mean(patch[:1])[0])
