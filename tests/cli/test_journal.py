"""What the parts say while they run becomes lines on standard error, with priorities when systemd reads them."""

from __future__ import annotations

import contextlib
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


def test_a_line_that_nobody_takes_is_left_out_and_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    os.set_blocking(theirs, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(theirs, bytes(4096))
    os.set_blocking(theirs, True)
    monkeypatch.setattr(sys, "stderr", os.fdopen(theirs, "w", buffering=1))
    log = logging.getLogger("hipbar.station")
    with journal():
        log.warning("the card is slow")  # would wait for ever
        log.warning("the card is slow")
        with contextlib.suppress(BlockingIOError):
            while True:
                os.read(ours, 65536)
        log.info("measuring")
    assert os.read(ours, 4096).decode().splitlines() == [
        "hipbar: journal: 2 lines before this one are missing: nobody took them",
        "hipbar: station: measuring",
    ]
    sys.stderr.close()
    os.close(ours)


def test_a_line_about_a_defect_says_what_it_is_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    with journal():
        try:
            raise KeyError("nobody")
        except KeyError:
            logging.getLogger("hipbar.health").exception("the status could not be told")
    assert "could not be told: KeyError('nobody') (" in (told := capsys.readouterr().err)
    assert f"{__file__}:" in told


def test_a_line_is_never_longer_than_what_a_pipe_takes_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with journal():
        logging.getLogger("hipbar.station").error("\U0001f9b4" * 5000)
    assert len(capsys.readouterr().err.encode()) <= 4096
