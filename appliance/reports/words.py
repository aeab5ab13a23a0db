"""A language becomes what a page is written in: its words, decimal mark, dates and numbers.

English is in the sources; every other language is a catalogue `words/<language>.mo`, made from the `.po` beside it
(docs/make_words.py), which any translator's tool opens. Absence (None, NaN) is a dash in every language. Wall seconds
since 1970 are shown in this machine's time zone. Refuses, with `SettingsError`, a language that has no catalogue.
"""

from __future__ import annotations

import gettext
import time
from importlib import resources

from appliance.errors import SettingsError

DASH = "–"
MINUS = "−"
SOURCE = "en"
_YEAR_10000_S = 253_402_300_800


def mark(text: str) -> str:
    """A text that is translated later, where it is used."""
    return text


TERMS = (
    mark("stand"),
    mark("warm-up"),
    mark("baseline"),
    mark("feedback"),
    mark("faded"),
    mark("retention"),
    mark("cool-down"),
    mark("before cue"),
    mark("cue"),
    mark("after cue"),
    mark("hold"),
    mark("repetitions"),
    mark("rest"),
    mark("visit"),
    mark("cue trial"),
    mark("exercise"),
    mark("imported"),
    mark("running"),
    mark("paused"),
    mark("done"),
    mark("stopped"),
    mark("interrupted"),
    mark("skipped"),
    mark("asymmetry"),
    mark("step"),
    mark("live"),
    mark("box"),
    mark("off"),
    mark("left"),
    mark("right"),
    mark("note"),
    mark("mark"),
    mark("pause"),
    mark("resume"),
    mark("stop"),
    mark("skip"),
    mark("no zero"),
    mark("no baseline"),
    mark("given up"),
)
"""The clinic's own terms (`appliance.clinic.terms`), which reach a page as values; a test holds the two together."""


def languages() -> tuple[str, ...]:
    """All that there are, English first."""
    found = (file.name for file in (resources.files(__package__) / "words").iterdir())
    return (SOURCE, *sorted(name.removesuffix(".mo") for name in found if name.endswith(".mo")))


class Words:
    """One language. `say` and `several` translate; the rest writes figures, dates and spans as that language does."""

    def __init__(self, language: str = SOURCE) -> None:
        if language not in languages():
            raise SettingsError(
                f"no reports in the language {language!r}", fix=f"use one of {', '.join(languages())}"
            )
        self.language = language
        self._catalogue = _catalogue(language)
        told = self._catalogue.pgettext
        self._point, self._thousands = told("decimal mark", "."), told("thousands mark", ",")
        self._day, self._minute = told("date", "%Y-%m-%d"), told("date and time", "%Y-%m-%d %H:%M")

    def say(self, text: str) -> str:
        """A text in this language; what the catalogue does not know, such as a clinic's own names, as it is."""
        return self._catalogue.gettext(text) if text else ""

    def several(self, one: str, many: str, n: int) -> str:
        """The form that goes with `n`, which takes the place of {n}."""
        return self._catalogue.ngettext(one, many, n).format(n=self.count(n))

    def figure(self, value: float | None, digits: int = 1, *, sign: bool = False) -> str:
        """A measured figure, or a dash; `sign` for a change. What rounds to zero has no sign."""
        if value is None or value != value:
            return DASH
        text = f"{abs(value):.{digits}f}".replace(".", self._point)
        if not any(digit in text for digit in "123456789"):
            return text
        return (MINUS if value < 0 else "+" if sign else "") + text

    def plain(self, value: float) -> str:
        """A round figure, such as an axis bears, with as many digits as it has."""
        return f"{value:g}".replace("-", MINUS).replace(".", self._point)

    def count(self, value: float | None) -> str:
        """How many, in groups of thousands."""
        return DASH if value is None or value != value else f"{value:,.0f}".replace(",", self._thousands)

    def percent(self, share: float | None) -> str:
        """A share from 0 to 1; 100 % is all, and nothing less."""
        if share is None or share != share:
            return DASH
        return f"{self.figure(100 * share, 1 if 0.99 <= share < 1 else 0)} %"

    def day(self, wall_s: float | None) -> str:
        """The day of wall seconds."""
        return _local(wall_s, self._day)

    def minute(self, wall_s: float | None) -> str:
        """The day and the time of wall seconds."""
        return _local(wall_s, self._minute)

    def span(self, seconds: float | None) -> str:
        """Minutes and seconds."""
        if seconds is None or seconds != seconds:
            return DASH
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes}:{rest:02}"


def _catalogue(language: str) -> gettext.NullTranslations:
    if language == SOURCE:
        return gettext.NullTranslations()
    with (resources.files(__package__) / "words" / f"{language}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def _local(wall_s: float | None, form: str) -> str:
    if wall_s is None or not 0 <= wall_s < _YEAR_10000_S:
        return DASH
    return time.strftime(form, time.localtime(wall_s))
