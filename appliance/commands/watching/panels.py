"""Figures and colours of one `View` become lines of text: heading, bar, per-side figures, footer.

Degrees, milliseconds, steps a minute. A hip's drop is named by the hip that drops: the left hip drops while the right
foot stands. What was not measured is a dash.
"""

from __future__ import annotations

import numpy as np

from appliance.commands.watching.canvas import BOLD, PLAIN, Canvas, Look
from appliance.commands.watching.ink import OWN, Depth, Ink
from appliance.commands.watching.picture import SIGNS, mark_looks
from appliance.commands.watching.view import Told, View
from appliance.records import U8, Posture
from hw.strip.terminal import lettered, on_screen

_SHOWN = {
    "OFF": "dark",
    "MEASUREMENT": "measurement",
    "NO_DATA": "no data",
    "UNSURE_SIDES": "unsure of sides",
    "WARMING_UP": "warming up: a few steps",
    "STANDING": "standing",
    "LENT": "lent to a calibration",
}
_COARSE = 32
"""On a slow line the bar's colours are rounded to multiples of this, so that fewer of them change."""

KEYS = "m mode  +/- light  t/T threshold  b/B band  f freeze  s snapshot  ? help  q quit"
HELP = (
    ("m / M", "next mode of the bar, the one before"),
    ("+ / -", "brightness of the bar"),
    ("t / T", "threshold of the dots lower, higher; auto = found by itself"),
    ("b / B", "target band narrower, wider"),
    ("u", "takes back everything that was tried, by anybody"),
    ("f", "freezes the screen, not the bar; f again goes on"),
    ("s", "saves a picture with its dots and figures as a PNG"),
    ("?", "this page"),
    ("q", "quits; the station goes on"),
    ("", ""),
    ("L R l r", "the dots: left and right pelvis, left and right heel"),
    ("L--- R---", "that foot was on the belt, from contact to off; ^ is now"),
    ("curve", "obliquity in degrees: up = the right side is higher"),
)


def number(value: float | None, form: str) -> str:
    """A figure, or a dash as wide."""
    if value is None or value != value:
        return "-".rjust(len(form.format(0.0)))
    return form.format(value)


def heading(canvas: Canvas, view: View) -> None:
    """The first row: what the station is doing, and how well."""
    told, health, knobs = view.told, view.health, view.knobs
    x = canvas.write(0, 0, "hipbar", BOLD)
    state = told.state if told else "no word yet"
    x = canvas.write(x + 2, 0, "FROZEN" if view.frozen else state, BOLD)
    x = canvas.write(x + 2, 0, f"mode {(told.mode if told else '') or knobs.mode or '-'}")
    rate = number(health.rate_hz, "{:.0f}").strip()
    lost = "-" if health.lost is None else f"{health.lost:,}"
    x = canvas.write(x + 2, 0, f"{rate}/s  lost {lost}")
    ages = f"{number(health.p50_ms, '{:.1f}').strip()}/{number(health.p99_ms, '{:.1f}').strip()}"
    canvas.write(x + 2, 0, f"light after {ages} ms")


