"""The status light's real rhythms become the picture of docs/panel.md: run `python docs/make_panel_picture.py`.

Every stretch drawn was computed by `hw.panel` at its own ticks; nothing is painted by hand.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from appliance.config import Panel
from appliance.records import Light
from hw.panel import TICK_S, Desk

OUT = Path(__file__).parent / "pictures/panel_rhythms.svg"
_SECONDS, _SECOND_PX, _ROW, _LEFT, _TOP = 6, 100, 30, 165, 16
_DARK, _PAPER, _INK, _LIGHT = "#2a2d34", "#15171c", "#c8ccd4", "#cfe3ff"


def lit(state: Light | None, held: tuple[float, float] = (0.0, 0.0)) -> list[bool]:
    """The light at each tick while a state is said and, for a press, the button is held from one second to another."""
    desk = Desk(Panel(kind="gpio"))
    light = []
    for k in range(round(_SECONDS / TICK_S)):
        if state:
            desk.lamp.say(state, k * TICK_S)
        light.append(desk.tick(held[0] <= k * TICK_S < held[1], k * TICK_S))
    return light


def rows() -> list[tuple[str, list[bool]]]:
    """What is drawn: every state, and the answer to a press of three seconds."""
    states = [(state.value, lit(state)) for state in Light]
    return [*states, ("held from 1 s to 4 s", lit(Light.READY, (1.0, 4.0)))]


def picture() -> str:
    """The SVG."""
    drawn = rows()
    width, height = _LEFT + _SECONDS * _SECOND_PX + 20, _TOP * 2 + _ROW * len(drawn) + 14
    parts = [f'<rect width="{width}" height="{height}" fill="{_PAPER}"/>']
    for row, (words, light) in enumerate(drawn):
        y = _TOP + _ROW * row
        parts.append(f'<text x="12" y="{y + 15}" fill="{_INK}">{words}</text>')
        at = 0
        for on, stretch in groupby(light):
            length = len(list(stretch))
            x, wide = _LEFT + at * TICK_S * _SECOND_PX, length * TICK_S * _SECOND_PX
            fill = _LIGHT if on else _DARK
            parts.append(f'<rect x="{x:.0f}" y="{y + 2}" width="{wide:.0f}" height="18" fill="{fill}"/>')
            at += length
    for second in range(_SECONDS + 1):
        x = _LEFT + second * _SECOND_PX
        parts.append(f'<text x="{x - 8}" y="{height - 12}" fill="{_INK}">{second} s</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'{head} font-family="sans-serif" font-size="13">\n' + "\n".join(parts) + "\n</svg>\n"


if __name__ == "__main__":
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(picture(), encoding="utf-8")
