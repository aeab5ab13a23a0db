"""A target and a runner's own baseline become what the bar is set to, and the words that say where that comes from.

Degrees; drops by stance side. In `step` mode the target is a drop, percent of the worse side's mean peak drop; in the
others it is a difference between the sides, percent of its size. Nothing is ever asked for below the target's floor,
because less could not be told from no change. Without a baseline the station's own settings count. Refuses nothing.
"""

from __future__ import annotations

from appliance.clinic.terms import DARK, Aim, Baseline, Mode, Target
from appliance.config import Feedback

_MOST_TARGET_DEG, _MOST_BAND_DEG = 30.0, 20.0
"""As the ranges of feedback.target_deg and feedback.band_deg."""


def aim_of(
    mode: Mode, target: Target | None, first: Baseline | None, own: Baseline | None, settings: Feedback
) -> Aim:
    """What the bar is set to in a lit block. first, own : baselines of the first visit by this protocol, and of today.

    The figure that the mode does not go by is the settings' own, so that an aim says all that is in force.
    """
    if mode == "off":
        return DARK
    wanted_deg = _wanted_deg(mode, target, first, own)
    drop = mode == "step"
    target_deg = settings.target_deg if wanted_deg is None or not drop else min(wanted_deg, _MOST_TARGET_DEG)
    band_deg = settings.band_deg if wanted_deg is None or drop else min(wanted_deg, _MOST_BAND_DEG)
    return Aim(mode=mode, target_deg=target_deg, band_deg=band_deg)


def aim_words(
    mode: Mode, target: Target | None, first: Baseline | None, own: Baseline | None, settings: Feedback
) -> str:
    """Where an aim comes from: "70 % of the first visit's worse drop of 6.5 deg (right hip, left stance): 4.6 deg"."""
    if mode == "off":
        return "nothing is shown"
    aim = aim_of(mode, target, first, own, settings)
    asked_deg = aim.target_deg if mode == "step" else aim.band_deg
    what = "a drop" if mode == "step" else "a difference between the sides"
    whence = _whence(mode, target, first, own)
    wanted_deg = _plain_deg(mode, target, first, own)
    floor = ""
    if target is not None and wanted_deg is not None and wanted_deg < target.floor_deg:
        floor = f" would be {wanted_deg:.1f} deg, below the floor"
    return f"{what} of at most {asked_deg:.1f} deg: {whence}{floor}"


def worse_drop_deg(baseline: Baseline) -> float:
    """The larger of both sides' mean peak drops."""
    return max(baseline.left_drop_deg, baseline.right_drop_deg)


def _wanted_deg(
    mode: Mode, target: Target | None, first: Baseline | None, own: Baseline | None
) -> float | None:
    plain_deg = _plain_deg(mode, target, first, own)
    return None if target is None or plain_deg is None else max(plain_deg, target.floor_deg)


def _plain_deg(
    mode: Mode, target: Target | None, first: Baseline | None, own: Baseline | None
) -> float | None:
    """What the target says, before its floor; None = nothing, or it needs a baseline that there is not."""
    if target is None:
        return None
    if target.degrees is not None:
        return target.degrees
    of = _baseline(target, first, own)
    if target.percent is None or of is None:
        return None
    whole_deg = worse_drop_deg(of) if mode == "step" else abs(of.difference_deg)
    part_deg = target.percent / 100.0 * whole_deg
    return part_deg if part_deg == part_deg else None


def _baseline(target: Target, first: Baseline | None, own: Baseline | None) -> Baseline | None:
    """The one that counts: in the first visit its own is the first one; where the wanted one lacks, the other."""
    preferred, other = (first, own) if target.of == "first" else (own, first)
    return preferred if preferred is not None else other


def _whence(mode: Mode, target: Target | None, first: Baseline | None, own: Baseline | None) -> str:
    if target is None:
        return "the station's own settings"
    if target.degrees is not None:
        return "as the protocol says"
    of = _baseline(target, first, own)
    if of is None or _plain_deg(mode, target, first, own) is None:
        return "the station's own settings, because there is no baseline"
    whose = "the first visit's" if of is first else "today's"
    share = f"{target.percent:g} % of {whose}"
    if mode != "step":
        return f"{share} difference of {abs(of.difference_deg):.1f} deg"
    right = of.right_drop_deg >= of.left_drop_deg
    side = "left hip, right stance" if right else "right hip, left stance"
    return f"{share} worse drop of {worse_drop_deg(of):.1f} deg ({side})"
