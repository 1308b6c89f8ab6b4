"""Several authenticators: added beside the old ones, renamed, removed down to the last; recovery codes made anew."""

import hashlib
import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter

from services.enrollment.domain.enrollment import PENDING_FOR, confirm, start
from services.enrollment.domain.management import (
    add,
    confirm_added,
    listed,
    remove,
    rename,
    renew_recovery_codes,
    step_up,
)
from services.enrollment.domain.owner import NAME, Account, Occasion, Owner, State
from services.enrollment.domain.recovery import RecoverySet
from services.enrollment.domain.vault import Vault
from services.enrollment.domain.verification import verify
from shared.contracts.attempts import FREE, Proof
from shared.contracts.enrollment import (
    EnrollmentConfirmed,
    EnrollmentRejected,
    EnrollmentStarted,
    OtpRejected,
    OtpVerified,
)
from shared.contracts.management import (
    MOST_AUTHENTICATORS,
    AdditionAllowed,
    AuthenticatorAdded,
    AuthenticatorRemoved,
    AuthenticatorsListed,
    ConfirmAuthenticator,
    ListAuthenticators,
    RecoveryCodesRenewed,
    RemovalAllowed,
    RenameAuthenticator,
    RenewalAllowed,
    StepUp,
    StepUpVerified,
)
from shared.contracts.message import InFlow, MessageId
from shared.contracts.refusals import (
    FreshCodeRequired,
    LastAuthenticator,
    NameTaken,
    NotFound,
    TooManyAttempts,
    TooManyAuthenticators,
    WrongState,
)
from shared.contracts.vocabulary import AuthenticatorId, AuthenticatorType, CodeFailure, FlowId, Sealed, Service
from shared.crypto import otp
from shared.crypto.keyring import Keyring
from shared.crypto.recovery_codes import new_recovery_codes
from tests.examples import ADA, FLOW, NOON
from tests.keys import Keys
from tests.phone import recovery_codes

KEYS = Keys()
GATEWAY = KEYS.opener(Service.GATEWAY)
SECRETS = (hashlib.sha1(str(number).encode()).digest() for number in itertools.count())  # noqa: S324 - 20 bytes
VAULT = Vault(Keyring.parse(KEYS.keyring), KEYS.sealer(), new_secret=lambda: next(SECRETS))
ACCOUNT = Account("The customer-1", ADA.username)
CODES, KEPT = new_recovery_codes()
TOTP, RECOVERY_CODE = AuthenticatorType.TOTP, AuthenticatorType.RECOVERY_CODE

SESSION, OTHER_SESSION = FLOW, FlowId("the login of another session")
NUMBERS = itertools.count(1)


def asked(login: FlowId = SESSION) -> dict[str, Any]:
    return {"flow_id": FlowId(f"request {next(NUMBERS)}"), "login": login, **dict(ADA.named)}


def at(message: InFlow, **time: float) -> Occasion:
    """The occasion of a message, as its handler makes it."""
    flow = message.flow_id
    return Occasion(flow, NOON + timedelta(**time), MessageId(UUID(int=next(NUMBERS))))


def owner_of(count: int = 1, *, codes: bool = True) -> Owner:
    owner = Owner(ADA.tenant_id, ADA.user_id, ACCOUNT, recovery=(RecoverySet.issued(KEPT, NOON),) if codes else ())
    for number in range(count):
        one = VAULT.authenticator(owner, ACCOUNT, VAULT.new_secret(), NOON)
        owner = owner.given(replace(one, state=State.ACTIVE, name=f"Phone {number}"))
    return owner


def allowed(login: FlowId = SESSION, *, by_code: bool = True) -> AdditionAllowed:
    return AdditionAllowed(
        **asked(login), occurred_at=NOON, username=ADA.username, issuer="The customer-1", by_code=by_code
    )


def adding(owner: Owner, login: FlowId = SESSION) -> tuple[Owner, EnrollmentStarted]:
    event = allowed(login)
    owner, (started,) = add(owner, event, at(event), VAULT)
    assert isinstance(started, EnrollmentStarted)
    return owner, started


def first_code(owner: Owner, steps: int = 0) -> str:
    assert owner.pending is not None
    return otp.code_at(VAULT.secret_of(owner, owner.pending), otp.step_at(NOON) + steps)


def code_of(owner: Owner, number: int = 0, steps: int = 0) -> str:
    return otp.code_at(VAULT.secret_of(owner, owner.active[number]), otp.step_at(NOON) + steps)


