"""docs/hardware.md says what the code computes, and the plate's drawings are as large as they say."""

from __future__ import annotations

import importlib
import math
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from msgspec.structs import replace
from reportlab.graphics.shapes import Circle, Rect
from watching import watch

from appliance.config import Settings
from appliance.records import Side
from hw.camera.scene import settings

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "hardware.md").read_text(encoding="utf-8")
MM_A_POINT = 25.4 / 72
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class Scripts(NamedTuple):
    """The documents' own scripts, which are no part of the product."""

    make: ModuleType
    figures: ModuleType
    errors: ModuleType
    plate: ModuleType
    sheet: ModuleType
    costs: Any


@pytest.fixture(scope="module")
def scripts() -> Scripts:
    before = sys.path[:]
    sys.path[:0] = [str(DOCS), str(DOCS / "plate")]
    names = ("make_hardware_pictures", "hardware_figures", "hardware_errors", "plate", "sheet")
    modules = [importlib.import_module(name) for name in names]
    sys.path[:] = before
    return Scripts(*modules, costs=modules[0].all_costs())


def same_words_and_about_the_same_numbers(one: str, other: str, within: float, share: float = 0.0) -> None:
    """Another processor's arithmetic may turn a last digit."""
    assert NUMBER.sub("#", one) == NUMBER.sub("#", other), "run docs/make_hardware_pictures.py"
    found, wanted = (np.array(NUMBER.findall(text), float) for text in (one, other))
    assert np.allclose(found, wanted, rtol=share, atol=within), "run docs/make_hardware_pictures.py"


def test_every_table_of_the_page_is_what_the_code_computes(scripts: Scripts) -> None:
    for name, table in scripts.make.tables(scripts.costs).items():
        printed = re.search(rf"<!-- {name} -->\n\n(.*?)\n<!-- end -->", PAGE, re.DOTALL)
        assert printed, name
        milliamperes = name in {"strips", "supplies"}
        same_words_and_about_the_same_numbers(printed[1], table, 2.0 if milliamperes else 0.021)


def test_the_pictures_are_those_that_the_script_draws(scripts: Scripts, tmp_path: Path) -> None:
    scripts.make.draw(scripts.costs, tmp_path)
    drawn = sorted(tmp_path.iterdir())
    assert len(drawn) == 3
    for picture in drawn:
        printed = (DOCS / "pictures" / picture.name).read_text(encoding="utf-8")
        same_words_and_about_the_same_numbers(printed, picture.read_text(encoding="utf-8"), 3.0)


def test_a_table_without_a_place_on_the_page_is_refused(scripts: Scripts) -> None:
    with pytest.raises(ValueError, match="no place for the table `elsewhere`"):
        scripts.make.filled(PAGE, {"elsewhere": ""})


def test_a_roll_costs_each_side_itself_and_their_difference_twice_until_the_zero_is_taken(
    scripts: Scripts,
) -> None:
    for degrees in (1.0, 3.0):
        cost = scripts.costs["rolled", f"{degrees:g}°"]
        assert cost.drop_deg == pytest.approx(degrees, abs=0.02)
        assert cost.difference_deg == pytest.approx(2 * degrees, abs=0.02)
        assert (cost.zeroed_drop_deg, cost.zeroed_difference_deg) == pytest.approx((0.0, 0.0), abs=0.02)


def test_a_camera_too_high_costs_the_same_through_rendered_pictures(scripts: Scripts) -> None:
    right = replace(scripts.errors.right_scene("ric"), duration_s=8.0)
    high = replace(right, above_m=0.3)
    for side in Side:
        seen = [
            np.mean([s.peak_drop_deg for s in watch(scene).steps if s.stance is side and s.contact_s > 1.2])
            for scene in (right, high)
        ]
        k = list(Side).index(side)
        computed = [
            scripts.errors.peaks(scene, settings(scene), 0.0, seconds=7.0)[k] for scene in (right, high)
        ]
        assert seen[1] - seen[0] == pytest.approx(computed[1] - computed[0], abs=0.05)


def test_half_a_dot_s_centre_lies_where_counting_its_points_puts_it(scripts: Scripts) -> None:
    at = (np.arange(2000) + 0.5) / 1000 - 1
    x, y = np.meshgrid(at, at)
    lower = (x * x + y * y < 1) & (y > 0)
    shift_m = y[lower].mean() * scripts.errors.DOT_M / 2
    tilt_deg = math.degrees(math.atan2(shift_m, scripts.errors.SPACING_M))
    assert scripts.errors.half_hidden_deg() == pytest.approx(tilt_deg, abs=0.005)


