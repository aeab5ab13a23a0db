"""The shift-register bar, the button and the status light, through the real RPi.GPIO API on a simulated Pi's chip.

The guest makes them work once (`guest/pins.py`); the kernel's own trace of every write is judged here. What the 74HC595
chips would show comes from a twin that knows only edges. Times in seconds on the guest's monotonic clock.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.records import Light
from hw.panel import RHYTHMS, rhythm
from tests.station.guest.chip import Edge, ShiftBar, edges_of
from tests.station.vm import Vm

Evidence = dict[str, Any]

LIGHT_PIN = 22
GRID_S = 0.01
ALIKE = 0.1
"""A light follows a rhythm when it is otherwise for less than this share of the time; ticks come late in a machine
that is emulated."""


@pytest.fixture(scope="module")
def pins(vm: Vm) -> Evidence:
    # The emulated machine has stood still in it once. What hangs says where, and is tried once more: drivers that hang
    # do so again.
    words = "timeout -s ABRT 150 /opt/hipbar/bin/python -X faulthandler -u /opt/bench/pins.py"
    done = vm.run(words, timeout_s=200, check=False)
    if done.code:
        print(done.err)
        done = vm.run(words, timeout_s=200)
    found: Evidence = json.loads(done.out)
    return found


@pytest.fixture(scope="module")
def edges(pins: Evidence) -> list[Edge]:
    return [Edge(*edge) for edge in pins["bar"]["edges"]]


@pytest.fixture(scope="module")
def shown(pins: Evidence, edges: list[Edge]) -> ShiftBar:
    return ShiftBar(len(pins["bar"]["frames"][0]), **pins["pins"]).feed(edges)


def test_every_latch_shows_the_picture_that_was_asked_for(pins: Evidence, shown: ShiftBar) -> None:
    frames = [tuple(map(int, frame)) for frame in pins["bar"]["frames"]]
    changes = [frame for before, frame in zip([None, *frames], frames, strict=False) if frame != before]
    dark = (0,) * len(frames[0])
    assert [outputs for _, outputs in shown.latched] == [dark, *changes, dark]
    print(f"\n  {len(frames)} pictures, {shown.clocks} clocks, {len(shown.latched)} latches: all as shown")


def test_a_picture_takes_its_clocks_one_latch_and_no_more_writes_than_promised(
    pins: Evidence, edges: list[Edge], shown: ShiftBar
) -> None:
    leds, latches = len(pins["bar"]["frames"][0]), len(shown.latched)
    assert shown.clocks == leds * latches
    rises = [edge.at_s for edge in edges if edge.line == pins["pins"]["latch"] and edge.level]
    for begin, end in itertools.pairwise(rises):
        assert sum(begin < edge.at_s <= end for edge in edges) <= 3 * leds + 3  # and the enable, once
    print(
        f"\n  {len(edges) / latches:.1f} writes and {1e3 * pins['bar']['frame_s']:.1f} ms a picture, emulated"
    )


def test_the_bar_is_dark_before_anything_is_known_and_after_everything_is_over(
    pins: Evidence, edges: list[Edge], shown: ShiftBar
) -> None:
    enable = pins["pins"]["enable"]
    assert edges[0].line == enable
    assert edges[0].level == 1
    lit_from_s = next(edge.at_s for edge in edges if edge.line == enable and not edge.level)
    assert lit_from_s > shown.latched[0][0]
    assert shown.dark


def test_every_press_is_recognised_once_and_nothing_else_is(pins: Evidence) -> None:
    button = pins["button"]
    presses = [tuple(press) for press in button["presses"]]
    stretched = [spike_s for spike_s in button["spikes_s"] if spike_s >= 0.8 * button["debounce_s"]]
    if stretched:
        pytest.skip(f"the machine stood still: a spike of 2 ms lasted {1e3 * max(stretched):.0f} ms")
    assert [kind for kind, *_ in presses] == [meant for meant, *_ in button["made"]]
    for (meant, from_s, to_s), (_, began_s, held_s) in zip(button["made"], presses, strict=True):
        assert from_s <= began_s <= from_s + 0.25
        assert held_s <= to_s - from_s + 0.05
        assert held_s >= {"short": 0.1, "long": 0.8, "very long": 2.0}[meant]
    late_ms = max(1e3 * (p[1] - m[1]) for m, p in zip(button["made"], presses, strict=True))
    print(
        f"\n  {len(presses)} presses and {len(button['spikes_s'])} spikes: all recognised, none false;"
        f" a press begins up to {late_ms:.0f} ms after the first contact"
    )


def _level(edges: list[Edge], at_s: float) -> bool:
    """Whether the light is lit at that time."""
    before = [edge.level for edge in edges if edge.line == LIGHT_PIN and edge.at_s <= at_s]
    return bool(before and before[-1])


def _strange(edges: list[Edge], state: Light, from_s: float, to_s: float) -> float:
    """The share of the time in which the light is not as the rhythm wants it, from its first rise on."""
    rises = [e.at_s for e in edges if e.line == LIGHT_PIN and e.level and e.at_s >= from_s - 0.05]
    start_s = rises[0]
    times = [start_s + k * GRID_S for k in range(int((to_s - start_s) / GRID_S))]
    return sum(_level(edges, t) != rhythm(state, t - start_s) for t in times) / len(times)


def _told(pins: Evidence) -> Iterator[tuple[str, dict[Light, float]]]:
    edges = [Edge(*edge) for edge in pins["status light"]["edges"]]
    for name, from_s, to_s in pins["status light"]["said"]:
        if name != "hung":
            yield name, {state: _strange(edges, state, from_s, to_s) for state in RHYTHMS if RHYTHMS[state]}


def test_each_state_of_the_station_is_told_by_its_own_rhythm(pins: Evidence) -> None:
    for name, strange in _told(pins):
        assert min(strange, key=strange.__getitem__) is Light[name], (name, strange)
        assert strange[Light[name]] < ALIKE, (name, strange)


def test_the_status_light_never_flashes_more_than_three_times_in_a_second(pins: Evidence) -> None:
    rises = [at_s for at_s, line, level in pins["status light"]["edges"] if line == LIGHT_PIN and level]
    most = max(sum(at_s <= other < at_s + 1.0 for other in rises) for at_s in rises)
    fastest_s = min(b - a for a, b in itertools.pairwise(rises))
    print(f"\n  {len(rises)} flashes, at most {most} in a second, {1 / fastest_s:.2f} Hz at the fastest")
    assert most <= 3
    assert fastest_s > 1 / 3


def test_a_loop_that_hangs_turns_the_light_to_fault(pins: Evidence) -> None:
    edges = [Edge(*edge) for edge in pins["status light"]["edges"]]
    name, from_s, to_s = pins["status light"]["said"][-1]
    assert name == "hung"
    on = [(e.at_s - from_s, e.level) for e in edges if from_s <= e.at_s < to_s]
    assert len(on) >= 2
    assert all(0.8 < b[0] - a[0] < 1.2 for a, b in itertools.pairwise(on))  # one second lit, one dark


def test_a_pin_that_somebody_else_has_costs_the_panel_but_not_the_station(pins: Evidence) -> None:
    busy = pins["busy"]
    assert busy["panel"] == "NoPanel"
    assert f"GPIO {LIGHT_PIN} of pinctrl-bcm2711: busy: used by process {busy['pid']} " in busy["warning"]


def test_a_bar_without_its_pins_is_refused_and_says_who_has_them_before_it_touches_one(
    pins: Evidence,
) -> None:
    busy = pins["busy"]
    what, fix = busy["bar"]
    assert (
        f"GPIO {pins['pins']['latch']} of pinctrl-bcm2711: busy: used by process {busy['bar_pid']} " in what
    )
    assert fix
    assert not busy["edges"]


def test_a_second_bar_on_the_same_pins_is_refused_without_touching_the_first(pins: Evidence) -> None:
    assert pins["busy"]["second"]
    assert "busy" in pins["busy"]["second"][0]
    assert not pins["busy"]["second_edges"]


def test_the_twin_shifts_latches_and_goes_dark_as_the_data_sheet_says() -> None:
    wires = {"data": 1, "clock": 2, "latch": 3, "enable": 4}
    clock, latch = [(2, 1), (2, 0)], [(3, 1), (3, 0)]
    moves = [(4, 1), (1, 1), *clock, (1, 0), *clock, *clock, *latch, (4, 0), (1, 1), *clock]
    twin = ShiftBar(3, **wires).feed(Edge(float(k), *move) for k, move in enumerate(moves))
    assert [outputs for _, outputs in twin.latched] == [(0, 0, 1)]  # shifted on, but shown only once latched
    assert twin.clocks == 4
    assert not twin.dark
    assert ShiftBar(3, **wires).feed([Edge(0.0, 4, 1)]).dark


def test_a_kernel_trace_is_read_as_writes_in_order() -> None:
    text = """# tracer: nop
          python-123   [001] .....    12.000100: gpio_value: 971 set 1
          python-123   [001] .....    12.000200: gpio_value: 972 get 1
          python-123   [000] .....    12.000300: gpio_value: 971 set 0
"""
    assert edges_of(text, 966) == [Edge(12.0001, 5, 1), Edge(12.0003, 5, 0)]
