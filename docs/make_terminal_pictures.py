"""A station set up in a real terminal becomes the pictures of docs/technician.md: run this as root, from anywhere.

The service runs with the virtual camera, its bar is looked at over the network, and tmux is the terminal: every picture
is what `hipbar` really drew, cell by cell, at 80 columns. Files are where a station has them, in a mount namespace of
its own; hence root. Figures of speed and load are those of the computer that ran it. Names of shots after the program
make only those again, although everything before them is done too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.station.clinic import Clinic

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs/pictures"
COLUMNS, ROWS = 80, 24
_CELL, _LINE, _PAD, _TOP = 8.0, 17.0, 12, 40
_INK, _PAPER, _FRAME = "#d7dae0", "#15171c", "#2a2d34"
_ANSI = ("#2a2d34", "#e06c75", "#7fbf7f", "#e0b860", "#6ea8fe", "#c792ea", "#6cc7d0", "#d7dae0")
_BRIGHT = ("#6b7280", "#ff8a8a", "#9be29b", "#ffd27a", "#9cc4ff", "#e0b0ff", "#92e6ee", "#ffffff")
_KERNELS = "/var/cache/hipbar/kernels"
_FOLDERS = ("/etc/hipbar", "/run/hipbar", "/var/lib/hipbar", "/var/cache/hipbar")
_WITHIN_S = 90.0
_WRONG = '[camera]\nsource = "picamera"\n\n[strip]\nkind = "apa102"\nleds = 600\n'


class Shot(NamedTuple):
    """One picture: its name, the words typed, what happens until it is taken, and whether it is the same every time."""

    name: str
    command: str
    walk: Callable[[Terminal, Clinic], None]
    same: bool = False
    rows: int = ROWS


class Style(NamedTuple):
    """How a cell is drawn."""

    ink: str = _INK
    paper: str = _PAPER
    bold: bool = False


class Terminal:
    """A tmux of our own with one window."""

    def __init__(self, folder: Path) -> None:
        self._tmux = ("tmux", "-S", str(folder / "tmux"), "-f", "/dev/null")
        env = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "HOME": str(folder),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "NUMBA_CACHE_DIR": _KERNELS,
        }
        shell = [
            "env",
            "-i",
            *(f"{key}={value}" for key, value in env.items()),
            "bash",
            "--norc",
            "--noprofile",
        ]
        program = folder / "hipbar"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m appliance.cli "$@"\n')
        program.chmod(0o755)
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._do("new-session", "-d", "-s", "it", *size, "-c", str(folder), *shell)
        self._do("set", "-g", "default-terminal", "tmux-256color")
        self._do("set", "-g", "status", "off")

    def start(self, command: str, rows: int) -> None:
        """An empty screen, and this typed into it."""
        self._do("resize-window", "-t", "it", "-x", str(COLUMNS), "-y", str(rows))
        self.type("PS1='$ '; clear\n")
        self.ended()
        self._do("clear-history", "-t", "it")
        self.type(command + "\n")
        self.until(f"$ {command}")  # from now on an empty prompt is the one after it

    def type(self, text: str) -> None:
        """Presses keys."""
        for part in re.split(r"(\n)", text):
            if part:
                self._do("send-keys", "-t", "it", *(["Enter"] if part == "\n" else ["-l", part]))

    def until(self, words: str, within_s: float = _WITHIN_S, count: int = 1) -> None:
        """Waits until so many lines of the screen hold this."""
        until_s = time.monotonic() + within_s
        while sum(words in line for line in self.text().splitlines()) < count:
            if time.monotonic() > until_s:
                raise SystemExit(f"never came: {words!r}\n{self.text()}")
            time.sleep(0.1)

    def ended(self, within_s: float = _WITHIN_S) -> None:
        """Waits for an empty prompt."""
        until_s = time.monotonic() + within_s
        while "$" not in self.text().splitlines():
            if time.monotonic() > until_s:
                raise SystemExit(f"never ended:\n{self.text()}")
            time.sleep(0.1)

    def text(self) -> str:
        """What is on the screen."""
        return self._do("capture-pane", "-p", "-t", "it")

    def cells(self) -> list[list[tuple[str, Style]]]:
        """The same with colours, line by line."""
        return [list(_cells(line)) for line in self._do("capture-pane", "-e", "-p", "-t", "it").splitlines()]

    def close(self) -> None:
        """Ends it with all that runs in it."""
        self._do("kill-server")

    def _do(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], check=True, capture_output=True, text=True).stdout


def _cells(line: str) -> Iterator[tuple[str, Style]]:
    """Characters and how each is drawn."""
    style, swapped = Style(), False
    for part in re.split(r"(\x1b\[[0-9;:]*m)", line):
        if part.startswith("\x1b["):
            style, swapped = _styled(style, swapped, [int(n or 0) for n in re.split("[;:]", part[2:-1])])
        else:
            drawn = style._replace(ink=style.paper, paper=style.ink) if swapped else style
            yield from ((character, drawn) for character in re.sub(r"\x1b.", "", part))


def _styled(style: Style, swapped: bool, codes: list[int]) -> tuple[Style, bool]:
    """The style after a sequence of codes (ECMA-48, SGR)."""
    while codes:
        code = codes.pop(0)
        if code == 0:
            style, swapped = Style(), False
        elif code in (1, 22):
            style = style._replace(bold=code == 1)
        elif code in (7, 27):
            swapped = code == 7
        elif code in (38, 48):
            which = "ink" if code == 38 else "paper"
            style = style._replace(**{which: _colour(codes)})
        elif code in (39, 49):
            style = style._replace(**({"ink": _INK} if code == 39 else {"paper": _PAPER}))
        else:
            for first, name, colours in (
                (30, "ink", _ANSI),
                (40, "paper", _ANSI),
                (90, "ink", _BRIGHT),
                (100, "paper", _BRIGHT),
            ):
                if first <= code < first + 8:
                    style = style._replace(**{name: colours[code - first]})
    return style, swapped


def _colour(codes: list[int]) -> str:
    """The colour that follows 38 or 48: of 24 bits, or of the table of 256."""
    if codes.pop(0) == 2:
        red, green, blue = codes[:3]
        del codes[:3]
        return f"#{red:02x}{green:02x}{blue:02x}"
    number = codes.pop(0)
    if number < 16:
        return (*_ANSI, *_BRIGHT)[number]
    if number >= 232:
        return f"#{8 + 10 * (number - 232):02x}" + f"{8 + 10 * (number - 232):02x}" * 2
    steps = (0, 95, 135, 175, 215, 255)
    return "#" + "".join(f"{steps[(number - 16) // k % 6]:02x}" for k in (36, 6, 1))


def picture(command: str, lines: list[list[tuple[str, Style]]]) -> str:
    """The SVG of a terminal's screen under a title bar that names the command."""
    width, height = COLUMNS * _CELL + 2 * _PAD, len(lines) * _LINE + _TOP + _PAD
    parts = [
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{_PAPER}"/>',
        f'<rect width="{width:g}" height="28" rx="8" fill="{_FRAME}"/>',
        *(f'<circle cx="{18 + 18 * k}" cy="14" r="5" fill="{_BRIGHT[0]}"/>' for k in range(3)),
        f'<text x="{width / 2:g}" y="18" fill="{_INK}" text-anchor="middle">{escape(command)}</text>',
    ]
    for row, line in enumerate(lines):
        parts += _drawn(line, _TOP + row * _LINE)
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    font = 'font-family="monospace" font-size="13"'
    body = "\n".join([f"<title>{escape(command)}</title>", *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>\n{body}\n</svg>\n'


_HALVES = {"▀": (0.0, 0.5), "▄": (0.5, 0.5), "█": (0.0, 1.0)}


def _drawn(line: list[tuple[str, Style]], top: float) -> Iterator[str]:
    """A line's runs of one style; what fills half a cell is drawn as a box, for a font would leave gaps."""
    at = 0
    for (style, block), run in groupby(
        line, key=lambda cell: (cell[1], cell[0] if cell[0] in _HALVES else "")
    ):
        text = "".join(character for character, _ in run)
        x, wide = _PAD + at * _CELL, len(text) * _CELL
        at += len(text)
        if style.paper != _PAPER:
            yield _box(x, top, wide, _LINE, style.paper)
        if block:
            first, high = _HALVES[block]
            yield _box(x, top + first * _LINE, wide, high * _LINE, style.ink)
        else:
            bold = ' font-weight="bold"' if style.bold else ""
            for word in re.finditer(
                r"\S+", text
            ):  # each where it belongs, however wide a viewer's spaces are
                left, long = x + word.start() * _CELL, len(word[0]) * _CELL
                yield (
                    f'<text x="{left:g}" y="{top + 13:g}" fill="{style.ink}" textLength="{long:g}"'
                    f' lengthAdjust="spacingAndGlyphs"{bold}>{escape(word[0])}</text>'
                )


def _box(x: float, y: float, wide: float, high: float, fill: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high + 0.2:g}" fill="{fill}"/>'


def words(svg: str) -> list[str]:
    """The lines of a picture's text, without spaces at their ends: what a test compares."""
    found: dict[str, str] = {}
    for x, y, text in re.findall(r'<text x="([\d.]+)" y="([\d.]+)" [^>]*textLength[^>]*>(.*?)</text>', svg):
        at = round((float(x) - _PAD) / _CELL)
        found[y] = found.get(y, "").ljust(at) + text
    unescaped = (
        line.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"') for line in found.values()
    )
    return [line.replace("&#x27;", "'").replace("&amp;", "&").rstrip() for line in unescaped]


# what happens before each picture is taken


def _plain(terminal: Terminal, clinic: Clinic) -> None:
    terminal.ended()


def _running(terminal: Terminal, clinic: Clinic) -> None:
    clinic.acts(act="run")
    clinic.until(
        lambda status: status.gait.cadence_spm is not None and status.gait.difference_deg is not None
    )
    terminal.start("hipbar status", ROWS)
    terminal.ended()
    clinic.acts(act="stand")


def _zero(terminal: Terminal, clinic: Clinic) -> None:
    clinic.acts(act="stand")
    terminal.until("Ready?")
    terminal.type("\n")
    terminal.until("keep this?")
    terminal.type("y\n")
    terminal.ended()


def _sides(terminal: Terminal, clinic: Clinic) -> None:
    terminal.until("Ready?")
    terminal.type("\n")
    for k, side in enumerate(("LEFT", "RIGHT")):
        terminal.until(f"Lift the {side} foot")
        clinic.acts(act=f"lift {side.lower()}")
        terminal.until("Put it down again.", count=k + 1)
        clinic.acts(act="stand")
    for k in range(3):
        terminal.until("Which half of the bar is lit?", count=k + 1)
        terminal.type(f"{clinic.half()}\n")
    terminal.until("keep this?")
    terminal.type("y\n")
    terminal.ended()


def _watch(terminal: Terminal, clinic: Clinic) -> None:
    clinic.acts(act="run")
    terminal.until("steps/min")
    clinic.until(lambda status: status.gait.difference_deg is not None)
    time.sleep(3.0)  # the trace fills


def _leave(terminal: Terminal, clinic: Clinic) -> None:
    clinic.acts(act="stand")
    terminal.type("q")
    terminal.ended()


SHOTS = (
    Shot("status", "hipbar status", _running),
    Shot("doctor", "hipbar doctor --yes", _plain, rows=44),
    Shot("sides", "hipbar calibrate sides", _sides),
    Shot("zero", "hipbar calibrate zero", _zero),
    Shot("calibrate", "hipbar calibrate", _plain),
    Shot("explain", "hipbar config explain motion.zero_deg", _plain),
    Shot("check", "hipbar config check station.toml", _plain, same=True),
    Shot("watch", "hipbar watch", _watch),
)


def take(terminal: Terminal, clinic: Clinic, shot: Shot) -> str:
    """Does what the shot says; its picture."""
    terminal.start(shot.command, shot.rows)
    shot.walk(terminal, clinic)
    lines = terminal.cells()
    while "".join(character for character, _ in lines[-1]).strip() in (
        "",
        "$",
    ):  # nothing, or the next prompt
        lines.pop()
    made = picture(shot.command, lines)
    if shot.walk is _watch:
        _leave(terminal, clinic)
    return made


def main(names: list[str]) -> None:
    """All pictures, or those named."""
    import tempfile

    sys.path.insert(0, str(ROOT))
    from tests.station.clinic import Clinic

    for folder in _FOLDERS:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    Path(_KERNELS).mkdir()
    if compiled := os.environ.get("NUMBA_CACHE_DIR"):
        subprocess.run(["mount", "--bind", compiled, _KERNELS], check=True)
    os.environ["NUMBA_CACHE_DIR"] = _KERNELS
    with tempfile.TemporaryDirectory() as scratch, Clinic.installed(Path(scratch)) as clinic:
        home = Path(scratch) / "home"
        home.mkdir()
        (home / "station.toml").write_text(_WRONG)
        terminal = Terminal(home)
        try:
            for shot in SHOTS:
                made = take(terminal, clinic, shot)
                if not names or shot.name in names:
                    (OUT / f"terminal_{shot.name}.svg").write_text(made, encoding="utf-8")
                    print(f"docs/pictures/terminal_{shot.name}.svg")
        finally:
            terminal.close()


if __name__ == "__main__":
    if os.environ.get("HIPBAR_PICTURES") == "inside":
        main(sys.argv[1:])
    else:
        new = [folder for folder in map(Path, _FOLDERS) if not folder.exists()]
        for folder in new:
            folder.mkdir(parents=True)
        again = ["unshare", "--mount", sys.executable, __file__, *sys.argv[1:]]
        code = subprocess.run(again, env={**os.environ, "HIPBAR_PICTURES": "inside"}, check=False).returncode
        for folder in new:
            folder.rmdir()
        sys.exit(code)
