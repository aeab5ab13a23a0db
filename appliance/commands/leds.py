"""The light bar alone: settings and machine become a list of what is there, a test that a person looks at, or darkness.

Exit code 6 for a bar that is missing or stops, as for the station. Darkening what is not there is no error: whoever
stops the station may ask for it without looking first.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.options import FILE, as_built, aside, finite
from appliance.commands.stop import Stop

if TYPE_CHECKING:
    from appliance import config
    from hw.strip import Strip

_RATE_HZ = 50.0
_STOPPED = 130

_KINDS = {
    "terminal": "a line on this screen",
    "memory": "nothing to see; for tests",
    "none": "no light at all",
    "apa102": "APA102 or SK9822 on {device} at {speed_mhz:g} MHz",
    "ws2812": "WS2812 on the data line of {device}",
    "shift-register": "74HC595 on BCM pins {data_pin} (data), {clock_pin} (clock), {latch_pin} (latch)",
    "wled": "WLED at {host}:{port}",
}
_ON_SPI = ("apa102", "ws2812")
_ON_A_BUS = (*_ON_SPI, "shift-register", "wled")


@click.command(name="leds")
@click.option("--config", type=FILE, help="Settings file (TOML); defaults without.")
@click.option(
    "--list", "mode", flag_value="list", default=True, help="Show what is there. This is the default."
)
@click.option(
    "--test", "mode", flag_value="test", help="Light the bar step by step and say what should be seen."
)
@click.option("--dark", "mode", flag_value="dark", help="Make the bar dark and end.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 3600),
    default=25.0,
    show_default=True,
    callback=finite,
    help="How long the test takes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(config: Path | None, mode: str | None, seconds: float, as_json: bool) -> int:
    """Try the light bar alone.

    The test walks one light from the runner's left to the right, lights the left half, the right half, each colour and
    each pattern, and says which it is: what it says has to be what is seen. It ends dark.

    \b
    Examples:
      hipbar leds
      hipbar leds --config station.toml --test
      hipbar leds --config station.toml --dark
    """

    settings = as_built(config)
    if mode == "dark":
        return _darken(settings)
    if mode == "test":
        return _test(settings, seconds, as_json)
    _list(settings.strip, as_json)
    return 0


def _darken(settings: config.Settings) -> int:
    """Opens the strip and closes it, both of which leave it dark."""
    wanted = settings.strip
    if wanted.kind not in _ON_A_BUS:
        aside(f'nothing to darken: strip.kind is "{wanted.kind}"')
    elif wanted.kind in _ON_SPI and not Path(wanted.device).exists():
        aside(f"nothing to darken: there is no {wanted.device}")
    elif wanted.kind == "shift-register" and not any(Path("/dev").glob("gpiochip*")):
        aside("nothing to darken: there is no GPIO chip")
    else:
        import hw

        hw.open_strip(wanted, settings.gpio).close()
    return 0


def _test(settings: config.Settings, seconds: float, as_json: bool) -> int:
    """Shows every picture for its share of the time; dark at the end, however it ends."""
    from appliance.commands.walk import pictures

    stop, writes = Stop(None), _Writes()
    with stop.listening(), contextlib.closing(_opened(settings, as_json)) as strip:
        for picture in pictures(settings):
            if stop():
                break
            aside(f"{_fresh_line(settings.strip)}{picture.words}")
            began_s, length_s = time.monotonic(), seconds * picture.share
            while not stop() and (over := (time.monotonic() - began_s) / length_s) < 1:
                writes.time(strip, picture.leds(over))
                time.sleep(min(1 / _RATE_HZ, (1 - over) * length_s))
    aside("the bar is dark")
    told = {"kind": settings.strip.kind, "leds": settings.strip.leds, "faults": strip.faults, **writes.told()}
    if as_json:
        _print_json(told)
    else:
        click.echo(
            "{frames:,} frames, {faults} faults; a frame took {p50_ms:.2f} ms to write, {p99_ms:.2f} at most in 99 %"
            " of them".format(**told)
        )
    return _STOPPED if stop() else 0


def _opened(settings: config.Settings, as_json: bool) -> Strip:
    """The strip; one in the terminal draws where the remarks go when standard output is for JSON."""
    if as_json and settings.strip.kind == "terminal":
        from hw.strip.terminal import TerminalStrip

        return TerminalStrip(settings.strip.leds, sys.stderr)
    import hw

    return hw.open_strip(settings.strip, settings.gpio)


def _fresh_line(wanted: config.Strip) -> str:
    """A bar in the terminal stays on its line, and words begin on the next one."""
    return "\n" if wanted.kind == "terminal" and sys.stderr.isatty() else ""


class _Writes:
    """How long frames took to write."""

    def __init__(self) -> None:
        self._took_s: list[float] = []

    def time(self, strip: Strip, leds: Any) -> None:
        """Shows one frame and notes the time it took."""
        began_s = time.perf_counter()
        strip.show(leds)
        self._took_s.append(time.perf_counter() - began_s)

    def told(self) -> dict[str, Any]:
        """The number of frames, their median and their 99th percentile in milliseconds."""
        took = sorted(self._took_s) or [float("nan")]
        middle, late = took[len(took) // 2], took[min(len(took) - 1, len(took) * 99 // 100)]
        return {"frames": len(self._took_s), "p50_ms": 1e3 * middle, "p99_ms": 1e3 * late}


def _list(wanted: config.Strip, as_json: bool) -> None:
    """What the settings name, what it draws and takes, and what this machine has."""
    told = {"strip": _facts(wanted), "spi": _spi(), "kinds": {kind: _opens(wanted, kind) for kind in _KINDS}}
    if as_json:
        _print_json(told)
    else:
        click.echo("\n".join(_lines(wanted, told)))


def _opens(wanted: config.Strip, kind: str) -> str:
    names = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    return _KINDS[kind].format(**{**names, "host": wanted.host or "(strip.host is empty)"})


def _facts(wanted: config.Strip) -> dict[str, Any]:
    """The strip that the settings name, in figures; None where there is no bus to speak of."""
    size, wire_s = _frame(wanted)
    white_ma, capped_ma, share = _currents(wanted)
    return {
        "kind": wanted.kind,
        "opens": _opens(wanted, wanted.kind),
        "leds": wanted.leds,
        "frame_bytes": size,
        "wire_ms": None if wire_s is None else 1e3 * wire_s,
        "white_ma": white_ma,
        "cap_ma": wanted.current_cap_ma,
        "capped_ma": capped_ma,
        "capped_share": share,
    }


def _currents(wanted: config.Strip) -> tuple[float, float, float]:
    """The whole bar lit: milliamperes as asked for and as the cap allows, and the share of the light that is left."""
    if wanted.kind == "shift-register":
        from hw.strip.shift_register import most_lit

        most, dark_ma = min(wanted.leds, most_lit(wanted)), wanted.idle_ma * wanted.leds
        return dark_ma + wanted.leds * wanted.led_ma, dark_ma + most * wanted.led_ma, most / wanted.leds
    import numpy as np

    from appliance.feedback.patterns import top_byte
    from hw.strip.wiring import Wiring

    wiring, white = Wiring(wanted), np.full((wanted.leds, 3), top_byte(wanted), np.uint8)
    capped = wiring.limited(white)
    return wiring.current_ma(white), wiring.current_ma(capped), float(capped.max() / white.max())


def _frame(wanted: config.Strip) -> tuple[int | None, float | None]:
    """Bytes a frame and seconds on the wire."""
    from hw.strip import apa102, ws2812

    if wanted.kind == "apa102":
        size = apa102.frame_bytes(wanted.leds)
        return size, 8 * size / (wanted.speed_mhz * 1e6)
    if wanted.kind == "ws2812":
        size = ws2812.frame_bytes(wanted.leds)
        return size, 8 * size / ws2812.SPEED_HZ
    return (10 + 3 * wanted.leds if wanted.kind == "wled" else None), None


def _spi() -> list[dict[str, Any]]:
    """The SPI devices of this machine, whether this user may use them and who does."""
    from hw.claim import holder
    from hw.strip.spi import devices

    return [
        {"device": path, "permitted": os.access(path, os.R_OK | os.W_OK), "used_by": holder(path)}
        for path in devices()
    ]


def _lines(wanted: config.Strip, told: dict[str, Any]) -> list[str]:
    facts = told["strip"]
    rows = [("kind", f"{facts['kind']}: {facts['opens']}"), ("LEDs", f"{facts['leds']}, {_hung(wanted)}")]
    if facts["frame_bytes"]:
        wire = f", {facts['wire_ms']:.2f} ms on the wire" if facts["wire_ms"] else ""
        rows.append(("a frame", f"{facts['frame_bytes']:,} bytes{wire}"))
    cap = f"the cap of {facts['cap_ma']:,.0f} mA"
    less = "of them lit" if wanted.kind == "shift-register" else "as bright"
    dimmed = f"{cap} makes that {facts['capped_ma']:,.0f} mA, {facts['capped_share']:.0%} {less}"
    effect = f"within {cap}" if facts["capped_share"] == 1 else dimmed
    if wanted.kind in _ON_A_BUS:
        rows.append(
            ("all white", f"{facts['white_ma']:,.0f} mA at brightness {wanted.brightness:g}; {effect}")
        )
    spi = [(row["device"], _state(row)) for row in told["spi"]] or [
        ("none", "on a Pi: dtparam=spi=on in /boot/firmware/config.txt, then start it again")
    ]
    parts = {"this station's strip": rows, "SPI devices": spi, "strip.kind can be": told["kinds"].items()}
    return [
        line
        for title, pairs in parts.items()
        for line in (title, *(f"  {name:<15} {words}" for name, words in pairs))
    ]


def _hung(wanted: config.Strip) -> str:
    pieces = ", ".join(f"{first} to {last}" for first, last in wanted.pieces)
    order = f"wired {pieces}" if pieces else "in one piece"
    return f"{order}, from the other end" if wanted.reversed else order


def _state(row: dict[str, Any]) -> str:
    if not row["permitted"]:
        return "not permitted: add this user to the group `spi` and log in again"
    return f"used by {row['used_by']}" if row["used_by"] else "free"


def _print_json(told: dict[str, Any]) -> None:
    import msgspec

    click.echo(msgspec.json.encode(told))
