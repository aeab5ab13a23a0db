"""Crash reports: there after every kind of death, bounded in size, number and pace, and without a name in them."""

from __future__ import annotations

import base64
import gzip
import os
import resource
import signal
import traceback
from pathlib import Path

import flyer
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import SourceError
from appliance.records import TRACK
from appliance.station.crash import (
    EVERY_S,
    KEPT,
    MOST_BYTES,
    TRACEBACK,
    Crash,
    bounded,
    collected,
    crashes,
    listen,
    read_crash,
    report,
    why,
)
from appliance.station.discreet import discreet, discreet_settings
from appliance.station.flight import FILE, Head, Wreck, boot_id, left_behind
from appliance.station.versions import installed


def wreck(frames: int = 1200, seed: int | None = None, **keys: object) -> Wreck:
    """What a process might leave; with a seed, keypoints that nothing can compress."""
    track = np.zeros(frames, TRACK)
    track["seq"] = np.arange(frames)
    track["t_s"] = 50 + np.arange(frames) / 120
    if seed is not None:
        noise = np.random.default_rng(seed)
        track["xy_px"] = noise.uniform(0, 1280, (frames, 4, 2))
        track["score"] = noise.random((frames, 4))
    shown = np.full(frames, 1, np.uint32)
    head = Head(boot_id=boot_id(), started_s=20.0, state="running", header=flyer.HEADER, settings_sha256="ab")
    plain = Wreck(head, track, track["t_s"] + 0.004, shown, 0, flyer.SETTINGS)
    return msgspec.structs.replace(plain, **keys)


def test_a_killed_station_s_report_says_why_when_and_what_was_shown(flown, tmp_path: Path):
    process = flown(tmp_path, "rest")
    process.kill()
    process.wait()
    left = left_behind(tmp_path / FILE)
    assert left
    path = report(
        tmp_path / "crashes", left, collected(tmp_path / TRACEBACK), versions={"software": "hipbar 1"}
    )
    assert path
    assert path.name == "crash-000001.json"
    crash = read_crash(path)
    assert crash.why.startswith("killed (SIGKILL)")
    assert crash.state == "running"
    assert crash.boot_id == boot_id()
    assert crash.shown == (("measurement", 1200),)
    assert crash.age_ms["p50"] == pytest.approx(4.0)
    assert crash.versions["software"] == "hipbar 1"
    assert "numpy" in crash.versions
    assert crash.header == flyer.HEADER
    assert crash.track().tobytes() == left.track.tobytes()
    assert crash.settings == '[strip]\nleds = 60\nhost = "(not told)"\n'


def test_a_segmentation_fault_s_report_has_every_thread_s_place(flown, tmp_path: Path):
    flown(tmp_path, "segv").wait()
    left = left_behind(tmp_path / FILE)
    assert left
    path = report(tmp_path / "crashes", left, collected(tmp_path / TRACEBACK))
    assert path
    crash = read_crash(path)
    assert "SIGSEGV" in crash.why
    assert "string_at" in crash.traceback
    assert collected(tmp_path / TRACEBACK) == "", "told once"


def test_the_documented_command_reads_the_keypoints(tmp_path: Path):
    path = report(tmp_path, wreck())
    assert path
    rows = gzip.decompress(base64.b64decode(msgspec.json.decode(path.read_bytes())["keypoints"]))
    assert np.frombuffer(rows, TRACK)["seq"].tolist() == list(range(1200))


def test_an_exception_s_report_has_its_words_and_its_place(tmp_path: Path):
    try:
        _ = {}["pelvis"]
    except KeyError as error:
        path = report(tmp_path, error, traceback.format_exc(), "[strip]\n", last=wreck(frames=3))
    assert path
    crash = read_crash(path)
    assert crash.why == "KeyError: 'pelvis'"
    assert "in test_an_exception_s_report" in crash.traceback
    assert crash.settings == "[strip]\n"
    assert crash.frames == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "killed (SIGKILL)"),
        ("Fatal Python error: Aborted\n\nThread ...", "watchdog"),
        ("Fatal Python error: none_dealloc: x\n", "none_dealloc"),
        ("hung for 4.2 s while camera\nThread 0x1\n  File", "hung for 4.2 s while camera"),
        ("Traceback (most recent call last):\n  File\nValueError: no\n", "ValueError: no"),
    ],
)
def test_why_is_said_in_words(text: str, words: str):
    assert words in why(wreck(), text)


