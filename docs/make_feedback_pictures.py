"""The light of the real code becomes the pictures of docs/feedback.md: run `python docs/make_feedback_pictures.py`.

Every LED drawn here was computed by `appliance.feedback`; nothing is painted by hand. Bytes are light, so they pass
through the curve of a screen before they become colours of a picture.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from appliance.config import Settings
from appliance.feedback.bar import Feedback
from appliance.feedback.patterns import PALETTES, pattern, rest
from appliance.records import MOMENT, U8, Notice, Posture, Shown

OUT = Path(__file__).parent / "pictures"
_PITCH, _ROW, _LEFT, _TOP = 14, 34, 300, 18


def settings(leds: int = 32, **feedback: object) -> Settings:
    """The defaults at full brightness, with some of the feedback changed."""
    return Settings(
        feedback=msgspec.structs.replace(Settings().feedback, **feedback),
        strip=msgspec.structs.replace(Settings().strip, leds=leds, brightness=1.0, current_cap_ma=20000.0),
    )


def lit(chosen: Settings, **fields: float) -> U8:
    """The bar after a second of a runner who is followed well and shows the figures in `fields`."""
    rows = np.zeros(120, MOMENT)
    rows["t_s"] = rows["seen_s"] = rows["step_s"] = np.arange(120) / 120
    rows["posture"], rows["sides_sure"], rows["left_steps"], rows["right_steps"] = Posture.RUNNING, 1, 7, 7
    for name, value in fields.items():
        rows[name] = value
    return Feedback(chosen).light(rows)[0][-1]


def bars(name: str, rows: list[tuple[str, U8]]) -> None:
    """One SVG: a caption and a bar a row."""
    width = _LEFT + _PITCH * max(len(frame) for _, frame in rows) + 20
    height = _TOP * 2 + _ROW * len(rows)
    parts = [f'<rect width="{width}" height="{height}" fill="#15171c"/>']
    for k, (caption, frame) in enumerate(rows):
        y = _TOP + _ROW * (k + 0.5)
        parts.append(f'<text x="16" y="{y + 4}" fill="#c8ccd4">{caption}</text>')
        indent = (width - 20 - _LEFT - _PITCH * len(frame)) / 2
        for i, led in enumerate(frame):
            x = _LEFT + indent + _PITCH * (i + 0.5)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.2" fill="{_colour(led)}"/>')
    _write(name, width, height, parts)


def curves(name: str, lines: list[tuple[str, np.ndarray]], seconds: float) -> None:
    """One SVG: the light of the whole bar over time, a curve a row."""
    width, row, left = 760, 96, 190
    height = row * len(lines) + 40
    parts = [f'<rect width="{width}" height="{height}" fill="#15171c"/>']
    for k, (caption, values) in enumerate(lines):
        base = 16 + row * (k + 1) - 16
        x = left + np.arange(len(values)) / len(values) * (width - left - 20)
        path = " ".join(f"{a:.1f},{base - 66 * b:.1f}" for a, b in zip(x, values, strict=True))
        parts.append(f'<text x="16" y="{base - 30}" fill="#c8ccd4">{caption}</text>')
        parts.append(f'<polyline points="{path}" fill="none" stroke="#7fb2ff" stroke-width="1.5"/>')
    for second in range(int(seconds) + 1):
        x0 = left + second / seconds * (width - left - 20)
        parts.append(f'<text x="{x0 - 6:.0f}" y="{height - 8}" fill="#8a90a0">{second} s</text>')
    _write(name, width, height, parts)


def _colour(led: U8) -> str:
    """An LED as a screen shows it; an unlit one is a dark dot, so that the bar can be counted."""
    share = led / 255.0
    curve = np.where(share <= 0.0031308, 12.92 * share, 1.055 * share ** (1 / 2.4) - 0.055)
    red, green, blue = (38 + 217 * curve).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _write(name: str, width: float, height: float, parts: list[str]) -> None:
    OUT.mkdir(exist_ok=True)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    body = "\n".join(parts)
    (OUT / name).write_text(
        f'{head} font-family="sans-serif" font-size="13">\n{body}\n</svg>\n', encoding="utf-8"
    )


def modes() -> None:
    """What each mode shows for some figures."""
    step = {"mode": "step"}
    bars(
        "feedback_modes.svg",
        [
            ("asymmetry: no difference", lit(settings())),
            ("asymmetry: left hip drops 1.5 deg more", lit(settings(), difference_deg=1.5)),
            ("asymmetry: left hip drops 3.7 deg more", lit(settings(), difference_deg=3.7)),
            ("asymmetry: right hip drops 6 deg more", lit(settings(), difference_deg=-6.0)),
            (
                "step: left hip 4 deg, right hip 7 deg",
                lit(settings(**step), right_last_deg=4.0, left_last_deg=7.0),
            ),
            ("step: right hip not measured", lit(settings(**step), right_last_deg=4.0, left_last_deg=np.nan)),
            ("live: level", lit(settings(mode="live"))),
            ("live: left hip 3 deg lower", lit(settings(mode="live"), level_deg=3.0)),
            ("box: right hip drops 1.5 deg more", lit(settings(mode="box"), difference_deg=-1.5)),
            ("box: right hip drops 5 deg more", lit(settings(mode="box"), difference_deg=-5.0)),
            ("off: recording", lit(settings(mode="off"), difference_deg=5.0)),
        ],
    )


def patterns() -> None:
    """What is shown of a runner without a figure, of the station and of a visit, on bars of three lengths."""
    measuring = (Shown.NO_DATA, Shown.UNSURE_SIDES, Shown.WARMING_UP, Shown.STANDING)
    visit = (Notice.STAND_STILL, Notice.BEGINS, Notice.ENDS, Notice.PAUSED)
    station = tuple(notice for notice in Notice if notice not in visit)
    pictures = {"patterns": measuring, "notices": station, "visit": visit}
    for name, which in pictures.items():
        rows: list[tuple[str, U8]] = []
        for shown in which:
            words = shown.value if isinstance(shown, Notice) else shown.name.lower().replace("_", " ")
            rows += [(f"{words}, {leds} LEDs", pattern(shown, settings(leds))) for leds in (8, 16, 32)]
        if which is visit:
            rows += [
                (f"a rest, {share:.0%} over, 32 LEDs", rest(share, settings())) for share in (0, 0.5, 0.9, 1)
            ]
        bars(f"feedback_{name}.svg", rows)


def palettes() -> None:
    """A figure inside the band, one beyond it, a pattern and two notices in each palette."""
    rows = []
    for name in PALETTES:
        rows.append((f"{name}: 1.8 deg, inside", lit(settings(palette=name), difference_deg=1.8)))
        rows.append((f"{name}: 5 deg, beyond", lit(settings(palette=name), difference_deg=5.0)))
        rows.append((f"{name}: warming up", pattern(Shown.WARMING_UP, settings(palette=name))))
        rows.append((f"{name}: fault", pattern(Notice.FAULT, settings(palette=name))))
        rows.append((f"{name}: a block begins", pattern(Notice.BEGINS, settings(palette=name))))
    bars("feedback_palettes.svg", rows)


def guard() -> None:
    """A figure that jumps across the bar ten times a second, with every smoothing off: wanted and shown."""
    rows = np.zeros(480, MOMENT)
    rows["t_s"] = rows["seen_s"] = rows["step_s"] = np.arange(480) / 120
    rows["posture"], rows["sides_sure"], rows["left_steps"], rows["right_steps"] = Posture.RUNNING, 1, 7, 7
    rows["difference_deg"] = np.where(np.floor(rows["t_s"] * 20) % 2 == 0, 8.0, 0.0)
    shown = Feedback(settings(fade_ms=0.0, slew_ms=0.0)).light(rows)[0]
    alone = [Feedback(settings(fade_ms=0.0, slew_ms=0.0)).light(rows[k : k + 1])[0][0] for k in range(480)]
    light = [np.asarray(frames).sum((1, 2)) / (16 * 765) for frames in (alone, shown)]
    curves(
        "feedback_guard.svg", [("as the mode wants it", light[0]), ("as the guard lets it", light[1])], 4.0
    )


if __name__ == "__main__":
    modes()
    patterns()
    palettes()
    guard()
