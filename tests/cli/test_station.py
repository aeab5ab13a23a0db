"""The station and the demo as processes: light before anything else, a clean end whenever asked, nothing lost."""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from appliance.commands.run import _Visit
from appliance.commands.stop import Stop
from appliance.config import parse
from appliance.errors import CameraLost, HipbarError, OutputError, StripLost
from appliance.feedback.patterns import pattern
from appliance.pipeline import Pipeline
from appliance.records import Frame, Light, Press, PressKind, Shown
from appliance.station.books import Chunk
from appliance.station.loop import Ledger, warmed, watch
from appliance.station.post import Post
from appliance.station.standing import standing_zero
from appliance.station.tally import Tally
from hw.camera.scene import Scene
from hw.camera.virtual import VirtualCamera
from hw.strip.memory import MemoryStrip
from tests.cli.conftest import Hipbar, started

SETTINGS = parse('strip.kind = "memory"')


class Stuttering:
    """A camera that stops giving frames for a while, or for good."""

    def __init__(self, frames: int, silence: int, *, dies: bool = False) -> None:
        self._camera = VirtualCamera(Scene(duration_s=frames / 120))
        self._silence, self._dies = silence, dies
        self._now_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    def frames(self) -> Iterator[Frame | None]:
        for frame in self._camera.frames():
            assert frame
            self._now_s = frame.t_s
            yield frame
        for _ in range(self._silence):
            self._now_s += 0.05
            yield None
        if self._dies:
            raise CameraLost("no frame for 2.0 s", fix="reseat the cable")


def _strip() -> MemoryStrip:
    return MemoryStrip(SETTINGS.strip.leds)


class Watched:
    """A panel whose light is written down and whose button is pressed when the script says so."""

    def __init__(self, presses: dict[int, PressKind] | None = None) -> None:
        self.lights: list[Light] = []
        self._presses = presses or {}

    def say(self, light: Light) -> None:
        self.lights.append(light)

    def presses(self) -> tuple[Press, ...]:
        kind = self._presses.get(len(self.lights))
        return (Press(kind, 1.0, 0.2),) if kind else ()


def ledger(tally: Tally, *files: object) -> Ledger:
    return Ledger(tally, files, SETTINGS.strip.leds, frames=10)  # type: ignore[arg-type]


def test_a_camera_that_falls_silent_leaves_no_old_figure_on_the_bar() -> None:
    strip, tally = MemoryStrip(SETTINGS.strip.leds), Tally(0.0)
    watch(Stuttering(120, 8), strip, Pipeline(SETTINGS), ledger(tally), Post(Watched()), lambda: False)
    assert strip.count == 128
    assert np.array_equal(strip.frames[-1], pattern(Shown.NO_DATA, SETTINGS))
    assert np.array_equal(strip.frames[121], pattern(Shown.NO_DATA, SETTINGS)), "within 0.1 s"


def test_the_status_light_says_what_the_station_does() -> None:
    panel = Watched()
    watch(Stuttering(360, 4), _strip(), Pipeline(SETTINGS), ledger(Tally(0.0)), Post(panel), lambda: False)
    order = [light for k, light in enumerate(panel.lights) if k == 0 or light is not panel.lights[k - 1]]
    assert order[-3:] == [Light.READY, Light.RUNNING, Light.NO_CAMERA]
    assert panel.lights[-4] is Light.RUNNING, "one late frame is no fault"


def test_recording_is_told_apart_on_the_status_light() -> None:
    panel = Watched()
    post = Post(panel, recording=True)
    watch(Stuttering(360, 0), _strip(), Pipeline(SETTINGS), ledger(Tally(0.0)), post, lambda: False)
    assert panel.lights[-1] is Light.RECORDING


