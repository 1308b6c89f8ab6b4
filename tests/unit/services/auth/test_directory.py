"""Users from a directory: what is refused, what is news, and that the same file twice is none."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import bcrypt
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from services.auth.domain.directory import Entry, Known, Taking, accept, hash_of, in_the_clear, opened, take
from services.auth.domain.login import check, judge
from services.auth.domain.user import User
from shared.contracts.auth import ImportedUser, ImportUsers, LoginSucceeded, UserCreated, UserDisabled, user_id_of
from shared.contracts.message import MessageId
from shared.contracts.refusals import ImportRejected
from shared.contracts.vocabulary import Service, TenantId, UserId
from shared.crypto.passwords import LONGEST_PASSWORD, Parameters, Passwords
from shared.crypto.sealing import Opener, SealBroken, Sealer, new_private_key, public_key_of
from tests.examples import ADA, BOB, CUSTOMER, FLOW, NOON, OPEN_CUSTOMER, Person

PASSWORDS = Passwords(Parameters(memory=8, passes=1))
CANARY = "canary-8d1f"


def bcrypted(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


ADAS_HASH = bcrypted(ADA.password)
ANOTHER_HASH = bcrypted("another password")


def cause() -> MessageId:
    return MessageId(uuid4())


def entry(
    person: Person = ADA, password: str | None = None, password_hash: str | None = None, *, disabled: bool = False
) -> Entry:
    user = ImportedUser(
        tenant_id=person.tenant_id,
        user_id=person.user_id,
        username=person.username,
        display_name=person.display_name,
        password=None if password is None else "sealed",
        password_hash=password_hash,
        disabled=disabled,
    )
    return Entry(user, password)


def taken(entries: Sequence[Entry], known: Known, cause: UUID) -> Taking:
    accepted = accept(entries, known, check_only=False)
    hashed = {user_id: hash_of(password, known.get(user_id), PASSWORDS) for user_id, password in in_the_clear(accepted)}
    return take(accepted, hashed, known, MessageId(cause), NOON)


def after(taking: Taking, known: Known) -> dict[UserId, User]:
    return {**known, **{user.user_id: user for user, _ in taking.writes}}


def imported(*entries: Entry, known: Known | None = None) -> dict[UserId, User]:
    return after(taken(entries, known or {}, uuid4()), known or {})


def problems(entries: Sequence[Entry], known: Known | None = None) -> dict[str, str]:
    with pytest.raises(ImportRejected) as rejected:
        accept(entries, known or {}, check_only=True)
    return {problem.entry: problem.text for problem in rejected.value.problems}


def test_a_password_in_the_clear_comes_sealed_to_auth_and_to_this_import() -> None:
    private = new_private_key()
    sealer = Sealer({Service.AUTH: public_key_of(private)})
    sealed = sealer.seal(ADA.password, recipient=Service.AUTH, field="password", flow=FLOW)
    user = entry(password="").user.model_copy(update={"password": sealed})
    command = ImportUsers(flow_id=FLOW, users=(user,), check_only=False)
    opener = Opener(Service.AUTH, [private])

    (found,) = opened(command, opener)

    assert found.password == ADA.password
    with pytest.raises(SealBroken):
        opened(command.model_copy(update={"flow_id": "another"}), opener)


def test_a_new_user_is_written_and_told() -> None:
    taking = taken([entry(password_hash=ADAS_HASH)], {}, uuid4())

    ((user, told),) = taking.writes
    assert (taking.created, taking.changed) == (1, 0)
    assert (user.user_id, user.tenant_id, user.password_hash) == (ADA.user_id, ADA.tenant_id, ADAS_HASH)
    (event,) = told
    assert isinstance(event, UserCreated)
    assert (event.user_id, event.tenant_id, event.username) == (ADA.user_id, ADA.tenant_id, ADA.username)


def test_that_a_user_may_sign_in_no_more_is_told_once() -> None:
    enabled, disabled = entry(password_hash=ADAS_HASH), entry(password_hash=ADAS_HASH, disabled=True)
    known = imported(enabled)

    taking = taken([disabled], known, uuid4())
    again = taken([entry(password_hash=ANOTHER_HASH, disabled=True)], after(taking, known), uuid4())
    back = taken([enabled], after(taking, known), uuid4())

    ((_, told),) = taking.writes
    assert [(type(event), event.user_id, event.tenant_id) for event in told] == [
        (UserDisabled, ADA.user_id, ADA.tenant_id)
    ]
    assert [events for _, events in (*again.writes, *back.writes)] == [(), ()]


def test_a_password_in_the_clear_is_kept_as_a_hash() -> None:
    user = imported(entry(password=ADA.password))[ADA.user_id]

    assert PASSWORDS.verify(user.password_hash, ADA.password)
    assert not PASSWORDS.needs_rehash(user.password_hash)


@pytest.mark.parametrize("came_with", [(ADA.password, None), (None, ADAS_HASH)])
def test_the_same_file_twice_changes_nothing(came_with: tuple[str | None, str | None]) -> None:
    known = imported(entry(ADA, *came_with), entry(BOB, *came_with))

    taking = taken([entry(ADA, *came_with), entry(BOB, *came_with)], known, uuid4())

    assert taking == Taking((), 0, 0)


@pytest.mark.parametrize("came_with", [(ADA.password, None), (None, ADAS_HASH)])
def test_the_same_import_delivered_again_gives_the_same_answer_and_writes_nothing(
    came_with: tuple[str | None, str | None],
) -> None:
    known = imported(entry(BOB, password_hash=ANOTHER_HASH))
    message, file = uuid4(), [entry(ADA, *came_with), entry(BOB, *came_with)]
    first = taken(file, known, message)

    again = taken(file, after(first, known), message)

    assert (first.created, first.changed) == (1, 1)
    assert again == Taking((), 1, 1)


def test_the_same_file_does_not_undo_the_rehash_of_a_login() -> None:
    known = imported(entry(password_hash=ADAS_HASH))
    rehashed = check(known[ADA.user_id], ADA.password, PASSWORDS).rehashed
    assert rehashed is not None
    ada = replace(known[ADA.user_id], password_hash=rehashed)

    taking = taken([entry(password_hash=ADAS_HASH)], {ADA.user_id: ada}, uuid4())

    assert taking == Taking((), 0, 0)


def test_another_hash_replaces_the_one_that_he_came_with() -> None:
    known = imported(entry(password_hash=ADAS_HASH))

    taking = taken([entry(password_hash=ANOTHER_HASH)], known, uuid4())

    ((user, told),) = taking.writes
    assert (taking.created, taking.changed) == (0, 1)
    assert (user.password_hash, user.revision, told) == (ANOTHER_HASH, 2, ())


def test_another_password_in_the_clear_replaces_the_one_he_has() -> None:
    known = imported(entry(password_hash=ADAS_HASH))

    ada = imported(entry(password="another password"), known=known)[ADA.user_id]

    assert PASSWORDS.verify(ada.password_hash, "another password")
    assert not PASSWORDS.verify(ada.password_hash, ADA.password)


def test_after_a_password_in_the_clear_the_old_hash_is_news_again() -> None:
    known = imported(entry(password_hash=ADAS_HASH))
    known = imported(entry(password="another password"), known=known)

    ada = imported(entry(password_hash=ADAS_HASH), known=known)[ADA.user_id]

    assert ada.password_hash == ADAS_HASH


@pytest.mark.parametrize(
    "differing",
    [
        entry(password_hash=ADAS_HASH, disabled=True),
        entry(replace(ADA, display_name="Countess Lovelace"), password_hash=ADAS_HASH),
        entry(replace(ADA, username=ADA.username.upper()), password_hash=ADAS_HASH),
    ],
)
def test_what_a_directory_says_otherwise_is_a_change_and_no_new_user(differing: Entry) -> None:
    known = imported(entry(password_hash=ADAS_HASH))

    taking = taken([differing], known, uuid4())

    ((user, told),) = taking.writes
    assert (taking.created, taking.changed) == (0, 1)
    assert not any(isinstance(event, UserCreated) for event in told)
    assert (user.username, user.display_name) == (differing.user.username, differing.user.display_name)
    assert user.disabled is differing.user.disabled


def test_an_import_that_only_checks_takes_nobody() -> None:
    accepted = accept([entry(password=ADA.password)], {}, check_only=True)

    assert accepted == ()


@pytest.mark.parametrize(
    "wrong",
    [
        entry(),
        entry(password=CANARY, password_hash=ADAS_HASH),
        entry(password=""),
        entry(password=CANARY * LONGEST_PASSWORD),
        entry(password_hash=CANARY),
        entry(password_hash=""),
        entry(password_hash=f"$2b$31${CANARY.ljust(53, 'a')}"),
    ],
)
def test_a_user_needs_one_usable_password_or_hash_and_no_value_is_shown(wrong: Entry) -> None:
    found = problems([wrong])

    assert list(found) == [ADA.username]
    assert CANARY not in found[ADA.username]


def test_a_username_that_is_there_twice_is_refused_however_it_is_written() -> None:
    twice = [entry(password="x"), entry(replace(ADA, username=ADA.username.upper()), password="x")]

    found = problems(twice)

    assert set(found) == {ADA.username, ADA.username.upper()}


def test_a_directory_cannot_take_over_the_user_of_another_tenant() -> None:
    known = imported(entry(ADA, password_hash=ADAS_HASH))
    thief = replace(ADA, tenant_id=OPEN_CUSTOMER)

    found = problems([entry(thief, password_hash=ANOTHER_HASH)], known)

    assert list(found) == [ADA.username]
    assert CUSTOMER not in found[ADA.username]


def test_nobody_is_taken_under_the_user_id_of_another() -> None:
    forged = entry(BOB, password_hash=ANOTHER_HASH)
    forged = Entry(forged.user.model_copy(update={"user_id": ADA.user_id}), None)

    assert list(problems([forged])) == [BOB.username]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = problems([entry(ADA), entry(BOB, password_hash="plain")])

    assert set(found) == {ADA.username, BOB.username}


class Directories(RuleBasedStateMachine):
    """Files and logins in any order: a user gets in by the password that a directory gave him last, and by no other."""

    files = Bundle("files")

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[UserId, User] = {}
        self.password: dict[UserId, str] = {}

    @rule(
        target=files,
        name=st.sampled_from(["ada", "bob"]),
        password=st.sampled_from(["one", "two", "three"]),
        hashed=st.booleans(),
        disabled=st.booleans(),
    )
    def write(self, name: str, password: str, *, hashed: bool, disabled: bool) -> tuple[Entry, str]:
        person = Person(name, TenantId("tenant"))
        if hashed:
            return entry(person, password_hash=bcrypted(password), disabled=disabled), password
        return entry(person, password=password, disabled=disabled), password

    @rule(file=files)
    def load(self, file: tuple[Entry, str]) -> None:
        found, password = file
        before = self.known.get(found.user.user_id)
        taking = taken([found], self.known, uuid4())
        assert len(taking.writes) == taking.created + taking.changed
        assert taking.created == (before is None)
        self.known = after(taking, self.known)
        self.password[found.user.user_id] = password
        assert taken([found], self.known, uuid4()) == Taking((), 0, 0)

    @rule(name=st.sampled_from(["ada", "bob"]), typed=st.sampled_from(["one", "two", "three"]))
    def sign_in(self, name: str, typed: str) -> None:
        user = self.known.get(user_id_of(name))
        checked = check(user, typed, PASSWORDS)
        verdict = judge(user, checked, FLOW, NOON)
        if user is not None and checked.rehashed is not None:
            self.known[user.user_id] = replace(user, password_hash=checked.rehashed)
        welcome = user is not None and not user.disabled and self.password[user.user_id] == typed
        assert isinstance(verdict, LoginSucceeded) is welcome

    @invariant()
    def nobody_keeps_a_password_in_the_clear(self) -> None:
        assert all(user.password_hash.startswith(("$2b$", "$argon2id$")) for user in self.known.values())


TestDirectories = Directories.TestCase
TestDirectories.settings = settings(max_examples=40, stateful_step_count=15)
