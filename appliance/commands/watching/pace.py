"""How long the terminal took for the last screens becomes when the next one is due, and how much may be on it.

Seconds of any one clock, bytes as written. A screen counts as drawn when the terminal has answered the question that
was sent behind it; until then there is no next one, so nothing ever piles up between here and the eye, whatever buffers
lie between. A terminal that never answers gets a plain screen a second, which 19,200 baud carry. Pure: the time is an
argument.
"""

from __future__ import annotations

from collections import deque

DETAILS = ("full", "coarse", "dots")
"""What is drawn of the picture: all greys, few, its dots alone."""

MOST_HZ, DEAF_HZ = 10.0, 1.0
_SLOW_S, _QUICK_S, _SWITCH_S = 0.8, 0.3, 2.0
"""Screens that take longer make the next ones plainer; richer ones are tried behind a quick one, when the first of
them, which is drawn whole, should take no longer than the last of these figures."""
_SLOW_TIMES = 2
"""So many in a row: the first screen with more on it is drawn whole, those behind it only where they differ."""
_LOST_S = 10.0
"""An answer that has not come for so long is lost: somebody has cut the line, or it went to another program."""
_GUESS = {"full": 9_000, "coarse": 4_000, "dots": 2_000}
"""Bytes of a first screen with so much on it at 80 x 24, twice what was measured: rooms differ."""
_TELLING = 200
"""Bytes of a screen from whose time the line's speed can be told."""
_RETRY_S = (10.0, 300.0)


class Pace:
    """Told of every screen that goes out and every answer that comes back.

    round_s : how long the terminal took to answer when nothing was drawn; None = it never did.
    """

    def __init__(self, round_s: float | None = 0.0) -> None:
        self.answers = round_s is not None
        self.detail = DETAILS[-1]
        self.screen_s: float | None = None
        """How long the last screen took from its first byte to the terminal's answer."""
        self._sent: deque[tuple[float, int]] = deque()
        self._sent_s = -1e9
        self._round_s = round_s or 0.0
        self._bytes_s = 0.0
        self._costs = dict(_GUESS)
        self._retry_s, self._retry_wait_s = -1e9, _RETRY_S[0]
        self._cost_s = 0.0
        self._slow = 0
        self._drawn: deque[float] = deque(maxlen=12)

    @property
    def busy(self) -> bool:
        """Whether a screen is on its way."""
        return bool(self._sent)

    def due_s(self) -> float:
        """When the next screen may be drawn, unless one is on its way."""
        apart_s = 1 / (MOST_HZ if self.answers else DEAF_HZ)
        return self._sent_s + max(apart_s, 3 * self._cost_s)

    def screens_hz(self) -> float | None:
        """How many screens a second were drawn of late."""
        if len(self._drawn) < 3:
            return None
        return (len(self._drawn) - 1) / max(self._drawn[-1] - self._drawn[0], 1e-3)

    def sent(self, now_s: float, size: int, cost_s: float) -> None:
        """A screen of so many bytes went out; drawing it took `cost_s` of our own time."""
        self._sent_s = now_s
        self._cost_s = cost_s
        if self.answers:
            self._sent.append((now_s, size))
        else:
            self._drawn.append(now_s)

    def answered(self, now_s: float) -> None:
        """The terminal has drawn the oldest screen that was on its way."""
        self.answers = True
        if not self._sent:
            return
        began_s, size = self._sent.popleft()
        took_s = max(now_s - began_s, 1e-4)
        self.screen_s = took_s
        self._drawn.append(now_s)
        self._round_s = min(self._round_s, took_s)
        self._costs[self.detail] = max(size, int(0.9 * self._costs[self.detail]))
        if size > _TELLING:
            carried = size / max(took_s - self._round_s, took_s / 4)
            self._bytes_s = max(
                carried, 0.9 * self._bytes_s
            )  # a screen that waited for another tells too little
        self._choose(now_s, took_s - self._round_s)

    def waited(self, now_s: float) -> None:
        """Gives an answer up that does not come any more; a terminal that was slow before is given longer."""
        if self._sent and now_s - self._sent[0][0] > max(_LOST_S, 10 * (self.screen_s or 0.0)):
            self._sent.clear()

    def _choose(self, now_s: float, took_s: float) -> None:
        """How much the next screens show; `took_s` without the way there and back."""
        at = DETAILS.index(self.detail)
        self._slow = self._slow + 1 if took_s > _SLOW_S else 0
        if self._slow >= _SLOW_TIMES and at + 1 < len(DETAILS):
            self._slow = 0
            self.detail = DETAILS[at + 1]
            self._retry_s = now_s + self._retry_wait_s
            self._retry_wait_s = min(2 * self._retry_wait_s, _RETRY_S[1])
        elif at > 0 and now_s >= self._retry_s and took_s < _QUICK_S and self._bytes_s:
            richer = DETAILS[at - 1]
            if self._costs[richer] / self._bytes_s < _SWITCH_S:
                self.detail = richer
