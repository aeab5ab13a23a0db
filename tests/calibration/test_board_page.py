"""The page to print: read back from the PDF it is a board at true scale that is found and measures right."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from appliance.calibration.board import Board, seek
from appliance.cli import hipbar
from appliance.errors import OutputError

PX_PER_MM = 4
_MM_PER_PT = 25.4 / 72


def made(path: Path, *words: str) -> Result:
    return CliRunner().invoke(hipbar, ["calibrate", "board", "-o", str(path), *words], standalone_mode=False)


def page(path: Path) -> tuple[NDArray[np.uint8], list[tuple[float, float, float]], str]:
    """The page as a picture of 4 px a mm, its long level lines (x, y, length in mm), and its words."""
    text = path.read_bytes().decode("latin-1")
    width, height = (
        float(n) * _MM_PER_PT for n in re.findall(r"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", text)[0]
    )
    scale = float(re.findall(r"([\d.]+) 0 0 [\d.]+ 0 0 cm", text)[1]) * _MM_PER_PT
    picture = np.full((round(height * PX_PER_MM), round(width * PX_PER_MM)), 255, np.uint8)
    for bar in re.findall(r"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re", text):
        x, y, w, h = (float(n) * scale for n in bar)
        rows = slice(round((height - y - h) * PX_PER_MM), round((height - y) * PX_PER_MM))
        picture[rows, round(x * PX_PER_MM) : round((x + w) * PX_PER_MM)] = 0
    ways = re.findall(r"([\d.]+) ([\d.]+) m ([\d.]+) ([\d.]+) l", text)
    lines = [tuple(float(n) * scale for n in way) for way in ways]
    level = [(x0, y0, x1 - x0) for x0, y0, x1, y1 in lines if y0 == y1 and x1 - x0 > 20]
    return picture, level, " ".join(re.findall(r"\((.*?)\) Tj", text))


@pytest.mark.parametrize(
    ("words", "size_mm", "square_mm"),
    [
        ((), (297, 210), 30),
        (("--paper", "letter"), (279.4, 215.9), 30),
        (("--paper", "a3"), (420, 297), 48),
        (("--square-mm", "20"), (297, 210), 20),
    ],
    ids=str,
)
def test_the_page_shows_the_board_at_true_scale_with_a_bar_of_100_mm(
    tmp_path: Path, words: tuple[str, ...], size_mm: tuple[float, float], square_mm: float
) -> None:
    done = made(tmp_path / "board.pdf", *words)
    assert done.exit_code == 0, done.output
    picture, level, said = page(tmp_path / "board.pdf")
    assert picture.shape == (round(size_mm[1] * PX_PER_MM), round(size_mm[0] * PX_PER_MM))
    found = seek(picture, Board())
    assert found is not None
    assert not found.mirrored
    assert len(found.ids) == 24
    across = found.xy_px.reshape(4, 6, 2)
    assert np.diff(across[:, :, 0], axis=1) / PX_PER_MM == pytest.approx(square_mm, abs=0.2)
    assert np.diff(across[:, :, 1], axis=0) / PX_PER_MM == pytest.approx(square_mm, abs=0.2)
    assert found.xy_px.mean(axis=0)[0] == pytest.approx(picture.shape[1] / 2, abs=1)
    assert [length for *_, length in level] == [pytest.approx(100.0, abs=0.01)]
    assert level[0][1] < size_mm[1] - found.xy_px[:, 1].max() / PX_PER_MM - square_mm
    assert f"squares of {square_mm:g} mm" in said
    assert "100 %" in said


def test_a_board_is_the_same_file_every_time(tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        assert made(tmp_path / name).exit_code == 0
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_squares_that_do_not_fit_the_paper_are_refused_with_what_fits(tmp_path: Path) -> None:
    done = made(tmp_path / "board.pdf", "--square-mm", "50")
    assert "at most 32 mm" in str(done.exception)
    assert not (tmp_path / "board.pdf").exists()


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    done = made(tmp_path / "missing" / "board.pdf")
    assert isinstance(done.exception, OutputError)
    assert "No such file" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
