"""Only a file that was signed whole, by a key that is trusted now, gets past the signatures; each refusal says why."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packing import Keys, debian

from appliance.errors import UpkeepError
from appliance.upkeep.signatures import judged, keyrings, signature_of, signer_of

pytestmark = debian


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    """Those of somebody trusted, of somebody else, one that has expired, one that was revoked, one of tomorrow."""
    made = Keys(tmp_path_factory.mktemp("k") / "h")
    with contextlib.ExitStack() as stack:
        stack.callback(made.end)
        for name in ("trusted", "other", "revoked"):
            made.make(f"{name} <{name}@clinic.test>")
        made.make("expired", when="20200101", expires="1d")
        made.make("tomorrow", when="20990101")
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hipbar_1.0_all.deb"
    path.write_bytes(bytes(range(256)) * 400)
    return path


def checked(file: Path, keys: Keys, *rings: str) -> str:
    ring = keys.export(file.with_name("ring.gpg"), *rings)
    return signer_of(file, signature_of(file), [ring]).name


@pytest.mark.parametrize("suffix", [".asc", ".sig"])
def test_a_file_signed_by_a_trusted_key_has_a_name(file: Path, keys: Keys, suffix: str) -> None:
    keys.sign(file, "trusted", suffix)
    assert checked(file, keys, "other", "trusted") == "trusted <trusted@clinic.test>"


def test_a_signature_is_looked_for_beside_the_file(file: Path) -> None:
    with pytest.raises(UpkeepError, match=r"no signature: no .*deb\.asc or .*deb\.sig beside it"):
        signature_of(file)


def test_another_person_s_key_is_not_enough(file: Path, keys: Keys) -> None:
    keys.sign(file, "other")
    with pytest.raises(UpkeepError, match="signed by a key that this station does not trust"):
        checked(file, keys, "trusted")


@pytest.mark.parametrize("change", ["a bit", "cut short", "longer"])
def test_a_changed_file_is_not_what_was_signed(file: Path, keys: Keys, change: str) -> None:
    keys.sign(file, "trusted")
    data = bytearray(file.read_bytes())
    data[5000] ^= change == "a bit"
    file.write_bytes(data[:-1] if change == "cut short" else data + b"\n" if change == "longer" else data)
    with pytest.raises(UpkeepError, match=r"is not the file that trusted .* signed"):
        checked(file, keys, "trusted")


def test_a_key_that_has_expired_is_refused_though_its_signature_is_good(file: Path, keys: Keys) -> None:
    keys.sign(file, "expired", when="20200101")
    with pytest.raises(UpkeepError, match="the key of expired has expired"):
        checked(file, keys, "expired")


def test_a_signature_that_has_expired_is_refused(file: Path, keys: Keys) -> None:
    keys.sign(file, "trusted", options="--faked-system-time 20990101T120000! --default-sig-expire 20990102")
    assert checked(file, keys, "trusted")
    keys.make("long ago", when="20190101")
    keys.sign(file, "long ago", when="20200101", options="--default-sig-expire 1d")
    with pytest.raises(UpkeepError, match=r"signature of .* by long ago has expired"):
        checked(file, keys, "long ago")


def test_a_key_that_was_revoked_is_refused(file: Path, keys: Keys) -> None:
    keys.sign(file, "revoked")
    assert checked(file, keys, "revoked")
    keys.revoke("revoked")
    with pytest.raises(UpkeepError, match=r"the key of revoked .* was revoked"):
        checked(file, keys, "revoked")


def test_a_station_whose_clock_is_behind_takes_a_newer_signature(file: Path, keys: Keys) -> None:
    keys.sign(file, "tomorrow", when="20990102")
    assert checked(file, keys, "tomorrow") == "tomorrow"


def test_a_digest_that_can_be_forged_is_refused(file: Path, keys: Keys) -> None:
    keys.run("--passphrase", "", "--quick-gen-key", "weak", "rsa2048", "sign")
    keys.sign(file, "weak", options="--digest-algo SHA1")
    with pytest.raises(UpkeepError, match="its kind is not one that is safe"):
        checked(file, keys, "weak")


@pytest.mark.parametrize("way", ["--sign", "--clearsign"])
def test_a_signed_message_is_no_signature_of_the_file_beside_it(file: Path, keys: Keys, way: str) -> None:
    message = file.with_name("message")
    message.write_text("something else that was signed")
    keys.run("-u", "trusted", "-o", str(file) + ".sig", way, str(message))
    with pytest.raises(UpkeepError, match="not a detached signature"):
        checked(file, keys, "trusted")


def test_one_good_signature_does_not_make_up_for_a_bad_one_beside_it(file: Path, keys: Keys) -> None:
    both = [keys.sign(file, name, ".sig").read_bytes() for name in ("trusted", "other")]
    file.with_name(file.name + ".sig").write_bytes(b"".join(both))
    assert checked(file, keys, "trusted", "other")
    with pytest.raises(UpkeepError, match="does not trust"):
        checked(file, keys, "trusted")


@pytest.mark.parametrize(
    "text", ["", "no signature at all\n", "-----BEGIN PGP SIGNATURE-----\n\nabc\n", "x" * 70000]
)
def test_what_is_no_signature_is_refused(file: Path, keys: Keys, text: str) -> None:
    file.with_name(file.name + ".asc").write_text(text)
    with pytest.raises(UpkeepError, match=r"not a detached signature|too long"):
        checked(file, keys, "trusted")


def test_without_any_key_nothing_can_be_checked_and_the_clinic_s_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UpkeepError, match="trusts no key") as refused:
        keyrings([tmp_path / "shipped", tmp_path / "clinic"])
    assert str(tmp_path / "clinic") in refused.value.fix


def test_a_key_as_text_is_told_from_one_in_bytes(tmp_path: Path, keys: Keys) -> None:
    (tmp_path / "a.gpg").write_bytes(keys.run("--armor", "--export", "trusted"))
    with pytest.raises(UpkeepError, match="is a key as text") as refused:
        keyrings([tmp_path])
    assert "--dearmor" in refused.value.fix


def test_a_verdict_needs_both_lines_of_gpgv_and_its_exit_code() -> None:
    good = "[GNUPG:] GOODSIG 0123456789ABCDEF a name\n"
    valid = "[GNUPG:] VALIDSIG 00112233 2026-01-01 0 0 4 0 22 8 00 00112233\n"
    assert judged(good + valid, 0, "f").fingerprint == "00112233"
    for status, code in (
        (good, 0),
        (valid, 0),
        ("", 0),
        (good + valid, 1),
        (good + valid + "[GNUPG:] PLAINTEXT 62 0\n", 0),
    ):
        with pytest.raises(UpkeepError):
            judged(status, code, "f")
