"""Shipped texts and the clinic's own above them: a bad file is named, and the others stay usable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.clinic.protocol import Protocol, parse_protocol
from appliance.errors import SettingsError, StoreError, VisitError
from appliance.store.texts import MOST_BYTES, cues, of_file, protocol, protocols, text, texts

MINE = """
title = "Mine"
[[block]]
kind = "stand"
seconds = 4
"""


def put(state: Path, name: str, words: str | bytes) -> Path:
    path = state / "protocols" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(words.encode() if isinstance(words, str) else words)
    return path


def test_the_shipped_protocols_are_there_without_any_folder(tmp_path: Path) -> None:
    found = texts(tmp_path / "nowhere", "protocols")
    assert list(found) == ["demo", "open", "retraining"]
    assert not any(one.own for one in found.values())
    assert all(isinstance(one, Protocol) for one in protocols(tmp_path).values())


def test_the_shipped_cues_and_exercises_are_there(tmp_path: Path) -> None:
    assert not cues(tmp_path).own
    assert "[" in cues(tmp_path).text
    assert all(one.text for one in texts(tmp_path, "exercises").values())


def test_the_clinic_s_own_stand_beside_and_above_the_shipped_ones(tmp_path: Path) -> None:
    put(tmp_path, "mine.toml", MINE)
    path = put(tmp_path, "retraining.toml", MINE)
    assert list(texts(tmp_path, "protocols")) == ["demo", "mine", "open", "retraining"]
    found, source = protocol(tmp_path, "retraining")
    assert found.title == "Mine"
    assert found.visits is None
    assert (source.own, source.origin, source.text) == (True, str(path), MINE)
    (tmp_path / "cues.toml").write_text("cue = []\n")
    assert cues(tmp_path).text == "cue = []\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (b"\xff\xfe\x00", "is no text in UTF-8"),
        (b"#" * (MOST_BYTES + 1), "bytes long"),
        ("visits = ", "not TOML"),
        ('[[block]]\nkind = "dance"\nseconds = 4', "nobody knows `dance`"),
        (b"", "lacks `block`"),
    ],
)
def test_a_bad_file_is_named_and_the_others_stay_usable(tmp_path: Path, words: str | bytes, why: str) -> None:
    put(tmp_path, "mine.toml", MINE)
    path = put(tmp_path, "bad.toml", words)
    found = protocols(tmp_path)
    bad = found.pop("bad")
    assert isinstance(bad, SettingsError)
    assert str(bad).startswith(str(path))
    assert why in str(bad)
    assert all(isinstance(one, Protocol) for one in found.values())
    assert len(found) == 4


def test_a_bad_file_is_never_replaced_by_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    put(tmp_path, "retraining.toml", "visits = ")
    with pytest.raises(SettingsError, match="not TOML"):
        protocol(tmp_path, "retraining")


def test_what_is_no_file_and_what_has_an_odd_name_is_said(tmp_path: Path) -> None:
    put(tmp_path, "My Plan.toml", MINE)
    (tmp_path / "protocols" / "folder.toml").mkdir()
    (tmp_path / "protocols" / "gone.toml").symlink_to(tmp_path / "not-there")
    os.mkfifo(tmp_path / "protocols" / "pipe.toml")
    found = {name: str(one) for name, one in protocols(tmp_path).items() if isinstance(one, SettingsError)}
    assert "small letters" in found["My Plan"]
    assert "no ordinary file" in found["folder"]
    assert "No such file" in found["gone"]
    assert "no ordinary file" in found["pipe"]  # reading it would wait for ever


def test_a_text_may_come_from_an_editor_of_windows(tmp_path: Path) -> None:
    put(tmp_path, "mine.toml", b"\xef\xbb\xbf" + MINE.replace("\n", "\r\n").encode())
    assert protocol(tmp_path, "mine")[0].title == "Mine"


def test_what_editors_leave_behind_is_not_taken_for_a_protocol(tmp_path: Path) -> None:
    for name in (".mine.toml.part", ".hidden.toml", "mine.toml~", "mine.txt"):
        put(tmp_path, name, MINE)
    assert list(texts(tmp_path, "protocols")) == ["demo", "open", "retraining"]


def test_an_unknown_name_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(VisitError, match="there is no protocol `retrainig`") as refused:
        text(tmp_path, "protocols", "retrainig")
    assert refused.value.fix == "did you mean `retraining`?"
    with pytest.raises(VisitError) as refused:
        text(tmp_path, "protocols", "xyz")
    assert "hipbar protocol list" in refused.value.fix


def test_a_folder_that_may_not_be_looked_into_is_no_empty_one(tmp_path: Path) -> None:
    folder = tmp_path / "protocols"
    folder.symlink_to(folder)  # a link to itself: the kernel refuses it, to root as well
    with pytest.raises(StoreError, match="can't be read"):
        texts(tmp_path, "protocols")


def test_any_file_can_be_read_as_if_it_were_the_clinic_s(tmp_path: Path) -> None:
    path = put(tmp_path, "mine.toml", MINE)
    assert of_file(path).parsed(parse_protocol).title == "Mine"
    with pytest.raises(SettingsError, match="No such file"):
        of_file(tmp_path / "none.toml").parsed(parse_protocol)
