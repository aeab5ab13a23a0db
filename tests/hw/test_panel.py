"""A finger becomes presses, a state becomes a rhythm that nobody can mistake, and a panel never stops a station."""

import itertools
import logging
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pins import Header

from appliance import config
from appliance.config import Panel as Settings
from appliance.records import Light, PressKind
from hw import panel
from hw.panel import RHYTHMS, TICK_S, Button, Desk, GpioPanel, Lamp, NoPanel, open_panel, rhythm

USUAL = Settings(kind="gpio")
BUTTON, LIGHT = USUAL.button_pin, USUAL.light_pin


def _pressed(trains, step_s, *, until_s, settings=USUAL, phase=0.0):
    """The presses of a contact that is closed during `trains`, (from, to) in seconds, sampled every `step_s`."""
    button = Button(settings.debounce_ms / 1e3, settings.long_s, settings.very_long_s)
    times = (phase + k * step_s for k in range(int((until_s - phase) / step_s) + 1))
    return [button.sample(any(a <= t_s < b for a, b in trains), t_s) for t_s in times]


def _kinds(*args, **more):
    return [p.kind for p in _pressed(*args, **more) if p]


def _lit(desk, seconds, *, said=None, held=(), step_s=TICK_S):
    """Whether the light was lit at each tick while `said(t_s)` was said and the button held during `held`."""
    light = []
    for k in range(round(seconds / step_s)):
        t_s = k * step_s
        if said and said(t_s):
            desk.lamp.say(said(t_s), t_s)
        light.append(desk.tick(any(a <= t_s < b for a, b in held), t_s))
    return light


def _rises(light):
    return [k for k, (a, b) in enumerate(zip([False, *light], light, strict=False)) if b and not a]


def _most_a_second(light, step_s=TICK_S):
    """The most rises in any window of one second, from one rise on, its end not counted."""
    rises = _rises(light)
    return max((sum(a <= b < a + round(1 / step_s) for b in rises) for a in rises), default=0)


# presses


@pytest.mark.parametrize(
    ("held_s", "kind"),
    [
        (0.05, PressKind.SHORT),
        (0.9, PressKind.SHORT),
        (1.1, PressKind.LONG),
        (4.9, PressKind.LONG),
        (5.1, PressKind.VERY_LONG),
        (60.0, PressKind.VERY_LONG),
    ],
)
def test_a_press_is_one_press_of_one_kind(held_s, kind):
    pressed = [p for p in _pressed([(2.0, 2.0 + held_s)], 0.01, until_s=70) if p]
    assert [p.kind for p in pressed] == [kind]
    assert pressed[0].t_s == pytest.approx(2.0, abs=0.0101)
    assert pressed[0].held_s == pytest.approx(min(held_s, 5.0), abs=0.0202)


def test_a_very_long_press_is_told_while_it_is_still_held():
    told = _pressed([(2.0, 60.0)], 0.01, until_s=59)
    assert [k * 0.01 for k, p in enumerate(told) if p] == [pytest.approx(7.0, abs=0.02)]


def test_a_short_and_a_long_press_are_told_when_they_are_let_go():
    told = _pressed([(1.0, 1.2), (2.0, 3.5)], 0.01, until_s=5)
    when = [k * 0.01 for k, p in enumerate(told) if p]
    assert when == [pytest.approx(1.23, abs=0.02), pytest.approx(3.53, abs=0.02)]


def test_a_button_that_is_held_at_start_is_no_press_until_it_was_let_go():
    button = Button(0.03, 1.0, 5.0)
    told = [button.sample(t_s < 9.0 or 10.0 <= t_s < 10.5, t_s) for t_s in (k * 0.01 for k in range(1200))]
    assert button.held_at_start
    assert [p.kind for p in told if p] == [PressKind.SHORT]
    assert not Button(0.03, 1.0, 5.0).held_at_start


bounces = st.lists(st.floats(0.0, 0.02), max_size=12).map(sorted)