def confirmation(started: EnrollmentStarted, login: FlowId = SESSION) -> ConfirmAuthenticator:
    return ConfirmAuthenticator(**asked(login), authenticator_id=started.authenticator_id, code="sealed")


def confirmed(owner: Owner, started: EnrollmentStarted, code: str) -> tuple[Owner, AuthenticatorAdded]:
    command = confirmation(started)
    owner, (added,) = confirm_added(owner, command, code, at(command), VAULT)
    assert isinstance(added, AuthenticatorAdded)
    return owner, added


def removing(owner: Owner, number: int = 0, *, even_the_last: bool = False) -> tuple[Owner, AuthenticatorRemoved]:
    event = RemovalAllowed(
        **asked(), occurred_at=NOON, authenticator_id=owner.active[number].id, even_the_last=even_the_last
    )
    owner, (removed,) = remove(owner, event, at(event))
    assert isinstance(removed, AuthenticatorRemoved)
    return owner, removed


def is_good(owner: Owner, code: str) -> bool:
    _, events = verify(owner, TOTP, code, Occasion(FlowId(f"login {next(NUMBERS)}"), NOON), VAULT)
    return isinstance(events[0], OtpVerified)


def opened(sealed: Sealed, flow: FlowId) -> str:
    return GATEWAY.open(sealed, field="recovery_codes", flow=flow)


# Adding


def test_the_old_one_stays_good_until_the_new_one_is_confirmed_and_after_it() -> None:
    owner = owner_of()

    owner, started = adding(owner)
    assert is_good(owner, code_of(owner))
    assert not is_good(owner, first_code(owner))
    owner, added = confirmed(owner, started, first_code(owner))

    assert (added.authenticator_id, added.name) == (started.authenticator_id, NAME)
    assert [one.name for one in owner.active] == ["Phone 0", NAME]
    assert is_good(owner, code_of(owner, 0))
    assert is_good(owner, code_of(owner, 1, steps=1))


def test_the_confirming_code_is_used_up() -> None:
    owner, started = adding(owner_of())
    code = first_code(owner)

    owner, _ = confirmed(owner, started, code)

    assert not is_good(owner, code)


def test_asked_again_in_the_same_session_the_key_is_the_same() -> None:
    owner, first = adding(owner_of())
    pending = owner.pending

    owner, second = adding(owner)

    assert owner.pending == pending
    assert (first.authenticator_id, first.expires_at) == (second.authenticator_id, second.expires_at)


def test_a_key_that_a_thief_started_is_shown_to_nobody_else() -> None:
    owner, started = adding(owner_of(), OTHER_SESSION)
    seeded = first_code(owner)

    owner, mine = adding(owner, SESSION)

    assert mine.authenticator_id != started.authenticator_id
    assert first_code(owner) != seeded
    command = confirmation(started, OTHER_SESSION)
    with pytest.raises(NotFound):
        confirm_added(owner, command, seeded, at(command), VAULT)


def test_a_key_that_was_started_in_a_session_is_not_shown_at_a_login_and_not_confirmed_by_one() -> None:
    owner, started = adding(owner_of(0))
    code = first_code(owner)

    with pytest.raises(WrongState):
        confirm(owner, code, Occasion(OTHER_SESSION, NOON), VAULT)
    owner, (shown,) = start(owner, ACCOUNT, Occasion(OTHER_SESSION, NOON), VAULT)

    assert isinstance(shown, EnrollmentStarted)
    assert shown.authenticator_id != started.authenticator_id


def test_another_session_cannot_confirm_what_this_one_started() -> None:
    owner, started = adding(owner_of())
    command = confirmation(started, OTHER_SESSION)

    with pytest.raises(NotFound):
        confirm_added(owner, command, first_code(owner), at(command), VAULT)


def test_an_unknown_or_another_users_authenticator_id_confirms_renames_and_removes_nothing() -> None:
    owner, _ = adding(owner_of(2))
    theirs = AuthenticatorId("of somebody else")
    confirming = ConfirmAuthenticator(**asked(), authenticator_id=theirs, code="sealed")
    renaming = RenameAuthenticator(**asked(), authenticator_id=theirs, name="Mine")
    event = RemovalAllowed(**asked(), occurred_at=NOON, authenticator_id=theirs, even_the_last=True)

    with pytest.raises(NotFound):
        confirm_added(owner, confirming, first_code(owner), at(confirming), VAULT)
    with pytest.raises(NotFound):
        rename(owner, renaming, at(renaming))
    with pytest.raises(NotFound):
        remove(owner, event, at(event))


