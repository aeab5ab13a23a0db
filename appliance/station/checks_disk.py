"""What is known of disk and card becomes checks: room for what is kept, whether it lasts, and how worn the card is.

Megabytes; None = not known, which is no fault. Refuses nothing.
"""

from __future__ import annotations

import msgspec

from appliance.station.checkup import Check, Figure, Rule, Verdict, judged
from appliance.station.status import size

_LOW_MB = 1000.0


class Disk(msgspec.Struct, frozen=True):
    """The disk of what the station keeps. aside : its partition is missing, so all of it ends with the power."""

    folder: str
    exists: bool
    free_mb: float | None
    total_mb: float | None
    read_only: bool | None
    writable: bool | None
    reserve_mb: float
    aside: bool = False
    recording: str | None = None


class Card(msgspec.Struct, frozen=True):
    """Flash. life : tenths of its life that are used (1 to 11, as eMMC counts); reserve : 1 normal, 2 low, 3 urgent.

    written_mb : since its file system was made. errors : that the file system noted, ever.
    """

    name: str
    life: int | None = None
    reserve: int | None = None
    written_mb: float | None = None
    since_boot_mb: float | None = None
    errors: int | None = None


def disk(name: str, facts: Disk) -> Check:
    """Whether there is room, and whether what is kept lasts."""
    room = "" if facts.free_mb is None else f"{size(facts.free_mb)} free"
    whole = "" if facts.total_mb is None else f" of {size(facts.total_mb)}"
    free = float("inf") if facts.free_mb is None else facts.free_mb
    clear = "`hipbar recordings` lists what is there; copy it away and remove the oldest"
    return judged(
        name,
        f"{room or 'room unknown'}{whole} for {facts.folder}",
        Rule(
            not facts.exists,
            Verdict.FAIL,
            "`sudo systemd-tmpfiles --create hipbar.conf` makes it",
            "there is no folder",
        ),
        Rule(
            bool(facts.read_only),
            Verdict.FAIL,
            "a card that fails turns read-only: copy what is on it, replace it",
            "read-only",
        ),
        Rule(
            facts.aside,
            Verdict.FAIL,
            "plug the data partition in and start again (docs/readonly.md)",
            "the data partition is missing, all ends with the power",
        ),
        Rule(free < facts.reserve_mb, Verdict.FAIL, clear, "full: nothing is recorded"),
        Rule(free < max(_LOW_MB, 2 * facts.reserve_mb), Verdict.WARN, clear, "soon full"),
        Rule(
            facts.exists and facts.writable is False and not facts.read_only,
            Verdict.FAIL,
            f"`sudo chown -R hipbar: {facts.folder}`",
            "the station may not write there",
        ),
        Rule(bool(facts.recording), Verdict.WARN, clear, f"not recording: {facts.recording}"),
        free_mb=None if facts.free_mb is None else round(facts.free_mb, 1),
        read_only=facts.read_only,
    )


def card_wear(name: str, card: Card) -> Check:
    """How much of the card's life is used, as far as it says; what was written to it is always known."""
    written = "" if card.written_mb is None else f", {size(card.written_mb)} written in its life"
    lately = "" if card.since_boot_mb is None else f", {size(card.since_boot_mb)} since power-on"
    copy = "copy what is on it, then replace it: a new card takes 15 minutes (docs/install.md)"
    measured: dict[str, Figure] = {
        "written_mb": card.written_mb,
        "since_boot_mb": card.since_boot_mb,
        "life": card.life,
        "errors": card.errors,
    }
    silent = card.life is None and card.reserve is None
    used = "" if not card.life else ", worn out" if card.life > 10 else f", {10 * card.life} % used at most"
    figure = f"{card.name}{used}{written}{lately}"
    if silent and not card.errors:
        return Check(name, Verdict.UNKNOWN, f"{figure}; it does not tell its wear", "", measured)
    return judged(
        name,
        figure,
        Rule(bool(card.errors), Verdict.FAIL, copy, f"{card.errors} errors in its file system"),
        Rule((card.life or 0) >= 10 or (card.reserve or 0) >= 3, Verdict.FAIL, copy),
        Rule((card.life or 0) >= 8 or (card.reserve or 0) == 2, Verdict.WARN, copy, "wears out"),
        **measured,
    )
