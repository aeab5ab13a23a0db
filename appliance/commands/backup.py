"""The clinic's store and its texts become one file on another disk, read back before it counts.

The service may go on meanwhile. Refuses a damaged store, to write over a file that is there unless asked to, and
over what is no backup even then.
"""

from __future__ import annotations

import errno
import os
import time
import zipfile
from pathlib import Path

import click

from appliance.commands.clinic import counted, folder, json_option, progress, state_option, told
from appliance.commands.options import FILE


@click.command(name="backup")
@click.argument("file", metavar="FILE|FOLDER", type=FILE)
@click.option("--replace", is_flag=True, help="Write over an older backup FILE, once the new one is whole.")
@json_option
@state_option
def command(file: Path, replace: bool, state: Path | None, as_json: bool) -> None:
    """Copy everything of the clinic into one FILE: runners, visits, protocols, exercises, cues, calibration.

    The service may run, also a visit. A FOLDER, such as that of a USB stick, gets a file with today's date. The backup
    is read back before it counts; `hipbar restore` brings it back. Recordings and settings are not in it.

    \b
    Examples:
      hipbar backup /media/usb
      hipbar backup /media/usb/clinic.zip --replace
    """
    from appliance.output import output_error
    from appliance.store.copies import backup

    path = file
    try:
        if file.is_dir():
            path = file / time.strftime("hipbar-%Y-%m-%d.zip")
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        _check(path, replace)
    except OSError as error:
        raise output_error(path, error) from None
    with progress("backup") as ticked:
        made = backup(folder(state), path, ticked)
    if as_json:
        told({"file": str(path), "bytes": path.stat().st_size, "manifest": made})
        return
    kept = f"{counted(made.visits, 'visit')} and {counted(len(made.files) - 1, 'file')} of the clinic's"
    size_mb = path.stat().st_size / 1e6
    click.echo(f"{path}: {kept}, {size_mb:,.1f} MB; read back, and whole")


def _check(path: Path, replace: bool) -> None:
    """Whether the backup may get this name. Raises `OSError` where this user may not even look."""
    from appliance.errors import OutputError

    if not path.exists():
        return
    if not replace:
        raise OutputError(f"{path}: is there already", fix="name another file, or add --replace")
    if path.is_file() and not zipfile.is_zipfile(path):
        raise OutputError(f"{path}: is there and is no backup", fix="name another file, or delete that one")
