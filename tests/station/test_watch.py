"""The witness before the bar understands what the WLED driver sends, and names what it saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import config
from appliance.feedback.patterns import pattern
from appliance.records import U8, Notice, Shown
from hw.strip.wled import encode, packets
from tests.station import watch
from tests.station.guest.ddp import line_of
from tests.station.serving import SETTINGS
from tests.station.watch import Bar

STATION = config.parse(SETTINGS)
LEDS = STATION.strip.leds


def lines(rgb: U8, sequence: int = 1, now_s: float = 1.5) -> str:
    """What the witness writes of one frame."""
    colours = bytearray()
    return "".join(line_of(packet, colours, now_s) for packet in packets(encode(rgb), sequence))


@given(leds=st.integers(4, 1200), sequence=st.integers(1, 15), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_a_frame_of_any_length_is_one_line_with_its_colours(leds: int, sequence: int, seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (leds, 3)).astype(np.uint8)
    assert lines(rgb, sequence) == f"1.5 {rgb.tobytes().hex()}\n"


@given(packet=st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_what_is_no_such_packet_is_told_or_is_a_frame(packet: bytes) -> None:
    line = line_of(packet, bytearray(), 2.0)
    assert line == "" or line.startswith("2.0 ")
    if len(packet) < 10:
        assert line == f"2.0 !{packet.hex()}\n"


def test_pictures_are_named_and_the_last_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "bar"
    bar = Bar(file, STATION)
    assert bar.now == watch.DARK
    dark = np.zeros((LEDS, 3), np.uint8)
    figure = dark.copy()
    figure[40:45] = (10, 60, 200)
    half = pattern(Shown.STANDING, STATION) // 2
    shown = [
        dark,
        pattern(Notice.STARTING, STATION),
        figure,
        figure,
        half,
        pattern(Notice.FAULT, STATION),
        dark,
    ]
    file.write_text("".join(lines(rgb, 1, 10.0 + k) for k, rgb in enumerate(shown)))
    names = [(look.name, look.from_s, look.frames) for look in bar.looks()]
    assert names == [
        (watch.DARK, 10.0, 1),
        (watch.STARTING, 11.0, 1),
        (watch.MEASURING, 12.0, 2),
        (watch.FADING, 14.0, 1),
        (watch.FAULT, 15.0, 1),
        (watch.DARK, 16.0, 1),
    ]
    assert [look.name for look in bar.looks(13.5)] == [watch.MEASURING, watch.FADING, watch.FAULT, watch.DARK]
    assert bar.first(11.5, watch.DARK) == 16.0
    assert bar.longest_gap_s(10.0, 20.0) == 4.0


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    file = tmp_path / "bar"
    bar = Bar(file, STATION)
    line = lines(pattern(Notice.FAULT, STATION))
    file.write_text(line[:20])
    assert bar.now == watch.DARK
    file.write_text(line)
    assert bar.now == watch.FAULT
