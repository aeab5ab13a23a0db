"""What is known of wires, bar, calibration and delay becomes checks: from the device nodes to the light that is seen.

Milliseconds for the delay from mid-exposure to light, days for ages; left and right are the runner's. What nobody
looked at can't be told: a bar is dark or lit only for who sees it. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from appliance.config import Settings
from appliance.station.calibration import STEPS, Calibration, mode_of, sides_proved
from appliance.station.checkup import Check, Figure, Rule, Verdict, judged
from appliance.station.status import Ages

LONGEST_MS = 75.0
"""From photons to light at the 95th percentile; feedback that is later teaches less (docs/signals.md)."""

OLD_DAYS = 180.0
UNSEEN = ("terminal", "memory", "none")
"""Kinds of bars that no runner can see."""


class Node(msgspec.Struct, frozen=True):
    """A device that the settings need. may : whether `user`, as which the station runs, may read and write it.

    for_what : "light bar", "camera", "panel". group : of the file. holder : who has it, in words; None = nobody seen.
    """

    path: str
    for_what: str
    user: str
    exists: bool = True
    may: bool | None = None
    group: str = ""
    holder: str | None = None


class Walk(msgspec.Struct, frozen=True):
    """A light that went along the bar. right_way : what a person saw; None = nobody was asked, `why` says why."""

    leds: int
    steps: int
    right_way: bool | None
    faults: int = 0
    why: str = ""


class Calibrated(msgspec.Struct, frozen=True):
    """The calibration file beside the settings in force; now_s : the wall clock, seconds since 1970."""

    calibration: Calibration
    settings: Settings
    now_s: float


def wires(name: str, nodes: Sequence[Node], settings: Settings) -> Check:
    """Whether the devices are there, may be used, and are nobody else's."""
    if not nodes:
        by = f"bar over the network ({settings.strip.kind})" if settings.strip.kind == "wled" else "no device"
        return Check(name, Verdict.PASS, f"{by}, nothing to be permitted")
    rules = [rule for node in nodes for rule in _of_node(node)]
    words = ", ".join(_words(node) for node in nodes)
    return judged(name, words, *rules, devices=len(nodes))


def _words(node: Node) -> str:
    held = f" held by {node.holder}" if node.holder else ""
    return f"{node.path} ({node.for_what}){held}"


def _of_node(node: Node) -> tuple[Rule, ...]:
    missing = {
        "camera": "reseat the camera's cable; `hipbar camera` lists what is there",
        "light bar": "switch the bus on: `sudo hipbar setup`, then start the Pi again",
    }.get(node.for_what, "`sudo hipbar setup`, then start the Pi again")
    strange = bool(node.holder) and "(hipbar)" not in str(node.holder)
    group = node.group or "its group"
    return (
        Rule(not node.exists, Verdict.FAIL, missing, f"there is no {node.path}"),
        Rule(
            node.exists and node.may is False,
            Verdict.FAIL,
            f"`sudo usermod -aG {group} {node.user}`, then `sudo systemctl restart hipbar`",
            f"{node.user} may not use {node.path}",
        ),
        Rule(strange, Verdict.FAIL, f"stop that one first: {node.holder}", f"{node.path} is in use"),
    )


def strip(name: str, walk: Walk, settings: Settings) -> Check:
    """Whether all LEDs light, from the runner's left to the right."""
    kind = settings.strip.kind
    figure = f"{kind}, {walk.leds} LEDs"
    broken = "`hipbar calibrate strip` sets length and order, `hipbar calibrate sides` proves left is left"
    if walk.faults == 0 and walk.right_way is None and kind not in UNSEEN:
        figure = f"{figure}: {walk.why or 'nobody looked'}"
        fix = "`hipbar doctor` at a terminal, in sight of the bar, while nobody runs"
        return Check(name, Verdict.UNKNOWN, figure, fix, _facts(walk))
    return judged(
        name,
        f"{figure}, {walk.faults} write faults"
        + (", the light went the right way" if walk.right_way else ""),
        Rule(kind in UNSEEN, Verdict.WARN, "set strip.kind: no runner sees this one", "no real bar"),
        Rule(
            walk.faults > 0,
            Verdict.FAIL,
            "check the bar's cable and supply; `hipbar leds --test` tries it alone",
        ),
        Rule(walk.right_way is False, Verdict.FAIL, broken, "the light did not go from left to right"),
        **_facts(walk),
    )


def _facts(walk: Walk) -> dict[str, Figure]:
    return {"leds": walk.leds, "faults": walk.faults, "right_way": walk.right_way}


def calibration(name: str, facts: Calibrated) -> Check:
    """Whether there is one, of everything, not too old, and made for what is there now."""
    known, settings = facts.calibration, facts.settings
    now = known.current
    if now is None:
        fix = "`hipbar calibrate all` leads through every step"
        return Check(
            name, Verdict.FAIL, "nothing is calibrated: nothing is shown per side", fix, {"revision": 0}
        )
    days = max(0.0, (facts.now_s - now.made_s) / 86400)
    undone = [step for step in STEPS if known.last(step) is None and step != "aim"]
    other = now.lenses and mode_of(settings) not in now.lenses
    ago = "at a time unknown (the clock was not set)" if now.clock_set is False else _ago(days)
    return judged(
        name,
        f"revision {now.number} ({now.step}), made {ago}",
        Rule(
            not sides_proved(known, settings),
            Verdict.FAIL,
            "`hipbar calibrate sides`: until then nothing is shown per side",
            "sides not proved with these settings",
        ),
        Rule(
            bool(other),
            Verdict.WARN,
            "`hipbar calibrate lens` once for this one, or go back to the mode of before",
            f"the lens was calibrated for another sensor mode, not {mode_of(settings)}",
        ),
        Rule(
            days > OLD_DAYS, Verdict.WARN, "`hipbar calibrate level` and `sides` again: a mount moves", "old"
        ),
        Rule(
            bool(undone),
            Verdict.WARN,
            f"`hipbar calibrate {undone[0] if undone else ''}`",
            f"never done: {', '.join(undone)}",
        ),
        revision=now.number,
        days=round(days, 1),
        sides=sides_proved(known, settings),
    )


def _ago(days: float) -> str:
    whole = round(days)
    return "today" if whole < 1 else "yesterday" if whole == 1 else f"{whole} days ago"


def delay(name: str, ages: Ages) -> Check:
    """How old a picture is when its light is out."""
    if ages.p50 is None or ages.p99 is None:
        return Check(name, Verdict.UNKNOWN, "no figure yet", "run `hipbar doctor` again in a minute")
    p95 = ages.p99 if ages.p95 is None else ages.p95
    busy = "end what else runs here; look at frame rate, heat and supply above; a strip on SPI is fastest"
    return judged(
        name,
        f"{ages.p50:.1f} / {p95:.1f} / {ages.p99:.1f} ms from frame to light at p50 / p95 / p99, limit 75",
        Rule(p95 > LONGEST_MS, Verdict.FAIL, busy),
        Rule(ages.p99 > LONGEST_MS, Verdict.WARN, busy),
        p50_ms=ages.p50,
        p95_ms=p95,
        p99_ms=ages.p99,
    )
