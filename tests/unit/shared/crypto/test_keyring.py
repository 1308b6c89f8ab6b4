"""Secrets at rest: what a change of keys needs, and what somebody who can write to the database may try."""

import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.crypto.keyring import Encrypted, Keyring, Undecipherable, new_key

OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)
KEYRING = Keyring({"k1": OLD}, current="k1")
ANN = ["acme", "ann", "authenticator-1"]
BOB = ["acme", "bob", "authenticator-2"]


@given(st.binary(), st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_what_is_encrypted_decrypts_in_its_context(plaintext: bytes, context: list[str]) -> None:
    encrypted = KEYRING.encrypt(plaintext, context=context)

    assert KEYRING.decrypt(encrypted, context=context) == plaintext
    assert encrypted.kid == "k1"


def test_encrypting_the_same_twice_looks_different() -> None:
    one, other = (KEYRING.encrypt(b"secret", context=ANN) for _ in range(2))

    assert one.nonce != other.nonce
    assert one.ciphertext != other.ciphertext


def test_a_secret_cannot_be_swapped_into_another_account() -> None:
    bobs = KEYRING.encrypt(b"the secret in bob's phone", context=BOB)

    with pytest.raises(Undecipherable):
        KEYRING.decrypt(bobs, context=ANN)


def test_names_of_the_context_cannot_be_shifted_into_each_other() -> None:
    encrypted = KEYRING.encrypt(b"secret", context=["ab", "c"])

    for context in (["a", "bc"], ["abc"], ["ab", "c", ""], ["c", "ab"]):
        with pytest.raises(Undecipherable):
            KEYRING.decrypt(encrypted, context=context)


def test_no_bit_can_be_changed() -> None:
    encrypted = KEYRING.encrypt(b"secret", context=ANN)

    for at in range(len(encrypted.ciphertext)):
        flipped = bytearray(encrypted.ciphertext)
        flipped[at] ^= 1
        with pytest.raises(Undecipherable):
            KEYRING.decrypt(replace(encrypted, ciphertext=bytes(flipped)), context=ANN)


@pytest.mark.parametrize(("nonce", "ciphertext"), [(12, 0), (12, 15), (12, 16), (0, 32), (7, 32), (10_000, 32)])
def test_a_mutilated_record_is_undecipherable_and_nothing_else(nonce: int, ciphertext: int) -> None:
    mutilated = Encrypted("k1", bytes(nonce), bytes(ciphertext))

    with pytest.raises(Undecipherable):
        KEYRING.decrypt(mutilated, context=ANN)


def test_a_record_cannot_be_relabelled_with_another_key_id() -> None:
    keyring = Keyring({"k1": OLD, "k2": OLD}, current="k1")
    encrypted = keyring.encrypt(b"secret", context=ANN)

    with pytest.raises(Undecipherable):
        keyring.decrypt(replace(encrypted, kid="k2"), context=ANN)


def test_after_a_change_of_keys_the_old_secrets_are_read_and_known_as_old() -> None:
    before = KEYRING.encrypt(b"secret", context=ANN)

    rotated = Keyring({"k2": NEW, "k1": OLD}, current="k2")
    after = rotated.encrypt(rotated.decrypt(before, context=ANN), context=ANN)

    assert not rotated.is_current(before)
    assert rotated.is_current(after)
    assert Keyring({"k2": NEW}, current="k2").decrypt(after, context=ANN) == b"secret"


def test_a_key_taken_away_too_early_is_told_as_such() -> None:
    before = KEYRING.encrypt(b"secret", context=ANN)

    with pytest.raises(Undecipherable, match="no longer holds"):
        Keyring({"k2": NEW}, current="k2").decrypt(before, context=ANN)


def test_the_first_key_of_the_environment_is_the_current_one() -> None:
    new, old = new_key(), new_key()
    before = Keyring.parse(old).encrypt(b"secret", context=ANN)

    keyring = Keyring.parse(f"{new}, {old}\n")

    assert keyring.decrypt(before, context=ANN) == b"secret"
    assert keyring.encrypt(b"", context=ANN).kid == new.partition(":")[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "k1",
        "k1:",
        "k1:c2hvcnQ=",
        ":" + "A" * 43 + "=",
        "k 1:" + "A" * 43 + "=",
        "k1:" + "A" * 42 + "!=",
        new_key() + ",",
    ],
)
def test_a_malformed_keyring_is_refused_without_telling_it(text: str) -> None:
    with pytest.raises(ValueError, match="of the keyring") as refusal:
        Keyring.parse(text)

    assert all(part not in str(refusal.value) for part in text.replace(",", ":").split(":") if len(part) > 2)


def test_two_keys_of_one_id_are_refused() -> None:
    key = new_key()

    with pytest.raises(ValueError, match="same id"):
        Keyring.parse(f"{key},{key}")


@pytest.mark.parametrize(
    ("keys", "current"), [({"k1": OLD}, "k2"), ({"k1": OLD[:16]}, "k1"), ({"k:1": OLD}, "k:1"), ({}, "")]
)
def test_a_keyring_that_could_not_work_is_refused(keys: dict[str, bytes], current: str) -> None:
    with pytest.raises(ValueError, match="key"):
        Keyring(keys, current)


def test_a_context_that_is_a_mere_text_is_a_mistake() -> None:
    with pytest.raises(TypeError):
        KEYRING.encrypt(b"secret", context="acme")


def test_a_keyring_does_not_show_its_keys() -> None:
    text = new_key()

    keyring = Keyring.parse(text)

    assert text.partition(":")[2] not in repr(keyring) + str(vars(keyring))


def test_an_encrypted_value_goes_into_a_document_and_comes_back() -> None:
    adapter = TypeAdapter(Encrypted)
    encrypted = KEYRING.encrypt(b"secret", context=ANN)

    assert adapter.validate_python(adapter.dump_python(encrypted)) == encrypted
