"""The program without a terminal, by textual's own pilot: what it draws of a recorded runner, and its keys."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from appliance.commands.watching import probe
from appliance.commands.watching.feed import Feed
from appliance.commands.watching.ink import Depth, Ink
from appliance.commands.watching.pace import Pace
from appliance.commands.watching.screen import Watch
from appliance.commands.watching.still import Still, drawn, save
from appliance.commands.watching.view import View
from appliance.errors import OutputError, ServiceDown
from appliance.station.client import Link
from tests.terminals import pair
from tests.watch.conftest import Run


def nobody() -> Link:
    raise ServiceDown("the service does not run", fix="start it")


def fed(view: View) -> Feed:
    """A feed whose service has just gone away, and what it had told."""
    feed = Feed(nobody)
    feed.told, feed.facts, feed.knobs, feed.health = view.told, view.facts, view.knobs, view.health
    return feed


def shown(app: Watch) -> str:
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


def played(view: View, size: tuple[int, int], presses: dict[str, Callable[[str], bool]]) -> list[str]:
    """The screen at the beginning, and after each key once it is as it should be (or five seconds have passed)."""

    async def play() -> list[str]:
        pace = Pace(None)
        pace.detail = "full"
        app = Watch(fed(view), Ink(), pace, lambda still, view: "nowhere")
        screens = []
        async with app.run_test(size=size) as pilot:
            for key, wanted in {"": lambda screen: "away" in screen, **presses}.items():
                if key:
                    await pilot.press(key.strip())
                until_s = time.monotonic() + 5.0
                while not wanted(shown(app)) and time.monotonic() < until_s:
                    await pilot.pause(0.02)
                screens.append(shown(app))
        return screens

    return asyncio.run(play())


@pytest.mark.parametrize("size", [(80, 24), (132, 43)])
def test_the_program_draws_the_recorded_runner_at_every_size(view: View, size: tuple[int, int]) -> None:
    (screen,) = played(view, size, {})
    lines = screen.splitlines()
    assert len(lines) == size[1]
    assert max(len(line) for line in lines) <= size[0]
    assert "cadence" in screen
    assert any("L" in line and "R" in line for line in lines[4:-2])
    assert "the service is away" in lines[-2]


def test_the_help_comes_and_goes_and_names_every_key(view: View) -> None:
    helps, figures = (lambda screen: "m / M" in screen), (lambda screen: "cadence" in screen)
    presses = {"?": helps, "? ": figures, " ?": helps, "escape": figures}
    first, helped, closed, again, escaped = played(view, (80, 24), presses)
    for key in ("m / M", "+ / -", "t / T", "b / B", " u ", " f ", " s ", " q "):
        assert key in helped
    assert not figures(helped)
    assert figures(first)
    assert figures(closed)
    assert figures(escaped)
    assert again.splitlines()[4:16] == helped.splitlines()[4:16]


def test_a_key_changes_nothing_while_the_service_is_away(view: View) -> None:
    first, after = played(view, (80, 24), {"+": lambda screen: "away, for 1 s" in screen})
    assert "light 50 %" in first
    assert "light 50 %" in after


def still_of(run: Run) -> Still:
    told, last = run.views[-1].told, run.last
    assert told is not None
    assert last is not None
    return Still(last.seq, last.luma, told.xy_px, told.score)


def test_a_snapshot_rings_the_dots_where_they_are_in_the_picture(run: Run) -> None:
    still = still_of(run)
    picture = drawn(still, run.views[-1])
    for k, colour in enumerate([(255, 140, 40), (0, 165, 255)] * 2):
        x, y = np.rint(still.xy_px[k]).astype(int)
        around = picture[y - 16 : y + 17, x - 16 : x + 17]
        assert (around == colour).all(axis=2).sum() > 30


def test_two_snapshots_within_a_second_are_two_files_and_nothing_is_written_over(
    run: Run, tmp_path: Path
) -> None:
    still, view = still_of(run), run.views[-1]
    names = [save(still, view, tmp_path) for _ in range(3)]
    assert len(set(names)) == 3
    assert len(list(tmp_path.iterdir())) == 3


def test_a_snapshot_for_a_folder_that_is_none_says_why(run: Run, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file") as error:
        save(still_of(run), run.views[-1], tmp_path / "nowhere")
    assert "folder" in error.value.fix


def asked(answers: Callable[[bytes], bytes], wait_s: float) -> probe.Found:
    """What the probe finds at a terminal that answers so."""
    ours, theirs = pair()

    def terminal() -> None:
        if select.select([ours], [], [], 5.0)[0]:
            time.sleep(0.01)
            os.write(ours, answers(os.read(ours, 100)))

    thread = threading.Thread(target=terminal)
    thread.start()
    try:
        return probe.ask(theirs, theirs, wait_s)
    finally:
        thread.join()
        os.close(ours)
        os.close(theirs)


def test_a_terminal_that_draws_utf8_moves_its_cursor_by_one() -> None:
    found = asked(lambda _: b"\x1b[1;2R", 5.0)
    assert found.utf8 is True
    assert found.round_s is not None
    assert 0.01 <= found.round_s < 5.0


def test_a_terminal_that_takes_bytes_for_letters_moves_it_by_two_and_typed_keys_don_t_confuse() -> None:
    assert asked(lambda _: b"qq\x1b[1;3R", 5.0).utf8 is False


def test_a_terminal_that_answers_something_else_is_taken_as_silent() -> None:
    assert asked(lambda _: b"what?", 0.05) == probe.Found(None, None)


@pytest.mark.parametrize(
    ("environment", "depth"),
    [
        ({"TERM": "xterm-256color"}, Depth.INDEXED),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Depth.TRUE),
        ({"TERM": "linux"}, Depth.NAMED),
        ({"TERM": "vt220"}, Depth.NONE),
        ({"TERM": "dumb"}, Depth.NONE),
        ({}, Depth.NONE),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, Depth.NONE),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, Depth.INDEXED),
    ],
)
def test_colours_are_what_the_environment_names(environment: dict[str, str], depth: Depth) -> None:
    assert probe.depth_of(environment) is depth


@pytest.mark.parametrize(
    ("environment", "utf8"),
    [
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "de_DE.utf8"}, True),
        ({"LANG": "C.UTF-8", "LC_ALL": "C"}, False),
        ({"LC_CTYPE": "en_US.ISO-8859-1", "LANG": "C.UTF-8"}, False),
        ({}, False),
    ],
)
def test_a_silent_terminal_is_judged_by_its_language(environment: dict[str, str], utf8: bool) -> None:
    assert probe.names_utf8(environment) is utf8
