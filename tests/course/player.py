"""A protocol and a runner who learns become visits in a store, through the station's own loop, as fast as it turns.

    played = course(folder, scale=0.05)      # 8 visits of a minute or two; the store is <folder>/clinic.db

The loop (`station.loop.watch`), the pipeline, the host of visits, the session and the store are the station's. Three
things are not: nobody waits for a clock (a visit's wall times are those of its frames), settings come into force
between two frames instead of some milliseconds later, and, unless `drawn`, sight is replaced by the places where the
marks are, with a camera's noise (`tests.course.treadmill`): a twentieth of the time, all else the same.
Seconds; wall seconds since 1970. `scale` shortens all but standing; the runner then learns so many times faster.
"""

from __future__ import annotations

import re
import threading
import time
import tomllib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from appliance.clinic.terms import Kind
from appliance.config import laid
from appliance.pipeline import Pipeline
from appliance.records import U8, Frame, Shown, Update
from appliance.station.link import AskVisit
from appliance.station.loop import Ledger, watch
from appliance.station.minutes import Stretch
from appliance.station.reception import Reception
from appliance.station.recording import Header
from appliance.station.tally import Tally
from appliance.station.visits import Visits
from appliance.station.wallclock import Note
from appliance.store import texts
from appliance.store.clocks import Clocks
from appliance.store.store import Store
from appliance.store.writer import Writer
from hw.camera.acting import Act
from tests.course.trainee import Attempt, Figures, Learner
from tests.course.treadmill import Seen, Treadmill, fitting

FIRST_S = 1_772_445_600.0
"""Monday, 2 March 2026, 10:00 UTC."""
DAYS = (0, 2, 3, 4, 7, 9, 10, 11)
"""When the visits are: eight in two weeks."""
_BOOT = "00000000-0000-4000-8000-000000000001"
_AHEAD_S = 20.0
"""So many seconds of frames may wait for the disk: the writer leaves out what comes after a minute's."""
_LONGEST_S = 4 * 3600.0
Script = Sequence[tuple[float, AskVisit]]
_TIMES = re.compile(r"^(minutes|seconds|on_s|off_s) = (.+)$")
_LEAST_S = {Kind.BASELINE: 12.0, Kind.RETENTION: 12.0}
_LEAST_PATTERN_S = 5.0


class Played(msgspec.Struct, frozen=True):
    """One visit: its number in the store, and the runner's truth in the camera's seconds."""

    visit: int
    attempt: Attempt


