"""`hipbar setup --read-only`: what it refuses before it touches anything, and how state moves to its partition.

Partitions are loop devices over sparse files, made by the kernel that runs the tests. A whole read-only system boots in
the bench: `python -m tests.station readonly`.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.errors import UpkeepError
from appliance.station.places import NOT_ON_DATA
from appliance.upkeep import files, overlay, partition
from appliance.upkeep.boot import Machine

PC = Machine(None, True)
PI = Machine("Raspberry Pi 5 Model B Rev 1.0", True)
SCRIPT = "usr/share/initramfs-tools/scripts/init-bottom/overlayroot"
GB = 1_000_000_000


def _loops() -> str | None:
    """Why there are no loop devices here; None when there are."""
    if os.geteuid() != 0:
        return "loop devices need root"
    if absent := [tool for tool in ("losetup", "mkfs.ext4", "blkid", "lsblk") if not shutil.which(tool)]:
        return f"not installed: {', '.join(absent)}"
    done = subprocess.run(["losetup", "-f"], capture_output=True, text=True, check=False)
    return f"no loop devices: {done.stderr.strip()}" if done.returncode else None


NO_LOOPS = _loops()
needs_loops = pytest.mark.skipif(bool(NO_LOOPS), reason=NO_LOOPS or "")
Loop = Callable[[int], Path]


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made: list[str] = []

    def make(size: int) -> Path:
        disk = tmp_path / f"disk{len(made)}"
        with disk.open("wb") as file:
            file.truncate(size)
        done = subprocess.run(["losetup", "-f", "--show", disk], capture_output=True, text=True, check=True)
        made.append(done.stdout.strip())
        return Path(made[-1])

    yield make
    for device in made:
        subprocess.run(["umount", "-q", device], check=False)
        subprocess.run(["losetup", "-d", device], check=True)


def run(*words: str | Path) -> None:
    subprocess.run([str(w) for w in words], check=True, capture_output=True)


def tree(root: Path, **texts: str) -> Path:
    """A system that could become read-only, but for its initramfs; `proc_cmdline="..."` puts text into proc/cmdline."""
    for name, text in {
        "proc/mounts": "/dev/vda / ext4 rw 0 0\n",
        SCRIPT: "",
        "etc/fstab": "/dev/vda / ext4\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for key, text in texts.items():
        path = root / key.replace("__", ".").replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("texts", "machine", "words"),
    [
        ({"proc_mounts": "overlayroot / overlay rw 0 0\n"}, PC, "read-only already"),
        ({"proc_cmdline": "console=tty1 overlayroot=tmpfs\n"}, PC, "overlayroot= already"),
        ({"boot_firmware_config__txt": "[pi4]\nauto_initramfs=1\n"}, PI, "loads no initramfs"),
        ({}, PC, "no initramfs was found"),
        ({"boot_firmware_config__txt": "auto_initramfs=1\n"}, PI, "no initramfs was found"),
        ({"boot_firmware_config__txt": "initramfs initramfs8 followkernel\n"}, PI, "no initramfs was found"),
    ],
)
def test_a_system_that_cannot_become_read_only_is_refused(
    tmp_path: Path, texts: dict[str, str], machine: Machine, words: str
) -> None:
    with pytest.raises(UpkeepError, match=words):
        overlay.plan_on(Path("/dev/null"), machine, tree(tmp_path, **texts))


def test_without_overlayroot_the_package_is_named(tmp_path: Path) -> None:
    (tree(tmp_path) / SCRIPT).unlink()
    with pytest.raises(UpkeepError) as refused:
        overlay.plan_on(Path("/dev/null"), PC, tmp_path)
    assert refused.value.fix == "sudo apt install overlayroot busybox"


@pytest.mark.parametrize(
    ("listing", "lacks"),
    [
        ("usr/bin/busybox\nscripts/init-bottom/overlayroot\n", None),
        ("bin/busybox\nscripts/init-bottom/overlayroot\n", None),
        ("usr/bin/busybox\nscripts/init-bottom/udev\n", "overlayroot"),
        ("usr/bin/dd\nscripts/init-bottom/overlayroot\n", "busybox"),
    ],
)
def test_an_initramfs_in_which_the_overlay_could_not_be_made_is_known(
    listing: str, lacks: str | None
) -> None:
    assert overlay.lacking(listing) == lacks


@pytest.mark.parametrize("device", ["/dev/null", "/etc/passwd", "/dev", "/dev/not-there"])
def test_what_is_no_partition_is_refused(device: str) -> None:
    with pytest.raises(UpkeepError, match=r"no partition|No such file"):
        partition.inspect(Path(device), b"")


@needs_loops
def test_an_empty_partition_may_be_taken(loop: Loop) -> None:
    found = partition.inspect(device := loop(2 * GB), b"")
    assert (found.path, found.size, found.ours, found.mounted) == (
        str(device),
        2 * GB // 512 * 512,
        False,
        False,
    )


@needs_loops
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (("mkfs.ext4", "-q", "-L", "photos"), "holds something already .ext4 photos."),
        (("mkswap",), "holds something already .swap."),
        (("mkfs.ext4", "-q", "-L", "hipbar-data", "-E", "lazy_itable_init=1"), ""),
    ],
    ids=["ext4", "swap", "ours"],
)
def test_a_partition_that_holds_anything_but_hipbar_s_data_is_refused(
    loop: Loop, make: tuple[str, ...], words: str
) -> None:
    run(*make, device := loop(2 * GB))
    if not words:
        assert partition.inspect(device, b"").ours
        return
    with pytest.raises(UpkeepError, match=words) as refused:
        partition.inspect(device, b"")
    assert f"sudo wipefs -a {device}" in refused.value.fix


@needs_loops
def test_a_small_one_is_refused(loop: Loop) -> None:
    with pytest.raises(UpkeepError, match="has only 500 MB"):
        partition.inspect(loop(500_000_256), b"")


@needs_loops
def test_a_disk_with_a_partition_table_is_refused(loop: Loop) -> None:
    device = loop(2 * GB)
    entry = struct.pack("<B3sB3sII", 0, b"", 0x83, b"", 2048, 1_000_000)  # one Linux partition
    device.write_bytes(bytes(446) + entry + bytes(48) + b"\x55\xaa")
    with pytest.raises(UpkeepError, match=r"holds something already .dos.|whole disk with partitions"):
        partition.inspect(device, b"")


@needs_loops
def test_one_that_is_mounted_is_refused_whatever_its_name(loop: Loop, tmp_path: Path) -> None:
    run("mkfs.ext4", "-q", "-L", "hipbar-data", device := loop(2 * GB))
    (tmp_path / "there").mkdir()
    run("mount", device, tmp_path / "there")
    with pytest.raises(UpkeepError, match=f"in use at {tmp_path}/there"):
        partition.inspect(device, b"")


def _state(root: Path) -> None:
    (root / "var/lib/hipbar/recordings").mkdir(parents=True)
    (root / "var/lib/hipbar/recordings/one").write_bytes(b"steps")
    os.chown(root / "var/lib/hipbar/recordings/one", 1234, 1234)
    os.chown(root / "var/lib/hipbar", 1234, 1234)
    (root / "var/lib/hipbar").chmod(0o750)
    (root / "etc/hipbar").mkdir(parents=True)
    (root / "etc/hipbar/hipbar.toml").write_bytes(b"[strip]\n")


@needs_loops
def test_state_moves_with_its_owners_and_settings_are_copied(loop: Loop, tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    _state(root)
    device = partition.inspect(loop(2 * GB), b"")
    overlay._move_in(root, device, [files.Change("/etc/fstab", b"", b"ours\n")])
    (there := tmp_path / "there").mkdir()
    run("mount", device.path, there)
    moved = there / "state"
    assert (moved / "recordings/one").read_bytes() == b"steps"
    assert (moved / "recordings/one").stat().st_uid == moved.stat().st_gid == 1234
    assert moved.stat().st_mode & 0o777 == 0o750
    assert (there / "settings/hipbar.toml").read_bytes() == (root / "etc/hipbar/hipbar.toml").read_bytes()
    assert [path.name for path in (root / "var/lib/hipbar").iterdir()] == [NOT_ON_DATA]
    assert (root / "etc/fstab").read_bytes() == b"ours\n"
    assert there.stat().st_uid == 0


@needs_loops
def test_a_partition_of_before_keeps_what_it_has(loop: Loop, tmp_path: Path) -> None:
    path = loop(2 * GB)
    for name, text in (("first", b"old"), ("second", b"new")):
        root = tree(tmp_path / name)
        _state(root)
        (root / "etc/hipbar/hipbar.toml").write_bytes(text)
        (root / f"var/lib/hipbar/{name}").touch()
        overlay._move_in(root, partition.inspect(path, b""), [])
    (there := tmp_path / "there").mkdir()
    run("mount", path, there)
    assert (there / "settings/hipbar.toml").read_bytes() == b"old"
    assert {p.name for p in (there / "state").iterdir()} == {"first", "second", "recordings"}


@needs_loops
def test_a_move_that_was_cut_off_is_done_anew(loop: Loop, tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    _state(root)
    run("mkfs.ext4", "-q", "-L", "hipbar-data", path := loop(2 * GB))
    (there := tmp_path / "there").mkdir()
    run("mount", path, there)
    (there / "state/recordings").mkdir(parents=True)
    (there / "state/recordings/one").write_bytes(b"st")  # half of it; no mark that all is there
    run("umount", there)
    overlay._move_in(root, partition.inspect(path, b""), [])
    run("mount", path, there)
    assert (there / "state/recordings/one").read_bytes() == b"steps"


def test_off_takes_the_switch_away_and_leaves_the_data_where_it_is(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / overlay.SWITCH[1:]).write_text('overlayroot="tmpfs:recurse=0"\n')
    fstab = (root / "etc/fstab").read_bytes()
    plan = overlay.plan_off(root)
    assert [c.path for c in plan.changes] == [overlay.SWITCH]
    plan.do()
    assert not (root / overlay.SWITCH[1:]).exists()
    assert (root / "etc/fstab").read_bytes() == fstab
    assert overlay.plan_off(root).changes == ()


def test_a_root_under_an_overlay_is_known_by_overlayroot_s_own_name(tmp_path: Path) -> None:
    assert not overlay.is_overlay(tree(tmp_path, proc_mounts="overlay / overlay rw 0 0\n"))
    assert overlay.is_overlay(tree(tmp_path, proc_mounts="overlayroot / overlay rw 0 0\n"))
