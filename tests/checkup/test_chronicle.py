"""journalctl's JSON, well made and not, becomes lines for a person: filtered, folded, harmless to a terminal."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.station.chronicle import Entry, entry, folded, plain, told, wanted

T0_US = 1_795_000_000_000_000


def line(**fields: Any) -> bytes:
    """One line as journalctl writes it."""
    usual = {
        "__REALTIME_TIMESTAMP": str(T0_US),
        "_BOOT_ID": "a" * 32,
        "_SYSTEMD_UNIT": "hipbar.service",
        "PRIORITY": "6",
        "MESSAGE": "station: measuring",
    }
    return json.dumps({**usual, **fields}).encode()


def made(**fields: Any) -> Entry:
    one = entry(line(**fields))
    assert one is not None
    return one


def test_a_line_becomes_an_entry() -> None:
    one = made()
    assert (one.wall_s, one.boot, one.who, one.level) == (1_795_000_000.0, "a" * 32, "hipbar", 6)
    assert (one.text, one.times, one.kernel) == ("station: measuring", 1, False)


@pytest.mark.parametrize(
    ("fields", "who"),
    [
        ({"_SYSTEMD_UNIT": "hipbar-update.service"}, "hipbar-update"),
        ({"_TRANSPORT": "kernel", "_SYSTEMD_UNIT": None}, "kernel"),
        ({"_SYSTEMD_UNIT": "ssh.service", "SYSLOG_IDENTIFIER": "sshd"}, "sshd"),
        ({"_SYSTEMD_UNIT": None, "SYSLOG_IDENTIFIER": None, "_COMM": "cron"}, "cron"),
        ({"_SYSTEMD_UNIT": None}, "?"),
    ],
)
def test_whose_it_is_is_told_in_a_word(fields: dict[str, Any], who: str) -> None:
    assert made(**fields).who == who


def test_messages_that_are_no_text_are_read_as_far_as_they_are_one() -> None:
    assert made(MESSAGE=list(b"caf\xc3\xa9 \xff")).text == "café \N{REPLACEMENT CHARACTER}"
    assert made(MESSAGE=["first", "second"]).text == "first"
    for nothing in (None, [], [[1]], {"a": 1}, 7, "", " \n\t "):
        assert entry(line(MESSAGE=nothing)) is None


def test_what_is_no_entry_is_left_out() -> None:
    for junk in (
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b"-- No entries --",
        b"\xff\xfe",
        b"[" * 100_000,
        b"x" * 2_000_000,
        line(__REALTIME_TIMESTAMP=None),
        line(__REALTIME_TIMESTAMP="soon"),
        line(__REALTIME_TIMESTAMP="-5"),
        line(__REALTIME_TIMESTAMP="9" * 40),
    ):
        assert entry(junk) is None


def test_a_message_cannot_move_the_cursor_nor_fill_the_screen() -> None:
    text = made(MESSAGE="ok\x1b[2J\x1b]0;title\x07\r\n\x00\u202egnihtemos\u200b " + "x" * 9000).text
    assert text.isprintable()
    assert len(text) <= 500
    assert text.startswith("ok [2J ]0;title gnihtemos x")


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(
    [
        "MESSAGE",
        "PRIORITY",
        "_BOOT_ID",
        "_SYSTEMD_UNIT",
        "SYSLOG_IDENTIFIER",
        "_TRANSPORT",
        "_COMM",
        "__REALTIME_TIMESTAMP",
    ]
)


@given(st.dictionaries(fields, json_like), st.booleans())
def test_any_json_in_any_field_is_an_entry_or_nothing(strange: dict[str, Any], usual: bool) -> None:
    one = entry(line(**strange) if usual else json.dumps(strange).encode())
    if one is not None:
        shown = list(told(folded(wanted([one, one], everything=True)), UTC))
        assert all(words.isprintable() for _, words in shown)
        assert 0 <= one.level <= 7


@given(st.binary(max_size=300))
def test_any_bytes_are_an_entry_or_nothing(junk: bytes) -> None:
    assert entry(junk) is None or isinstance(entry(junk), Entry)


@given(st.text(max_size=3000))
def test_plain_text_is_one_printable_line(text: str) -> None:
    shown = plain(text)
    assert shown == "" or shown.isprintable()
    assert len(shown) <= 500


KERNEL = {"_TRANSPORT": "kernel", "_SYSTEMD_UNIT": None}


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"MESSAGE": "hwmon hwmon1: Undervoltage detected!", "PRIORITY": "2"}, True),
        ({"MESSAGE": "usb 1-1: USB disconnect, device number 3", "PRIORITY": "6"}, True),
        ({"MESSAGE": "spi_master spi0: timed out waiting for dma", "PRIORITY": "3"}, True),
        ({"MESSAGE": "mmc0: new ultra high speed card", "PRIORITY": "6"}, False),
        ({"MESSAGE": "EXT4-fs (mmcblk0p2): re-mounted. Opts: errors=remount-ro", "PRIORITY": "6"}, True),
        ({"MESSAGE": "random: crng init done", "PRIORITY": "4"}, False),
    ],
)
def test_of_the_kernels_lines_those_about_our_parts_are_shown(fields: dict[str, Any], shown: bool) -> None:
    assert bool(list(wanted([made(**KERNEL, **fields)]))) is shown


def test_health_is_hidden_unless_asked_for_and_errors_can_be_alone() -> None:
    lines = [
        made(MESSAGE="health: running, 119.9 frames/s"),
        made(MESSAGE="station: no frame", PRIORITY="4"),
        made(),
    ]
    assert [e.text for e in wanted(lines)] == ["station: no frame", "station: measuring"]
    assert len(list(wanted(lines, health=True))) == 3
    assert [e.level for e in wanted(lines, errors=True)] == [4]
    assert len(list(wanted([*lines, made(**KERNEL, MESSAGE="crng")], everything=True))) == 4


def test_what_is_said_again_and_again_is_one_line_with_how_often() -> None:
    found = [
        made(MESSAGE=f"no frame for {k}.5 s", __REALTIME_TIMESTAMP=str(T0_US + k * 1_000_000))
        for k in range(17)
    ]
    found.append(made(MESSAGE="frames again", __REALTIME_TIMESTAMP=str(T0_US + 18_000_000)))
    shown = [words for _, words in told(folded(found), UTC)]
    assert shown == [
        "-- boot aaaaaaaa",
        "2026-11-18 11:06:40            hipbar   no frame for 0.5 s  (x 17, until 11:06:56)",
        "2026-11-18 11:06:58            hipbar   frames again",
    ]


def test_the_newest_first_fold_to_the_same_times() -> None:
    found = [made(__REALTIME_TIMESTAMP=str(T0_US + k * 1_000_000)) for k in range(5)]
    (forward,), (backward,) = list(folded(found)), list(folded(found[::-1]))
    assert (forward.wall_s, forward.last_s, forward.times) == (1_795_000_000.0, 1_795_000_004.0, 5)
    assert (backward.wall_s, backward.last_s, backward.times) == (1_795_000_000.0, 1_795_000_004.0, 5)


def test_other_levels_people_and_boots_are_not_folded_and_boots_are_ruled_off() -> None:
    found = [made(), made(PRIORITY="4"), made(_SYSTEMD_UNIT=None, _COMM="x"), made(_BOOT_ID="b" * 32)]
    shown = list(told(folded(found), UTC))
    assert [level for level, _ in shown] == [None, 6, 4, 6, None, 6]
    assert shown[4][1] == "-- boot bbbbbbbb: the machine was started anew"


def test_how_grave_a_line_is_stands_in_a_word() -> None:
    words = [w for _, w in told([made(PRIORITY="3"), made(PRIORITY="4"), made(PRIORITY="7")], UTC)][1:]
    assert [w[21:30].strip() for w in words] == ["error", "warning", ""]
