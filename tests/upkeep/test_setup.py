"""`hipbar setup` on file trees of machines: what is proposed, applied, asked, refused and undone."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.config import parse
from appliance.upkeep import boot, files
from appliance.upkeep.boot import CLOUD, CONFIG, SSH, WATCHDOG, Machine, propose

PI4, PI5 = "Raspberry Pi 4 Model B Rev 1.5", "Raspberry Pi 5 Model B Rev 1.0"
STATION = """\
[camera]
source = "picamera"
sensor = "ov9281"
[strip]
kind = "apa102"
[panel]
kind = "gpio"
"""
RASPBERRY = b"""\
# For more options and information see
# http://rptl.io/configtxt
#dtparam=spi=on
dtparam=audio=on
camera_auto_detect=1
display_auto_detect=1
auto_initramfs=1
dtoverlay=vc4-kms-v3d
arm_64bit=1
[cm4]
otg_mode=1
[cm5]
dtoverlay=dwc2,dr_mode=host
[all]
"""


def machine(
    root: Path, model: str | None = PI4, config: bytes | None = RASPBERRY, watchdog: bool = True
) -> Path:
    """A tree with what a Raspberry Pi OS has of all that."""

    def put(path: str, data: bytes, mode: int = 0o644) -> None:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(mode)

    if model:
        put("proc/device-tree/model", model.encode() + b"\0")
    if config is not None:
        put("boot/firmware/config.txt", config)
    if watchdog:
        put("sys/class/watchdog/watchdog0/identity", b"Broadcom BCM2835 Watchdog timer\n")
    put("etc/ssh/sshd_config", b"Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n")
    put(
        "etc/passwd",
        f"root:x:0:0::/root:/bin/bash\ntech:x:{os.getuid()}:100::/home/tech:/bin/bash\n".encode(),
    )
    put("etc/hipbar/hipbar.toml", STATION.encode())
    return root


def give_key(root: Path, line: bytes = b"ssh-ed25519 AAAA tech@desk\n", mode: int = 0o600) -> None:
    keys = root / "home/tech/.ssh/authorized_keys"
    keys.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    (root / "home/tech").chmod(0o755)
    keys.parent.chmod(0o700)
    keys.write_bytes(line)
    keys.chmod(mode)


def added(root: Path, settings: str = STATION, model: str | None = PI4, watchdog: bool = True) -> list[str]:
    """The lines that config.txt would get, without remarks."""
    changes = {c.path: c for c in propose(root, parse(settings), Machine(model, watchdog)).changes}
    if CONFIG not in changes:
        return []
    after = changes[CONFIG].after
    head, tail = files.outside(after, CONFIG)
    block = after[len(head) : len(after) - len(tail)].decode().splitlines()
    return [line for line in block if line and line[0] != "#"]


def remarks(root: Path, settings: str = STATION, model: str | None = PI4, watchdog: bool = True) -> str:
    return "\n".join(propose(root, parse(settings), Machine(model, watchdog)).remarks)


def test_a_fresh_pi_gets_bus_camera_and_pins_at_the_end_below_all(tmp_path: Path) -> None:
    machine(tmp_path)
    (change,) = [c for c in propose(tmp_path, parse(STATION), Machine(PI4, True)).changes if c.path == CONFIG]
    assert change.after.startswith(RASPBERRY)
    assert change.after[len(RASPBERRY) :].decode().splitlines() == [
        "# hipbar setup: begin",
        "[all]",
        "# the light bar's bus",
        "dtparam=spi=on",
        "# this camera is not found by itself",
        "camera_auto_detect=0",
        "dtoverlay=ov9281",
        "# pins are let go when their process dies: lights go dark",
        "dtparam=strict_gpiod",
        "# hipbar setup: end",
    ]


def test_no_line_is_longer_than_the_firmware_reads(tmp_path: Path) -> None:
    machine(tmp_path)
    for sensor in ("ov9281", "ov9281-fast", "imx296", "imx708", "imx219"):
        for change in propose(
            tmp_path, parse(STATION.replace("ov9281", sensor)), Machine(PI5, False)
        ).changes:
            assert change.path != CONFIG or max(map(len, change.after.splitlines())) <= 98


@pytest.mark.parametrize(
    ("already", "model", "counts"),
    [
        (b"dtparam=spi=on\n", PI4, True),
        (b"dtparam=i2c_arm=on,spi=on\n", PI4, True),
        (b"dtparam=spi\n", PI4, True),
        (b"  dtparam=spi=on\r\n", PI4, True),
        (b"device_tree_param=spi=on\n", PI4, True),
        (b"[pi4]\ndtparam=spi=on\n[all]\n", PI4, True),
        (b"[pi5]\ndtparam=spi=on\n[all]\n", PI4, False),
        (b"[pi4]\n[pi5]\ndtparam=spi=on\n", PI5, True),
        (b"[pi500]\ndtparam=spi=on\n", PI5, False),
        (b"[cm5]\ndtparam=spi=on\n", "Raspberry Pi Compute Module 5 Rev 1.0", True),
        (b"[pi5]\ndtparam=spi=on\n", "Raspberry Pi Compute Module 5 Rev 1.0", True),
        (b"[pi400]\ndtparam=spi=on\n", "Raspberry Pi 400 Rev 1.0", True),
        (b"[none]\ndtparam=spi=on\n", PI4, False),
        (b"[gpio4=1]\ndtparam=spi=on\n", PI4, False),
        (b"[gpio4=1]\n[pi4]\ndtparam=spi=on\n", PI4, False),
        (b"[EDID=VSC-TD2220]\n[all]\ndtparam=spi=on\n", PI4, True),
        (b"#dtparam=spi=on\n", PI4, False),
        (b"dtparam=spi=on\ndtparam=spi=off\n", PI4, False),
        (b"dtparam=spi=off\ndtparam=spi=on\n", PI4, True),
        (b"include extra.txt\n", PI4, True),
        (b"[pi5]\ninclude extra.txt\n", PI4, False),
        (b"include loop.txt\n", PI4, False),
        (b"include gone.txt\n", PI4, False),
    ],
)
def test_a_line_that_holds_for_this_board_is_not_said_again(
    tmp_path: Path, already: bytes, model: str, counts: bool
) -> None:
    machine(tmp_path, model, already)
    (tmp_path / "boot/firmware/extra.txt").write_bytes(b"dtparam=spi=on\n")
    (tmp_path / "boot/firmware/loop.txt").write_bytes(b"include loop.txt\n")
    assert ("dtparam=spi=on" not in added(tmp_path, model=model)) == counts


@pytest.mark.parametrize(
    ("sensor", "already", "lines"),
    [
        ("ov9281", b"", ["camera_auto_detect=0", "dtoverlay=ov9281"]),
        ("ov9281-fast", b"", ["camera_auto_detect=0", "dtoverlay=ov9281"]),
        ("ov9281", b"dtoverlay=ov9281,cam0\n", []),
        ("imx708", b"camera_auto_detect=1\n", []),
        ("imx708", b"camera_auto_detect=0\n", ["camera_auto_detect=1"]),
        ("imx296", b"camera_auto_detect=0\ndtoverlay=imx296\n", []),
    ],
)
def test_only_a_camera_that_is_not_found_by_itself_needs_lines(
    tmp_path: Path, sensor: str, already: bytes, lines: list[str]
) -> None:
    machine(tmp_path, config=b"dtparam=spi=on\ndtparam=strict_gpiod\n" + already)
    assert added(tmp_path, STATION.replace("ov9281", sensor)) == ([*(["[all]"] if lines else []), *lines])


def test_a_usb_camera_and_a_network_bar_need_no_line_at_all(tmp_path: Path) -> None:
    machine(tmp_path)
    assert added(tmp_path, '[camera]\nsource = "v4l2"\n[strip]\nkind = "wled"\nhost = "10.0.0.9"\n') == []


def test_another_camera_s_overlay_is_told_not_taken_out(tmp_path: Path) -> None:
    machine(tmp_path, config=b"dtoverlay=imx219\n")
    assert "dtoverlay=imx219 too" in remarks(tmp_path)


def test_a_watchdog_is_switched_on_only_where_none_was_found(tmp_path: Path) -> None:
    machine(tmp_path)
    assert "dtparam=watchdog=on" not in added(tmp_path)
    assert "dtparam=watchdog=on" in added(tmp_path, watchdog=False)


def test_another_bus_than_the_first_is_told(tmp_path: Path) -> None:
    machine(tmp_path)
    other = STATION.replace('"apa102"', '"apa102"\ndevice = "/dev/spidev1.0"')
    assert "needs a dtoverlay of its own" in remarks(tmp_path, other)
    assert "dtparam=spi=on" not in added(tmp_path, other)


def test_a_line_below_ours_that_takes_it_back_is_told(tmp_path: Path) -> None:
    data = files.with_block(RASPBERRY, ["[all]", "dtparam=spi=on"], CONFIG) + b"dtparam=spi=off\n"
    machine(tmp_path, config=data)
    assert "takes `dtparam=spi=on` back" in remarks(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"no end",
        b"a=1\r\nb=2\r\n",
        b"\xff\xfe\x00\n",
        b"# filler of a long file ....\n" * 35_000,
        b"[pi5]\n",
    ],
    ids=["empty", "no end of line", "CRLF", "not UTF-8", "1 MB", "ends in a section"],
)
def test_odd_files_are_kept_as_they_are_and_the_second_run_changes_nothing(
    tmp_path: Path, config: bytes
) -> None:
    machine(tmp_path, config=config)
    first = propose(tmp_path, parse(STATION), Machine(PI4, True))
    files.apply(tmp_path, first.changes)
    written = (tmp_path / CONFIG[1:]).read_bytes()
    assert written.startswith(config)
    assert boot.said(tmp_path, Machine(PI4, True)).on("spi")
    assert propose(tmp_path, parse(STATION), Machine(PI4, True)).changes == ()
    changes, _ = files.undoing(tmp_path)
    files.undo(tmp_path, changes)
    assert (tmp_path / CONFIG[1:]).read_bytes() == config


def test_other_settings_take_their_lines_out_again(tmp_path: Path) -> None:
    machine(tmp_path)
    files.apply(tmp_path, propose(tmp_path, parse(STATION), Machine(PI4, True)).changes)
    other = parse('[camera]\nsource = "v4l2"\n[strip]\nkind = "wled"\nhost = "10.0.0.9"\n')
    files.apply(tmp_path, propose(tmp_path, other, Machine(PI4, True)).changes)
    assert (tmp_path / CONFIG[1:]).read_bytes() == RASPBERRY


def test_damaged_marks_are_a_remark_and_the_rest_goes_on(tmp_path: Path) -> None:
    machine(tmp_path, config=files.BEGIN + b"\n")
    found = propose(tmp_path, parse(STATION), Machine(PI4, True))
    assert [c.path for c in found.changes] == [WATCHDOG]
    assert "damaged" in "".join(found.remarks)


def test_passwords_stay_until_somebody_has_a_key(tmp_path: Path) -> None:
    machine(tmp_path)
    assert "nobody must be locked out" in remarks(tmp_path)
    assert SSH not in [c.path for c in propose(tmp_path, parse(STATION), Machine(PI4, True)).changes]
    give_key(tmp_path)
    assert "keys are there for tech" in remarks(tmp_path)
    assert SSH in [c.path for c in propose(tmp_path, parse(STATION), Machine(PI4, True)).changes]


@pytest.mark.parametrize(
    ("line", "mode"), [(b"", 0o600), (b"# no key\n\n", 0o600), (b"ssh-ed25519 AAAA a\n", 0o666)]
)
def test_a_key_that_sshd_would_not_take_is_none(tmp_path: Path, line: bytes, mode: int) -> None:
    machine(tmp_path)
    give_key(tmp_path, line, mode)
    assert boot.keyholders(tmp_path) == []


def test_a_key_of_a_user_who_may_not_log_in_is_none(tmp_path: Path) -> None:
    machine(tmp_path)
    give_key(tmp_path)
    passwd = tmp_path / "etc/passwd"
    passwd.write_text(passwd.read_text().replace("/home/tech:/bin/bash", "/home/tech:/usr/sbin/nologin"))
    assert boot.keyholders(tmp_path) == []


def test_our_word_on_passwords_comes_before_cloud_init_s() -> None:
    assert sorted([Path(SSH).name, "50-cloud-init.conf"])[0] == Path(SSH).name


def test_our_watchdog_comes_after_raspberry_pi_s_and_who_comes_after_ours_is_told(tmp_path: Path) -> None:
    machine(tmp_path)
    folder = tmp_path / "usr/lib/systemd/system.conf.d"
    folder.mkdir(parents=True)
    (folder / "40-rpi-enable-watchdog.conf").write_text("[Manager]\nRuntimeWatchdogSec=1m\n")
    assert "its word holds" not in remarks(tmp_path)
    (folder / "zz.conf").write_text("[Manager]\nRuntimeWatchdogSec=1m\n")
    assert "zz.conf comes after hipbar.conf" in remarks(tmp_path)


def test_cloud_init_is_let_finish_and_then_no_start_waits_for_it(tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / "etc/cloud").mkdir()
    assert "has not finished" in remarks(tmp_path)
    done = tmp_path / "var/lib/cloud/instances/rpios-image/boot-finished"
    done.parent.mkdir(parents=True)
    done.touch()
    assert CLOUD in [c.path for c in propose(tmp_path, parse(STATION), Machine(PI4, True)).changes]


def test_a_machine_that_is_no_pi_gets_only_what_it_can_use(tmp_path: Path) -> None:
    machine(tmp_path, model=None, config=None, watchdog=False)
    found = propose(tmp_path, parse(STATION), Machine(None, False))
    assert found.changes == ()
    assert "not a Raspberry Pi" in "".join(found.remarks)
    assert [c.path for c in propose(tmp_path, parse(STATION), Machine(None, True)).changes] == [WATCHDOG]


@pytest.mark.parametrize(
    ("old", "words"), [(True, "older than Bookworm"), (False, "first partition mounted")]
)
def test_a_config_txt_that_is_not_there_is_told(tmp_path: Path, old: bool, words: str) -> None:
    machine(tmp_path, config=None)
    if old:
        (tmp_path / "boot").mkdir()
        (tmp_path / "boot/config.txt").touch()
    assert words in remarks(tmp_path)


def hipbar(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance.cli", "setup", *words],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **more},
    )


def test_without_a_terminal_and_without_yes_the_diff_is_shown_and_nothing_written(tmp_path: Path) -> None:
    machine(tmp_path)
    done = hipbar("--root", str(tmp_path))
    assert done.returncode == 8
    assert "+dtparam=spi=on" in done.stdout
    assert "add --yes" in done.stderr
    assert (tmp_path / CONFIG[1:]).read_bytes() == RASPBERRY


def test_yes_applies_says_reboot_and_undo_brings_all_back(tmp_path: Path) -> None:
    machine(tmp_path)
    give_key(tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    done = hipbar("--root", str(tmp_path), "--yes")
    assert done.returncode == 0, done.stderr
    assert "done: 3 files changed; start the machine again" in done.stdout
    assert hipbar("--root", str(tmp_path), "--yes").stdout.endswith("nothing to change\n")
    undone = hipbar("--root", str(tmp_path), "--undo", "--yes")
    assert "-dtparam=spi=on" in undone.stdout
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    assert hipbar("--root", str(tmp_path), "--undo", "--yes").stdout == "nothing to change\n"


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--dry-run", "--yes")])
def test_json_is_one_object_and_without_yes_nothing_is_written(tmp_path: Path, more: tuple[str, ...]) -> None:
    machine(tmp_path)
    done = hipbar("--root", str(tmp_path), "--json", *more)
    found = json.loads(done.stdout)
    assert [one["path"] for one in found["changes"]] == [CONFIG, WATCHDOG]
    assert found["applied"] is found["reboot"] is False
    assert (tmp_path / CONFIG[1:]).read_bytes() == RASPBERRY


@pytest.mark.parametrize(("answer", "written"), [(b"n\n", False), (b"\n", False), (b"y\n", True)])
def test_at_a_terminal_it_asks_and_only_yes_is_yes(tmp_path: Path, answer: bytes, written: bool) -> None:
    machine(tmp_path)
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "appliance.cli", "setup", "--root", str(tmp_path)]
    with subprocess.Popen(words, stdin=theirs, stdout=subprocess.PIPE, text=True) as process:
        os.write(ours, answer)
        said = process.communicate(timeout=60)[0]
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert ("nothing was changed" in said) != written
    assert ((tmp_path / CONFIG[1:]).read_bytes() == RASPBERRY) != written


def test_settings_that_cannot_be_read_are_refused_before_anything_else(tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / "etc/hipbar/hipbar.toml").write_text("[strip]\nkind = 'laser'\n")
    assert hipbar("--root", str(tmp_path), "--yes").returncode == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--undo", "--read-only", "off"),
        ("--read-only", "on"),
        ("--data", "/dev/sda1"),
        ("--read-only", "off", "--root", "/mnt"),
    ],
)
def test_words_that_do_not_go_together_are_refused(words: tuple[str, ...]) -> None:
    assert hipbar(*words).returncode == 2


def fresh_pi(root: Path) -> Path:
    """A Pi after its first boot, as docs/install.md has it."""
    machine(root)
    give_key(root)
    (root / "etc/cloud").mkdir()
    done = root / "var/lib/cloud/instances/rpios-image/boot-finished"
    done.parent.mkdir(parents=True)
    done.touch()
    return root


def test_the_page_shows_what_setup_says_on_a_fresh_pi(tmp_path: Path) -> None:
    shown = hipbar("--root", str(fresh_pi(tmp_path)), "--yes").stdout
    page = (Path(__file__).parents[2] / "docs/install.md").read_text(encoding="utf-8")
    assert page.split("<!-- setup -->")[1].split("<!-- end -->")[0].strip() == f"```diff\n{shown}```"
