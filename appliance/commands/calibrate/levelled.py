"""What hangs, lies or stands before the camera becomes measurements of it: a line, a bar or a board, seen at rest.

Bright dots and corners in sensor pixels, angles in degrees. Every wait is bounded. Refuses, with `CalibrationError`,
what does not appear or does not rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.errors import CalibrationError

if TYPE_CHECKING:
    from appliance.calibration.board import Sighting
    from appliance.calibration.level import Level, Plumb
    from appliance.commands.calibrate.guide import Guide
    from appliance.commands.calibrate.looking import Exposure
    from appliance.records import F64, U8
    from appliance.station.client import Link

_SAME_PX = 1.0
"""A thing that moves less from picture to picture rests."""
_ELSEWHERE = 0.3
"""The second place of a plumb line is at least this share of half a picture away from the first."""
_UNLIKE_DEG = 0.4
"""A spirit level and two dots glued to a bar are good to 0.2 deg."""
_MOST_PX = 60.0
_FAINT = 0.35
"""A spot with less of the brightest one's height is no dot."""


class Sight:
    """What one step looks at through the station's camera and the lens in force."""

    def __init__(self, link: Link, guide: Guide, seconds: float, wait_s: float) -> None:
        from appliance.calibration.board import Board
        from appliance.calibration.rays import optics
        from appliance.commands.calibrate.bar import settings_of

        self._settings = settings_of(link)
        self._link, self._guide, self._seconds, self._wait_s = link, guide, seconds, wait_s
        self._row = optics(self._settings.camera, self._settings.lens)
        self._board = Board()
        self._lay: Callable[[float, float], list[float]] = lambda roll, pitch: [0.0]
        self.mount = {"mirror": self._settings.camera.mirror, "rotate_deg": self._settings.camera.rotate_deg}
        self.has_lens = self._settings.lens.fx_px > 0
        self.pitch_deg = self._settings.lens.pitch_deg if self.has_lens else 0.0

    def by_plumb(self) -> Level:
        """Roll and, with a calibrated lens, pitch from a line that hangs at two places."""
        from appliance.calibration.level import from_plumbs

        self._ask("Hang the plumb line with its dots at the LEFT of the picture, where runners run.")
        first = self._lines(lambda line: None if line.across < 0 else "the line is not at the left")
        self._guide.say(f"measured at the left ({len(first)} pictures)")
        at = first[-1].across
        self._ask("Now at the RIGHT of the picture.")
        far = "the line is not at the right yet"
        second = self._lines(lambda line: None if line.across > at + _ELSEWHERE else far)
        return from_plumbs([first, second], self.pitch_deg, lens_known=self.has_lens)

    def by_bar(self, below: float | None, *, turn: bool = False) -> Level:
        """Roll from a level bar; pitch too, when its dots are known to be so far `below` the lens, per metre."""
        from appliance.calibration.level import turned_about

        self._ask(
            "Lay the bar level, by the spirit level, across the running direction, its two dots in view."
        )
        found = self._bar(below)
        if turn:
            self._ask("Now turn the bar end for end, and lay it level again.")
            found = turned_about(found, self._bar(below))
        return found

    def by_board(self, *, turn: bool = False) -> Level:
        """Roll and pitch from the board, upright and level."""
        from appliance.calibration.level import board_tilt_deg, from_board, turned_about

        if not self.has_lens:
            raise CalibrationError(
                "the board needs a calibrated lens", fix="`hipbar calibrate lens` first, or --by plumb"
            )
        self._ask(
            "Stand the board upright against something plumb, its lower edge level, half a metre from the camera."
        )
        seen = self._sightings(lambda one: None)
        found = from_board(seen, self._board, self._row)
        if turn:
            self._ask("Now stand the board on its head, level again.")
            seen = self._sightings(lambda one: None)
            found = turned_about(found, from_board(seen, self._board, self._row))
        self._lay = lambda roll, pitch: [board_tilt_deg(one, self._board, self._row, roll) for one in seen]
        return found

    def tilted_by(self, by: str, found: Level, expected_deg: float, words: str) -> float:
        """How much more a tilt of `expected_deg` reads than the level before, with roll and pitch as found."""
        from appliance.calibration.level import board_tilt_deg, tilt_deg

        roll, pitch = found.roll_deg, self.pitch_deg if found.pitch_deg is None else found.pitch_deg
        if by == "plumb":
            self._ask(
                "Now the proof: take the line away and lay a bar with two dots level, across the picture."
            )
            self._keep(self._pairs(lambda pair: None, roll, pitch))
        level = _mean(self._lay(roll, pitch))
        if by == "plumb":
            self._guide.say(f"a level bar reads {level:+.2f} deg")
            _refuse_unlike(level)
        self._ask(f"Now the proof: put {words}.")
        if by == "board":
            seen = self._sightings(
                lambda one: _moved(board_tilt_deg(one, self._board, self._row, roll) - level, expected_deg),
                roll,
            )
            return _mean([board_tilt_deg(one, self._board, self._row, roll) for one in seen]) - level
        pairs = self._pairs(
            lambda pair: _moved(tilt_deg(pair, self._row, roll, pitch) - level, expected_deg), roll, pitch
        )
        return _mean([tilt_deg(pair, self._row, roll, pitch) for pair in pairs]) - level

    def _bar(self, below: float | None) -> Level:
        """The bar as it lies now."""
        from msgspec.structs import replace

        from appliance.calibration.level import from_bar, pitch_by_height

        pairs = self._pairs(lambda pair: None, 0.0, self.pitch_deg)
        self._keep(pairs)
        if below is None or not self.has_lens:
            return from_bar(pairs, self._row, self.pitch_deg)
        pitch = self.pitch_deg
        for _ in range(5):  # roll and pitch depend on one another a little
            found = from_bar(pairs, self._row, pitch)
            pitch = _mean([pitch_by_height(pair, self._row, found.roll_deg, below) for pair in pairs])
        return replace(found, pitch_deg=pitch)

    def _keep(self, pairs: list[F64]) -> None:
        """What a proof is compared with: the bar as it lay last."""
        from appliance.calibration.level import tilt_deg

        self._lay = lambda roll, pitch: [tilt_deg(pair, self._row, roll, pitch) for pair in pairs]

    def _ask(self, words: str) -> None:
        """Says what to do; where somebody can press a key, waits for it."""
        self._guide.ready(words)

    def _lines(self, wanted: Callable[[Plumb], str | None]) -> list[Plumb]:
        from appliance.calibration.level import gravity_roll_deg
        from appliance.commands.calibrate.looking import gathered, settled

        def rests(a: Plumb, b: Plumb) -> bool:
            return abs(a.across - b.across) * self._settings.camera.width_px / 2 < _SAME_PX

        settled(self._link, self._guide, self._line, rests, wanted, self._wait_s)
        return gathered(
            self._link, self._guide, self._line, self._seconds,
            lambda lines: _told([gravity_roll_deg(line, self.pitch_deg) for line in lines], "the line leans by"),
        )  # fmt: skip

    def _pairs(self, wanted: Callable[[F64], str | None], roll: float, pitch: float) -> list[F64]:
        from appliance.calibration.level import tilt_deg
        from appliance.commands.calibrate.looking import gathered, settled

        def rests(a: F64, b: F64) -> bool:
            return float(abs(a - b).max()) < _SAME_PX

        settled(self._link, self._guide, self._pair, rests, wanted, self._wait_s)
        return gathered(
            self._link, self._guide, self._pair, self._seconds,
            lambda pairs: _told([tilt_deg(p, self._row, roll, pitch) for p in pairs], "the bar reads"),
        )  # fmt: skip

    def _sightings(self, wanted: Callable[[Sighting], str | None], roll: float = 0.0) -> list[Sighting]:
        from appliance.calibration.level import board_tilt_deg
        from appliance.calibration.views import resting
        from appliance.commands.calibrate.looking import Exposure, gathered, settled

        with Exposure(self._link, self._guide, self._settings) as exposure:

            def lit(luma: U8) -> Sighting:
                return self._seen(luma, exposure)

            settled(self._link, self._guide, lit, resting, wanted, self._wait_s)
            return gathered(
                self._link, self._guide, lit, self._seconds,
                lambda seen: _told([board_tilt_deg(s, self._board, self._row, roll) for s in seen], "the board reads"),
            )  # fmt: skip

    def _line(self, luma: U8) -> Plumb:
        from appliance.calibration.level import plumb
        from appliance.commands.calibrate.looking import Missing

        dots = self._dots(luma)
        found = plumb(dots, self._row)
        if found is None:
            raise Missing("no line of three or more dots hangs in the picture")
        if (others := len(dots) - found.dots) > (found.dots - 1) // 3:
            raise Missing(
                f"{others} bright dots beside the {found.dots} of the line: cover them, nobody in view"
            )
        return found

    def _pair(self, luma: U8) -> F64:
        from appliance.calibration.level import left_to_right
        from appliance.commands.calibrate.looking import Missing

        dots = self._dots(luma)
        if len(dots) != 2:
            raise Missing(f"{len(dots)} bright dots in the picture, and not the bar's two: cover the others")
        return left_to_right(dots, self._row)

    def _seen(self, luma: U8, exposure: Exposure) -> Sighting:
        import numpy as np

        from appliance.calibration.board import seek
        from appliance.commands.calibrate.looking import Missing

        seen = seek(luma, self._board, mirrored=self._settings.camera.mirror)
        if seen is None:
            exposure.unseen(float(np.percentile(luma, 99)))
            raise Missing("no board in the picture: nearer, sharper, or more light")
        if not exposure.seen(seen.white):
            raise Missing(f"finding the exposure (white is at {seen.white:.0f} of 255)")
        return seen

    def _dots(self, luma: U8) -> F64:
        """(n, 2) the bright dots, none of them cut off by the picture's edge."""
        import numpy as np

        from appliance.calibration.spots import bright_spots

        h, w = luma.shape
        spots = bright_spots(luma)
        least = _FAINT * max((s.rise for s in spots), default=0.0)
        dots = [
            (s.x_px, s.y_px)
            for s in spots
            if s.rise >= least
            and s.across_px <= _MOST_PX
            and s.across_px / 2 + 1 < s.x_px < w - 2 - s.across_px / 2
            and s.across_px / 2 + 1 < s.y_px < h - 2 - s.across_px / 2
        ]
        return np.array(dots, np.float64).reshape(-1, 2)


def _refuse_unlike(level_deg: float) -> None:
    """Plumb line and spirit level must say the same of what is level."""
    if abs(level_deg) > _UNLIKE_DEG:
        raise CalibrationError(
            f"by the plumb line the level bar is tilted by {level_deg:+.2f} deg (limit {_UNLIKE_DEG:g})",
            fix="one of them is not true: does the line hang free, lies the bar level and across? then start again",
        )


def _moved(tilt: float, expected_deg: float) -> str | None:
    """Against a thing that still lies as before; tilted the wrong way is tilted, too, and told of later."""
    return None if abs(tilt) > expected_deg / 2 else f"it still reads {tilt:+.2f} deg"


def _told(angles: list[float], what: str) -> tuple[str, bool]:
    import statistics

    from appliance.calibration.level import SPREAD_DEG

    spread = statistics.pstdev(angles)
    mean = statistics.fmean(angles)
    return f"{what}: {mean:+.2f} deg, spread {spread:.2f}, {len(angles)} pictures", spread <= SPREAD_DEG


def _mean(angles: list[float]) -> float:
    import statistics

    return statistics.fmean(angles)
