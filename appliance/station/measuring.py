"""A camera and a lit bar become the running service: each frame to light, then to panel, heartbeat, recorder and card.

Seconds on the monotonic clock. Everything here is the loop's own thread; what is slow is handed on. Refuses to go on
with a process that has grown too big once nobody runs, and with a camera or bar that is lost (their own errors).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from appliance.config import Settings
from appliance.errors import HipbarError
from appliance.feedback.patterns import pattern
from appliance.pipeline import Pipeline
from appliance.records import U8, Light, Notice, Shown, Update
from appliance.station.archive import Archive
from appliance.station.attended import Attended
from appliance.station.calibration import Calibration
from appliance.station.change import Change
from appliance.station.face import Face
from appliance.station.hatch import About, LentStrip, WatchedCamera
from appliance.station.loop import Ledger, Stop, watch
from appliance.station.minutes import Stretch
from appliance.station.places import NOT_ON_DATA, may_record
from appliance.station.post import Post
from appliance.station.recording import Header
from appliance.station.scribe import Scribe
from appliance.station.sentinel import BeatingCamera, BeatingStrip
from appliance.station.service import Camera, Panel, Service, signs_of
from appliance.station.tally import Delays, Tally
from appliance.station.teller import keeping_of
from appliance.station.visits import Visits
from appliance.station.wallclock import FILE as CLOCK
from appliance.station.wallclock import WallClock

_IN_USE = (Light.RUNNING, Light.RECORDING)


class Strip(Protocol):
    """The bar."""

    @property
    def faults(self) -> int:
        """How many frames could not be written so far."""

    def show(self, rgb: U8, /) -> None:
        """Lights all LEDs: (n, 3) uint8."""


def measure(
    service: Service,
    settings: Settings,
    camera: Camera,
    strip: Strip,
    panel: Panel,
    pipeline: Pipeline,
    stop: Stop,
    over: Callable[[], None] = lambda: None,
) -> Change | None:
    """Until `stop` says so, the button is held very long, something is lost, or other settings want a new beginning.

    Those are what is returned; None = the end. `settings` are those that the devices were opened with. over : called
    when the change that this was begun for is made.
    """
    steward, hatch = service.steward, service.hatch
    visits = service.visits
    books, face = _Books(service, settings, camera), Face(strip, settings, visits.says)
    hatch.about = _about(settings, camera)
    witness = _Witness(service, Post(panel, pressed=visits.press), face, books, camera)
    last = pattern(Shown.OFF, settings)
    loop = _Loop(settings, pipeline, face, camera)
    steward.enter(loop, settings, pipeline.sides_proved, over)
    books.lend(visits, pipeline, settings, steward.calibration(), lambda: camera.lost)
    seen, lit = _minded(service, camera, face, strip)
    try:
        watch(seen, lit, pipeline, books.ledger, witness, stop)
        if steward.pending and not stop():
            last = face.parting(Notice.STARTING)
    except HipbarError as error:
        light, notice = signs_of(error)
        last = pattern(notice, settings)
        service.say(light, error)
        raise
    finally:
        if change := steward.leave():
            change.before = loop.settings
        service.beat.turned_s = None  # what is put away now is no turn of the loop
        with contextlib.suppress(HipbarError):  # a strip that is lost has told so
            strip.show(last)
        books.close()  # a card that hangs takes seconds, in which nothing old may be lit
        visits.left()
    return None if stop() else change


def _minded(service: Service, camera: Camera, face: Face, strip: Strip) -> tuple[BeatingCamera, BeatingStrip]:
    """Camera and bar with everybody beside them: the visit, who looks through the hatch, the heartbeat."""
    watched = Attended(WatchedCamera(camera, service.hatch), service.hatch, service.visits)
    lent = LentStrip(face, strip, service.hatch)
    return BeatingCamera(watched, service.beat, time.monotonic), BeatingStrip(lent, service.beat)


class _Loop:
    """What can be changed of the loop while it runs; called by the loop itself, between two frames."""

    def __init__(self, settings: Settings, pipeline: Pipeline, face: Face, camera: Camera) -> None:
        self.settings, self._pipeline, self._face, self._camera = settings, pipeline, face, camera

    def adopt(self, settings: Settings, proved: bool) -> None:
        """Takes settings that need nothing opened anew."""
        was, now = self.settings.camera, settings.camera
        if (was.exposure_us, was.gain) != (now.exposure_us, now.gain):
            self._camera.expose(now.exposure_us, now.gain)
        self._pipeline.adopt(settings)
        self._pipeline.sides_proved = proved
        self._face.adopt(settings)
        self.settings = settings


def _about(settings: Settings, camera: Camera) -> About:
    return About(
        width_px=camera.size[0],
        height_px=camera.size[1],
        rate_hz=camera.rate_hz,
        leds=settings.strip.leds,
        byte_budget=settings.strip.byte_budget,
        camera=camera.about(),
    )


class _Books:
    """What is kept of the frames: sums and delays in memory, recordings and the wall clock on the card."""

    def __init__(self, service: Service, settings: Settings, camera: Camera) -> None:
        row_s = settings.camera.row_us * 1e-6
        header = Header.of(settings, camera.size, camera.rate_hz, row_s, service.version)
        clock, kept = WallClock(service.state / CLOCK, service.teller.clock_set), settings.service
        self.archive: Archive | None = None
        if may_record(settings):
            self.archive = Archive(
                service.state / "recordings",
                header,
                limit_mb=kept.record_mb,
                reserve_mb=kept.reserve_mb,
                stamp=clock.stamp,
            )
        self.scribe = Scribe((clock, self.archive) if self.archive else (clock,))
        tally = Tally(settings.motion.zero_deg, camera.rate_hz)
        frames = max(1, round(camera.rate_hz))
        books = (service.visits, self.scribe)
        self.ledger = Ledger(tally, books, settings.strip.leds, frames=frames)
        self._header = header
        service.flight.carry(header)
        service.facts.laps = self.ledger.laps

    def lend(
        self,
        visits: Visits,
        pipeline: Pipeline,
        settings: Settings,
        calibration: Calibration,
        lost: Callable[[], int],
    ) -> None:
        """What a visit needs of this stretch."""
        now = calibration.current
        revision = msgspec.json.encode(now).decode() if now else ""
        visits.entered(Stretch(pipeline, self._header, settings, revision, lost, self.ledger.flush))

    def close(self) -> None:
        """Brings what is waiting to the card."""
        self.ledger.flush()
        self.scribe.close()


class _Witness:
    """Told of every turn after the light: heartbeat, panel, recorder; a few microseconds a frame."""

    def __init__(self, service: Service, post: Post, face: Face, books: _Books, camera: Camera) -> None:
        self._service, self._post, self._face = service, post, face
        self._ledger, self._archive, self._scribe = books.ledger, books.archive, books.scribe
        self._camera = camera
        lost = (service.state / NOT_ON_DATA).exists()
        self._afloat = ("the data partition is missing: what is kept ends with the power",) if lost else ()
        self._heard_s = camera.now_s()
        self._ready = False

    @property
    def stop_asked(self) -> bool:
        """By a very long press, for other settings, or because the process has grown too big and nobody runs."""
        teller = self._service.teller
        idle = self._post.light not in _IN_USE
        if self._service.steward.pending is not None:
            return True
        return self._post.stop_asked or teller.far_too_big or (teller.too_big and idle)

    def seen(self, update: Update, now_s: float) -> None:
        """A frame came, and its light is out."""
        self._heard_s, self._face.silent_s = now_s, 0.0
        self._face.now_s = now_s
        self._service.flight.note(update, now_s)
        self._post.seen(update, now_s)
        self._service.hatch.saw(update, now_s, self._post.light)
        self._tell(now_s)

    def silent(self, now_s: float) -> None:
        """No frame came."""
        self._face.now_s, self._face.silent_s = now_s, now_s - self._heard_s
        self._post.silent(now_s)
        self._tell(now_s)

    def _tell(self, now_s: float) -> None:
        service = self._service
        facts = service.facts
        recording = self._archive is not None and self._archive.kept.on
        self._post.recording = self._face.recording = recording
        if service.beat.due(time.monotonic()):
            self._alive()
        if facts.light != self._post.light:
            service.turned(self._post.light)

    def _alive(self) -> None:
        """Frames and light go on; the first time, the station is ready."""
        service = self._service
        facts = service.facts
        facts.lost, facts.strip_faults = self._camera.lost, self._face.faults
        if facts.ages_told:
            self._ledger.ages, facts.ages_told = Delays(), False
        facts.ages = self._ledger.ages
        if self._archive:
            facts.keeping = keeping_of(self._archive.kept)
        trouble = facts.keeping.trouble or self._scribe.trouble
        recorded = (f"not recording: {trouble}",) if trouble and self._archive else ()
        facts.troubles = recorded + self._afloat + self._unproved() + service.troubles
        facts.troubles += tuple(service.steward.warnings)
        if self._ready:
            service.notifier.alive()
        else:
            self._ready = True
            service.notifier.ready("measuring")
            service.proved()

    def _unproved(self) -> tuple[str, ...]:
        proved = self._service.steward.proved
        return () if proved else ("nobody has proved which side is left: `hipbar calibrate sides`",)
