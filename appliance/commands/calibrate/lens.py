"""A printed board, shown again and again, becomes the lens of this sensor mode: focal length, middle and distortion.

Sensor pixels and OpenCV's coefficients. Views are taken by themselves when the board rests and shows something new; the
exposure is set for the board meanwhile, and put back. Keeps the intrinsics of `lens`, for this sensor mode only.
Refuses views that do not determine the lens, with what to show next or why the error is too large.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.calibrate.keep import Ways, step_options, walk
from appliance.commands.options import finite
from appliance.errors import CalibrationError

if TYPE_CHECKING:
    from appliance.calibration.board import Sighting
    from appliance.calibration.lens import Intrinsics
    from appliance.calibration.views import View
    from appliance.commands.calibrate.guide import Guide, Outcome
    from appliance.config import Settings
    from appliance.records import U8
    from appliance.station.client import Link

_MOST_VIEWS = 40
_FIT_FROM = 5
_DIGITS = {"fx_px": 2, "fy_px": 2, "cx_px": 2, "cy_px": 2}


@click.command(name="lens")
@click.option(
    "--wait",
    type=click.FloatRange(2, 3600),
    default=600.0,
    show_default=True,
    callback=finite,
    help="Seconds to show the board in.",
)
@step_options
def command(ways: Ways, wait: float) -> int:
    """Measure the lens with the printed board (hipbar calibrate board).

    Hold the board before the camera, still, and go where the screen says: everywhere in the picture, tilted by some
    30 degrees each way, near enough to fill half of it. Views are taken by themselves. A scale error of the print
    does not matter, flatness does.

    \b
    Examples:
      hipbar calibrate lens
      hipbar calibrate lens --wait 120 --yes --json
    """
    return walk("lens", ways, step, wait=wait)


def step(link: Link, guide: Guide, **params: Any) -> Outcome:
    """Views until they determine the lens."""
    import msgspec

    from appliance.calibration.lens import NAMES
    from appliance.commands.calibrate.bar import settings_of
    from appliance.commands.calibrate.guide import Outcome
    from appliance.station.calibration import mode_of

    settings = settings_of(link)
    guide.say(
        "Hold the board before the camera and keep it still until its view is taken; then the next one."
    )
    guide.say("What is left and right, upper and lower, is told of the picture as the camera sees it.")
    guide.ready("Ready?")
    session = _Lens(link, guide, settings)
    found = session.taken(float(params["wait"]))
    values = {f"lens.{name}": round(found.values[name], _DIGITS.get(name, 6)) for name in NAMES}
    figures = msgspec.to_builtins(found)
    figures.pop("values")
    problems = list(figures.pop("problems"))
    if settings.lens.roll_deg or settings.lens.pitch_deg:
        problems.append("roll and pitch were measured through another lens: `hipbar calibrate level` again")
    if session.mirrored != settings.camera.mirror:
        shown = "shown" if session.mirrored else "not shown"
        problems.append(
            f"the board is {shown} in a mirror, camera.mirror says otherwise: `hipbar calibrate sides`"
        )
    return Outcome(
        values=values,
        figures=figures,
        words=_words(found),
        problems=tuple(problems),
        lens_mode=mode_of(settings),
    )


class _Lens:
    """One session of showing the board."""

    def __init__(self, link: Link, guide: Guide, settings: Settings) -> None:
        from appliance.calibration.board import Board

        self._link, self._guide, self._settings, self._board = link, guide, settings, Board()
        self._size = settings.camera.width_px, settings.camera.height_px
        self._views: list[View] = []
        self._fit: Intrinsics | None = None
        self._last: Sighting | None = None

    @property
    def mirrored(self) -> bool:
        """Whether the sensor's picture shows the board in a mirror."""
        return bool(self._views) and self._views[-1].mirrored

    def taken(self, wait_s: float) -> Intrinsics:
        """The lens, when the views determine it; else the reason why not."""
        from appliance.commands.calibrate.looking import Exposure, pictures

        until_s = time.monotonic() + wait_s
        with Exposure(self._link, self._guide, self._settings) as exposure:
            self._guide.say(f"  {self._hint()}")
            for luma in pictures(self._link):
                self._look(luma, exposure)
                if self._fit and not self._fit.problems:
                    return self._fit
                if time.monotonic() > until_s or len(self._views) >= _MOST_VIEWS or self._guide.pressed():
                    break
        raise self._refused()

    def _look(self, luma: U8, exposure: Any) -> None:
        import numpy as np

        from appliance.calibration.board import seek
        from appliance.calibration.views import resting, useless, view

        mirrored = self._last.mirrored if self._last else self._settings.camera.mirror
        seen = seek(luma, self._board, mirrored=mirrored)
        before, self._last = self._last, seen
        if seen is None:
            exposure.unseen(float(np.percentile(luma, 99)))
            self._show("no board in the picture")
            return
        if not exposure.seen(seen.white):
            self._show(f"finding the exposure (white is at {seen.white:.0f} of 255)")
            return
        new = view(seen, self._board, self._settings.camera, self._settings.lens)
        why = useless(new, self._views) or (None if resting(before, seen) else "hold it still")
        if why:
            self._show(why)
            return
        self._take(new)

    def _take(self, new: View) -> None:
        """One more view, and what it brings."""
        from appliance.calibration.lens import solve

        self._views.append(new)
        error = ""
        if len(self._views) >= _FIT_FROM:
            try:
                self._fit = solve(self._views, self._size, self._board)
                error = f", reprojection error {self._fit.rms_px:.2f} px"
            except CalibrationError:
                self._fit = None
        where = f"{len(new.ids)} corners, tilted by {new.tilt_deg:.0f} deg"
        self._guide.say(f"view {len(self._views)}: {where}{error}")
        if sys.stderr.isatty():
            sys.stderr.write("\a")  # who holds the board looks at the camera, not at the screen
            sys.stderr.flush()
        if not self._fit or self._fit.problems:
            self._guide.say(f"  {self._hint()}")

    def _hint(self) -> str:
        """What to show next."""
        from appliance.calibration.views import wanted

        words = wanted(self._views)
        if words is None and self._fit and self._fit.problems:
            words = f"more views, tilted another way: {self._fit.problems[0]}"
        return f"next: {words or 'more views, tilted another way'}"

    def _show(self, what: str) -> None:
        from appliance.calibration.views import LEAST_VIEWS, chart

        self._guide.figure(
            f"{len(self._views)} of {LEAST_VIEWS} views {chart(self._views)}  {what}", good=False
        )

    def _refused(self) -> CalibrationError:
        """Why these views will not do."""
        from appliance.calibration.views import lacking

        reasons = self._fit.problems if self._fit else lacking(self._views)
        fix = "hold the board where the screen says until its view is taken; give it longer with --wait"
        if not self._views:
            fix = "light the board; print it with a laser printer (infrared does not see many inks); hold it closer"
        return CalibrationError(f"{len(self._views)} views: {'; '.join(reasons[:3])}", fix=fix)


def _words(found: Intrinsics) -> str:
    value, sd = found.values, found.sd
    left_out = f", {len(found.dropped)} left out" if found.dropped else ""
    bent = f", board bent by {found.bend_mm:.1f} mm (allowed for)" if found.bend_mm else ""
    return (
        f"lens from {found.views} views{left_out}: reprojection error {found.rms_px:.2f} px,"
        f" focal length {value['fx_px']:.1f} ± {sd['fx_px']:.1f} px,"
        f" middle at {value['cx_px']:.1f}, {value['cy_px']:.1f} ± {max(sd['cx_px'], sd['cy_px']):.1f} px{bent}"
    )
