"""The SPI strips and `hipbar leds` on a kernel's real /dev/spidev0.0, whose every transfer is captured.

The guest makes them work once (`guest/strips.py`); what went out of the bus is judged here.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from hw.strip import apa102, ws2812
from hw.strip.wiring import Wiring
from tests.station.guest.bars import BARS, FRAMES, frames
from tests.station.vm import Vm

Evidence = dict[str, Any]
CODECS = {"apa102": (apa102, "bgr"), "ws2812": (ws2812, "grb")}
LEDS = 24  # of the bar that `hipbar leds` lights


@pytest.fixture(scope="module")
def found(vm: Vm) -> Evidence:
    done = vm.run("/opt/hipbar/bin/python /opt/bench/strips.py", timeout_s=300)
    evidence: Evidence = json.loads(done.out)
    return evidence


def _decoded(went: list[Evidence]) -> list[np.ndarray]:
    return [apa102.decode(bytes.fromhex(transfer["data"])) for transfer in went]


def _is_dark(went: list[Evidence]) -> bool:
    return bool(went) and not any(rgb.any() for rgb in _decoded(went))


@pytest.mark.parametrize("name", BARS)
def test_what_leaves_the_bus_is_what_was_shown_between_two_dark_frames(found: Evidence, name: str) -> None:
    wanted, evidence = BARS[name], found["shown"][name]
    codec, usual = CODECS[wanted.kind]
    wiring = Wiring(wanted, usual)
    sent = [wiring.seen(codec.decode(bytes.fromhex(transfer["data"]))) for transfer in evidence["went"]]
    dark = np.zeros((wanted.leds, 3), np.uint8)
    assert len(sent) == FRAMES + 2
    assert np.array_equal(sent, [dark, *map(wiring.limited, frames(wanted.leds)), dark])
    assert evidence["faults"] == 0
    assert max(map(wiring.current_ma, sent)) <= wanted.current_cap_ma


@pytest.mark.parametrize("name", BARS)
def test_a_frame_is_one_transfer_in_the_right_mode_at_the_right_speed(found: Evidence, name: str) -> None:
    wanted, went = BARS[name], found["shown"][name]["went"]
    hz = ws2812.SPEED_HZ if wanted.kind == "ws2812" else round(wanted.speed_mhz * 1e6)
    assert {(t["speed_hz"], t["mode"], t["error"], t["chip_select"]) for t in went} == {(hz, 0, 0, 0)}
    wire_ms = [1e3 * (t["ended_s"] - t["began_s"]) for t in went]
    took_ms = [1e3 * took_s for took_s in found["shown"][name]["took_s"]]
    print(
        f"\n  {name}: {len(went[0]['data']) // 2:,} bytes, {np.median(wire_ms):.2f} ms on the wire,"
        f" {np.median(took_ms):.2f} ms in all (emulated)"
    )


@pytest.mark.parametrize("mode", ["dark", "test"])
def test_beside_a_process_that_lights_the_bar_nothing_is_sent(found: Evidence, mode: str) -> None:
    said = found["busy"][mode]
    assert said["code"] == 6
    assert "/dev/spidev0.0: busy: used by process " in said["err"]
    assert len(said["err"].splitlines()) == 2
    assert said["went"] == []


def test_the_list_says_which_devices_there_are_and_who_uses_them(found: Evidence) -> None:
    beside, alone = found["busy"]["list"], found["list"]
    assert "/dev/spidev0.0  used by process " in beside["out"]
    assert "/dev/spidev0.1  free" in beside["out"]
    told = json.loads(alone["out"])
    assert [row["device"] for row in told["spi"]] == ["/dev/spidev0.0", "/dev/spidev0.1"]
    assert all(row["permitted"] and row["used_by"] is None for row in told["spi"])
    assert beside["went"] == alone["went"] == []


def test_the_test_walks_from_the_runners_left_to_the_right_and_ends_dark(found: Evidence) -> None:
    said = found["test"]
    told, went = json.loads(said["out"]), _decoded(said["went"])
    shapes = [tuple(np.flatnonzero(rgb.any(axis=1)).tolist()) for rgb in went]
    singles = [shape[0] for shape in shapes if len(shape) == 1]
    assert said["code"] == 0
    assert told["faults"] == 0
    assert len(went) == told["frames"] + 2
    assert singles == sorted(singles)
    assert (singles[0], singles[-1]) == (0, LEDS - 1)
    left, right = tuple(range(LEDS // 2)), tuple(range(LEDS // 2, LEDS))
    assert shapes.index(left) < shapes.index(right)
    assert shapes[-1] == ()
    print(f"\n  a frame took {told['p50_ms']:.2f} ms, {told['p99_ms']:.2f} in 99 % (emulated)")


def test_a_test_that_is_terminated_leaves_the_bar_dark(found: Evidence) -> None:
    assert found["terminated"]["code"] == 130
    assert _is_dark(found["terminated"]["went"][-1:])


def test_what_a_killed_process_left_lit_is_darkened(found: Evidence) -> None:
    killed = found["killed"]
    assert killed["code"] == -9
    assert not _is_dark(killed["went"][-1:])
    assert killed["dark"]["code"] == 0
    assert _is_dark(killed["dark"]["went"])
    print(f"\n  --dark took {killed['dark']['took_s']:.2f} s (emulated)")


def test_a_user_who_is_not_in_the_group_is_told_which(found: Evidence) -> None:
    code, err = found["nobody"]
    assert code == 6
    assert "/dev/spidev0.0: not permitted" in err
    assert "group `spi`" in err


def test_a_device_that_is_gone_is_an_error_for_a_test_and_none_for_darkness(found: Evidence) -> None:
    gone = found["gone"]
    assert (gone["dark"]["code"], gone["test"]["code"], gone["list"]["code"]) == (0, 6, 0)
    assert gone["dark"]["err"] == "nothing to darken: there is no /dev/spidev0.0\n"
    assert "/dev/spidev0.0: no such device" in gone["test"]["err"]
    assert "/dev/spidev0.1" in gone["test"]["err"]  # what there is instead
