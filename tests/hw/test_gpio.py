"""Chips are found by label, pins are nobody else's, and only what both libraries called RPi.GPIO share is used."""

import ast
import errno
import importlib.util
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from pins import SHARED, SHARED_KEYWORDS, Contract, Header

from hw import gpio
from hw.gpio import Pins, load, open_pins
from hw.gpio_chip import (
    GET_CHIPINFO,
    GET_LINEINFO,
    Chip,
    GpioRefused,
    Hold,
    Survey,
    busy,
    chip_of,
    choose,
    holder,
    line_of,
    survey,
)

ROOT = Path(__file__).resolve().parents[2]
PI4 = Chip("/dev/gpiochip0", "gpiochip0", "pinctrl-bcm2711", 58)
EXPANDER = Chip("/dev/gpiochip1", "gpiochip1", "raspberrypi-exp-gpio", 8)
PI5 = Chip("/dev/gpiochip4", "gpiochip4", "pinctrl-rp1", 54)


@pytest.fixture
def chip(tmp_path):
    """A chip's file that can be locked like any other, but can't be asked about its lines."""
    file = tmp_path / "gpiochip0"
    file.write_bytes(b"")
    return Chip(str(file), "gpiochip0", "pinctrl-bcm2711", 58)


def _ready():
    library = Contract()
    library.setmode(library.BCM)
    return library


# chips


def test_calls_have_the_numbers_that_their_structures_sizes_give():
    assert GET_CHIPINFO == (2 << 30) | (68 << 16) | (0xB4 << 8) | 0x01
    assert GET_LINEINFO == (3 << 30) | (256 << 16) | (0xB4 << 8) | 0x05


def test_a_chip_is_read_from_the_kernels_structure():
    raw = struct.pack("=32s32sI", b"gpiochip4", b"pinctrl-rp1", 54)
    assert len(raw) == 68
    assert chip_of(raw, "/dev/gpiochip4") == PI5
    assert PI5.number == 4


def test_a_line_is_read_from_the_kernels_structure():
    raw = struct.pack("=32s32sIIQ160s16s", b"GPIO27", b"lg", 27, 0, 0x9, b"", b"")
    assert len(raw) == 256
    line = line_of(raw)
    assert (line.pin, line.name, line.used, line.output, line.consumer) == (27, "GPIO27", True, True, "lg")


def test_the_pis_own_chip_is_found_by_its_label_whatever_its_number():
    assert choose(Survey((EXPANDER, PI4)), "auto") == PI4
    assert choose(Survey((EXPANDER, PI5)), "auto") == PI5
    assert choose(Survey((EXPANDER, PI4)), "raspberrypi-exp-gpio") == EXPANDER


@pytest.mark.parametrize(
    ("found", "wanted", "what", "fix"),
    [
        (Survey(()), "auto", "no GPIO chip of a Raspberry Pi; there is none at all", "needs a Raspberry Pi"),
        (
            Survey((EXPANDER,)),
            "auto",
            "no GPIO chip of a Raspberry Pi; there is raspberrypi-exp-gpio",
            "gpio.chip",
        ),
        (
            Survey((PI4,)),
            "pinctrl-x",
            "no GPIO chip labelled pinctrl-x; there is pinctrl-bcm2711",
            "gpio.chip",
        ),
        (Survey((), ("/dev/gpiochip0",)), "auto", "/dev/gpiochip0: not permitted", "group `gpio`"),
    ],
)
def test_a_missing_chip_says_what_was_looked_for_and_what_there_is(found, wanted, what, fix):
    with pytest.raises(GpioRefused) as refused:
        choose(found, wanted)
    assert str(refused.value) == what
    assert fix in refused.value.fix


def test_files_that_are_no_chips_are_passed_over(tmp_path):
    (tmp_path / "gpiochip0").write_bytes(b"")
    (tmp_path / "gpiochip1").mkdir()
    (tmp_path / "gpiochip2").symlink_to("/dev/null")
    (tmp_path / "gpiochip3").symlink_to("nowhere")
    assert survey(tmp_path) == Survey(())


@pytest.mark.skipif(os.geteuid() == 0, reason="root is permitted everything")
def test_a_chip_that_is_not_permitted_is_named(tmp_path):
    (tmp_path / "gpiochip0").touch(mode=0)
    assert survey(tmp_path).denied == (str(tmp_path / "gpiochip0"),)


