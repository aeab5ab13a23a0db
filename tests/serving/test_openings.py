"""The running service through its openings: whatever comes in, and when, the bar goes on and shows no wrong side."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.commands import serve
from appliance.commands.stop import Stop
from appliance.errors import HipbarError, ServiceDown, StripLost
from appliance.feedback.patterns import pattern
from appliance.records import Notice, Shown
from appliance.station.calibration import FILE, read_calibration
from appliance.station.client import Link
from appliance.station.hatch import Hatch
from appliance.station.shelf import survey
from appliance.station.steward import Steward
from hw.notify import Notifier
from tests.calibrated import prove_sides
from tests.keeping.disks import small_disk
from tests.serving.conftest import LONG_S, ROOT, Make, Station
from tests.serving.test_changes import recording, running
from tests.serving.test_serve import ABSENT, RATE, measuring
from tests.worlds import world


def hipbar(one: Station, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A tool, with the station's folders."""
    env = {**os.environ, "HIPBAR_RUNTIME": str(one.runtime), "HIPBAR_STATE": str(one.state), **more}
    told = [sys.executable, "-m", "appliance.cli", *words]
    return subprocess.run(
        told, cwd=ROOT, env=env, capture_output=True, text=True, timeout=LONG_S, check=False
    )


def rewritten(one: Station, was: str, now: str, more: str = "") -> None:
    assert was in one.text
    one.file.write_text(one.text.replace(was, now) + more)


def fresh(one: Station, wanted: Shown | Notice | Callable[[np.ndarray], bool]) -> float:
    """Waits until the bar shows this from now on; what it showed before and nobody has read does not count."""
    one._bar.settimeout(0.0)
    with contextlib.suppress(BlockingIOError):
        while True:
            one._bar.recv(4096)
    return one.lit(wanted)


def goes_on(one: Station, before_frames: int) -> None:
    """The same process still measures."""
    assert one.process is not None
    assert one.process.poll() is None, one.ended()
    one.status(lambda s: s.frames > before_frames)


# a bar that is lent


def test_a_bar_lent_before_it_was_made_longer_does_not_end_the_service(station: Make) -> None:
    one, before = running(station)
    with Link.open(one.runtime) as borrower, Link.open(one.runtime) as link:
        borrower.bar(np.full((32, 3), 9, np.uint8), 2.0)
        rewritten(one, 'kind = "wled"', 'kind = "wled"\nleds = 48')
        assert link.reload()["reopened"] == ["strip"]
        fresh(one, lambda rgb: len(rgb) == 48 and bool(rgb.any()))
        borrower.bar(np.full((48, 3), 9, np.uint8), 1.0)
        with pytest.raises(ServiceDown, match="48 x 3"):
            borrower.bar(np.full((32, 3), 9, np.uint8), 1.0)
    goes_on(one, before.frames + 60)


def test_a_borrower_that_is_killed_gives_the_bar_back_at_once(station: Make) -> None:
    one, before = running(station)
    words = (
        "import numpy as np, time\nfrom appliance.station.client import Link\nlink = Link.open()\n"
        "while True:\n    link.bar(np.full((32, 3), 7, np.uint8), 2.0)\n    time.sleep(0.3)\n"
    )
    env = {**os.environ, "HIPBAR_RUNTIME": str(one.runtime)}
    borrower = subprocess.Popen([sys.executable, "-c", words], cwd=ROOT, env=env)
    try:
        fresh(one, lambda rgb: bool((rgb == 7).all()))
    finally:
        borrower.kill()
    killed_s = time.monotonic()
    assert (
        fresh(one, measuring) - killed_s < 1.8
    )  # a loan would end by itself after 2 s; 0.1 s on a quiet machine
    borrower.wait(LONG_S)
    goes_on(one, before.frames)


# changes at bad moments


def test_another_exposure_beside_another_zero_reaches_the_camera(station: Make, tmp_path: Path) -> None:
    """One of them is adopted, the other one has the loop begun anew: the camera has to be told all the same."""
    scene = world(tmp_path, act="stand")
    one = station(f'[camera]\nsource = "virtual"\nrate_hz = 60\nscene = "{scene}"\n')
    one.start()
    one.status(lambda s: s.frames > 10)
    with Link.open(one.runtime) as link:
        before = float(link.picture().luma.max())
        link.set({"camera.exposure_us": 300.0, "motion.zero_deg": 1.0})
        assert _within(lambda: float(link.picture().luma.max()) < before / 2)
        link.set({"camera.exposure_us": 400.0})
        link.unset()
        assert _within(lambda: float(link.picture().luma.max()) > 0.8 * before)


