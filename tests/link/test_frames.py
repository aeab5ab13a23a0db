"""The bytes of the control link: what is sent comes back as it was, and nothing else is ever understood."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import HipbarError
from appliance.station import link
from appliance.station.link import Misunderstood
from tests.link.shapes import ANY_FIELDS, ANYTHING, ASKS, FIGURES, IDS, REQUESTS


def understood(body: bytes) -> Any:
    """A request, or None when it was refused in the one way in which it may be."""
    number = link.number_of(body)
    assert 0 <= number <= 2**53
    with contextlib.suppress(Misunderstood):
        return link.request_of(body)
    return None


@given(REQUESTS)
def test_a_request_comes_through_as_it_was(request: link.Request) -> None:
    frame = link.framed(request, link.MOST_ASKED)
    assert link.length_of(frame[:4], link.MOST_ASKED) == len(frame) - 4
    assert link.request_of(frame[4:]) == request
    assert link.number_of(frame[4:]) == request.id


@given(IDS, FIGURES)
def test_figures_of_any_shape_come_through_unless_they_are_too_deep(number: int, figure: Any) -> None:
    body = link.framed(
        {"id": number, "ask": "commit", "step": "zero", "values": {}, "figures": {"a": figure}}
    )[4:]
    request = understood(body)
    assert request is None or request.figures == {"a": figure}


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_bytes_that_mean_nothing_are_refused(body: bytes) -> None:
    understood(body)
    with contextlib.suppress(Misunderstood):
        link.answer_of(body)


@settings(max_examples=300)
@given(st.sampled_from(ASKS), ANY_FIELDS, ANYTHING)
def test_fields_of_wrong_types_are_refused_and_right_ones_are_what_they_say(
    ask: str, fields: dict[str, Any], number: Any
) -> None:
    body = link.framed({"id": number, "ask": ask, **fields})[4:]
    request = understood(body)
    if request is not None:
        assert request.id == number
        assert set(fields) <= set(request.__struct_fields__)


@given(REQUESTS, st.data())
def test_a_request_with_bytes_missing_or_turned_is_refused_or_is_a_request(
    request: link.Request, data: st.DataObject
) -> None:
    body = bytearray(link.framed(request)[4:])
    del body[data.draw(st.integers(0, len(body))) :]
    if body:
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    understood(bytes(body))


@pytest.mark.parametrize("length", [0, link.MOST_ASKED + 1, 2**31, 2**32 - 1])
def test_a_length_beyond_the_limits_is_refused_before_anything_is_read(length: int) -> None:
    with pytest.raises(Misunderstood, match="may be sent"):
        link.length_of(struct.pack(">I", length), link.MOST_ASKED)


@pytest.mark.parametrize(
    "body",
    [
        b"\x91" * 60_000,  # lists in lists
        b"\x83\xa2id\x01\xa3ask\xa6status\xa1x" + b"\x81\xa1a" * 20_000,
        b"\x85\xa2id\x01\xa3ask\xa6commit\xa4step\xa1a\xa6values\x80\xa7figures\x81\xa1a" + b"\x91" * 60_000,
        b"\x82\xa2id\x01\xa1x\xdd\xff\xff\xff\xff",  # a list that says it has 4,294,967,295 entries
        b"\xdf\xff\xff\xff\xff",
        b"\x82\xa2id\x01\xa3ask\xdb\xff\xff\xff\xff",
        b"\x82\xa2id\x01\xa3ask\xc7\xff\x01",
    ],
    ids=["lists", "maps", "figures", "long list", "long map", "long word", "extension"],
)
def test_what_goes_too_deep_or_claims_too_much_is_refused(body: bytes) -> None:
    assert understood(body) is None


@pytest.mark.parametrize(
    "figure", [b"bytes", {1: 2}, [[[[[[[1]]]]]]]], ids=["bytes", "number as key", "deep"]
)
def test_figures_that_no_json_file_can_hold_are_refused(figure: Any) -> None:
    body = {"id": 1, "ask": "commit", "step": "zero", "values": {}, "figures": {"a": figure}}
    with pytest.raises(Misunderstood):
        link.request_of(link.framed(body)[4:])


def test_not_a_number_is_no_rate_and_no_time() -> None:
    for fields in ({"ask": "live", "rate_hz": float("nan")}, {"ask": "bar", "for_s": float("nan")}):
        with pytest.raises(Misunderstood):
            link.request_of(link.framed({"id": 1, **fields})[4:])


def test_a_message_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(Misunderstood, match="at most"):
        link.framed({"id": 1, "ask": "bar", "rgb": bytes(70_000)}, link.MOST_ASKED)


def test_an_error_comes_through_with_its_remedy_and_exit_code() -> None:
    body = link.framed(link.refusal(7, HipbarError("what", fix="do")))[4:]
    assert link.answer_of(body) == {"id": 7, "error": "what", "fix": "do", "code": 1}


@pytest.mark.parametrize("key", ["feedback.mode", "lens.roll_deg", "camera.mirror", "strip.order"])
def test_settings_that_may_be_tried_pass(key: str) -> None:
    link.check_tryable({key: 1})


@pytest.mark.parametrize("key", ["camera.source", "strip.leds", "service.record", "feedback", "", "x" * 64])
def test_one_setting_that_may_not_be_tried_refuses_all(key: str) -> None:
    with pytest.raises(Misunderstood, match="can't be tried"):
        link.check_tryable({"feedback.mode": "box", key: 1})


def test_every_record_of_the_link_says_what_it_is() -> None:
    assert all(kind.__doc__ for kind in (*link.Request.__args__, link.Live, link.Picture, link.Hello))
    assert len(ASKS) == len(set(ASKS)) == 14
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(link.Live(state="ready")), type=link.Live)
