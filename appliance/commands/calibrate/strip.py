"""What a person sees on the bar becomes its settings: first end, length, colour order, brightness, current cap.

Currents in milliamperes, as calculated from the settings (`strip.led_ma`, `strip.idle_ma`); nothing here measures
them. Keeps `strip.reversed`, `leds`, `order`, `brightness` and `current_cap_ma`, each only when it was looked at or
said. Refuses answers that no wiring gives, and a bar that nobody can see.
"""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.calibrate.keep import Ways, step_options, walk
from appliance.commands.options import finite
from appliance.errors import CalibrationError

if TYPE_CHECKING:
    from appliance.commands.calibrate.bar import Bar
    from appliance.commands.calibrate.guide import Guide, Outcome
    from appliance.config import Settings, Strip
    from appliance.station.client import Link

USUAL = {"apa102": "bgr", "ws2812": "grb"}
"""What `strip.order = "auto"` stands for; of every other kind it is rgb."""

_COLOURS = {"r": "red", "g": "green", "b": "blue", "o": "another colour, or none"}
_ENDS = {"l": "left", "r": "right", "n": "neither"}
_LENGTHS = {"y": "yes", "s": "the last light is missing", "l": "LEDs beyond it are dark"}
_BRIGHTER = {"y": "yes", "b": "brighter", "d": "dimmer"}
_MOST_LEDS, _STEP = 300, 1.4


@click.command(name="strip")
@click.option("--start", type=click.Choice(("left", "right")), help="The end at which the wire enters.")
@click.option("--leds", type=click.IntRange(4, _MOST_LEDS), help="How many LEDs the bar has.")
@click.option("--seen", metavar="RGB", help="Letters of the colours seen for red, green, blue; rgb = as set.")
@click.option(
    "--brightness",
    type=click.FloatRange(0, 1, min_open=True),
    callback=finite,
    help="Share of full brightness.",
)
@click.option(
    "--cap-ma", type=click.FloatRange(20, 20000), callback=finite, help="What the bar may draw, mA."
)
@step_options
def command(ways: Ways, **said: Any) -> int:
    """Look at the bar: where it begins, how long it is, its colours, how bright, and what it may draw.

    Each part is a question about what is lit at that moment; a part whose option is given is not asked. With --yes
    only what the options say is kept, as nobody looks.

    \b
    Examples:
      hipbar calibrate strip
      hipbar calibrate strip --brightness 0.3 --cap-ma 2000
      hipbar calibrate strip --yes --leds 60 --start left --seen rgb --json
    """
    if ways.yes and not any(value is not None for value in said.values()):
        raise click.UsageError("with --yes nobody looks at the bar: say --leds, --start, --seen and so on")
    if said["seen"] is not None and (len(said["seen"]) != 3 or set(said["seen"]) - set("rgbo")):
        raise click.BadParameter("three letters of r, g, b, or o for another one", param_hint="--seen")
    return walk("strip", ways, step, **said)


def step(link: Link, guide: Guide, **said: Any) -> Outcome:
    """Part after part; each looks at the bar as the parts before it have set it."""
    from appliance.commands.calibrate.bar import Bar, settings_of

    settings = settings_of(link)
    asked = not guide.yes
    if asked and settings.strip.kind in ("none", "memory"):
        raise CalibrationError(
            f'strip.kind is "{settings.strip.kind}": there is no bar to look at',
            fix="set strip.kind in the settings file, or say what is there with --yes and options",
        )
    values: dict[str, Any] = {}
    with contextlib.closing(Bar(link, settings.strip.leds)) as bar:
        if asked:
            guide.say("Stand where the runner runs, and look at the bar.")
        for part in (_start, _length, _order, _brightness, _cap):
            found = part(guide, bar, settings_of(link), said)
            tried = {key: value for key, value in found.items() if key in ("strip.reversed", "strip.order")}
            if tried and any(tried[key] != _now(settings, key) for key in tried):
                link.set(tried)
            values |= found
            said = {**said, "leds": found.get("strip.leds", said["leds"])}  # what is shown now must be there
    return _outcome(settings, values)


