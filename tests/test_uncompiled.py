"""The kernels as plain Python and the kernels as compiled code: the same figures, bit for bit, from pixels to LEDs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.uncompiled import everything

ROOT = Path(__file__).resolve().parent.parent


def test_compiled_and_uncompiled_code_say_the_same_bit_for_bit() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.uncompiled"],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    compiled = everything()
    pixels, (_, steps, _) = json.loads(compiled)
    assert len(pixels) == 40
    assert len(steps) >= 10, "there was something to compare"
    assert done.stdout.strip() == compiled
