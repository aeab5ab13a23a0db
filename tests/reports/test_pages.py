"""Reports as pages: one sheet of paper whatever is on it, nothing from elsewhere, and each hip's figures as its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from reported import cue_trial, exercise, figures_of, plan, retraining, source, source_of, visit

from appliance.clinic.course import course
from appliance.clinic.cue import trials
from appliance.clinic.rows import STEP, EventRow
from appliance.clinic.terms import Block, Kind, VisitKind, VisitState
from appliance.reports.canvas import LEFT, RIGHT
from appliance.reports.page import html
from appliance.reports.pdf import pdf
from appliance.reports.report import sheet_of
from appliance.reports.sheet import Lines, Picture, Sheet, Table
from appliance.reports.source import NO_CURVES, RunnerSource, Seen, VisitSource
from appliance.reports.words import Words

HOSTILE = '<script>alert("x")</script> & <b>'


def runner(visits: int) -> RunnerSource:
    made = figures_of(range(1, 9)) * 4
    seen = tuple(Seen(data.visit, figures) for data, figures in made[:visits])
    trial = cue_trial()
    other = Seen(trial.visit, source_of(trial).figures, trials(trial)[0])
    return RunnerSource(
        code="A-017", protocol="retraining", visits=8, seen=seen, course=course([s.figures for s in seen]),
        strides=((1, source().curves), (8, source().curves)) if seen else (), others=(other,) * 8, made_s=1.8e9,
    )  # fmt: skip


def crowded() -> VisitSource:
    """Twelve blocks with long names, cut short, with many notes."""
    names = [Kind.BASELINE, *[Kind.FADED, Kind.RETENTION] * 5, Kind.COOL_DOWN]
    long = "a name that somebody made much longer than it has to be"
    of = [Block(kind=k, seconds=60, name=long, mode="step", on_s=20, off_s=10) for k in names]
    data = visit(plan(3, 8, *of), code="LONG-CODE-123456")
    notes = tuple(EventRow(at_s=n, wall_s=0, kind="note", words=f"{HOSTILE} {long}") for n in range(9))
    data = msgspec.structs.replace(data, events=notes)
    return source_of(data)


def empty() -> VisitSource:
    """Nobody came: no steps, no span, no runner, ended by a power cut."""
    data = visit(retraining(1), code=None)
    row = msgspec.structs.replace(data.visit, state=VisitState.INTERRUPTED, clock_set=False, plan=None)
    data = msgspec.structs.replace(data, visit=row, steps=np.zeros(0, STEP), spans=(), blocks=data.blocks[:2])
    return VisitSource(data=data, figures=source_of(data).figures, curves=NO_CURVES)


@cache
def sheets() -> dict[str, Sheet]:
    english, german = Words("en"), Words("de")
    return {
        "first": sheet_of(english, source(1)),
        "sixth": sheet_of(english, source(6)),
        "sixth in German": sheet_of(german, source(6)),
        "crowded": sheet_of(english, crowded()),
        "crowded in German": sheet_of(german, crowded()),
        "empty": sheet_of(english, empty()),
        "trial": sheet_of(german, source_of(cue_trial())),
        "exercise": sheet_of(english, source_of(exercise())),
        "runner": sheet_of(english, runner(8)),
        "long course": sheet_of(german, runner(32)),
        "new runner": sheet_of(english, runner(0)),
    }


NAMES = tuple(sheets())


def tile(sheet: Sheet, title: str) -> str:
    return next(tile.figure for tile in sheet.tiles if tile.title == title)


def tables(sheet: Sheet) -> list[Table]:
    return [item for band in sheet.bands for _, item in band if isinstance(item, Table)]


def said(sheet: Sheet) -> str:
    """Every word of a sheet."""
    parts = [sheet.title, sheet.subtitle, *sheet.facts, *sheet.foot]
    parts += [word for tile in sheet.tiles for word in (tile.title, tile.figure, *tile.lines)]
    for _, item in (pair for band in sheet.bands for pair in band):
        parts.append(item.title)
        if isinstance(item, Table):
            parts += [*item.head, *(cell for row in item.rows for cell in row), item.note]
        elif isinstance(item, Lines):
            parts += [word for line in item.lines for word in line]
        elif isinstance(item, Picture):
            parts += [item.alt, item.note]
    return "\n".join(parts)


def pages(sheet: Sheet, paper: str) -> int:
    import weasyprint

    return len(weasyprint.HTML(string=html(sheet, None, paper)).render().pages)


@pytest.mark.parametrize("name", ["sixth in German", "crowded in German", "trial", "long course"])
def test_a_report_prints_on_one_page_of_a4(name: str) -> None:
    assert pages(sheets()[name], "A4") == 1


@pytest.mark.parametrize("name", ["runner"])
def test_a_report_prints_on_one_page_of_letter_paper_as_well(name: str) -> None:
    assert pages(sheets()[name], "Letter") == 1


def test_letters_stay_large_enough_to_be_read() -> None:
    assert all(
        sheet.scale() > 0.85
        for name, sheet in sheets().items()
        if "crowded" not in name and "long" not in name
    )
    assert min(sheet.scale() for sheet in sheets().values()) > 0.62


def objects(made: bytes) -> bytes:
    """A PDF with its packed objects unpacked."""
    found = [made]
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", made, re.DOTALL):
        try:
            found.append(zlib.decompress(match[1]))
        except zlib.error:
            continue
    return b"\n".join(found)


def test_the_pdf_is_one_page_of_a4_with_its_own_letters_on_a_machine_without_fonts(tmp_path: Path) -> None:
    bare = tmp_path / "fonts.conf"
    bare.write_text(f"<fontconfig><cachedir>{tmp_path}/cache</cachedir></fontconfig>", encoding="utf-8")
    words = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[1:3]\n"
        "from reported import source; from appliance.reports.words import Words\n"
        "from appliance.reports.report import sheet_of; from appliance.reports.pdf import pdf\n"
        "Path(sys.argv[3]).write_bytes(pdf(sheet_of(Words('de'), source(2))))"
    )
    here = Path(__file__).parent
    target = tmp_path / "report.pdf"
    done = subprocess.run(
        [sys.executable, "-c", words, str(here), str(here.parents[1]), str(target)],
        env={**os.environ, "FONTCONFIG_FILE": str(bare), "HOME": str(tmp_path / "nobody")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    inside = objects(target.read_bytes())
    assert len(re.findall(rb"/Type ?/Page\b", inside)) == 1
    assert re.search(rb"/MediaBox ?\[ ?0 0 595\.\d+ 841\.\d+ ?\]", inside)
    fonts = {name.split(b"+")[-1] for name in re.findall(rb"/FontName ?/([^ /]+)", inside)}
    assert fonts == {b"hipbar", b"hipbar-Bold"}, "letters that are not the page's own"


def test_a_sheet_that_was_guessed_too_large_shrinks_until_it_is_one_page() -> None:
    sheet = sheets()["exercise"]
    tall = Table(title="", head=("a",), rows=())
    rows = tuple((("a word " * 12).strip(),) for _ in range(75))
    much = msgspec.structs.replace(sheet, bands=(((1.0, msgspec.structs.replace(tall, rows=rows)),),))
    assert len(re.findall(rb"/Type ?/Page\b", objects(pdf(much)))) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing(name: str) -> None:
    page = html(sheets()[name]) if name in ("crowded", "empty", "runner") else "".join(said(sheets()[name]))
    bare = re.sub(r"data:[^\")]*", "", page)
    assert "<script" not in bare.replace(HOSTILE, "") or name.startswith("crowded")
    assert not re.search(r"(?:src|href)=\"(?!\")|url\((?!\))|https?://|@import", bare)


def test_what_people_write_is_shown_as_they_wrote_it_and_never_taken_for_html() -> None:
    page = html(sheets()["crowded"])
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_left_hip_s_figure_is_that_of_right_stance() -> None:
    data = visit(plan(1, 1, Block(kind=Kind.BASELINE, seconds=120)), left=3.0, right=8.0)
    right = data.steps["right"] == 1
    data.steps["peak_drop_deg"][right], data.steps["peak_drop_deg"][~right] = 8.04, 3.04
    sheet = sheet_of(Words(), source_of(data))
    assert tile(sheet, "Left hip drop (right stance)") == "8.0"
    assert tile(sheet, "Right hip drop (left stance)") == "3.0"
    assert tile(sheet, "Difference of the hips") == "5.0"
    assert "the left hip drops more" in said(sheet)
    assert tables(sheet)[0].rows[0][:2] == ("left hip (right stance): peak drop, °", "8.0 ± 0.0")


def test_every_change_of_degrees_stands_beside_the_smallest_detectable_difference() -> None:
    for name in ("sixth", "trial", "runner"):
        sheet = sheets()[name]
        changed = [table for table in tables(sheet) if any("[" in cell for row in table.rows for cell in row)]
        assert changed
        noted = "\n".join(table.note for table in changed)
        assert re.search(r"2[.,]8°", noted)
        assert any(re.search(r"\] [●◐○]", cell) for table in changed for row in table.rows for cell in row)


def test_a_change_beyond_the_smallest_detectable_difference_is_marked_and_framed() -> None:
    made = figures_of(range(1, 3))
    data, _ = made[1]
    data.steps["peak_drop_deg"][data.steps["right"] == 1] -= 4.0
    later = source_of(data, None, [made[0][1], source_of(data).figures])
    sheet = sheet_of(Words(), later)
    firm = [tile.title for tile in sheet.tiles if tile.firm]
    assert firm == ["Left hip drop (right stance)"]
    assert "●" in tables(sheet)[0].rows[0][-1]
    assert "beyond the smallest detectable difference of 2.8°" in said(sheet)


def test_the_difference_of_the_sides_is_never_a_percentage() -> None:
    for sheet in sheets().values():
        for table in tables(sheet):
            for row in table.rows:
                assert not (
                    row[0].startswith(("difference", "Unterschied")) and any("%" in cell for cell in row)
                )


@pytest.mark.parametrize("name", NAMES)
def test_every_report_says_that_it_is_no_diagnosis_and_nothing_of_risk(name: str) -> None:
    text = said(sheets()[name])
    assert "not a diagnosis" in text or "keine Diagnose" in text
    assert not re.search(r"risk|injur|risiko|verletz", text, re.IGNORECASE)


def test_an_interrupted_visit_without_anybody_has_a_report_that_says_so() -> None:
    sheet = sheets()["empty"]
    text = said(sheet)
    assert sheet.title.startswith("no runner assigned")
    assert "interrupted" in text
    assert "the clock was not set" in text
    assert "nan" not in text.lower()


def test_steps_that_were_left_out_are_counted_with_their_reason() -> None:
    data = visit(plan(1, 1, Block(kind=Kind.BASELINE, seconds=120)))
    data.steps["peak_drop_deg"] = 5.0
    data.steps["peak_drop_deg"][:11], data.steps["quality"][20:25] = np.nan, 0.1
    data.steps["paused"][30:33] = 1
    assert "11 peak hidden, 5 marks weak, 3 in a pause" in said(sheet_of(Words(), source_of(data)))


def test_a_cue_trial_shows_what_the_cue_changed_and_what_was_said() -> None:
    sheet, row = sheets()["trial"], {row.figure: row for row in trials(cue_trial())[0].rows}["right_drop_deg"]
    assert row.with_cue.change == pytest.approx(-3.1, abs=0.5)
    shown = Words("de").figure(row.with_cue.change, sign=True)
    assert tile(sheet, "Linke Hüfte (Standbein rechts), mit Ansage") == shown
    assert any("push the ground back" in fact for fact in sheet.facts)


def test_an_exercise_counts_sets_repetitions_and_seconds_held() -> None:
    sheet = sheets()["exercise"]
    assert (tile(sheet, "Sets done"), tile(sheet, "Repetitions")) == ("4", "29")
    assert [row[3] for row in tables(sheet)[0].rows] == ["15 / 15", "14 / 15", "1 / 1", "1 / 1"]


def test_a_long_course_lists_its_newest_visits_and_says_how_many_it_leaves_out() -> None:
    table = tables(sheets()["long course"])[0]
    assert table.rows[0][0] == "erster Ausgangswert"
    assert len(table.rows) == 1 + 20
    assert table.note.startswith("12 frühere Termine")


def drawings(sheet: Sheet) -> list[str]:
    found = (item for band in sheet.bands for _, item in band if isinstance(item, Picture))
    return [picture.draw((120.0, picture.tall_mm)) for picture in found]


def test_drawings_hold_outlines_not_letters_and_are_the_same_each_time() -> None:
    first, again = drawings(sheets()["sixth"]), drawings(sheets()["sixth"])
    assert first == again
    assert len(first) == 3
    assert not any("<text" in svg or "<image" in svg for svg in first)


def test_a_user_s_settings_of_the_plotting_library_change_no_drawing() -> None:
    import matplotlib

    before = drawings(sheets()["trial"])
    with matplotlib.rc_context({"font.size": 20.0, "axes.grid": True, "svg.fonttype": "none"}):
        assert drawings(sheets()["trial"]) == before


def test_the_hips_differ_in_line_mark_and_hatching_and_not_only_in_colour() -> None:
    looks: Any = (LEFT, RIGHT)
    for kind in ("line", "sign", "hatch"):
        assert getattr(looks[0], kind) != getattr(looks[1], kind)


def test_an_imported_visit_without_blocks_has_its_figures() -> None:
    data = visit(plan(1, 1, Block(kind=Kind.BASELINE, seconds=60)))
    row = msgspec.structs.replace(data.visit, kind=VisitKind.IMPORTED, plan=None, protocol="lab.c3d")
    data.steps["block"] = -1
    sheet = sheet_of(Words(), source_of(msgspec.structs.replace(data, visit=row, blocks=(), stretches=())))
    assert sheet.title == "A-017 · imported"
    assert tables(sheet)[0].head[1] == "whole visit"
