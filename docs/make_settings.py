"""The settings' own descriptions become docs/settings.md; run it after a change in appliance/config/sections.py."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from appliance.config import Settings

HEAD = """# Settings

A settings file is TOML, read at the start and at `hipbar config reload`, and refused whole when anything in it is
unknown, mistyped or out of range; what was in force then stays. Every setting has a default, so nothing needs a file.
`hipbar config show` prints the settings in force as such a file, `hipbar config explain KEY` says all about one,
`hipbar config check FILE` what is wrong in a file. What `hipbar calibrate` measures is kept beside the file and counts
above it. Units are in the names: `_deg` degrees, `_ms` milliseconds, `_us` microseconds, `_px` pixels, `_ma`
milliamperes, `_hz` per second.

```toml
[camera]
source = "v4l2"
rate_hz = 120.0

[feedback]
mode = "step"
target_deg = 6.0
```

This page is made from appliance/config/sections.py by docs/make_settings.py; a test holds the two together.
"""

TABLE = "| setting | default | range | meaning |\n|---|---|---|---|\n"


def allowed(kind: Any) -> str:
    """What values a setting takes."""
    base, *extras = get_args(kind) or (kind,)
    if get_origin(base) is Literal:
        return ", ".join(f"`{json.dumps(value)}`" for value in get_args(base))
    meta = next((extra for extra in extras if isinstance(extra, msgspec.Meta)), msgspec.Meta())
    if base is bool:
        return "`true`, `false`"
    if base is str:
        return "text"
    if get_origin(base) is tuple:
        return "list of pairs"
    low = (
        f"{meta.ge:g} to"
        if meta.ge is not None
        else f"above {meta.gt:g} to"
        if meta.gt is not None
        else "up to"
    )
    return f"{low} {meta.le:g}"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for section in msgspec.structs.fields(Settings):
        about = inspect.getdoc(section.type)
        parts.append(f"\n## [{section.name}]\n\n{about}\n\n{TABLE}")
        for field in msgspec.structs.fields(section.type):
            key, default = f"{section.name}.{field.name}", json.dumps(field.default)
            text = next(e.description for e in get_args(field.type) if isinstance(e, msgspec.Meta))
            parts.append(f"| `{key}` | `{default}` | {allowed(field.type)} | {text} |\n")
    return "".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "settings.md").write_text(page(), encoding="utf-8")
