"""`hipbar leds`: lists what is there, lights what it says, and leaves the bar dark however it ends."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest

from appliance.commands.walk import pictures
from appliance.config import Settings, Strip, parse
from appliance.feedback.patterns import pattern
from appliance.records import Notice, Shown
from tests.cli.conftest import ROOT, started

LEDS = 12


@pytest.fixture
def inbox():
    """A WLED controller as far as its socket goes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox:
        inbox.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        inbox.bind(("127.0.0.1", 0))
        inbox.settimeout(30)
        yield inbox


@pytest.fixture
def wled(inbox, tmp_path):
    """Settings of a bar at that controller."""
    path = tmp_path / "wled.toml"
    path.write_text(
        f'[strip]\nkind = "wled"\nhost = "127.0.0.1"\nport = {inbox.getsockname()[1]}\nleds = {LEDS}\n'
    )
    return path


def _arrived(inbox):
    inbox.setblocking(False)
    frames = []
    with contextlib.suppress(BlockingIOError):
        while True:
            frames.append(np.frombuffer(inbox.recv(2048)[10:], np.uint8).reshape(-1, 3))
    return frames


def _runs(frames):
    """Which LEDs were lit, frame by frame, equal neighbours once."""
    shapes = [tuple(np.flatnonzero(rgb.any(axis=1)).tolist()) for rgb in frames]
    return [shape for k, shape in enumerate(shapes) if k == 0 or shape != shapes[k - 1]]


def test_the_list_says_what_the_strip_takes_and_draws(hipbar, tmp_path):
    file = tmp_path / "station.toml"
    file.write_text('[strip]\nkind = "apa102"\nleds = 60\npieces = [[29, 0], [30, 59]]\nreversed = true\n')
    said = hipbar("leds", "--config", file, "--json")
    strip = json.loads(said.out)["strip"]
    assert (said.code, said.err) == (0, "")
    assert strip["frame_bytes"] == 252
    assert strip["wire_ms"] == pytest.approx(0.252)
    assert strip["white_ma"] == pytest.approx(60 + 60 * 60 * 127 / 255)
    assert strip["cap_ma"] - 15 < strip["capped_ma"] <= strip["cap_ma"]
    text = hipbar("leds", "--config", file, "--list").out
    assert "apa102: APA102 or SK9822 on /dev/spidev0.0 at 8 MHz" in text
    assert "60, wired 29 to 0, 30 to 59, from the other end" in text
    assert "252 bytes, 0.25 ms on the wire" in text
    assert "1,853 mA at brightness 0.5; the cap of 1,000 mA makes that 992 mA, 52% as bright" in text


def test_the_list_knows_every_kind_and_every_spi_device(hipbar):
    told = json.loads(hipbar("leds", "--json").out)
    kind = typing.get_type_hints(Strip, include_extras=True)["kind"]
    assert set(told["kinds"]) == set(typing.get_args(typing.get_args(kind)[0]))
    assert all(set(row) == {"device", "permitted", "used_by"} for row in told["spi"])
    assert {row["device"] for row in told["spi"]} == {str(path) for path in Path("/dev").glob("spidev*")}


