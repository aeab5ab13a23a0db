"""The file, the calibration, a visit and what somebody tries become the settings in force, whole or not at all.

Which counts above which is `appliance.station.layers`. A change is worked out and checked first; then the loop takes it
between two frames, or is left and entered again, with devices opened anew where the change needs it; only then is it
kept. Refuses, with the old still in force: settings that don't fit (`SettingsError`), calibrations
(`CalibrationError`), a card that takes nothing (`OutputError`), and what only a new start of the service can change.
One thread after the other is served, and never the loop's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from appliance.config import Settings, entries, keys_of, laid
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
from appliance.station.change import MOUNT, Change, changed_keys, parts_of
from appliance.station.hatch import Hatch
from appliance.station.layers import Layers, read_whole
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
        self._turn = threading.RLock()
        self._layers = Layers(Settings())
        try:
            self.text = fallback.read(file)
            self._layers = Layers(read_whole(self.text, file))
        except SettingsError as error:
            self.problem = error
        self.state = state_dir(self._layers.base)
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
        return self._layers.kept

    @property
    def proved(self) -> bool:
        """Whether left was proved to be left, with the settings in force."""
        return sides_proved(self._layers.kept, self.settings)

    @property
    def tried(self) -> dict[str, Any]:
        """What is tried now."""
        return {key: value for key, (value, _) in self._layers.tried.items()}

    def resort(self, known: Settings) -> None:
        """Uses these in place of the file's, with what the calibration says of how the station is built."""
        over = {
            key: value
            for key, value in self._layers.kept.over(known).items()
            if key.partition(".")[0] in ("camera", "lens", "strip")
        }
        self._layers, self.settings = self._layers.but(base=known), known
        try:
            self.settings = laid(known, over)
        except SettingsError as error:
            self.warnings.append(f"the calibration does not fit: {error}")

    def status(self) -> Status:
        """What the station last said of itself."""
        return self.last_status()

    def settings_told(self) -> dict[str, Any]:
        """The settings in force and where each comes from, ready for JSON."""
        layers, now = self._layers, self._layers.kept.current
        named = keys_of(self.text) if self.text and not self.problem else set()
        return {
            "settings": msgspec.to_builtins(self.settings),
            "origins": {key: layers.origin(key, named, self.file) for key, *_ in entries(self.settings)},
            "file": str(self.file),
            "tried": self.tried,
            "revision": now.number if now else 0,
        }

    def try_values(self, values: Mapping[str, Any], owner: int | None) -> list[str]:
        """Puts values above everything else until the `owner` leaves (None = nobody does); the keys that changed."""
        for key in values:
            if not any(key == one or (one.endswith(".") and key.startswith(one)) for one in TRYABLE):
                raise SettingsError(f"{key}: can't be tried", fix="set it in the settings file and reload")
        with self._turn:
            tried = {**self._layers.tried, **{key: (value, owner) for key, value in values.items()}}
            return self._apply(self._layers.but(tried=tried))[0]

    def untry(self, owner: int | None) -> None:
        """Takes back what this owner has tried; without one, everything."""
        with self._turn:
            tried = self._layers.tried
            kept = {key: one for key, one in tried.items() if owner is not None and one[1] != owner}
            if kept != tried:
                self._apply(self._layers.but(tried=kept))

    def visit(self, values: Mapping[str, Any]) -> None:
        """What the visit that runs wants instead of the station's own, all of it; {} when it is over."""
        with self._turn:
            if values != self._layers.visit:
                self._apply(self._layers.but(visit=dict(values)))

    def reload(self) -> dict[str, Any]:
        """Reads the settings file and the calibration again; what has changed, and what was opened anew."""
        text = fallback.read(self.file)
        base = read_whole(text, self.file)
        if state_dir(base) != self.state:
            raise _anew("service.state")
        with self._turn:
            changed, parts = self._apply(self._layers.but(base=base, kept=read_calibration(self.state)))
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
        with self._turn:
            self._refuse_in_a_visit(values)
            tried = {key: one for key, one in self._layers.tried.items() if key not in values}
            layers = self._layers.but(tried=tried)
            calibration = committed(
                layers.kept,
                laid(layers.laid(self.file), values, step),
                step,
                values,
                figures,
                proves_sides=proves_sides,
                software=self._software,
                clock_set=self.clock_set(),
            )
            return self._keep(layers.but(kept=calibration))

    def _refuse_in_a_visit(self, values: Mapping[str, Any]) -> None:
        """Its standing zero was measured with the mount as it is."""
        moved = [key for key in values if key.startswith("lens.") or key in MOUNT]
        if moved and "motion.zero_deg" in self._layers.visit:
            what = (
                f"{moved[0]} can't change in a visit: its standing zero was measured with the mount as it is"
            )
            raise CalibrationError(what, fix="`hipbar visit stop`, then calibrate")

    def rollback(self, to: int) -> int:
        """Goes back to revision `to`, in force at once; the number of the revision that says so."""
        with self._turn:
            kept = self._layers.kept
            back = gone_back(kept, to, software=self._software, clock_set=self.clock_set())
            return self._keep(self._layers.but(kept=back))

    def _keep(self, layers: Layers) -> int:
        """In force first, then on the card; a card that refuses brings back what was before."""
        before = self._layers
        self._apply(layers)
        try:
            write_calibration(self.state, layers.kept)
        except HipbarError as error:
            try:
                self._apply(before)
            except HipbarError as also:
                self.warnings = [
                    f"calibrated, but not kept: {error}; and what was before can't be used: {also}"
                ]
            raise
        self.warnings = []
        assert layers.kept.current
        return layers.kept.current.number

    def _apply(self, layers: Layers) -> tuple[list[str], frozenset[str]]:
        """Brings settings into force, or raises and leaves all as it was; the keys that changed, what was opened."""
        aim = layers.laid(self.file)
        changed = changed_keys(self.settings, aim)
        proved = sides_proved(layers.kept, aim)

        def take() -> None:
            self._layers, self.settings = layers, aim

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
            self._layers = self._layers.but(kept=answer)

    def _found(self) -> Settings:
        """The first settings in force: a calibration that does not fit the file any more is left out, and told."""
        try:
            return self._layers.laid(self.file)
        except SettingsError as error:
            self.warnings.append(f"the calibration does not fit: {error}; {error.fix}")
            none = gone_back(self._layers.kept, 0)  # none of it is in force, but none of it is lost
            self._layers = self._layers.but(kept=none)
            return self._layers.base


def _anew(key: str) -> SettingsError:
    return SettingsError(f"{key} can't change while the service runs", fix="`sudo systemctl restart hipbar`")