def test_a_very_long_press_stops_the_station_and_a_short_one_does_not() -> None:
    tally = Tally(0.0)
    kept = ledger(tally)
    panel = Watched({20: PressKind.SHORT, 50: PressKind.VERY_LONG})
    watch(Stuttering(120, 0), _strip(), Pipeline(SETTINGS), kept, Post(panel), lambda: False)
    kept.flush()
    assert tally.frames == 50


def test_what_lasts_is_logged_once_and_what_flickers_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="hipbar.station")
    watch(
        Stuttering(480, 30), _strip(), Pipeline(SETTINGS), ledger(Tally(0.0)), Post(Watched()), lambda: False
    )
    assert [r.getMessage() for r in caplog.records] == ["measuring", "no frames: the bar says no data"]


def test_a_camera_that_dies_ends_the_loop_with_its_own_error() -> None:
    strip, tally = MemoryStrip(SETTINGS.strip.leds), Tally(0.0)
    kept = ledger(tally)
    with pytest.raises(CameraLost):
        watch(Stuttering(15, 1, dies=True), strip, Pipeline(SETTINGS), kept, Post(Watched()), lambda: False)
    kept.flush()
    assert tally.frames == 15, "what was waiting is in the books"


def test_a_lost_bar_is_a_fault_and_a_lost_camera_is_no_camera_on_the_status_light() -> None:
    for lost, light in ((StripLost, Light.FAULT), (CameraLost, Light.NO_CAMERA)):
        panel, strip = Watched(), _strip()

        def see(kind: type[HipbarError] = lost) -> None:
            raise kind("gone", fix="look")

        rig = SimpleNamespace(panel=panel, strip=strip, see=see)
        visit = _Visit(SETTINGS, {}, Stop(None))
        with pytest.raises(lost):
            visit.light(rig)  # type: ignore[arg-type]
        assert panel.lights == [light]
        assert (strip.frames[-1] == pattern(Shown.NO_DATA, SETTINGS)).all()


def test_a_full_disk_does_not_put_out_the_light() -> None:
    class Full:
        def keep(self, _: Chunk) -> None:
            raise OutputError("disk: full", fix="make room")

        def close(self) -> None: ...

    strip, tally = MemoryStrip(SETTINGS.strip.leds), Tally(0.0)
    kept = ledger(tally, Full())
    watch(Stuttering(60, 0), strip, Pipeline(SETTINGS), kept, Post(Watched()), lambda: False)
    assert strip.count == tally.frames == 60
    assert str(kept.trouble) == "disk: full"


def test_the_standing_zero_is_the_tilt_of_the_marks_standing_still() -> None:
    camera = VirtualCamera(Scene(runner="ric", stand_s=1.5, duration_s=2.0))
    strip = MemoryStrip(SETTINGS.strip.leds)
    zero = standing_zero(camera.frames(), camera, strip, Pipeline(SETTINGS), seconds=1.0, stop=lambda: False)
    assert zero == pytest.approx(camera.standing_deg, abs=0.1)


def test_too_little_standing_is_no_zero() -> None:
    camera = VirtualCamera(Scene(stand_s=0.3, duration_s=0.3))
    strip = MemoryStrip(SETTINGS.strip.leds)
    assert (
        standing_zero(camera.frames(), camera, strip, Pipeline(SETTINGS), seconds=1.0, stop=lambda: False)
        is None
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_station_cleanly(tmp_path: Path, how: signal.Signals) -> None:
    path = tmp_path / "visit.hbk"
    process = started("run", "--record", path, bufsize=0)
    assert process.stdout
    dark = 0
    while dark < 3:  # the bar is a line a second when nobody has a terminal: some of running first
        dark += bool(process.stdout.readline())
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    bar = [line for line in out.splitlines() if line.startswith("[")][-1]
    assert set(bar) <= set("[ ]"), "the bar goes dark"
    assert "asymmetry" in out
    again = started("replay", path, "--json").communicate(timeout=60)[0]
    assert json.loads(again)["frames"] == int(re.findall(r"frames +([\d,]+)", out)[0].replace(",", ""))


def test_a_signal_during_the_warm_up_stops_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cold")}
    process = started("run", env=environment, bufsize=0)
    assert process.stdout
    assert process.stdout.readline()
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert set(out.strip().splitlines()[-1]) <= set("[ ]")


def test_warming_up_is_shown_before_compiled_code_is_loaded(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cold")}
    began_s = time.monotonic()
    process = started("run", env=environment, bufsize=0)
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], 10)
    lit_s = time.monotonic() - began_s
    assert ready
    line = process.stdout.readline()
    process.terminate()
    process.communicate(timeout=60)
    assert line.startswith("[")
    assert set(line.strip()) - set("[ ]"), "something is lit"
    assert lit_s < 2.0, "0.3 s alone on a quiet machine"


