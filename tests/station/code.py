"""This checkout becomes what the bench's machine lacks of it: installed files, compiled kernels, driver modules.

The image's root is overlaid, hipbar is installed there by pip as on a Pi, its kernels are compiled at the speed of this
machine (in the emulated one it would take minutes), and what has changed is the result: one tar archive to unpack in
the running machine. Compiled kernels are kept apart, for they change less often than the rest.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from tests.station.image import ENVIRONMENT, release, run
from tests.station.kmod.build import build
from tests.station.layers import cache, key_of, layer

ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("appliance", "hw", "pyproject.toml", "README.md", "LICENSE")
_KERNELS = ("appliance/kernels", "appliance/records.py")
_GUEST = ROOT / "tests/station/guest"
_NUMBA = ENVIRONMENT["NUMBA_CACHE_DIR"].lstrip("/")
_NO_CACHES = shutil.ignore_patterns("__pycache__")
_EPOCH = "2026-01-01T00:00:00Z"
"""Sources get this time: Numba's cache holds for a file of the same size and time."""

_INSTALL = """\
mount -t overlay overlay -o lowerdir={root},upperdir={folder}/upper,workdir={folder}/work {folder}/merged
mount -t proc proc {folder}/merged/proc
cp -r {folder}/brought/. {folder}/merged/
exec chroot {folder}/merged env {environment} sh -e -c '
depmod {release}
pip -q install --no-index --no-deps --no-build-isolation --no-compile --root-user-action=ignore /src
rm -r /src
cd /opt/hipbar/lib/python3*/site-packages
find appliance hw -name __pycache__ -prune -exec rm -r {{}} +
find appliance hw -exec touch -d {epoch} {{}} +
python -m compileall -q --invalidation-mode=unchecked-hash appliance hw
{compile}'
"""
_COMPILE = 'mkdir -p {numba}; python -c "import appliance.kernels.warm as kernels; kernels.warm()"'


def archive(system: Path) -> Path:
    """The tar archive with this checkout's files, to be unpacked at the machine's root."""
    modules = build(str(release()), cache() / "modules")
    kernels = _compiled(system)
    sources = [*(ROOT / name for name in _SOURCES), *modules, _GUEST]

    def make(folder: Path) -> None:
        _bring(folder / "brought", modules)
        _install(folder, system)
        shutil.copytree(kernels / "numba", folder / "upper" / _NUMBA, dirs_exist_ok=True)
        _pack(folder)

    return layer("code", key_of(kernels.name, Path(__file__), *sources), make) / "code.tar"


def _compiled(system: Path) -> Path:
    """The kernels' machine code for any x86-64."""

    def make(folder: Path) -> None:
        _bring(folder / "brought", [])
        _install(folder, system, compile_kernels=True)
        (folder / "upper" / _NUMBA).rename(folder / "numba")
        shutil.rmtree(folder / "upper")

    return layer("kernels", key_of(system.name, Path(__file__), *(ROOT / name for name in _KERNELS)), make)


def _bring(folder: Path, modules: list[Path]) -> None:
    """What is copied into the machine's root before anything is run there."""
    extra = folder / f"usr/lib/modules/{release()}/extra"
    extra.mkdir(parents=True)
    for module in modules:
        shutil.copy(module, extra)
    shutil.copytree(_GUEST, folder / "opt/bench", ignore=_NO_CACHES)
    for name in _SOURCES:
        source, target = ROOT / name, folder / "src" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copytree(source, target, ignore=_NO_CACHES) if source.is_dir() else shutil.copy(source, target)


def _install(folder: Path, system: Path, *, compile_kernels: bool = False) -> None:
    """pip's work, in an overlay whose `upper` then holds what has changed."""
    for name in ("upper", "work", "merged"):
        (folder / name).mkdir()
    script = _INSTALL.format(
        root=system / "root",
        folder=folder,
        release=release(),
        epoch=_EPOCH,
        environment=" ".join(f"{name}={value}" for name, value in ENVIRONMENT.items()),
        compile=_COMPILE.format(numba="/" + _NUMBA) if compile_kernels else "",
    )
    run("unshare", "--mount", "sh", "-e", stdin=script)
    for name in ("work", "brought"):
        shutil.rmtree(folder / name)


def _pack(folder: Path) -> None:
    with tarfile.open(folder / "code.tar", "w") as tar:
        for name in ("opt", "usr", "var/cache/hipbar"):
            tar.add(folder / "upper" / name, name)
    shutil.rmtree(folder / "upper")
