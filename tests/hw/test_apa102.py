"""APA102 and SK9822: bytes worked out by hand, every frame there and back, and damaged ones refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from appliance.config import Strip
from hw.strip.apa102 import decode, encode, frame_bytes
from hw.strip.wiring import Wiring

FRAMES = arrays.arrays(np.uint8, st.tuples(st.integers(0, 320), st.just(3)))


def test_two_leds_byte_by_byte():
    # start; full level, blue 3, green 2, red 1; blue 255, green 0, red 128; latch; ceil(2 / 16) = 1 byte of clocks
    assert encode(np.array([[1, 2, 3], [128, 0, 255]], np.uint8)) == bytes.fromhex(
        "00000000 ff030201 ffff0080 00000000 00"
    )


def test_four_dark_leds_are_still_addressed():
    assert encode(np.zeros((4, 3), np.uint8)) == bytes.fromhex(
        "00000000" + "ff000000" * 4 + "00000000" + "00"
    )


@pytest.mark.parametrize(
    ("leds", "size"), [(16, 73), (17, 78), (60, 252), (144, 593), (300, 1227)]
)  # 4 + 4n + 4 + ceil(n / 16)
def test_frames_are_as_long_as_leds_and_clocks_need(leds, size):
    assert frame_bytes(leds) == size == len(encode(np.zeros((leds, 3), np.uint8)))


@pytest.mark.parametrize("leds", range(1, 301))
def test_the_last_led_gets_enough_clocks_to_see_its_data(leds):
    clocks_after = 8 * (frame_bytes(leds) - 4 - 4 * leds)
    assert clocks_after >= leds / 2  # each LED hands the data on half a clock late


@given(FRAMES)
def test_every_frame_comes_back(rgb):
    assert np.array_equal(decode(encode(rgb)), rgb)


@given(FRAMES, st.data())
def test_a_frame_whose_framing_is_damaged_is_refused(rgb, data):
    frame = bytearray(encode(rgb))
    n = len(rgb)
    framing = [k for k in range(len(frame)) if not 4 <= k < 4 + 4 * n or (k - 4) % 4 == 0]
    at = data.draw(st.sampled_from(framing))
    frame[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r"APA102 frame|does not start"):
        decode(bytes(frame))


@given(FRAMES, st.integers(1, 3))
def test_a_frame_that_lost_or_won_bytes_is_refused(rgb, count):
    frame = encode(rgb)
    for wrong in (frame[:-count], frame + bytes([0xFF] * count)):
        with pytest.raises(ValueError, match=r"APA102 frame|does not start"):
            decode(wrong)


def test_other_than_usual_colours_go_out_in_their_own_order():
    wiring = Wiring(Strip(leds=4, order="rgb"), "bgr")
    frame = encode(wiring.sent(np.array([[1, 2, 3]] * 4, np.uint8)))
    assert frame[4:8] == bytes.fromhex("ff010203")
