"""File, calibration, what a visit wants and what somebody tries: laid one above the other, they are the settings.

Each layer counts above those before it. Refuses, with `SettingsError`, layers that don't fit together, and a settings
file that does not say how the station is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from appliance.config import Settings, keys_of, laid, parse
from appliance.errors import SettingsError
from appliance.station.calibration import Calibration


class Layers(msgspec.Struct, frozen=True):
    """base : the file's. tried : key to value and its owner, a connection; None = nobody's, until the process ends."""

    base: Settings
    kept: Calibration = Calibration()
    visit: Mapping[str, Any] = {}
    tried: Mapping[str, tuple[Any, int | None]] = {}

    def laid(self, file: Path) -> Settings:
        """The settings that they make."""
        found = laid(self.base, self.kept.over(self.base), f"{file} with the calibration")
        if self.visit:
            found = laid(found, self.visit, "wanted by the visit")
        values = {key: value for key, (value, _) in self.tried.items()}
        return laid(found, values, "tried") if values else found

    def origin(self, key: str, named: set[str], file: Path) -> str:
        """Where a setting's value comes from; `named` are the keys that the file sets."""
        if key in self.tried:
            return "tried"
        if key in self.visit:
            return "visit"
        if made := self.kept.made_by(key, self.base):
            day = datetime.fromtimestamp(made.made_s).strftime("%Y-%m-%d")
            return f"calibration {made.number}: {made.step}, {day}"
        return str(file) if key in named else "default"

    def but(self, **other: Any) -> Layers:
        """The same with other layers in places."""
        return msgspec.structs.replace(self, **other)


def read_whole(text: str, file: Path) -> Settings:
    """Settings that say how the station is built; an emptied file would otherwise mean a recorded runner."""
    settings = parse(text, str(file))
    for key in ("strip.kind", "camera.source"):
        if key not in keys_of(text):
            fix = "name it; /usr/share/hipbar/hipbar.toml is the file as it was delivered"
            raise SettingsError(f"{file}: {key} is not set", fix=fix)
    return settings