def test_a_bar_of_another_length_before_the_first_frame_is_a_new_start_and_no_crash(station: Make) -> None:
    one = station(ABSENT)
    one.start()
    with _linked(one) as link:
        assert link.commit("strip", {"strip.leds": 40}, {}) == 2
    code, log = one.ended()
    assert (code, "Traceback" in log) == (0, False), log
    one.start()
    fresh(one, lambda rgb: len(rgb) == 40 and bool(rgb.any()))


def test_a_strip_that_is_not_there_is_refused_and_the_old_one_goes_on(station: Make) -> None:
    one, before = running(station)
    rewritten(
        one, 'kind = "wled"', 'kind = "apa102"\ndevice = "/dev/spidev9.9"', "[motion]\nzero_deg = 3.0\n"
    )
    told = hipbar(one, "config", "reload")
    assert told.returncode == StripLost.exit_code
    assert "/dev/spidev9.9" in told.stderr
    assert len(told.stderr.strip().splitlines()) <= 2
    fresh(one, measuring)
    assert one.status(recording).pid == before.pid
    with Link.open(one.runtime) as link:
        now = link.settings()["settings"]
        assert (now["strip"]["kind"], now["motion"]["zero_deg"]) == ("wled", 0.0)


def test_what_was_tried_before_a_refused_reload_is_still_what_the_loop_does(station: Make) -> None:
    one, _ = running(station)
    with Link.open(one.runtime) as link:
        link.set({"feedback.mode": "off"})
        fresh(one, lambda rgb: not rgb.any())
        rewritten(one, '"virtual"', '"v4l2"')
        with pytest.raises(HipbarError, match="video0"):
            link.reload()
        one.lit(Notice.STARTING)
        fresh(one, lambda rgb: not rgb.any())
        assert link.settings()["tried"] == {"feedback.mode": "off"}
    fresh(one, measuring)


def test_a_service_that_is_told_to_end_amid_changes_ends_at_once_and_dark(station: Make) -> None:
    one, _ = running(station)
    done = threading.Event()

    def change() -> None:
        with contextlib.suppress(HipbarError), Link.open(one.runtime) as link:
            for k in range(200):
                rewritten(one, 'kind = "wled"', f'kind = "wled"\nleds = {40 + k % 2}')
                link.reload()
                done.set()

    changing = threading.Thread(target=change)
    changing.start()
    assert done.wait(LONG_S)
    fresh(one, lambda rgb: True)
    began_s = time.monotonic()
    one.signal(signal.SIGTERM)
    code, log = one.ended()
    assert code == 0, log
    assert time.monotonic() - began_s < 8.0  # 0.3 s on a quiet machine
    one.lit(lambda rgb: not rgb.any(), within_s=1.0)
    changing.join(LONG_S)
    assert not changing.is_alive()


def test_many_who_change_settings_do_not_make_the_bar_flash(station: Make) -> None:
    """Each of these has the loop left and entered: three flashes a second at most, whoever asks."""
    one, before = running(station)
    ended = threading.Event()

    def change(n: int) -> None:
        with contextlib.suppress(HipbarError), Link.open(one.runtime) as link:
            for k in range(10_000):
                if ended.is_set():
                    return
                link.set({"motion.zero_deg": 0.01 * (k % 2) + 0.02 * n})

    asking = [threading.Thread(target=change, args=(n,)) for n in range(4)]
    for one_of_them in asking:
        one_of_them.start()
    starting, times = pattern(Notice.STARTING, one.settings), list[float]()
    until_s, was = time.monotonic() + 3.0, False
    for rgb in _frames(one, until_s):
        now = bool(np.array_equal(rgb, starting))
        if now and not was:
            times.append(time.monotonic())
        was = now
    ended.set()
    for one_of_them in asking:
        one_of_them.join(LONG_S)
    assert len(times) >= 3
    assert all(b - a > 1.0 for a, b in zip(times, times[3:], strict=False)), times
    goes_on(one, before.frames)


# what is kept


