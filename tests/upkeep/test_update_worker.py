"""Real packages are installed by the real dpkg under a root of their own; a file says how the service is.

The service is this test's own process, or a child of it: alive, with a status file that the test writes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from init import Init
from packing import Keys, architecture, deb, debian, empty_root

from appliance.errors import UpkeepError
from appliance.upkeep.ledger import Ledger
from appliance.upkeep.orders import Desk, forgets
from appliance.upkeep.packages import Packages, needs, reason_of
from appliance.upkeep.stages import HEALTHY, Limits, Package, Stage, Update
from appliance.upkeep.worker import Worker, bundle

pytestmark = [debian, pytest.mark.skipif(os.geteuid() != 0, reason="dpkg installs packages for root only")]

_MEMORY = Path("/dev/shm")
QUICK = Limits(within_s=1.0, steady_s=0.2)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    made = Keys(tmp_path_factory.mktemp("k") / "h")
    with contextlib.ExitStack() as stack:
        stack.callback(made.end)
        made.make("maker")
        made.make("stranger")
        yield made


class Station:
    """A root with version 1.0 installed, a trusted key, and a service that says of each version what `states` has."""

    def __init__(self, root: Path, keys: Keys) -> None:
        self.root, self.keys, self.ledger = root, keys, Ledger(root)
        empty_root(root)
        self.files = root / "home"
        self.files.mkdir()
        keys.export(root / "etc/hipbar/keys/maker.gpg", "maker")
        subprocess.run(
            ["dpkg", f"--root={root}", "-i", deb(self.files, "1.0")], check=True, capture_output=True
        )
        self.states: dict[str, str] = {}
        self.init = Init(root, self.states)
        self.init.start()

    def signed(self, version: str, files: dict[str, str] | None = None, **fields: str) -> Path:
        file = deb(self.files, version, files, **fields)
        self.keys.sign(file, "maker")
        return file

    def order(self, file: Path | None, **more: bool) -> Update:
        """An order, written down."""
        desk = Desk(self.root, settle_s=2.0)
        order = desk.back() if file is None else desk.update(file, **more)
        self.ledger.write(order)
        return order

    def finish(self, order: Update) -> Update:
        """What comes of it."""
        return Worker(self.ledger, QUICK, pace_s=0.02).finish(order)

    @property
    def version(self) -> str:
        """What is really there."""
        facts = Packages(self.root).installed()
        assert facts
        assert (self.root / "usr/lib/hipbar/version").read_text() == facts.version
        return facts.version

    def kept(self) -> list[str]:
        """The versions that are kept; their files are all that lies there."""
        kept = self.ledger.kept()
        files = {path.name for path in self.ledger.packages.iterdir()}
        assert files == {package.file for package in kept} | ({"kept.json"} if kept else set())
        return [package.version for package in kept]


@pytest.fixture
def station(keys: Keys) -> Iterator[Station]:
    """In memory where that is there: dpkg waits for the disk at every file."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 1 << 30
    with tempfile.TemporaryDirectory(dir=_MEMORY if roomy else None) as folder:
        made = Station(Path(folder) / "root", keys)
        yield made
        made.init.end()


def test_a_good_version_is_installed_and_the_one_before_is_kept(station: Station) -> None:
    over = station.finish(station.order(station.signed("1.1")))
    assert over.stage == Stage.UPDATED
    assert station.version == "1.1"
    assert station.kept() == ["1.1", "1.0"]
    assert station.ledger.under_way() is None
    assert station.ledger.last() == over
    assert [(entry["from"], entry["to"], entry["outcome"]) for entry in station.ledger.history()] == [
        ("1.0", "1.1", "updated")
    ]
    assert over.signer.startswith("maker (")


def test_two_versions_are_kept_and_no_more(station: Station) -> None:
    for version in ("1.1", "1.2", "1.3"):
        assert station.finish(station.order(station.signed(version))).stage == Stage.UPDATED
    assert station.kept() == ["1.3", "1.2"]
    assert "packing up" not in station.ledger.log.read_text().split("1.2 is kept from before")[1]


def test_the_kept_version_can_be_gone_back_to_and_forth_again(station: Station) -> None:
    station.finish(station.order(station.signed("1.1")))
    for version in ("1.0", "1.1", "1.0"):
        assert station.finish(station.order(None)).stage == Stage.UPDATED
        assert station.version == version
        assert len(station.kept()) == 2


