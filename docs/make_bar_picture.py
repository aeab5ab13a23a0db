"""The bar while a recorded runner runs becomes docs/bar.svg: real pixels, real output, a row every few seconds."""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.config import Settings
from appliance.pipeline import Pipeline
from appliance.records import U8, Update
from appliance.station.loop import warmed
from appliance.station.standing import standing_zero
from hw.camera.scene import Scene
from hw.camera.virtual import VirtualCamera
from hw.strip.none import NoStrip
from hw.strip.terminal import on_screen

RUNNER, STAND_S = "ric", 1.5
ROWS_S = (1.4, 2.5, 3.5, 5.0, 8.0, 12.0)
CELL, GAP, ROW, LEFT, TOP = 18, 3, 44, 92, 34


def updates(settings: Settings) -> list[Update]:
    """What the station made of the runner at the moments of `ROWS_S`."""
    camera = VirtualCamera(Scene(runner=RUNNER, stand_s=STAND_S, duration_s=ROWS_S[-1] + 0.1))
    frames = camera.frames()
    standing = standing_zero(
        frames,
        camera,
        NoStrip(settings.strip.leds),
        warmed(settings),
        seconds=STAND_S / 2,
        stop=lambda: False,
    )
    motion = msgspec.structs.replace(settings.motion, zero_deg=standing or 0.0)
    pipeline = Pipeline(msgspec.structs.replace(settings, motion=motion))
    wanted, got = list(ROWS_S), []
    for frame in frames:
        if frame is not None and wanted:
            update = pipeline.feed(frame)
            if frame.t_s >= wanted[0]:
                got.append(update)
                wanted.pop(0)
    return got


def bar(rgb: U8, y: int) -> str:
    """One row of LEDs."""
    cells = []
    for i, (r, g, b) in enumerate(on_screen(rgb).tolist()):
        x = LEFT + i * (CELL + GAP)
        cells.append(
            f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" rx="4" fill="#{r:02x}{g:02x}{b:02x}"/>'
        )
    return "".join(cells)


def words(update: Update) -> str:
    """What the row shows, under it."""
    difference = float(update.moment["difference_deg"])
    if update.shown.name != "MEASUREMENT" or difference != difference:
        return update.shown.name.lower().replace("_", " ")
    side = "left" if difference > 0 else "right"
    return f"the {side} hip drops {abs(difference):.1f} deg more"


def picture(rows: list[Update], leds: int) -> str:
    """The whole picture."""
    width, height = LEFT + leds * (CELL + GAP) + 24, TOP + len(rows) * ROW + 12
    style = 'font-family="sans-serif" fill="#c8c8cc"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<rect width="{width}" height="{height}" rx="12" fill="#0c0c10"/>',
        f'<text x="{LEFT}" y="22" font-size="13" {style}>left</text>',
        f'<text x="{width - 24}" y="22" font-size="13" text-anchor="end" {style}>right</text>',
    ]
    for i, update in enumerate(rows):
        y = TOP + i * ROW
        parts.append(
            f'<text x="{LEFT - 12}" y="{y + 14}" font-size="13" text-anchor="end" {style}>{update.t_s:.1f} s</text>'
        )
        parts.append(bar(update.leds, y))
        parts.append(f'<text x="{LEFT}" y="{y + 32}" font-size="11" {style}>{words(update)}</text>')
    return "\n".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    settings = Settings()
    (Path(__file__).parent / "bar.svg").write_text(
        picture(updates(settings), settings.strip.leds), encoding="utf-8"
    )
