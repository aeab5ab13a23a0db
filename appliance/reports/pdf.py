"""A sheet becomes a PDF of exactly one page of A4.

Letters shrink until everything is on the page; a sheet that does not fit even at its smallest is a defect of ours, and
is cut off rather than spilled. Refuses, with `OutputError`, a machine on which the libraries for PDF are missing.
"""

from __future__ import annotations

import logging
from typing import Any

from appliance.errors import OutputError
from appliance.reports.page import html
from appliance.reports.sheet import SMALLEST, Sheet

_STEP, _PAPER, _PAGE_MM = 0.96, "A4", 276.0


def pdf(sheet: Sheet) -> bytes:
    """The bytes of the file."""
    weasyprint = _library()
    scale = sheet.scale(_PAGE_MM)
    while True:
        document = weasyprint.HTML(string=html(sheet, scale, _PAPER)).render()
        if len(document.pages) == 1 or scale <= SMALLEST:
            made: bytes = document.copy(document.pages[:1]).write_pdf()
            return made
        scale = max(SMALLEST, scale * _STEP)


def _library() -> Any:
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        what = " ".join(str(error).split())[:120]
        raise OutputError(
            f"no PDF can be made on this machine: {what}",
            fix="apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0, or write a .html and print that",
        ) from None
    return weasyprint
