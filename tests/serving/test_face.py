"""The bar as the service shows it: still pictures are exchanged where more is known, measurements never."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from appliance.config import Settings
from appliance.feedback.patterns import pattern
from appliance.records import Notice, Shown
from appliance.station.face import RESTS_S, SILENT_S, Face
from hw.strip.memory import MemoryStrip

SETTINGS = Settings()
LEDS = SETTINGS.strip.leds


def shown_by(rgb: np.ndarray, *, silent_s: float = 0.0, recording: bool = False) -> np.ndarray:
    strip = MemoryStrip(LEDS)
    face = Face(strip, SETTINGS)
    face.silent_s, face.recording = silent_s, recording
    for face.now_s in (5.0, 5.0 + RESTS_S):
        face.show(rgb)
    return strip.frames[-1]


def test_no_data_after_a_second_without_a_frame_is_no_camera() -> None:
    no_data = pattern(Shown.NO_DATA, SETTINGS)
    assert np.array_equal(shown_by(no_data, silent_s=SILENT_S - 0.1), no_data)
    assert np.array_equal(shown_by(no_data, silent_s=SILENT_S), pattern(Notice.NO_CAMERA, SETTINGS))


def test_standing_while_a_recording_is_kept_says_so() -> None:
    standing = pattern(Shown.STANDING, SETTINGS)
    assert np.array_equal(shown_by(standing), standing)
    assert np.array_equal(shown_by(standing, recording=True), pattern(Notice.RECORDING, SETTINGS))


def test_a_posture_that_flutters_does_not_make_the_ends_flash() -> None:
    strip = MemoryStrip(LEDS)
    face = Face(strip, SETTINGS)
    face.recording = True
    standing, other = pattern(Shown.STANDING, SETTINGS), pattern(Shown.OFF, SETTINGS)
    for k in range(100):
        face.now_s = k * RESTS_S / 2
        face.show(other if k % 2 else standing)
    assert not any(np.array_equal(rgb, pattern(Notice.RECORDING, SETTINGS)) for rgb in strip.frames)


@pytest.mark.parametrize("shown", [Shown.UNSURE_SIDES, Shown.WARMING_UP, Shown.OFF])
def test_other_pictures_stay_what_they_are(shown: Shown) -> None:
    picture = pattern(shown, SETTINGS)
    assert np.array_equal(shown_by(picture, silent_s=9.0, recording=True), picture)


@given(rgb=arrays(np.uint8, (LEDS, 3)), silent_s=st.floats(0, 10), recording=st.booleans())
def test_a_measurement_goes_through_byte_for_byte(rgb: np.ndarray, silent_s: float, recording: bool) -> None:
    stills = [pattern(Shown.NO_DATA, SETTINGS), pattern(Shown.STANDING, SETTINGS)]
    if not any(np.array_equal(rgb, still) for still in stills):
        assert np.array_equal(shown_by(rgb, silent_s=silent_s, recording=recording), rgb)
