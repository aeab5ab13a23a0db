"""A film of a recorded runner, shown to a running station in the bench's machine, becomes all that was seen of it.

Times are seconds on the machine's CLOCK_MONOTONIC. The station records keypoints; their replay on this computer says
what the light of every frame must be. Frames and SPI transfers belong together by their order and their times: the
light of a frame is the first transfer after it, and what comes before the next frame is an idle one, sent because
nothing had come for 50 ms. A replay knows of no idle light: light may differ for `_SETTLED_S` after one. A loopback
device, unlike a camera, writes into pictures that are still being read when the reader is `_BUFFERS` pictures late:
such pictures are torn, and what is seen in them and for `_FOUND_AGAIN_S` after is not compared.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance import config
from appliance.pipeline import Pipeline
from appliance.records import F64, U8, Frame, Step
from appliance.sight.markers import Sight
from appliance.station.recording import Recording
from hw.camera.scene import Scene
from hw.camera.virtual import VirtualCamera
from hw.strip import apa102
from tests.station import bench
from tests.station.layers import cache
from tests.station.vm import Process, Vm

_SETTLED_S, _FOUND_AGAIN_S = 3.0, 1.0
_BUFFERS = 4
"""As many as hipbar asks for: v4l2loopback 0.12 takes spare ones away while they are being written, and crashes."""
_SETTINGS = """\
[camera]
source = "v4l2"
device = "{camera}"
width_px = {film.width_px}
height_px = {film.height_px}
rate_hz = {film.rate_hz}
exposure_us = 0
[strip]
kind = "apa102"
device = "{strip}"
leds = 60
[feedback]
mode = "{film.mode}"
"""
_RECORD, _CONFIG, _LOG = "/tmp/visit.hbk", "/tmp/station.toml", "/tmp/film.log"


class Film(NamedTuple):
    """Pictures of a runner who stands for a second and then runs, and the mode of the bar that shows it."""

    rate_hz: int
    mode: str
    width_px: int = 480
    height_px: int = 640
    seconds: float = 20.0

    @property
    def pictures(self) -> int:
        """How many."""
        return round(self.seconds * self.rate_hz)

    def shoot(self, path: Path) -> None:
        """The pictures, GREY, one after the other."""
        size = {"width_px": self.width_px, "height_px": self.height_px}
        camera = VirtualCamera(Scene(rate_hz=self.rate_hz, duration_s=self.seconds, stand_s=1.0, **size))
        with path.open("wb") as file:
            for frame in camera.frames():
                file.write(frame.luma.tobytes() if frame else b"")

    def settings(self) -> str:
        """The station's settings file."""
        return _SETTINGS.format(film=self, camera=bench.CAMERA, strip=bench.STRIP)


class Transfer(NamedTuple):
    """What went out of the SPI bus in one piece."""

    began_s: float
    ended_s: float
    error: int
    data: bytes


class Native(NamedTuple):
    """What this computer makes of the same pictures; how far its dots are from the machine's in each, px."""

    steps: tuple[Step, ...]
    away_px: F64


