"""Chunks of frames leave the loop in microseconds and reach the books in their own time, on a thread of their own.

A card may hang for seconds; the loop never waits for it. What is lent is copied; ten seconds wait at the most, and what
comes after them is dropped, counted and told, until the card goes on. Refuses nothing: a book that fails is given up
with its own words, the others go on.
"""

from __future__ import annotations

import collections
import logging
import threading
import time

import msgspec

from appliance.errors import HipbarError
from appliance.station.books import Book, Chunk

BACKLOG = 10
"""Chunks, of a second each, that wait for a slow card before any is dropped."""

_END_S = 5.0
_log = logging.getLogger("hipbar.station")


class Scribe:
    """A book that hands every chunk on to others; `keep` never waits, `close` waits for `end_s` at the most."""

    def __init__(self, books: tuple[Book, ...], *, backlog: int = BACKLOG, end_s: float = _END_S) -> None:
        self._books = list(books)
        self._end_s = end_s
        self._most = backlog
        self._waiting: collections.deque[Chunk] = collections.deque()
        self._woken = threading.Condition()
        self._closing = False
        self._slow_since_s: float | None = None
        self._failed: str | None = None
        self.dropped = 0
        self._thread = threading.Thread(target=self._write, name="hipbar-scribe", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """What is wrong now, in words: a card that hangs, or a book that was given up."""
        since_s = self._slow_since_s
        if since_s is not None:
            slow_s = time.monotonic() - since_s
            return f"the card is too slow since {slow_s:.0f} s, {self.dropped:,} frames dropped; a new card helps"
        return self._failed

    def keep(self, chunk: Chunk) -> None:
        """Copies the chunk and returns at once."""
        mine = _copied(chunk)
        with self._woken:
            if len(self._waiting) < self._most and not self._closing:
                self._waiting.append(mine)
                self._woken.notify()
                return
        self.dropped += len(mine.track)
        if self._slow_since_s is None:
            self._slow_since_s = time.monotonic()
            _log.warning("the card is slow: what comes now is not kept; the bar goes on")

    def close(self) -> None:
        """Lets the thread finish what waits, and the books with it; a card that hangs longer is left behind."""
        with self._woken:
            self._closing = True
            self._woken.notify()
        self._thread.join(self._end_s)
        if self._thread.is_alive():
            lost = sum(len(chunk.track) for chunk in tuple(self._waiting))
            self.dropped += lost
            _log.warning("the card did not take the last %d frames within %.0f s", lost, self._end_s)

    def _write(self) -> None:
        """The thread: one chunk after the other into all books, until the end."""
        while (chunk := self._next()) is not None:
            for book in tuple(self._books):
                self._hand(book, chunk)
            if self._slow_since_s is not None and len(self._waiting) < self._most // 2:
                self._slow_since_s = None
                _log.info("the card keeps up again, %d frames were dropped", self.dropped)
        for book in self._books:
            try:
                book.close()
            except Exception as error:
                self._give_up(book, error)

    def _next(self) -> Chunk | None:
        with self._woken:
            self._woken.wait_for(lambda: self._waiting or self._closing)
            return self._waiting.popleft() if self._waiting else None

    def _hand(self, book: Book, chunk: Chunk) -> None:
        try:
            book.keep(chunk)
        except Exception as error:
            self._give_up(book, error)
            self._books.remove(book)

    def _give_up(self, book: Book, error: Exception) -> None:
        """Whatever a book raises, its thread must live: the others still need it."""
        if isinstance(error, HipbarError):
            self._failed = f"{error}; {error.fix}"
            _log.warning("%s", self._failed)
        else:
            self._failed = f"{type(book).__name__} failed: {error!r}"
            _log.exception("a book failed and is given up: %s", type(book).__name__)


def _copied(chunk: Chunk) -> Chunk:
    arrays = {name: getattr(chunk, name).copy() for name in ("track", "moments", "leds", "shown")}
    return msgspec.structs.replace(chunk, **arrays)
