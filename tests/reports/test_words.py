"""Reports speak English and German, all of it, and write figures as each language does."""

from __future__ import annotations

import importlib.util
import re
import typing
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from appliance.clinic.intervals import Verdict
from appliance.clinic.terms import Kind, Mode, Order, VisitKind, VisitState
from appliance.config import Clinic
from appliance.errors import SettingsError
from appliance.records import Side
from appliance.reports import phrases
from appliance.reports.words import TERMS, Words, languages

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "appliance" / "reports" / "words"
RISKY = re.compile(
    r"\brisk|\binjur|\bpatholog|\babnormal|\brisiko|\bverletz|\bkrank|\bauffällig", re.IGNORECASE
)


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_words", ROOT / "docs" / "make_words.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_text_is_in_every_catalogue_and_translated(tmp_path: Path) -> None:
    make_words = maker()
    for path in FOLDER.glob("*.po"):
        renewed = make_words.renewed(path)
        assert make_words.untranslated(renewed) == []
        make_words.write(tmp_path / path.name, renewed)
        for name in (path.name, f"{path.stem}.mo"):
            assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), "run docs/make_words.py"


def test_translations_keep_what_is_filled_in_later() -> None:
    for path in FOLDER.glob("*.po"):
        with path.open("rb") as file:
            kept = read_po(file)
        for message in kept:
            if message.id and not message.context:
                ids, strings = (m if isinstance(m, tuple) else (m,) for m in (message.id, message.string))
                wanted = sorted(re.findall(r"\{\w*\}", ids[0]))
                assert all(sorted(re.findall(r"\{\w*\}", string)) == wanted for string in strings), message.id


def test_no_text_speaks_of_risk_or_illness_in_any_language() -> None:
    for path in FOLDER.glob("*.po"):
        assert not RISKY.search(path.read_text(encoding="utf-8"))


def test_the_clinic_s_own_terms_can_be_said_in_every_language() -> None:
    values = [str(term) for kind in (Kind, VisitKind, VisitState, Side) for term in kind]
    values += [
        *typing.get_args(Mode),
        *(str(order) for order in Order),
    ]
    assert set(values) <= set(TERMS)


def test_every_verdict_has_words_that_name_the_smallest_detectable_difference_where_it_counts() -> None:
    german = Words("de")
    said = {found: phrases.verdict(german, found) for found in Verdict}
    assert len(set(said.values())) == len(Verdict)
    assert all("2,8°" in said[found] for found in (Verdict.WITHIN, Verdict.BEYOND))


def test_the_setting_offers_the_languages_that_there_are() -> None:
    hints = typing.get_type_hints(Clinic, include_extras=True)["language"]
    assert set(typing.get_args(typing.get_args(hints)[0])) == set(languages())


def test_a_language_without_a_catalogue_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match="'fr'") as refused:
        Words("fr")
    assert "en, de" in refused.value.fix


def test_figures_follow_the_language() -> None:
    english, german = Words("en"), Words("de")
    assert (english.figure(6.25), german.figure(6.25)) == ("6.2", "6,2")
    assert (english.count(12345), german.count(12345)) == ("12,345", "12.345")
    assert english.several("{n} step", "{n} steps", 1) == "1 step"
    assert german.several("{n} step", "{n} steps", 1200) == "1.200 Schritte"
    assert german.plain(-0.5) == "−0,5"


def test_what_was_not_measured_is_a_dash_and_never_a_zero() -> None:
    words = Words()
    assert {words.figure(None), words.figure(float("nan")), words.percent(None), words.span(None)} == {"–"}
    assert {words.minute(None), words.day(-5.0), words.minute(1e15), words.count(None)} == {"–"}


def test_a_share_is_called_all_only_when_it_is_all() -> None:
    words = Words()
    assert (words.percent(1.0), words.percent(0.997), words.percent(0.5)) == ("100 %", "99.7 %", "50 %")


@given(st.floats(-1e4, 1e4), st.integers(0, 3), st.booleans())
def test_a_figure_that_rounds_to_zero_has_no_sign_and_others_have_the_right_one(
    value: float, digits: int, sign: bool
) -> None:
    text = Words().figure(value, digits, sign=sign)
    number = float(text.replace("−", "-"))
    assert abs(number - value) <= 0.5001 * 10.0**-digits
    assert not (number == 0 and text[0] in "+−")
    assert text.startswith("−") == (number < 0)
