"""What the parts say while they run becomes lines on standard error, with priorities when systemd reads them."""

from __future__ import annotations

import logging
import os
import sys

import pytest

from appliance.commands.journal import journal


def test_a_line_names_the_program_and_the_part(capsys: pytest.CaptureFixture[str]) -> None:
    with journal():
        logging.getLogger("hipbar.camera").warning("no frame for %.1f s:\nrestarting", 1.0)
    assert capsys.readouterr().err == "hipbar: camera: no frame for 1.0 s: restarting\n"


def test_systemd_s_journal_gets_priorities(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{here.st_dev}:{here.st_ino}")
    monkeypatch.setattr(sys, "stderr", os.fdopen(os.dup(2), "w", buffering=1))
    with journal():
        logging.getLogger("hipbar.strip").warning("3 writes failed")
        logging.getLogger("hipbar.station").info("measuring")
    sys.stderr.close()
    assert capfd.readouterr().err == "<4>strip: 3 writes failed\n<6>station: measuring\n"


def test_another_stream_s_number_means_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    with journal():
        logging.getLogger("hipbar.station").info("measuring")
    assert capsys.readouterr().err.startswith("hipbar: station:")


def test_afterwards_nothing_more_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with journal():
        pass
    logging.getLogger("hipbar.station").info("measuring")
    assert capsys.readouterr().err == ""
