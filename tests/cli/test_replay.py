"""Replay through the real command line: a runner's video becomes files, and its recording the very same files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from appliance.station.recording import Recorder, Recording
from hw.camera import trials
from tests.cli.conftest import Hipbar, rows_of

KINDS = {"--steps": "s.jsonl", "--frames": "f.csv", "--bar": "b.csv"}


def outputs(folder: Path) -> list[object]:
    folder.mkdir(exist_ok=True)
    return [word for option, name in KINDS.items() for word in (option, folder / name)]


def read(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in KINDS.values()}


def steps_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_recorded_runner_s_steps_are_found_on_the_right_sides(
    hipbar: Hipbar, video: Path, tmp_path: Path
) -> None:
    said = hipbar("replay", video, *outputs(tmp_path))
    assert said.code == 0, said.err
    plates = [c for c in trials.load("rbds001").steps if 0.3 < c.contact_s < 5.4]
    found = steps_of(tmp_path / "s.jsonl")
    for plate in plates:
        step = min(found, key=lambda s: abs(s["contact_s"] - plate.contact_s))
        assert abs(step["contact_s"] - plate.contact_s) < 0.06
        assert step["stance"] == plate.stance.value
    assert all(step["off_s"] <= step["decided_s"] <= step["off_s"] + 0.12 for step in found)


def test_frames_and_light_have_a_row_for_every_frame(hipbar: Hipbar, video: Path, tmp_path: Path) -> None:
    assert hipbar("replay", video, *outputs(tmp_path)).code == 0
    frames = rows_of(tmp_path / "f.csv")
    light = rows_of(tmp_path / "b.csv")
    assert len(frames) == len(light) == 720
    assert [row["t_s"] for row in frames] == [row["t_s"] for row in light]
    assert float(frames[1]["t_s"]) == pytest.approx(1 / 120)
    assert {len(row["leds"].split()) for row in light} == {32}


def test_two_runs_write_the_same_bytes(hipbar: Hipbar, video: Path, tmp_path: Path) -> None:
    said = [hipbar("replay", video, *outputs(tmp_path / name), "--json") for name in ("one", "two")]
    assert read(tmp_path / "one") == read(tmp_path / "two")
    assert said[0].out == said[1].out


def test_a_recording_replays_to_the_same_bytes_as_its_video(
    hipbar: Hipbar, video: Path, recording: Path, tmp_path: Path
) -> None:
    assert hipbar("replay", video, *outputs(tmp_path / "video")).code == 0
    assert (
        hipbar("replay", recording, *outputs(tmp_path / "again"), "--record", tmp_path / "copy.hbk").code == 0
    )
    assert hipbar("replay", tmp_path / "copy.hbk", *outputs(tmp_path / "copy")).code == 0
    assert read(tmp_path / "video") == read(tmp_path / "again") == read(tmp_path / "copy")


def test_the_standing_zero_is_subtracted_from_every_angle(
    hipbar: Hipbar, recording: Path, tmp_path: Path
) -> None:
    assert (
        hipbar("replay", recording, "--frames", tmp_path / "0.csv", "--steps", tmp_path / "0.jsonl").code == 0
    )
    words = ("--frames", tmp_path / "1.csv", "--steps", tmp_path / "1.jsonl", "--zero-deg", 1.5)
    assert hipbar("replay", recording, *words).code == 0
    before, after = ([float(r["obliquity_deg"]) for r in rows_of(tmp_path / n)] for n in ("0.csv", "1.csv"))
    assert np.subtract(before, after) == pytest.approx(1.5, abs=1e-9)
    for old, new in zip(steps_of(tmp_path / "0.jsonl"), steps_of(tmp_path / "1.jsonl"), strict=True):
        change = -1.5 if old["stance"] == "right" else 1.5
        assert new["peak_drop_deg"] - old["peak_drop_deg"] == pytest.approx(change, abs=1e-9)


def test_json_is_one_object_on_standard_output_and_remarks_go_elsewhere(
    hipbar: Hipbar, recording: Path
) -> None:
    said = hipbar("replay", recording, "--json")
    summary = json.loads(said.out)
    assert summary["frames"] == 720
    assert summary["lost_frames"] == 0
    assert summary["left_stance"]["drops"] == "right"
    assert summary["asymmetry_deg"] == pytest.approx(
        summary["right_stance"]["peak_drop_deg"] - summary["left_stance"]["peak_drop_deg"]
    )
    assert "frames/s" in said.err
    assert len(said.err.splitlines()) == 1, "a progress bar belongs on terminals only"


def test_a_settings_file_turns_the_picture_of_a_recording(
    hipbar: Hipbar, recording: Path, tmp_path: Path
) -> None:
    (tmp_path / "s.toml").write_text("[camera]\nmirror = true\n")
    assert hipbar("replay", recording, "--frames", tmp_path / "0.csv").code == 0
    hipbar("replay", recording, "--frames", tmp_path / "1.csv", "--config", tmp_path / "s.toml")
    plain, mirrored = (rows_of(tmp_path / n)[0] for n in ("0.csv", "1.csv"))
    assert plain["pelvis_left_x_px"] == mirrored["pelvis_left_x_px"], "what was seen stays as it was seen"
    assert plain["obliquity_deg"] != mirrored["obliquity_deg"]


def test_keypoints_replay_at_a_hundred_thousand_frames_a_second(
    hipbar: Hipbar, recording: Path, tmp_path: Path
) -> None:
    source = Recording(recording)
    track = np.concatenate(list(source.tracks()))
    source.close()
    recorder = Recorder(tmp_path / "long.hbk", source.header)
    for lap in range(150):
        later = track.copy()
        later["seq"] += lap * len(track)
        later["t_s"] += lap * len(track) / 120
        recorder.keep(later)
    recorder.close()
    said = hipbar("replay", tmp_path / "long.hbk", "--steps", tmp_path / "s.jsonl", "--json")
    assert said.code == 0
    speed = float(said.err.split(": ")[1].split(" ")[0].replace(",", ""))
    assert json.loads(said.out)["frames"] == 108_000
    assert speed >= 100_000, said.err
