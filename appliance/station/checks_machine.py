"""What systemd and kernel say becomes checks of the machine: service, watchdogs, kernel cache, clock, supply, faults.

Celsius, seconds; None = not known, which is no fault. Limits are those of a Pi. Refuses nothing.
"""

from __future__ import annotations

import msgspec

from appliance.station.checkup import Check, Rule, Verdict, judged, times
from appliance.station.status import Condition
from appliance.station.status import Verdict as Health

_JOURNAL = "`hipbar logs --errors` says why"


class Unit(msgspec.Struct, frozen=True):
    """What systemd says of hipbar.service; restarts : since it was last started by somebody."""

    load: str
    active: str
    enabled: str
    restarts: int | None = None
    result: str = ""
    watchdog_s: float | None = None
    said: str = ""


class Dog(msgspec.Struct, frozen=True):
    """The watchdogs. unit_s : the service's own. armed, timeout_s : the hardware's, as the kernel says.

    wanted_s : systemd's RuntimeWatchdogSec. All None where unknown, `name` None = no such hardware.
    """

    is_pi: bool
    unit_s: float | None = None
    name: str | None = None
    armed: bool | None = None
    timeout_s: float | None = None
    wanted_s: float | None = None


class Cache(msgspec.Struct, frozen=True):
    """The cache of compiled code. loaded_s : time to load all of it; None = it has to be compiled first."""

    folder: str
    files: int
    loaded_s: float | None
    writable: bool | None = None


class Clock(msgspec.Struct, frozen=True):
    """The wall clock: set by something that knows, or kept by a battery, or neither. now_s since 1970."""

    synchronised: bool | None
    rtc: bool
    now_s: float
    built_s: float = 0.0


class Supply(msgspec.Struct, frozen=True):
    """Heat and power. now, before : what slows it down or did since the start, in words; None = not known."""

    temperature_c: float | None
    now: tuple[str, ...] | None
    before: tuple[str, ...] = ()


class Faults(msgspec.Struct, frozen=True):
    """What the station itself says is wrong, and what it left when it died."""

    troubles: tuple[str, ...] = ()
    crashes: int = 0
    newest: str | None = None


def service(name: str, health: Health, unit: Unit | None, private: bool) -> Check:
    """Whether the station runs by itself, now and after the next power-up. private : only because doctor started it."""
    if unit is None:
        why = "no systemd here" + (
            ", the station was started for this check" if private else f"; {health.words}"
        )
        fix = "" if private or health.healthy else health.todo
        verdict = Verdict.UNKNOWN if private or health.healthy else Verdict.FAIL
        return Check(name, verdict, why, fix, {"condition": health.condition.value})
    waits = health.condition in (Condition.STARTING, Condition.NO_CAMERA)
    missing, down = unit.load == "not-found", unit.active in ("inactive", "failed")
    running = not (missing or down)
    return judged(
        name,
        f"{unit.active}, {unit.enabled or 'not enabled'} at power-up"
        if not missing
        else "not installed here",
        Rule(missing, Verdict.FAIL, "`sudo apt install ./hipbar_*.deb` (docs/install.md)"),
        Rule(down and not missing, Verdict.FAIL, "`sudo systemctl start hipbar`", unit.result),
        Rule(
            running and not health.healthy,
            Verdict.WARN if waits else Verdict.FAIL,
            health.todo or _JOURNAL,
            health.words,
        ),
        Rule(
            not missing and unit.enabled not in ("enabled", "enabled-runtime", "static"),
            Verdict.WARN,
            "`sudo systemctl enable hipbar`: else it does not start with the power",
        ),
        Rule(
            running and bool(unit.restarts),
            Verdict.WARN,
            _JOURNAL,
            f"started anew {times(unit.restarts or 0)}",
        ),
        active=unit.active,
        enabled=unit.enabled,
        restarts=unit.restarts,
        condition=health.condition.value,
    )