def test_every_recording_of_a_session_with_commits_in_it_can_be_read_back(station: Make) -> None:
    one, now = running(station)
    names = {now.recording.file}
    with Link.open(one.runtime) as link:
        for k in range(2):
            link.commit("zero", {"motion.zero_deg": 0.1 + 0.1 * k}, {})
            now = one.status(lambda s: recording(s) and s.recording.file not in names)
            names.add(now.recording.file)
    one.signal(signal.SIGTERM)
    one.ended()
    told = hipbar(one, "recordings", "--json")
    assert told.returncode == 0, told.stderr
    assert {file["file"] for file in json.loads(told.stdout)["recordings"]} == names
    files = [one.state / "recordings" / str(name) for name in sorted(names, key=str)]
    assert [(survey(file).ended, survey(file).damaged_at) for file in files] == [(True, None)] * 3
    assert hipbar(one, "replay", str(files[-1]), "--json").returncode == 0


def test_killed_at_any_instant_of_many_commits_the_calibration_is_the_old_or_the_new(station: Make) -> None:
    one, chance = station(RATE + '[feedback]\nmode = "off"\n'), random.Random(11)
    known = read_calibration(one.state)
    for _ in range(4):
        one.start()
        fresh(one, lambda rgb: True)
        answered = list[int]()
        with _linked(one) as link:
            killer = threading.Timer(chance.uniform(0.1, 1.2), one.signal, [signal.SIGKILL])
            killer.start()
            with contextlib.suppress(HipbarError):
                for k in range(30):
                    answered.append(link.commit("latency", {"feedback.predict_ms": float(k)}, {"k": k}))
        killer.join()
        one.ended()
        found = read_calibration(one.state)
        assert found.revisions[: len(known.revisions)] == known.revisions
        assert len(found.revisions) - len(known.revisions) - len(answered) in (0, 1)
        known = found
    one.start()
    with _linked(one) as link:
        link.commit("latency", {"feedback.predict_ms": 1.0}, {})
    assert not list(one.state.glob(".*.part"))
    assert not list(one.state.glob("*damaged*"))


def test_a_full_card_refuses_a_calibration_and_takes_the_next(station: Make, tmp_path: Path) -> None:
    with small_disk(tmp_path / "card", 256) as card:
        one = station(RATE + "[service]\nrecord = false\n")
        one.state = card
        prove_sides(card, one.settings)
        one.start()
        fresh(one, measuring)
        with contextlib.suppress(OSError), (card / "filler").open("wb") as filler:
            while True:
                filler.write(bytes(1024))
                filler.flush()
        told = hipbar(one, "calibrate", "rollback", "0", "--yes")
        assert told.returncode == 4, told.stderr
        assert "room" in told.stderr
        fresh(one, measuring)
        assert one.status().sides_proved
        (card / "filler").unlink()
        assert hipbar(one, "calibrate", "rollback", "0", "--yes").returncode == 0
        fresh(one, Shown.UNSURE_SIDES)
        assert [r.number for r in read_calibration(card).revisions] == [1, 2]
        one.signal(signal.SIGKILL)
        one.ended()


def test_a_calibration_that_came_too_late_is_not_written_over(station: Make) -> None:
    """A card that was away at the start: what the technician measures now must not cost what was measured before."""
    one = station(RATE)
    kept = (one.state / FILE).read_bytes()
    (one.state / FILE).unlink()
    one.start()
    fresh(one, Shown.UNSURE_SIDES)
    (one.state / FILE).write_bytes(kept)
    told = hipbar(one, "calibrate", "rollback", "0", "--yes")
    assert told.returncode == 9, told.stderr
    assert "config reload" in told.stderr
    assert (one.state / FILE).read_bytes() == kept
    assert hipbar(one, "config", "reload").returncode == 0
    fresh(one, measuring)


def test_a_spoilt_calibration_is_no_trouble_any_more_once_it_was_made_again(station: Make) -> None:
    one = station(RATE)
    (one.state / FILE).write_text("{")
    one.start()
    one.status(lambda s: any("damaged" in trouble for trouble in s.troubles))
    with Link.open(one.runtime) as link:
        link.commit("sides", {}, {}, proves_sides=True)
    fresh(one, measuring)
    one.status(lambda s: s.troubles == ())


