"""Words on the command line become one command's call, and its failure one or two lines on stderr.

Each command lives in its own module of `appliance.commands` and is imported when it is asked for. Exit codes are
those of `appliance.errors` and of docs/commands.md. Refuses to show a traceback for anything that a user can cause.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import IO

import click

from appliance.errors import HipbarError, OutputError

COMMANDS = (
    "demo",
    "run",
    "replay",
    "bench",
    "config",
    "camera",
    "leds",
    "panel",
    "board",
    "warm",
    "serve",
    "status",
    "watch",
    "doctor",
    "logs",
    "calibrate",
    "runner",
    "visit",
    "protocol",
    "cue",
    "exercise",
    "report",
    "export",
    "import",
    "reprocess",
    "backup",
    "restore",
    "verify",
    "recordings",
    "crash",
    "setup",
    "update",
    "completion",
)
"""In the order of the help; each is `appliance.commands.<name>:command`."""

_MODULES = {"import": "importing"}
"""But for names that Python keeps for itself."""

USAGE, STOPPED, PIPE_CLOSED = 2, 130, 141
"""Exit codes that are not an error of ours: wrong words, stopped by hand (128 + SIGINT), reader gone (+ SIGPIPE)."""


class _Lazy(click.Group):
    """A group that imports a command's module when the command is asked for, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = _MODULES.get(cmd_name, cmd_name)
        found: click.Command = importlib.import_module(f"appliance.commands.{module}").command
        return found


@click.group(cls=_Lazy, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hipbar", message="%(prog)s %(version)s")
@click.pass_context
def hipbar(ctx: click.Context) -> None:
    """Show runners their hip drop as a bar of light while they run.

    A camera behind the treadmill follows two dots on the pelvis and one on each heel; a bar of LEDs shows which
    side drops, and by how much. Feedback and training aid, not a diagnosis.

    \b
    Start here:
      hipbar demo                        a recorded runner, the whole way to the bar
      hipbar replay run.mp4 --json       a video of your own, as fast as it decodes
      hipbar run --config station.toml   the station, until you stop it
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(words: Sequence[str] | None = None) -> None:
    """The `hipbar` program: runs one command and ends the process with its exit code."""
    _stand_in()
    try:
        code = _answered(words)
    except OSError as error:
        code = _unwritten(error)
    raise SystemExit(code)


def _stand_in() -> None:
    """Standard streams that were closed before the start lead nowhere, so that no device gets one of their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows another one


def _answered(words: Sequence[str] | None) -> int:
    """The exit code of one command; everything a user can cause is told in two lines."""
    try:
        result = hipbar.main(
            args=None if words is None else list(words), prog_name="hipbar", standalone_mode=False
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except HipbarError as error:
        return _told(str(error), error.fix, error.exit_code)
    except click.UsageError as error:
        asked = error.ctx.command_path if error.ctx else "hipbar"
        return _told(error.format_message(), f"`{asked} --help` lists what it takes", USAGE)
    except click.ClickException as error:
        return _told(error.format_message(), "`hipbar --help` shows examples", 1)
    except (
        SystemExit
    ) as end:  # click itself ends the process when it completes words, and when nobody reads its output
        return int(end.code or 0) if "_HIPBAR_COMPLETE" in os.environ else PIPE_CLOSED
    except (click.Abort, KeyboardInterrupt):
        return _told("stopped", "", STOPPED)


def _told(what: str, fix: str, code: int) -> int:
    """Prints one failure as `what` and `fix`, each on its line, and passes its exit code on."""
    lines = [f"hipbar: {' '.join(what.split())}", *([f"  {' '.join(fix.split())}"] if fix else [])]
    print("\n".join(lines), file=sys.stderr, flush=True)
    return code


def _unwritten(error: OSError) -> int:
    """Standard output that broke: a closed pipe ends quietly, a full disk is told; all else is a defect of ours."""
    if isinstance(error, BrokenPipeError):
        _silence(sys.stdout)
        return PIPE_CLOSED
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        _silence(sys.stdout)
        return _told(f"standard output: {error.strerror}", "make room on that disk", OutputError.exit_code)
    raise error


def _silence(stream: IO[str]) -> None:
    """Points a broken stream at nothing, so that Python's own flush at exit has nothing left to complain about."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


if __name__ == "__main__":
    main()
