"""Computed figures become the tables and pictures of docs/hardware.md: run `python docs/make_hardware_pictures.py`.

A table stands between `<!-- name -->` and `<!-- end -->`; only what is between them is written anew. The plate's own
drawings are made by docs/plate/plate.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import hardware_figures as figures
import hardware_position
import hardware_wiring
from hardware_errors import MISTAKES, cost
from hardware_figures import BOARDS, CAMERA, DISTANCES_M, EYES, LENGTHS, RING, Load
from hardware_position import Costs

from appliance.config import Strip
from appliance.sensors import SENSORS

DOCS = Path(__file__).resolve().parent
PAGE, OUT = DOCS / "hardware.md", DOCS / "pictures"


def tables(costs: Costs) -> dict[str, str]:
    """Every computed table of the page, by its name."""
    return {
        "sensors": _sensors(),
        "lenses": _lenses(),
        "wires": _wires(),
        "strips": _strips(),
        "supplies": _supplies(),
        "mistakes": _mistakes(costs),
    }


def filled(page: str, made: dict[str, str]) -> str:
    """The page with its tables written anew. Refuses a table that the page has no place for."""
    for name, table in made.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not place.search(page):
            raise ValueError(f"docs/hardware.md has no place for the table `{name}`")
        page = place.sub(lambda found, table=table: f"{found[1]}\n{table}\n{found[2]}", page)
    return page


def _table(head: str, rows: list[tuple[str, ...]]) -> str:
    columns = head.split(" | ")
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _sensors() -> str:
    rows = []
    for name, eye in EYES.items():
        sensor = SENSORS[name]
        lens_mm = eye.lens_mm or figures.longest_mm(name, 2.5)
        from_m = figures.nearest_m(name, lens_mm)
        seen = figures.view(name, lens_mm, from_m)
        mount = f"{eye.lens_mm:g} mm, fixed" if eye.lens_mm else f"{eye.mount}, {lens_mm:.1f} mm or shorter"
        shutter = f"rolling, {sensor.row_us:.1f} µs a row" if sensor.row_us else "global"
        rows.append(
            (
                f"`{name}`", f"{sensor.width_px} x {sensor.height_px}", f"{sensor.rate_hz:g}", shutter, mount,
                f"{from_m:.1f}", f"{seen.apart_px:.0f}", f"{seen.noise_deg:.2f}",
            )
        )  # fmt: skip
    return _table(
        "sensor | px | frames/s | shutter | lens | sees enough from, m | dots apart, px | noise a frame, deg",
        rows,
    )


def _lenses() -> str:
    rows = []
    for distance_m in DISTANCES_M:
        mm = figures.usual_mm("ov9281", distance_m)
        seen = figures.view("ov9281", mm, distance_m)
        across = figures.longest_mm("ov9281", distance_m, on_its_side=False)
        rows.append(
            (
                f"{distance_m:g}", f"{figures.longest_mm('ov9281', distance_m):.1f}", f"{mm:g}",
                f"{seen.high_m:.1f} x {seen.wide_m:.1f}", f"{seen.apart_px:.0f}", f"{seen.dot_px:.1f}",
                f"{seen.noise_deg:.3f}", f"{across:.1f}",
            )
        )  # fmt: skip
    return _table(
        "distance, m | longest lens, mm | on sale, mm | sees, m (high x wide) | dots apart, px | a dot, px"
        " | noise a frame, deg | longest lens if not on its side, mm",
        rows,
    )


def _wires() -> str:
    rows = [(w.setting, str(w.bcm), str(w.pin), w.to) for w in figures.wires()]
    return _table("setting | BCM (GPIO) | header pin | to", rows)


def _strips() -> str:
    rows = []
    for leds, brightness in LENGTHS:
        d = figures.draw(leds, brightness)
        values = (d.dark_ma, d.uncapped_ma, d.capped_ma, d.running_ma, d.peak_ma)
        rows.append((str(leds), f"{brightness:g}", *(f"{value:.0f}" for value in values)))
    return _table(
        "LEDs | brightness | dark, mA | all white, no cap, mA | all white, mA | running, mean, mA | running, most, mA",
        rows,
    )


def _supplies() -> str:
    rows = [_parts(load) for load in (*BOARDS.values(), CAMERA, RING)]
    cap_ma = Strip().current_cap_ma
    rows.append(("strip", f"{cap_ma:.0f}", f"{cap_ma:.0f}", "`strip.current_cap_ma`, proved never passed"))
    for name, board in BOARDS.items():
        usual, most, amps = figures.supply_a((board, CAMERA, RING), cap_ma)
        rows.append(
            (
                f"**all, {name}**",
                f"**{usual:.0f}**",
                f"**{most:.0f}**",
                f"**5 V, {amps} A** with 20 % in reserve",
            )
        )
    _, most, amps = figures.supply_a((RING,), cap_ma)
    rows.append(("**strip and ring alone**", f"**{most:.0f}**", f"**{most:.0f}**", f"**5 V, {amps} A**"))
    return _table("part | usual, mA | most, mA | from", rows)


def _parts(load: Load) -> tuple[str, ...]:
    return load.part, f"{load.usual_ma:.0f}", f"{load.most_ma:.0f}", load.source


def _mistakes(costs: Costs) -> str:
    rows = []
    for mistake in MISTAKES:
        rows.append(
            (
                mistake.name,
                mistake.amount,
                *(f"{value:.2f}" for value in costs[mistake.name, mistake.amount]),
                mistake.cure,
            )
        )
    return _table(
        "mistake | how much | a side, deg | difference, deg | a side, zeroed there | difference, zeroed there | cure",
        rows,
    )


def draw(costs: Costs, out: Path) -> None:
    """The pictures, into a folder."""
    hardware_wiring.draw(out / "hw_wiring.svg")
    hardware_position.position(out / "hw_position.svg", costs)
    hardware_position.chart(out / "hw_mistakes.svg", costs)


def all_costs() -> Costs:
    """What every mistake costs; takes some seconds."""
    return {(mistake.name, mistake.amount): cost(mistake) for mistake in MISTAKES}


if __name__ == "__main__":
    found = all_costs()
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables(found)), encoding="utf-8")
    draw(found, OUT)
