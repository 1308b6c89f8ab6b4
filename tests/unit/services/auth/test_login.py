"""Logins: who gets in, what is told of those who do not, and what an attacker could measure."""

import bcrypt
import pytest

from services.auth.domain.login import Check, check, judge
from services.auth.domain.user import User
from shared.contracts.auth import LoginFailed, LoginSucceeded, username_key
from shared.contracts.message import MessageId
from shared.contracts.vocabulary import LoginFailure
from shared.crypto.passwords import LONGEST_PASSWORD, Parameters, Passwords
from tests.examples import ADA, FLOW, NOON, messages


class WatchedPasswords(Passwords):
    """Remembers which hashes were verified."""

    def __init__(self) -> None:
        self.verified: list[str] = []
        super().__init__(Parameters(memory=8, passes=1))

    def verify(self, hashed: str, password: str) -> bool:
        self.verified.append(hashed)
        return super().verify(hashed, password)


PASSWORDS = Passwords(Parameters(memory=8, passes=1))
BCRYPT = bcrypt.hashpw(ADA.password.encode(), bcrypt.gensalt(4)).decode()
IMPORT = messages()["import-users.v1"].id


def user(password_hash: str = PASSWORDS.hash(ADA.password), *, disabled: bool = False) -> User:
    return User(
        user_id=ADA.user_id,
        tenant_id=ADA.tenant_id,
        username=ADA.username,
        username_key=username_key(ADA.username),
        display_name=ADA.display_name,
        password_hash=password_hash,
        imported_hash=None,
        disabled=disabled,
        created_by=MessageId(IMPORT),
        changed_by=MessageId(IMPORT),
        revision=1,
    )


def test_the_right_password_succeeds_and_names_the_user() -> None:
    ada = user()

    verdict = judge(ada, check(ada, ADA.password, PASSWORDS), FLOW, NOON)

    assert isinstance(verdict, LoginSucceeded)
    assert (verdict.flow_id, verdict.tenant_id, verdict.user_id) == (FLOW, ADA.tenant_id, ADA.user_id)
    assert (verdict.username, verdict.display_name) == (ADA.username, ADA.display_name)


@pytest.mark.parametrize(
    ("somebody", "typed", "reason"),
    [
        (None, ADA.password, LoginFailure.UNKNOWN_USER),
        (user(), "a guess", LoginFailure.WRONG_PASSWORD),
        (user(disabled=True), ADA.password, LoginFailure.DISABLED),
        (user(disabled=True), "a guess", LoginFailure.DISABLED),
    ],
)
def test_whoever_may_not_enter_is_told_why_in_the_event_only(
    somebody: User | None, typed: str, reason: LoginFailure
) -> None:
    checked = check(somebody, typed, PASSWORDS)

    verdict = judge(somebody, checked, FLOW, NOON)

    assert isinstance(verdict, LoginFailed)
    assert verdict.reason is reason
    assert verdict.user_id == (None if somebody is None else ADA.user_id)
    assert verdict.tenant_id == (None if somebody is None else ADA.tenant_id)
    assert checked.rehashed is None


@pytest.mark.parametrize(
    ("somebody", "is_locked", "reason"),
    [(user(disabled=True), False, LoginFailure.DISABLED), (user(), True, LoginFailure.LOCKED)],
)
def test_neither_a_disabled_nor_a_locked_user_enters_even_where_his_password_was_found_right(
    somebody: User, *, is_locked: bool, reason: LoginFailure
) -> None:
    verdict = judge(somebody, Check(matches=True), FLOW, NOON, is_locked=is_locked)

    assert isinstance(verdict, LoginFailed)
    assert verdict.reason is reason


@pytest.mark.parametrize("typed", [ADA.password, "a guess"])
@pytest.mark.parametrize(
    ("somebody", "is_locked"),
    [(None, False), (user(disabled=True), False), (user(BCRYPT, disabled=True), False), (user(BCRYPT), True)],
)
def test_nobody_the_disabled_and_the_locked_cost_one_hash_of_the_same_kind_as_a_wrong_password(
    somebody: User | None, typed: str, *, is_locked: bool
) -> None:
    passwords = WatchedPasswords()
    check(user(passwords.hash(ADA.password)), "a guess", passwords)

    checked = check(somebody, typed, passwords, is_locked=is_locked)

    real, nobody = (hashed.rsplit("$", 2)[0] for hashed in passwords.verified)
    assert nobody == real == "$argon2id$v=19$m=8,t=1,p=1"
    assert checked == Check(matches=False)


@pytest.mark.parametrize("somebody", [None, user(), user(BCRYPT)])
def test_a_password_longer_than_the_bound_is_simply_wrong(somebody: User | None) -> None:
    checked = check(somebody, "x" * (LONGEST_PASSWORD + 1), PASSWORDS)

    verdict = judge(somebody, checked, FLOW, NOON)

    assert isinstance(verdict, LoginFailed)


def test_the_hash_of_another_system_is_replaced_at_the_login() -> None:
    rehashed = check(user(BCRYPT), ADA.password, PASSWORDS).rehashed

    assert rehashed is not None
    assert not PASSWORDS.needs_rehash(rehashed)
    assert PASSWORDS.verify(rehashed, ADA.password)


def test_a_wrong_password_replaces_no_hash() -> None:
    assert check(user(BCRYPT), "a guess", PASSWORDS) == Check(matches=False)
