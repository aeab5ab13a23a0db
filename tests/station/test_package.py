"""The Debian package as it is built: the same bytes each time, Debian's own rules kept, and no more in it than belongs.

What installing it does is seen in a container (`test_service.py`). `python -m tests.station package` builds all four
and has lintian look at the whole of each; here it looks at all but the wheels, in a tenth of the time.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from appliance import config
from tests.station import bench, package
from tests.station.image import run

pytestmark = pytest.mark.station

ROOT = Path(__file__).resolve().parents[2]
SYSTEMD = ROOT / "systemd"
UNITS = ("hipbar.service", "hipbar-update.service")
SCORE, SCORE_WITH_WLED = 1.5, 2.0
AARCH64, X86_64 = 183, 62
"""ELF's numbers of instruction sets (elf.h, EM_AARCH64 and EM_X86_64)."""
PLACES = (
    *(
        "./usr/bin/hipbar",
        "./usr/lib/hipbar/",
        "./usr/lib/systemd/",
        "./usr/lib/udev/rules.d/60-hipbar.rules",
    ),
    *("./usr/lib/sysusers.d/hipbar.conf", "./usr/lib/tmpfiles.d/hipbar.conf", "./usr/share/doc/hipbar/"),
    "./usr/share/bash-completion/completions/hipbar",
    *("./usr/share/hipbar/", "./usr/share/man/man1/hipbar", "./usr/share/lintian/overrides/hipbar"),
)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    """Skips, or fails where the bench is required, without what builds packages and looks at them."""
    off = "station bench: switched off by HIPBAR_BENCH=off"
    reason = off if bench.wish() == "off" else package.lacking()
    if reason and bench.wish() == "required":
        pytest.fail(f"{reason} (and HIPBAR_BENCH=required)", pytrace=False)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def deb() -> Path:
    """The package for trixie on this computer's processor."""
    return package.deb("trixie")