@pytest.mark.parametrize(
    ("trains", "held"),
    [
        (((0, 9),), True),
        (((0, 1.5),), False),
        (((0, 1.5), (1.8, 9)), False),
        (((0.5, 9),), False),
        ((), False),
    ],
    ids=["held", "let go", "let go and pressed again", "pressed later", "never"],
)
def test_held_since_the_start_means_never_let_go(trains, held):
    button = Button(0.03, 1.0, 5.0)
    for k in range(250):
        button.sample(any(a <= k * TICK_S < b for a, b in trains), k * TICK_S)
    assert button.held_since_start is held


def _bouncing(edges, bounce):
    """Edges of a clean train, each of them followed by a bounce of up to 20 ms."""
    toggles = sorted(e + b for e in edges for b in ([0.0, *bounce] if len(bounce) % 2 == 0 else [0.0]))
    return list(zip(toggles[::2], toggles[1::2], strict=False))


@given(bounces, st.floats(0.12, 0.8), st.floats(0.0, 0.01))
def test_bounces_never_make_another_press(bounce, held_s, phase):
    train = _bouncing([1.0, 1.0 + held_s], bounce)
    assert _kinds(train, 0.01, until_s=3.0, phase=phase) == [PressKind.SHORT]


@given(st.lists(st.floats(0.006, 0.019), min_size=2, max_size=40))
def test_a_contact_that_never_rests_is_no_press(gaps):
    toggles = list(itertools.accumulate(gaps, initial=1.0))
    train = list(zip(toggles[::2], toggles[1::2], strict=False))
    assert _kinds(train, 0.005, until_s=3.0) == []


clean = st.lists(st.tuples(st.floats(0.25, 1.5), st.sampled_from([0.2, 0.5, 1.4, 3.0, 5.6])), max_size=4)


@given(clean, st.floats(0.005, 0.05), st.floats(0.0, 0.05), st.sampled_from([0.0, 10.0, 30.0, 50.0]))
def test_however_fast_the_button_is_sampled_clean_presses_are_the_same(clean, step_s, phase, debounce_ms):
    at, train = 0.5, []
    for gap_s, held_s in clean:
        train.append((at + gap_s, at + gap_s + held_s))
        at = train[-1][1]
    settings = Settings(debounce_ms=debounce_ms)
    wanted = ["short" if h < 1 else "long" if h < 5 else "very long" for _, h in clean]
    assert _kinds(train, step_s, until_s=at + 1, settings=settings, phase=phase) == wanted


# rhythms


def test_no_two_states_share_a_rhythm_from_wherever_one_looks():
    def seen(state):
        light = [rhythm(state, k * 0.05 + 0.025) for k in range(240)]  # 12 s: whole periods of all but one
        return {tuple(light[k : k + 120]) for k in range(120)}

    for a, b in itertools.combinations(Light, 2):
        assert not seen(a) & seen(b), (a, b)


def test_no_state_but_off_is_steady_so_that_a_dead_station_says_nothing():
    for state in Light:
        light = {rhythm(state, k * 0.01) for k in range(400)}
        assert light == ({False} if state is Light.OFF else {True, False})


def test_states_differ_by_the_number_of_flashes_or_gaps_or_by_tempo():
    """What a person counts: (flashes each period, period in seconds, mostly lit)."""
    counted = {
        s: (len(p) // 2, round(sum(p), 2), sum(p[::2]) > sum(p[1::2])) for s, p in RHYTHMS.items() if p
    }
    assert len(set(counted.values())) == len(RHYTHMS) - 1
    for (flashes_a, period_a, lit_a), (flashes_b, period_b, lit_b) in itertools.combinations(
        counted.values(), 2
    ):
        tempo = max(period_a, period_b) / min(period_a, period_b)
        assert flashes_a != flashes_b or lit_a != lit_b or tempo >= 1.5


@pytest.mark.parametrize("state", Light)
def test_every_state_flashes_at_most_three_times_in_any_second(state):
    assert _most_a_second(_lit(Desk(USUAL), 12.0, said=lambda _: state)) <= 3


@given(
    st.lists(st.tuples(st.sampled_from(Light), st.floats(0.01, 2.0)), min_size=1, max_size=20),
    st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(0.05, 7.0)), max_size=4),
)
def test_whatever_is_said_and_held_the_light_flashes_at_most_three_times_in_any_second(sayings, holds):
    ends = list(itertools.accumulate(s for _, s in sayings))

    def said(t_s):
        return next((light for (light, _), end in zip(sayings, ends, strict=True) if t_s < end), None)

    held = [(a, a + length) for a, length in holds]
    assert _most_a_second(_lit(Desk(USUAL), 12.0, said=said, held=held)) <= 3


