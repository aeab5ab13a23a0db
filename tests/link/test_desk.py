"""The desk: what each request brings, and what a client may not do to the others, to the bar or to the loop."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import CalibrationError, CameraLost, HipbarError, ServiceDown, SettingsError
from appliance.station import desk, link, loans, visitor
from appliance.station.client import Link
from appliance.station.desk import Desk
from appliance.station.views import reduced
from tests.link.room import LEDS, SIZE, Room, ended, received, until

WHITE, BLACK = bytes([255] * 3 * LEDS), bytes(3 * LEDS)


def test_a_tool_learns_whom_it_talks_to(room: Room) -> None:
    with room.link() as one:
        hello = one.hello()
    assert (hello.protocol, hello.software, hello.state) == (link.PROTOCOL, "hipbar test", "ready")
    assert (hello.width_px, hello.height_px, hello.leds) == (*SIZE, LEDS)


def test_status_settings_and_calibration_are_told(room: Room) -> None:
    with room.link() as one:
        assert one.status().mode == "step"
        assert one.settings()["file"] == "f"
        assert one.commit("zero", {"motion.zero_deg": 0.5}, {"spread_deg": 0.1}) == 1
        assert one.calibration().revisions[0].values == {"motion.zero_deg": 0.5}
        assert one.rollback(1) == 2


def test_what_is_tried_ends_with_the_connection_unless_it_is_kept(room: Room) -> None:
    with room.link() as one:
        assert one.set({"feedback.mode": "box"}) == ["feedback.mode"]
        one.set({"lens.roll_deg": 1.0}, keep=True)
        assert list(room.orders.tried.values()) == [{"feedback.mode": "box"}, {"lens.roll_deg": 1.0}]
    until(lambda: room.orders.tried == {None: {"lens.roll_deg": 1.0}})
    with room.link() as one:
        one.unset()
    assert room.orders.tried == {}


def test_a_setting_that_may_not_be_tried_refuses_all(room: Room) -> None:
    with room.link() as one, pytest.raises(SettingsError, match="can't be tried"):
        one.set({"feedback.mode": "box", "strip.leds": 3})
    assert room.orders.tried == {}


def test_a_refusal_comes_as_the_error_that_it_was(room: Room) -> None:
    with room.link() as one:
        with pytest.raises(CalibrationError, match="no such step") as refused:
            one.commit("never", {}, {})
        assert refused.value.fix == "take another"
        assert one.status().state == "ready"


def test_a_defect_is_told_without_its_inside_and_the_desk_goes_on(room: Room) -> None:
    with room.link() as one:
        with pytest.raises(HipbarError, match="could not do that"):
            one.reload()
        assert one.hello().pid == 1


def test_a_picture_is_newer_than_the_request(room: Room) -> None:
    with room.link() as one:
        for _ in range(5):
            asked_s = time.monotonic()
            picture = one.picture()
            assert picture.t_s >= asked_s
            assert picture.luma.shape == SIZE[::-1]
            assert picture.luma[0, 77] == 77


def test_no_picture_comes_from_a_camera_that_gives_none_and_that_is_said(room: Room) -> None:
    room.pause.set()
    with room.link() as one:
        with pytest.raises(CameraLost, match="no picture came"):
            one.picture()
        assert one.status().state == "ready"


def test_live_messages_say_what_is_seen_and_fit_their_picture_in(room: Room) -> None:
    with room.link() as one, contextlib.closing(one.live(30, (80, 60))) as stream:
        first, second = next(stream), next(stream)
    assert second.seq is not None
    assert first.seq is not None
    assert second.seq > first.seq
    assert (first.width, first.height, len(first.luma)) == (80, 60, 4800)
    assert (first.state, first.shown, first.mode) == ("ready", "measurement", "step")
    assert first.moment["level_deg"] is None
    assert first.moment["obliquity_deg"] == 0.0
    assert first.xy_px is not None
    assert first.xy_px[1] == [3.0, 4.0]
    assert np.isnan(first.xy_px[3]).all()
    assert first.leds == bytes([7] * 3 * LEDS)
    assert first.missed == 0


def test_a_live_stream_goes_on_while_other_things_are_asked(room: Room) -> None:
    with room.link() as one, contextlib.closing(one.live(30)) as stream:
        for _ in range(5):
            assert next(stream).width == 0
            assert one.status().state == "ready"


def test_a_silent_camera_is_seen_in_the_live_messages(room: Room) -> None:
    with room.link() as one, contextlib.closing(one.live(30, (80, 60))) as stream:
        next(stream)
        room.pause.set()
        message = next(stream)
        while message.quiet_ms is None or message.quiet_ms < 300:
            message = next(stream)
    assert message.luma == b""


def test_followers_get_every_frame_once(room: Room) -> None:
    with room.link() as one:
        rows = one.follow(0.5, spot=(0, 0, 4, 4))
    assert len(rows) > 20
    assert (np.diff(rows["seq"]) == 1).all()
    assert rows["spot"][0] == np.mean([[(x + 320 * y) % 256 for x in range(4)] for y in range(4)])
    until(lambda: room.hatch.spot is None)


def test_two_tools_can_not_follow_two_spots(room: Room) -> None:
    with room.link() as one, room.link() as other, contextlib.closing(one.follows((0, 0, 4, 4))) as stream:
        next(stream)
        with pytest.raises(ServiceDown, match="another spot"):
            next(other.follows((8, 8, 4, 4)))
        assert len(other.follow(0.2)) > 5


def test_a_lent_bar_shows_what_it_is_told_and_when(room: Room) -> None:
    with room.link() as one:
        asked_s = time.monotonic()
        shown_s = one.bar(WHITE, 1.0)
        assert asked_s < shown_s < time.monotonic()
        assert room.lit[-1][1] == WHITE
        assert room.desk.lent
        one.bar(None)
    until(lambda: room.lit[-1][1] is None)


def test_the_bar_is_the_station_s_again_when_its_borrower_is_gone(room: Room) -> None:
    raw = room.raw()
    raw.sendall(link.framed({"id": 1, "ask": "bar", "rgb": WHITE, "for_s": 2.0}))
    assert received(raw)["ok"]
    raw.close()
    until(lambda: room.lit[-1][1] is None, within_s=1.0)


def test_only_one_tool_at_a_time_has_the_bar(room: Room) -> None:
    with room.link() as one, room.link() as other:
        one.bar(WHITE, 2.0)
        with pytest.raises(ServiceDown, match="another tool has the bar"):
            other.bar(BLACK)
        one.bar(None)
        other.bar(BLACK)


def test_colours_for_another_bar_are_refused(room: Room) -> None:
    with room.link() as one, pytest.raises(ServiceDown, match="10 x 3 bytes"):
        one.bar(b"123")


def test_no_client_makes_the_bar_flash_not_even_by_coming_and_going(room: Room) -> None:
    until_s = time.monotonic() + 1.8
    while time.monotonic() < until_s:
        with room.link() as one:
            one.bar(WHITE)
            one.bar(BLACK)
    times = [t_s for t_s, _ in room.lit[1:]]
    assert len(times) > 6
    for k, t_s in enumerate(times):
        assert sum(t_s <= other < t_s + 0.98 for other in times[k:]) <= loans.CHANGES


def test_the_socket_is_for_its_group_and_nobody_else(room: Room) -> None:
    assert stat.S_IMODE((room.runtime / link.SOCKET).stat().st_mode) == 0o660


def test_a_socket_that_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / link.SOCKET).write_text("of a process that was killed")
    (tmp_path / f"{link.SOCKET}.new").write_text("half")
    one = Room(tmp_path)
    with contextlib.closing(one), one.link() as tool:
        assert one.desk.trouble is None
        assert tool.hello().pid == 1
    assert not (tmp_path / link.SOCKET).exists()


def test_the_socket_of_a_living_process_is_left_alone(room: Room) -> None:
    other = Desk(room.runtime, room.hatch, room.orders)
    assert other.trouble is not None
    assert "another station" in other.trouble
    other.close()
    with room.link() as tool:
        assert tool.hello().pid == 1


def test_a_folder_that_is_missing_is_a_trouble_in_words(tmp_path: Path, room: Room) -> None:
    other = Desk(tmp_path / "none", room.hatch, room.orders)
    assert other.trouble is not None
    assert "no control link" in other.trouble
    other.close()


def test_a_folder_with_a_long_name_has_a_control_link_too(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    one = Room(folder)
    with contextlib.closing(one), one.link() as tool:
        assert tool.hello().pid == 1


def test_without_a_service_it_is_said_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(ServiceDown, match="does not run") as down:
        Link.open(tmp_path)
    assert "systemctl start" in down.value.fix


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_who_may_not_is_told_how_to_become_one_who_may(room: Room, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(0o755)
    if (child := os.fork()) == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            Link.open(tmp_path)
        except ServiceDown as error:
            os._exit(3 if "usermod" in error.fix else 4)
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


def test_the_ninth_tool_is_sent_away_with_words_and_the_next_one_may_come(room: Room) -> None:
    with contextlib.ExitStack() as tools:
        for _ in range(desk.MOST_VISITORS):
            tools.enter_context(room.link()).hello()
        with room.link() as one, pytest.raises(ServiceDown, match="8 tools are connected"):
            one.hello()
    until(lambda: room.desk.clients == 0)
    with room.link() as one:
        assert one.hello().pid == 1


def test_who_says_nothing_or_takes_no_answer_loses_the_place_but_not_who_looks_away(room: Room) -> None:
    with (
        room.raw() as silent,
        room.raw() as half,
        room.raw() as body,
        room.raw() as never,
        room.link() as paused,
        contextlib.closing(paused.live(30, SIZE)) as stream,
    ):
        assert next(stream).missed == 0
        half.sendall(b"\0\0")
        body.sendall(b"\0\0\0\x20half")
        asks = (
            [{"ask": "picture"}] * 4
            + [{"ask": "bar", "rgb": WHITE, "for_s": 2.0}]
            + [{"ask": "picture"}] * 30
        )
        never.sendall(b"".join(link.framed({"id": n, **ask}) for n, ask in enumerate(asks)))
        began_s = time.monotonic()
        assert ended(silent)
        assert ended(half)
        assert ended(body)
        until(lambda: room.desk.clients == 1)
        assert visitor.PATIENCE_S <= time.monotonic() - began_s < 2 * visitor.PATIENCE_S
        assert not room.desk.lent
        next(stream)
        assert next(stream).missed > 100


@pytest.mark.parametrize("bytes_", [b"GET / HTTP/1.0\r\n\r\n", struct.pack(">I", 0), b"\xff" * 100])
def test_a_client_that_speaks_another_language_is_told_and_sent_away(room: Room, bytes_: bytes) -> None:
    with room.raw() as raw:
        raw.sendall(bytes_)
        told = received(raw)
        assert told["id"] == 0
        assert "may be sent" in told["error"]
        assert ended(raw)


def test_a_request_that_nobody_knows_is_refused_and_the_next_one_answered(room: Room) -> None:
    with room.raw() as raw:
        raw.sendall(link.framed({"id": 5, "ask": "reboot"}) + link.framed({"id": 6, "ask": "hello"}))
        assert received(raw)["id"] == 5
        assert received(raw)["id"] == 6


def test_a_client_that_asks_on_and_on_is_slowed_down_and_the_others_are_not(room: Room) -> None:
    with room.raw() as flood, room.link() as tool:
        flood.sendall(link.framed({"id": 1, "ask": "hello"}) * 2000)
        began_s, count = time.monotonic(), 0
        while time.monotonic() < began_s + 1.2:
            received(flood)
            count += 1
        assert 60 < count < 60 + 1.4 * 60 + 5
        began_s = time.monotonic()
        tool.hello()
        assert time.monotonic() - began_s < 4.0


def test_a_reader_that_is_slow_misses_live_messages_and_gets_the_newest(room: Room) -> None:
    with room.raw() as slow:
        slow.sendall(link.framed({"id": 1, "ask": "live", "rate_hz": 30, "width": 80, "height": 60}))
        received(slow)
        received(slow)
        time.sleep(1.0)
        received(slow)  # it had been sent before the pause
        late = received(slow)["live"]
        assert late["missed"] > 15
        assert late["quiet_ms"] < 2000


def test_a_client_that_waits_for_an_order_that_hangs_keeps_nobody_from_the_status(room: Room) -> None:
    room.orders.hang.clear()
    try:
        with room.raw() as raw, room.link() as tool:
            raw.sendall(link.framed({"id": 1, "ask": "set", "values": {"feedback.mode": "box"}}))
            for _ in range(5):
                assert tool.status().state == "ready"
    finally:
        room.orders.hang.set()


def test_closing_sends_everybody_away_and_takes_the_socket_with_it(room: Room) -> None:
    with room.link() as tool:
        tool.hello()
        room.desk.close()
        with pytest.raises(ServiceDown, match="ended the connection"):
            tool.hello()
    assert not (room.runtime / link.SOCKET).exists()
    room.desk.close()


def test_a_desk_that_fails_begins_anew_and_nothing_that_was_tried_is_left(room: Room) -> None:
    with room.link() as tool:
        tool.set({"feedback.mode": "box"})
        assert room.desk._room
        room.desk._room.look_after = None  # type: ignore[method-assign,assignment]  # a defect, once
        until(lambda: room.orders.tried == {})
    until(lambda: room.desk.trouble is None)
    with room.link() as tool:
        assert tool.hello().pid == 1


def test_a_service_that_does_not_answer_is_not_waited_for_without_end(room: Room) -> None:
    with Link.open(room.runtime, timeout_s=0.3) as tool:
        room.pause.set()
        room.orders.hang.clear()
        with pytest.raises(ServiceDown, match="does not answer"):
            tool.picture()
        room.orders.hang.set()


@pytest.mark.parametrize("size", [(80, 60), (100, 47), (1, 1), (319, 240), (640, 480)])
def test_a_reduced_picture_fits_and_is_as_bright_as_the_whole(size: tuple[int, int]) -> None:
    luma = np.random.default_rng(3).integers(0, 255, (240, 320), dtype=np.uint8)
    small = reduced(luma, size)
    assert small.shape[0] <= size[1]
    assert small.shape[1] <= size[0]
    assert abs(small.mean() - luma.mean()) < 1.5


def test_a_reduced_picture_is_of_means_of_squares() -> None:
    luma = np.array([[1, 3, 9, 9], [5, 7, 9, 9]], np.uint8)
    assert reduced(luma, (2, 1)).tolist() == [[4, 9]]
