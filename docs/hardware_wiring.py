"""The wires of `hardware_figures` become a drawing: header, level shifter, strip, button, light, shift registers.

The header is drawn as it lies on the board: USB sockets down, pin 1 at the upper left. Wires leave to the left, because
every pin in use has an odd number.
"""

from __future__ import annotations

from pathlib import Path

from hardware_figures import FIVE_VOLTS, GROUND, PHYSICAL, THREE_VOLTS, wires
from svg_page import AMBER, BLUE, FAINT, GREEN, GREY, INK, RED, Page

_PIN_X, _TOP, _STEP = 690.0, 96.0, 25.0
_BCM = {pin: bcm for bcm, pin in PHYSICAL.items()}


def pin_at(pin: int) -> tuple[float, float]:
    """Where a pin of the header is drawn."""
    return _PIN_X + (24.0 if pin % 2 == 0 else 0.0), _TOP + _STEP * ((pin - 1) // 2)


def draw(path: Path) -> None:
    """The whole picture."""
    page = Page(
        960,
        690,
        "Wiring of a hipbar station: header pins, level shifter, strip, button, light, shift registers",
    )
    page.words(20, 34, "Wiring", 20, bold=True)
    page.words(
        20,
        54,
        "Pins by the defaults of the settings. Grounds all join. Never 5 V on a pin of the Pi.",
        13,
        GREY,
    )
    _board(page)
    _supply(page)
    _strip(page)
    _panel(page)
    _registers(page)
    page.save(path)


def _board(page: Page) -> None:
    """The board's upper edge with its header; pins in use carry their names."""
    names = {w.pin: w.setting.replace("`", "").split(", ")[-1] for w in wires()}
    page.box(654, 66, 286, 560, "#eef6f0", GREEN, 10)
    page.words(926, 86, "Raspberry Pi 4 or 5, from above", 11, GREEN, "end")
    page.box(676, _TOP - 14, 52, 20 * _STEP + 3, "#2b2f36", INK, 3)
    for pin in range(1, 41):
        x, y = pin_at(pin)
        kind = (
            RED
            if pin in FIVE_VOLTS
            else AMBER
            if pin in THREE_VOLTS
            else "#9aa0aa"
            if pin in GROUND
            else "#f2c14e"
        )
        page.dot(x, y, 5.5, kind)
    for pin, name in names.items():
        page.words(736, pin_at(pin)[1] + 4, f"{pin}  GPIO{_BCM[pin]}  {name}", 12)
    for pin, name in ((9, "ground"), (17, "3.3 V"), (25, "ground"), (39, "ground")):
        page.words(736, pin_at(pin)[1] + 4, f"{pin}  {name}", 12, GREY)
    page.words(668, _TOP + 4, "1", 11, GREY, "end")
    page.words(734, _TOP + 5, "2", 11, GREY)
    page.box(740, 600, 70, 26, FAINT, GREY)
    page.box(830, 600, 70, 26, FAINT, GREY)
    page.words(820, 646, "USB sockets", 12, GREY, "middle")


def _supply(page: Page) -> None:
    page.box(30, 84, 150, 60, "#fdecea", RED)
    page.words(105, 110, "5 V supply", 14, RED, "middle", bold=True)
    page.words(105, 129, "of the strip", 12, RED, "middle")
    page.way([(180, 102), (330, 102), (330, 316)], RED, 2)
    page.way([(60, 144), (60, 306)], RED, 2)
    page.way([(150, 144), (150, 180), (620, 180)], INK, 2)
    page.words(190, 96, "5 V", 12, RED)
    page.words(158, 174, "ground", 12)


def _strip(page: Page) -> None:
    """MOSI and SCLK through two gates of the shifter into the strip."""
    page.box(290, 316, 120, 90, "#eef3fd", BLUE)
    page.words(350, 340, "74AHCT125", 13, BLUE, "middle", bold=True)
    page.words(350, 357, "3.3 V to 5 V", 11, BLUE, "middle")
    page.words(350, 398, "OE pins to ground", 10, GREY, "middle")
    for pin, y, left, right, colour in ((19, 368, "1Y", "1A", BLUE), (23, 384, "2Y", "2A", GREEN)):
        x, at = pin_at(pin)
        bend = 560 if pin == 19 else 576
        page.way([(x - 8, at), (bend, at), (bend, y), (410, y)], colour, 2)
        page.way([(290, y), (230, y)], colour, 2)
        page.words(298, y + 4, left, 10, GREY)
        page.words(402, y + 4, right, 10, GREY, "end")
    page.box(30, 306, 200, 92, "#fbfbfc")
    page.words(130, 328, "APA102 / SK9822", 13, at="middle", bold=True)
    for k in range(9):
        page.box(42 + 20 * k, 338, 14, 14, ("#7fb2ff" if k < 3 else "#fff"), GREY, 2)
    page.words(222, 372, "DI", 11, BLUE, "end")
    page.words(222, 388, "CI", 11, GREEN, "end")
    page.words(70, 300, "5 V, fuse; fed at both ends from 60 LEDs on", 11, RED)
    page.way([(90, 398), (90, 424), (620, 424)], INK, 2)
    page.words(98, 418, "ground", 12)


def _panel(page: Page) -> None:
    """Button and status light, and the rail of grounds."""
    x, y = pin_at(13)
    page.way([(x - 8, y), (530, y), (530, 226), (470, 226)], GREEN, 2)
    page.dot(470, 226, 3.5, INK)
    page.dot(440, 226, 3.5, INK)
    page.way([(436, 214), (474, 214)], INK, 2)
    page.way([(455, 214), (455, 204)], INK, 2)
    page.way([(440, 226), (420, 226), (420, 180)], INK, 2)
    page.words(484, 219, "button", 12)
    x, y = pin_at(15)
    page.way([(x - 8, y), (600, y), (600, 284), (540, 284)], AMBER, 2)
    page.box(496, 277, 44, 14, "#fff", AMBER, 2)
    page.words(518, 306, "330 Ω", 11, AMBER, "middle")
    page.way([(496, 284), (470, 284)], AMBER, 2)
    page.way([(470, 275), (470, 293), (454, 284), (470, 275)], AMBER, 1.5, "#fff3d6")
    page.way([(454, 275), (454, 293)], AMBER, 2)
    page.way([(454, 284), (390, 284), (390, 180)], INK, 2)
    page.words(462, 268, "status light", 12, AMBER, "middle")
    x, y = pin_at(9)
    page.way([(620, 180), (620, 424)], INK, 2)
    page.way([(x - 8, y), (620, y)], INK, 2)
    page.dot(620, y, 3.5, INK)
    x, y = pin_at(25)
    page.way([(x - 8, y), (620, y)], INK, 2)
    for at in ((620, y), (420, 180), (390, 180)):
        page.dot(*at, 3.5, INK)


def _registers(page: Page) -> None:
    """The other bar: two registers of eight LEDs each."""
    page.words(
        120, 664, 'or, in place of the strip, a bar of single LEDs (strip.kind = "shift-register")', 12, GREY
    )
    for k, x0 in enumerate((330, 120)):
        page.box(x0, 434, 130, 106, "#eef3fd", BLUE)
        page.words(x0 + 62, 464, "74HCT595", 13, BLUE, "middle", bold=True)
        page.words(x0 + 62, 484, "at 5 V" if k == 0 else "the next eight", 11, RED, "middle")
        for i in range(8):
            x = x0 + 14 + 14.5 * i
            page.way([(x, 540), (x, 560)], GREY, 1)
            page.box(x - 3, 560, 6, 14, "#fff", GREY, 1)
            page.dot(x, 584, 4.5, "#fff3d6" if (i + k) % 3 else "#7fb2ff", GREY)
        page.way([(x0 + 14, 596), (x0 + 116, 596)], INK, 1.5)
        page.way([(x0 + 65, 596), (x0 + 65, 630)], INK, 1.5)
        page.words(470, 571, "390 Ω each", 11, GREY)
    for w, name, colour in zip(
        wires()[2:6], ("SER", "SRCLK", "RCLK", "OE"), (BLUE, GREEN, AMBER, RED), strict=True
    ):
        x, y = pin_at(w.pin)
        page.way([(x - 8, y), (460, y)], colour, 2)
        page.words(454, y + 4, name, 10, GREY, "end")
        if name == "SER":
            page.way([(330, y), (250, y)], colour, 2)
            page.words(338, y + 4, "QH'", 10, GREY)
        else:
            page.way([(330, y), (250, y)], colour, 2, dashes="3 3")
    x, y = pin_at(35)
    page.way([(640, y), (640, pin_at(17)[1]), (_PIN_X - 8, pin_at(17)[1])], AMBER, 1.5)
    page.box(634, 402, 12, 32, "#fff", AMBER, 2)
    page.dot(640, y, 3.5, AMBER)
    page.words(632, 440, "10 kΩ", 11, AMBER, "end")
    x, y = pin_at(39)
    page.way([(x - 8, y), (600, y), (600, 630), (185, 630)], INK, 1.5)
    page.dot(395, 630, 3, INK)
    page.words(540, 624, "ground", 12, at="middle")