def test_a_finger_cannot_make_the_light_flash_more_than_three_times_in_a_second():
    desk = Desk(Settings(kind="gpio", debounce_ms=0, long_s=0.3))
    holds = [(0.5 + k * 0.33, 0.5 + k * 0.33 + 0.315) for k in range(20)]
    light = _lit(desk, 8.0, said=lambda _: Light.RUNNING, held=holds)
    assert len(_rises(light)) > 10
    assert _most_a_second(light) <= 3


@pytest.mark.parametrize("state", [s for s in Light if s is not Light.OFF])
def test_a_state_that_is_said_again_and_again_is_shown_in_its_rhythm(state):
    light = _lit(Desk(USUAL), 6.0, said=lambda _: state)
    assert light == [rhythm(state, k * TICK_S) for k in range(600)]


@pytest.mark.parametrize("state", [Light.RUNNING, Light.RECORDING, Light.READY, Light.NO_CAMERA])
def test_a_state_that_is_not_said_again_for_a_second_becomes_a_fault(state):
    lamp = Lamp()
    for k in range(500):
        if k <= 200:
            lamp.say(state, k * TICK_S)
        lamp.lit(k * TICK_S)
        assert lamp.state is (state if k <= 300 else Light.FAULT), k


def test_warming_up_is_believed_for_as_long_as_compiling_may_take():
    lamp = Lamp()
    lamp.say(Light.WARMING_UP, 0.0)
    for k in range(1300):
        lamp.lit(k * 0.1)
        assert lamp.state is (Light.WARMING_UP if k <= 1200 else Light.FAULT)


def test_a_new_state_is_shown_at_once_when_the_old_one_could_be_read():
    lamp = Lamp()
    for k in range(300):
        lamp.say(Light.RUNNING if k < 150 else Light.NO_CAMERA, k * TICK_S)
        lamp.lit(k * TICK_S)
        assert lamp.state is (Light.RUNNING if k < 150 else Light.NO_CAMERA)


def test_states_that_flicker_are_each_shown_for_a_second():
    lamp, shown = Lamp(), []
    for k in range(1000):
        lamp.say(Light.RUNNING if k % 2 else Light.NO_MARKS, k * TICK_S)
        lamp.lit(k * TICK_S)
        shown.append(lamp.state)
    lengths = [len(list(group)) for _, group in itertools.groupby(shown)]
    assert min(lengths[:-1]) >= 99
    assert set(shown) == {Light.RUNNING, Light.NO_MARKS}


@pytest.mark.parametrize("state", Light)
def test_the_light_answers_a_long_press_whatever_it_says(state):
    light = _lit(Desk(USUAL), 12.0, said=lambda _: state, held=[(2.0, 9.0)])
    assert not any(light[305:330])
    assert all(light[336:698])
    assert not any(light[705:900])


# pins


@pytest.fixture
def header():
    return Header()


def _until(true, seconds=5.0):
    """Waits for what a thread does, for no longer than it takes."""
    end_s = time.monotonic() + seconds
    while not true() and time.monotonic() < end_s:
        time.sleep(0.002)
    return true()


def _opened(header, settings=USUAL):
    outputs = {settings.light_pin: False} if settings.light_pin >= 0 else {}
    inputs = [settings.button_pin] if settings.button_pin >= 0 else []
    return GpioPanel(header.open(outputs, inputs), settings)


def test_a_press_on_the_pin_is_heard_once(header):
    panel = _opened(header)
    library = header.gpio
    assert library.pulls[BUTTON] == library.PUD_UP
    assert _until(lambda: panel._desk.button._settled is False)
    library.outside[BUTTON] = 0
    assert _until(lambda: panel._desk.button.held_s(time.monotonic()) > 0.1)
    began_s = time.monotonic()
    library.outside[BUTTON] = 1
    heard = []
    assert _until(lambda: heard.extend(panel.presses()) or heard)
    assert [p.kind for p in heard] == [PressKind.SHORT]
    assert heard[0].t_s < began_s
    assert panel.presses() == ()
    panel.close()


