"""Times that tests have measured become a table: Markdown for people, JSON for programs, in the cache's `reports`.

Times come in seconds; those whose name ends with _ms are written as milliseconds.
"""

from __future__ import annotations

import json

from tests.station.layers import cache


class Table:
    """Rows in the order in which they were added, each with its figures by name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: dict[str, dict[str, float]] = {}

    def add(self, what: str, **figures: float) -> None:
        """A row, with its figures by name."""
        self._rows[what] = {
            name: round(1e3 * value) if name.endswith("_ms") else round(value, 1)
            for name, value in figures.items()
        }

    def write(self) -> str:
        """Writes both files; the Markdown."""
        folder = cache() / "reports"
        folder.mkdir(exist_ok=True)
        (folder / f"{self._name}.json").write_text(json.dumps(self._rows, indent=1) + "\n")
        (folder / f"{self._name}.md").write_text(self.as_markdown())
        return self.as_markdown()

    def as_markdown(self) -> str:
        """The table as people read it."""
        rows = [
            f"| {what} | {', '.join(map(_cell, row, row.values()))} |" for what, row in self._rows.items()
        ]
        return "\n".join(["| | |", "|---|---|", *rows]) + "\n"


def _cell(name: str, value: float) -> str:
    """A figure with its name and unit."""
    if name == "seconds":
        return f"{value:,} s"
    words = name.removesuffix("_ms").replace("_", " ")
    return f"{words} {value:,} ms" if name.endswith("_ms") else f"{words} {value:,}"
