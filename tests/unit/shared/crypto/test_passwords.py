"""Passwords: our own hashes, those of others, and what is typed to break them."""

import base64
import hashlib
import time
from collections.abc import Callable

import argon2
import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.crypto.passwords import LONGEST_PASSWORD, OWASP, Parameters, Passwords, is_supported

CHEAP = Parameters(memory=8, passes=1, lanes=1)
PASSWORDS = Passwords(CHEAP)
TYPED = "correct horse battery staple"
SALT = b"saltsaltsaltsalt"

# Published by the systems that wrote them: Openwall's crypt_blowfish, Django's and passlib's own tests.
PASSLIB_SHA512 = "eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww"
PUBLISHED = [
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
    ("lètmein", "pbkdf2_sha256$20000$seasalt$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0="),
    ("lètmein", "pbkdf2_sha256$30000$seasalt$VrX+V8drCGo68wlvy6rfu8i1d1pfkdeXA4LJkRGJodY="),
    ("password", "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ"),
    ("password", f"$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow${PASSLIB_SHA512}"),
]


def django(algorithm: str, password: str = TYPED, iterations: int = 1000) -> str:
    digest = hashlib.pbkdf2_hmac(algorithm, password.encode(), SALT, iterations)
    return f"pbkdf2_{algorithm}${iterations}${SALT.decode()}${base64.b64encode(digest).decode()}"


def passlib(algorithm: str) -> str:
    digest = hashlib.pbkdf2_hmac(algorithm, TYPED.encode(), SALT, 1000)
    return f"$pbkdf2-{algorithm}$1000${adapted(SALT)}${adapted(digest)}"


def adapted(content: bytes) -> str:
    return base64.b64encode(content).decode().rstrip("=").replace("+", ".")


def bcrypted(prefix: str, password: bytes = TYPED.encode()) -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(4)).decode().replace("$2b$", f"${prefix}$")


def argon2id(memory: int = 64, passes: int = 3, lanes: int = 2) -> str:
    return argon2.PasswordHasher(passes, memory, lanes, hash_len=16, salt_len=8).hash(TYPED)


IMPORTED = [
    *(bcrypted(prefix) for prefix in ("2a", "2b", "2y")),
    *(django(algorithm) for algorithm in ("sha1", "sha256", "sha512")),
    *(passlib(algorithm) for algorithm in ("sha256", "sha512")),
    argon2id(),
]


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_hash_fits_its_password_and_no_other(password: str, suffix: str) -> None:
    hashed = PASSWORDS.hash(password)

    assert PASSWORDS.verify(hashed, password)
    assert not PASSWORDS.verify(hashed, f"{password}x{suffix}")


def test_a_hash_is_argon2id_at_the_owasp_setting() -> None:
    hashed = Passwords().hash(TYPED)

    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert Parameters() == OWASP
    assert Passwords().verify(hashed, TYPED)


def test_the_same_password_hashes_differently_each_time() -> None:
    assert PASSWORDS.hash(TYPED) != PASSWORDS.hash(TYPED)


@pytest.mark.parametrize(("password", "hashed"), PUBLISHED)
def test_published_hashes_of_other_systems_verify(password: str, hashed: str) -> None:
    assert is_supported(hashed)
    assert PASSWORDS.verify(hashed, password)
    assert not PASSWORDS.verify(hashed, password + "x")


@pytest.mark.parametrize("hashed", IMPORTED)
def test_an_imported_hash_verifies_and_is_to_be_made_anew(hashed: str) -> None:
    assert is_supported(hashed)
    assert PASSWORDS.verify(hashed, TYPED)
    assert not PASSWORDS.verify(hashed, TYPED.upper())
    assert not PASSWORDS.verify(hashed, "")
    assert PASSWORDS.needs_rehash(hashed)


def test_a_hash_at_the_set_cost_is_left_alone_and_any_other_cost_is_not() -> None:
    hashed = PASSWORDS.hash(TYPED)

    assert not PASSWORDS.needs_rehash(hashed)
    assert Passwords(Parameters(memory=16, passes=1)).needs_rehash(hashed)
    assert Passwords(Parameters(memory=8, passes=2)).needs_rehash(hashed)


def test_one_password_typed_on_two_keyboards_is_one_password() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"

    assert PASSWORDS.verify(PASSWORDS.hash(composed), decomposed)
    assert PASSWORDS.verify(PASSWORDS.hash(decomposed), composed)
    assert not PASSWORDS.verify(PASSWORDS.hash("2"), "²"), "different letters stay different"


