"""A laboratory's recording of a real runner gives the same steps from any format and axes: those of its plates."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import laboratories as lab
import msgspec
import numpy as np
import pytest
from kept_visits import kept

from appliance.errors import SourceError
from appliance.exchange import even, opensim
from appliance.exchange.brought import About, Brought, brought, standing_zero
from appliance.exchange.capture import Capture, Strike
from appliance.exchange.laboratory import read
from appliance.records import F64, Side
from appliance.station.reprocess import anew
from appliance.store.store import Store
from hw.camera import trials

ABOUT = About(runner="R-014", file="run.c3d", measured_s=1.7e9, now_s=1.8e9, software="hipbar test")


def come(capture: Capture, zero_deg: float = 0.0, **asked: tuple[str, ...]) -> Brought:
    return brought(capture, asked, zero_deg, ABOUT)


def plain(runner: str = "rbds001", axes: F64 = lab.UPRIGHT) -> Capture:
    rows = lab.markers(runner, axes)
    n = len(next(iter(rows.values())))
    rate = lab.rate_hz(runner)
    return Capture(kind="C3D", rate_hz=rate, t_s=np.arange(n) / rate, markers=rows, said=("mm",))


def close(found: Brought, true: Brought) -> None:
    a, b = found.data.steps, true.data.steps
    assert len(a) == len(b)
    assert (a["right"] == b["right"]).all()
    np.testing.assert_allclose(a["contact_s"], b["contact_s"], atol=2e-4)
    np.testing.assert_allclose(a["peak_drop_deg"], b["peak_drop_deg"], atol=0.01)


@pytest.mark.parametrize("runner", ["rbds001", "rbds002"])
@pytest.mark.parametrize("write", [lab.to_c3d, lab.to_trc, lab.to_csv, lab.to_nexus])
def test_contacts_of_every_format_are_within_20_ms_of_the_force_plate(
    tmp_path: Path, runner: str, write
) -> None:  # type: ignore[no-untyped-def]
    suffix = {"to_c3d": ".c3d", "to_trc": ".trc"}.get(write.__name__, ".csv")
    file = write(tmp_path / f"run{suffix}", lab.markers(runner, names=lab.VICON), lab.rate_hz(runner))
    found = come(read(file))
    plate = trials.load(runner).steps
    steps = found.data.steps
    off = []
    for contact in plate:
        k = int(np.argmin(np.abs(steps["contact_s"] - contact.contact_s)))
        assert steps["right"][k] == (contact.stance == "right")
        off.append(steps["contact_s"][k] - contact.contact_s)
    assert np.sqrt(np.mean(np.square(off))) < 0.020
    assert np.max(np.abs(off)) < 0.040
    assert len(steps) - len(plate) in (0, 1)
    assert found.names["pelvis_left"][0].endswith("LIC")


def test_every_format_gives_the_same_steps(tmp_path: Path) -> None:
    marks, rate = lab.markers(names=lab.VICON), lab.rate_hz()
    true = come(plain())
    for file in (
        lab.to_c3d(tmp_path / "a.c3d", marks, rate), lab.to_c3d(tmp_path / "b.c3d", marks, rate, "m"),
        lab.to_trc(tmp_path / "a.trc", marks, rate), lab.to_csv(tmp_path / "a.csv", marks, rate),
        lab.to_csv(tmp_path / "b.csv", marks, rate, german=True), lab.to_nexus(tmp_path / "c.csv", marks, rate),
    ):  # fmt: skip
        close(come(read(file)), true)


def turns() -> list[F64]:
    """All 24 right-handed ways to name three axes."""
    found = []
    for order in permutations(range(3)):
        for signs in range(8):
            axes = np.zeros((3, 3))
            for k, axis in enumerate(order):
                axes[k, axis] = -1.0 if signs >> k & 1 else 1.0
            if np.linalg.det(axes) > 0:
                found.append(axes)
    return found


def test_any_axes_give_the_same_steps_and_are_named() -> None:
    true, words = come(plain()), set()
    for axes in turns():
        found = come(plain(axes=axes))
        close(found, true)
        words.add(next(line for line in found.said if line.startswith("up")))
    assert len(words) == 24
    assert "up = +Y, right = +Z" in come(plain(axes=lab.Y_UP)).said


def test_a_treadmill_that_stands_askew_is_followed_and_told() -> None:
    a = np.radians(40.0)
    turned = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    found, true = come(plain(axes=turned)), come(plain())
    assert any("right = 4" in line and "the runner's own" in line for line in found.said)
    apart = found.data.steps["peak_drop_deg"] - true.data.steps["peak_drop_deg"]
    assert np.abs(apart).max() < 0.5
    assert (found.data.steps["right"] == true.data.steps["right"]).all()


def test_mirrored_axes_are_refused() -> None:
    with pytest.raises(SourceError, match="moves forward under the pelvis"):
        come(plain(axes=np.diag([1.0, -1.0, 1.0])))


def test_exchanged_sides_are_refused() -> None:
    other = {"left": "right", "right": "left"}
    rows = lab.markers()
    exchanged = {name: rows[name.replace(name.split("_")[0], other[name.split("_")[0]], 1)] for name in rows}
    capture = plain()
    with pytest.raises(SourceError, match="left and right markers are exchanged"):
        come(Capture(kind="C3D", rate_hz=150.0, t_s=capture.t_s, markers=exchanged, said=("mm",)))


def test_the_standing_trial_gives_the_zero_of_the_same_markers(tmp_path: Path) -> None:
    file = lab.to_c3d(tmp_path / "static.c3d", lab.standing("ric", frames=5), 100.0)
    zero_deg, words = standing_zero(read(file), {})
    place = trials.load("ric").standing
    rise, across = (place["plate_right"][k] - place["plate_left"][k] for k in (2, 0))
    assert zero_deg == pytest.approx(np.degrees(np.arctan2(rise, across)), abs=0.01)
    assert words == f"standing zero {zero_deg:+.2f} deg from 5 frames"
    level, tilted = come(plain("ric"), zero_deg), come(plain("ric"))
    left = level.data.steps["right"] == 0
    by_deg = tilted.data.steps["peak_drop_deg"] - level.data.steps["peak_drop_deg"]
    np.testing.assert_allclose(by_deg[left], -zero_deg, atol=1e-6)
    np.testing.assert_allclose(by_deg[~left], zero_deg, atol=1e-6)


def test_somebody_who_runs_is_no_standing_trial() -> None:
    with pytest.raises(SourceError, match="nobody stands still"):
        standing_zero(plain(), {})


def test_markers_can_be_named_by_hand_and_several_are_averaged() -> None:
    found = come(
        plain(),
        pelvis_left=("left_psis", "left_iliac_crest"),
        pelvis_right=("RIGHT.PSIS", "right_iliac_crest"),
    )
    assert found.names["pelvis_right"] == ("right_psis", "right_iliac_crest")
    assert "pelvis left: left_psis + left_iliac_crest" in found.said
    assert len(found.data.steps) == len(come(plain()).data.steps)


@pytest.mark.parametrize(
    ("asked", "why", "fix"),
    [
        ({"left_heel": ("left_hel",)}, "no marker `left_hel`", "did you mean `left_heel`"),
        ({"left_heel": ("right_heel",)}, "can't be both the left heel and the right heel", "own markers"),
    ],
)
def test_a_marker_that_can_t_be_is_refused(asked: dict[str, tuple[str, ...]], why: str, fix: str) -> None:
    with pytest.raises(SourceError, match=why) as told:
        come(plain(), **asked)
    assert fix in told.value.fix


def test_a_file_without_heels_says_which_markers_it_has() -> None:
    capture = plain()
    rows = {name: at for name, at in capture.markers.items() if "heel" not in name}
    with pytest.raises(SourceError, match="known as the left heel") as told:
        come(Capture(kind="C3D", rate_hz=150.0, t_s=capture.t_s, markers=rows))
    assert "--left-heel" in told.value.fix
    assert "left_psis" in told.value.fix


def test_two_people_in_one_file_are_not_guessed_between() -> None:
    capture = plain()
    rows = {f"{who}:{name}": at for who in ("Anna", "Ben") for name, at in capture.markers.items()}
    capture = Capture(kind="C3D", rate_hz=150.0, t_s=capture.t_s, markers=rows, said=("mm",))
    with pytest.raises(SourceError, match="several people"):
        come(capture)
    names = {"pelvis_left": "left_iliac_crest", "pelvis_right": "right_iliac_crest", "left_heel": "left_heel",
             "right_heel": "right_heel"}  # fmt: skip
    assert come(capture, **{mark: (f"Ben:{name}",) for mark, name in names.items()}).data.steps.size


def test_a_thousand_frames_a_second_are_averaged_down_and_give_the_same_steps() -> None:
    capture, true = plain("rbds002"), come(plain("rbds002"))
    t_s = np.arange(0.0, capture.t_s[-1], 1e-3)
    rows = {
        name: np.column_stack([np.interp(t_s, capture.t_s, at[:, k]) for k in range(3)])
        for name, at in capture.markers.items()
    }
    found = come(Capture(kind="C3D", rate_hz=1000.0, t_s=t_s, markers=rows, said=("mm",)))
    assert 245 < 1 / np.median(np.diff(found.trace[0][1]["t_s"])) < 251
    a, b = found.data.steps, true.data.steps
    assert len(a) == len(b)
    assert np.abs(a["contact_s"] - b["contact_s"]).max() < 0.010
    assert np.abs(a["peak_drop_deg"] - b["peak_drop_deg"]).max() < 0.15


@pytest.mark.parametrize(
    ("rate", "frames", "why"), [(50.0, 1000, "too few for steps"), (150.0, 200, "1.3 s long")]
)
def test_what_is_too_slow_or_too_short_is_refused(rate: float, frames: int, why: str) -> None:
    rows = {name: at[:frames] for name, at in plain().markers.items()}
    with pytest.raises(SourceError, match=why):
        come(Capture(kind="C3D", rate_hz=rate, t_s=np.arange(frames) / rate, markers=rows, said=("mm",)))


def test_a_recording_of_somebody_who_stands_has_no_steps() -> None:
    rows = lab.standing(frames=900)
    with pytest.raises(SourceError, match="nobody runs"):
        come(Capture(kind="C3D", rate_hz=150.0, t_s=np.arange(900) / 150.0, markers=rows, said=("mm",)))


def test_a_pelvis_marker_that_vanishes_for_a_second_costs_its_peaks_and_invents_no_step() -> None:
    capture = plain()
    rows = {name: at.copy() for name, at in capture.markers.items()}
    rows["left_iliac_crest"][1500:1650] = np.nan
    hidden = come(Capture(kind="C3D", rate_hz=150.0, t_s=capture.t_s, markers=rows, said=("mm",)))
    found, true = hidden.data.steps, come(capture).data.steps
    nearest = [int(np.argmin(np.abs(true["contact_s"] - at_s))) for at_s in found["contact_s"]]
    assert np.abs(found["contact_s"] - true["contact_s"][nearest]).max() < 0.025
    assert (found["right"] == true["right"][nearest]).all()
    unknown = np.isnan(found["peak_drop_deg"])
    assert 2 <= unknown.sum() + len(true) - len(found) <= 5
    peaks = found["peak_drop_deg"] - true["peak_drop_deg"][nearest]
    assert np.abs(peaks[~unknown]).max() < 0.1


def test_our_own_export_comes_back_as_the_same_run(tmp_path: Path) -> None:
    visit = kept(whole=True)
    grid = even.even(visit.data, visit.chunks, 250.0)
    opensim.write_trc(tmp_path / "ours.trc", grid)
    found = come(read(tmp_path / "ours.trc"))
    a, b = found.data.steps, visit.data.steps
    assert len(a) == len(b)
    np.testing.assert_allclose(a["contact_s"] + grid.t_s[0], b["contact_s"], atol=0.002)
    np.testing.assert_allclose(a["peak_drop_deg"], b["peak_drop_deg"], atol=0.05)


def test_an_imported_visit_is_reprocessed_to_the_same_steps_bit_for_bit(tmp_path: Path) -> None:
    found = come(plain())
    with Store.open(tmp_path, make=True) as store:
        store.add_runner("R-014", "", 1.8e9)
        visit = store.put_visit(found.data, found.trace)
        again = store.placed(visit, anew(store.data(visit), store.trace(visit)))
        assert again.tobytes() == store.data(visit).steps.tobytes() == found.data.steps.tobytes()


@pytest.mark.parametrize("start_s", [0.0, 12.5])
def test_the_laboratory_s_own_foot_strikes_are_held_against_ours(start_s: float) -> None:
    """A recording that was cut has its events on the clock of its frames, or on that of the whole recording."""
    strikes = tuple(Strike(c.stance, c.contact_s + start_s) for c in trials.load("rbds002").steps)
    found = come(msgspec.structs.replace(plain("rbds002"), strikes=strikes, start_s=start_s))
    own = "74 of the laboratory's own 74 foot strikes are steps of ours"
    assert f"{own}: contacts 9.2 ms later, SD 4.8 ms" in found.said
    all_left = tuple(Strike(Side.LEFT, c.contact_s) for c in trials.load("rbds002").steps)
    found = come(msgspec.structs.replace(plain("rbds002"), strikes=all_left))
    assert any(line.startswith("37 of the laboratory's own 74") for line in found.said)


def test_markers_of_one_name_are_kept_apart_and_not_guessed_between(tmp_path: Path) -> None:
    import ezc3d

    marks = lab.markers(names=lab.VICON)
    path = lab.to_c3d(tmp_path / "a.c3d", marks | {"LHEE2": marks["LHEE"]}, 150.0)
    file = ezc3d.c3d(str(path))
    file["parameters"]["POINT"]["LABELS"]["value"] = [*marks, "LHEE"]
    file.write(str(path))
    capture = read(path)
    assert [name for name in capture.markers if "LHEE" in name] == ["LHEE", "#7:LHEE"]
    with pytest.raises(SourceError, match="several people are in the file: LHEE, #7:LHEE"):
        come(capture)


def test_more_frames_than_16_bits_count_are_all_read(tmp_path: Path) -> None:
    """As ezc3d writes them: no count in the file is right, and its size is."""
    rows = {
        name: np.tile(at, (16, 1))[:70001]
        for name, at in lab.markers("rbds001").items()
        if name == "left_psis"
    }
    capture = read(lab.to_c3d(tmp_path / "long.c3d", rows, 200.0))
    assert len(capture.t_s) == 70001
    np.testing.assert_allclose(capture.markers["left_psis"][-1], rows["left_psis"][-1], atol=1e-6)


def test_a_marker_that_was_never_seen_is_not_taken() -> None:
    capture = plain()
    rows = capture.markers | {"left_iliac_crest": np.full((len(capture.t_s), 3), np.nan)}
    capture = msgspec.structs.replace(capture, markers=rows)
    assert come(capture).names["pelvis_left"] == ("left_psis",)
    with pytest.raises(SourceError, match="`left_iliac_crest` is not seen in a single frame"):
        come(capture, pelvis_left=("left_iliac_crest",), pelvis_right=("right_iliac_crest",))