def test_a_cache_folder_that_can_not_be_written_costs_time_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "file")}
    process = started("run", "--seconds", "0.3", env=environment)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "frames" in out
    assert "Traceback" not in err


def test_the_station_runs_without_a_settings_file_for_as_long_as_it_is_told(hipbar: Hipbar) -> None:
    said = hipbar("run", "--seconds", "1")
    assert said.code == 0
    frames = int(re.findall(r"frames +([\d,]+)", said.out)[0])
    assert 60 <= frames <= 121


def test_a_station_whose_disk_is_full_says_so_at_the_end(hipbar: Hipbar, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('strip.kind = "none"\n')
    said = hipbar("run", "--seconds", "0.5", "--record", "/dev/full", "--config", tmp_path / "s.toml")
    assert said.code == 4
    assert "No space left" in said.err


@pytest.mark.parametrize("runner", ["rbds001", "ric"])
def test_the_demo_ends_with_a_summary_of_a_runner_who_really_ran(hipbar: Hipbar, runner: str) -> None:
    said = hipbar("demo", "--runner", runner, "--json", "--seconds", "6")
    assert said.code == 0, said.err
    assert said.err == ""
    summary = json.loads(said.out)
    assert summary["runner"] == runner
    assert summary["frames"] + summary["lost_frames"] > 500
    assert summary["zero_deg"] == pytest.approx(VirtualCamera(Scene(runner=runner)).standing_deg, abs=0.1)
    assert summary["latency_us"]["p50"] > 0
    if summary["lost_frames"] < 0.1 * summary["frames"]:  # a machine that does other things misses steps too
        assert min(summary["left_stance"]["steps"], summary["right_stance"]["steps"]) >= 4
        assert 120 < summary["cadence_spm"] < 200


def test_the_demo_without_a_terminal_draws_nothing(hipbar: Hipbar) -> None:
    said = hipbar("demo", "--seconds", "1", "--no-display")
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "asymmetry" in said.out


def test_warming_freezes_what_there_is() -> None:
    before = gc.get_freeze_count()
    pipeline = warmed(SETTINGS)
    assert gc.get_freeze_count() > before
    gc.unfreeze()
    assert pipeline.guard_acts == 0


def test_the_memory_of_the_loop_does_not_grow() -> None:
    class Endless:
        """The same half second of pictures again and again, in ever new time."""

        def __init__(self, laps: int) -> None:
            self._pictures = [f.luma for f in VirtualCamera(Scene(duration_s=0.5)).frames() if f]
            self._laps = laps

        def now_s(self) -> float:
            return 0.0

        def frames(self) -> Iterator[Frame | None]:
            for seq in range(self._laps * len(self._pictures)):
                yield Frame(seq, seq / 120, self._pictures[seq % len(self._pictures)])

    pipeline, strip, tally = Pipeline(SETTINGS), MemoryStrip(SETTINGS.strip.leds, keep=10), Tally(0.0)
    kept = ledger(tally)
    watch(Endless(20), strip, pipeline, kept, Post(Watched()), lambda: False)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipeline = Pipeline(SETTINGS)
    watch(Endless(300), strip, pipeline, kept, Post(Watched()), lambda: False)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 2048 + 20_000
