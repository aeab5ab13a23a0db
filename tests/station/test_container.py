"""A container shares this computer's clock and kernel, and leaves nothing behind, not even when its bench is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.station import bench, serving
from tests.station.container import Container
from tests.station.package import deb
from tests.station.vm import CommandFailed

pytestmark = pytest.mark.station

ROOT = Path(__file__).resolve().parents[2]
_BENCH = """\
import sys, time
from pathlib import Path
from tests.station.container import Container
with Container(Path(sys.argv[1])) as box:
    print(box.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def root(pytestconfig: pytest.Config) -> Path:
    """A Debian to boot."""
    if reason := serving.lacking():
        if bench.wish() == "required":
            pytest.fail(f"{reason} (and HIPBAR_BENCH=required)", pytrace=False)
        pytest.skip(reason)
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        return serving.debian("trixie", deb("trixie"))


def traces(name: str) -> list[Path]:
    """Folders and groups that a container of that process has."""
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    tops = [Path("/tmp"), *(Path(words[1]) for words in mounts if words[2].startswith("cgroup"))]
    return [path for top in tops for path in top.glob(f"hipbar-box-{name}-*")]


def test_it_boots_obeys_and_is_gone_with_its_writes(root: Path) -> None:
    with Container(root, files={"/etc/told": "before\n"}) as box:
        assert box.run("cat /proc/1/comm").out == "systemd\n"
        assert box.read("/etc/told") == "before\n"
        box.write("/etc/told", "after\n")
        assert box.read("/etc/told") == "after\n"
        with pytest.raises(CommandFailed, match="exit 3"):
            box.run("exit 3")
        with pytest.raises(CommandFailed, match="not done in"):
            box.run("sleep 60", timeout_s=0.2)
        before_s = time.monotonic()
        there_s = float(box.run("python3 -c 'import time; print(time.monotonic())'").out)
        assert before_s < there_s < time.monotonic()
        boot = box.read("/proc/sys/kernel/random/boot_id")
        box.reboot()
        assert box.read("/proc/sys/kernel/random/boot_id") != boot
        assert box.read("/etc/told") == "after\n"  # what is written lasts until the block ends
    assert not (root / "etc/told").exists()


def test_a_bench_that_is_killed_takes_its_container_with_it_and_the_next_one_sweeps(root: Path) -> None:
    words = [sys.executable, "-c", _BENCH, str(root)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout
        inside = Path("/proc", killed.stdout.readline().strip())
        assert inside.exists()
        assert traces(str(killed.pid))
        killed.send_signal(signal.SIGKILL)
    until_s = time.monotonic() + 10.0
    while inside.exists():
        assert time.monotonic() < until_s, "its process 1 lives on"
        time.sleep(0.01)
    with Container(root):
        assert traces(str(killed.pid)) == []
