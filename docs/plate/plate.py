"""A few measures become the marker plate, its belt and the heel dots on paper at true scale: run `python plate.py`.

Millimetres. Seen from behind, as the camera sees them: the runner's left is on the paper's left. Writes plate.svg,
belt.svg and both as pages of plate.pdf, and plate_letter.pdf for the other paper.
Refuses measures that can't be made: dots that touch slots or edge, a plate that does not fit on the paper.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
import textwrap
from pathlib import Path

from sheet import PAPERS, Sheet, pdf

HERE = Path(__file__).resolve().parent
MARGIN_MM = 10.0


@dataclasses.dataclass(frozen=True)
class Plate:
    """The measures of the plate and of what belongs to it, in millimetres."""

    dot_mm: float = 14.0
    spacing_mm: float = 120.0
    width_mm: float = 150.0
    height_mm: float = 60.0
    belt_mm: float = 38.0
    slot_mm: float = 4.0
    slack_mm: float = 0.5
    slots_apart_mm: float = 60.0
    screw_mm: float = 3.2
    heel_mm: float = 60.0

    @property
    def play_deg(self) -> float:
        """How far the plate can turn on a belt that is narrower than its slots, to either side."""
        return math.degrees(math.atan2(self.slack_mm, self.slots_apart_mm))

    def faults(self) -> list[str]:
        """What can't be made."""
        rim = (self.width_mm - self.spacing_mm - self.dot_mm) / 2
        slot = (self.slots_apart_mm + self.slot_mm) / 2
        found = []
        if not 8 <= self.dot_mm <= 20:
            found.append("dots of 8 to 20 mm are seen well")
        if rim < 3:
            found.append("less than 3 mm from a dot to the plate's end: widen the plate")
        if self.spacing_mm / 2 - self.dot_mm / 2 - slot < 5:
            found.append("less than 5 mm from a slot to a dot: move the slots together or the dots apart")
        if self.height_mm < self.belt_mm + self.slack_mm + 16:
            found.append("less than 8 mm above and below the slots: a higher plate or a narrower belt")
        if self.width_mm > min(w for w, _ in PAPERS.values()) - 2 * MARGIN_MM:
            found.append("wider than the paper")
        return found


def plate_sheet(p: Plate, paper: str = "a4") -> Sheet:
    """The plate: cut it, drill it, and put the dots on the circles."""
    s = Sheet(paper, "hipbar marker plate, 1:1")
    cx, cy = s.width / 2, 92.0
    _head(
        s,
        "hipbar marker plate",
        f"Dots {p.dot_mm:g} mm, {p.spacing_mm:g} mm apart, for a belt of {p.belt_mm:g} mm.",
    )
    left, top = cx - p.width_mm / 2, cy - p.height_mm / 2
    s.box(left, top, p.width_mm, p.height_mm, 8.0)
    s.line(cx, top - 6, cx, top + p.height_mm + 6, "axis")
    s.line(left - 6, cy, left + p.width_mm + 6, cy, "axis")
    tall = p.belt_mm + p.slack_mm
    for sign, word in ((-1, "LEFT"), (1, "RIGHT")):
        x = cx + sign * p.spacing_mm / 2
        s.circle(x, cy, p.dot_mm / 2)
        s.line(x, cy - p.dot_mm / 2 - 3, x, cy + p.dot_mm / 2 + 3, "fine")
        s.text(x, cy - p.dot_mm / 2 - 6, word, 4.5)
        s.box(cx + sign * p.slots_apart_mm / 2 - p.slot_mm / 2, cy - tall / 2, p.slot_mm, tall, p.slot_mm / 2)
        for dy in (-1, 1):
            s.circle(cx + sign * (p.width_mm / 2 - 7), cy + dy * (p.height_mm / 2 - 7), p.screw_mm / 2)
    _cross(s, cx, cy)
    _up(s, cx, cy - p.height_mm / 2 + 13)
    s.across(cx - p.spacing_mm / 2, cx + p.spacing_mm / 2, top + p.height_mm + 12, f"{p.spacing_mm:g}")
    s.across(left, left + p.width_mm, top + p.height_mm + 21, f"{p.width_mm:g}")
    s.across(cx - p.slots_apart_mm / 2, cx + p.slots_apart_mm / 2, top - 9, f"slots {p.slots_apart_mm:g}")
    s.down(left + p.width_mm + 8, top, top + p.height_mm, f"{p.height_mm:g}")
    _ruler(s, 158.0)
    _notes(
        s,
        174.0,
        f"Stiff sheet, 2 to 3 mm thick, matt black, cut along the outline. Slots {p.slot_mm:g} x {tall:g} mm; holes of"
        f" {p.screw_mm:g} mm hold a foam pad.",
        "Retroreflective dots exactly on the two circles, the same kind on both; nothing else on it shines.",
        "Wear it on the sacrum, the long way across, UP to the head, the centre line on the spine. LEFT is the"
        " runner's left.",
        "The belt runs behind the left end, out through the left slot, across the middle, in through the right slot.",
        f"A belt {p.slack_mm:g} mm narrower than the slots lets the plate turn by {p.play_deg:.1f}°. Take the standing"
        " zero after every fitting, and a belt with a rough inside, which does not creep.",
    )
    return s


