"""What the tests of a visit's machine and of an exercise's have in common: plans, what is told, what always holds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

import msgspec
from hypothesis import HealthCheck, settings

from appliance.clinic.terms import (
    DARK,
    Act,
    Aim,
    Block,
    BlockBegan,
    BlockEnded,
    Lit,
    Over,
    Plan,
    Progress,
    Rep,
    Show,
    VisitKind,
    VisitState,
)

A = TypeVar("A")

ANY_ORDER = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def planned(kind: VisitKind, blocks: Iterable[Block], visits: int = 0) -> Plan:
    """These blocks, by a protocol without a name worth knowing."""
    return Plan(kind=kind, protocol="any", number=1, visits=visits, blocks=tuple(blocks))


def of(acts: Iterable[Act], kind: type[A]) -> list[A]:
    """Those of one kind."""
    return [act for act in acts if isinstance(act, kind)]


def kept(progress: Progress) -> Progress:
    """As the store gives it back."""
    return msgspec.json.decode(msgspec.json.encode(progress), type=Progress)


class Told:
    """Everything that one plan's machines have told, each call held to what holds for all of them."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self.began: list[int] = []
        self.ended: list[int] = []
        self.overs: list[VisitState] = []
        self.reps: dict[int, int] = {}
        self.lit: Aim | None = None

    def take(self, acts: tuple[Act, ...]) -> None:
        """The acts of one call."""
        assert len(of(acts, BlockEnded)) <= 1, "one call ends at most one block"
        for act in acts:
            assert not self.overs, "nothing happens after the end"
            assert self.at_s <= act.at_s < math.inf, "time goes back"
            self.at_s = act.at_s
            if isinstance(act, BlockBegan | BlockEnded):
                self._bounds(act)
            elif isinstance(act, Over):
                self.overs.append(act.state)
            else:
                self._within(act)

    def _bounds(self, act: BlockBegan | BlockEnded) -> None:
        if isinstance(act, BlockBegan):
            assert act.n == len(self.began) == len(self.ended), "blocks begin in order, each once"
            self.began.append(act.n)
        else:
            assert act.n == len(self.ended) == len(self.began) - 1, "what ends has begun"
            assert 0 <= act.ran_s <= act.at_s + 1e-6
            self.ended.append(act.n)

    def _within(self, act: Act) -> None:
        if isinstance(act, Lit):
            assert act.aim != self.lit, "said twice"
            self.lit = act.aim
        elif isinstance(act, Rep):
            assert act.n == len(self.began) - 1
            assert act.number == self.reps.get(act.n, 0) + 1
            assert act.began_s <= act.ended_s <= act.at_s
            self.reps[act.n] = act.number
        elif isinstance(act, Show):
            assert act.seconds > 0
            assert act.share is None or 0 <= act.share <= 1

    @property
    def inside(self) -> bool:
        """Whether a block has begun that has not ended."""
        return len(self.began) == len(self.ended) + 1

    @property
    def figures(self) -> bool:
        """Whether the runner sees figures by now."""
        return self.lit not in (None, DARK)

    def holds_the_end(self, state: VisitState, blocks: int) -> None:
        """The end is told once, and the last block's with it."""
        over = state not in (VisitState.RUNNING, VisitState.PAUSED)
        assert self.overs == ([state] if over else [])
        assert not over or len(self.began) == len(self.ended)
        assert state is not VisitState.DONE or len(self.ended) == blocks