def test_a_wreck_of_another_boot_is_the_machine_s_end():
    other = msgspec.structs.replace(wreck().head, boot_id="another")
    assert "machine" in why(wreck(head=other), "")


@settings(max_examples=15, deadline=None)
@given(
    frames=st.sampled_from([0, 1, 1200, 8192]),
    text=st.sampled_from(["\x00", '"\\', "a", "ü", "\U0001f3c3", "# c\n", "/x/y ", "\udcff"]),
    length=st.sampled_from([0, 1000, 400_000]),
)
def test_no_report_is_larger_than_it_may_be(
    tmp_path_factory: pytest.TempPathFactory, frames: int, text: str, length: int
):
    folder = tmp_path_factory.mktemp("large")
    long = (text * length)[:length]
    head = msgspec.structs.replace(wreck().head, state=long[:400])
    left = wreck(frames, seed=1, settings_text=long, head=head)
    path = report(folder, left, long, "", {str(k): long for k in range(100)})
    assert path
    assert path.stat().st_size <= MOST_BYTES
    crash = read_crash(path)
    assert (crash.frames > 0) == (frames > 0)
    if frames:
        assert crash.track()["seq"][-1] == frames - 1, "the newest are kept"


def test_ten_seconds_fit_beside_settings_of_full_size():
    assert (
        len(bounded(Crash(why="x", settings="s" * 65000, traceback="t" * 8000), wreck(seed=3).track))
        <= MOST_BYTES
    )
    data = bounded(Crash(why="x", settings="s" * 65000, traceback="t" * 8000), wreck(seed=3).track)
    assert msgspec.json.decode(data)["frames"] == 1200


def test_ten_are_kept_and_the_oldest_goes(tmp_path: Path):
    for turn in range(KEPT + 5):
        assert report(tmp_path, wreck(frames=1), now_s=1000.0 + turn * EVERY_S)
    names = [path.name for path in crashes(tmp_path)]
    assert names == [f"crash-{n:06d}.json" for n in range(KEPT + 5, 5, -1)]
    assert len(list(tmp_path.iterdir())) == KEPT


def test_a_crash_loop_writes_one_a_minute_and_counts_the_others(tmp_path: Path):
    left, now_s = wreck(frames=1), 1000.0
    for turn in range(600):
        report(tmp_path, left, now_s=now_s + turn)
    found = [read_crash(path) for path in crashes(tmp_path)]
    assert len(found) == 10
    assert [crash.others for crash in found] == [59] * 9 + [0]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 20_000


def test_a_report_of_another_boot_or_from_the_future_holds_nothing_back(tmp_path: Path):
    first = report(tmp_path, wreck(frames=1), now_s=1000.0)
    assert first
    assert report(tmp_path, wreck(frames=1), now_s=999.0), "a clock that went back is another boot's"
    crash = msgspec.structs.replace(read_crash(crashes(tmp_path)[0]), boot_id="another")
    crashes(tmp_path)[0].write_bytes(msgspec.json.encode(crash))
    assert report(tmp_path, wreck(frames=1), now_s=999.5)


def test_a_damaged_newest_report_holds_nothing_back(tmp_path: Path):
    (tmp_path / "crash-000041.json").write_bytes(b"{")
    path = report(tmp_path, wreck(frames=1))
    assert path
    assert path.name == "crash-000042.json"


def test_foreign_files_in_the_folder_are_let_be(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "crash-000001.json.bak").write_text("mine")
    for turn in range(KEPT + 1):
        report(tmp_path, wreck(frames=1), now_s=turn * EVERY_S)
    assert (tmp_path / "notes.txt").exists()
    assert (tmp_path / "crash-000001.json.bak").exists()


def test_a_full_disk_is_one_warning_and_leaves_nothing_half(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        assert report(tmp_path / "crashes", wreck(seed=1)) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "no crash report" in caplog.text
    assert list((tmp_path / "crashes").iterdir()) == []
    assert report(tmp_path / "crashes", wreck(seed=1)), "and when there is room again"


def test_a_folder_that_can_t_be_made_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "file").write_text("")
    assert report(tmp_path / "file" / "crashes", wreck(frames=1)) is None
    assert report(tmp_path / "file", wreck(frames=1)) is None
    assert report(tmp_path / "none" / "crashes", wreck(frames=1)) is None
    assert len(caplog.records) == 3