def bar(canvas: Canvas, y: int, view: View, ink: Ink) -> None:
    """The light bar over the whole width, from the runner's left to right, and what it means."""
    told = view.told
    canvas.write(0, y, "L", BOLD)
    canvas.write(canvas.width - 1, y, "R", BOLD)
    if told is None or not len(told.leds):
        return
    room = canvas.width - 4
    leds = told.leds if len(told.leds) <= room else _thinned(told.leds, room)
    cells = max(room // len(leds), 1)
    x = (canvas.width - cells * len(leds)) // 2
    if ink.depth is Depth.NONE:
        text = "".join(sign * cells for sign in lettered(leds)[1:-1])
        canvas.write(x - 1, y, f"[{text}]")
    else:
        _coloured(canvas, x, y, leds, cells, ink, coarse=bool(view.slow))
    words = _SHOWN.get(told.shown.upper(), told.shown.lower().replace("_", " "))
    canvas.write(2, y + 1, f"the bar: {words}")


def _coloured(canvas: Canvas, x: int, y: int, leds: U8, cells: int, ink: Ink, *, coarse: bool) -> None:
    """The LEDs as cells in their colours; where a dark one can't be told from the terminal's own black, a point."""
    rgb = on_screen(leds)
    if coarse:
        rgb = (rgb // _COARSE * _COARSE).astype(np.uint8)
    dark = (leds.max(axis=1) == 0) & (ink.depth is Depth.NAMED)
    signs, fore = np.where(dark, ".", " ").astype("<U1"), np.where(dark, 8, OWN).astype(np.int32)
    canvas.fill(x, y, *(np.repeat(part, cells)[None] for part in (signs, fore, ink.colours(rgb))))


def freshness(canvas: Canvas, y: int, view: View) -> None:
    """At the right of a row: which frame this is, how old it was when the terminal had drawn it, how many come."""
    told = view.told
    parts = [view.slow, "" if told is None or told.seq < 0 else f"frame {told.seq}"]
    parts.append("" if view.screen_s is None else f"{1000 * view.screen_s:.0f} ms old")
    parts.append("" if view.screens_hz is None else f"{view.screens_hz:.1f}/s")
    text = "  ".join(part for part in parts if part)
    canvas.write(canvas.width - len(text), y, text)


def visit(canvas: Canvas, y: int, view: View) -> None:
    """The visit that runs, if one does."""
    canvas.write(0, y, _elided(view.health.visit, canvas.width), BOLD)


def _thinned(leds: U8, room: int) -> U8:
    """Fewer cells than LEDs: each cell the brightest of its LEDs."""
    edges = np.arange(room) * len(leds) // room
    return np.asarray(np.maximum.reduceat(leds, edges, axis=0), dtype=np.uint8)


def figures(view: View, wide: int) -> list[tuple[str, Look]]:
    """The rows of figures, at most `wide` columns."""
    told = view.told
    moment = told.moment if told else {}

    def deg(name: str, form: str = "{:5.1f}") -> str:
        return number(moment.get(name), form)

    left, right = number(moment.get("left_steps"), "{:.0f}"), number(moment.get("right_steps"), "{:.0f}")
    rows = [
        ("              left hip  right hip", PLAIN),
        (f"drop, last     {deg('right_last_deg')}     {deg('left_last_deg')}  deg", PLAIN),
        (f"drop, mean     {deg('right_drop_deg')}     {deg('left_drop_deg')}  deg", BOLD),
        (f"steps          {right:>5}     {left:>5}", PLAIN),
        (f"difference {deg('difference_deg', '{:+5.1f}')} deg{_more(moment.get('difference_deg'))}", BOLD),
        (f"obliquity  {deg('obliquity_deg', '{:+5.1f}')} deg   {_posture(moment.get('posture'))}", PLAIN),
        (f"cadence    {deg('cadence_spm', '{:5.0f}')} steps/min  {_sides(moment)}", PLAIN),
        ("", PLAIN),
        (_knobs(view), PLAIN),
    ]
    return [(text[:wide], look) for text, look in rows]


def sentences(view: View) -> list[str]:
    """The same figures for print whose columns don't line up."""
    moment = view.told.moment if view.told else {}

    def hip(name: str, stance: str) -> str:
        last, mean = (number(moment.get(f"{stance}_{what}_deg"), "{:.1f}") for what in ("last", "drop"))
        return f"{name} hip drops {last} deg in the last step, {mean} deg on average"

    rest = [text for text, _ in figures(view, 60)[4:] if text]
    return [hip("left", "right"), hip("right", "left"), *(" ".join(text.split()) for text in rest)]


def quality(canvas: Canvas, x: int, y: int, told: Told | None, ink: Ink) -> None:
    """Each mark's letter and how sure it is, 0 to 1."""
    at = canvas.write(x, y, "dots      ")
    for k, look in enumerate(mark_looks(ink)):
        seen = told is not None and k < len(told.score) and np.isfinite(told.xy_px[k]).all()
        at = canvas.write(at + 1, y, SIGNS[k], look)
        at = canvas.write(at, y, f" {told.score[k]:.2f}" if told and seen else " -   ")


def footer(canvas: Canvas, view: View) -> None:
    """The last two rows: what was just said, or what is wrong; the keys."""
    canvas.write(0, canvas.height - 1, KEYS[: canvas.width])
    look = BOLD if view.note or view.away_s else PLAIN
    canvas.write(0, canvas.height - 2, _elided(_newest(view), canvas.width), look)


def _elided(text: str, width: int) -> str:
    """A line that is too long, without its middle: what is said is at its beginning, which file at its end."""
    half = width // 2 - 2
    return text if len(text) <= width else f"{text[:half]}...{text[-half:]}"


def _newest(view: View) -> str:
    if view.away_s is not None:
        return f"the service is away, for {view.away_s:.0f} s; waiting for it (q quits)"
    if view.note:
        return view.note
    if view.age_s is not None and view.age_s > 1.0 and not view.frozen:
        return f"no new frame for {view.age_s:.1f} s"
    return view.health.trouble


def _more(difference: float | None) -> str:
    if difference is None or difference == 0:
        return ""
    return f": {'left' if difference > 0 else 'right'} drops more"


def _posture(value: float | None) -> str:
    return "" if value is None else Posture(int(value)).name.lower()


def _sides(moment: object) -> str:
    sure = moment.get("sides_sure") if isinstance(moment, dict) else None
    return "" if sure is None or sure else "sides unsure"


def _knobs(view: View) -> str:
    knobs = view.knobs
    contrast = "-" if knobs.contrast is None else "auto" if knobs.contrast == 0 else f"{knobs.contrast}"
    light = "-" if knobs.brightness is None else f"{100 * knobs.brightness:.0f} %"
    band = number(knobs.band_deg, "{:.1f}").strip()
    tried = "   (tried)" if knobs.tried else ""
    return f"light {light}  threshold {contrast}  band {band}{tried}"
