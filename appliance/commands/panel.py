"""The panel alone: GPIO chips and their users become a list; button and light become a test that a person looks at.

Standard output gets the list, or each press as it comes; what should be seen is a remark on standard error. Exit code
1 for a panel that can't be had, which the station itself would only warn of.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.options import FILE, as_built, aside, finite
from appliance.commands.stop import Stop

if TYPE_CHECKING:
    from appliance.config import Settings
    from appliance.records import Light
    from hw.gpio_chip import Chip, Line
    from hw.panel import Panel

_TOLD_S = 0.1
_STATES_SHARE = 0.6
_STOPPED = 130

WORDS = {
    "warming up": "blinks twice a second",
    "no camera": "three short flashes, then a pause",
    "no marks": "two short flashes, then a pause",
    "ready": "one short flash every three seconds",
    "running": "lit, with one short gap every three seconds",
    "recording": "lit, with two short gaps every three seconds",
    "fault": "a second lit, a second dark",
    "off": "dark",
}
"""What each `Light` looks like, by its value; a test holds the rhythms to it."""

_HEADER = (
    27,
    28,
    3,
    5,
    7,
    29,
    31,
    26,
    24,
    21,
    19,
    23,
    32,
    33,
    8,
    10,
    36,
    11,
    12,
    35,
    38,
    40,
    15,
    16,
    18,
    22,
    37,
    13,
)
"""By BCM number, 0 to 27: the pin of a Pi's 40-pin header."""


@click.command(name="panel")
@click.option("--config", type=FILE, help="Settings file (TOML); defaults without.")
@click.option(
    "--list", "mode", flag_value="list", default=True, help="Show chips, pins and their users. The default."
)
@click.option(
    "--test", "mode", flag_value="test", help="Play every state of the light, then wait for presses."
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default=True,
    callback=finite,
    help="How long the test takes.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: one object, or one a press and one at the end."
)
def command(config: Path | None, mode: str | None, seconds: float, as_json: bool) -> int:
    """Try button and status light alone.

    The test says what the light should be doing, state by state, and prints each press of the button.

    \b
    Examples:
      hipbar panel
      hipbar panel --config station.toml --test
    """

    settings = as_built(config)
    if mode == "test":
        return _test(settings, seconds, as_json)
    told = _told(settings)
    click.echo(json.dumps(told) if as_json else "\n".join(_lines(told)))
    return 0


def place(pin: int) -> str:
    """A pin as a person finds it."""
    if pin < 0:
        return "not wired"
    return f"GPIO {pin}, header pin {_HEADER[pin]}" if pin < len(_HEADER) else f"GPIO {pin}"


def _test(settings: Settings, seconds: float, as_json: bool) -> int:
    """Every state for its share of the time, then nothing but presses."""
    stop, heard = Stop(None), 0
    with stop.listening(), contextlib.closing(_opened(settings)) as panel:
        for light in _states(stop, seconds):
            panel.say(light)
            stop.pause(min(_TOLD_S, seconds / 50))
            for press in panel.presses():
                heard += 1
                told = {"kind": press.kind, "t_s": round(press.t_s, 3), "held_s": round(press.held_s, 3)}
                click.echo(json.dumps(told) if as_json else f"{press.kind} press, {press.held_s:.2f} s")
        held = getattr(panel, "held_at_start", False)
    aside("the light is off")
    if as_json:
        click.echo(json.dumps({"presses": heard, "held_at_start": held}))
    else:
        click.echo(f"{heard} presses" + ("; the button was held at the start, or is stuck" if held else ""))
    return _STOPPED if stop() else 0


def _states(stop: Stop, seconds: float) -> Iterator[Light]:
    """The state to show, again and again; says what should be seen when it changes, and when to press."""
    from appliance.records import Light

    states = [Light(value) for value in WORDS]
    began_s, now = time.monotonic(), None
    while not stop() and (over := (time.monotonic() - began_s) / seconds) < 1:
        step = int(over / _STATES_SHARE * len(WORDS))
        light = states[step] if step < len(states) else None
        if light is not now:
            aside(
                f"{light}: {WORDS[light]}" if light else "now press the button: short, a second, five seconds"
            )
        now = light
        yield light or Light.READY


def _opened(settings: Settings) -> Panel:
    """The panel, or an error that says why there is none."""
    from appliance.errors import HipbarError
    from hw.panel import NoPanel, open_panel

    panel, warning = open_panel(settings)
    if warning:
        raise HipbarError(warning.partition("; ")[0], fix=warning.partition("; ")[2])
    if isinstance(panel, NoPanel):
        raise HipbarError('panel.kind is "none"', fix='set kind = "gpio" in [panel] of the settings file')
    return panel


def _told(settings: Settings) -> dict[str, Any]:
    """What the settings name and what this machine has."""
    from hw.gpio import names
    from hw.gpio_chip import GpioRefused, choose, survey, walk

    found = survey()
    try:
        chip, trouble = choose(found, settings.gpio.chip), None
    except GpioRefused as error:
        chip, trouble = None, f"{error}; {error.fix}"
    return {
        "panel": settings.panel.kind,
        "pins": _pins(settings),
        "chip": {"asked": settings.gpio.chip, "found": chip and chip.label, "trouble": trouble},
        "libraries": names(),
        "chips": [_chip(chip, used) for chip, used in walk(found)],
        "denied": list(found.denied),
    }


def _pins(settings: Settings) -> dict[str, int]:
    """The pins that the settings name, those of parts that are not used left out."""
    pins: dict[str, int] = {}
    if settings.panel.kind == "gpio":
        pins |= {"button": settings.panel.button_pin, "light": settings.panel.light_pin}
    if settings.strip.kind == "shift-register":
        s = settings.strip
        pins |= {"data": s.data_pin, "clock": s.clock_pin, "latch": s.latch_pin, "enable": s.enable_pin}
    return pins


def _chip(chip: Chip, used: list[Line]) -> dict[str, Any]:
    from hw.gpio_chip import holder

    users = [
        {
            "pin": line.pin,
            "output": line.output,
            "consumer": line.consumer or None,
            "process": holder(chip, line.pin),
        }
        for line in used
    ]
    return {"path": chip.path, "label": chip.label, "lines": chip.lines, "used": users}


def _lines(told: dict[str, Any]) -> list[str]:
    chip = told["chip"]
    rows = [("panel", told["panel"])]
    rows += [(name, place(pin)) for name, pin in told["pins"].items()]
    rows += [("chip", chip["trouble"] or chip["found"])]
    rows += [("library", _library(told["libraries"]))]
    lines = ["this station", *(f"  {name:<9} {words}" for name, words in rows), "GPIO chips"]
    for there in told["chips"]:
        lines.append(f"  {there['path']}  {there['label']}, {there['lines']} lines")
        lines += [f"    {_user(line)}" for line in there["used"]]
    lines += [f"  {path}  not permitted: add this user to the group `gpio`" for path in told["denied"]]
    return lines if told["chips"] or told["denied"] else [*lines, "  none"]


def _library(installed: dict[str, str]) -> str:
    named = " and ".join(f"{name} {version}" for name, version in installed.items())
    if len(installed) > 1:
        return f"{named}: remove one, never both"
    return named or "none: sudo apt install python3-rpi-lgpio"


def _user(line: dict[str, Any]) -> str:
    who = ", ".join(w for w in (line["process"], line["consumer"]) if w) or "somebody"
    return f"GPIO {line['pin']:<3} {'out' if line['output'] else 'in ':<3}  {who}"
