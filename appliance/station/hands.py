"""What a visit wants of the settings becomes theirs, on a thread that may wait: the loop never does.

What is wanted is a state, not a list: the newest counts, and what could not be brought into force is tried again.
Refuses nothing: a trouble is told in words.
"""

from __future__ import annotations

import collections
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from appliance.errors import HipbarError

AGAIN_S = 1.0
"""What was refused is tried again after so long."""
SETTLES_S = 5.0
"""A loop that is left and entered again takes less."""
_END_S = 2.0
_log = logging.getLogger("hipbar.visits")


class Hands:
    """Works from when it is made until it is closed. give : brings all that a visit wants into force; {} = nothing."""

    def __init__(self, give: Callable[[Mapping[str, Any]], None], again_s: float = AGAIN_S) -> None:
        self._into_force, self._again_s = give, again_s
        self.trouble: str | None = None
        self._wanted: dict[str, Any] = {}
        self._given: dict[str, Any] = {}
        self._jobs: collections.deque[Callable[[], None]] = collections.deque()
        self._woken, self._closing = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name="visits", daemon=True)
        self._thread.start()

    def want(self, values: Mapping[str, Any] | None) -> None:
        """These too are wanted from now on; None = nothing any more."""
        with self._woken:
            self._wanted = {**self._wanted, **values} if values else {}
            self._woken.notify_all()

    @property
    def quiet(self) -> bool:
        """Whether what is wanted is in force, or refused."""
        return self._wanted == self._given or self.trouble is not None

    def settle(self, within_s: float = SETTLES_S) -> None:
        """Returns when what is wanted is in force, or is refused; asked of this thread itself, it does it at once."""
        if threading.current_thread() is self._thread:
            self._give(self._wanted)
            return
        with self._woken:
            self._woken.wait_for(lambda: self.quiet, within_s)

    def do(self, job: Callable[[], None]) -> None:
        """Something else that may take a while; what it raises is logged."""
        with self._woken:
            self._jobs.append(job)
            self._woken.notify_all()

    def close(self) -> None:
        """Ends, after what is being done."""
        with self._woken:
            self._closing = True
            self._woken.notify_all()
        self._thread.join(_END_S)

    def _work(self) -> None:
        while True:
            with self._woken:
                again_s = self._again_s if self.trouble else None
                self._woken.wait_for(self._is_due, again_s)
                if self._closing:
                    return
                job = self._jobs.popleft() if self._jobs else None
            if job:
                self._tried(job)
            wanted = self._wanted  # not before: the job may have wanted, and given, something
            if wanted != self._given:
                self._give(wanted)

    def _is_due(self) -> bool:
        return bool(self._closing or self._jobs or (self._wanted != self._given and not self.trouble))

    def _give(self, wanted: dict[str, Any]) -> None:
        trouble = None
        try:
            self._into_force(wanted)
        except HipbarError as error:
            if not self.trouble:
                _log.warning("what the visit wants is not in force yet: %s; %s", error, error.fix)
            trouble = f"{error}; {error.fix}"
        with self._woken:
            self._given, self.trouble = self._given if trouble else wanted, trouble
            self._woken.notify_all()

    def _tried(self, job: Callable[[], None]) -> None:
        try:
            job()
        except HipbarError as error:
            _log.warning("%s; %s", error, error.fix)
        except Exception:
            _log.exception("a visit could not be begun")