# whose pins


def test_a_pin_is_one_stations_only_and_the_other_is_told_whose(chip):
    first = Hold(chip, [22, 27])
    with pytest.raises(GpioRefused) as refused:
        Hold(chip, [5, 27])
    assert refused.value.errno == errno.EBUSY
    assert f"GPIO 27 of pinctrl-bcm2711: busy: used by process {os.getpid()} (" in str(refused.value)
    assert refused.value.fix == "stop that one first"
    Hold(chip, [5, 6]).close()
    first.close()
    first.close()
    Hold(chip, [5, 27]).close()


def test_a_refused_hold_keeps_none_of_its_pins(chip):
    first = Hold(chip, [27])
    with pytest.raises(GpioRefused):
        Hold(chip, [5, 6, 27])
    Hold(chip, [5, 6]).close()
    first.close()


def test_a_process_that_dies_lets_go_of_its_pins(chip):
    code = (
        "import sys; from hw.gpio_chip import Chip, Hold\n"
        f"h = Hold(Chip({chip.path!r}, 'gpiochip0', 'x', 58), [13]); print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    other = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes)
    with other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(GpioRefused, match=f"used by process {other.pid} "):
            Hold(chip, [13])
        other.kill()
        other.wait()
    Hold(chip, [13]).close()


def test_who_asked_the_kernel_for_a_line_is_found(chip, tmp_path):
    fdinfo = tmp_path / "812/fdinfo/7"
    fdinfo.parent.mkdir(parents=True)
    fdinfo.write_text("pos:\t0\nflags:\t02000002\nmnt_id:\t15\ngpio-chip:\tgpiochip0\ngpio-line:\t27\n")
    (tmp_path / "812/comm").write_text("blinker\n")
    assert holder(chip, 27, proc=tmp_path) == "process 812 (blinker)"
    assert holder(chip, 2, proc=tmp_path) is None
    assert '27 of pinctrl-bcm2711: busy: used by process 812 (blinker) as "lg"' in str(
        busy(chip, 27, "lg", proc=tmp_path)
    )
    assert 'used by "spi0 CS0"' in str(busy(chip, 8, "spi0 CS0", proc=tmp_path))


def test_a_pin_that_the_chip_does_not_have_is_refused(chip):
    with pytest.raises(GpioRefused, match="no such pin") as refused:
        Hold(chip, [58])
    assert "0 to 57" in refused.value.fix


def test_a_chip_that_is_gone_is_told():
    with pytest.raises(GpioRefused, match="no such file"):
        Hold(Chip("/dev/no-such-chip", "gpiochip9", "x", 58), [1])


def test_without_any_chip_nothing_is_imported():
    if choose_auto() is not None:
        pytest.skip("this machine has a Pi's GPIO chip")
    with pytest.raises(GpioRefused, match="no GPIO chip of a Raspberry Pi"):
        open_pins({5: False})


def choose_auto():
    try:
        return choose(survey(), "auto")
    except GpioRefused:
        return None


# the library


def test_each_part_cleans_up_its_own_pins_and_no_others():
    library = _ready()
    panel, bar = Pins(library, {22: False}, [27]), Pins(library, {5: True, 6: False})
    panel.write(22, True)
    assert panel.read(27)
    panel.close()
    panel.close()
    assert library.directions == {5: library.OUT, 6: library.OUT}
    bar.write(6, True)
    assert library.writes == [(22, 0), (5, 1), (6, 0), (22, 1), (6, 1)]
    bar.close()
    assert not library.directions


def test_pins_that_cannot_all_be_had_are_not_kept():
    library = _ready()
    library.taken = {6}
    with pytest.raises(GpioRefused, match="GPIO 6: busy"):
        Pins(library, {5: False, 6: False})
    assert not library.directions


def test_what_a_library_says_becomes_a_pin_and_a_remedy():
    library = _ready()
    pins = Pins(library, {5: False}, [27])
    library.broken = True
    for act in (lambda: pins.write(5, True), lambda: pins.read(27)):
        with pytest.raises(GpioRefused, match=r"GPIO (5|27): GPIO register unavailable") as refused:
            act()
        assert "panel --list" in refused.value.fix


@pytest.mark.parametrize(
    ("said", "what", "fix"),
    [
        ("This module can only be run on a Raspberry Pi!", "not a Raspberry Pi", "elsewhere"),
        ("Cannot determine SOC peripheral base address", "Pi 5", "never both"),
        ("No access to /dev/mem.  Try running as root!", "not permitted", "group `gpio`"),
        ("can not open gpiochip", "can't be opened", "panel --list"),
        ("GPIO busy", "busy", "panel --list"),
    ],
)
def test_known_words_of_both_libraries_are_explained(said, what, fix):
    library = _ready()

    def refuse(*_, **__):
        raise RuntimeError(said)

    library.setup = refuse
    with pytest.raises(GpioRefused) as refused:
        Pins(library, {5: False})
    assert what in str(refused.value)
    assert fix in refused.value.fix


def test_a_missing_library_says_which_package_and_never_both(monkeypatch):
    monkeypatch.setitem(sys.modules, "RPi.GPIO", None)
    monkeypatch.setenv("RPI_LGPIO_CHIP", "7")
    with pytest.raises(GpioRefused, match=r"no module RPi\.GPIO") as refused:
        load(PI5)
    assert "sudo apt install python3-rpi-lgpio" in refused.value.fix
    assert "never both" in refused.value.fix
    assert os.environ["RPI_LGPIO_CHIP"] == "4"


def test_a_process_that_counts_by_board_position_is_refused(monkeypatch):
    library = Contract()
    library.setmode(library.BOARD)
    monkeypatch.setitem(sys.modules, "RPi", library)
    monkeypatch.setitem(sys.modules, "RPi.GPIO", library)
    monkeypatch.setenv("RPI_LGPIO_CHIP", "0")
    with pytest.raises(GpioRefused, match="board position"):
        load(PI4)


def test_importing_leaves_the_working_folder_and_the_environment_as_they_were(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LG_WD", raising=False)
    with gpio._own_folder():
        folder = Path(os.environ["LG_WD"])
        os.chdir(folder)
        (folder / ".lgd-nfy0").touch()
    assert Path.cwd() == tmp_path
    assert not folder.exists()
    assert "LG_WD" not in os.environ
    monkeypatch.setenv("LG_WD", "/somewhere")
    with gpio._own_folder():
        assert os.environ["LG_WD"] == "/somewhere"
    assert os.environ["LG_WD"] == "/somewhere"


def test_only_names_that_both_libraries_share_are_used():
    used, keywords = set(), set()
    for node in ast.walk(ast.parse((ROOT / "hw/gpio.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("library", "self._library"):
            used.add(node.attr)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "self._begin":
            keywords |= {k.arg for k in node.keywords}
    assert {"setup", "output", "input", "cleanup", "setmode", "PUD_UP"} <= used <= SHARED
    assert keywords == SHARED_KEYWORDS


def test_nothing_else_imports_a_gpio_library():
    for path in (ROOT / "hw").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert path.name == "gpio.py" or "RPi.GPIO" not in text.replace("called RPi.GPIO", "").replace(
            "`RPi.GPIO`", ""
        ), path


def test_the_contract_offers_nothing_that_the_libraries_do_not():
    offered = {name for name in vars(Contract) if not name.startswith("_")}
    assert offered <= SHARED


@pytest.mark.skipif(not importlib.util.find_spec("lgpio"), reason="rpi-lgpio is not installed here")
def test_the_real_rpi_lgpio_has_all_shared_names_and_is_told_apart(tmp_path):
    code = (
        "import os, sys\n"
        "from hw.gpio import kind, load\n"
        "from hw.gpio_chip import Chip, GpioRefused\n"
        "try: load(Chip('/dev/gpiochip99', 'gpiochip99', 'x', 1))\n"
        "except GpioRefused as error: print(error)\n"
        "library = sys.modules['RPi.GPIO']\n"
        f"print(kind(library), all(hasattr(library, name) for name in {sorted(SHARED)!r}), os.listdir('.'))\n"
    )
    env = {
        **os.environ,
        "RPI_LGPIO_REVISION": "c03112",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["GPIO library: the chip can't be opened", "rpi-lgpio True []"]


def test_a_header_without_its_chip_refuses():
    header = Header()
    header.there = False
    with pytest.raises(GpioRefused):
        header.open({5: False})