def test_a_pending_one_is_neither_renamed_nor_removed() -> None:
    owner, started = adding(owner_of())
    renaming = RenameAuthenticator(**asked(), authenticator_id=started.authenticator_id, name="Mine")
    event = RemovalAllowed(**asked(), occurred_at=NOON, authenticator_id=started.authenticator_id, even_the_last=True)

    with pytest.raises(NotFound):
        rename(owner, renaming, at(renaming))
    with pytest.raises(NotFound):
        remove(owner, event, at(event))


def test_there_is_no_sixth_one() -> None:
    owner = owner_of(MOST_AUTHENTICATORS)
    event = allowed()

    with pytest.raises(TooManyAuthenticators):
        add(owner, event, at(event), VAULT)


def test_there_is_no_sixth_one_by_starting_it_while_there_were_four() -> None:
    owner, started = adding(owner_of(MOST_AUTHENTICATORS - 1))
    full = replace(owner, authenticators=(*owner_of().active, *owner.authenticators))
    command = confirmation(started)

    with pytest.raises(TooManyAuthenticators):
        confirm_added(full, command, first_code(full), at(command), VAULT)


def test_who_proved_no_code_adds_nothing_to_what_there_is() -> None:
    owner, event = owner_of(), allowed(by_code=False)

    with pytest.raises(FreshCodeRequired):
        add(owner, event, at(event), VAULT)


def test_the_first_one_comes_with_recovery_codes_and_a_further_one_leaves_those_there_are() -> None:
    owner, started = adding(owner_of(0, codes=False))
    owner, first = confirmed(owner, started, first_code(owner))
    assert first.recovery_codes is not None
    assert len(opened(first.recovery_codes, first.flow_id)) > 100

    before = owner.recovery
    owner, started = adding(owner)
    owner, second = confirmed(owner, started, first_code(owner))

    assert second.recovery_codes is None
    assert owner.recovery == before


def test_an_answer_that_was_lost_is_given_again_to_the_session_that_confirmed() -> None:
    owner, started = adding(owner_of(0, codes=False))
    code = first_code(owner)
    owner, first = confirmed(owner, started, code)

    after, second = confirmed(owner, started, code)

    assert (first.bindings, second.bindings) == (1, 1)
    assert after.authenticators == owner.authenticators
    assert second.recovery_codes is not None
    assert len(after.recovery) == 2, "which of the two answers was seen nobody knows"


def test_told_again_after_it_was_confirmed_no_second_one_is_started() -> None:
    owner, event = owner_of(), allowed()
    owner, (started,) = add(owner, event, at(event), VAULT)
    assert isinstance(started, EnrollmentStarted)
    command = confirmation(started)
    owner, _ = confirm_added(owner, command, first_code(owner), at(command, seconds=9), VAULT)

    with pytest.raises(WrongState):
        add(owner, event, at(event, seconds=10), VAULT)

    assert owner.pending is None


@pytest.mark.parametrize(("minutes", "reason"), [(0, CodeFailure.WRONG), (15, CodeFailure.ENROLLMENT_EXPIRED)])
def test_a_wrong_or_late_first_code_leaves_everything_as_it_was(minutes: int, reason: CodeFailure) -> None:
    owner, started = adding(owner_of())
    command = confirmation(started)
    code = "000000" if minutes == 0 else first_code(owner, 30)

    after, (told,) = confirm_added(owner, command, code, at(command, minutes=minutes), VAULT)

    assert isinstance(told, EnrollmentRejected)
    assert (told.reason, told.flow_id) == (reason, command.flow_id)
    assert after.authenticators == owner.authenticators
    assert timedelta(minutes=15) == PENDING_FOR


def test_first_codes_of_added_ones_are_counted_with_all_other_codes() -> None:
    owner, started = adding(owner_of())
    for _ in range(FREE):
        command = confirmation(started)
        owner, _ = confirm_added(owner, command, "000000", at(command), VAULT)
    command, up = confirmation(started), StepUp(**asked(), code="sealed")

    assert owner.attempts.of(Proof.TOTP).in_a_row == FREE
    with pytest.raises(TooManyAttempts):
        confirm_added(owner, command, first_code(owner), at(command), VAULT)
    with pytest.raises(TooManyAttempts):
        step_up(owner, up, code_of(owner), at(up), VAULT)


# Stepping up