def belt_sheet(p: Plate, paper: str = "a4") -> Sheet:
    """The belt's back at true scale, the whole belt small, and the heel dots."""
    s = Sheet(paper, "hipbar belt and heel dots, 1:1")
    cx, cy, half = s.width / 2, 74.0, 85.0
    _head(
        s,
        "hipbar belt and heel dots",
        f"Webbing of {p.belt_mm:g} mm, the middle of its back, seen from behind.",
    )
    for dy in (-1, 1):
        s.line(cx - half, cy + dy * p.belt_mm / 2, cx + half, cy + dy * p.belt_mm / 2, "cut")
    s.box(cx - p.width_mm / 2, cy - p.height_mm / 2, p.width_mm, p.height_mm, 8.0, "fold")
    for sign in (-1, 1):
        x = cx + sign * p.slots_apart_mm / 2
        s.box(
            x - p.slot_mm / 2,
            cy - (p.belt_mm + p.slack_mm) / 2,
            p.slot_mm,
            p.belt_mm + p.slack_mm,
            p.slot_mm / 2,
            "fold",
        )
        s.line(x, cy - p.belt_mm / 2, x, cy + p.belt_mm / 2, "fine")
        s.circle(cx + sign * p.spacing_mm / 2, cy, p.dot_mm / 2, "fold")
    _cross(s, cx, cy)
    s.text(cx, cy + 9, "in front of the plate", 3.0)
    s.text(cx - p.spacing_mm / 2, cy + p.dot_mm / 2 + 5, "behind it", 3.0)
    s.text(cx + p.spacing_mm / 2, cy + p.dot_mm / 2 + 5, "behind it", 3.0)
    s.across(
        cx - p.slots_apart_mm / 2,
        cx + p.slots_apart_mm / 2,
        cy + p.height_mm / 2 + 8,
        f"stitch or mark {p.slots_apart_mm:g}",
    )
    s.down(cx + half + 4, cy - p.belt_mm / 2, cy + p.belt_mm / 2, f"{p.belt_mm:g}")
    _whole_belt(s, p, 131.0)
    for sign, word in ((-1, "LEFT"), (1, "RIGHT")):
        _heel(s, p, cx + sign * 48.0, 146.0, word)
    _ruler(s, 224.0)
    _notes(
        s,
        238.0,
        "Sew a line across the belt at the two marks, so that it can't run through the slots. Buckle in front.",
        "Heels: cut a template out, hold its lower edge to the edge of the sole and its line to the heel's middle; the"
        " dot goes into the window. Both dots at one height. Cover whatever shines on the shoe with matt tape first.",
    )
    return s


def _head(s: Sheet, title: str, words: str) -> None:
    s.text(MARGIN_MM + 5, 20.0, title, 6.5, "start")
    s.text(MARGIN_MM + 5, 26.5, words, 3.4, "start")
    s.text(
        MARGIN_MM + 5,
        31.5,
        'Print at 100 %, never "fit to page": 50 mm on the scale below must be 50 mm on a ruler.',
        3.4,
        "start",
    )


