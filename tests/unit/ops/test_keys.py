"""Keys of a development system are made once and kept from others."""

from pathlib import Path

from ops.keys import kept_keys
from shared.crypto.keyring import Keyring
from shared.crypto.sealing import Opener, Sealer


def test_keys_are_made_once_and_are_the_same_the_next_time(tmp_path: Path) -> None:
    first = kept_keys(tmp_path / "keys", ["auth", "gateway"])

    assert kept_keys(tmp_path / "keys", ["auth", "gateway"]) == first
    assert len({*first.private.values(), first.keyring}) == 3


def test_a_service_that_is_new_gets_a_key_and_the_others_keep_theirs(tmp_path: Path) -> None:
    before = kept_keys(tmp_path, ["auth"])

    after = kept_keys(tmp_path, ["auth", "audit"])

    assert after.private["auth"] == before.private["auth"]
    assert "audit" in after.public


def test_only_the_owner_can_read_a_key(tmp_path: Path) -> None:
    kept_keys(tmp_path / "keys", ["auth"])

    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    assert [file.name for file in (tmp_path / "keys").iterdir() if file.stat().st_mode & 0o077] == []


def test_a_launcher_that_was_killed_while_it_made_a_key_leaves_no_half_key(tmp_path: Path) -> None:
    (tmp_path / "auth.key.new").write_text("hal")

    Opener("auth", [kept_keys(tmp_path, ["auth"]).private["auth"]])


def test_the_keys_fit_each_other(tmp_path: Path) -> None:
    keys = kept_keys(tmp_path, ["auth"])

    sealed = Sealer(keys.public).seal("a password", recipient="auth", field="password", flow="flow")

    assert Opener("auth", [keys.private["auth"]]).open(sealed, field="password", flow="flow") == "a password"
    encrypted = Keyring.parse(keys.keyring).encrypt(b"a secret", context=["tenant"])
    assert Keyring.parse(keys.keyring).decrypt(encrypted, context=["tenant"]) == b"a secret"