def test_the_light_follows_what_is_said_and_is_off_after_closing(header):
    panel = _opened(header)
    panel.say(Light.READY)
    assert _until(lambda: header.gpio.levels[LIGHT] == 1)
    panel.say(Light.RUNNING)
    panel.close()
    panel.close()
    assert header.gpio.writes[0] == (LIGHT, 0)
    assert header.gpio.writes[-1] == (LIGHT, 0)
    assert not header.gpio.directions
    assert not [t for t in threading.enumerate() if t.name == "panel"]


def test_only_changes_of_the_light_are_written(header):
    panel = _opened(header)
    panel.say(Light.WARMING_UP)
    assert _until(lambda: len(header.gpio.writes) >= 4)
    panel.close()
    levels = [level for _, level in header.gpio.writes]
    assert all(a != b for a, b in itertools.pairwise(levels))


def test_a_panel_without_a_light_or_without_a_button_works(header):
    for settings in (Settings(kind="gpio", light_pin=-1), Settings(kind="gpio", button_pin=-1)):
        panel = _opened(header, settings)
        panel.say(Light.WARMING_UP)
        assert panel.presses() == ()
        panel.close()
    assert {pin for pin, _ in header.gpio.writes} == {LIGHT}


def test_a_button_that_is_held_at_start_is_told(header, caplog):
    header.gpio.outside[BUTTON] = 0
    with caplog.at_level(logging.WARNING, "hipbar.panel"):
        panel = _opened(header)
        assert _until(lambda: panel.held_at_start)
        assert _until(lambda: caplog.records)
        panel.close()
    assert caplog.messages == ["the button is held, or stuck: it counts once it has been let go"]


def test_a_pin_that_hangs_does_not_keep_the_panel_from_closing(caplog):
    class Stuck:
        entered, goes_on = threading.Event(), threading.Event()

        def read(self, pin):
            self.entered.set()
            self.goes_on.wait()
            return True

    wires = Stuck()
    panel = GpioPanel(wires, USUAL)
    assert wires.entered.wait(5.0)
    with caplog.at_level(logging.WARNING, "hipbar.panel"):
        panel.close()
    assert caplog.messages == ["the panel does not answer: left as it is"]
    wires.goes_on.set()
    panel._thread.join(5.0)


def test_a_failing_pin_is_told_once_and_stops_nothing(header, caplog):
    with caplog.at_level(logging.WARNING, "hipbar.panel"):
        panel = _opened(header)
        header.gpio.broken = True
        assert _until(lambda: caplog.records)
        panel.say(Light.RUNNING)
        assert panel.presses() == ()
        header.gpio.broken = False
        assert _until(lambda: header.gpio.levels[LIGHT] == 1)
        panel.close()
    assert len(caplog.messages) == 1
    assert "GPIO register unavailable" in caplog.messages[0]


# opening


def test_without_a_panel_in_the_settings_there_is_none_and_no_warning():
    panel, warning = open_panel(config.Settings())
    assert isinstance(panel, NoPanel)
    assert warning is None
    panel.say(Light.RUNNING)
    assert panel.presses() == ()
    panel.close()


def test_a_missing_chip_is_a_warning_and_no_stop():
    panel, warning = open_panel(config.parse('[panel]\nkind = "gpio"\n[gpio]\nchip = "no-such-label"\n'))
    assert isinstance(panel, NoPanel)
    assert warning.startswith("no panel: no GPIO chip labelled no-such-label; there is ")


def test_a_panel_without_pins_is_a_warning():
    panel, warning = open_panel(config.parse('[panel]\nkind = "gpio"\nbutton_pin = -1\nlight_pin = -1\n'))
    assert isinstance(panel, NoPanel)
    assert "panel.button_pin" in warning


def test_a_panel_that_can_be_had_is_opened_on_the_pins_of_the_settings(header, monkeypatch):
    monkeypatch.setattr(panel, "open_pins", header.open)
    opened, warning = open_panel(config.parse('[panel]\nkind = "gpio"\nbutton_pin = 17\nlight_pin = 4\n'))
    assert warning is None
    assert set(header.gpio.directions) == {17, 4}
    opened.close()
    assert not header.gpio.directions
