"""Tab in a real bash: the script that hipbar prints asks hipbar, quickly, and the words fit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest
from conftest import ROOT, Hipbar

from appliance.commands.completion import SHELLS, VARIABLE
from appliance.config import Settings, entries

BASH = shutil.which("bash")
QUICK_S = 0.3
needs_bash = pytest.mark.skipif(BASH is None, reason="bash completes in bash, which this machine has not")


@pytest.fixture
def home(tmp_path: Path, hipbar: Hipbar) -> Path:
    """A folder with `hipbar` as a program, and its script for bash."""
    program = tmp_path / "hipbar"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m appliance.cli "$@"\n')
    program.chmod(0o755)
    (tmp_path / "script").write_text(hipbar("completion", "bash").out)
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{home}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "TERM": "dumb"}


def offered(home: Path, *words: str, file: Path | None = None) -> list[str]:
    """What bash would offer for the last of these words, by the script that is printed or another one."""
    script = f'. {file or home / "script"}; COMP_WORDS=({" ".join(words)} ""); COMP_CWORD={len(words) - 1};'
    if words[-1] != '""':
        script = script.replace(' "")', ")")
    script += ' _hipbar_completion hipbar; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        [str(BASH), "--norc", "-c", script],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@needs_bash
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("hipbar", "conf"), ["config"]),
        (("hipbar", "config", "ex"), ["explain"]),
        (("hipbar", "config", "explain", "feedback.m"), ["feedback.mode"]),
        (
            ("hipbar", "config", "explain", "moti"),
            ["motion", *(f"motion.{k}" for k in ("zero_deg", "smooth_ms", "steps"))],
        ),
        (("hipbar", "config", "show", "--st"), ["--station"]),
        (("hipbar", "demo", "--runner", "rb"), ["rbds001", "rbds002"]),
        (("hipbar", "completion", ""), list(SHELLS)),
        (("hipbar", "no-such-command", "x"), []),
    ],
)
def test_bash_is_offered_the_words_that_fit(home: Path, words: tuple[str, ...], wanted: list[str]) -> None:
    assert offered(home, *(word or '""' for word in words)) == wanted


@needs_bash
def test_every_setting_is_offered(home: Path) -> None:
    keys = {key for key, *_ in entries(Settings())}
    assert keys <= set(offered(home, "hipbar", "config", "explain", '""'))


@needs_bash
def test_the_script_in_the_package_offers_the_same(home: Path) -> None:
    packaged = ROOT / "systemd/hipbar.bash"
    for words in (
        ("hipbar", "conf"),
        ("hipbar", "calibrate", '""'),
        ("hipbar", "config", "explain", "lens."),
    ):
        assert offered(home, *words, file=packaged) == offered(home, *words) != []


@needs_bash
def test_a_person_who_presses_tab_gets_the_word_completed(home: Path) -> None:
    shell = pexpect.spawn(
        str(BASH),
        ["--norc", "--noprofile", "-i"],
        env=environment(home),
        cwd=str(home),
        timeout=60,
        encoding="utf-8",
    )
    try:
        shell.sendline("PS1='ready> '; bind 'set enable-bracketed-paste off'; . ./script; echo so''urced")
        shell.expect("sourced\r\n")
        shell.expect("ready> ")
        shell.send("hipbar config expl\tfeedback.pal\t")
        shell.expect_exact("hipbar config explain feedback.palette")
    finally:
        shell.close(force=True)


@needs_bash
def test_an_answer_takes_no_longer_than_a_person_waits(home: Path) -> None:
    """The best of some: this is about what it does, not about what else the machine does."""
    env = {
        **environment(home),
        VARIABLE: "bash_complete",
        "COMP_WORDS": "hipbar config explain le",
        "COMP_CWORD": "3",
    }
    best_s = float("inf")
    for _ in range(7):
        began_s = time.monotonic()
        done = subprocess.run(
            [home / "hipbar"], env=env, cwd=home, capture_output=True, text=True, check=False
        )
        best_s = min(best_s, time.monotonic() - began_s)
        assert done.returncode == 0
        assert "plain,lens.roll_deg" in done.stdout
    assert best_s < QUICK_S


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_its_script(hipbar: Hipbar, shell: str) -> None:
    said = hipbar("completion", shell)
    assert (said.code, said.err) == (0, "")
    assert VARIABLE in said.out
    assert "hipbar" in said.out


def test_another_shell_is_refused_by_name(hipbar: Hipbar) -> None:
    said = hipbar("completion", "tcsh")
    assert said.code == 2
    assert "bash" in said.err
    assert len(said.err.splitlines()) == 2


def test_to_load_the_words_nothing_heavy_is_imported(home: Path) -> None:
    """All commands' modules are looked at for their help; none may bring compiled code or OpenCV with it."""
    env = {**environment(home), VARIABLE: "zsh_complete", "COMP_WORDS": "hipbar ", "COMP_CWORD": "1"}
    code = (
        "import sys, json\nfrom appliance import cli\n"
        "try: cli.main([])\nexcept SystemExit: pass\n"
        "print(json.dumps([m for m in ('numba', 'cv2', 'textual', 'reportlab', 'rich') if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert "completion" in done.stdout
