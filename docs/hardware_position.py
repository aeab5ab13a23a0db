"""The camera's place and the cost of each mistake become two drawings; the figures are those of `hardware_errors`."""

from __future__ import annotations

import math
from pathlib import Path

from hardware_errors import MISTAKES, Cost
from hardware_figures import VIEW_M
from svg_page import BLUE, FAINT, GREEN, GREY, INK, RED, Page

_METRE = 128.0  # pixels a metre in the views
_AWAY_M, _DECK_M, _PELVIS_M = 2.5, 0.15, 1.05
_CHART_X, _DEGREE, _MOST_DEG = 400.0, 150.0, 3.0

Costs = dict[tuple[str, str], Cost]


def position(path: Path, costs: Costs) -> None:
    """From the side, from above, and as the camera sees it, each with its most costly mistakes."""
    page = Page(960, 700, "Where the camera stands, and what a mistake costs")
    page.words(20, 34, "Where the camera stands", 20, bold=True)
    page.words(20, 54, "Red: what a mistake costs, degrees, in the worst of the recorded runners.", 13, GREY)
    _side(page, costs)
    _above(page, costs)
    _picture(page, costs)
    page.save(path)


def _cost(costs: Costs, name: str, amount: str) -> Cost:
    return next(cost for key, cost in costs.items() if key == (name, amount))


def _side(page: Page, costs: Costs) -> None:
    floor, runner_x = 376.0, 610.0
    camera_x = runner_x - _AWAY_M * _METRE
    deck = floor - _DECK_M * _METRE
    plate = deck - _PELVIS_M * _METRE
    page.words(20, 92, "from the side", 13, GREY)
    page.way([(20, floor), (940, floor)], GREY, 1.5)
    page.box(runner_x - 105, deck, 235, floor - deck, FAINT, GREY)
    page.way([(runner_x + 118, deck), (runner_x + 138, deck - 140)], GREY, 5)
    page.box(runner_x + 122, deck - 152, 44, 12, "#dbe8ff", BLUE, 3)
    page.words(runner_x + 122, deck - 182, "the light bar: in front,", 12, BLUE)
    page.words(runner_x + 122, deck - 166, "not above the eyes", 12, BLUE)
    half = VIEW_M * _METRE
    page.way([(camera_x, plate), (runner_x, plate - half), (runner_x, plate + half)], "none", 0, "#f4f7fd")
    page.way([(camera_x, plate), (runner_x, plate - half)], BLUE, 1, dashes="4 4")
    page.way([(camera_x, plate), (runner_x, plate + half)], BLUE, 1, dashes="4 4")
    page.way([(camera_x, plate), (runner_x, plate)], BLUE, 1, dashes="8 3 2 3")
    _runner(page, runner_x, plate, deck)
    for dx in (-34, 0, 34):
        page.way([(camera_x, plate + 10), (camera_x + dx, floor)], GREY, 2)
    _camera(page, camera_x, plate)
    page.measure(camera_x, floor + 20, runner_x, floor + 20, "2 to 3 m, best 2.5 m")
    page.measure(camera_x - 60, plate, camera_x - 60, floor, "")
    page.words(20, (plate + floor) / 2, "lens as high", 12, GREY)
    page.words(20, (plate + floor) / 2 + 16, "as the plate", 12, GREY)
    high, low = _cost(costs, "camera too high", "30 cm"), _cost(costs, "camera too low", "30 cm")
    page.way([(camera_x, plate - 18), (camera_x, plate - 18 - 0.3 * _METRE)], RED, 2)
    page.way([(camera_x - 5, plate - 48), (camera_x, plate - 57), (camera_x + 5, plate - 48)], RED, 2)
    worst = max(high.drop_deg, low.drop_deg)
    page.words(camera_x - 12, plate - 62, f"30 cm too high or too low: {worst:.1f}°", 13, RED, "end")
    tipped = _cost(costs, "aimed down at the right height", "12°")
    page.way([(camera_x + 14, plate), (camera_x + 190, plate + 176 * math.tan(math.radians(12)))], RED, 1.5)
    page.words(camera_x + 100, plate + 56, f"aimed down by 12°: {tipped.drop_deg:.1f}°", 13, RED)


def _runner(page: Page, x: float, plate: float, deck: float) -> None:
    """A runner from the side, running to the right."""
    hip, head = (x + 12, plate), (x + 34, plate - 92)
    page.way([hip, (x + 26, plate - 66)], INK, 11)
    page.dot(head[0], head[1], 14)
    page.way([hip, (x + 38, plate + 58), (x + 16, deck - 8)], INK, 8)
    page.way([hip, (x + 6, plate + 62), (x - 42, plate + 52)], INK, 8)
    page.way([(x + 24, plate - 58), (x + 2, plate - 26), (x + 30, plate - 14)], INK, 6)
    page.box(x - 3, plate - 9, 6, 18, GREEN, GREEN, 1)
    for at in ((x + 8, deck - 12), (x - 50, plate + 48)):
        page.dot(*at, 4.5, GREEN)
    page.words(x - 12, plate - 14, "plate on the sacrum", 12, GREEN, "end")
    page.words(x - 6, deck - 9, "a dot on each heel", 12, GREEN, "end")