def test_the_test_lights_what_it_says_from_the_runners_left_to_the_right(hipbar, wled, inbox):
    said = hipbar("leds", "--config", wled, "--test", "--seconds", 4, "--json")
    told = json.loads(said.out)
    runs = _runs(_arrived(inbox))
    assert said.code == 0
    assert told["faults"] == 0
    assert told["frames"] > 20
    assert 0 < told["p50_ms"] <= told["p99_ms"]
    walked = [shape[0] for shape in runs if len(shape) == 1]
    assert walked == sorted(set(walked))
    assert len(walked) > LEDS / 2, "a busy machine may jump over some"
    left, right = tuple(range(LEDS // 2)), tuple(range(LEDS // 2, LEDS))
    assert runs.index(left) < runs.index(right)
    words = said.err.splitlines()
    assert words.index("the runner's LEFT half is lit now") < words.index(
        "the runner's RIGHT half is lit now"
    )
    assert runs[-1] == ()
    assert words[-1] == "the bar is dark"


def test_the_test_of_a_bar_in_the_terminal_leaves_standard_output_to_json(hipbar):
    said = hipbar("leds", "--test", "--seconds", 0.5, "--json")
    assert json.loads(said.out)["kind"] == "terminal"
    assert "[" in said.err
    plain = hipbar("leds", "--test", "--seconds", 0.5)
    assert "0 faults; a frame took" in plain.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_test_that_is_stopped_leaves_the_bar_dark(wled, inbox, number):
    with started("leds", "--config", wled, "--test", "--seconds", 600) as process:
        while not any(inbox.recv(2048)[10:]):
            pass
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "the bar is dark"
    assert not _arrived(inbox)[-1].any()


def test_what_a_killed_process_left_lit_is_darkened(hipbar, wled, inbox):
    with started("leds", "--config", wled, "--test", "--seconds", 600) as process:
        while not any(inbox.recv(2048)[10:]):
            pass
        process.kill()
        process.communicate(timeout=30)
    _arrived(inbox)
    said = hipbar("leds", "--config", wled, "--dark")
    assert (said.code, said.out, said.err) == (0, "", "")
    frames = _arrived(inbox)
    assert frames
    assert not np.any(frames)


def test_the_station_leaves_the_bar_dark_when_it_is_told_to_end(wled, inbox):
    with started("run", "--config", wled) as process:
        while not any(inbox.recv(2048)[10:]):  # "warming up" comes first
            pass
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    frames = _arrived(inbox)
    assert not frames[-1].any()


@pytest.mark.parametrize(
    ("strip", "words"),
    [
        ('kind = "none"', 'strip.kind is "none"'),
        ('kind = "terminal"', 'strip.kind is "terminal"'),
        ('kind = "apa102"\ndevice = "/dev/spidev9.9"', "there is no /dev/spidev9.9"),
        ('kind = "ws2812"\ndevice = "/dev/spidev9.9"', "there is no /dev/spidev9.9"),
    ],
)
def test_darkening_what_is_not_there_is_no_error(hipbar, tmp_path, strip, words):
    file = tmp_path / "station.toml"
    file.write_text(f"[strip]\n{strip}\n")
    said = hipbar("leds", "--config", file, "--dark")
    assert (said.code, said.out) == (0, "")
    assert said.err == f"nothing to darken: {words}\n"


@pytest.mark.skipif(any(Path("/dev").glob("gpiochip*")), reason="this machine has a GPIO chip")
def test_darkening_single_leds_where_no_pins_are_is_no_error(hipbar, tmp_path):
    file = tmp_path / "station.toml"
    file.write_text('[strip]\nkind = "shift-register"\n')
    said = hipbar("leds", "--config", file, "--dark")
    assert (said.code, said.err) == (0, "nothing to darken: there is no GPIO chip\n")


def test_a_bar_that_another_process_lights_is_not_touched(hipbar, tmp_path):
    device, file = tmp_path / "spidev0.0", tmp_path / "station.toml"
    device.write_bytes(b"")
    file.write_text(f'[strip]\nkind = "apa102"\ndevice = "{device}"\n')
    fd = os.open(device, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    for mode in ("--dark", "--test"):
        said = hipbar("leds", "--config", file, mode)
        assert said.code == 6
        assert f"busy: used by process {os.getpid()} " in said.err
        assert len(said.err.splitlines()) == 2
    os.close(fd)
    assert device.read_bytes() == b""


def test_darkening_is_quick_because_nothing_heavy_is_loaded(wled):
    code = (
        "import sys\nfrom appliance import cli\n"
        "try: cli.main(['leds', '--config', sys.argv[1], '--dark'])\n"
        "except SystemExit as end: print(end.code, [m for m in ('numba', 'cv2', 'rich') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(wled)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0 []"


@pytest.mark.parametrize("words", [("--seconds", "nan"), ("--seconds", "0"), ("--bright",)])
def test_wrong_words_are_refused(hipbar, words):
    said = hipbar("leds", "--test", *words)
    assert said.code == 2
    assert said.err.startswith("hipbar: ")


@pytest.mark.parametrize("leds", [4, 5, 12, 300])
@pytest.mark.parametrize("brightness", [0.01, 0.5, 1.0])
def test_the_pictures_are_within_the_brightness_and_never_light_an_led_twice(leds, brightness):
    settings = parse(f"[strip]\nleds = {leds}\nbrightness = {brightness}")
    total = 0.0
    for picture in pictures(settings):
        total += picture.share
        frames = np.array([picture.leds(over) for over in np.linspace(0, 0.999, 1000)])
        assert frames.shape == (1000, leds, 3)
        assert frames.dtype == np.uint8
        assert 0 < frames.max() <= max(1, int(255 * brightness))
        lit = frames.any(axis=2)
        assert (np.diff(lit.astype(int), axis=0, prepend=0) == 1).sum(axis=0).max() == 1
    assert total == pytest.approx(1.0)


def test_the_pictures_end_with_everything_the_station_can_say_without_a_figure():
    shown = {picture.words: picture.leds(0.5) for picture in pictures(Settings())}
    for notice in Notice:
        assert (shown[f'the pattern "{notice.value}"'] == pattern(notice, Settings())).all()
    patterns = [words for words in shown if words.startswith("the pattern")]
    assert len(patterns) == len(Notice) + len(Shown) - 2, "all but OFF and MEASUREMENT"


def test_the_two_halves_are_the_runners_own():
    by_words = {picture.words: picture.leds(0.5) for picture in pictures(Settings())}
    left, right = (by_words[f"the runner's {side} half is lit now"].any(axis=1) for side in ("LEFT", "RIGHT"))
    assert left[:16].all()
    assert right[16:].all()
    assert not (left & right).any()


def test_of_leds_that_can_not_be_dimmed_the_list_counts_those_that_may_be_lit(hipbar, tmp_path):
    file = tmp_path / "station.toml"
    file.write_text(
        '[strip]\nkind = "shift-register"\nleds = 16\nled_ma = 12\nidle_ma = 0\ncurrent_cap_ma = 100\n'
    )
    text = hipbar("leds", "--config", file).out
    assert "192 mA at brightness 0.5; the cap of 100 mA makes that 96 mA, 50% of them lit" in text
