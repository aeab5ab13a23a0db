"""`hipbar update` under a real systemd and dpkg: what is good stays, what is not goes back, and no cut leaves a half.

The packages are small ones whose service only says how it is. With HIPBAR_BENCH_LONG=1 there are also versions that
never get well, which takes the whole minute each, and the station's own package from one version to the next and back.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.station import bench, serving, updatecuts, updating, watch
from tests.station.layers import cache
from tests.station.package import deb
from tests.station.serving import LONG, debian, installed, station
from tests.station.updating import LEDGER, LONG_SCENES, SCENES, played
from tests.station.vm import Vm
from tests.upkeep.packing import lacking

pytestmark = pytest.mark.station
Outcome = dict[str, Any]


@pytest.fixture(scope="module")
def outcomes(pytestconfig: pytest.Config) -> dict[str, Outcome]:
    """What came of each scene; they are played side by side."""
    reason = serving.lacking() or (f"updates: apt-get install {' '.join(lacking)}" if lacking else None)
    if reason:
        if bench.wish() == "required":
            pytest.fail(f"{reason} (and HIPBAR_BENCH=required)", pytrace=False)
        pytest.skip(reason)
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        root = debian("trixie", deb("trixie"))
    found = played(root, {**SCENES, **LONG_SCENES} if LONG else SCENES)
    rows = {
        name: {"seconds": one["over"]["seconds"], "took_s": one["took_s"]}
        for name, one in found.items()
        if "over" in one
    }
    (cache() / "reports").mkdir(exist_ok=True)
    (cache() / "reports/update.json").write_text(json.dumps(rows, indent=1) + "\n")
    return found


def is_whole(outcome: Outcome, version: str, *kept: str) -> None:
    """That version is installed and works, those are kept, and nothing else lies about."""
    assert outcome["version"] == f"{version} installed"
    assert outcome["broken"] == ""
    assert outcome["state"] == "ready"
    assert outcome["kept"] == list(kept)
    assert len(outcome["files"]) == (len(kept) + 1 if kept else 0)


def test_a_good_version_is_installed_watched_and_told(outcomes: dict[str, Outcome]) -> None:
    one = outcomes["good"]
    assert one["said"].code == 0
    told = json.loads(one["said"].out)
    assert (told["outcome"], told["from"], told["to"]) == ("updated", "1.0", "2.0")
    assert told["signer"].startswith("maker (")
    assert "Setting up hipbar (2.0)" in one["said"].err
    is_whole(one, "2.0", "2.0", "1.0")
    assert one["status"].out.startswith("installed  2.0\nkept       2.0, ")


def test_it_goes_on_when_nobody_looks_on_any_more(outcomes: dict[str, Outcome]) -> None:
    one = outcomes["left"]
    assert one["said"].code == 130
    assert "the update goes on without you" in one["said"].err
    assert one["again"].code == 8
    assert "the update to 2.0 is not over yet" in one["again"].err
    assert one["over"]["stage"] == "updated"
    is_whole(one, "2.0", "2.0", "1.0")


def test_the_kept_version_can_be_gone_back_to(outcomes: dict[str, Outcome]) -> None:
    one = outcomes["back"]
    assert one["said"].code == 0
    assert one["said"].out.startswith("2.0 is installed and works; 1.0 is kept\n")
    is_whole(one, "2.0", "2.0", "1.0")


def test_a_version_whose_service_falls_over_is_taken_back_at_once(outcomes: dict[str, Outcome]) -> None:
    one = outcomes["falls over"]
    assert one["said"].code == 8
    # seen by its falling over; on a machine too busy to start it nine times in a minute, by the minute
    assert re.search(r"3\.0 did not work: the service (was started \d+ times|is not well)", one["said"].err)
    assert "1.0 is back, and works as before" in one["said"].err
    assert one["over"]["seconds"]["watch"] < 70
    is_whole(one, "1.0", "1.0")


def test_a_version_whose_own_scripts_fail_is_taken_back(outcomes: dict[str, Outcome]) -> None:
    one = outcomes["scripts fail"]
    assert one["said"].code == 8
    assert one["over"]["stage"] == "went back"
    assert one["over"]["why"].endswith("post-installation script subprocess returned error exit status 7")
    is_whole(one, "1.0", "1.0")


def test_what_is_refused_changes_nothing_and_says_why(outcomes: dict[str, Outcome]) -> None:
    one = outcomes["refused"]
    words = [
        "signed by a key that this station does not trust",
        "has no signature",
        "it can't be installed here: Depends: python3 (< 3.0)",
        "1.0 is installed already",
        "no other version is kept",
        "only root may change",
        "trusts no key",
    ]
    for said, expected in zip(one["said"], words, strict=True):
        assert (said.code, said.out) == (8, "")
        assert expected in said.err
        assert "Traceback" not in said.err
    assert one["pid"] == one["before"]["pid"], "the service was started anew"
    is_whole(one, "1.0")


def test_cut_off_in_the_middle_of_dpkg_it_is_finished_at_the_next_start(outcomes: dict[str, Outcome]) -> None:
    one = outcomes["cut at install"]
    assert "half configured" in one["cut"]
    assert one["over"]["stage"] == "updated"
    is_whole(one, "2.0", "2.0", "1.0")


def test_cut_off_while_it_is_watched_it_is_watched_at_the_next_start(outcomes: dict[str, Outcome]) -> None:
    one = outcomes["cut at watch"]
    assert one["over"]["stage"] == "updated"
    is_whole(one, "2.0", "2.0", "1.0")


def test_cut_off_on_the_way_back_it_goes_on_back(outcomes: dict[str, Outcome]) -> None:
    one = outcomes["cut on the way back"]
    assert one["cut"] == "back"
    assert one["over"]["stage"] == "went back"
    is_whole(one, "1.0", "1.0")


def test_a_version_that_takes_the_machine_down_at_each_start_is_taken_back(
    outcomes: dict[str, Outcome],
) -> None:
    one = outcomes["takes the machine down"]
    assert one["over"]["stage"] == "went back"
    assert one["over"]["why"] == "watch: cut off 3 times"
    is_whole(one, "1.0", "1.0")


@pytest.mark.skipif(not LONG, reason="takes a minute each: HIPBAR_BENCH_LONG=1")
@pytest.mark.parametrize(("name", "state"), [("for ever", "warming up"), ("no camera", "no camera")])
def test_a_version_that_never_gets_well_is_taken_back_after_a_minute(
    outcomes: dict[str, Outcome], name: str, state: str
) -> None:
    one = outcomes[name]
    assert one["said"].code == 8
    assert f"the service is not well after 60 s: {state}" in one["said"].err
    assert 60 <= one["over"]["seconds"]["watch"] < 70
    is_whole(one, "1.0", "1.0")


@pytest.mark.skipif(not LONG, reason="takes some minutes: HIPBAR_BENCH_LONG=1")
def test_the_station_s_own_package_is_updated_and_comes_back(outcomes: dict[str, Outcome]) -> None:
    """To a newer one, and from there to one whose service falls over."""
    assert outcomes
    first, second = deb("trixie"), deb("trixie", version="99.1")
    with updating.stocked() as stock:
        new = Path(shutil.copy(second, stock.debs))
        stock.keys.sign(new, "maker")
        worse = updating.package(stock.debs, "100.0", updating.FALLS_OVER)
        stock.keys.sign(worse, "maker")
        with station(installed("trixie", first), binds={"/debs": stock.debs}) as one:
            one.bar.await_first(0.0, watch.MEASURING)
            one.box.run("mkdir -p /etc/hipbar/keys && cp /debs/maker.gpg /etc/hipbar/keys/")
            rows = {}
            for file, code, version in ((new, 0, "99.1"), (worse, 8, "99.1")):
                began_s = time.monotonic()
                said = one.box.run(f"hipbar update /debs/{file.name}", check=False, timeout_s=600)
                assert said.code == code, said.err
                assert one.box.run("hipbar --version").out.strip() == f"hipbar {version}"
                looks = [look for look in one.bar.looks(began_s) if look.name == watch.MEASURING]
                away = [after.from_s - before.to_s for before, after in itertools.pairwise(looks)]
                last = json.loads(one.box.read(f"{LEDGER}/last.json"))
                took_s = time.monotonic() - began_s
                rows[file.name] = {"took_s": took_s, "no_measuring_s": max(away), "seconds": last["seconds"]}
                assert one.active == "active"
            (cache() / "reports/update-own.json").write_text(json.dumps(rows, indent=1) + "\n")
            assert rows[new.name]["no_measuring_s"] < 5.0, rows


@pytest.mark.skipif(not LONG, reason="takes some minutes: HIPBAR_BENCH_LONG=1")
def test_no_cut_of_the_power_leaves_half_a_version(vm: Vm, tmp_path: Path) -> None:
    load = updatecuts.recorded(vm, tmp_path)
    found = updatecuts.cut_often(load, 200, 1)
    left = updatecuts.cut_often(load, 60, 1, take_up=False)
    said = f"{updatecuts.as_text(load, found)}\nwithout taking it up: {updatecuts.as_text(load, left)}\n"
    (cache() / "reports/update-cuts.txt").write_text(said)
    assert not [one.wrong for one in found if one.wrong], said
    assert {one.stage for one in found} >= {"keep", "install", "watch", "back", "watch back"}
    assert len([one for one in left if one.wrong]) > 20, (
        "the control: cuts that leave nothing half prove nothing"
    )
