"""The words after `python -m tests.course` become a folder with a whole course in its store, and its reports.

python -m tests.course DIR [--minutes SCALE] [--drawn] [--no-reports]

--minutes : how long a minute of the protocol lasts, in minutes; 1 = the whole course, three hours of running.
--drawn : every picture is drawn and looked at (20 times slower); otherwise sight is left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from appliance.clinic.terms import Kind
from appliance.store.store import Store
from tests.course.player import Played, course
from tests.course.truth import held

RUNNER = "R-014"


def main() -> None:
    """Plays, compares with the truth, reports."""
    words = argparse.ArgumentParser(prog="python -m tests.course")
    words.add_argument("folder", type=Path)
    words.add_argument("--minutes", type=float, default=0.1)
    words.add_argument("--visits", type=int, default=8)
    words.add_argument("--drawn", action="store_true")
    words.add_argument("--no-reports", action="store_true")
    asked = words.parse_args()
    began_s = time.perf_counter()
    played = course(
        asked.folder, scale=asked.minutes, visits=asked.visits, runner=RUNNER, drawn=asked.drawn, tell=print
    )
    took_s = time.perf_counter() - began_s
    print(f"{len(played)} visits in {took_s:.0f} s; {_bytes(asked.folder) / 1e6:.1f} MB in the store\n")
    with Store.open(asked.folder) as store:
        for one in played:
            print(_line(store, one))
    if not asked.no_reports:
        for what in (RUNNER, *(str(one.visit) for one in played)):
            _report(asked.folder, what)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("clinic.db*"))


def _line(store: Store, played: Played) -> str:
    """One visit: what was measured without light, and how far that is from the truth."""
    data, visit = store.data(played.visit), store.visit(played.visit)
    found = held(data, played)
    dark = {row.n for row in data.blocks if row.block.kind in (Kind.BASELINE, Kind.RETENTION)}
    figures = []
    for right, words in ((True, "left hip"), (False, "right hip")):
        of = found.right == right
        inside = of & np.isin(found.block, sorted(dark))
        measured = np.mean((found.true_deg + found.off_deg)[inside])
        figures.append(f"{words} {measured:.2f} deg unlit, {np.mean(found.off_deg[of]):+.3f} from the truth")
    sides = f"{found.wrong} wrong, {found.missed} missed of {len(found.right)} steps"
    return f"visit {visit.number}: {visit.state}, {visit.ran_s / 60:.1f} min; {'; '.join(figures)}; {sides}"


def _report(folder: Path, what: str) -> None:
    """HTML and PDF, as a clinic would ask for them."""
    for suffix in ("html", "pdf"):
        file = folder / f"report-{what}.{suffix}"
        began_s = time.perf_counter()
        call = ["report", what, "-o", str(file), "--state", str(folder)]
        subprocess.run([sys.executable, "-m", "appliance.cli", *call], check=True)
        print(f"{file}: {time.perf_counter() - began_s:.1f} s")


if __name__ == "__main__":
    main()
