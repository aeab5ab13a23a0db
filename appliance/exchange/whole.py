"""A file that others write through a handle becomes whole at its end, or is not there at all.

Refuses, with `OutputError`, what can't be opened or written; a file that was there before stays until the new one is
whole. Devices and pipes are written straight.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from appliance.output import output_error, sync_folder


@contextlib.contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A handle to write to; the file gets its name when the block ends without an error."""
    real = Path(os.path.realpath(path))
    part, straight = real.with_name(f".{real.name}.{os.getpid()}.part"), False
    try:
        straight = real.exists() and not real.is_file()
        with (real if straight else part).open("wb") as file:
            yield file
            if not straight:
                file.flush()
                os.fsync(file.fileno())
        if not straight:
            part.replace(real)
            sync_folder(real.parent)
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