class Visit(NamedTuple):
    """All that was seen. Arrays have a row a frame that the station has measured.

    frames : `TRACK`. leds, replayed : (n, LEDs, 3) as they left the bus, and as a replay gives them. delay_s : from the
    moment before a picture was handed to the kernel to its light's last bit. opening : light before the first frame.
    """

    film: Film
    said: str
    written: int
    errors: int
    idle: int
    frames: NDArray[np.void]
    leds: U8
    replayed: U8
    after_idle: NDArray[np.bool_]
    torn: NDArray[np.bool_]
    delay_s: F64
    opening: tuple[U8, ...]
    last: U8
    steps: tuple[Step, ...]
    native: Native

    @property
    def share(self) -> float:
        """How much of what was written the station has measured."""
        return len(self.frames) / self.written

    def delays_ms(self) -> tuple[float, ...]:
        """p50, p95, p99 and the longest."""
        return tuple(float(v) for v in np.percentile(self.delay_s, (50, 95, 99, 100)) * 1e3)

    @property
    def other_light(self) -> NDArray[np.bool_]:
        """Which frames show another light than their replay."""
        differs: NDArray[np.bool_] = (self.leds != self.replayed).any(axis=(1, 2))
        return differs

    @property
    def furthest_px(self) -> float:
        """The largest distance between a dot here and there, torn pictures left out."""
        return float(self.native.away_px[~self.torn].max())

    def as_text(self) -> str:
        """A few lines for a person."""
        film, n = self.film, len(self.frames)
        names = ("p50", "p95", "p99", "max")
        delays = "  ".join(f"{name} {ms:.1f}" for name, ms in zip(names, self.delays_ms(), strict=True))
        return (
            f"{film.width_px}x{film.height_px} at {film.rate_hz} frames/s, mode {film.mode}:"
            f" {self.written} pictures written, {n} measured ({self.share:.1%})\n"
            f"  picture to last bit on the bus, ms: {delays}\n"
            f"  light equal to its replay: {n - int(self.other_light.sum())} of {n}; {self.idle} idle lights\n"
            f"  against this computer: {len(self.steps)} steps within {furthest(self.steps, self.native.steps):.2g},"
            f" dots within {self.furthest_px:.2g} px ({int(self.torn.sum())} torn pictures left out)"
        )

    def report(self) -> Path:
        """A JSON file with the figures and the whole distribution."""
        counts, edges = np.histogram(self.delay_s * 1e3, bins=np.arange(0, 101, 1.0))
        figures = {
            **self.film._asdict(),
            "written": self.written,
            "measured": len(self.frames),
            "idle": self.idle,
            "other_light": int(self.other_light.sum()),
            "torn": int(self.torn.sum()),
            "steps": len(self.steps),
            "delay_ms": dict(zip(("p50", "p95", "p99", "max"), self.delays_ms(), strict=True)),
            "delays_by_ms": {
                f"{edge:.0f}": int(count) for edge, count in zip(edges, counts, strict=False) if count
            },
            "station_said": self.said.splitlines(),
        }
        path = cache() / "reports" / f"run-{self.film.rate_hz}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(figures, indent=1) + "\n")
        return path


def furthest(ones: tuple[Step, ...], others: tuple[Step, ...]) -> float:
    """The largest difference between any two figures of the same step; infinite when one is there and the other not."""
    pairs = [
        (a, b)
        for one, other in zip(ones, others, strict=False)
        for a, b in zip(msgspec.structs.astuple(one)[1:], msgspec.structs.astuple(other)[1:], strict=True)
        if not (a is None and b is None)
    ]
    return max((np.inf if a is None or b is None else abs(a - b) for a, b in pairs), default=np.inf)


def show(vm: Vm, film: Film, folder: Path) -> Visit:
    """Shoots the film, runs the station before it, and works out what has come of it."""
    pictures, record = folder / "film.raw", folder / "visit.hbk"
    film.shoot(pictures)
    try:
        said, transfers, writes = _perform(vm, film, vm.attach_disk(pictures), record)
        return _compared(film, pictures, record, said, transfers, writes)
    finally:
        pictures.unlink()


def _perform(vm: Vm, film: Film, disk: str, record: Path) -> tuple[str, list[Transfer], NDArray[np.int64]]:
    """The machine's part: what the station said, what went out of the bus, and when which picture was written."""
    vm.run(f"modprobe spi-capture; modprobe v4l2loopback video_nr=9 max_buffers={_BUFFERS}; rm -f {_RECORD}")
    vm.write(_CONFIG, film.settings())
    sizes = f"{film.width_px} {film.height_px} {film.rate_hz} {film.pictures}"
    feeder = vm.process(f"python3 /opt/bench/loopback.py {bench.CAMERA} {disk} {sizes} {_LOG}")
    with feeder, vm.process("/opt/hipbar/bin/python /opt/bench/witness.py") as witness:
        feeder.wait_for("showing", 30)
        witness.wait_for("watching", 30)
        with vm.process(f"hipbar run --config {_CONFIG} --record {_RECORD}") as station:
            vm.run(
                f"until [ -s {_RECORD} ] || ! kill -0 {station.pid}; do sleep 0.2; done; sleep 1",
                timeout_s=120,
            )
            feeder.signal("USR1")
            feeder.wait_for("played", film.seconds * 3 + 30)
            said = _ended(station)
        transfers = [_transfer(line) for line in _ended(witness).splitlines()[1:]]
        _ended(feeder)
    log = vm.read(_LOG)
    vm.get(_RECORD, record)
    vm.run("rmmod v4l2loopback")
    return said, transfers, np.loadtxt(log.splitlines(), dtype=np.int64)


def _ended(process: Process) -> str:
    """What a program said, after it was asked to stop and has."""
    process.signal("TERM")
    result = process.wait(60)
    if result.code:
        raise AssertionError(f"exit {result.code}\n{result.out}{result.err}")
    return result.out


def _transfer(line: str) -> Transfer:
    began_s, ended_s, error, data = line.split()
    return Transfer(float(began_s), float(ended_s), int(error), bytes.fromhex(data))


