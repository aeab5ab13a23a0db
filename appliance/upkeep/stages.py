"""The stages of an update: what has happened in one says which comes next. Pure: no clock, no file, no process.

    keep -> install -> watch -> updated
      |        |         |
      |        +----+----+--> back -> watch back -> went back, or went back and not well
      v             (failed)    |
    refused                     +--> stuck: neither version could be installed

Before its work, a stage is written down as begun; so whoever finds it after a power cut knows what may be half done
and begins it again: each can be done twice. Begun too often it has failed, because a version that takes the machine
down with it must not be tried for ever. Times in seconds; those of looks are of one clock, whichever.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class Stage(StrEnum):
    """Where an update is; the last five are ends."""

    KEEP = "keep"
    INSTALL = "install"
    WATCH = "watch"
    BACK = "back"
    WATCH_BACK = "watch back"
    UPDATED = "updated"
    REFUSED = "refused"
    WENT_BACK = "went back"
    UNWELL = "went back, not well"
    STUCK = "stuck"


NEXT = {
    (Stage.KEEP, True): Stage.INSTALL,
    (Stage.KEEP, False): Stage.REFUSED,
    (Stage.INSTALL, True): Stage.WATCH,
    (Stage.INSTALL, False): Stage.BACK,
    (Stage.WATCH, True): Stage.UPDATED,
    (Stage.WATCH, False): Stage.BACK,
    (Stage.BACK, True): Stage.WATCH_BACK,
    (Stage.BACK, False): Stage.STUCK,
    (Stage.WATCH_BACK, True): Stage.WENT_BACK,
    (Stage.WATCH_BACK, False): Stage.UNWELL,
}
"""(stage, whether its work was done) -> the next one. Every stage that is no end is here twice."""

MOST_TRIES = {Stage.KEEP: 3, Stage.INSTALL: 3, Stage.WATCH: 3, Stage.BACK: 5, Stage.WATCH_BACK: 3}
"""How often a stage may be begun, cut off and begun again."""

ENDS = frozenset(Stage) - {stage for stage, _ in NEXT}


@dataclass(frozen=True, slots=True)
class Package:
    """A .deb file in the folder of updates. sha256 : of its bytes, in hexadecimal; "" = not made yet."""

    version: str
    file: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    """One update, as it stands. before : the service's condition before anything was changed.

    before_process : what ran when the last package was installed, and may not stay. tries : beginnings of the stage.

    why : what failed first. begun_utc : wall time, for people. seconds : what each stage has taken.
    """

    number: str
    new: Package
    old: Package
    before: str
    before_process: str = ""
    signer: str = ""
    stage: Stage = Stage.KEEP
    tries: int = 0
    why: str = ""
    begun_utc: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.stage in ENDS

    def keeping(self, kept: Sequence[Package]) -> list[Package]:
        """Which packages are kept once it is over, the installed one first. `kept` = those from before it."""
        if self.stage == Stage.UPDATED:
            return [self.new, self.old]
        if not self.old.sha256:
            return list(kept)  # it was refused before the installed version was packed up
        return [self.old, *[package for package in kept if package.version != self.old.version][:1]]

    def begun(self) -> Self:
        """The same stage, begun once more; begun too often, it has failed."""
        if self.tries >= MOST_TRIES[self.stage]:
            return self.after(False, f"{self.stage}: cut off {self.tries} times").begun_if_any()
        return dataclasses.replace(self, tries=self.tries + 1)

    def begun_if_any(self) -> Self:
        """As `begun`, of what may be over."""
        return self if self.over else self.begun()

    def after(self, done: bool, why: str = "") -> Self:
        """What comes next. Of several failures the first is kept: it is the cause of the others."""
        return dataclasses.replace(self, stage=NEXT[self.stage, done], tries=0, why=self.why or why)

    def as_dict(self) -> dict[str, Any]:
        """For a file."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Self:
        """From a file; raises ValueError, TypeError or KeyError when it is not one."""
        known = {f.name for f in dataclasses.fields(cls)}
        values = {name: value for name, value in raw.items() if name in known}
        new, old = Package(**values.pop("new")), Package(**values.pop("old"))
        return cls(new=new, old=old, stage=Stage(values.pop("stage")), **values)


HEALTHY, NO_CAMERA, FAULT, STOPPED = "healthy", "no camera", "fault", "stopped"
"""Conditions of the service that can last; in any other (starting, not answering) it is on its way to one."""

_WORTH = {FAULT: 1, NO_CAMERA: 2, HEALTHY: 3}
_ASKED = {FAULT: 1, NO_CAMERA: 2, STOPPED: 2, HEALTHY: 3}