def test_a_step_up_uses_a_code_up_like_a_login() -> None:
    owner, command = owner_of(), StepUp(**asked(), code="sealed")

    owner, (told,) = step_up(owner, command, code_of(owner), at(command), VAULT)

    assert isinstance(told, StepUpVerified)
    assert (told.login, told.method) == (SESSION, TOTP)
    assert not is_good(owner, code_of(owner))


def test_the_code_that_signed_in_does_not_step_up() -> None:
    owner = owner_of()
    code = code_of(owner)
    owner, (verified,) = verify(owner, TOTP, code, Occasion(SESSION, NOON), VAULT)
    command = StepUp(**asked(SESSION), code="sealed")

    _, (told,) = step_up(owner, command, code, at(command), VAULT)

    assert isinstance(verified, OtpVerified)
    assert isinstance(told, OtpRejected)
    assert told.reason is CodeFailure.ALREADY_USED


def test_a_recovery_code_steps_up_once() -> None:
    owner = owner_of()
    first = StepUp(**asked(), method=RECOVERY_CODE, code="sealed")
    second = StepUp(**asked(), method=RECOVERY_CODE, code="sealed")

    owner, once = step_up(owner, first, CODES[0], at(first), VAULT)
    _, twice = step_up(owner, second, CODES[0], at(second), VAULT)

    assert isinstance(once[0], StepUpVerified)
    assert isinstance(twice[0], OtpRejected)


def test_who_has_no_authenticator_has_nothing_to_step_up_with() -> None:
    owner, command = owner_of(0), StepUp(**asked(), method=RECOVERY_CODE, code="sealed")

    with pytest.raises(WrongState):
        step_up(owner, command, CODES[0], at(command), VAULT)


# Renaming and removing


def test_a_name_is_the_users_own_and_no_two_are_the_same_to_a_reader() -> None:
    owner = owner_of(2)
    free = RenameAuthenticator(**asked(), authenticator_id=owner.active[0].id, name="Tablet")
    same = RenameAuthenticator(**asked(), authenticator_id=owner.active[0].id, name="PHONE 0")
    taken = RenameAuthenticator(**asked(), authenticator_id=owner.active[0].id, name="phone \uff11")

    after, _ = rename(owner, free, at(free))
    assert [one.name for one in after.active] == ["Tablet", "Phone 1"]
    rename(owner, same, at(same))
    with pytest.raises(NameTaken):
        rename(owner, taken, at(taken))


def test_added_ones_are_numbered_where_nobody_named_them() -> None:
    owner = owner_of(0)
    for _ in range(3):
        owner, started = adding(owner)
        owner, _ = confirmed(owner, started, first_code(owner))

    assert [one.name for one in owner.active] == [NAME, f"{NAME} 2", f"{NAME} 3"]


def test_the_codes_of_a_removed_one_are_worth_nothing() -> None:
    owner = owner_of(2)
    code = code_of(owner, 0)

    owner, removed = removing(owner, 0)

    assert removed.left == 1
    assert not is_good(owner, code)
    assert is_good(owner, code_of(owner, 0))


def test_the_last_one_stays_while_one_is_required() -> None:
    with pytest.raises(LastAuthenticator):
        removing(owner_of(1))


def test_of_two_removals_at_once_the_second_finds_the_last_one() -> None:
    owner = owner_of(2)
    second = owner.active[1].id
    owner, _ = removing(owner, 0)
    event = RemovalAllowed(**asked(), occurred_at=NOON, authenticator_id=second, even_the_last=False)

    with pytest.raises(LastAuthenticator):
        remove(owner, event, at(event))


def test_one_that_is_being_added_does_not_count_as_left() -> None:
    owner, _ = adding(owner_of(1))

    with pytest.raises(LastAuthenticator):
        removing(owner, 0)


def test_the_last_one_is_replaced_by_adding_first() -> None:
    owner, started = adding(owner_of(1))
    owner, _ = confirmed(owner, started, first_code(owner))

    owner, removed = removing(owner, 0)

    assert removed.left == 1
    assert [one.id for one in owner.active] == [started.authenticator_id]


def test_with_the_last_one_go_the_recovery_codes() -> None:
    owner, removed = removing(owner_of(1), even_the_last=True)

    assert (removed.left, owner.recovery, owner.active) == (0, (), ())


def test_told_again_to_remove_it_the_answer_is_the_same_and_nothing_else_goes() -> None:
    owner = owner_of(3)
    event = RemovalAllowed(**asked(), occurred_at=NOON, authenticator_id=owner.active[0].id, even_the_last=True)
    after, (once,) = remove(owner, event, at(event))

    again, (twice,) = remove(after, event, at(event))

    assert again == after
    assert once.model_copy(update={"id": twice.id}) == twice