def _compared(
    film: Film, pictures: Path, record: Path, said: str, transfers: list[Transfer], writes: NDArray[np.int64]
) -> Visit:
    """All together."""
    with contextlib.closing(Recording(record)) as recording:
        frames = np.concatenate(list(recording.tracks()))
    shown = [apa102.decode(transfer.data) for transfer in transfers]
    lights = _lights(frames["t_s"], np.array([t.began_s for t in transfers]))
    written = _writes_of(frames, writes)
    between = np.diff(np.append(lights, len(transfers) - 1)) - 1
    replayed, steps = _replayed(record, film)
    began_s, ended_s = (
        np.array(s)[lights] for s in zip(*[(t.began_s, t.ended_s) for t in transfers], strict=True)
    )
    overwritten_s = writes[np.minimum(written + _BUFFERS, len(writes) - 1), 1] / 1e9
    torn = _soon_after(frames["t_s"], began_s[overwritten_s < began_s], _FOUND_AGAIN_S)
    return Visit(
        film=film,
        said=said,
        written=int(written[-1] - written[0]) + 1,
        errors=sum(t.error != 0 for t in transfers),
        idle=int(between.sum()),
        frames=frames,
        leds=np.array(shown)[lights],
        replayed=replayed,
        after_idle=_soon_after(frames["t_s"], ended_s[between > 0], _SETTLED_S),
        torn=torn,
        delay_s=ended_s - writes[written, 1] / 1e9,
        opening=tuple(shown[: lights[0]]),
        last=shown[-1],
        steps=steps,
        native=_native(film, pictures, frames, writes[written, 0], torn),
    )


def _lights(t_s: F64, began_s: F64) -> NDArray[np.int64]:
    """Which transfer is the light of each frame: the first after it, in order."""
    lights, at = [], 0
    for t in t_s:
        while began_s[at] <= t:
            at += 1
        lights.append(at)
        at += 1
    return np.array(lights)


def _writes_of(frames: NDArray[np.void], writes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which write brought each frame: the kernel counts them from the loading of the module on."""
    found: NDArray[np.int64] = frames["seq"]
    assert (frames["t_s"] > writes[found, 1] / 1e9).all(), "a frame older than its own picture"
    return found


def _soon_after(t_s: F64, when_s: F64, how_soon_s: float) -> NDArray[np.bool_]:
    """Which frames come at one of these times or soon after it."""
    first = np.searchsorted(t_s, when_s) - 1
    since_s = t_s[:, None] - t_s[first][None]
    soon: NDArray[np.bool_] = ((since_s >= 0) & (since_s < how_soon_s)).any(axis=1)
    return soon


def _replayed(record: Path, film: Film) -> tuple[U8, tuple[Step, ...]]:
    """The light of every frame, and the steps, as `hipbar replay` gives them."""
    bar, steps, settings = (record.with_name(name) for name in ("bar.csv", "steps.jsonl", "station.toml"))
    settings.write_text(film.settings())
    words = ["replay", record, "--bar", bar, "--steps", steps, "--config", settings]
    start = [sys.executable, "-c", "from appliance.cli import main; main()"]
    subprocess.run([*start, *words], check=True, capture_output=True)
    rows = (line.split(",")[2] for line in bar.read_text().splitlines()[1:])
    leds = np.array([np.frombuffer(bytes.fromhex(row), np.uint8).reshape(-1, 3) for row in rows])
    return leds, tuple(msgspec.json.decode(line, type=Step) for line in steps.read_bytes().splitlines())


def _native(
    film: Film, pictures: Path, frames: NDArray[np.void], shown: NDArray[np.int64], torn: NDArray[np.bool_]
) -> Native:
    """This computer's own view of the very pictures, at the very times; of torn ones it has that of the machine."""
    reel = np.memmap(pictures, np.uint8, "r", shape=(film.pictures, film.height_px, film.width_px))
    settings = config.parse(film.settings())
    sight, there_px, t_s = Sight(settings), frames["xy_px"], frames["t_s"].copy()
    pictures_shown = (np.ascontiguousarray(reel[number]) for number in shown)
    here_px = np.array(
        [sight.locate(Frame(k, t_s[k], luma)).xy_px.copy() for k, luma in enumerate(pictures_shown)]
    )
    away_px = np.where(np.isnan(here_px) == np.isnan(there_px), np.abs(here_px - there_px), np.inf)
    here_px[torn] = there_px[torn]
    batch = Pipeline(settings).replay(t_s, here_px, 0.0, (film.width_px, film.height_px))
    return Native(batch.steps, np.nan_to_num(away_px, posinf=np.inf).max(axis=(1, 2)))
