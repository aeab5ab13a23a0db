"""The texts of reports become catalogues for translators: run this from anywhere after changing a text.

Each `appliance/reports/words/<language>.po` gets the texts of the sources and templates, keeps its translations, and is
compiled to the `.mo` that reports read. A new language begins with an empty .po: `make_words.py fr`. Needs Babel (the
test extra has it). Ends with 1 where a text is not translated.
"""

from __future__ import annotations

import ast
import datetime
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

REPORTS = Path(__file__).resolve().parents[1] / "appliance" / "reports"
WORDS = REPORTS / "words"
_DATE = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)  # the same each time: no change without a change
_HEADER = (
    "# Texts of hipbar's reports. {braces} stay as they are; degrees, dates and decimals follow the language."
)


def texts() -> Catalog:
    """All texts that reports use."""
    found = Catalog(project="hipbar", charset="utf-8", header_comment=_HEADER)
    for path in sorted(REPORTS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                _add(found, node)
    return found


def _add(found: Catalog, call: ast.Call) -> None:
    """The text of one call of `say`, `mark`, `several` or `told`, wherever in an expression it stands."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    words = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    if name in ("say", "mark") and words and words[0]:
        found.add(words[0])
    elif name == "several" and len(words) == 2:
        found.add((words[0], words[1]))
    elif name == "told" and len(words) == 2:
        found.add(words[1], context=words[0])


def renewed(path: Path) -> Catalog:
    """A language's catalogue with the texts of today; what is no longer used is gone."""
    with path.open("rb") as file:
        kept = read_po(file, locale=path.stem, charset="utf-8")
    kept.update(texts(), no_fuzzy_matching=True)
    kept.obsolete.clear()
    kept.header_comment, kept.fuzzy = _HEADER, False
    kept.project, kept.version = "hipbar", "reports"
    kept.msgid_bugs_address = kept.last_translator = kept.language_team = "the hipbar authors"
    kept.creation_date = kept.revision_date = _DATE
    return kept


def write(path: Path, kept: Catalog) -> None:
    """The catalogue as text and as what is read at run time; the same bytes for the same texts."""
    with path.open("wb") as file:
        write_po(
            file,
            kept,
            omit_header=False,
            no_location=True,
            sort_output=True,
            width=110,
            include_previous=False,
        )
    with path.with_suffix(".mo").open("wb") as file:
        write_mo(file, kept)


def untranslated(kept: Catalog) -> list[str]:
    """Texts without a translation."""
    empty = (m for m in kept if m.id and not (all(m.string) if isinstance(m.string, tuple) else m.string))
    return [str(message.id) for message in empty]


def main() -> int:
    """Renews all catalogues, or begins those that are named."""
    for name in sys.argv[1:]:
        path = WORDS / f"{name}.po"
        if not path.exists():
            write(path, Catalog(locale=name))
    missing = 0
    for path in sorted(WORDS.glob("*.po")):
        kept = renewed(path)
        write(path, kept)
        open_ones = untranslated(kept)
        missing += len(open_ones)
        print(
            f"{path.name}: {len(kept)} texts, {len(open_ones)} without a translation", *open_ones, sep="\n  "
        )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