def test_the_page_the_errors_and_the_drawing_speak_of_one_plate(scripts: Scripts) -> None:
    p = scripts.plate.Plate()
    assert (p.spacing_mm, p.dot_mm) == (scripts.figures.SPACING_MM, scripts.figures.DOT_MM)
    assert (p.spacing_mm, p.dot_mm) == (1000 * scripts.errors.SPACING_M, 1000 * scripts.errors.DOT_M)
    assert (
        f"{p.width_mm:g} x {p.height_mm:g} mm, two dots of {p.dot_mm:g} mm {p.spacing_mm:g} mm apart" in PAGE
    )


def test_the_wires_are_the_settings_defaults_on_pins_of_their_own(scripts: Scripts) -> None:
    wires, s = scripts.figures.wires(), Settings()
    told = {w.setting.strip("`"): w.bcm for w in wires}
    for section, names in ((s.strip, ("data", "clock", "latch", "enable")), (s.panel, ("button", "light"))):
        for name in names:
            key = f"{type(section).__name__.lower()}.{name}_pin"
            assert told[key] == getattr(section, f"{name}_pin")
    pins = [w.pin for w in wires]
    supply = {*scripts.figures.GROUND, *scripts.figures.FIVE_VOLTS, *scripts.figures.THREE_VOLTS}
    assert len(set(pins)) == len(pins)
    assert not supply & set(pins)
    assert (told["strip.device`, MOSI"], told["strip.device`, SCLK"]) == (10, 11)
    assert supply | set(scripts.figures.PHYSICAL.values()) == set(range(1, 41))


def test_resistors_keep_the_currents_that_the_page_names(scripts: Scripts) -> None:
    ma = scripts.figures.resistor_ma
    one, light = ma(5.0, 3.0, 390.0), ma(3.3, 2.0, 330.0)
    assert f"{one:.1f} mA at 3 V forward, {8 * one:.0f} mA for the eight" in PAGE
    assert f"330 Ω gives {light:.1f} mA at 2 V forward" in PAGE
    assert 8 * one < 70
    assert light < 16


def test_no_strip_draws_more_than_its_cap_in_the_table(scripts: Scripts) -> None:
    cap_ma = Settings().strip.current_cap_ma
    for leds, brightness in scripts.figures.LENGTHS:
        d = scripts.figures.draw(leds, brightness)
        assert d.capped_ma <= cap_ma
        assert d.running_ma <= d.peak_ma <= cap_ma
        assert d.dark_ma < d.running_ma


def test_the_list_of_parts_names_the_supplies_that_the_budget_asks_for(scripts: Scripts) -> None:
    f, cap_ma = scripts.figures, Settings().strip.current_cap_ma
    assert f"and 5 V {f.supply_a((f.RING,), cap_ma)[2]} A for strip and ring" in PAGE


def test_a_lens_of_the_longest_kind_just_sees_the_floor_and_as_far_up(scripts: Scripts) -> None:
    f = scripts.figures
    for name in f.EYES:
        for distance_m in f.DISTANCES_M:
            seen = f.view(name, f.longest_mm(name, distance_m), distance_m)
            assert seen.high_m == pytest.approx(2 * f.VIEW_M)
            assert f.nearest_m(name, seen.lens_mm) == pytest.approx(distance_m)


PAPERS = ("a4", "letter")


@pytest.mark.parametrize("paper", PAPERS)
def test_the_drawings_fit_on_their_paper_with_a_margin(scripts: Scripts, paper: str) -> None:
    for draw in (scripts.plate.plate_sheet, scripts.plate.belt_sheet):
        sheet = draw(scripts.plate.Plate(), paper)
        x0, y0, x1, y1 = sheet.drawing.getBounds()
        assert min(x0, y0) >= scripts.plate.MARGIN_MM
        assert x1 <= sheet.width - scripts.plate.MARGIN_MM
        assert y1 <= sheet.height - scripts.plate.MARGIN_MM


