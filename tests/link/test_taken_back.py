"""What a tool has tried does not outlive it, not even where the station can't take it back at once."""

from __future__ import annotations

from appliance.errors import CameraLost
from tests.link.room import InMemory, Room, until


def test_what_can_not_be_taken_back_at_once_is_taken_back_later(room: Room) -> None:
    """No frames come just then, so no loop is there to be told."""
    refused: list[int | None] = []

    def untry(owner: int | None) -> None:
        if len(refused) < 2:
            refused.append(owner)
            raise CameraLost("the loop did not answer: no frames come", fix="")
        InMemory.untry(room.orders, owner)

    room.orders.untry = untry  # type: ignore[method-assign]
    with room.link() as one:
        one.set({"feedback.swap": True})
    until(lambda: room.orders.tried == {})
    assert len(refused) == 2