def as_good(after: str, before: str) -> bool:
    """Whether a version that leaves the service in one condition may stay, after it was in another.

    Without a camera, or with settings that can't be read, no version is healthy: then as before is good enough.
    """
    if after == STOPPED:
        return before == STOPPED
    return _WORTH.get(after, 0) >= _ASKED.get(before, 1)


_HEALTHY_STATES = {"no marks", "ready", "running", "recording"}
_FRESH_S = 3.0


def condition_of(status: Mapping[str, Any] | None, now_s: float, alive: bool, active: str) -> str:
    """The service's condition by its status file; the same verdict as `station.status`, which can't be had half-way.

    alive : the process that wrote it is there, and is the service's. active : what systemd says of the unit, "" = it
    was not asked.
    """
    if active == "inactive":
        return STOPPED
    if status is None or not alive:
        return "not running" if active in ("", "failed") else "starting"
    state, written_s = status.get("state"), status.get("written_s")
    if not isinstance(written_s, int | float) or not -_FRESH_S < now_s - written_s < _FRESH_S:
        return "not answering"
    if state == "off":
        return STOPPED
    return HEALTHY if state in _HEALTHY_STATES else str(state)


@dataclass(frozen=True, slots=True)
class Look:
    """The service at one moment. process : names one process of one boot, "" = none; old = it began before the change.

    restarts : how often systemd has started it anew, None = not known.
    """

    t_s: float
    condition: str
    process: str = ""
    restarts: int | None = None
    old: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """within_s : to become well; steady_s : to stay so, in one process; restarts : with more of them it falls over."""

    within_s: float = 60.0
    steady_s: float = 10.0
    restarts: int = 8


@dataclass(frozen=True, slots=True)
class Watch:
    """What looks have shown so far. verdict : None while it is open."""

    before: str
    limits: Limits = Limits()
    first: Look | None = None
    last: Look | None = None
    well_since: Look | None = None
    changes: int = 0

    def seen(self, look: Look) -> Self:
        """With one more look."""
        first = self.first or look
        changed = self.last is not None and look.process not in (self.last.process, "")
        changes = self.changes + changed
        well = not look.old and as_good(look.condition, self.before)
        same = self.well_since is not None and self.well_since.process == look.process
        since = None if not well else self.well_since if same else look
        return dataclasses.replace(self, first=first, last=look, well_since=since, changes=changes)

    @property
    def restarts(self) -> int:
        """How often it was started anew while it was watched."""
        if not (self.first and self.last):
            return 0
        if self.first.restarts is None or self.last.restarts is None:
            return self.changes
        return max(0, self.last.restarts - self.first.restarts)

    @property
    def verdict(self) -> bool | None:
        """Whether it is well, once that is known."""
        if not (self.first and self.last):
            return None
        if self.well_since and self.last.t_s - self.well_since.t_s >= self.limits.steady_s:
            return True
        if self.restarts > self.limits.restarts:
            return False
        if self.last.t_s - self.first.t_s < self.limits.within_s:
            return None
        in_time = self.well_since and self.well_since.t_s - self.first.t_s < self.limits.within_s
        return None if in_time else False

    def words(self) -> str:
        """What was seen, for a person."""
        if self.restarts > self.limits.restarts:
            return f"the service was started {self.restarts} times and ended each time"
        condition = self.last.condition if self.last else "not seen"
        times = (
            f", started anew {self.restarts} {'time' if self.restarts == 1 else 'times'}"
            if self.restarts
            else ""
        )
        if self.last and self.last.old:
            return "the service of the version before is still running"
        return f"the service is not well after {self.limits.within_s:.0f} s: {condition}{times}"


def ending(update: Update) -> tuple[str, str]:
    """How an update ended, for a person: what is so, and what to do ("" = nothing)."""
    new, old, why = update.new.version, update.old.version, update.why
    if update.stage == Stage.UPDATED:
        return f"{new} is installed and works; {old} is kept", "`sudo hipbar update --back` goes back to it"
    if update.stage == Stage.REFUSED:
        return (
            f"{new} was not installed: {why}; nothing was changed",
            "`hipbar update --status` shows what was done",
        )
    if update.stage == Stage.WENT_BACK:
        return f"{new} did not work: {why}; {old} is back, and works as before", _WHY
    if update.stage == Stage.UNWELL:
        return (
            f"{new} did not work: {why}; {old} is back, but not well either",
            "`hipbar status` says what it has",
        )
    return f"neither {new} nor {old} could be installed: {why}", f"`sudo dpkg -i {old_path(update)}`"


_WHY = "`hipbar logs` says why; pass that on to whoever made the package"


def old_path(update: Update) -> str:
    """Where the version before is kept."""
    return f"/var/lib/hipbar-update/packages/{update.old.file}"