def course(
    folder: Path,
    *,
    scale: float = 1.0,
    visits: int = 8,
    runner: str = "R-014",
    protocol: str = "retraining",
    figures: Figures | None = None,
    drawn: bool = False,
    tell: Callable[[str], None] = lambda words: None,
) -> list[Played]:
    """A runner's whole course, visit after visit on its days."""
    folder.mkdir(parents=True, exist_ok=True)
    if scale != 1.0:
        shorten(folder, protocol, scale)
    with Store.open(folder, make=True) as store:
        store.add_runner(runner, "", FIRST_S - 3600.0)
    learner, played = Learner(figures, pace=1.0 / scale), []
    for number in range(1, visits + 1):
        wall_s = (
            FIRST_S + 86400.0 * DAYS[(number - 1) % len(DAYS)] + 86400.0 * 14 * ((number - 1) // len(DAYS))
        )
        began_s = time.perf_counter()
        with Station(folder, learner.arrives(), wall_s, drawn=drawn) as station:
            played.append(station.plays(AskVisit(id=1, do="start", runner=runner, protocol=protocol)))
        took_s = time.perf_counter() - began_s
        tell(f"visit {number}: {station.treadmill.now_s():.0f} s in {took_s:.1f} s")
    return played


def shorten(folder: Path, protocol: str, scale: float) -> None:
    """A copy of a shipped protocol under the same name, in the clinic's own folder, with all times but the standing's
    multiplied; where a mean is needed, long enough for one, and a pattern of light that can be run by."""
    text = texts.text(folder, "protocols", protocol).text
    kind, lines = "", []
    for line in text.splitlines():
        if line.startswith("kind = "):
            kind = line.split('"')[1]
        found = None if kind == Kind.STAND else _TIMES.match(line)
        lines.append(_shorter(found, scale, kind, tomllib.loads(text)) if found else line)
    own = folder / "protocols"
    own.mkdir(exist_ok=True)
    (own / f"{protocol}.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _shorter(found: re.Match[str], scale: float, kind: str, whole: dict[str, Any]) -> str:
    name, value = found[1], msgspec.json.decode(found[2])
    values = value if isinstance(value, list) else [value]
    if name in ("on_s", "off_s"):
        faded = next(block for block in whole["block"] if block["kind"] == Kind.FADED)
        least = [min(pair) for pair in zip(faded["on_s"], faded["off_s"], strict=True)]
        times = [one * max(scale, _LEAST_PATTERN_S / part) for one, part in zip(values, least, strict=True)]
    else:
        by = scale * (60.0 if name == "minutes" else 1.0)
        times = [max(_LEAST_S.get(Kind(kind), 1.0), one * by) for one in values]
    times = [round(one, 1) for one in times]
    return f"{'seconds' if name == 'minutes' else name} = {times if isinstance(value, list) else times[0]}"


class _Hands:
    """Settings that a visit wants: brought into force by the loop itself, between two frames."""

    trouble: str | None = None

    def __init__(self) -> None:
        self.wanted: dict[str, Any] = {}
        self.given = self.wanted

    @property
    def quiet(self) -> bool:
        """Whether what is wanted is in force."""
        return self.wanted is self.given

    def want(self, values: Mapping[str, Any] | None) -> None:
        """As `appliance.station.hands.Hands`."""
        self.wanted = {**self.wanted, **values} if values else {}

    def settle(self) -> None:
        """The loop takes it by itself."""

    def do(self, job: Callable[[], None]) -> None:
        """At once."""
        job()

    def close(self) -> None:
        """Nothing to end."""


class Station:
    """A station for one visit: loop, host and writer, with one camera that goes on through changes of settings."""

    def __init__(self, folder: Path, attempt: Attempt, wall_s: float, *, drawn: bool) -> None:
        self.treadmill = Treadmill(attempt, self._told, drawn=drawn)
        self._attempt, self._wall_s, self._hands = attempt, wall_s, _Hands()
        self._given: Mapping[str, Any] = self._hands.wanted
        self._base = self.settings = fitting(self.treadmill)
        self._writer = Writer(folder, reserve_mb=1.0, stamp=self._stamp)
        self.visits = Visits(self._writer, self._hands, self._note)  # type: ignore[arg-type]
        self._reception = Reception(self.visits, folder, lambda: self.settings, "course", self._note)
        self.shown = Shown.OFF
        self._script: deque[tuple[float, AskVisit]] = deque()
        self._begun, self._answered, self._running = 0, True, False
        self._pipeline = Pipeline(self.settings)

    def __enter__(self) -> Station:
        return self

    def __exit__(self, *_: object) -> None:
        self.visits.end()

    def plays(self, start: AskVisit, *, after_s: float = 0.0, script: Script = ()) -> Played:
        """One visit from its start to its end, in as many loops as it takes. after_s : so long the loop runs without.

        script : what is asked in its course, and at which second of the camera; from another thread, as on a station.
        """
        self._script = deque([(after_s, start), *script])
        if not after_s:
            self._ask()
        while self._script or not self._answered or not self.visits.free:
            self._take()
            self._loop()
        return Played(self._begun, self._attempt)

    def _ask(self) -> None:
        """The next line of the script."""
        ask = self._script.popleft()[1]
        self._answered = False

        def steer() -> None:
            try:
                told = self._reception.steer(ask)
                self._begun = told.id if ask.do == "start" and told else self._begun
            finally:
                self._answered = True

        if self._running:
            threading.Thread(target=steer).start()
        else:
            steer()

    def _loop(self) -> None:
        """Until the visit is over, or wants settings that need a new pipeline."""
        treadmill, settings = self.treadmill, self.settings
        pipeline = self._pipeline = Pipeline(settings)
        if not treadmill.drawn:
            pipeline._sight = Seen(treadmill)  # type: ignore[assignment]
        header = Header.of(settings, treadmill.size, treadmill.rate_hz, 0.0, "course")
        frames = round(treadmill.rate_hz)
        ledger = Ledger(
            Tally(settings.motion.zero_deg, treadmill.rate_hz),
            (self.visits,),
            settings.strip.leds,
            frames=frames,
        )
        self.visits.entered(Stretch(pipeline, header, settings, "", lambda: 0, ledger.flush))
        self._running = True
        watch(_Attended(treadmill, self._between), _Bar(), pipeline, ledger, _Witness(self), self._stop)
        self._running = False
        ledger.flush()
        self.visits.left()

    def saw(self, update: Update) -> None:
        """What the last frame brought, its light included."""
        self._update, self.shown = update, update.shown

    def _between(self) -> None:
        """The loop's turn is done: the visit hears of the frame, and what it wants comes into force."""
        self.visits.turn(self._update, self.treadmill.now_s())
        if self._hands.wanted is not self._given and not self._opens_anew():
            self._take()
            self._pipeline.adopt(self.settings)
        if self._script and self._answered and self.treadmill.now_s() >= self._script[0][0]:
            self._ask()
        if not self._answered:
            time.sleep(0.001)  # who steers is a thread of its own: it is not to come minutes late
        if self._update.seq % 120 == 0:
            self._wait_for_the_disk()

    def _take(self) -> None:
        """What the visit wants is in force."""
        self._given = self._hands.given = self._hands.wanted
        self.settings = laid(self._base, self._given) if self._given else self._base

    def _opens_anew(self) -> bool:
        """Whether another standing zero is wanted: that takes a pipeline that begins with it."""
        wanted_deg = self._hands.wanted.get("motion.zero_deg", self._base.motion.zero_deg)
        return bool(wanted_deg != self.settings.motion.zero_deg)

    def _stop(self) -> bool:
        assert self.treadmill.now_s() < _LONGEST_S, "the visit does not end"
        over = self.visits.free and self._answered and not self._script
        return over or self._opens_anew()

    def _wait_for_the_disk(self) -> None:
        told, held = self.visits.told, self._writer.held
        while told and told.view and told.view.at_s - held.at_s > _AHEAD_S:
            assert held.trouble is None, held.trouble
            time.sleep(0.002)
            held = self._writer.held

    def _told(self) -> tuple[Act, bool]:
        """What the runner does: as the block says, with the eyes on the bar."""
        told = self.visits.told
        stands = (told is None or told.view is None) if not self._script else False
        stands |= bool(told and told.view and told.view.kind == Kind.STAND)
        return ("stand" if stands else "run"), self.shown is Shown.MEASUREMENT

    def _note(self) -> Note:
        at_s = self.treadmill.now_s()
        return Note(_BOOT, self._wall_s + at_s, self._wall_s + at_s, True)

    def _stamp(self) -> Clocks:
        at_s = self.treadmill.now_s()
        return Clocks(self._wall_s + at_s, _BOOT, self._wall_s + at_s, True)


class _Attended:
    """The camera, with a turn of the visit after each frame."""

    def __init__(self, camera: Treadmill, between: Callable[[], None]) -> None:
        self._camera, self._between = camera, between

    def now_s(self) -> float:
        """The camera's."""
        return self._camera.now_s()

    def frames(self) -> Iterator[Frame | None]:
        """The camera's."""
        for frame in self._camera.frames():
            yield frame
            self._between()


class _Bar:
    """A light bar that the runner looks at through `Update.shown`."""

    def show(self, rgb: U8, /) -> None:
        """Lit."""


class _Witness:
    """Tells the station what each frame brought."""

    stop_asked = False

    def __init__(self, station: Station) -> None:
        self._station = station

    def seen(self, update: Update, now_s: float) -> None:
        """A frame."""
        self._station.saw(update)

    def silent(self, now_s: float) -> None:
        """A treadmill is never silent."""