def watchdog(name: str, dog: Dog) -> Check:
    """Whether a station or a machine that hangs starts itself again."""
    if dog.unit_s is None and dog.name is None:
        return Check(name, Verdict.UNKNOWN, "neither systemd nor a hardware watchdog here")
    setup = "`sudo hipbar setup` switches it on; then start the machine again"
    unit = (
        "service unknown"
        if dog.unit_s is None
        else f"service {dog.unit_s:g} s"
        if dog.unit_s
        else "service none"
    )
    limit = "" if dog.timeout_s is None else f" {dog.timeout_s:g} s"
    armed = {True: "armed", False: "not armed", None: "state unknown"}[dog.armed]
    return judged(
        name,
        f"{unit}, machine " + (f"{armed}{limit} ({dog.name})" if dog.name else "none"),
        Rule(dog.unit_s == 0, Verdict.FAIL, "WatchdogSec=5 in hipbar.service: install the package again"),
        Rule(dog.name is not None and dog.armed is False, Verdict.WARN, setup),
        Rule(dog.name is None and dog.is_pi, Verdict.WARN, setup),
        Rule(
            dog.is_pi and (dog.wanted_s or 0) > 15,
            Verdict.WARN,
            "RuntimeWatchdogSec=14: `sudo hipbar setup` sets it",
            f"RuntimeWatchdogSec={dog.wanted_s or 0:g}, a Pi's counts 15 s at the most",
        ),
        service_s=dog.unit_s,
        machine_s=dog.timeout_s,
        armed=dog.armed,
    )


def kernel_cache(name: str, cache: Cache) -> Check:
    """Whether a start finds its code compiled."""
    warm = "`sudo -u hipbar env NUMBA_CACHE_DIR=/var/cache/hipbar/kernels hipbar warm` (a minute on a Pi)"
    took = "" if cache.loaded_s is None else f", loaded in {cache.loaded_s:.1f} s"
    return judged(
        name,
        f"{cache.files} files in {cache.folder}{took}",
        Rule(
            cache.loaded_s is None,
            Verdict.WARN,
            warm,
            "cold: the next start compiles for 10 s, on a Pi for a minute or more",
        ),
        Rule(
            cache.writable is False,
            Verdict.WARN,
            f"`sudo chown -R hipbar: {cache.folder}`",
            "the station can't write there",
        ),
        files=cache.files,
        loaded_s=None if cache.loaded_s is None else round(cache.loaded_s, 3),
    )


def clock(name: str, facts: Clock) -> Check:
    """Whether dates in files are right; measuring needs none."""
    kept = "kept by a battery" if facts.rtc else "no battery"
    if facts.synchronised is None:
        return Check(name, Verdict.UNKNOWN, f"nobody says whether it is set; {kept}")
    lost = "connect it to a network for a minute, or `sudo timedatectl set-time`; measuring goes on without"
    return judged(
        name,
        ("set" if facts.synchronised else "not set") + f", {kept}",
        Rule(
            facts.now_s < facts.built_s, Verdict.WARN, lost, "it shows a time before this software was made"
        ),
        Rule(not facts.synchronised and not facts.rtc, Verdict.WARN, lost, "dates in files may be wrong"),
        synchronised=facts.synchronised,
        rtc=facts.rtc,
    )


def supply(name: str, facts: Supply) -> Check:
    """Whether heat or a weak supply slows the processor down, or did."""
    if facts.temperature_c is None and facts.now is None:
        return Check(name, Verdict.UNKNOWN, "no figures here: not a Pi")
    heat = facts.temperature_c or 0.0
    low = any("voltage" in word for word in (*(facts.now or ()), *facts.before))
    fix = "use the supply made for this Pi, and a short thick cable" if low else "give it air, out of the sun"
    power = "power not told" if facts.now is None else ", ".join(facts.now) or "power good"
    return judged(
        name,
        ", ".join(
            part for part in (f"{heat:.0f} C" if facts.temperature_c is not None else "", power) if part
        ),
        Rule(bool(facts.now), Verdict.FAIL, fix),
        Rule(heat >= 80, Verdict.FAIL, "a heat sink, air, out of the sun", "slowed down"),
        Rule(heat >= 70, Verdict.WARN, "give it air: 80 C slows it down", "hot"),
        Rule(bool(facts.before), Verdict.WARN, fix, f"since power-on: {', '.join(facts.before)}"),
        temperature_c=facts.temperature_c,
        throttled=None if facts.now is None else bool(facts.now),
    )


def faults(name: str, facts: Faults) -> Check:
    """What the station complains of, and whether it died lately."""
    trouble, _, fix = (facts.troubles[0] if facts.troubles else "").partition("; ")
    reports = {0: "no crash reports", 1: f"1 crash report: {facts.newest}"}.get(
        facts.crashes, f"{facts.crashes} crash reports, the newest: {facts.newest}"
    )
    return judged(
        name,
        reports,
        Rule(bool(trouble), Verdict.WARN, fix or "`hipbar status` says more", trouble),
        Rule(
            facts.crashes > 0, Verdict.WARN, "`hipbar crash` shows it; send it with `hipbar doctor --report`"
        ),
        crashes=facts.crashes,
        troubles=len(facts.troubles),
    )
