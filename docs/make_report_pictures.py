"""A simulated runner's course becomes the pictures of docs/clinician.md: run this from anywhere.

    docs/make_report_pictures.py [FOLDER]

FOLDER : of a course that `python -m tests.course FOLDER --minutes 1 --no-reports` has played; without it one is played
first, which takes ten minutes. The cue trial and the exercise are made up (tests/reports/reported.py). Needs PyMuPDF,
which turns the PDF that a clinic gets into a picture: `pip install pymupdf`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pymupdf
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "reports")]

from reported import cue_trial, exercise, source_of  # noqa: E402

from appliance.clinic.cue import parse_cues  # noqa: E402
from appliance.reports.gather import runner_source, visit_source  # noqa: E402
from appliance.reports.pdf import pdf  # noqa: E402
from appliance.reports.report import sheet_of  # noqa: E402
from appliance.reports.source import RunnerSource, VisitSource  # noqa: E402
from appliance.reports.words import Words  # noqa: E402
from appliance.store import texts  # noqa: E402
from appliance.store.store import Store  # noqa: E402
from tests.course.player import course  # noqa: E402

OUT = Path(__file__).parent / "pictures"
RUNNER, FADED = "R-014", 6
_DPI, _COLOURS, _MARGIN_PX = 112, 200, 24


def picture(source: VisitSource | RunnerSource, language: str = "en") -> Image.Image:
    """The page as somebody sees it, without the empty paper around it."""
    page = pymupdf.open(stream=pdf(sheet_of(Words(language), source)), filetype="pdf")[0]
    drawn = page.get_pixmap(dpi=_DPI)
    image = Image.frombytes("RGB", (drawn.width, drawn.height), drawn.samples)
    inked = np.flatnonzero(np.asarray(image.convert("L")).min(axis=1) < 200)
    return image.crop((0, max(0, inked[0] - _MARGIN_PX), drawn.width, inked[-1] + _MARGIN_PX))


def save(image: Image.Image, name: str) -> None:
    """As a small PNG."""
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(OUT / f"{name}.png", optimize=True)
    print(f"{name}.png: {image.width} x {image.height}, {(OUT / f'{name}.png').stat().st_size / 1000:.0f} kB")


def draw(folder: Path) -> None:
    """All pictures, from a folder with a course."""
    with Store.open(folder) as store:
        last = store.course(RUNNER, "retraining")[-1]
        made_s = (last.ended_s or last.began_s) + 300.0
        save(picture(visit_source(store, FADED, made_s=made_s)), "report_visit")
        save(picture(runner_source(store, RUNNER, made_s=made_s)), "report_course")
        save(picture(runner_source(store, RUNNER, made_s=made_s), "de"), "report_course_de")
        shipped = texts.cues(folder)
    trial = msgspec.structs.replace(source_of(cue_trial()), cues=parse_cues(shipped.text, shipped.origin))
    save(picture(trial), "report_cue")
    save(picture(source_of(exercise())), "report_exercise")


def main() -> None:
    """Plays a course unless there is one."""
    if len(sys.argv) > 1:
        draw(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as made:
        course(Path(made), runner=RUNNER, tell=print)
        draw(Path(made))


if __name__ == "__main__":
    main()
