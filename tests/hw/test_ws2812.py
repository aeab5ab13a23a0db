"""WS2812 on an SPI data line: pulses worked out by hand, every frame there and back, damaged ones refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hw.strip.spi import buffer_bytes
from hw.strip.ws2812 import RESET_BYTES, SPEED_HZ, decode, encode, frame_bytes

FRAMES = arrays.arrays(np.uint8, st.tuples(st.integers(0, 300), st.just(3)))
RESET = bytes(RESET_BYTES)

SHEETS_NS = {  # high for a 0, high for a 1, by data sheet
    "WS2812": ((200, 500), (550, 850)),
    "WS2812B": ((250, 550), (650, 950)),
    "WS2812B-V5, WS2812C": ((220, 380), (580, 1000)),
}


def test_one_led_byte_by_byte():
    # green 0x0F, red 0x80, blue 0x01: each bit 1000 or 1100, highest first
    body = bytes.fromhex("8888cccc" + "c8888888" + "8888888c")
    assert encode(np.array([[0x80, 0x0F, 0x01]], np.uint8)) == RESET + body + RESET


def _bits(data):
    return "".join(f"{byte:08b}" for byte in data)


@given(FRAMES)
def test_the_line_carries_one_pulse_a_bit_short_or_long(rgb):
    line = _bits(encode(rgb))
    pulses = [run for run in line.split("0") if run]
    meant = "".join(f"{g:08b}{r:08b}{b:08b}" for r, g, b in rgb.tolist())
    assert pulses == ["11" if bit == "1" else "1" for bit in meant]


@pytest.mark.parametrize(
    "clock_hz", [SPEED_HZ, 500e6 / 180, 400e6 / 144, 200e6 / 72], ids=["asked", "4", "3", "5"]
)
@pytest.mark.parametrize("sheet", SHEETS_NS)
def test_pulses_are_inside_every_data_sheet_at_what_the_pis_make_of_the_clock(sheet, clock_hz):
    (short_min, short_max), (long_min, long_max) = SHEETS_NS[sheet]
    assert short_min <= 1e9 / clock_hz <= short_max
    assert long_min <= 2e9 / clock_hz <= long_max


def test_the_line_is_low_long_enough_before_and_after():
    assert 8 * RESET_BYTES / SPEED_HZ >= 280e-6


def test_the_longest_strip_fits_in_one_write():
    assert frame_bytes(300) == 3810 == len(encode(np.zeros((300, 3), np.uint8)))
    assert frame_bytes(300) <= buffer_bytes()


@given(FRAMES)
def test_every_frame_comes_back(rgb):
    assert np.array_equal(decode(encode(rgb)), rgb)


@given(FRAMES, st.data())
def test_a_frame_with_a_wrong_bit_is_refused_or_is_another_frame(rgb, data):
    frame = bytearray(encode(rgb))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = decode(bytes(frame))
    except ValueError:
        return
    assert encode(other) == frame  # nothing but a pulse that changed its length is taken


@given(FRAMES, st.integers(1, 11))
def test_a_frame_that_lost_or_won_bytes_is_refused(rgb, count):
    frame = encode(rgb)
    for wrong in (frame[:-count], frame + bytes(count)):
        with pytest.raises(ValueError, match="WS2812"):
            decode(wrong)


def test_pulses_of_another_shape_are_refused():
    frame = bytearray(encode(np.zeros((3, 3), np.uint8)))
    frame[RESET_BYTES + 12] = 0b11101000
    with pytest.raises(ValueError, match="LED 1 is not made of"):
        decode(bytes(frame))