def test_who_had_to_wait_for_the_bar_goes_by_what_was_calibrated_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool's own service had the bar, and proved the sides the other way round."""
    monkeypatch.setenv("HIPBAR_STATE", str(tmp_path))
    monkeypatch.setenv("HIPBAR_RUNTIME", str(tmp_path / "run"))
    file = tmp_path / "hipbar.toml"
    file.write_text('[camera]\nsource = "virtual"\n[strip]\nkind = "memory"\n')
    start = serve._Start(file, Stop(None), Notifier({}))
    assert not start._steward.proved
    tools = Steward(file, Hatch())
    tools.commit("sides", {"camera.mirror": True, "strip.reversed": True}, {}, None, proves_sides=True)
    start._look()
    assert start._steward.proved
    assert start._settings.camera.mirror


# sides, with the real process


def test_no_figure_without_its_proof_whatever_is_changed_killed_and_spoilt(station: Make) -> None:
    """What turns the sides takes the figure away, also over a kill; what turns them back brings it back."""
    one, _ = running(station)
    with Link.open(one.runtime) as link:
        assert (
            link.commit("sides", {"camera.mirror": True, "strip.reversed": False}, {}, proves_sides=True) == 2
        )
        one.status(lambda s: s.sides_proved and s.calibration == 2)
        link.rollback(1)
        one.status(lambda s: s.sides_proved and s.calibration == 3)
        link.commit("strip", {"strip.reversed": True}, {})
        fresh(one, Shown.UNSURE_SIDES)
    one.signal(signal.SIGKILL)
    one.ended()
    one.start()
    _linked(one).close()
    fresh(one, Shown.UNSURE_SIDES)
    rewritten(one, 'kind = "wled"', 'kind = "wled"\npieces = [[0, 15], [31, 16]]')
    assert hipbar(one, "config", "reload").returncode == 0
    with Link.open(one.runtime) as link:
        link.rollback(1)
        assert not one.status(lambda s: s.calibration == 5).sides_proved
        one.file.write_text(one.text)
        link.reload()
    fresh(one, measuring)


# tools, and who may


def test_what_can_not_be_done_is_told_with_its_exit_code_in_two_lines(station: Make, tmp_path: Path) -> None:
    one, before = running(station)
    one.file.write_text("[camera\n")
    for words, code, says in (
        (("config", "reload"), 2, "TOML"),
        (("calibrate", "rollback", "99", "--yes"), 9, "no revision 99"),
    ):
        told = hipbar(one, *words)
        assert (told.returncode, says in told.stderr) == (code, True), told.stderr
        assert len(told.stderr.strip().splitlines()) <= 2
    goes_on(one, before.frames)
    (tmp_path / "file").touch()
    for runtime in (tmp_path / "none", tmp_path / "file"):
        told = hipbar(one, "config", "reload", HIPBAR_RUNTIME=str(runtime))
        assert (told.returncode, "does not run" in told.stderr) == (7, True), told.stderr


def test_who_is_not_of_the_group_is_told_how_to_become_one(station: Make, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("to be somebody else needs root")
    one, _ = running(station)
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/pytest"):
            folder.chmod(0o755)
    words = (
        "import os, pathlib\nfrom appliance.station.client import Link\nfrom appliance.errors import HipbarError\n"
        f"os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        f"try:\n    Link.open(pathlib.Path({str(one.runtime)!r}))\n"
        "except HipbarError as error:\n    print(error, error.fix, error.exit_code)\n"
    )
    told = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "may not talk to the service" in told.stdout
    assert "usermod -aG hipbar" in told.stdout
    assert told.stdout.strip().endswith("7")


def test_a_socket_of_a_dead_service_is_replaced_and_one_by_another_name_works(station: Make) -> None:
    one = station(RATE)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(one.runtime / "control"))
    dead.close()
    assert hipbar(one, "config", "reload").returncode == 7
    one.start()
    fresh(one, measuring)
    elsewhere = one.runtime.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "control").symlink_to(one.runtime / "control")
    with Link.open(elsewhere) as link:
        assert link.hello().pid == one.process.pid  # type: ignore[union-attr]


def _within(true: Callable[[], bool], seconds: float = 3.0) -> bool:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        if true():
            return True
    return False


def _frames(one: Station, until_s: float) -> Iterator[np.ndarray]:
    while time.monotonic() < until_s:
        yield np.frombuffer(one._bar.recv(4096)[10:], np.uint8).reshape(-1, 3)


def _linked(one: Station) -> Link:
    """A link to a service as soon as it has one."""
    until_s = time.monotonic() + LONG_S
    while True:
        try:
            return Link.open(one.runtime)
        except ServiceDown:
            if time.monotonic() > until_s:
                raise
