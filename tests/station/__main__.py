"""The words after `python -m tests.station` become the bench: built, tested, looked into, or thrown away.

test     build it, start it and run its tests (the default); what follows goes to pytest
shell    build it, start it and open a shell in it
run      build it, start it, run the words that follow and end with their exit code
soak     feed hours of frames to the service's loop, with faults
readonly the installed station with a read-only system: littered, cut off, without its data, and back
package  the Debian package for both Debians and processors, twice each, and lintian on the whole of it
power    the installed station switched on and off at the wall: boots, watchdog, unplugged camera, power cuts, writes
kills    the installed service, killed a hundred times (or as often as said) in a container
service  the installed service in all its troubles, at length, in both Debians
technician  a station set up over SSH, every step of its calibration; here, and some of it in the machine
clean    throw away all that was built
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.station import bench
from tests.station.layers import cache

_HERE = Path(__file__).parent


def _test(words: list[str]) -> int:
    os.environ.setdefault("HIPBAR_BENCH", "required")
    return int(pytest.main([str(_HERE), *words]))


def _shell(_: list[str]) -> int:
    with bench.started() as vm:
        return vm.shell()


def _run(words: list[str]) -> int:
    with bench.started() as vm:
        done = vm.run(" ".join(words), check=False, timeout_s=3600)
    sys.stdout.write(done.out)
    sys.stderr.write(done.err)
    return done.code


def _clean(_: list[str]) -> int:
    shutil.rmtree(cache())
    return 0


def _arm64(words: list[str]) -> int:
    from tests.station import arm64

    return arm64.main(words)


def _picamera(_: list[str]) -> int:
    from tests.station import picamera

    return picamera.main()


def _soak(words: list[str]) -> int:
    from tests.station import soak

    return soak.main(words)


def _readonly(_: list[str]) -> int:
    from tests.station import readonly

    return readonly.main()


def _package(_: list[str]) -> int:
    from tests.station import package

    return package.main()


def _power(words: list[str]) -> int:
    from tests.station import power

    return power.main(words)


def _technician(words: list[str]) -> int:
    from tests.station import setting_up, technician

    return setting_up.main() or (0 if words == ["here"] else technician.main())


def _kills(words: list[str]) -> int:
    from tests.station import kills

    return kills.main(words)


def _service(words: list[str]) -> int:
    os.environ["HIPBAR_BENCH_LONG"] = "1"
    os.environ.setdefault("HIPBAR_BENCH", "required")
    files = ("test_service.py", "test_upgrade.py", "test_update.py")
    return int(pytest.main([*(str(_HERE / name) for name in files), *words]))


_WITH_VM = {
    "test": _test,
    "shell": _shell,
    "run": _run,
    "readonly": _readonly,
    "power": _power,
    "technician": _technician,
}
_WORDS = {
    **_WITH_VM,
    "clean": _clean,
    "arm64": _arm64,
    "picamera": _picamera,
    "package": _package,
    "soak": _soak,
    "kills": _kills,
    "service": _service,
}


def main(words: list[str]) -> int:
    """Does what the words say; the exit code."""
    if words and words[0] in {"-h", "--help"}:
        print(__doc__)
        return 0
    verb = words.pop(0) if words and words[0] in _WORDS else "test"
    if verb in _WITH_VM and (reason := bench.lacking()):
        print(reason, file=sys.stderr)
        return 1
    return _WORDS[verb](words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