def test_every_change_of_the_active_ones_is_counted_and_nothing_else_is() -> None:
    owner = owner_of(0)
    owner, started = adding(owner)
    assert owner.bindings == 0
    owner, added = confirmed(owner, started, first_code(owner))
    renaming = RenameAuthenticator(**asked(), authenticator_id=owner.active[0].id, name="Tablet")
    owner, _ = rename(owner, renaming, at(renaming))
    owner, removed = removing(owner, even_the_last=True)

    assert (added.bindings, removed.bindings, owner.bindings) == (1, 2, 2)


# Recovery codes


def test_new_recovery_codes_put_an_end_to_all_earlier_ones() -> None:
    owner, event = owner_of(), RenewalAllowed(**asked(), occurred_at=NOON)

    owner, (told,) = renew_recovery_codes(owner, event, at(event), VAULT)

    assert isinstance(told, RecoveryCodesRenewed)
    codes = recovery_codes(
        EnrollmentConfirmed(**{**told.model_dump(), "authenticator_id": AuthenticatorId("any")}), GATEWAY
    )
    old, new = (StepUp(**asked(), method=RECOVERY_CODE, code="sealed") for _ in range(2))
    assert isinstance(step_up(owner, old, CODES[0], at(old), VAULT)[1][0], OtpRejected)
    assert isinstance(step_up(owner, new, codes[0], at(new), VAULT)[1][0], StepUpVerified)


def test_codes_made_twice_by_one_request_stand_both() -> None:
    owner, event = owner_of(), RenewalAllowed(**asked(), occurred_at=NOON)

    owner, _ = renew_recovery_codes(owner, event, at(event), VAULT)
    owner, _ = renew_recovery_codes(owner, event, at(event), VAULT)

    assert len(owner.recovery) == 2


def test_a_request_for_recovery_codes_that_comes_after_a_later_one_leaves_the_codes_of_that_alone() -> None:
    owner = owner_of()
    earlier = RenewalAllowed(**asked(), occurred_at=NOON)
    later = RenewalAllowed(**asked(), occurred_at=NOON + timedelta(seconds=9))
    owner, _ = renew_recovery_codes(owner, later, at(later, seconds=9), VAULT)

    with pytest.raises(WrongState):
        renew_recovery_codes(owner, earlier, at(earlier, seconds=15), VAULT)

    after_that = RenewalAllowed(**asked(), occurred_at=NOON + timedelta(minutes=1))
    renewed, _ = renew_recovery_codes(owner, after_that, at(after_that, minutes=1), VAULT)
    assert renewed.recovery != owner.recovery


def test_recovery_codes_stand_in_for_an_authenticator_or_there_are_none() -> None:
    event = RenewalAllowed(**asked(), occurred_at=NOON)

    with pytest.raises(WrongState):
        renew_recovery_codes(owner_of(0), event, at(event), VAULT)


# Looking


def test_a_user_sees_what_he_has_and_nothing_that_is_pending_or_secret() -> None:
    owner, _ = adding(owner_of(2))
    owner, _ = verify(owner, TOTP, code_of(owner, 1), Occasion(OTHER_SESSION, NOON + timedelta(seconds=9)), VAULT)
    command = ListAuthenticators(**asked())

    (told,) = listed(owner, command, at(command))

    assert isinstance(told, AuthenticatorsListed)
    assert [(one.name, one.last_used_at) for one in told.authenticators] == [
        ("Phone 0", None),
        ("Phone 1", NOON + timedelta(seconds=9)),
    ]
    assert (told.recovery_codes_left, told.recovery_codes_issued_at) == (10, NOON)
    assert "secret" not in told.model_dump_json()


def test_an_owner_from_before_there_were_names_is_read_as_he_was() -> None:
    adapter = TypeAdapter(Owner)
    document = adapter.dump_python(owner_of(1))
    for field in ("bindings", "last_removed"):
        del document[field]
    for field in ("name", "started_by", "last_used_at"):
        del document["authenticators"][0][field]
    for field in ("issued_for", "allowed_at"):
        del document["recovery"][0][field]

    owner = adapter.validate_python(document)

    assert (owner.bindings, owner.active[0].name, owner.active[0].last_used_at) == (0, NAME, None)
    assert is_good(owner, code_of(owner))
