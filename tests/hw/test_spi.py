"""SPI devices: what is missing, not permitted or in use is refused with a remedy, before anything is set or lit."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hw
from appliance.config import Strip
from appliance.errors import StripLost
from hw.strip import spi
from hw.strip.apa102 import frame_bytes


def _refused(device, kind="apa102"):
    with pytest.raises(StripLost) as lost:
        hw.open_strip(Strip(kind=kind, device=str(device)))
    assert lost.value.fix
    assert str(device) in str(lost.value)
    return lost.value


def test_calls_have_the_kernels_numbers():
    # _IOW('k', n, size): 1 << 30 | size << 16 | 'k' << 8 | n
    assert 1 << 30 | 1 << 16 | ord("k") << 8 | 1 == spi.WR_MODE
    assert 1 << 30 | 1 << 16 | ord("k") << 8 | 3 == spi.WR_BITS
    assert 1 << 30 | 4 << 16 | ord("k") << 8 | 4 == spi.WR_SPEED


@pytest.mark.parametrize("kind", ["apa102", "ws2812"])
def test_a_missing_device_is_refused_with_the_way_to_get_it(tmp_path, kind):
    refused = _refused(tmp_path / "spidev0.0", kind)
    assert "no such device" in str(refused)
    there = spi.devices()
    assert (there[0] if there else "dtparam=spi=on") in refused.fix


@pytest.mark.parametrize("kind", ["apa102", "ws2812"])
def test_what_is_no_spi_device_is_refused(tmp_path, kind):
    file = tmp_path / "file"
    file.write_bytes(b"x")
    assert "not an SPI device" in str(_refused("/dev/null", kind))
    assert "not an SPI device" in str(_refused(file, kind))
    assert "is a folder" in str(_refused(tmp_path, kind))
    assert file.read_bytes() == b"x"


def test_refusing_leaves_no_file_open():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        _refused("/dev/null")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_device_that_may_not_be_opened_is_refused(tmp_path):
    file = tmp_path / "spidev0.0"
    file.write_bytes(b"x")
    file.chmod(0)
    code = (
        "import os, sys, hw; from appliance.config import Strip; from appliance.errors import StripLost\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"  # root may open everything
        "try: hw.open_strip(Strip(kind='apa102', device=sys.argv[1]))\nexcept StripLost as e: print(e, e.fix)"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import hw.strip.apa102\n" + code, str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "not permitted" in done.stdout
    assert "group `spi`" in done.stdout


def test_the_second_station_is_refused_and_told_who_the_first_is(tmp_path):
    file = tmp_path / "spidev0.0"  # the lock is taken before the device is asked whether it is one
    file.write_bytes(b"")
    code = (
        "import fcntl, os, sys\nfd = os.open(sys.argv[1], os.O_RDWR)\nfcntl.flock(fd, fcntl.LOCK_EX)\n"
        "print(flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        first.stdout.readline()
        refused = _refused(file)
        name = Path(f"/proc/{first.pid}/comm").read_text().strip()
        assert f"busy: used by process {first.pid} ({name})" in str(refused)
        first.stdin.close()
    assert "not an SPI device" in str(_refused(file))  # free again


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ETIMEDOUT, "did not finish a transfer in time"),
        (errno.ESHUTDOWN, "the device is gone"),
        (errno.EMSGSIZE, "a frame is 1,227 bytes"),
        (errno.EIO, "the SPI bus failed"),
        (errno.ENOMEM, "cannot allocate memory"),
    ],
)
def test_every_error_of_a_device_has_words_and_a_remedy(number, words):
    refusal = spi.Spi("/dev/spidev0.0", 8_000_000, frame_bytes(300)).refusal(
        OSError(number, os.strerror(number))
    )
    assert words in str(refusal)
    assert refusal.fix


def test_the_kernels_buffer_is_known_or_assumed():
    assert spi.buffer_bytes() >= 4096
