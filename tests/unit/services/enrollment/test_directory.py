"""Authenticators from a directory: taken once, never in place of one that is in use, and no value is told."""

from dataclasses import replace

import pytest

from services.enrollment.domain.directory import Brought, imported, opened, take
from services.enrollment.domain.enrollment import confirm, start
from services.enrollment.domain.owner import Account, Occasion, Owner, State
from services.enrollment.domain.vault import Vault
from services.enrollment.domain.verification import verify
from shared.contracts.enrollment import Bound, ImportAuthenticators, ImportedAuthenticator, OtpVerified
from shared.contracts.policy import OtpRequired
from shared.contracts.refusals import ImportRejected
from shared.contracts.vocabulary import AuthenticatorType, FlowId, Service
from shared.crypto import otp
from shared.crypto.keyring import Keyring
from shared.crypto.sealing import SealBroken
from tests.examples import ADA, BOB, FLOW, NOON, Person
from tests.keys import Keys

KEYS = Keys()
VAULT = Vault(Keyring.parse(KEYS.keyring), KEYS.sealer())
OPENER = KEYS.opener(Service.ENROLLMENT)
SECRET = bytes(range(20))
NOW, AGAIN = Occasion(FLOW, NOON), Occasion(FlowId("the same file once more"), NOON)


def entry(person: Person, secret: str, flow: FlowId = FLOW) -> ImportedAuthenticator:
    sealed = KEYS.sealer().seal(secret, recipient=Service.ENROLLMENT, field="secret", flow=flow)
    return ImportedAuthenticator(**dict(person.named), username=person.username, issuer="The customer-1", secret=sealed)


def directory(*entries: ImportedAuthenticator) -> ImportAuthenticators:
    return ImportAuthenticators(flow_id=FLOW, authenticators=entries, check_only=False)


def brought(secret: bytes = SECRET) -> Brought:
    return Brought(entry(ADA, otp.to_base32(secret)), secret)


def taken(owner: Owner | None = None, secret: bytes = SECRET, occasion: Occasion = NOW) -> Owner:
    return take(owner or Owner(ADA.tenant_id, ADA.user_id), brought(secret), occasion, VAULT)


@pytest.mark.parametrize("typed", ["JBSWY3DPEHPK3PXPJBSWY3DPEH", "jbsw y3dp ehpk 3pxp jbsw y3dp eh======"])
def test_a_secret_is_read_as_apps_show_it(typed: str) -> None:
    (one,) = opened(directory(entry(ADA, typed)), OPENER)

    assert otp.to_base32(one.secret) == "JBSWY3DPEHPK3PXPJBSWY3DPEE"


def test_every_secret_that_cannot_be_taken_is_named_by_its_user_and_never_shown() -> None:
    command = directory(
        entry(ADA, "JBSWY3DPEHPK3PXP"), entry(BOB, "canary: 0189"), entry(replace(ADA, username="c"), "A" * 32)
    )

    with pytest.raises(ImportRejected) as rejected:
        opened(command, OPENER)

    assert [problem.entry for problem in rejected.value.problems] == [ADA.username, BOB.username]
    assert "JBSWY" not in repr(rejected.value.problems)
    assert "canary" not in repr(rejected.value.problems)


def test_a_secret_that_was_sealed_for_another_import_is_not_opened() -> None:
    with pytest.raises(SealBroken):
        opened(directory(entry(ADA, otp.to_base32(SECRET), FlowId("another"))), OPENER)


def test_an_authenticator_that_is_brought_along_signs_in_at_once() -> None:
    owner = taken()

    _, (event,) = verify(
        owner, AuthenticatorType.TOTP, otp.code_at(SECRET, otp.step_at(NOON)), Occasion(FlowId("a login"), NOON), VAULT
    )

    assert isinstance(event, OtpVerified)
    assert owner.account == Account("The customer-1", ADA.username)
    assert owner.recovery == ()


def test_the_same_file_twice_changes_nothing() -> None:
    owner = taken()

    again = taken(owner, occasion=AGAIN)

    assert again == owner
    assert imported([owner], NOW).added == 1
    assert imported([again], AGAIN).added == 0
    assert imported([again], AGAIN).owners == (Bound(**dict(ADA.named), bindings=1),)


def test_an_import_that_is_delivered_twice_gives_the_same_answer() -> None:
    owner = taken()

    again = taken(owner)

    assert (imported([again], NOW).owners, imported([again], NOW).added) == ((Bound(**dict(ADA.named), bindings=1),), 1)


def test_an_authenticator_in_use_is_not_replaced_by_what_a_file_says() -> None:
    owner = taken()

    after = taken(owner, bytes(20), AGAIN)

    assert after == owner
    assert imported([after], AGAIN).added == 0
    assert imported([after], AGAIN).owners == (Bound(**dict(ADA.named), bindings=1),)


def test_an_enrollment_in_progress_gives_way_and_its_user_is_asked_for_a_code() -> None:
    owner, _ = start(Owner(ADA.tenant_id, ADA.user_id), Account("A", "b"), NOW, VAULT)

    owner = taken(owner, occasion=AGAIN)
    _, (event,) = confirm(owner, otp.code_at(SECRET, otp.step_at(NOON)), NOW, VAULT)

    assert [one.state for one in owner.authenticators] == [State.ACTIVE]
    assert isinstance(event, OtpRequired)
    assert event.methods == (AuthenticatorType.TOTP,)
