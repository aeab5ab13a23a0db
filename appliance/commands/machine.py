"""The board's figures become what a status says of the machine; light until it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.station.status import Machine


def machine(state: Path) -> Callable[[], Machine]:
    """The board's figures, as the status has them."""
    from appliance.station.status import Machine
    from hw.board import read_board, throttled_words

    def ask() -> Machine:
        board = read_board(data=state)
        return Machine(
            temperature_c=board.temperature_c,
            throttled=None if board.throttled is None else tuple(throttled_words(board.throttled)[0]),
            under_voltage=board.under_voltage,
            disk_free_mb=board.free_mb,
            memory_free_mb=board.memory_mb,
            load=board.load,
            clock_synchronised=board.clock_synchronised,
            uptime_s=time.clock_gettime(time.CLOCK_BOOTTIME),
        )

    return ask
