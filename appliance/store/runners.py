"""Codes become runners in the store, and runners are erased from it.

Wall seconds since 1970. Refuses, with `StoreError`, what is no code (a name above all), one that is taken, and one
that is not known.
"""

from __future__ import annotations

import difflib
import re
import sqlite3

from appliance.clinic.rows import RunnerRow
from appliance.errors import StoreError
from appliance.store import read

_CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{1,15}")
_TAKEN = ("LAST",)  # `hipbar report last` is the last visit
_LONGEST_NOTE = 200
_ROWS = (
    "SELECT r.id, r.code, r.made_s, r.note, count(v.id), max(v.began_s) FROM runners r"
    " LEFT JOIN visits v ON v.runner = r.id{where} GROUP BY r.id ORDER BY r.code"
)


def code_of(words: str) -> str:
    """What somebody typed, as a code: 2 to 16 letters, digits and dashes, in capitals."""
    typed = words.strip()
    code = typed.upper()
    name_like = any(c.islower() for c in typed) and not any(c.isdigit() for c in typed)
    if not _CODE.fullmatch(code) or name_like or code in _TAKEN:
        raise StoreError(
            f'"{typed[:40]}": is no code',
            fix='a code, no name: 2 to 16 capital letters, digits and dashes, such as "R07"',
        )
    return code


def runners(db: sqlite3.Connection, code: str | None = None) -> list[RunnerRow]:
    """All, or the one with that very code, by code."""
    where, values = (" WHERE r.code = ?", (code,)) if code is not None else ("", ())
    return [read.runner_row(row) for row in db.execute(_ROWS.format(where=where), values)]


def runner(db: sqlite3.Connection, words: str) -> RunnerRow:
    """The one with that code, however it was typed."""
    code = words.strip().upper()
    found = runners(db, code)
    if found:
        return found[0]
    codes = [row[0] for row in db.execute("SELECT code FROM runners ORDER BY code")]
    if near := difflib.get_close_matches(code, codes, n=1):
        remedy = f'did you mean "{near[0]}"?'
    elif _CODE.fullmatch(code) and code not in _TAKEN:
        remedy = f'"hipbar runner add {code}" makes it'
    else:
        remedy = '"hipbar runner list" names those that there are'
    raise StoreError(f'no runner has the code "{words.strip()[:40]}"', fix=remedy)


def runner_id(db: sqlite3.Connection, words: str) -> int:
    """The row of the one with that code."""
    return runner(db, words).id


def add(db: sqlite3.Connection, words: str, note: str, wall_s: float) -> RunnerRow:
    """A new one; the note as one line."""
    code, note = code_of(words), " ".join(note.split())
    if len(note) > _LONGEST_NOTE:
        raise StoreError(
            f"{code}: the note has {len(note):,} characters", fix=f"at most {_LONGEST_NOTE}: it is one line"
        )
    if runners(db, code):
        raise StoreError(f"{code}: there is a runner with this code already", fix="choose another code")
    db.execute("INSERT INTO runners (code, made_s, note) VALUES (?, ?, ?)", (code, wall_s, note))
    return runner(db, code)
