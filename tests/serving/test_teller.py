"""The watchman beside the loop: what it takes for a hang, for a process that grew, and for a card that hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import CameraLost, SourceError, StripLost
from appliance.records import Frame, Light, Notice
from appliance.station.sentinel import FIRST_S, STUCK_S, Beat, BeatingCamera
from appliance.station.service import Facts, signs_of
from appliance.station.status import Machine, read_status
from appliance.station.teller import Teller


def telling(folder: Path, beat: Beat, stuck: list[float], **more: float) -> closing[Teller]:
    return closing(Teller(folder, "hipbar 0", beat, Facts(), Machine, stuck.append, dict, 1.0, **more))


def test_a_process_that_was_born_too_big_is_not_ended_for_it(tmp_path: Path) -> None:
    with telling(tmp_path, Beat(), []) as teller:
        assert not teller.too_big
        assert not teller.far_too_big


def test_a_process_that_grew_too_big_is_asked_to_end_and_says_so(tmp_path: Path) -> None:
    with telling(tmp_path, Beat(), [], grows_s=0.0) as teller:
        assert teller.too_big
        assert teller.far_too_big
    status = read_status(tmp_path)
    assert status is not None
    assert "memory beyond 1 MB" in status.troubles[-1]


def test_a_job_that_hangs_on_the_card_keeps_neither_the_status_nor_the_end_waiting(tmp_path: Path) -> None:
    card, began = threading.Event(), threading.Event()
    with telling(tmp_path, Beat(), []) as teller:
        teller.later(lambda: (began.set(), card.wait())[0])
        assert began.wait(20)
        first = read_status(tmp_path)
        until_s = time.monotonic() + 20
        while (now := read_status(tmp_path)) is None or first is None or now.written_s == first.written_s:
            assert time.monotonic() < until_s
            time.sleep(0.05)
    status = read_status(tmp_path)
    assert status is not None
    assert status.state == Light.OFF
    card.set()


def test_a_job_that_fails_is_a_line_in_the_log_and_what_waits_is_done_before_the_end(tmp_path: Path) -> None:
    done = threading.Event()

    def fails() -> None:
        raise ValueError("nobody expects this")

    with telling(tmp_path, Beat(), []) as teller:
        teller.later(fails)
        teller.later(done.set)
    assert done.is_set()


def test_a_camera_that_hangs_before_its_first_frame_is_noticed_after_longer_patience() -> None:
    beat, now_s = Beat(), 100.0

    class Hangs:
        def now_s(self) -> float:
            return now_s

        def frames(self) -> Iterator[Frame | None]:
            assert beat.stuck_s(now_s + STUCK_S) == 0.0
            assert beat.stuck_s(now_s + FIRST_S) == pytest.approx(FIRST_S)
            yield None

    assert next(BeatingCamera(Hangs(), beat, lambda: now_s).frames()) is None


@pytest.mark.parametrize("error", [StripLost, SourceError])
def test_only_a_lost_camera_is_called_one(error: type[StripLost | SourceError]) -> None:
    assert signs_of(CameraLost("gone", fix="")) == (Light.NO_CAMERA, Notice.NO_CAMERA)
    assert signs_of(error("gone", fix="")) == (Light.FAULT, Notice.FAULT)