def _start(guide: Guide, bar: Bar, settings: Settings, said: dict[str, Any]) -> dict[str, Any]:
    """At which end the wire enters: its first LEDs are lit."""
    from appliance.calibration.strip import place_on_wire, single
    from appliance.feedback.patterns import top_byte

    strip, end = settings.strip, said["start"]
    if end is None:
        if guide.yes or strip.pieces:
            return {}
        first, top = place_on_wire(strip, 0), top_byte(strip)
        few = range(first, first + 3) if first == 0 else range(first - 2, first + 1)
        bar.show(single(strip.leds, few, (top, top, top)))
        end = _ENDS[
            guide.choose("At which end is a light, as the runner sees it?", _ENDS, meanwhile=bar.keep)
        ]
        if end == "neither":
            raise CalibrationError(
                "no light at either end of the bar",
                fix="does `hipbar leds --test` light it? check power, data wire and strip.kind",
            )
    return {"strip.reversed": end == "right"}


def _length(guide: Guide, bar: Bar, settings: Settings, said: dict[str, Any]) -> dict[str, Any]:
    """How many LEDs: all dim, the last one of the wire bright."""
    from appliance.calibration.strip import place_on_wire, single
    from appliance.feedback.patterns import top_byte

    strip = settings.strip
    if said["leds"] is not None:
        return {"strip.leds": said["leds"]}
    if guide.yes or strip.pieces:
        return {}
    top = top_byte(strip)
    rgb = single(strip.leds, range(strip.leds), (max(2, top // 10),) * 3)
    rgb[place_on_wire(strip, strip.leds - 1)] = top
    bar.show(rgb)
    question = f"{strip.leds} LEDs: is the bar lit from end to end, and the one bright light its very last?"
    said_now = guide.choose(question, _LENGTHS, meanwhile=bar.keep)
    if said_now == "y":
        return {"strip.leds": strip.leds}
    if said_now == "s":
        return {"strip.leds": _shorter(guide, bar, strip, top)}
    if strip.leds >= _MOST_LEDS:
        raise CalibrationError(f"a bar has at most {_MOST_LEDS} LEDs", fix="leave the rest of the strip dark")
    more = guide.number("How many stay dark?", 1, _MOST_LEDS - strip.leds, meanwhile=bar.keep)
    return {"strip.leds": strip.leds + round(more)}


def _shorter(guide: Guide, bar: Bar, strip: Strip, top: int) -> int:
    """Where the bar ends, found with one light after another."""
    from appliance.calibration.strip import Search, place_on_wire, single

    search = Search(strip.leds)
    while (place := search.place) is not None:
        bar.show(single(strip.leds, place_on_wire(strip, place), (top, top, top)))
        search.saw(guide.ask(f"Is one light on (LED {place + 1})?", meanwhile=bar.keep))
    if search.found < 4:
        raise CalibrationError(
            f"the bar would have {search.found} LEDs; it needs 4", fix="check its data wire, and start again"
        )
    return search.found


def _part(strip: Strip, leds: int | None, first: float, last: float) -> range:
    """A part of the bar, as shares of its length: of those LEDs that were found to be there."""
    from appliance.calibration.strip import place_on_wire

    there = min(leds or strip.leds, strip.leds)
    low, high = int(first * there), max(int(first * there) + 1, there - int((1 - last) * there))
    if there == strip.leds:
        return range(low, high)
    a, b = sorted((place_on_wire(strip, low), place_on_wire(strip, high - 1)))
    return range(a, b + 1)


def _order(guide: Guide, bar: Bar, settings: Settings, said: dict[str, Any]) -> dict[str, Any]:
    """The order of the colours: red, green and blue are shown in an order that nobody can guess."""
    from appliance.calibration.strip import COLOURS, order_of, single
    from appliance.feedback.patterns import top_byte

    strip, seen = settings.strip, said["seen"]
    if strip.kind == "shift-register" or (seen is None and guide.yes):
        return {}
    if seen is None:
        top, shown = top_byte(strip), list(COLOURS)
        random.SystemRandom().shuffle(shown)
        answers = {}
        for colour in shown:
            rgb = tuple(top if colour == one else 0 for one in COLOURS)
            bar.show(single(strip.leds, _part(strip, said["leds"], 0.25, 0.75), rgb))  # type: ignore[arg-type]
            answers[colour] = guide.choose("Which colour is the bar?", _COLOURS, meanwhile=bar.keep)
        seen = "".join(answers[colour] for colour in COLOURS)
    assumed = USUAL.get(strip.kind, "rgb") if strip.order == "auto" else strip.order
    true = order_of(assumed, seen)
    return {"strip.order": strip.order if true == assumed else true}


def _brightness(guide: Guide, bar: Bar, settings: Settings, said: dict[str, Any]) -> dict[str, Any]:
    """How bright, seen from where the runner runs: the fullest picture that a run shows."""
    from appliance.calibration.strip import draws_ma, single

    strip, share = settings.strip, said["brightness"]
    if share is not None:
        return {"strip.brightness": share}
    if guide.yes or strip.kind == "shift-register":
        return {}
    share = strip.brightness
    while True:
        top = max(1, int(255 * share))
        rgb = single(strip.leds, _part(strip, said["leds"], 0.0, 0.5), (top, top, top))
        bar.show(rgb)
        capped = int(rgb.sum(dtype=int)) > strip.byte_budget
        draws = f"{draws_ma(strip, rgb):.0f} mA{', dimmed by the current cap' if capped else ''}"
        guide.say(f"brightness {share:.2f}: half a bar of white draws {draws}")
        said_now = guide.choose("Easy to see while running, and not dazzling?", _BRIGHTER, meanwhile=bar.keep)
        if said_now == "y":
            return {"strip.brightness": share}
        share = round(min(1.0, max(0.02, share * _STEP if said_now == "b" else share / _STEP)), 3)


def _cap(guide: Guide, bar: Bar, settings: Settings, said: dict[str, Any]) -> dict[str, Any]:
    """What the supply can give."""
    cap_ma = said["cap_ma"]
    if cap_ma is None:
        if guide.yes:
            return {}
        cap_ma = guide.number(
            "What may the bar draw, in mA (its supply's rating, less a fifth)?",
            20,
            20000,
            default=settings.strip.current_cap_ma,
            meanwhile=bar.keep,
        )
    return {"strip.current_cap_ma": cap_ma}


def _now(settings: Settings, key: str) -> Any:
    return getattr(settings.strip, key.partition(".")[2])


def _outcome(settings: Settings, values: dict[str, Any]) -> Outcome:
    """What was found, and what such a bar draws."""
    import msgspec

    from appliance.calibration.strip import draws_ma, single
    from appliance.commands.calibrate.guide import Outcome
    from appliance.feedback.patterns import top_byte

    strip = msgspec.structs.replace(
        settings.strip, **{key.partition(".")[2]: value for key, value in values.items()}
    )
    top = top_byte(strip)
    whole = single(strip.leds, range(strip.leds), (top, top, top))
    wanted_ma = strip.idle_ma * strip.leds + int(whole.sum(dtype=int)) * strip.led_ma / 765
    most_ma = draws_ma(strip, whole)
    figures = {
        "leds": strip.leds,
        "most_ma": round(most_ma, 1),
        "uncapped_ma": round(wanted_ma, 1),
        "looked_at": ", ".join(key.partition(".")[2] for key in values),
    }
    words = (
        f"{strip.leds} LEDs, at most {most_ma:.0f} mA (all white; {wanted_ma:.0f} mA without the current cap)"
    )
    return Outcome(values=values, figures=figures, words=words)