def test_a_traceback_file_that_can_t_be_had_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert listen(tmp_path / "none" / TRACEBACK) is False
    assert "no traceback" in caplog.text
    assert collected(tmp_path / "none" / TRACEBACK) == ""


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"why": 3}', b'{"why":"x","format":"other"}', b'{"why":"x","version":7}']
)
def test_what_is_no_report_is_refused_in_words(tmp_path: Path, data: bytes):
    (tmp_path / "crash-000001.json").write_bytes(data)
    with pytest.raises(SourceError):
        read_crash(tmp_path / "crash-000001.json")


def test_damaged_keypoints_and_those_without_end_are_refused_or_bounded():
    with pytest.raises(SourceError):
        Crash(why="x", keypoints="no base64!").track()
    with pytest.raises(SourceError):
        Crash(why="x", keypoints=base64.b64encode(b"no gzip").decode()).track()
    with pytest.raises(SourceError):
        Crash(why="x", keypoints=base64.b64encode(gzip.compress(b"torn")).decode()).track()
    assert len(Crash(why="x").track()) == 0
    endless = base64.b64encode(gzip.compress(bytes(40_000_000))).decode()
    with pytest.raises(SourceError):
        Crash(why="x", keypoints=endless).track()


def test_versions_name_what_a_defect_may_depend_on_and_not_the_machine():
    found = installed()
    assert {"python", "kernel", "machine", "numpy"} <= set(found)
    assert os.uname().nodename not in found.values()


PRIVATE = {
    "/home/anna/Maria Schmidt.mp4: no such file": "(a path): no such file",
    "[Errno 2] No such file: '/media/usb/Maria S.mp4'": "[Errno 2] No such file: '(a path)'",
    "see ~/patients/list": "see (a path)",
    "/var/lib/hipbar/../../home/maria: gone": "(a path): gone",
    "can't open maria.hbk": "can't open (a path)",
    "no route to 192.168.1.20": "no route to (an address)",
    "no route to fe80::1:2:3 at 07:15:21": "no route to (an address) at 07:15:21",
    "wled-anna.local: gone": "(an address): gone",
    "mail maria@example.org": "mail (an address)",
    "on vienna, under load": "on (this machine), under load",
    'File "/home/anna/hipbar/appliance/station/loop.py", line 3, in watch': (
        'File ".../appliance/station/loop.py", line 3, in watch'
    ),
}
OURS = [
    "/dev/video0: busy (held by 123)",
    'File "/usr/lib/hipbar/lib/python3.13/site-packages/appliance/cli.py", line 9, in main',
    "/var/lib/hipbar/recordings/000012.hbk: can't be written",
    "/etc/hipbar/hipbar.toml: strip.leds is 0",
    "119.9 frames/s, 3/4 of a/b at 07:15:21",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_what_may_name_somebody_is_taken_out(text: str):
    assert discreet(text, "vienna") == PRIVATE[text]


@pytest.mark.parametrize("text", OURS)
def test_our_own_words_stay(text: str):
    assert discreet(text, "vienna") == text


@settings(max_examples=200, deadline=None)
@given(
    before=st.text(st.characters(codec="ascii", exclude_characters="/~"), max_size=20),
    name=st.from_regex(r"[A-Z][a-z]{4,9}zq", fullmatch=True),
)
def test_no_name_in_a_home_folder_s_path_is_left_whatever_stands_before_it(before: str, name: str):
    assert name not in discreet(f"{before} /home/{name}/x.toml: gone", "")
    assert name not in discreet(f"{before} '/home/{name}/{name} {name}.mp4' gone", "")


def test_of_settings_neither_comments_nor_files_nor_hosts_are_told():
    text = (
        "# Anna's corner\n[camera]\nsource = \"video\"  # Maria\nfile = '/home/maria/x.mp4'\n"
        'device = "/dev/v4l/by-id/usb-#1"\n\n[strip]\n  host = "10.0.0.7"\nleds = 60\n'
    )
    told = (
        '[camera]\nsource = "video"\nfile = "(not told)"\ndevice = "/dev/v4l/by-id/usb-#1"\n'
        '[strip]\n  host = "(not told)"\nleds = 60\n'
    )
    assert discreet_settings(text) == told