def test_the_svg_is_measured_in_millimetres_and_the_dots_are_as_far_apart_as_told(scripts: Scripts) -> None:
    svg = (DOCS / "plate/plate.svg").read_text(encoding="utf-8")
    size = re.search(r'width="([\d.]+)mm" height="([\d.]+)mm" viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert size
    assert (size[1], size[2]) == (size[3], size[4]) == ("210", "297")
    circles = [
        tuple(map(float, c)) for c in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"', svg)
    ]
    p = scripts.plate.Plate()
    dots = [c for c in circles if c[2] == p.dot_mm / 2]
    assert len(dots) == 2
    assert dots[1][0] - dots[0][0] == pytest.approx(p.spacing_mm)
    assert dots[0][1] == dots[1][1]


@pytest.mark.parametrize("paper", PAPERS)
def test_the_plate_is_its_own_mirror_image_but_for_its_words_and_arrows(scripts: Scripts, paper: str) -> None:
    sheet = scripts.plate.plate_sheet(scripts.plate.Plate(), paper)
    circles = np.array([(s.cx, s.cy, s.r) for s in sheet.drawing.contents if isinstance(s, Circle)])
    boxes = np.array(
        [(s.x + s.width / 2, s.y, s.width) for s in sheet.drawing.contents if isinstance(s, Rect)]
    )
    for shapes, count in ((circles, 7), (boxes, 3)):
        there = {tuple(shape) for shape in shapes.round(6).tolist()}
        mirrored = {(round(sheet.width - x, 6), *rest) for x, *rest in there}
        assert len(there) == count
        assert there == mirrored


def pages(path: Path) -> list[str]:
    """What each page of a PDF draws."""
    return re.findall(r"stream\n(.*?)endstream", path.read_bytes().decode("latin-1"), re.DOTALL)


@pytest.mark.parametrize(
    ("name", "size"), [("plate.pdf", (210.0, 297.0)), ("plate_letter.pdf", (215.9, 279.4))]
)
def test_a_page_of_the_pdf_is_true_to_scale_with_a_bar_of_50_mm(name: str, size: tuple[float, float]) -> None:
    path = DOCS / "plate" / name
    text = path.read_bytes().decode("latin-1")
    boxes = re.findall(r"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", text)
    assert len(boxes) == len(pages(path)) == 2
    for box in boxes:
        assert [float(v) * MM_A_POINT for v in box] == pytest.approx(size, abs=0.01)
    for page in pages(path):
        grids = [line.split()[:6] for line in page.splitlines() if line.endswith(" cm")]
        told = [[float(v) for v in grid] for grid in grids if grid != list("100100")]
        assert told == [pytest.approx([1 / MM_A_POINT, 0, 0, 1 / MM_A_POINT, 0, 0], abs=1e-5)]
        bars = re.findall(r"([\d.]+) ([\d.]+) m ([\d.]+) \2 l S$", page, re.MULTILINE)
        assert sum(float(x1) - float(x0) == pytest.approx(50.0) for x0, _, x1 in bars) == 1
    assert "/PrintScaling /None" in text


@pytest.mark.parametrize("name", ["plate.pdf", "plate_letter.pdf"])
def test_the_dots_of_the_pdf_are_as_large_and_as_far_apart_as_told(scripts: Scripts, name: str) -> None:
    plate, _ = pages(DOCS / "plate" / name)
    p = scripts.plate.Plate()
    ends = re.findall(r"^([\d.]+) ([\d.]+) m\n.* c\n.* ([\d.]+) \2 c$", plate, re.MULTILINE)
    circles = [((float(x0) + float(x1)) / 2, abs(float(x0) - float(x1)), y) for x0, y, x1 in ends]
    (left, _, y), (right, _, same) = [c for c in circles if c[1] == pytest.approx(p.dot_mm, abs=0.001)]
    assert right - left == pytest.approx(p.spacing_mm, abs=0.001)
    assert y == same


def drawn(path: Path) -> list[str]:
    """What a file shows, line by line; of a PDF its pens, ways and words, whichever version of reportlab wrote it."""
    if path.suffix == ".svg":
        return path.read_text(encoding="utf-8").splitlines()
    return [line for page in pages(path) for line in page.splitlines() if re.search(r" [mlcwdS]$| Tj", line)]


def test_the_drawings_in_the_repository_are_those_that_the_script_draws(
    scripts: Scripts, tmp_path: Path
) -> None:
    assert scripts.plate.main(["--out", str(tmp_path)]) == 0
    files = sorted(tmp_path.iterdir())
    assert len(files) == 4
    for file in files:
        assert drawn(file), f"{file.name} is empty"
        assert drawn(file) == drawn(DOCS / "plate" / file.name), "run docs/plate/plate.py"


def test_the_same_measures_give_the_same_bytes(scripts: Scripts) -> None:
    sheets = [draw(scripts.plate.Plate()) for draw in (scripts.plate.plate_sheet, scripts.plate.belt_sheet)]
    assert scripts.sheet.pdf(sheets) == scripts.sheet.pdf(sheets)


def test_other_measures_give_another_plate_and_impossible_ones_are_refused(
    scripts: Scripts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts.plate.main(["--spacing-mm", "100", "--width-mm", "130", "--out", str(tmp_path)])
    svg = (tmp_path / "plate.svg").read_text(encoding="utf-8")
    left, right = (float(x) for x in re.findall(r'<circle cx="([\d.]+)" cy="92" r="7"', svg))
    assert right - left == pytest.approx(100.0)
    for words, why in (
        (["--spacing-mm", "60"], "from a slot to a dot"),
        (["--width-mm", "130"], "to the plate's end"),
        (["--belt-mm", "50"], "above and below the slots"),
        (["--width-mm", "220"], "wider than the paper"),
        (["--dot-mm", "40", "--width-mm", "180"], "are seen well"),
    ):
        with pytest.raises(SystemExit) as stopped:
            scripts.plate.main([*words, "--out", str(tmp_path)])
        assert stopped.value.code == 2
        assert why in capsys.readouterr().err
