"""Scenes for tests: a file that says what is truly before a station's virtual camera, and that changes when told to.

scene = world(tmp_path, act="stand", roll_deg=1.5)
settings = f'[camera]\nscene = "{scene}"'
act(scene, act="lift left")           # the station sees it within 0.2 s; None takes a field away
truth(scene).standing_deg             # what a perfect instrument would say
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from appliance.config import Camera
from hw.camera.stage import read_scene
from hw.camera.virtual import VirtualCamera


def world(folder: Path, /, **fields: Any) -> Path:
    """A scene file in the folder."""
    path = folder / "scene.toml"
    _write(path, fields)
    return path


def act(path: Path, /, **changes: Any) -> None:
    """Change fields of the scene, at once and as a whole."""
    _write(path, {**tomllib.loads(path.read_text(encoding="utf-8")), **changes})


def truth(path: Path, camera: Camera | None = None) -> VirtualCamera:
    """The same scene before a camera that is asked, not looked through; `camera` = the station's settings of it."""
    return VirtualCamera(read_scene(path, camera or Camera()))


def _write(path: Path, fields: dict[str, Any]) -> None:
    plain = msgspec.to_builtins({key: value for key, value in fields.items() if value is not None})
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in plain.items())
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(v)}" for key, v in value.items() if v is not None) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value)