def _cross(s: Sheet, x: float, y: float) -> None:
    s.circle(x, y, 2.0, "fine")
    s.line(x - 4, y, x + 4, y)
    s.line(x, y - 4, x, y + 4)


def _up(s: Sheet, x: float, y: float) -> None:
    s.line(x + 9, y, x + 9, y - 7)
    s.arrow(x + 9, y - 8, 0, -1)
    s.text(x + 12, y - 2.5, "UP", 3.6, "start")


def _ruler(s: Sheet, y: float) -> None:
    """The scale bar: 50 mm, a mark each 10."""
    x0 = s.width / 2 - 25.0
    s.line(x0, y, x0 + 50.0, y, "cut")
    for k in range(6):
        s.line(x0 + 10.0 * k, y - (3.0 if k in (0, 5) else 1.8), x0 + 10.0 * k, y, "cut")
        s.text(x0 + 10.0 * k, y + 4.2, f"{10 * k}", 2.8)
    s.text(x0 + 54.0, y + 0.8, "mm", 3.0, "start")


def _notes(s: Sheet, y: float, *paragraphs: str) -> None:
    """Sentences, wrapped to the page."""
    for words in paragraphs:
        for line in textwrap.wrap(words, 104):
            s.text(MARGIN_MM + 5, y, line, 3.3, "start")
            y += 4.6
        y += 1.2


def _whole_belt(s: Sheet, p: Plate, y: float) -> None:
    """The belt from end to end, a tenth of its size."""
    cx, long, wide = s.width / 2, 120.0, p.belt_mm / 10
    s.box(cx - long / 2, y - wide / 2, long, wide, 0.5)
    s.box(cx - p.width_mm / 20, y - p.height_mm / 20, p.width_mm / 10, p.height_mm / 10, 0.8)
    for sign in (-1, 1):
        s.box(cx + sign * (long / 2 + 2.5) - 2.5, y - 2.6, 5.0, 5.2, 0.6)
    s.text(cx, y - 5.5, "the whole belt, 1:10: waist + 150 mm to pull tight, buckle in front", 3.0)


def _heel(s: Sheet, p: Plate, x: float, y: float, word: str) -> None:
    """A template for one heel: a card with a window where the dot goes."""
    wide = p.heel_mm
    s.box(x - wide / 2, y, wide, p.heel_mm, 3.0)
    s.line(x, y + 14, x, y + p.heel_mm - 7, "axis")
    s.circle(x, y + p.heel_mm / 2, p.dot_mm / 2)
    s.text(x, y + 10, f"{word} HEEL", 4.2)
    s.down(x + wide / 2 - 12, y + p.heel_mm / 2, y + p.heel_mm, f"{p.heel_mm / 2:g}")
    s.line(x, y + p.heel_mm / 2, x + wide / 2 - 10, y + p.heel_mm / 2)
    s.text(x, y + p.heel_mm - 3, "edge of the sole", 2.8)


def write(p: Plate, out: Path) -> None:
    """All files, into a folder."""
    (out / "plate.svg").write_text(plate_sheet(p).svg(), encoding="utf-8")
    (out / "belt.svg").write_text(belt_sheet(p).svg(), encoding="utf-8")
    (out / "plate.pdf").write_bytes(pdf([plate_sheet(p), belt_sheet(p)]))
    (out / "plate_letter.pdf").write_bytes(pdf([plate_sheet(p, "letter"), belt_sheet(p, "letter")]))


def main(words: list[str] | None = None) -> int:
    """Read the measures and draw."""
    parser = argparse.ArgumentParser(
        description="Draw the marker plate, the belt and the heel dots at true scale."
    )
    for field in dataclasses.fields(Plate):
        option = "--" + field.name.replace("_", "-")
        parser.add_argument(
            option, type=float, default=field.default, metavar="MM", help=f"default {field.default:g}"
        )
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the drawings")
    told = vars(parser.parse_args(words))
    out = told.pop("out")
    plate = Plate(**told)
    if faults := plate.faults():
        parser.error("; ".join(faults))
    out.mkdir(parents=True, exist_ok=True)
    write(plate, out)
    print(f"plate.svg, belt.svg, plate.pdf and plate_letter.pdf are in {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