def test_without_a_kept_version_there_is_nothing_to_go_back_to(station: Station) -> None:
    with pytest.raises(UpkeepError, match="no other version is kept"):
        station.order(None)


@pytest.mark.parametrize("state", ["warming up", "no camera", "fault", ""])
def test_a_version_that_is_not_well_is_taken_back(station: Station, state: str) -> None:
    station.states["1.1"] = state
    over = station.finish(station.order(station.signed("1.1")))
    assert over.stage == Stage.WENT_BACK
    assert station.version == "1.0"
    assert station.kept() == ["1.0"]
    assert state in over.why


def test_when_the_one_before_is_not_well_either_that_is_told(station: Station) -> None:
    order = station.order(station.signed("1.1"))
    station.states.update({"1.1": "fault", "1.0": "warming up"})
    over = station.finish(order)
    assert over.stage == Stage.UNWELL
    assert "fault" in over.why
    assert station.version == "1.0"


def test_a_package_that_can_t_be_installed_is_taken_back(station: Station) -> None:
    script = {"DEBIAN/preinst": "#!/bin/sh\nexit 3\n"}
    over = station.finish(station.order(station.signed("1.1", script)))
    assert over.stage == Stage.WENT_BACK
    assert "dpkg failed" in over.why
    assert station.version == "1.0"


def test_a_package_whose_scripts_stand_in_the_way_back_goes_without_them(station: Station) -> None:
    info = station.root / "var/lib/dpkg/info"
    order = station.order(station.signed("1.1", {"DEBIAN/preinst": "#!/bin/sh\nexit 3\n"}))
    for script in ("prerm", "postrm"):  # as a package leaves them that was installed before this one
        (info / f"hipbar.{script}").write_text("#!/bin/sh\nexit 3\n")
        (info / f"hipbar.{script}").chmod(0o755)
    over = station.finish(order)
    assert over.stage == Stage.WENT_BACK
    assert station.version == "1.0"
    assert "without the scripts of what is there" in station.ledger.log.read_text()


def test_without_a_camera_before_no_camera_is_good_enough(station: Station) -> None:
    station.states.update({"1.0": "no camera", "1.1": "no camera"})
    station.init.join(0.1)
    assert station.finish(station.order(station.signed("1.1"))).stage == Stage.UPDATED


def test_what_is_gone_back_to_is_not_trusted_blindly(station: Station) -> None:
    station.finish(station.order(station.signed("1.1")))
    kept = station.ledger.packages / station.ledger.kept()[1].file
    kept.write_bytes(kept.read_bytes() + b"x")
    with pytest.raises(UpkeepError, match="is not the package that was kept"):
        station.order(None)


def test_a_copy_that_changes_after_it_was_checked_is_not_installed(station: Station) -> None:
    order = station.order(station.signed("1.1"))
    copy = station.ledger.packages / order.new.file
    copy.write_bytes(copy.read_bytes() + b"x")
    over = station.finish(order)
    assert over.stage == Stage.WENT_BACK
    assert "is not what it was" in over.why
    assert station.version == "1.0"


def test_the_file_given_may_change_once_it_was_checked(station: Station) -> None:
    file = station.signed("1.1")
    order = station.order(file)
    file.write_bytes(b"something else")
    assert station.finish(order).stage == Stage.UPDATED
    assert station.version == "1.1"


@pytest.mark.parametrize("stage", [Stage.KEEP, Stage.INSTALL, Stage.WATCH, Stage.BACK, Stage.WATCH_BACK])
@pytest.mark.parametrize("done", [False, True], ids=["before its work", "after its work"])
def test_an_update_that_was_cut_off_is_finished_or_taken_back(
    station: Station, stage: Stage, done: bool
) -> None:
    order = station.order(station.signed("1.1"))
    _cut(station, order, stage, done=done)
    left = station.ledger.under_way()
    assert left
    station.finish(left)
    last = station.ledger.last()
    assert last
    assert last.stage == (Stage.WENT_BACK if "back" in stage.value else Stage.UPDATED)
    assert station.version == ("1.0" if "back" in stage.value else "1.1")
    assert len(station.kept()) == (1 if "back" in stage.value else 2)
    assert len(station.ledger.history()) == 1


class Cut(BaseException):
    """The power is gone."""