def _camera(page: Page, x: float, y: float) -> None:
    page.box(x - 24, y - 11, 28, 22, "#2b2f36", INK, 3)
    page.box(x + 2, y - 6, 9, 12, "#4b5563", INK, 2)
    page.dot(x + 6, y, 10, "none", RED, 1.5)


def _above(page: Page, costs: Costs) -> None:
    middle, runner_x = 560.0, 520.0
    camera_x = runner_x - _AWAY_M * _METRE
    page.words(20, 448, "from above", 13, GREY)
    page.box(runner_x - 70, middle - 34, 150, 68, FAINT, GREY)
    page.way([(camera_x, middle), (runner_x - 12, middle)], BLUE, 1, dashes="8 3 2 3")
    page.box(runner_x - 8, middle - 20, 18, 40, INK, INK, 9)
    page.box(runner_x - 15, middle - 9, 5, 18, GREEN, GREEN, 1)
    _camera(page, camera_x, middle)
    page.words(camera_x + 40, middle - 8, "along the middle of the belt", 12, BLUE)
    a = math.radians(10)
    there = (runner_x - _AWAY_M * _METRE * math.cos(a), middle + _AWAY_M * _METRE * math.sin(a))
    page.dot(there[0], there[1], 5, RED)
    page.way([there, (runner_x - 14, middle + 4)], RED, 1.5)
    aside = _cost(costs, "off to the side, aimed at the runner", "10°")
    page.words(there[0] + 14, there[1] + 20, f"10° off to the side: {aside.drop_deg:.1f}°,", 13, RED)
    page.words(
        there[0] + 14, there[1] + 37, f"and {aside.zeroed_difference_deg:.1f}° between the sides", 13, RED
    )


def _picture(page: Page, costs: Costs) -> None:
    """The upright picture, level and rolled."""
    page.words(670, 448, "as the camera sees it", 13, GREY)
    for x0, roll in ((670.0, 0.0), (800.0, 6.0)):
        page.box(x0, 460, 96, 150, "#15171c", INK, 3)
        c, s = math.cos(math.radians(roll)), math.sin(math.radians(roll))
        for dx, dy in ((-18, -2), (18, -2), (-9, 62), (9, 46)):
            page.dot(x0 + 48 + c * dx + s * dy, 535 - s * dx + c * dy, 4, "#fff")
        page.way([(x0 + 6, 533), (x0 + 90, 533)], BLUE if not roll else RED, 1, dashes="5 4")
    page.words(718, 628, "level", 12, BLUE, "middle")
    rolled = _cost(costs, "rolled", "1°")
    page.words(848, 628, "rolled", 12, RED, "middle")
    page.words(
        670,
        652,
        f"Rolled by 1°: {rolled.drop_deg:.0f}° a side, {rolled.difference_deg:.0f}° between them;",
        13,
        RED,
    )
    page.words(670, 669, "gone with the zero taken there.", 13, RED)


def chart(path: Path, costs: Costs) -> None:
    """Every mistake's cost in the difference between the sides, as bars."""
    row = 34.0
    height = int(112 + row * len(MISTAKES))
    page = Page(960, height, "What each mistake costs in the difference between the sides")
    page.words(20, 34, "What a mistake costs in the difference between the sides", 20, bold=True)
    page.box(20, 48, 12, 12, RED, RED, 2)
    page.words(38, 59, "as it is", 13)
    page.box(110, 48, 12, 12, BLUE, BLUE, 2)
    page.words(
        128, 59, "with the standing zero taken in that set-up. Degrees, worst of three recorded runners.", 13
    )
    bottom = 84 + row * len(MISTAKES)
    for half in range(7):
        x = _CHART_X + half / 2 * _DEGREE
        page.way([(x, 76), (x, bottom)], FAINT, 1)
        page.words(x, bottom + 18, f"{half / 2:g}°", 12, GREY, "middle")
    for k, mistake in enumerate(MISTAKES):
        y, cost = 84 + row * k, costs[mistake.name, mistake.amount]
        page.words(_CHART_X - 12, y + 15, f"{mistake.name}, {mistake.amount}", 12.5, INK, "end")
        for dy, value, ink in ((0, cost.difference_deg, RED), (13, cost.zeroed_difference_deg, BLUE)):
            page.box(_CHART_X, y + dy, max(1.5, min(value, _MOST_DEG) * _DEGREE), 11, ink, ink, 1)
            beyond = " »" if value > _MOST_DEG else ""
            page.words(
                _CHART_X + min(value, _MOST_DEG) * _DEGREE + 7, y + dy + 10, f"{value:.2f}{beyond}", 11, ink
            )
    page.save(path)
