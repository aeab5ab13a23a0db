"""Times that tests have measured become a table: Markdown for people, JSON for programs, in the cache's `reports`.

Times come in seconds and are written in the unit that their column's name ends with.
"""

from __future__ import annotations

import json

from tests.station.layers import cache


class Table:
    """Rows in the order in which they were added; the columns are those that some row has."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: dict[str, dict[str, float]] = {}

    def add(self, what: str, **figures: float) -> None:
        """A row: seconds, or for a name in ..._ms what is written as milliseconds."""
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
        columns = list(dict.fromkeys(name for row in self._rows.values() for name in row))
        heads = ["", *(name.replace("_ms", ", ms").replace("_", " ") for name in columns)]
        lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for what, row in self._rows.items():
            cells = [f"{row[name]:,}" if name in row else "" for name in columns]
            lines.append(f"| {' | '.join([what, *cells])} |")
        return "\n".join(lines) + "\n"
