"""The compiled path against its slow twin, its mirror image, its own chunks, the current cap and plain Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import any_moments, any_settings, mirrored, running, settings
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from twin import Twin

from appliance.config import Settings
from appliance.feedback.bar import Feedback
from appliance.feedback.patterns import top_byte
from appliance.kernels import light as kernels
from appliance.records import LOOK_S, MOMENT, STALE_S, Posture, Shown


@given(any_settings(), any_moments(60))
@examples(max_examples=150, deadline=None, derandomize=True)
def test_the_kernel_and_its_slow_twin_give_the_same_bytes(chosen: Settings, rows: np.ndarray) -> None:
    feedback, twin = Feedback(chosen), Twin(chosen)
    leds, shown = feedback.light(rows)
    for k, row in enumerate(rows):
        expected, what = twin.feed(row)
        assert shown[k] == what
        assert (leds[k] == expected).all()
    assert feedback.guard_acts == twin.guard_acts


@given(any_settings(), any_moments())
@examples(max_examples=300, deadline=None, derandomize=True)
def test_a_mirrored_runner_gives_the_mirrored_light(chosen: Settings, rows: np.ndarray) -> None:
    one, other = Feedback(chosen), Feedback(chosen)
    (leds, shown), (reflected, also) = one.light(rows), other.light(mirrored(rows))
    assert (reflected == leds[:, ::-1]).all()
    assert (shown == also).all()
    assert one.guard_acts == other.guard_acts


@given(any_settings(), any_moments(), st.lists(st.integers(0, 120), max_size=8))
@examples(max_examples=150, deadline=None, derandomize=True)
def test_chunks_do_not_matter(chosen: Settings, rows: np.ndarray, cuts: list[int]) -> None:
    whole, parts = Feedback(chosen), Feedback(chosen)
    leds, shown = whole.light(rows)
    pieces = [parts.light(piece) for piece in np.split(rows, sorted(min(c, len(rows)) for c in cuts))]
    assert (np.concatenate([p[0] for p in pieces]) == leds).all()
    assert (np.concatenate([p[1] for p in pieces]) == shown).all()
    t_s = float(rows["t_s"][-1]) + 0.05
    assert (whole.idle(t_s)[0] == parts.idle(t_s)[0]).all()


@given(any_settings(), any_moments())
@examples(max_examples=300, deadline=None, derandomize=True)
def test_the_strip_never_draws_more_than_its_cap_nor_shines_brighter_than_set(
    chosen: Settings, rows: np.ndarray
) -> None:
    leds, _ = Feedback(chosen).light(rows)
    drawn_ma = leds.astype(int).sum((1, 2)) * chosen.strip.led_ma / 765
    assert (drawn_ma <= chosen.strip.current_cap_ma * (1 + 1e-12)).all()
    assert leds.max() <= top_byte(chosen.strip)


def test_a_capped_bar_keeps_its_length_and_side() -> None:
    rows = running(difference_deg=6.0)
    free = Feedback(settings(leds=32)).light(rows)[0][0]
    capped = Feedback(settings(leds=32, current_cap_ma=100.0)).light(rows)[0][0]
    assert (free.any(1) == capped.any(1)).all()
    assert capped.astype(int).sum() <= 100.0 * 765 / 60


@given(any_settings(), any_moments())
@examples(max_examples=150, deadline=None, derandomize=True)
def test_nothing_is_ever_saturated_red(chosen: Settings, rows: np.ndarray) -> None:
    leds = Feedback(chosen).light(rows)[0].astype(int)
    assert (leds[..., 0] <= 0.75 * leds.sum(-1)).all()


def test_the_kernel_reads_the_words_that_records_define() -> None:
    places = {name: MOMENT.fields[name][1] // 8 for name in MOMENT.names}
    assert MOMENT.itemsize == 8 * len(places)
    read = {
        "t_s": kernels._T,
        "level_deg": kernels._LEVEL,
        "seen_s": kernels._SEEN,
        "difference_deg": kernels._DIFFERENCE,
        "left_last_deg": kernels._LEFT_LAST,
        "right_last_deg": kernels._RIGHT_LAST,
        "left_steps": kernels._LEFT_STEPS,
        "right_steps": kernels._RIGHT_STEPS,
        "step_s": kernels._STEP,
        "posture": kernels._POSTURE,
        "sides_sure": kernels._SURE,
    }
    assert {name: places[name] for name in read} == read
    assert (kernels._UNSEEN, kernels._STILL) == (Posture.UNSEEN, Posture.STANDING)
    assert kernels.STALE_S == STALE_S
    assert kernels._LOOK_S == LOOK_S
    names = ("_OFF", "_MEASURED", "_NO_DATA", "_UNSURE", "_WARMING", "_STANDING")
    assert [getattr(kernels, name) for name in names] == list(Shown)


def test_no_rows_give_no_light_and_change_nothing() -> None:
    feedback = Feedback(settings())
    leds, shown = feedback.light(np.zeros(0, MOMENT))
    assert leds.shape == (0, 32, 3)
    assert shown.shape == (0,)


def test_frames_handed_out_are_not_written_again() -> None:
    feedback = Feedback(settings())
    first = feedback.light(running(difference_deg=6.0))[0]
    kept = first.copy()
    feedback.light(running(start_s=101.0, difference_deg=-6.0))
    feedback.idle(102.0)
    assert (first == kept).all()


def test_moments_may_be_a_view_or_read_only() -> None:
    rows = running(20, difference_deg=6.0)
    rows.flags.writeable = False
    spread = np.repeat(rows, 2)[::2]
    assert (Feedback(settings()).light(rows)[0] == Feedback(settings()).light(spread)[0]).all()


SCRIPT = """
import numpy as np
from cases import running, settings
from appliance.feedback.bar import Feedback
for mode in ("asymmetry", "step", "live", "box", "off"):
    rows = running(80, difference_deg=np.linspace(-9, 9, 80), level_deg=np.linspace(9, -9, 80), left_last_deg=4.0)
    rows["posture"][40:45], rows["sides_sure"][60:] = 0, 0
    feedback = Feedback(settings(mode=mode, fade_ms=50.0, slew_ms=100.0, leds=9))
    print(feedback.light(rows)[0].tobytes().hex(), feedback.idle(101.0)[0].tobytes().hex(), feedback.guard_acts)
"""


@pytest.mark.parametrize("jit", ["0", "1"])
def test_plain_python_gives_the_same_bytes_as_compiled_code(jit: str) -> None:
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[1])])
    environment = os.environ | {"NUMBA_DISABLE_JIT": jit, "PYTHONPATH": path}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    names: dict[str, object] = {"print": lambda *words: lines.append(" ".join(map(str, words)))}
    lines: list[str] = []
    exec(SCRIPT, names)
    assert run.stdout.splitlines() == lines
