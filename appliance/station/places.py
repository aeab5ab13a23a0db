"""Settings and environment become the folders of the service: what must last, and what ends with the machine's power.

Refuses nothing: whoever writes there says what is wrong with a folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from appliance.config import Settings

RUNTIME = Path("/run/hipbar")
"""In memory, made by systemd: status, the flight recorder, and what a crash leaves."""

NOT_ON_DATA = "NOT-ON-THE-DATA-PARTITION"
"""A file in the root's own state folder: whoever sees it there sees that the data partition is not mounted."""


def state_dir(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """What must last: HIPBAR_STATE in the environment, or else the setting `service.state`."""
    return Path(environ.get("HIPBAR_STATE") or settings.service.state)


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """What ends with the power: HIPBAR_RUNTIME in the environment, or else /run/hipbar."""
    return Path(environ.get("HIPBAR_RUNTIME") or RUNTIME)


def may_record(settings: Settings, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether recordings are kept: as the settings say, but never where HIPBAR_RECORD in the environment is "no"."""
    return settings.service.record and environ.get("HIPBAR_RECORD") != "no"
