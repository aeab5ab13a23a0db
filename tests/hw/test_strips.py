"""What every strip driver promises, held against each of them; and how the terminal draws it.

With HIPBAR_SPI_DEVICE=/dev/spidev0.0 the drivers of SPI strips are held to it on that device too, and with
HIPBAR_GPIO_CHIP=<label> that of shift registers on that chip.
"""

import contextlib
import io
import os
import socket
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import terminals
from buses import SocketBus
from pins import Header

import hw
from appliance.config import Gpio
from appliance.config import Strip as Settings
from appliance.errors import StripLost
from hw.strip import Strip, apa102, ws2812
from hw.strip.memory import MemoryStrip
from hw.strip.none import NoStrip
from hw.strip.shift_register import open_shift_register
from hw.strip.terminal import TerminalStrip, drawn, lettered, on_screen, styled
from hw.strip.wired import WiredStrip
from hw.strip.wiring import Wiring

LEDS = 8
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
AMPLE = {"leds": LEDS, "current_cap_ma": 20000.0}


class Made(NamedTuple):
    """A strip and, where light can be looked at, all frames that were lit since last asked, as wired."""

    strip: Strip
    lit: Callable[[], list[np.ndarray]] | None = None
    done: Callable[[], None] = lambda: None


def _memory() -> Made:
    strip = MemoryStrip(LEDS)
    told = 0

    def lit() -> list[np.ndarray]:
        nonlocal told
        new, told = strip.frames[told:], strip.count
        return list(new)

    return Made(strip, lit)


def _on_sockets(codec, usual: str) -> Made:
    bus = SocketBus()
    strip = WiredStrip(bus, Wiring(Settings(**AMPLE), usual), codec.encode)
    return Made(strip, lambda: [codec.decode(data) for data in bus.arrived()], bus.close)


def _wled() -> Made:
    inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inbox.bind(("127.0.0.1", 0))
    inbox.setblocking(False)
    strip = hw.open_strip(Settings(kind="wled", host="127.0.0.1", port=inbox.getsockname()[1], **AMPLE))

    def lit() -> list[np.ndarray]:
        frames = []
        with contextlib.suppress(BlockingIOError):
            while packet := inbox.recv(2048):
                frames.append(np.frombuffer(packet[10:], np.uint8).reshape(-1, 3))
        return frames

    return Made(strip, lit, inbox.close)


STRIPS: dict[str, Callable[[], Made]] = {
    "memory": _memory,
    "none": lambda: Made(NoStrip(LEDS)),
    "terminal": lambda: Made(TerminalStrip(LEDS, io.StringIO())),
    "apa102": lambda: _on_sockets(apa102, "bgr"),
    "ws2812": lambda: _on_sockets(ws2812, "grb"),
    "wled": _wled,
    "shift-register": lambda: Made(
        open_shift_register(Settings(kind="shift-register", **AMPLE), Gpio(), opened=Header().open)
    ),
}
if chip := os.environ.get("HIPBAR_GPIO_CHIP"):
    STRIPS[f"shift-register on {chip}"] = lambda: Made(
        hw.open_strip(Settings(kind="shift-register", **AMPLE), Gpio(chip=chip))
    )
if device := os.environ.get("HIPBAR_SPI_DEVICE"):
    STRIPS |= {
        f"{kind} on {device}": lambda kind=kind: Made(
            hw.open_strip(Settings(kind=kind, device=device, **AMPLE))
        )
        for kind in ("apa102", "ws2812")
    }


def _bar(*colours):
    rgb = np.zeros((LEDS, 3), np.uint8)
    for k, colour in enumerate(colours):
        rgb[k] = colour
    return rgb


@pytest.fixture(params=STRIPS)
def made(request):
    made = STRIPS[request.param]()
    yield made
    made.strip.close()
    made.done()


@pytest.fixture
def strip(made):
    return made.strip


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


def test_a_strip_without_trouble_has_no_faults(strip):
    strip.show(_bar(BLUE))
    assert strip.faults == 0
    strip.close()
    assert strip.faults == 0


@pytest.mark.parametrize("made", ["memory", "apa102", "ws2812", "wled"], indirect=True)
def test_every_led_lights_as_it_was_told_and_closing_leaves_it_dark(made):
    assert made.lit
    made.lit()  # the dark frame of opening
    frames = list(np.random.default_rng(3).integers(0, 256, (20, LEDS, 3), dtype=np.uint8))
    for rgb in frames:
        made.strip.show(rgb)
    assert np.array_equal(made.lit(), frames)
    made.strip.close()
    dark = made.lit()
    assert dark
    assert not np.any(dark)
    made.strip.close()
    assert made.lit() == []  # the second time there is nothing left to darken


def test_a_terminal_is_left_dark():
    text = io.StringIO()
    terminal = TerminalStrip(LEDS, text)
    terminal.show(_bar(BLUE))
    terminal.close()
    assert text.getvalue().splitlines()[-1] == f"[{' ' * LEDS}]"


class _Stopped(BaseException):
    """What a signal raises in the middle of something."""


class _BrokenOff(io.StringIO):
    """A terminal in whose first line a signal arrives after the text is out and before the program goes on."""

    def flush(self):
        if len(self.getvalue().splitlines()) == 1:
            raise _Stopped


def test_a_terminal_line_that_was_broken_off_is_darkened_all_the_same():
    text = _BrokenOff()
    terminal = TerminalStrip(LEDS, text)
    with pytest.raises(_Stopped):
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
