"""The store on the card becomes the facts of a check; nothing in it is changed.

A store that can't be opened is a fact as well: its error says what to do.
"""

from __future__ import annotations

from pathlib import Path

from appliance.station.checks_clinic import Visits
from appliance.station.status import Status
from appliance.store.opening import FILE
from appliance.store.store import Store


def visits(state: Path, status: Status | None) -> Visits:
    """What is kept. Raises `StoreError` for a store that can't be used."""
    running = status.visit if status else None
    trouble = running.trouble if running else None
    path = state / FILE
    if not path.exists():
        return Visits(None, None, 0.0, trouble)
    with Store.open(state, read_only=True) as store:
        return Visits(len(store.runners()), len(store.visits()), path.stat().st_size / 1e6, trouble)
