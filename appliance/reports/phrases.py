"""Figures become the cells and phrases that all reports share.

Drops are named by the hip that drops, with the stance in brackets; `PartFigures` has them by stance, so the left hip's
are the RIGHT side's. The difference is left hip minus right hip, in degrees, never a percentage. A change stands beside
the smallest detectable difference: a full disc is clear and more than that, a half one clear, an empty one neither.
"""

from __future__ import annotations

from appliance.clinic.figures import PartFigures, SideFigures
from appliance.clinic.intervals import Change, Spread, Verdict
from appliance.clinic.intervals import verdict as verdict_of
from appliance.clinic.terms import SDD_DEG
from appliance.reports.words import DASH, Words

BEYOND, CLEAR, UNCLEAR = "●", "◐", "○"
_DISCS = {Verdict.BEYOND: BEYOND, Verdict.WITHIN: CLEAR, Verdict.CLEAR: CLEAR, Verdict.NONE: UNCLEAR}


def hip(part: PartFigures, side: str) -> SideFigures:
    """The figures of the stance in which that hip drops."""
    return part.right if side == "left" else part.left


def hip_name(words: Words, side: str) -> str:
    """ "left hip (right stance)"."""
    if side == "left":
        return words.say("left hip (right stance)")
    return words.say("right hip (left stance)")


def mean_sd(words: Words, spread: Spread, digits: int = 1, scale: float = 1.0) -> str:
    """ "6.8 ± 1.1"."""
    if spread.mean is None:
        return DASH
    mean = words.figure(scale * spread.mean, digits)
    return mean if spread.sd is None else f"{mean} ± {words.figure(scale * spread.sd, digits)}"


def pair(words: Words, first: Spread, second: Spread, digits: int = 0, scale: float = 1.0) -> str:
    """Two means, "246 / 251"."""
    figures = [None if spread.mean is None else scale * spread.mean for spread in (first, second)]
    return " / ".join(words.figure(figure, digits) for figure in figures)


def interval(words: Words, change: Change, digits: int = 1) -> str:
    """ "−0.7 [−1.0; −0.4]"."""
    if change.change is None:
        return DASH
    middle = words.figure(change.change, digits, sign=True)
    if change.low is None or change.high is None:
        return middle
    ends = (words.figure(end, digits, sign=True) for end in (change.low, change.high))
    return f"{middle} [{'; '.join(ends)}]"


def judged(words: Words, change: Change) -> str:
    """A change of degrees with its disc; none where there are too few steps for an interval."""
    return f"{interval(words, change)} {_DISCS.get(verdict_of(change, SDD_DEG), '')}".rstrip()


def verdict(words: Words, found: Verdict) -> str:
    """What may be said of a change, in words."""
    sdd = words.figure(SDD_DEG)
    texts = {
        Verdict.TOO_FEW: words.say("too few steps to say"),
        Verdict.NONE: words.say("no clear change"),
        Verdict.CLEAR: words.say("a clear change"),
        Verdict.WITHIN: words.say("clear, but within the smallest detectable difference of {sdd}°"),
        Verdict.BEYOND: words.say("beyond the smallest detectable difference of {sdd}°"),
    }
    return texts[found].format(sdd=sdd)


def more(words: Words, difference_deg: float | None) -> str:
    """Which hip drops more; difference_deg : left hip minus right hip."""
    if difference_deg is None:
        return ""
    if abs(difference_deg) < 0.05:
        return words.say("both hips drop the same")
    if difference_deg > 0:
        return words.say("the left hip drops more")
    return words.say("the right hip drops more")


def on_target(words: Words, part: PartFigures | None) -> str:
    """Share of the steps of which something was asked."""
    if part is None or part.in_band.percent is None:
        return DASH
    return words.percent(part.in_band.percent / 100.0)


def discs(words: Words) -> str:
    """What brackets and discs mean."""
    text = words.say(
        "[ ] 95 % interval of this change. {beyond} clear and more than {sdd}°, the smallest difference that can be "
        "told from chance between two visits (Dingenen 2018); {clear} clear, not more than that; {unclear} not clear."
    )
    return text.format(beyond=BEYOND, clear=CLEAR, unclear=UNCLEAR, sdd=words.figure(SDD_DEG))
