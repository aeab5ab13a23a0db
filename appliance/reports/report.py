"""What a report is made from becomes its sheet, by what was done in it.

Refuses nothing.
"""

from __future__ import annotations

from appliance.clinic.terms import VisitKind
from appliance.reports.drill import drill_sheet
from appliance.reports.runner import runner_sheet
from appliance.reports.sheet import Sheet
from appliance.reports.source import RunnerSource, VisitSource
from appliance.reports.trial import trial_sheet
from appliance.reports.visit import visit_sheet
from appliance.reports.words import Words


def sheet_of(words: Words, source: VisitSource | RunnerSource) -> Sheet:
    """The sheet of a visit, a cue trial, an exercise, or a runner."""
    if isinstance(source, RunnerSource):
        return runner_sheet(words, source)
    kind = source.data.visit.kind
    if kind is VisitKind.CUE:
        return trial_sheet(words, source)
    if kind is VisitKind.EXERCISE:
        return drill_sheet(words, source)
    return visit_sheet(words, source)
