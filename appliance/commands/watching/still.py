"""One whole picture with the dots of that very frame becomes what a frozen screen shows, and a PNG.

luma and xy_px in sensor pixels. The PNG is the upright picture with rings and letters on its dots, the bar and the
figures under it; it shows a person's back, so only its owner may read it. Refuses, with `OutputError`, to write over
anything.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from appliance.commands.watching import panels
from appliance.commands.watching.feed import Feed
from appliance.commands.watching.picture import SIGNS
from appliance.commands.watching.view import View, upright, upright_px
from appliance.errors import HipbarError, OutputError, ServiceDown
from appliance.records import F64, U8
from hw.strip.terminal import on_screen

if TYPE_CHECKING:
    from appliance.station.client import Link

_ROW_WAIT_S = 1.0
_MIN_WIDTH_PX = 480
_LINE_PX, _MARGIN_PX = 18, 10
_LEFT, _RIGHT, _INK, _PAPER = (255, 140, 40), (0, 165, 255), (225, 225, 225), (24, 20, 20)
"""Blue, green, red, as the PNG writer has them."""


class Still(msgspec.Struct, frozen=True):
    """One frame: its number, its picture, and its marks (NaN = not seen)."""

    seq: int
    luma: U8
    xy_px: F64
    score: F64

    def on(self, view: View) -> View:
        """The view as it was at this frame."""
        if view.told is None:
            return view
        told = msgspec.structs.replace(
            view.told, seq=self.seq, luma=self.luma, xy_px=self.xy_px, score=self.score
        )
        return msgspec.structs.replace(view, told=told, frozen=True)


def take(link: Link, feed: Feed) -> Still:
    """Asks for a whole picture, and waits for the marks of the same frame. For a thread of the feed."""
    picture = link.picture()
    until_s = time.monotonic() + _ROW_WAIT_S
    while (row := feed.row(picture.seq)) is None:
        if time.monotonic() > until_s:
            raise ServiceDown("the dots of this picture did not come", fix="try again")
        time.sleep(0.02)
    return Still(picture.seq, picture.luma, row["xy_px"].copy(), row["score"].copy())


def save(still: Still, view: View, folder: Path) -> str:
    """Writes the PNG into a folder, under the time of day; where it is."""
    import cv2

    done, data = cv2.imencode(".png", drawn(still, view))
    if not done:
        raise OutputError("the picture can't be made into a PNG", fix="try again")
    stem = time.strftime("hipbar-%Y%m%d-%H%M%S")
    for name in (f"{stem}.png", *(f"{stem}-{k}.png" for k in range(2, 10))):
        path = folder / name
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        except OSError as error:
            raise _unwritten(path, error) from None
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data.tobytes())
        except OSError as error:
            path.unlink(missing_ok=True)
            raise _unwritten(path, error) from None
        return str(path.absolute())
    raise OutputError(f"{folder}: ten snapshots within one second are there already", fix="wait a second")


def drawn(still: Still, view: View) -> U8:
    """(h, w, 3) blue, green, red: the upright picture with its dots, and what the station said under it."""
    import cv2

    grey = np.ascontiguousarray(upright(still.luma, view.mount))
    scale = max(1, -(-_MIN_WIDTH_PX // grey.shape[1]))
    larger = np.kron(grey, np.ones((scale, scale), np.uint8))
    picture = np.asarray(cv2.cvtColor(larger, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    height, width = still.luma.shape
    places = upright_px(still.xy_px, width, height, view.mount)
    for k, (x, y) in enumerate(places):
        if np.isfinite((x, y)).all():
            _ring(cv2, picture, round(scale * (x + 0.5)), round(scale * (y + 0.5)), k)
    told = _words(cv2, view, picture.shape[1])
    return np.asarray(np.vstack((picture, _bar(view, picture.shape[1]), told)), dtype=np.uint8)


def _ring(cv2: Any, picture: U8, x: int, y: int, k: int) -> None:
    """A ring around a dot (a square around a heel) and its letter beside it."""
    colour = _LEFT if k % 2 == 0 else _RIGHT
    if k < 2:
        cv2.circle(picture, (x, y), 14, colour, 2, cv2.LINE_AA)
    else:
        cv2.rectangle(picture, (x - 13, y - 13), (x + 13, y + 13), colour, 2)
    at = (x - 34 if k % 2 == 0 else x + 20, y + 6)
    cv2.putText(picture, SIGNS[k], at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 2, cv2.LINE_AA)


def _bar(view: View, width: int) -> U8:
    band = np.full((28, width, 3), _PAPER, np.uint8)
    if view.told is not None and len(view.told.leds):
        colours = on_screen(view.told.leds)[:, ::-1]
        edges = np.linspace(_MARGIN_PX, width - _MARGIN_PX, len(colours) + 1).astype(int)
        for k, colour in enumerate(colours):
            band[8:24, edges[k] : max(edges[k + 1] - 1, edges[k] + 1)] = colour
    return band


def _words(cv2: Any, view: View, width: int) -> U8:
    """The figures as lines of small print."""
    told = view.told
    head = f"{time.strftime('%Y-%m-%d %H:%M:%S')}  frame {told.seq if told else '-'}"
    state = f"{told.state}, mode {told.mode}, bar: {told.shown.lower()}" if told else ""
    rows = [head, state, *panels.sentences(view)]
    paper = np.full((len(rows) * _LINE_PX + 2 * _MARGIN_PX, width, 3), _PAPER, np.uint8)
    for k, row in enumerate(rows):
        at = (_MARGIN_PX, _MARGIN_PX + 13 + k * _LINE_PX)
        cv2.putText(paper, row, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    return paper


def _unwritten(path: Path, error: OSError) -> HipbarError:
    return OutputError(
        f"can't write {path.name}: {error.strerror or error}: {path.parent}",
        fix="start `hipbar watch` in a folder of your own",
    )
