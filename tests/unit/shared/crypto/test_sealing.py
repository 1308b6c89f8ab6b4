"""Sealed values, and all that an attacker at the broker may try with them."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from shared.crypto.encoding import from_base64url, joined, to_base64url
from shared.crypto.sealing import (
    LONGEST_PLAINTEXT,
    Opener,
    SealBroken,
    Sealer,
    new_private_key,
    public_key_of,
)

AUTH, ENROLLMENT = new_private_key(), new_private_key()
SEALER = Sealer({"auth": public_key_of(AUTH), "enrollment": public_key_of(ENROLLMENT)})
OPENER = Opener("auth", [AUTH])
CANARY = "kanarienvogel"


def sealed(plaintext: str = CANARY) -> str:
    return SEALER.seal(plaintext, recipient="auth", field="password", flow="f1")


@given(st.text())
def test_what_is_sealed_opens_at_its_recipient(plaintext: str) -> None:
    assert OPENER.open(sealed(plaintext), field="password", flow="f1") == plaintext


@pytest.mark.parametrize("plaintext", ["", "\0", "a\0\0", "\x80", "\ud800", "x" * LONGEST_PLAINTEXT, "é" * 64])
def test_awkward_texts_come_back_as_they_were(plaintext: str) -> None:
    assert OPENER.open(sealed(plaintext), field="password", flow="f1") == plaintext


def test_sealing_the_same_twice_looks_different() -> None:
    assert sealed() != sealed()


def test_a_sealed_value_shows_neither_the_secret_nor_its_length() -> None:
    value = sealed()

    assert CANARY not in value
    assert len({len(sealed("x" * length)) for length in range(64)}) == 1


def test_it_cannot_be_moved_into_another_flow() -> None:
    value = sealed()

    with pytest.raises(SealBroken):
        OPENER.open(value, field="password", flow="f2")


def test_it_cannot_be_passed_off_as_another_field() -> None:
    value = sealed()

    with pytest.raises(SealBroken):
        OPENER.open(value, field="code", flow="f1")


def test_field_and_flow_cannot_be_shifted_into_each_other() -> None:
    value = SEALER.seal(CANARY, recipient="auth", field="ab", flow="c")

    with pytest.raises(SealBroken):
        OPENER.open(value, field="a", flow="bc")


def test_another_service_cannot_open_it() -> None:
    value = sealed()

    with pytest.raises(SealBroken):
        Opener("enrollment", [ENROLLMENT]).open(value, field="password", flow="f1")


def test_another_service_cannot_open_it_even_with_the_same_key() -> None:
    value = sealed()

    with pytest.raises(SealBroken):
        Opener("enrollment", [AUTH]).open(value, field="password", flow="f1")


def test_no_letter_of_it_can_be_changed() -> None:
    value = sealed()

    for at, letter in enumerate(value):
        changed = value[:at] + ("A" if letter != "A" else "B") + value[at + 1 :]
        with pytest.raises(SealBroken):
            OPENER.open(changed, field="password", flow="f1")


def test_no_other_spelling_of_the_same_bytes_opens() -> None:
    value = sealed()

    for respelled in (value + "=", value + "\n", value + "A", " " + value, value.replace(".", ". ")):
        with pytest.raises(SealBroken):
            OPENER.open(respelled, field="password", flow="f1")


@given(st.text() | st.text().map(lambda garbage: sealed().partition(".")[0] + "." + garbage))
def test_garbage_is_a_broken_seal_and_nothing_else(garbage: str) -> None:
    with pytest.raises(SealBroken):
        OPENER.open(garbage, field="password", flow="f1")


def test_huge_text_is_refused_without_being_read() -> None:
    huge = sealed() + "A" * (3 * 10**7)

    before = time.process_time()
    with pytest.raises(SealBroken):
        OPENER.open(huge, field="password", flow="f1")

    assert time.process_time() - before < 0.05


def test_what_would_be_too_long_to_open_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="too long"):
        sealed("x" * (LONGEST_PLAINTEXT + 1))


def test_a_point_that_makes_the_shared_secret_zero_is_refused() -> None:
    prefix = sealed().partition(".")[0]

    with pytest.raises(SealBroken):
        OPENER.open(f"{prefix}.{to_base64url(bytes(32 + 80))}", field="password", flow="f1")


def test_a_broken_seal_tells_nothing_of_the_content() -> None:
    value = sealed()

    with pytest.raises(SealBroken) as refusal:
        OPENER.open(value, field="password", flow="f2")

    assert str(refusal.value) == "the sealed value cannot be opened"
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_the_old_key_still_opens_while_keys_are_changed() -> None:
    old, new = sealed(), new_private_key()

    rotated = Opener("auth", [new, AUTH])
    fresh = Sealer({"auth": public_key_of(new)}).seal("new", recipient="auth", field="password", flow="f1")

    assert rotated.open(old, field="password", flow="f1") == CANARY
    assert rotated.open(fresh, field="password", flow="f1") == "new"
    with pytest.raises(SealBroken):
        Opener("auth", [new]).open(old, field="password", flow="f1")


def test_nothing_is_sealed_to_somebody_unknown() -> None:
    with pytest.raises(LookupError, match="audit"):
        SEALER.seal(CANARY, recipient="audit", field="password", flow="f1")


@pytest.mark.parametrize("key", ["", "garbage!", AUTH[:-1], AUTH + "AA", base64.b64encode(bytes(32)).decode()])
def test_a_malformed_key_is_refused_without_telling_it(key: str) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: public_key_of(key),
        lambda: Sealer({"auth": key}),
        lambda: Opener("auth", [key]),
    ]

    for attempt in attempts:
        with pytest.raises(ValueError, match="32 bytes") as refusal:
            attempt()
        assert key == "" or key not in str(refusal.value)


def test_neither_sealer_nor_opener_shows_its_keys() -> None:
    assert AUTH not in repr(OPENER) + str(vars(OPENER))
    assert public_key_of(AUTH) not in repr(SEALER)


def test_it_is_hpke_as_rfc_9180_writes_it() -> None:
    content = from_base64url(sealed().partition(".")[2])
    info = joined(["wardgate sealing 1", "auth", "password", "f1"])

    padded = opened_by_the_book(AUTH, content[:32], content[32:], info)

    assert padded == CANARY.encode() + b"\x80" + bytes(50)


def opened_by_the_book(private: str, encapsulated: bytes, ciphertext: bytes, info: bytes) -> bytes:
    """Open with the steps of RFC 9180 sections 4.1 and 5.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM."""
    key = X25519PrivateKey.from_private_bytes(from_base64url(private))
    shared = key.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"

    context = encapsulated + key.public_key().public_bytes_raw()
    secret = expand(kem, extract(kem, b"", b"eae_prk", shared), b"shared_secret", context, 32)

    context = b"\0" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    secret = extract(suite, secret, b"secret", b"")
    nonce = expand(suite, secret, b"base_nonce", context, 12)
    return AESGCM(expand(suite, secret, b"key", context, 32)).decrypt(nonce, ciphertext, b"")


def extract(suite: bytes, salt: bytes, label: bytes, content: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + content, hashlib.sha256)


def expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return hmac.digest(key, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\1", hashlib.sha256)[
        :length
    ]
