"""How a bar hangs on its wire: every LED once, colours in their order, and never more current than the cap."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import config
from appliance.config import Strip
from hw.strip.wiring import Wiring, wire_order

ROUNDING_MA = 1e-9  # of the sums themselves, in float64
ORDERS = ("rgb", "rbg", "grb", "gbr", "brg", "bgr")


def _numbered(leds):
    """A frame in which every byte tells its LED and colour: 10 * LED + 1, 2, 3 (up to 25 LEDs)."""
    return (10 * np.arange(leds)[:, None] + (1, 2, 3)).astype(np.uint8)


@st.composite
def bars(draw):
    """A bar of any length in up to eight pieces, each of them hung either way round."""
    leds = draw(st.integers(4, 40))
    cuts = sorted(draw(st.sets(st.integers(1, leds - 1), max_size=7)))
    pieces = [(a, b - 1) for a, b in zip([0, *cuts], [*cuts, leds], strict=True)]
    pieces = [p[::-1] if draw(st.booleans()) else p for p in draw(st.permutations(pieces))]
    return Strip(
        leds=leds, pieces=tuple(pieces), reversed=draw(st.booleans()), order=draw(st.sampled_from(ORDERS))
    )


def test_a_bar_in_one_piece_is_sent_from_the_runners_left_to_the_right():
    assert wire_order(Strip(leds=5)) == [0, 1, 2, 3, 4]


def test_a_reversed_bar_is_sent_from_the_runners_right():
    assert wire_order(Strip(leds=5, reversed=True)) == [4, 3, 2, 1, 0]


def test_two_halves_fed_from_the_middle_go_left_first_outwards_then_right_outwards():
    assert wire_order(Strip(leds=8, pieces=((3, 0), (4, 7)))) == [3, 2, 1, 0, 4, 5, 6, 7]


def test_a_reversed_bar_in_pieces_is_fed_from_its_other_end():
    assert wire_order(Strip(leds=8, pieces=((3, 0), (4, 7)), reversed=True)) == [7, 6, 5, 4, 0, 1, 2, 3]


def test_a_piece_may_be_a_single_led():
    assert wire_order(Strip(leds=4, pieces=((3, 3), (0, 2)))) == [3, 0, 1, 2]


@given(bars())
def test_whatever_the_pieces_every_led_is_on_the_wire_once(wanted):
    assert sorted(wire_order(wanted)) == list(range(wanted.leds))
    text = f"[strip]\nleds = {wanted.leds}\npieces = {[list(p) for p in wanted.pieces]}"
    assert config.parse(text).strip.pieces == wanted.pieces


@given(bars(), st.sampled_from(ORDERS), st.randoms(use_true_random=False))
def test_what_was_wired_comes_back_as_it_was(wanted, usual, random):
    wiring = Wiring(msgspec.structs.replace(wanted, current_cap_ma=20000.0), usual)
    rgb = np.frombuffer(random.randbytes(3 * wanted.leds), np.uint8).reshape(-1, 3)
    assert np.array_equal(wiring.seen(wiring.sent(rgb)), rgb)


@pytest.mark.parametrize("usual", ORDERS)
@pytest.mark.parametrize("order", ORDERS)
def test_colours_leave_in_the_order_that_the_settings_name(order, usual):
    rgb = _numbered(4)
    wired = Wiring(Strip(leds=4, order=order), usual).sent(rgb)
    sends = wired[:, ["rgb".index(c) for c in usual]]  # what an encoder of this usual order puts on the wire
    assert np.array_equal(sends, rgb[:, ["rgb".index(c) for c in order]])


@pytest.mark.parametrize("usual", ORDERS)
def test_the_usual_order_changes_nothing(usual):
    rgb = _numbered(6)
    assert np.array_equal(Wiring(Strip(leds=6), usual).sent(rgb), rgb)


@st.composite
def supplied(draw):
    """A strip with a supply that may be far too small for it, but feeds its dark LEDs."""
    leds = draw(st.integers(4, 300))
    idle_ma = draw(st.floats(0, 10))
    cap_ma = draw(st.floats(max(20.0, idle_ma * leds * 1.0001 + 1e-3), 20000))
    return Strip(leds=leds, idle_ma=idle_ma, current_cap_ma=cap_ma, led_ma=draw(st.floats(1, 100)))


@given(supplied(), st.integers(0, 2**32 - 1), st.integers(0, 255))
def test_no_frame_ever_draws_more_than_the_cap(wanted, seed, least):
    rgb = np.random.default_rng(seed).integers(least, 256, (wanted.leds, 3), dtype=np.uint8)
    wiring = Wiring(wanted, "bgr")
    sent = wiring.sent(rgb)
    drawn_ma = sum(int(b) for b in sent.ravel()) / 765 * wanted.led_ma + wanted.idle_ma * wanted.leds
    assert drawn_ma <= wanted.current_cap_ma + ROUNDING_MA
    assert wiring.current_ma(sent) == pytest.approx(drawn_ma)
    assert (wiring.seen(sent) <= rgb).all()


@given(supplied())
def test_the_brightest_white_is_capped_and_nothing_is_given_away(wanted):
    white = np.full((wanted.leds, 3), 255, np.uint8)
    sent = Wiring(wanted).limited(white)
    assert len(np.unique(sent)) == 1
    level = int(sent[0, 0])
    more = (level + 1) * 3 * wanted.leds
    assert level == 255 or more > wanted.byte_budget  # one step brighter would pass the cap


@given(supplied(), st.integers(0, 2**32 - 1))
def test_a_frame_within_the_budget_is_not_touched(wanted, seed):
    random = np.random.default_rng(seed)
    rgb = np.zeros((wanted.leds, 3), np.uint8)
    room = wanted.byte_budget
    for k in random.permutation(rgb.size):
        rgb.flat[k] = min(255, room)
        room -= int(rgb.flat[k])
    assert Wiring(wanted).limited(rgb) is rgb


def test_a_supply_that_does_not_even_feed_dark_leds_lights_nothing():
    wanted = Strip(leds=300, idle_ma=1.0, current_cap_ma=100.0)
    assert not Wiring(wanted).sent(np.full((300, 3), 255, np.uint8)).any()


def test_a_frame_over_the_cap_keeps_its_shape_and_only_gets_dimmer():
    wanted = Strip(leds=4, idle_ma=0.0, led_ma=60.0, current_cap_ma=60.0)
    rgb = np.array([[255, 255, 255], [255, 0, 0], [0, 100, 200], [0, 0, 0]], np.uint8)
    # 1,320 bytes where 765 are allowed: 255 * 765 // 1320 = 147, 100 -> 57, 200 -> 115
    assert Wiring(wanted).limited(rgb).tolist() == [[147, 147, 147], [147, 0, 0], [0, 57, 115], [0, 0, 0]]


def test_wiring_leaves_the_frame_it_was_given_alone():
    rgb = _numbered(8)
    before = rgb.copy()
    sent = Wiring(Strip(leds=8)).sent(rgb)
    sent[:] = 0
    assert np.array_equal(rgb, before)
