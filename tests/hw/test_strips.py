"""What every strip driver promises, held against each of them; and how the terminal draws it."""

import contextlib
import io
import os

import numpy as np
import pytest
import terminals

from appliance.errors import StripLost
from hw.strip.memory import MemoryStrip
from hw.strip.none import NoStrip
from hw.strip.terminal import TerminalStrip, drawn, lettered, on_screen, styled

LEDS = 8
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)

STRIPS = {
    "memory": lambda: MemoryStrip(LEDS),
    "none": lambda: NoStrip(LEDS),
    "terminal": lambda: TerminalStrip(LEDS, io.StringIO()),
}


def _bar(*colours):
    rgb = np.zeros((LEDS, 3), np.uint8)
    for k, colour in enumerate(colours):
        rgb[k] = colour
    return rgb


@pytest.fixture(params=STRIPS)
def strip(request):
    return STRIPS[request.param]()


def test_a_strip_takes_frames_of_its_own_size(strip):
    strip.show(_bar(BLUE))
    strip.show(_bar())
    strip.close()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((LEDS + 1, 3), np.uint8),
        np.zeros((LEDS, 4), np.uint8),
        np.zeros((LEDS, 3), np.float64),
        np.zeros(LEDS * 3, np.uint8),
        [[0, 0, 0]] * LEDS,
    ],
)
def test_a_strip_refuses_any_other_shape_or_type(strip, wrong):
    with pytest.raises(ValueError, match="takes uint8"):
        strip.show(wrong)


def test_a_closed_strip_shows_nothing_more_and_can_be_closed_again(strip):
    strip.show(_bar(BLUE))
    strip.close()
    strip.close()
    with pytest.raises(StripLost) as refused:
        strip.show(_bar())
    assert refused.value.fix


def test_a_strip_never_keeps_or_changes_the_array_it_was_given(strip):
    rgb = _bar(GREEN)
    strip.show(rgb)
    rgb[:] = 7
    strip.show(rgb)
    assert (rgb == 7).all()
    strip.close()


def test_closing_leaves_the_strip_dark():
    memory = MemoryStrip(LEDS)
    memory.show(_bar(BLUE))
    memory.close()
    assert not memory.frames[-1].any()
    assert memory.count == 2
    text = io.StringIO()
    terminal = TerminalStrip(LEDS, text)
    terminal.show(_bar(BLUE))
    terminal.close()
    assert text.getvalue().splitlines()[-1] == f"[{' ' * LEDS}]"


def test_memory_is_bounded_and_still_counts():
    memory = MemoryStrip(LEDS, keep=3)
    for k in range(10):
        memory.show(np.full((LEDS, 3), k, np.uint8))
    assert [int(f[0, 0]) for f in memory.frames] == [7, 8, 9]
    assert memory.count == 10


def test_a_bar_is_drawn_cell_by_cell_in_the_screens_colours():
    assert drawn(np.array([RED, (0, 0, 0)], np.uint8), cells=1) == (
        "\x1b[48;2;255;26;30m \x1b[48;2;26;26;30m \x1b[0m"
    )
    text = styled(_bar(BLUE, RED))
    assert text.plain == " " * 2 * LEDS
    assert [str(s.style) for s in text.spans[:2]] == ["on #1a1aff", "on #ff1a1e"]


def test_half_a_leds_light_looks_half_lit_on_a_screen():
    assert on_screen(np.array([[55, 55, 55]], np.uint8)).tolist() == [[128, 128, 128]]


def test_letters_grow_with_brightness_and_only_dark_is_blank():
    steps = lettered(np.array([[v] * 3 for v in (0, 1, 20, 60, 120, 180, 255)], np.uint8))
    assert steps[1] == " "
    assert steps[-2] == "@"
    order = " .:-=+*#%@"
    assert [order.index(c) for c in steps[1:-1]] == sorted(order.index(c) for c in steps[1:-1])
    assert " " not in steps[2:-1]


def _on_a_terminal(monkeypatch, frames, **env):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    ours, theirs = terminals.pair()
    with os.fdopen(theirs, "w") as out:
        strip = TerminalStrip(LEDS, out)
        for rgb in frames:
            strip.show(rgb)
        strip.close()
    text = b""
    with contextlib.suppress(OSError):  # a terminal whose other end is closed ends with EIO
        while more := os.read(ours, 65536):
            text += more
    os.close(ours)
    return text.decode()


def test_on_a_terminal_one_line_is_redrawn_in_colour(monkeypatch):
    text = _on_a_terminal(monkeypatch, [_bar(BLUE)])
    assert "\x1b[48;2;26;26;255m" in text
    assert text.count("\n") == 1
    assert text.count("\r\x1b") == 2  # the frame and the dark one of closing


def test_no_color_is_respected_on_a_terminal(monkeypatch):
    text = _on_a_terminal(monkeypatch, [_bar(BLUE)], NO_COLOR="1")
    assert "\x1b" not in text
    assert "[" in text


def test_a_thousand_frames_at_once_are_not_a_thousand_redraws(monkeypatch):
    text = _on_a_terminal(monkeypatch, [_bar((k % 256, 0, 0)) for k in range(1000)])
    assert text.count("\r\x1b") < 10


def test_a_terminal_that_nobody_reads_is_a_lost_strip():
    read, write = os.pipe()
    os.close(read)
    out = os.fdopen(write, "w", buffering=1)
    strip = TerminalStrip(LEDS, out)
    with pytest.raises(StripLost) as lost:
        strip.show(_bar(BLUE))
    assert "terminal" in lost.value.fix
    strip.close()
    with pytest.raises(BrokenPipeError):
        out.close()
