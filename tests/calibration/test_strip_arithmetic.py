"""A strip that is wired in any way is told by what a person sees of it."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.calibration.strip import Search, draws_ma, order_of, place_on_wire, single
from appliance.commands.calibrate.strip import USUAL, _part
from appliance.config import Strip, parse
from appliance.errors import CalibrationError
from hw.strip.wiring import Wiring

ORDERS = ["".join(order) for order in permutations("rgb")]


def seen_on(true: str, wired: np.ndarray, usual: str) -> str:
    """The colour that an LED of that true order shows for the bytes that the encoder gets."""
    on_wire = {byte: int(wired[0]["rgb".index(colour)]) for byte, colour in enumerate(usual)}
    lit = [true[byte] for byte, value in on_wire.items() if value]
    return lit[0]


@pytest.mark.parametrize("true", ORDERS)
@pytest.mark.parametrize("assumed", ORDERS)
@pytest.mark.parametrize("usual", ["rgb", "grb", "bgr"])
def test_the_true_order_is_found_whatever_was_set_before(true: str, assumed: str, usual: str) -> None:
    wiring = Wiring(Strip(kind="wled", host="x", leds=4, order=assumed), usual)  # type: ignore[arg-type]
    shown = np.eye(3, dtype=np.uint8) * 50
    seen = "".join(seen_on(true, wiring.sent(np.repeat(colour[None], 4, axis=0)), usual) for colour in shown)
    assert order_of(assumed, seen) == true


def test_what_auto_stands_for_is_what_the_drivers_send() -> None:
    told = {"apa102": "bgr", "ws2812": "grb"}
    assert told == USUAL
    for kind, usual in {**told, "wled": "rgb"}.items():
        source = __import__(f"hw.strip.{kind}", fromlist=["x"]).__file__
        with open(source, encoding="utf-8") as file:  # noqa: PTH123
            assert f'Wiring(wanted, "{usual}")' in file.read()


@pytest.mark.parametrize("seen", ["rrb", "rgo", "ooo", "ggg"])
def test_colours_that_no_order_gives_are_refused(seen: str) -> None:
    with pytest.raises(CalibrationError, match="no order of colours"):
        order_of("rgb", seen)


@given(st.integers(4, 300), st.data())
def test_the_length_is_found_in_a_few_looks(most: int, data: st.DataObject) -> None:
    true = data.draw(st.integers(4, most - 1)) if most > 4 else 3
    search, looks = Search(most), 0
    while (place := search.place) is not None:
        search.saw(place < true)
        looks += 1
    assert search.found == true
    assert looks <= 9


def test_the_first_of_the_wire_is_where_the_wiring_puts_it() -> None:
    for reversed_ in (False, True):
        strip = Strip(kind="wled", host="x", leds=10, reversed=reversed_)
        lit = Wiring(strip).sent(single(10, place_on_wire(strip, 0), (9, 9, 9)))
        assert lit[0].all()
        assert not lit[1:].any()


def test_what_is_drawn_is_what_the_driver_sends_and_never_above_the_cap() -> None:
    strip = parse('[strip]\nkind="wled"\nhost="x"\nleds=60\ncurrent_cap_ma=1000.0\n').strip
    wiring = Wiring(strip)
    for top in (10, 60, 127, 255):
        rgb = single(60, range(60), (top, top, top))
        sent_ma = wiring.current_ma(wiring.sent(rgb))
        assert sent_ma <= draws_ma(strip, rgb) <= 1000.0
        assert draws_ma(strip, rgb) == pytest.approx(sent_ma, abs=15)


@pytest.mark.parametrize("reversed_", [False, True])
@pytest.mark.parametrize(("named", "there"), [(32, 5), (32, 8), (300, 40), (8, 8), (60, 300), (4, 4)])
def test_what_is_shown_lies_on_leds_that_were_found_to_be_there(
    named: int, there: int, reversed_: bool
) -> None:
    strip = Strip(leds=named, reversed=reversed_)
    lights = {place_on_wire(strip, place) for place in range(min(named, there))}
    for first, last in ((0.25, 0.75), (0.0, 0.5)):
        shown = _part(strip, there, first, last)
        assert len(shown) > 0
        assert set(shown) <= lights
