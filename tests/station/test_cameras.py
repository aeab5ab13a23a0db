"""The V4L2 driver keeps every promise of `tests/hw/test_cameras.py` on a real kernel's video device, in the machine.

The same file runs there, on the kernel camera of `kmod/camsim.c`, once for each pixel format; pytest itself is carried
in, as the packages of this Python (they are pure Python). Then the list of cameras and its exposure control.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.station.vm import Vm

_TESTS = Path(__file__).resolve().parents[1]
_PYTEST = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py")
_CAMERA = "/dev/v4l/by-path/platform-camsim-video-index0"
_SIZE, _RATE_HZ = (320, 240), 30
_FEED = """\
import struct, sys, time
form, width, height, rate_hz = sys.argv[1], *map(int, sys.argv[2:])
if form == "MJPG":
    import cv2, numpy
    picture = cv2.imencode(".jpg", numpy.full((height, width), 90, numpy.uint8))[1].tobytes()
else:
    picture = bytes(90 for _ in range(width * height * (2 if form == "YUYV" else 1)))
head, due_s = struct.pack("<QII", 0, 0, 0), time.monotonic()
with open("/dev/camsim-feed", "wb", buffering=0) as feed:
    while True:
        feed.write(head + picture)
        due_s += 1 / rate_hz
        time.sleep(max(0.0, due_s - time.monotonic()))
"""


@pytest.fixture(scope="module")
def machine(vm: Vm) -> Iterator[Vm]:
    """The machine with the tests, pytest and the feed in it."""
    for name in _PYTEST:
        found = importlib.util.find_spec(name)
        assert found
        assert found.origin
        origin = Path(found.origin)
        vm.put(origin.parent if origin.name == "__init__.py" else origin, "/root/packages")
    vm.put(_TESTS / "hw", "/root/checkout/tests")
    vm.write("/root/feed.py", _FEED)
    yield vm
    vm.run("modprobe -r camsim", check=False)


def _plugged(vm: Vm, form: str) -> str:
    """The camera, offering one format only, with its feed's command."""
    vm.run("modprobe -r camsim", check=False)
    vm.run(f"modprobe camsim width={_SIZE[0]} height={_SIZE[1]} rate_hz={_RATE_HZ} formats={form}")
    vm.run("udevadm settle")
    return f"/opt/hipbar/bin/python /root/feed.py {form} {_SIZE[0]} {_SIZE[1]} {_RATE_HZ}"


@pytest.mark.parametrize("form", ["GREY", "YUYV", "MJPG"])
def test_the_driver_keeps_its_promises_on_a_kernel_s_camera(machine: Vm, form: str) -> None:
    feed = _plugged(machine, form)
    told = {"DEVICE": _CAMERA, "SIZE": f"{_SIZE[0]}x{_SIZE[1]}", "HZ": str(_RATE_HZ)}
    words = " ".join(f"HIPBAR_V4L2_{key}={value}" for key, value in told.items())
    pytest_words = (
        "-m pytest -q -c /dev/null --rootdir=. -p no:cacheprovider tests/hw/test_cameras.py -k v4l2"
    )
    with machine.process(feed):
        done = machine.run(
            f"cd /root/checkout && {words} PYTHONPATH=/root/packages:. /opt/hipbar/bin/python {pytest_words}",
            timeout_s=300,
            check=False,
        )
    assert done.code == 0, done.out + done.err
    assert "9 passed" in done.out, done.out


def test_the_list_names_it_with_what_it_offers_and_who_uses_it(machine: Vm) -> None:
    _plugged(machine, "GREY")
    listed = json.loads(machine.run("hipbar camera --json").out)["v4l2"]
    (camera,) = [one for one in listed if "camsim" in one["driver"]]
    assert camera["by_id"] == _CAMERA
    assert camera["trouble"] == ""
    assert [o["fourcc"] for o in camera["offers"]] == ["GREY"]
    assert [tuple(size[:2]) for size in camera["offers"][0]["sizes"]] == [_SIZE]


def test_its_exposure_is_fixed_and_told(machine: Vm) -> None:
    feed = _plugged(machine, "GREY")
    settings = f"""
[camera]
source = "v4l2"
device = "{_CAMERA}"
width_px = {_SIZE[0]}
height_px = {_SIZE[1]}
rate_hz = {_RATE_HZ}
exposure_us = 2300
"""
    machine.write("/root/usb.toml", settings)
    with machine.process(feed):
        done = machine.run("hipbar camera --config /root/usb.toml --test --seconds 3 --json", timeout_s=120)
    report = json.loads(done.out)
    assert report["camera"]["exposure_us"] == 2300
    assert report["camera"]["stamped_by"] == "driver"
    assert report["figures"]["frames"] > 45
    controls = machine.run(f"v4l2-ctl -d {_CAMERA} -C auto_exposure,exposure_time_absolute").out
    assert "auto_exposure: 1" in controls
    assert "exposure_time_absolute: 23" in controls
