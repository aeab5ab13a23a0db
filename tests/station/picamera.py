"""Debian's libcamera and picamera2's real class become a bench for the Pi camera driver, on any machine.

`python -m tests.station.picamera` makes a trixie root (kept in the bench's cache), puts picamera2 from PyPI into it and
runs `picamera_inside.py` there, in a mount namespace of its own. libcamera is Debian's, unchanged, with its "virtual"
pipeline handler; `sensor.c`, preloaded, is the sensor and the memory for its pictures. What is stood in for besides:
`pykms` and `pidng`, imported by picamera2 for screens and raw files and never called, and, in a subclass of four
lines, the list of raw modes, which a virtual camera does not have.
Needs root, mmdebstrap and gcc, and Debian's and PyPI's servers the first time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from hw.camera.scene import Scene
from hw.camera.virtual import VirtualCamera
from tests.station.layers import key_of, layer

SIZE, RATE_HZ = (1280, 800), 120
SUITE = "trixie"
_PACKAGES = """
python3-libcamera libcamera-ipa python3-numpy python3-msgspec python3-pil python3-av python3-venv python3-pip
python3-piexif python3-jsonschema python3-libarchive-c python3-prctl python3-tqdm ca-certificates
"""
_WHEELS = ("picamera2==0.3.38", "videodev2==0.0.4", "simplejpeg==1.9.0")
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")
_FILES = {
    "pykms.py": "class _All:\n    def __getattr__(self, name):\n        return name\n\n\nPixelFormat = _All()\n",
    "pidng/__init__.py": "",
    "pidng/camdefs.py": "class Picamera2Camera: ...\n",
    "pidng/core.py": "class PICAM2DNG: ...\n",
}
_CAMERA = """\
%YAML 1.1
---
"Virtual0":
  supported_formats:
  - {{width: {0}, height: {1}, frame_rates: [{2}]}}
  test_pattern: "lines"
  location: "CameraLocationFront"
  model: "ov9281"
"""
_HERE = Path(__file__).resolve().parent
_MOUNTED = """
set -e
for name in proc sys dev; do mount --rbind /$name $ROOT/$name; done
mount -t tmpfs none $ROOT/run && mkdir $ROOT/run/bench $ROOT/run/repo
mount --bind $WORK $ROOT/run/bench
mount --bind -o ro $REPO $ROOT/run/repo
exec chroot $ROOT env -i PATH=/usr/bin:/bin HOME=/root LD_PRELOAD=/run/bench/sensor.so SENSOR_HZ=$HZ \\
  SENSOR_FRAMES=/run/bench/frames SENSOR_KNOB=/run/bench/knob PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \\
  LIBCAMERA_LOG_LEVELS=*:ERROR PYTHONPATH=/run/repo /opt/venv/bin/python -m tests.station.picamera_inside
"""


def lacking() -> str:
    """Why this machine can't run it; "" when it can."""
    if os.geteuid() != 0:
        return "the picamera2 bench needs root, for a chroot"
    missing = [tool for tool in ("mmdebstrap", "gcc", "unshare", "chroot") if shutil.which(tool) is None]
    return f"the picamera2 bench needs {', '.join(missing)}" if missing else ""


def _make(root: Path) -> None:
    """The root folder, whole."""
    options = [f"--dpkgopt=path-exclude={place}" for place in _LEFT_OUT]
    include = "--include=" + ",".join(_PACKAGES.split())
    _do("mmdebstrap", "--mode=root", "--variant=minbase", include, *options, SUITE, str(root))
    pip = "python3 -m venv --system-site-packages /opt/venv && /opt/venv/bin/pip install -q --no-deps"
    with tempfile.TemporaryDirectory() as wheels:
        _do(
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            "--python-version=3.13",
            "-d",
            wheels,
            *_WHEELS,
        )
        shutil.copytree(wheels, root / "opt/wheels")
    names = " ".join(f"/opt/wheels/{wheel.name}" for wheel in (root / "opt/wheels").iterdir())
    _do("chroot", str(root), "sh", "-c", f"{pip} --no-index {names}")


def _put(root: Path) -> None:
    """What is stood in for, and which camera there is."""
    (packages,) = root.glob("opt/venv/lib/python3*/site-packages")
    for name, text in _FILES.items():
        (packages / name).parent.mkdir(exist_ok=True)
        (packages / name).write_text(text, encoding="ascii")
    camera = root / "usr/share/libcamera/pipeline/virtual/virtual.yaml"
    camera.parent.mkdir(parents=True, exist_ok=True)
    camera.write_text(_CAMERA.format(*SIZE, RATE_HZ), encoding="ascii")


def _do(*words: str) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{words[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _prepare(work: Path) -> None:
    """The sensor, its pictures (a recorded runner) and its knob."""
    library = str(work / "sensor.so")
    _do("gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, str(_HERE / "sensor.c"), "-ldl")
    scene = Scene(width_px=SIZE[0], height_px=SIZE[1], rotate_deg=90, duration_s=16 / RATE_HZ)
    frames = [frame.luma for frame in VirtualCamera(scene).frames() if frame is not None]
    np.stack(frames).tofile(work / "frames")
    (work / "knob").write_text("o", encoding="ascii")


def main() -> int:
    """Makes what is missing, runs the checks, and ends with their exit code."""
    if reason := lacking():
        print(reason, file=sys.stderr)
        return 1
    root = layer("picamera", key_of(SUITE, _PACKAGES, *_WHEELS), _make)
    _put(root)
    with tempfile.TemporaryDirectory() as work:
        _prepare(Path(work))
        place = {"ROOT": str(root), "WORK": work, "REPO": str(_HERE.parents[1]), "HZ": str(RATE_HZ)}
        command = ["unshare", "--mount", "--propagation=private", "sh", "-c", _MOUNTED]
        return subprocess.run(command, check=False, env={**os.environ, **place}, timeout=300).returncode


if __name__ == "__main__":
    raise SystemExit(main())
