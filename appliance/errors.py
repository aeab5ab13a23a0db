"""What went wrong becomes one or two lines for the technician: what, where, and what to do next.

Every error that a user can meet is a `HipbarError`; the command line prints it without a traceback and exits with
its `exit_code`. Anything else that escapes is a defect of ours.
"""

from __future__ import annotations


class HipbarError(Exception):
    """A failure with a remedy: `str(error)` is what and where, `error.fix` is what to do."""

    exit_code = 1

    def __init__(self, what: str, *, fix: str) -> None:
        super().__init__(what)
        self.fix = fix


class SettingsError(HipbarError):
    """A settings file or value that can't be used; nothing of it was applied."""

    exit_code = 2


class SourceError(HipbarError):
    """A video or keypoint recording that can't be read, or is damaged."""

    exit_code = 3


class OutputError(HipbarError):
    """A file that can't be written; what was written before is intact."""

    exit_code = 4


class CameraLost(HipbarError):
    """No camera, or one that stopped giving frames."""

    exit_code = 5


class StripLost(HipbarError):
    """No light bar, or one that stopped taking frames."""

    exit_code = 6


class ServiceDown(HipbarError):
    """The service does not run, does not answer, or shows a fault."""

    exit_code = 7


class UpkeepError(HipbarError):
    """A change to the machine (package, boot settings) that was refused, or taken back; what was before is in force."""

    exit_code = 8


class CalibrationError(HipbarError):
    """A calibration that could not be made, or was refused; what was in force before still is."""

    exit_code = 9


class VisitError(HipbarError):
    """A visit that can't be begun or steered as asked; what runs goes on as it was."""

    exit_code = 10


class StoreError(HipbarError):
    """The clinic's store can't be used or does not have what was asked for; nothing in it was changed."""

    exit_code = 11
