"""Every rule of a healthy station with made facts: what is good passes, each fault alone is found and has a remedy."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from appliance.config import Settings, parse
from appliance.errors import CameraLost
from appliance.station import checks_bar, checks_camera, checks_disk, checks_machine
from appliance.station.calibration import STEPS, Calibration, committed
from appliance.station.checkup import (
    Check,
    Rule,
    Unknown,
    Verdict,
    counted,
    gravest,
    judged,
    told,
    unknown_of,
)
from appliance.station.hatch import FOLLOW
from appliance.station.status import Ages, Condition
from appliance.station.status import Verdict as Health

PASS, WARN, FAIL, UNKNOWN = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN
STATION = parse('[camera]\nsource = "picamera"\n[strip]\nkind = "apa102"\nleds = 60\n')
PICAMERA = {"driver": "picamera2", "device": "ov9281", "width_px": 1280, "height_px": 800}
SHOT = {**PICAMERA, "exposure_us": 1500.0, "gain": 4.0}
SEEN = checks_camera.Watched(3.0, 360, 120.0, 0, 1.0, 0.99, 0.95, 0.01, 1.0)
LIGHT = checks_camera.Backdrop(grey=20.0, bright=0.0, dot=220.0, burnt=0.0)


def found(check: Check, verdict: Verdict, *words: str) -> None:
    """One line for the figure, one for the remedy, and what was found is in them."""
    assert check.verdict is verdict, check
    assert "\n" not in check.figure + check.fix
    assert bool(check.fix) or verdict in (PASS, UNKNOWN), check
    for word in words:
        assert word in f"{check.figure} -> {check.fix}"


def test_the_gravest_broken_rule_says_what_to_do_and_all_say_what_is_wrong() -> None:
    check = judged("x", "7 mm", Rule(True, WARN, "sand it", "rough"), Rule(True, FAIL, "weld it", "cracked"))
    assert check == Check("x", FAIL, "7 mm; cracked; rough", "weld it")
    assert judged("x", "7 mm", Rule(False, FAIL, "weld it"), mm=7).verdict is PASS


def test_what_is_not_known_is_no_fault_unless_its_cause_is_one() -> None:
    def never(*_: object) -> Check:
        raise AssertionError("judged without facts")

    found(told("camera", never, Unknown("nobody says")), UNKNOWN, "nobody says")
    lost = CameraLost("no frame for 2 s", fix="reseat the cable")
    found(told("camera", never, unknown_of(lost, mend=True)), FAIL, "no frame", "reseat")
    assert told("camera", lambda name, a, b: Check(name, PASS, f"{a}{b}"), 1, 2).figure == "12"


def test_the_verdict_on_all_is_the_gravest_and_what_cannot_be_told_counts_for_nothing() -> None:
    checks = [Check("a", verdict, "") for verdict in (UNKNOWN, PASS, WARN)]
    assert gravest(checks) is WARN
    assert gravest(checks[:2]) is PASS
    assert gravest([]) is UNKNOWN
    assert counted(checks) == {"fail": 0, "warn": 1, "pass": 1, "can't tell": 1}


# camera


def test_a_camera_is_there_or_only_played_or_has_fallen_silent() -> None:
    found(checks_camera.camera("camera", PICAMERA, STATION), PASS, "ov9281, 1280 x 800")
    found(checks_camera.camera("camera", PICAMERA, Settings()), WARN, "no real camera", "camera.source")
    silent = {**PICAMERA, "restarts": 2}
    found(checks_camera.camera("camera", silent, STATION), WARN, "started anew 2 times", "cable")


@pytest.mark.parametrize(
    ("rate_hz", "lost", "verdict"), [(119.9, 1, PASS), (115.0, 0, WARN), (119.9, 9, WARN), (90.0, 90, FAIL)]
)
def test_frames_that_come_too_rarely_or_with_holes_are_found(
    rate_hz: float, lost: int, verdict: Verdict
) -> None:
    seen = msgspec.structs.replace(SEEN, rate_hz=rate_hz, lost=lost)
    found(checks_camera.frame_rate("frame rate", seen, 120.0), verdict, f"{lost} lost")


def test_an_exposure_is_locked_where_it_was_put_and_short() -> None:
    found(checks_camera.exposure("exposure", SHOT, STATION), PASS, "locked at 1,500 us, gain 4")
    free = parse('[camera]\nsource = "v4l2"\nexposure_us = 0\n')
    found(
        checks_camera.exposure("exposure", SHOT, free),
        FAIL,
        "changed by the camera",
        "hipbar calibrate light",
    )
    other = {**SHOT, "exposure_us": 900.0}
    found(checks_camera.exposure("exposure", other, STATION), WARN, "1,500 us was asked for")
    slow = parse('[camera]\nsource = "v4l2"\nexposure_us = 8000\n')
    found(
        checks_camera.exposure("exposure", {**SHOT, "exposure_us": 8000.0}, slow), WARN, "smear", "more light"
    )
    for nonsense in (None, float("nan"), "1500"):
        check = checks_camera.exposure("exposure", {**SHOT, "exposure_us": nonsense}, STATION)
        found(check, UNKNOWN, "does not tell")


@pytest.mark.parametrize(
    ("pair", "heels", "score", "verdict", "words"),
    [
        (1.0, 1.0, 0.9, PASS, "pelvis pair in 100.0 %"),
        (0.0, 0.0, None, WARN, "nobody in view"),
        (0.9, 1.0, 0.9, WARN, "calibrate aim"),
        (0.5, 1.0, 0.9, FAIL, "calibrate aim"),
        (1.0, 0.2, 0.9, WARN, "a dot on each heel"),
        (1.0, 1.0, 0.3, WARN, "faint"),
    ],
)
def test_dots_that_are_missing_now_and_then_or_faint_are_found(
    pair: float, heels: float, score: float | None, verdict: Verdict, words: str
) -> None:
    seen = msgspec.structs.replace(SEEN, pair=pair, heels=heels, score=score)
    found(checks_camera.dots("dots", seen), verdict, words)


@pytest.mark.parametrize(
    ("change", "flicker", "verdict", "words"),
    [
        ({}, 0.0, PASS, "dots 200 above it"),
        ({"dot": None, "burnt": None}, None, PASS, "grey level 20"),
        ({"bright": 0.01}, 0.0, WARN, "cover what shines"),
        ({"bright": 0.2}, 0.0, FAIL, "cover what shines"),
        ({"dot": 70.0}, 0.0, WARN, "calibrate light"),
        ({"dot": 40.0}, 0.0, FAIL, "calibrate light"),
        ({"burnt": 0.9}, 0.0, WARN, "burnt out"),
        ({}, 0.2, WARN, "flickers by 20 %"),
    ],
)
def test_a_background_that_shines_or_flickers_or_swallows_the_dots_is_found(
    change: dict[str, float | None], flicker: float | None, verdict: Verdict, words: str
) -> None:
    picture = msgspec.structs.replace(LIGHT, **change)
    found(checks_camera.background("background", picture, flicker), verdict, words)


def test_while_nobody_walks_heels_need_no_names() -> None:
    seen = msgspec.structs.replace(SEEN, heels=0.0, moving=0.0)
    found(checks_camera.dots("dots", seen), PASS, "none while nobody walks")


def rows(n: int, rate_hz: float = 100.0) -> np.ndarray:
    """Frames as the control link gives them, all marks seen."""
    made = np.zeros(n, FOLLOW)
    made["seq"], made["t_s"] = np.arange(n), np.arange(n) / rate_hz
    made["score"], made["spot"] = 0.8, 50.0
    return made


def test_frames_become_figures_and_holes_among_them_are_lost_frames() -> None:
    made = np.delete(rows(300), [50, 51, 200])
    made["xy_px"][:29, 0] = np.nan
    made["spot"][::2] = 70.0
    seen = checks_camera.watched(made, 100.0)
    assert isinstance(seen, checks_camera.Watched)
    assert seen.lost == 3
    assert seen.rate_hz == pytest.approx(99.0, abs=0.1)
    assert seen.pair == pytest.approx(1 - 29 / 297)
    assert seen.heels == 1.0
    assert seen.moving == 0.0
    assert seen.score == pytest.approx(0.8)
    assert seen.flicker == pytest.approx(1 / 6, abs=0.001)


@pytest.mark.parametrize("n", [0, 1])
def test_no_frames_are_a_fault_with_a_remedy_and_no_division(n: int) -> None:
    found(
        told("frame rate", checks_camera.frame_rate, checks_camera.watched(rows(n), 100.0), 100.0),
        FAIL,
        "frames came",
    )


def test_frames_without_a_mark_or_a_spot_have_no_score_and_no_flicker() -> None:
    made = rows(50)
    made["xy_px"], made["spot"] = np.nan, np.nan
    seen = checks_camera.watched(made, 100.0)
    assert isinstance(seen, checks_camera.Watched)
    assert (seen.pair, seen.score, seen.flicker) == (0.0, None, None)


def test_a_picture_is_measured_with_and_without_its_marks() -> None:
    luma = np.full((400, 300), 20, np.uint8)
    luma[98:103, 98:103] = 200
    luma[300:303, 250:260] = 255  # a lamp
    places = np.array([[100.0, 100.0], [np.nan, np.nan], [-500.0, 9999.0], [299.0, 0.0]])
    seen = checks_camera.backdrop(luma, places[:2])
    assert (seen.grey, seen.dot, seen.burnt) == (20.0, 200.0, 0.0)
    assert seen.bright == pytest.approx(30 / (400 * 300 - 41 * 41))
    assert checks_camera.backdrop(luma, places).grey == 20.0  # marks outside or at the edge break nothing
    bare = checks_camera.backdrop(luma, np.full((4, 2), np.nan))
    assert bare.dot is None
    assert bare.bright == pytest.approx(55 / 120000)


# bar


NODE = checks_bar.Node("/dev/spidev0.0", "light bar", "hipbar", True, True, "spi", None)


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, PASS, "/dev/spidev0.0 (light bar)"),
        ({"holder": "process 7 (hipbar)"}, PASS, "held by process 7 (hipbar)"),
        ({"holder": "process 7 (python3)"}, FAIL, "stop that one first"),
        ({"exists": False, "may": None}, FAIL, "hipbar setup"),
        ({"may": False}, FAIL, "usermod -aG spi hipbar"),
        ({"may": None}, PASS, "/dev/spidev0.0"),
    ],
)
def test_a_device_that_is_missing_forbidden_or_somebody_elses_is_found(
    change: dict[str, object], verdict: Verdict, words: str
) -> None:
    node = msgspec.structs.replace(NODE, **change)
    found(checks_bar.wires("wires", [node], STATION), verdict, words)


def test_a_bar_without_a_device_has_nothing_to_be_permitted() -> None:
    wled = parse('[strip]\nkind = "wled"\nhost = "192.0.2.7"\n')
    found(checks_bar.wires("wires", [], wled), PASS, "network")


@pytest.mark.parametrize(
    ("walk", "verdict", "words"),
    [
        (checks_bar.Walk(60, 16, True), PASS, "right way"),
        (checks_bar.Walk(60, 16, False), FAIL, "calibrate strip"),
        (checks_bar.Walk(60, 16, None, 0, "nobody at a terminal"), UNKNOWN, "nobody at a terminal"),
        (checks_bar.Walk(60, 16, None, 3), FAIL, "3 write faults"),
        (checks_bar.Walk(60, 16, True, 3), FAIL, "cable"),
    ],
)
def test_a_bar_is_judged_by_who_sees_it_and_by_its_wire(
    walk: checks_bar.Walk, verdict: Verdict, words: str
) -> None:
    found(checks_bar.strip("light bar", walk, STATION), verdict, words)


def test_a_bar_that_nobody_can_see_is_no_bar() -> None:
    found(checks_bar.strip("light bar", checks_bar.Walk(32, 16, None), Settings()), WARN, "no real bar")


def whole(now_s: float = 1e9, **change: object) -> checks_bar.Calibrated:
    """A calibration with every step done."""
    known = Calibration()
    for step in STEPS:
        known = committed(known, STATION, step, {}, {}, proves_sides=step == "sides", now_s=now_s)
    return msgspec.structs.replace(checks_bar.Calibrated(known, STATION, now_s + 86400.0), **change)


def test_a_whole_calibration_passes_and_its_age_is_told() -> None:
    found(checks_bar.calibration("calibration", whole()), PASS, "revision 8 (latency), made yesterday")


def test_a_calibration_that_is_missing_old_partial_or_of_another_mount_is_found() -> None:
    nothing = whole(calibration=Calibration())
    found(checks_bar.calibration("calibration", nothing), FAIL, "nothing is calibrated", "calibrate all")
    old = whole(now_s=1e9 + 200 * 86400, calibration=whole().calibration)
    found(checks_bar.calibration("calibration", old), WARN, "old", "calibrate level")
    turned = parse('[camera]\nsource = "picamera"\nrotate_deg = 90\n[strip]\nkind = "apa102"\nleds = 60\n')
    found(checks_bar.calibration("calibration", whole(settings=turned)), FAIL, "sides not proved")
    few = committed(Calibration(), STATION, "sides", {}, {}, proves_sides=True, now_s=1e9)
    found(
        checks_bar.calibration("calibration", whole(calibration=few)),
        WARN,
        "never done: light, lens",
        "calibrate light",
    )
    lens = committed(whole().calibration, STATION, "lens", {"lens.fx_px": 900.0}, {}, now_s=1e9)
    mode = msgspec.structs.replace(STATION, camera=msgspec.structs.replace(STATION.camera, width_px=640))
    check = checks_bar.calibration("calibration", whole(calibration=lens, settings=mode))
    assert "another sensor mode" in check.figure


def test_a_calibration_made_before_the_clock_was_set_has_no_age_to_tell() -> None:
    known = committed(whole().calibration, STATION, "level", {}, {}, clock_set=False, now_s=5.0)
    figure = checks_bar.calibration("calibration", whole(calibration=known)).figure
    assert "the clock was not set" in figure


@pytest.mark.parametrize(
    ("ages", "verdict", "words"),
    [
        (Ages(p50=4.0, p95=8.0, p99=9.0), PASS, "4.0 / 8.0 / 9.0 ms"),
        (Ages(p50=40.0, p95=70.0, p99=90.0), WARN, "limit 75"),
        (Ages(p50=40.0, p95=80.0, p99=90.0), FAIL, "end what else runs"),
        (Ages(), UNKNOWN, "no figure yet"),
    ],
)
def test_light_that_comes_later_than_75_ms_is_found(ages: Ages, verdict: Verdict, words: str) -> None:
    found(checks_bar.delay("delay", ages), verdict, words)


# machine


GOOD = Health(Condition.HEALTHY, "measuring")
UNIT = checks_machine.Unit("loaded", "active", "enabled", 0, "", 5.0)


@pytest.mark.parametrize(
    ("health", "change", "verdict", "words"),
    [
        (GOOD, {}, PASS, "active, enabled at power-up"),
        (GOOD, {"restarts": 3}, WARN, "started anew 3 times"),
        (GOOD, {"enabled": "disabled"}, WARN, "systemctl enable"),
        (GOOD, {"active": "failed", "result": "watchdog"}, FAIL, "watchdog"),
        (Health(Condition.STOPPED, "stopped"), {"active": "inactive"}, FAIL, "systemctl start hipbar"),
        (Health(Condition.NOT_ANSWERING, "said nothing for 9 s", "wait"), {}, FAIL, "said nothing"),
        (Health(Condition.NO_CAMERA, "no camera", "reseat"), {"active": "activating"}, WARN, "reseat"),
        (GOOD, {"load": "not-found"}, FAIL, "apt install"),
    ],
)
def test_a_service_that_is_down_frozen_or_not_started_at_power_up_is_found(
    health: Health, change: dict[str, object], verdict: Verdict, words: str
) -> None:
    unit = msgspec.structs.replace(UNIT, **change)
    found(checks_machine.service("service", health, unit, False), verdict, words)


def test_without_systemd_only_the_stations_own_word_counts() -> None:
    frozen = Health(Condition.NOT_ANSWERING, "said nothing for 9 s", "start it anew")
    found(checks_machine.service("service", frozen, None, False), FAIL, "said nothing")
    found(checks_machine.service("service", GOOD, None, False), UNKNOWN, "measuring")
    found(checks_machine.service("service", frozen, None, True), UNKNOWN, "started for this check")


DOG = checks_machine.Dog(True, 5.0, "Broadcom", True, 14.0, 14.0)


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, PASS, "service 5 s, machine armed 14 s"),
        ({"unit_s": 0.0}, FAIL, "WatchdogSec=5"),
        ({"armed": False}, WARN, "hipbar setup"),
        ({"name": None}, WARN, "machine none"),
        ({"wanted_s": 60.0}, WARN, "15 s at the most"),
        ({"name": None, "unit_s": None}, UNKNOWN, "neither"),
    ],
)
def test_a_watchdog_that_sleeps_is_found(change: dict[str, object], verdict: Verdict, words: str) -> None:
    found(checks_machine.watchdog("watchdog", msgspec.structs.replace(DOG, **change)), verdict, words)


def test_a_cold_kernel_cache_and_one_that_the_station_may_not_fill_are_found() -> None:
    warm = checks_machine.Cache("/var/cache/hipbar/kernels", 160, 0.4, True)
    found(checks_machine.kernel_cache("kernel cache", warm), PASS, "loaded in 0.4 s")
    cold = msgspec.structs.replace(warm, loaded_s=None)
    found(checks_machine.kernel_cache("kernel cache", cold), WARN, "cold", "hipbar warm")
    closed = msgspec.structs.replace(warm, writable=False)
    found(checks_machine.kernel_cache("kernel cache", closed), WARN, "chown")


ROOMY = checks_disk.Disk("/var/lib/hipbar", True, 9000.0, 30000.0, False, True, 500.0)


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, PASS, "8.8 GB free of 29.3 GB"),
        ({"free_mb": 900.0}, WARN, "soon full"),
        ({"free_mb": 100.0}, FAIL, "nothing is recorded"),
        ({"free_mb": None, "total_mb": None}, PASS, "room unknown"),
        ({"read_only": True}, FAIL, "read-only"),
        ({"aside": True}, FAIL, "data partition is missing"),
        ({"exists": False}, FAIL, "systemd-tmpfiles"),
        ({"writable": False}, FAIL, "chown"),
        ({"recording": "disk full"}, WARN, "not recording: disk full"),
    ],
)
def test_a_disk_that_is_full_read_only_or_not_the_right_one_is_found(
    change: dict[str, object], verdict: Verdict, words: str
) -> None:
    found(checks_disk.disk("disk", msgspec.structs.replace(ROOMY, **change)), verdict, words)


@pytest.mark.parametrize(
    ("card", "verdict", "words"),
    [
        (checks_disk.Card("SD32G mmcblk0", written_mb=5e5), UNKNOWN, "488.3 GB written in its life"),
        (checks_disk.Card("mmcblk0", life=2, reserve=1), PASS, "20 % used at most"),
        (checks_disk.Card("mmcblk0", life=8, reserve=1), WARN, "wears out"),
        (checks_disk.Card("mmcblk0", life=11, reserve=1), FAIL, "worn out"),
        (checks_disk.Card("mmcblk0", reserve=3), FAIL, "replace it"),
        (checks_disk.Card("mmcblk0", errors=4), FAIL, "4 errors"),
    ],
)
def test_a_card_is_as_worn_as_it_says_and_what_was_written_is_told(
    card: checks_disk.Card, verdict: Verdict, words: str
) -> None:
    found(checks_disk.card_wear("card wear", card), verdict, words)


@pytest.mark.parametrize(
    ("clock", "verdict", "words"),
    [
        (checks_machine.Clock(True, False, 2e9, 1e9), PASS, "set, no battery"),
        (checks_machine.Clock(False, False, 2e9, 1e9), WARN, "dates in files may be wrong"),
        (checks_machine.Clock(True, True, 1e8, 1e9), WARN, "before this software was made"),
        (checks_machine.Clock(None, True, 2e9), UNKNOWN, "nobody says"),
    ],
)
def test_a_clock_that_is_not_set_is_found(clock: checks_machine.Clock, verdict: Verdict, words: str) -> None:
    found(checks_machine.clock("clock", clock), verdict, words)


@pytest.mark.parametrize(
    ("supply", "verdict", "words"),
    [
        (checks_machine.Supply(55.0, ()), PASS, "55 C, power good"),
        (checks_machine.Supply(55.0, ("under-voltage",)), FAIL, "supply made for this Pi"),
        (checks_machine.Supply(55.0, (), ("under-voltage",)), WARN, "since power-on: under-voltage"),
        (checks_machine.Supply(55.0, (), ("throttled",)), WARN, "air"),
        (checks_machine.Supply(72.0, ()), WARN, "hot"),
        (checks_machine.Supply(85.0, None), FAIL, "heat sink"),
        (checks_machine.Supply(None, None), UNKNOWN, "not a Pi"),
    ],
)
def test_heat_and_a_weak_supply_are_found(
    supply: checks_machine.Supply, verdict: Verdict, words: str
) -> None:
    found(checks_machine.supply("supply", supply), verdict, words)


def test_troubles_and_crashes_are_told_with_their_own_remedy() -> None:
    found(checks_machine.faults("faults", checks_machine.Faults()), PASS, "no crash reports")
    trouble = checks_machine.Faults(("disk full; make room",))
    found(checks_machine.faults("faults", trouble), WARN, "disk full", "-> make room")
    died = checks_machine.Faults((), 2, "killed (SIGKILL)")
    found(checks_machine.faults("faults", died), WARN, "2 crash reports, the newest: killed", "hipbar crash")


def test_rules_read_no_clock_no_file_and_no_device() -> None:
    folder = Path(checks_bar.__file__).parent
    for path in [folder / "checkup.py", *folder.glob("checks_*.py")]:
        text = path.read_text()
        for word in ("import os", "import time", "open(", "pathlib", "subprocess"):
            assert word not in text, path
