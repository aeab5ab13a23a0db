"""The settings file, the calibration and what somebody tries become the settings in force, changed whole or not at all.

A value that is tried counts above the calibration, the calibration above the file, the file above the defaults. A
change is worked out and checked first; then the loop takes it between two frames, or is left and entered again, with
devices opened anew where the change needs it; only then is it kept. Refuses, with the old still in force: settings
that don't fit (`SettingsError`), calibrations (`CalibrationError`), a card that takes nothing (`OutputError`), and what
only a new start of the service can change. Its methods are for one thread at a time, and never for the loop's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from appliance.config import Settings, entries, keys_of, laid, parse
from appliance.config.live import ADOPTED, EXPOSED
from appliance.errors import CalibrationError, HipbarError, SettingsError
from appliance.station import fallback
from appliance.station.calibration import (
    Calibration,
    committed,
    gone_back,
    mode_of,
    read_calibration,
    sides_proved,
    write_calibration,
)
from appliance.station.change import Change, changed_keys, parts_of
from appliance.station.hatch import Hatch
from appliance.station.link import TRYABLE
from appliance.station.places import state_dir
from appliance.station.status import Status

_ONLY_ANEW = frozenset({"service.state", "service.memory_mb"})
_READS_S = 1.0
APART_S = 0.5
"""From one change that the loop is left for to the next: each is a flash, and three flashes a second are the limit."""


class Loop(Protocol):
    """The loop while it runs."""

    def adopt(self, settings: Settings, proved: bool) -> None:
        """Takes other settings, of those that it can take, between two frames."""


class Steward:
    """Made from a settings file, whatever it is worth: `problem` says why it can't be used, `warnings` what else."""

    def __init__(self, file: Path, hatch: Hatch, software: str = "", apart_s: float = APART_S) -> None:
        self.file, self._hatch, self._software, self._apart_s = file, hatch, software, apart_s
        self.text: str | None = None
        self.problem: SettingsError | None = None
        self.warnings: list[str] = []
        self.clock_set: Callable[[], bool | None] = lambda: None
        self.last_status: Callable[[], Status] = Status
        self.loop: Loop | None = None
        self.pending: Change | None = None
        self.anew = False
        """Somebody has changed something while nothing was measured: the process has to start again."""
        self._entering = threading.Lock()
        self._left_s = -apart_s
        self._kept = Calibration()
        self._tried: dict[str, tuple[Any, int | None]] = {}
        self._base = Settings()
        try:
            self.text = fallback.read(file)
            self._base = read_whole(self.text, file)
        except SettingsError as error:
            self.problem = error
        self.state = state_dir(self._base)
        self._calibrated()
        self.settings = self._found()

    def begin(self) -> tuple[Settings, bool]:
        """What a loop is to be made with, and whether its sides are proved: both of one moment."""
        with self._entering:
            return self.settings, self.proved

    def enter(
        self, loop: Loop, settings: Settings, proved: bool, over: Callable[[], None] = lambda: None
    ) -> None:
        """A loop made with these runs, and the change that it was made for is `over`.

        If something else is in force by now (asked for while no loop could be asked), the loop is left for it at once:
        what it does and what is told of it are never two things.
        """
        with self._entering:
            over()
            self.loop = loop
            if (settings, proved) != (self.settings, self.proved):
                parts = parts_of(changed_keys(settings, self.settings), self.settings)
                self.pending = Change(self.settings, self.proved, parts, None)

    def leave(self) -> Change | None:
        """The loop runs no more; what it was left for, if somebody has changed something."""
        with self._entering:
            change, self.loop, self.pending = self.pending, None, None
            return change

    def calibration(self) -> Calibration:
        """All its revisions."""
        return self._kept

    @property
    def proved(self) -> bool:
        """Whether left was proved to be left, with the settings in force."""
        return sides_proved(self._kept, self.settings)

    @property
    def tried(self) -> dict[str, Any]:
        """What is tried now."""
        return {key: value for key, (value, _) in self._tried.items()}

    def resort(self, known: Settings) -> None:
        """Uses these in place of the file's, with what the calibration says of how the station is built."""
        over = {
            key: value
            for key, value in self._kept.over(known).items()
            if key.partition(".")[0] in ("camera", "lens", "strip")
        }
        self._base = self.settings = known
        try:
            self.settings = laid(known, over)
        except SettingsError as error:
            self.warnings.append(f"the calibration does not fit: {error}")

    def status(self) -> Status:
        """What the station last said of itself."""
        return self.last_status()

    def settings_told(self) -> dict[str, Any]:
        """The settings in force and where each comes from, ready for JSON."""
        now = self._kept.current
        named = keys_of(self.text) if self.text and not self.problem else set()
        return {
            "settings": msgspec.to_builtins(self.settings),
            "origins": {key: self._origin(key, named) for key, *_ in entries(self.settings)},
            "file": str(self.file),
            "tried": self.tried,
            "revision": now.number if now else 0,
        }

    def try_values(self, values: Mapping[str, Any], owner: int | None) -> list[str]:
        """Puts values above everything else until the `owner` leaves (None = nobody does); the keys that changed."""
        for key in values:
            if not any(key == one or (one.endswith(".") and key.startswith(one)) for one in TRYABLE):
                raise SettingsError(f"{key}: can't be tried", fix="set it in the settings file and reload")
        tried = {**self._tried, **{key: (value, owner) for key, value in values.items()}}
        changed, _ = self._apply(self._base, self._kept, tried)
        return changed

    def untry(self, owner: int | None) -> None:
        """Takes back what this owner has tried; without one, everything."""
        kept = {key: one for key, one in self._tried.items() if owner is not None and one[1] != owner}
        if kept != self._tried:
            self._apply(self._base, self._kept, kept)

    def reload(self) -> dict[str, Any]:
        """Reads the settings file and the calibration again; what has changed, and what was opened anew."""
        text = fallback.read(self.file)
        base = read_whole(text, self.file)
        if state_dir(base) != self.state:
            raise _anew("service.state")
        changed, parts = self._apply(base, read_calibration(self.state), self._tried)
        self.text, self.problem, self.warnings = text, None, []
        return {"changed": changed, "reopened": sorted(parts)}

    def commit(
        self,
        step: str,
        values: Mapping[str, Any],
        figures: Mapping[str, Any],
        lens_mode: str | None,
        proves_sides: bool,
    ) -> int:
        """Keeps what a step has found, in force at once; the number of the new revision."""
        if lens_mode is not None and lens_mode != mode_of(self.settings):
            what = f"the lens was measured for {lens_mode}, the station uses {mode_of(self.settings)}"
            raise CalibrationError(what, fix="measure it in the mode that is used")
        tried = {key: one for key, one in self._tried.items() if key not in values}
        aim = laid(self._laid(self._base, self._kept, tried), values, step)
        calibration = committed(
            self._kept,
            aim,
            step,
            values,
            figures,
            proves_sides=proves_sides,
            software=self._software,
            clock_set=self.clock_set(),
        )
        return self._keep(calibration, tried)

    def rollback(self, to: int) -> int:
        """Goes back to revision `to`, in force at once; the number of the revision that says so."""
        back = gone_back(self._kept, to, software=self._software, clock_set=self.clock_set())
        return self._keep(back, self._tried)

    def _keep(self, calibration: Calibration, tried: dict[str, tuple[Any, int | None]]) -> int:
        """In force first, then on the card; a card that refuses brings back what was before."""
        before = self._kept, self._tried
        self._apply(self._base, calibration, tried)
        try:
            write_calibration(self.state, calibration)
        except HipbarError as error:
            try:
                self._apply(self._base, *before)
            except HipbarError as also:
                self.warnings = [
                    f"calibrated, but not kept: {error}; and what was before can't be used: {also}"
                ]
            raise
        self.warnings = []
        assert calibration.current
        return calibration.current.number

    def _apply(
        self, base: Settings, calibration: Calibration, tried: dict[str, tuple[Any, int | None]]
    ) -> tuple[list[str], frozenset[str]]:
        """Brings settings into force, or raises and leaves all as it was; the keys that changed, what was opened."""
        aim = self._laid(base, calibration, tried)
        changed = changed_keys(self.settings, aim)
        proved = sides_proved(calibration, aim)

        def take() -> None:
            self._base, self._kept, self._tried, self.settings = base, calibration, tried, aim

        if changed or proved != self.proved:
            return changed, self._bring(aim, changed, proved, take)
        take()
        return changed, frozenset()

    def _bring(
        self, aim: Settings, changed: list[str], proved: bool, take: Callable[[], None]
    ) -> frozenset[str]:
        """Takes them when the loop does: the two never differ."""
        if blocked := _ONLY_ANEW.intersection(changed):
            raise _anew(min(blocked))
        parts, adopted = parts_of(changed, aim), ADOPTED.union(EXPOSED).issuperset(changed)
        if not adopted:
            time.sleep(max(0.0, self._left_s + self._apart_s - time.monotonic()))
        with self._entering:
            loop = self.loop
            if loop is None:
                self.anew |= bool(parts)
                take()
                return frozenset({"everything"}) if parts else parts
            if not adopted:
                owed = self.pending.parts if self.pending else frozenset()
                change = self.pending = Change(aim, proved, parts | owed, take)
        if not adopted:
            try:
                change.wait()
            finally:
                self._left_s = time.monotonic()
            return parts

        def adopt() -> None:
            (self.loop or loop).adopt(aim, proved)  # whichever runs when its turn comes
            take()

        self._hatch.ask(adopt)
        return frozenset()

    def _laid(
        self, base: Settings, calibration: Calibration, tried: Mapping[str, tuple[Any, int | None]]
    ) -> Settings:
        """The layers, one above the other."""
        with_it = laid(base, calibration.over(base), f"{self.file} with the calibration")
        return laid(with_it, {key: value for key, (value, _) in tried.items()}, "tried") if tried else with_it

    def _calibrated(self) -> None:
        """The calibration, if the card gives it within a second: the bar has to be lit whatever a card does."""
        found: list[Calibration | CalibrationError] = []

        def read() -> None:
            try:
                found.append(read_calibration(self.state))
            except CalibrationError as error:
                found.append(error)

        reader = threading.Thread(target=read, name="calibration", daemon=True)
        reader.start()
        reader.join(_READS_S)
        answer = found[0] if found else CalibrationError("the card does not answer", fix="a new card helps")
        if isinstance(answer, CalibrationError):
            self.warnings.append(f"{answer}: the station runs without its calibration; {answer.fix}")
        else:
            self._kept = answer

    def _found(self) -> Settings:
        """The first settings in force: a calibration that does not fit the file any more is left out, and told."""
        try:
            return self._laid(self._base, self._kept, {})
        except SettingsError as error:
            self.warnings.append(f"the calibration does not fit: {error}; {error.fix}")
            self._kept = gone_back(self._kept, 0)  # none of it is in force, but none of it is lost
            return self._base

    def _origin(self, key: str, named: set[str]) -> str:
        if key in self._tried:
            return "tried"
        if made := self._kept.made_by(key, self._base):
            day = datetime.fromtimestamp(made.made_s).strftime("%Y-%m-%d")
            return f"calibration {made.number}: {made.step}, {day}"
        return str(self.file) if key in named else "default"


def read_whole(text: str, file: Path) -> Settings:
    """Settings that say how the station is built; an emptied file would otherwise mean a recorded runner."""
    settings = parse(text, str(file))
    for key in ("strip.kind", "camera.source"):
        if key not in keys_of(text):
            fix = "name it; /usr/share/hipbar/hipbar.toml is the file as it was delivered"
            raise SettingsError(f"{file}: {key} is not set", fix=fix)
    return settings


def _anew(key: str) -> SettingsError:
    return SettingsError(f"{key} can't change while the service runs", fix="`sudo systemctl restart hipbar`")