@pytest.fixture(scope="module")
def tree(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in it."""
    folder: Path = tmp_path_factory.mktemp("package") / "root"
    run("dpkg-deb", "-x", deb, folder)
    return folder


@pytest.fixture(scope="module")
def control(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its control files, the maintainer scripts among them."""
    folder: Path = tmp_path_factory.mktemp("control") / "DEBIAN"
    run("dpkg-deb", "-e", deb, folder)
    return folder


def score(unit: Path) -> float:
    """The exposure that systemd-analyze finds in a unit; 0 = none, 10 = all."""
    said = run("systemd-analyze", "security", "--no-pager", "--offline=true", unit)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", said)
    assert found, said
    return float(found[1])


def verified(root: Path, *units: str) -> str:
    """What systemd has against units as they lie in that root; its exit code is 0 whatever it finds."""
    paths = [root / "usr/lib/systemd/system" / name for name in units]
    words = ["systemd-analyze", "verify", "--man=no", f"--root={root}", *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_two_builds_of_one_commit_are_equal_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for folder, zone, mask in (("here", "UTC", 0o022), ("some/where/else", "Pacific/Auckland", 0o077)):
        monkeypatch.setenv("TZ", zone)
        before = os.umask(mask)
        try:
            run("git", "-c", "safe.directory=*", "clone", "-q", ROOT, tmp_path / folder)
            made.append(package.build(tmp_path / folder / "dist", "trixie", source=tmp_path / folder))
        finally:
            os.umask(before)
    assert made[0].name == made[1].name
    assert made[0].read_bytes() == made[1].read_bytes()


def test_it_is_made_for_one_debian_and_says_so(control: Path) -> None:
    fields = dict(
        line.split(": ", 1) for line in (control / "control").read_text().splitlines() if ": " in line
    )
    assert fields["Version"].endswith("~deb13")
    assert {"python3 (>= 3.13~)", "python3 (<< 3.14~)", "gpgv", "dpkg-repack"} <= set(
        fields["Depends"].split(", ")
    )
    assert "$" not in (control / "control").read_text(), "a variable that nobody filled in"


def test_every_module_of_the_checkout_is_in_it_and_nothing_that_python_compiled(tree: Path) -> None:
    packages = tree / "usr/lib/hipbar/lib/python3.13/site-packages"
    listed = run("git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "appliance", "hw").splitlines()
    ours = [name for name in listed if (ROOT / name).exists()]
    assert ours
    for name in ours:
        assert (packages / name).read_bytes() == (ROOT / name).read_bytes(), name
    assert not [*tree.rglob("*.pyc"), *tree.rglob("__pycache__")]


def test_files_are_root_s_and_lie_where_debian_has_them(deb: Path) -> None:
    for line in run("dpkg-deb", "-c", deb).splitlines():
        mode, owner, _, _, _, name = line.split(None, 5)
        assert owner == "root/root", line
        assert mode.startswith(("l", "drwxr-xr-x", "-rw-r--r--")) or name == "./usr/bin/hipbar", line
        assert name.endswith("/") or name.startswith(PLACES), line


def test_its_libraries_are_those_of_its_processor(tree: Path) -> None:
    assert processors(tree) == {X86_64}


def test_a_pi_s_package_is_built_here_with_a_pi_s_libraries(tmp_path: Path) -> None:
    made = package.deb("trixie", "arm64")
    assert run("dpkg-deb", "--field", made, "Architecture").strip() == "arm64"
    run("dpkg-deb", "-x", made, tmp_path)
    assert processors(tmp_path) == {AARCH64}
    assert [*tmp_path.glob("usr/lib/hipbar/lib/python3.13/site-packages/simplejpeg")]


def processors(root: Path) -> set[int]:
    """The instruction sets of all shared libraries."""
    files = [path for path in root.rglob("*") if re.search(r"\.so(\.\d+)*$", path.name)]
    heads = [path.read_bytes()[:20] for path in files if path.is_file()]
    assert heads
    assert all(head[:4] == b"\x7fELF" for head in heads)
    return {int.from_bytes(head[18:20], "little") for head in heads}


def test_maintainer_scripts_are_plain_sh(control: Path) -> None:
    scripts = [control / name for name in ("postinst", "prerm", "postrm")]
    for script in (*scripts, SYSTEMD / "hipbar"):
        assert script.read_text().startswith("#!/bin/sh\n")
        assert "#DEBHELPER#" not in script.read_text()
        assert stat.S_IMODE(script.stat().st_mode) & 0o111
    # SC2086, SC2046: debhelper's own lines
    run("shellcheck", "--shell=dash", "--exclude=SC2086,SC2046", *scripts, SYSTEMD / "hipbar")


def test_lintian_has_nothing_against_it(tree: Path, control: Path, deb: Path, tmp_path: Path) -> None:
    lint = tmp_path / "lint"
    shutil.copytree(tree, lint, symlinks=True)
    shutil.copytree(control, lint / "DEBIAN")
    for path in (lint / "usr/lib/hipbar/lib/python3.13/site-packages").iterdir():
        if path.name not in {"appliance", "hw"} and not path.name.startswith("hipbar-"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    kept = [
        line for line in (lint / "DEBIAN/md5sums").read_text().splitlines() if (lint / line[34:]).exists()
    ]
    (lint / "DEBIAN/md5sums").write_text("".join(f"{line}\n" for line in kept))
    run("dpkg-deb", "-Zxz", "-z1", "--root-owner-group", "-b", lint, tmp_path / deb.name)
    unused = "unused-override,mismatched-override"  # those of the wheels
    said = run("lintian", "--allow-root", "--fail-on", "none", "--suppress-tags", unused, tmp_path / deb.name)
    assert not said


def test_systemd_has_nothing_against_its_units(tree: Path, tmp_path: Path) -> None:
    shutil.copytree("/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(tree / "usr/lib/systemd", tmp_path / "usr/lib/systemd", dirs_exist_ok=True)
    (tmp_path / "usr/bin").mkdir()
    for program in ("hipbar", "python3"):
        shutil.copy(tree / "usr/bin/hipbar", tmp_path / "usr/bin" / program)
    assert verified(tmp_path, *UNITS) == ""
    unit = tmp_path / "usr/lib/systemd/system/hipbar.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=5", "WatchdogSecs=5"))
    assert "WatchdogSecs" in verified(tmp_path, "hipbar.service"), "the check can't fail"


def test_the_service_is_exposed_to_little(tree: Path, tmp_path: Path) -> None:
    shipped = tree / "usr/lib/systemd/system/hipbar.service"
    assert score(shipped) <= SCORE
    more = (tree / "usr/share/doc/hipbar/examples/wled.conf").read_text()
    unit = tmp_path / "hipbar.service"
    unit.write_text(shipped.read_text() + "\n" + more)
    assert score(shipped) < score(unit) <= SCORE_WITH_WLED


def test_the_service_starts_in_a_folder_that_it_may_write_to(tree: Path) -> None:
    lines = (tree / "usr/lib/systemd/system/hipbar.service").read_text().splitlines()
    assert {"RuntimeDirectory=hipbar", "WorkingDirectory=/run/hipbar"} <= set(lines), "lgpio does not load"


def test_the_shipped_settings_are_a_station_s(tree: Path) -> None:
    settings = config.load(tree / "usr/share/hipbar/hipbar.toml")
    assert (settings.camera.source, settings.camera.sensor) == ("picamera", "ov9281")
    assert (settings.strip.kind, settings.panel.kind) == ("apa102", "gpio")
    assert settings.service == config.Service()
    assert not [*tree.glob("etc/*")], (
        "settings are no conffile: no question at an update, no .dpkg-new beside them"
    )


def test_its_user_gets_the_groups_of_its_devices_and_no_login(tree: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nvideo:x:44:\n")
    shutil.copytree(tree / "usr/lib/sysusers.d", root / "usr/lib/sysusers.d")
    shutil.copytree(tree / "usr/lib/tmpfiles.d", root / "usr/lib/tmpfiles.d")
    run("systemd-sysusers", f"--root={root}", "hipbar.conf")
    run("systemd-tmpfiles", f"--root={root}", "--create", "hipbar.conf")
    groups = {
        line.split(":")[0]: line.split(":")[3] for line in (root / "etc/group").read_text().splitlines()
    }
    assert {name for name, members in groups.items() if "hipbar" in members} == {"video", "spi", "gpio"}
    (user,) = [line for line in (root / "etc/passwd").read_text().splitlines() if line.startswith("hipbar:")]
    assert user.endswith(":/usr/sbin/nologin")
    state = (root / "var/lib/hipbar").stat()
    assert (state.st_uid, stat.S_IMODE(state.st_mode)) == (int(user.split(":")[2]), 0o750)


@pytest.mark.parametrize("suite", ["trixie", "bookworm"])
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_the_lock_holds_all_that_the_project_needs(suite: str, arch: str) -> None:
    lines = (SYSTEMD / f"requirements/{suite}-{arch}.txt").read_text().splitlines()[1:]
    locked = dict(
        re.fullmatch(r"([\w.-]+)==(\S+) --hash=sha256:[0-9a-f]{64}", line).groups() for line in lines
    )  # type: ignore[union-attr]
    project = project_table()
    extra = project["optional-dependencies"]["pi"] if arch == "arm64" else []
    for need in map(Requirement, [*project["dependencies"], *extra]):
        assert need.specifier.contains(locked[canonicalize_name(need.name)]), need


def project_table() -> dict[str, Any]:
    import tomllib

    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def test_a_wheel_whose_bytes_are_not_the_lock_s_is_not_taken(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import wheels; from pathlib import Path;"
        "print(len(wheels._kept(Path(sys.argv[2]), sys.argv[3:])))"
    )
    good, bad = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "00" * 32
    for digest in (good, bad):
        (tmp_path / digest).mkdir()
        (tmp_path / digest / "hello-1.whl").write_text("hello")
    assert run(sys.executable, "-c", code, SYSTEMD, tmp_path, good, bad).strip() == "1"


def test_a_library_that_no_package_brings_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "odd.c").write_text("int odd(void) { return 7; }\n")
    (tmp_path / "needy.c").write_text("int odd(void); int needy(void) { return odd(); }\n")
    (tmp_path / "tree").mkdir()
    library = ("gcc", "-nostdlib", "-shared", "-fPIC", "-o")
    run(*library, tmp_path / "libodd.so.7", tmp_path / "odd.c", "-Wl,-soname,libodd.so.7")
    run(*library, tmp_path / "tree/needy.so", tmp_path / "needy.c", tmp_path / "libodd.so.7")
    code = "import libraries; from pathlib import Path; libraries.packages(Path(sys.argv[2]))"
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, sys.argv[1]); {code}"]
    done = subprocess.run([*words, SYSTEMD, tmp_path / "tree"], capture_output=True, text=True, check=False)
    assert done.returncode
    assert "libodd.so.7" in done.stderr