def _cut(station: Station, order: Update, stage: Stage, *, done: bool) -> None:
    """Carries an order out until it is at a stage, before or after the work of it."""

    class Cutting(Worker):
        def _worked(self, update: Update) -> Update:
            if update.stage == stage and not done:
                raise Cut
            if update.stage == Stage.WATCH and "back" in stage.value:
                raise UpkeepError("not well", fix="")
            worked = super()._worked(update)
            if update.stage == stage:
                raise Cut
            return worked

    with pytest.raises(Cut):
        Cutting(station.ledger, QUICK, pace_s=0.02).finish(order)


def test_the_program_needs_nothing_but_a_python(station: Station, tmp_path: Path) -> None:
    program = tmp_path / "program.pyz"
    program.write_bytes(bundle())
    order = station.order(station.signed("1.1"))
    subprocess.run(["dpkg", f"--root={station.root}", "-r", "hipbar"], check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-I", "-S", program, station.root],
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "1.1 was not installed: dpkg-repack made no package" in done.stdout
    last = station.ledger.last()
    assert last
    assert last.number == order.number


def test_two_never_carry_out_the_same_update(station: Station, tmp_path: Path) -> None:
    station.order(station.signed("1.1"))
    (tmp_path / "p.pyz").write_bytes(bundle())
    with (station.ledger.folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-I", tmp_path / "p.pyz", station.root],
            capture_output=True,
            text=True,
            check=True,
        )
    assert "already" in done.stdout
    assert station.version == "1.0"


@pytest.mark.parametrize("stage", [Stage.KEEP, Stage.WATCH])
def test_while_somebody_else_installs_an_update_does_not_begin_and_one_that_has_begun_waits(
    station: Station, stage: Stage
) -> None:
    order = dataclasses.replace(station.order(station.signed("1.1")), stage=stage)
    station.ledger.write(order)
    hold = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    lock = station.root / "var/lib/dpkg/lock-frontend"
    with subprocess.Popen(
        [sys.executable, "-c", hold, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        other.stdout.readline()
        worker = Worker(station.ledger, QUICK, pace_s=0.02, busy_s=0.1)
        if stage == Stage.KEEP:
            assert worker.finish(order).stage == Stage.REFUSED
            assert station.ledger.under_way() is None
        else:
            with pytest.raises(UpkeepError, match="busy with something else"):
                worker.finish(order)
            assert station.ledger.under_way() == order
        other.kill()
    assert station.version == "1.0"


def test_a_killed_worker_leaves_what_the_next_one_finishes(station: Station, tmp_path: Path) -> None:
    (tmp_path / "p.pyz").write_bytes(bundle())
    station.order(station.signed("1.1"))
    words = [sys.executable, "-I", tmp_path / "p.pyz", station.root]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout
        for line in worker.stdout:
            if line.startswith("watching"):
                worker.send_signal(signal.SIGKILL)
    left = station.ledger.under_way()
    assert left
    assert left.stage == Stage.WATCH
    assert station.finish(left).stage == Stage.UPDATED
    assert "was cut off at: watch" in station.ledger.log.read_text()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Package": "other"}, "this is the package other"),
        ({"Architecture": "s390x"}, "this package is for s390x processors"),
    ],
)
def test_another_package_is_refused(station: Station, fields: dict[str, str], words: str) -> None:
    with pytest.raises(UpkeepError, match=words):
        station.order(station.signed("1.1", **fields))
    assert station.kept() == []


def test_this_computer_s_own_processors_are_right(station: Station) -> None:
    assert station.order(station.signed("1.1", Architecture=architecture())).new.version == "1.1"


def test_an_older_version_needs_a_word(station: Station) -> None:
    file = station.signed("0.9~rc1")
    with pytest.raises(UpkeepError, match=r"older than 1.0") as refused:
        station.order(file)
    assert "--allow-downgrade" in refused.value.fix
    assert station.finish(station.order(file, allow_downgrade=True)).stage == Stage.UPDATED
    assert station.version == "0.9~rc1"


def test_the_same_version_is_nothing_new(station: Station) -> None:
    with pytest.raises(UpkeepError, match="is installed already"):
        station.order(station.signed("1.0"))


def test_a_signed_file_that_is_no_package_is_refused_by_its_own_name(station: Station) -> None:
    file = station.files / "thing.deb"
    file.write_text("no package")
    station.keys.sign(file, "maker")
    with pytest.raises(UpkeepError, match=r"thing.deb is no Debian package"):
        station.order(file)
    assert station.kept() == []


def test_a_stranger_s_package_changes_nothing(station: Station) -> None:
    file = deb(station.files, "1.1")
    station.keys.sign(file, "stranger")
    with pytest.raises(
        UpkeepError, match=r"hipbar_1.1_all.deb is signed by a key that this station does not trust"
    ):
        station.order(file)
    assert station.kept() == []
    assert station.ledger.under_way() is None


def test_no_file_is_told(station: Station) -> None:
    with pytest.raises(UpkeepError, match="no such file"):
        station.order(station.files / "absent.deb")


def test_one_update_at_a_time(station: Station) -> None:
    station.order(station.signed("1.1"))
    with pytest.raises(UpkeepError, match=r"the update to 1.1 is not over yet"):
        station.order(station.signed("1.2"))


def test_without_room_nothing_is_begun(station: Station) -> None:
    with pytest.raises(UpkeepError, match="MB are needed"):
        station.order(station.signed("1.1", Installed_Size=str(1 << 33)))
    assert station.kept() == []


def test_nothing_to_update_without_a_package(station: Station) -> None:
    file = station.signed("1.1")
    subprocess.run(["dpkg", f"--root={station.root}", "-r", "hipbar"], check=True, capture_output=True)
    with pytest.raises(UpkeepError, match="not installed as a package"):
        station.order(file)


def test_a_folder_of_updates_that_others_can_write_to_is_refused(station: Station) -> None:
    station.ledger.folder.mkdir(parents=True)
    station.ledger.folder.chmod(0o777)
    with pytest.raises(UpkeepError, match="does not belong to root alone"):
        station.order(station.signed("1.1"))


def test_a_stage_that_can_t_be_read_is_told_with_what_helps(station: Station) -> None:
    station.ledger.prepare()
    station.ledger.stage.write_text("{")
    with pytest.raises(UpkeepError, match="can't be understood") as told:
        station.ledger.under_way()
    assert str(station.ledger.stage) in told.value.fix


def test_the_history_forgets_a_torn_line_and_is_bounded(station: Station) -> None:
    station.ledger.prepare()
    history = station.ledger.folder / "history.jsonl"
    history.write_text('{"outcome": "updated"}\n' * 300 + '{"outco')
    over = dataclasses.replace(_done("7"), why="ü")
    station.ledger.write(over)
    assert len(station.ledger.history()) == 200
    assert station.ledger.history()[-1]["why"] == "ü"
    station.ledger.write(over)
    assert len(station.ledger.history()) == 200, "the same end is not told twice"


def _done(number: str) -> Update:
    new, old = Package("1.1", "new.deb", "a"), Package("1.0", "old.deb", "b")
    return Update(number, new, old, HEALTHY, stage=Stage.UPDATED)


def test_what_apt_rehearses_is_understood() -> None:
    assert needs("Inst hipbar [1.0] (1.1 local)\nConf hipbar (1.1 local)\n", "", 0) == ""
    assert needs("Inst python3-x (2 Debian)\nInst hipbar (1.1)\nRemv exim4 [4]\n", "", 0) == (
        "needs python3-x; would remove exim4"
    )
    unmet = " hipbar : Depends: python3 (>= 3.13) but 3.11.2-1+b1 is to be installed\n"
    assert needs(unmet + "          Depends: gpgv but it is not installable\n", "E: broken\n", 100) == (
        "Depends: python3 (>= 3.13) but 3.11.2-1+b1 is to be installed; "
        "Depends: gpgv but it is not installable"
    )
    assert needs("", "W: x\nE: Unable to correct problems\n", 100) == "Unable to correct problems"
    assert needs("", "", 100) == "apt-get ended with 100"


def test_the_reason_is_what_dpkg_said_last_before_its_list_of_names() -> None:
    said = [
        "dpkg: error processing package x (--install):",
        "script returned 7",
        "Errors were encountered:",
        "x",
    ]
    assert reason_of(said) == "script returned 7"
    assert reason_of(["", "killed", ""]) == "killed"
    assert reason_of([]) == "without a word"


def test_a_root_that_forgets_is_known_by_its_mount() -> None:
    assert forgets("/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n", in_container=False) == ""
    assert "memory" in forgets("overlayroot / overlay rw,lowerdir=/media/root-ro 0 0\n", in_container=False)
    assert forgets("overlay / overlay rw,lowerdir=/x 0 0\n", in_container=True) == ""
    assert "read-only" in forgets("/dev/a / ext4 ro,noatime 0 0\n", in_container=False)
    assert forgets("/dev/a / ext4 ro 0 0\n/dev/a / ext4 rw 0 0\n", in_container=False) == ""
    assert forgets("", in_container=False) == ""