def test_an_imported_hash_of_a_decomposed_password_still_fits_it() -> None:
    decomposed = "cafe\u0301"

    assert PASSWORDS.verify(django("sha256", decomposed), decomposed)


def test_bcrypt_reads_72_bytes_as_it_always_did() -> None:
    hashed = bcrypted("2b", b"x" * 72)

    assert PASSWORDS.verify(hashed, "x" * 80)
    assert not PASSWORDS.verify(hashed, "x" * 71)


def test_our_own_hash_reads_every_letter() -> None:
    hashed = PASSWORDS.hash("x" * LONGEST_PASSWORD)

    assert PASSWORDS.verify(hashed, "x" * LONGEST_PASSWORD)
    assert not PASSWORDS.verify(hashed, "x" * (LONGEST_PASSWORD - 1) + "y")


def test_a_huge_password_costs_nothing_and_is_simply_wrong() -> None:
    huge = "é" * 10**6
    hashed = Passwords().hash(TYPED)

    before = time.process_time()
    verdicts = [PASSWORDS.verify(hashed, huge) for _ in range(1000)]

    assert not any(verdicts)
    assert time.process_time() - before < 1
    with pytest.raises(ValueError, match="at most 1024"):
        PASSWORDS.hash(huge)


@pytest.mark.parametrize("password", ["\0", "a\0b", "\ud800", "\U0010ffff", " ", "x" * LONGEST_PASSWORD])
@pytest.mark.parametrize("hashed", [*IMPORTED, PASSWORDS.hash(TYPED)])
def test_an_odd_password_is_wrong_and_nothing_else(hashed: str, password: str) -> None:
    assert PASSWORDS.verify(hashed, password) is False


def test_nobody_has_no_password_and_costs_what_somebody_costs() -> None:
    passwords = Passwords(Parameters(memory=16 * 1024, passes=4))
    hashed = passwords.hash(TYPED)

    # By turns, and the least of each: what else the machine does strikes both alike.
    costs = [
        (cpu(lambda: passwords.verify_nobody("wrong")), cpu(lambda: passwords.verify(hashed, "wrong")))
        for _ in range(5)
    ]
    nobody, somebody = (min(cost) for cost in zip(*costs, strict=True))

    assert passwords.verify_nobody("wrong") is False
    assert nobody == pytest.approx(somebody, rel=0.5)


def cpu(work: Callable[[], bool]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


@pytest.mark.parametrize(
    "hashed",
    [
        "",
        "plain text",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC9E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$\u0660\u0665$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "pbkdf2_md5$1000$salt$X03MO1qnZdYdgyfeuILPmQ==",
        "pbkdf2_sha256$1000$seasalt$short",
        "pbkdf2_sha256$1000$seasalt$b2ItYmFkLWxlbmd0aA==",
        "pbkdf2_sha256$0$seasalt$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0=",
        "pbkdf2_sha256$20000$$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0=",
        "pbkdf2_sha256$20000$seasalt$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0=\n",
        "$pbkdf2-sha256$1212$A$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
        "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAB",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$",
        "$argon2id$v=19$m=8,t=1,p=4$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_what_is_no_known_hash_is_refused_at_import_and_fits_nothing(hashed: str) -> None:
    assert not is_supported(hashed)
    assert PASSWORDS.verify(hashed, TYPED) is False
    assert PASSWORDS.needs_rehash(hashed)


@pytest.mark.parametrize(
    "hashed",
    [
        "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "pbkdf2_sha256$4000000$seasalt$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0=",
        f"pbkdf2_sha256${'9' * 5000}$seasalt$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0=",
        "$pbkdf2-sha256$9999999$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
        "$argon2id$v=19$m=524288,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=65536,t=9999,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=65536,t=1,p=99$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_a_hash_cannot_be_imported_to_keep_a_processor_busy(hashed: str) -> None:
    before = time.process_time()

    assert not is_supported(hashed)
    assert PASSWORDS.verify(hashed, TYPED) is False
    assert time.process_time() - before < 0.1


@pytest.mark.parametrize("memory_and_passes", [(65536, 3), (65536, 4), (19456, 2), (47104, 1), (7168, 5), (262144, 3)])
def test_the_usual_settings_of_others_are_bearable(memory_and_passes: tuple[int, int]) -> None:
    memory, passes = memory_and_passes

    assert is_supported(f"$argon2id$v=19$m={memory},t={passes},p=4$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA")
    assert is_supported(django("sha256", iterations=1).replace("$1$", "$1200000$"))


@given(st.text())
def test_any_text_at_all_is_only_no_hash(text: str) -> None:
    assert not is_supported(text)
    assert PASSWORDS.verify(text, TYPED) is False
