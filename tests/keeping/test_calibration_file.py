"""The station's own calibration: kept revision by revision, never lost, never half there, never of another lens."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.commands.options import as_built
from appliance.config import Settings, laid, parse
from appliance.errors import CalibrationError
from appliance.station.calibration import (
    FILE,
    STEPS,
    Calibration,
    committed,
    gone_back,
    mode_of,
    read_calibration,
    sides_proved,
    write_calibration,
)
from tests.calibrated import prove_sides

PLAIN = Settings()
VALUES = {
    "aim": {"lens.yaw_deg": st.floats(-5, 5)},
    "light": {"camera.exposure_us": st.floats(100, 5000), "sight.contrast": st.integers(0, 250)},
    "lens": {"lens.fx_px": st.floats(300, 2000), "lens.k1": st.floats(-0.3, 0.3)},
    "level": {"lens.roll_deg": st.floats(-5, 5)},
    "zero": {"motion.zero_deg": st.floats(-5, 5)},
    "strip": {"strip.leds": st.integers(4, 300), "strip.brightness": st.floats(0.1, 1)},
    "sides": {"camera.mirror": st.booleans(), "strip.reversed": st.booleans()},
    "latency": {"feedback.predict_ms": st.floats(0, 100)},
}


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, dict[str, object]] | int]:
    """Steps with what they found, and now and then a revision to go back to."""
    made: list[tuple[str, dict[str, object]] | int] = []
    for k in range(draw(st.integers(1, 12))):
        if k and draw(st.integers(0, 4)) == 0:
            made.append(draw(st.integers(0, k)))
        else:
            step = draw(st.sampled_from(sorted(STEPS)))
            made.append((step, {key: draw(values) for key, values in VALUES[step].items()}))
    return made


def grown(history: list[tuple[str, dict[str, object]] | int]) -> list[tuple[Calibration, dict[str, object]]]:
    """The calibration after each, and what the plain way says is in force: a dict for each revision."""
    calibration, plain = Calibration(), [dict[str, object]()]
    states = []
    for act in history:
        if isinstance(act, int):
            calibration = gone_back(calibration, act, now_s=0.0)
            plain.append(plain[act])
        else:
            calibration = committed(calibration, PLAIN, act[0], act[1], {}, now_s=0.0)
            plain.append({**plain[-1], **act[1]})
        states.append((calibration, plain[-1]))
    return states


@given(histories())
def test_what_is_in_force_is_what_the_steps_said_in_order_and_going_back_is_exact(history: list) -> None:
    for number, (calibration, plain) in enumerate(grown(history), 1):
        assert calibration.over(PLAIN) == plain
        assert calibration.current is not None
        assert calibration.current.number == number


@given(histories())
def test_the_revision_named_as_the_origin_is_the_one_that_gave_the_value(history: list) -> None:
    calibration, plain = grown(history)[-1]
    for key, value in plain.items():
        made = calibration.made_by(key, PLAIN)
        assert made is not None
        assert Calibration(calibration.revisions[: made.number]).over(PLAIN)[key] == value
        assert Calibration(calibration.revisions[: made.number - 1]).over(PLAIN).get(key) != value


@given(history=histories(), at=st.floats(0, 1, exclude_max=True), flipped=st.integers(0, 7))
def test_a_file_with_one_flipped_bit_is_refused_or_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, history: list, at: float, flipped: int
) -> None:
    folder = tmp_path_factory.mktemp("state")
    calibration = grown(history)[-1][0]
    write_calibration(folder, calibration)
    assert read_calibration(folder) == calibration
    data = bytearray((folder / FILE).read_bytes())
    data[int(at * len(data))] ^= 1 << flipped
    (folder / FILE).write_bytes(data)
    with contextlib.suppress(CalibrationError):
        assert read_calibration(folder) == calibration  # a blank that became another blank


def test_a_lens_is_of_one_sensor_mode_and_does_not_count_in_another() -> None:
    small, large = parse("[camera]\nwidth_px = 640"), parse("[camera]\nwidth_px = 1280")
    one = committed(Calibration(), small, "lens", {"lens.fx_px": 600.0}, {})
    both = committed(one, large, "lens", {"lens.fx_px": 1200.0}, {})
    assert mode_of(small) != mode_of(large)
    assert one.over(large) == {}
    assert both.over(small) == {"lens.fx_px": 600.0}
    assert both.over(large) == {"lens.fx_px": 1200.0}


@pytest.mark.parametrize(
    ("key", "value"),
    [("camera.mirror", True), ("strip.reversed", True), ("feedback.swap", True), ("strip.leds", 31)],
)
def test_sides_are_proved_for_the_wires_and_the_mount_that_were_there_and_no_others(
    key: str, value: object
) -> None:
    calibration = committed(Calibration(), PLAIN, "sides", {}, {}, proves_sides=True)
    assert sides_proved(calibration, PLAIN)
    assert not sides_proved(calibration, laid(PLAIN, {key: value}))
    assert sides_proved(calibration, laid(PLAIN, {"feedback.mode": "box", "strip.brightness": 0.1}))
    assert not sides_proved(gone_back(calibration, 0), PLAIN)


def test_a_step_may_set_only_what_is_its_own() -> None:
    with pytest.raises(CalibrationError, match="not its to set"):
        committed(Calibration(), PLAIN, "zero", {"camera.mirror": True}, {})
    with pytest.raises(CalibrationError, match="no step"):
        committed(Calibration(), PLAIN, "magic", {}, {})


def test_a_damaged_file_is_put_aside_and_a_newer_one_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    write_calibration(tmp_path, committed(Calibration(), PLAIN, "zero", {"motion.zero_deg": 1.0}, {}))
    assert [path.read_text() for path in tmp_path.glob("*.damaged-*")] == ["{"]
    (tmp_path / FILE).write_text('{"format": "hipbar-calibration", "version": 99}')
    with pytest.raises(CalibrationError, match="newer"):
        write_calibration(tmp_path, Calibration())
    assert "99" in (tmp_path / FILE).read_text()


def test_a_revision_that_never_was_can_not_be_gone_back_to() -> None:
    with pytest.raises(CalibrationError, match="no revision 7"):
        gone_back(Calibration(), 7)


def test_a_person_s_own_run_uses_the_calibration_too_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIPBAR_STATE", str(tmp_path))
    file = tmp_path / "station.toml"
    file.write_text("[strip]\nleds = 20\n")
    prove_sides(tmp_path, parse(file.read_text()))
    write_calibration(
        tmp_path,
        committed(read_calibration(tmp_path), PLAIN, "sides", {"camera.mirror": True}, {}, proves_sides=True),
    )
    assert as_built(file).camera.mirror
    assert as_built(file).strip.leds == 20
    (tmp_path / FILE).write_text("gone")
    assert not as_built(file).camera.mirror
    assert "damaged" in capsys.readouterr().err
    assert as_built(None) == PLAIN
