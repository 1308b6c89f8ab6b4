"""The owners in a real MongoDB: two instances decide at once, and a code is still good only once."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Protocol
from uuid import uuid4

import pytest

from services.enrollment.domain.directory import Brought, imported, take
from services.enrollment.domain.enrollment import confirm, start
from services.enrollment.domain.owner import Account, Decision, Occasion, Owner, State
from services.enrollment.domain.recovery import RecoverySet
from services.enrollment.domain.vault import Vault
from services.enrollment.domain.verification import verify
from services.enrollment.store import Store
from shared.contracts.attempts import FREE, AttemptsThrottled, Proof
from shared.contracts.enrollment import (
    EnrollmentConfirmed,
    EnrollmentStarted,
    ImportedAuthenticator,
    OtpRejected,
    OtpVerified,
    RecoveryCodeUsed,
)
from shared.contracts.message import Event, MessageId
from shared.contracts.policy import OtpRequired
from shared.contracts.refusals import TooManyAttempts
from shared.contracts.vocabulary import AuthenticatorType, CodeFailure, FlowId, TenantId, UserId
from shared.crypto import otp
from shared.crypto.keyring import Keyring
from shared.crypto.recovery_codes import new_recovery_codes
from shared.runtime.messaging import Unreachable
from shared.runtime.mongo import Conflict, Database
from shared.runtime.outbox import Outbox
from tests.examples import ADA, BOB, FLOW, NOON, Person
from tests.fakes import FakeMessenger, ToldClock
from tests.keys import Keys

KEYS = Keys()
VAULT = Vault(Keyring.parse(KEYS.keyring), KEYS.sealer())
ACCOUNT = Account("The customer-1", ADA.username)
SECRET = bytes(range(20))
SHOWN, KEPT = new_recovery_codes()
CODE = otp.code_at(SECRET, otp.step_at(NOON))
NOW = Occasion(FLOW, NOON)
LOGINS = [Occasion(FlowId(f"login {number}"), NOON) for number in range(50)]
TOTP, RECOVERY_CODE = AuthenticatorType.TOTP, AuthenticatorType.RECOVERY_CODE


def pending(owner: Owner) -> Decision:
    authenticator = VAULT.authenticator(owner, ACCOUNT, SECRET, NOON)
    return replace(owner, account=ACCOUNT).given(replace(authenticator, expires_at=NOON + timedelta(minutes=15))), ()


def active(owner: Owner) -> Decision:
    authenticator = replace(VAULT.authenticator(owner, ACCOUNT, SECRET, NOON), state=State.ACTIVE)
    recovery = (RecoverySet.issued(KEPT, NOON),)
    return replace(owner, account=ACCOUNT, recovery=recovery).given(authenticator), ()


class Decide(Protocol):
    """What is decided about an owner on some occasion."""

    def __call__(self, owner: Owner, occasion: Occasion) -> Decision: ...


class Instances:
    """Two instances of enrollment on one database."""

    def __init__(self, database: Database, messenger: FakeMessenger) -> None:
        self.messenger = messenger
        self.users = database["users"]
        self.outbox = Outbox(self.users, messenger, ToldClock(NOON))
        self.stores = [Store(database, self.outbox) for _ in range(2)]

    async def decide(self, decide: Callable[[Owner], Decision], person: Person = ADA) -> tuple[Event, ...]:
        return await self.stores[0].change(person.tenant_id, person.user_id, decide)

    async def at_once(self, decide: Decide, *, aside: bool) -> list[Event]:
        """What each of many logins is told that ask at once."""
        asked = [
            self.stores[number % 2].change(ADA.tenant_id, ADA.user_id, partial(decide, occasion=login), aside=aside)
            for number, login in enumerate(LOGINS)
        ]
        return [event for told in await asyncio.gather(*asked) for event in told]

    async def owner(self, person: Person = ADA) -> Owner:
        seen: list[Owner] = []

        def look(owner: Owner) -> Decision:
            seen.append(owner)
            return owner, ()

        await self.decide(look, person)
        return seen[-1]


@pytest.fixture
async def enrollment(mongo_database: Database) -> Instances:
    instances = Instances(mongo_database, FakeMessenger())
    await instances.stores[0].prepare()
    return instances


async def test_an_owner_comes_back_as_he_was_stored(enrollment: Instances) -> None:
    enrolled, _ = active(Owner(ADA.tenant_id, ADA.user_id))
    await enrollment.decide(lambda _: (enrolled, ()))
    await enrollment.decide(lambda owner: verify(owner, TOTP, CODE, NOW, VAULT))
    await enrollment.decide(lambda owner: verify(owner, RECOVERY_CODE, SHOWN[4], NOW, VAULT))

    stored = await enrollment.owner()

    expected, _ = verify(enrolled, TOTP, CODE, NOW, VAULT)
    expected, _ = verify(expected, RECOVERY_CODE, SHOWN[4], NOW, VAULT)
    assert stored == replace(expected, revision=3)


@pytest.mark.parametrize("aside", [False, True])
async def test_fifty_logins_at_once_with_one_code_are_one_login(enrollment: Instances, *, aside: bool) -> None:
    await enrollment.decide(active)

    told = await enrollment.at_once(lambda owner, occasion: verify(owner, TOTP, CODE, occasion, VAULT), aside=aside)

    assert Counter(map(type, told)) == {OtpVerified: 1, OtpRejected: 49}
    assert {event.reason for event in told if isinstance(event, OtpRejected)} == {CodeFailure.ALREADY_USED}
    (verified,) = (event for event in told if isinstance(event, OtpVerified))
    assert (await enrollment.owner()).active[0].last_flow == verified.flow_id


async def test_fifty_logins_at_once_confirm_one_authenticator_once(enrollment: Instances) -> None:
    await enrollment.decide(pending)

    told = await enrollment.at_once(lambda owner, occasion: confirm(owner, CODE, occasion, VAULT), aside=True)

    assert Counter(map(type, told)) == {OtpRequired: 49}
    assert enrollment.messenger.topics == [EnrollmentConfirmed.topic]
    assert len((await enrollment.owner()).recovery) == 1


async def test_fifty_logins_at_once_with_one_recovery_code_are_one_login(enrollment: Instances) -> None:
    await enrollment.decide(active)

    told = await enrollment.at_once(
        lambda owner, occasion: verify(owner, RECOVERY_CODE, SHOWN[0], occasion, VAULT), aside=False
    )

    assert Counter(map(type, told)) == {OtpVerified: 1, OtpRejected: 49}
    assert enrollment.messenger.topics == [RecoveryCodeUsed.topic]
    assert [codes.left for codes in (await enrollment.owner()).recovery] == [9]


async def test_fifty_logins_that_start_at_once_are_shown_one_secret(enrollment: Instances) -> None:
    told = await enrollment.at_once(lambda owner, occasion: start(owner, ACCOUNT, occasion, VAULT), aside=True)

    assert len({event.authenticator_id for event in told if isinstance(event, EnrollmentStarted)}) == 1
    assert len(told) == 50


async def test_one_login_that_asks_fifty_times_at_once_is_always_answered_alike(enrollment: Instances) -> None:
    await enrollment.decide(active)

    told = await enrollment.at_once(
        lambda owner, occasion: verify(owner, TOTP, CODE, replace(occasion, flow=FLOW), VAULT), aside=False
    )

    assert Counter(map(type, told)) == {OtpVerified: 50}
    assert (await enrollment.owner()).revision == 2


async def test_what_changes_nothing_writes_nothing(enrollment: Instances) -> None:
    await enrollment.decide(active)
    await enrollment.decide(lambda owner: verify(owner, TOTP, CODE, NOW, VAULT))

    await enrollment.decide(lambda owner: verify(owner, TOTP, CODE, LOGINS[0], VAULT))

    assert (await enrollment.owner()).revision == 2


@pytest.mark.parametrize("method", [TOTP, RECOVERY_CODE])
async def test_two_hundred_guesses_at_once_over_two_hundred_logins_and_two_instances_are_five(
    enrollment: Instances, method: AuthenticatorType
) -> None:
    await enrollment.decide(active)
    in_hand = [asyncio.Semaphore(64) for _ in enrollment.stores]  # the prefetch of an instance

    async def guess(number: int) -> tuple[Event, ...]:
        occasion = Occasion(FlowId(f"login {number}"), NOON, MessageId(uuid4()))
        async with in_hand[number % 2]:
            return await enrollment.stores[number % 2].change(
                ADA.tenant_id, ADA.user_id, lambda owner: verify(owner, method, f"guess {number}", occasion, VAULT)
            )

    told = await asyncio.gather(*map(guess, range(200)), return_exceptions=True)

    refused = [answer for answer in told if isinstance(answer, TooManyAttempts)]
    judged = [answer[0] for answer in told if isinstance(answer, tuple)]
    assert Counter(map(type, judged)) == {OtpRejected: FREE}
    assert [refusal.retry_after_seconds for refusal in refused] == [60] * (200 - FREE)
    assert (await enrollment.owner()).attempts.of(Proof(method)).in_a_row == FREE
    assert enrollment.messenger.topics == [AttemptsThrottled.topic]


async def test_a_wrong_code_that_is_delivered_twice_at_once_counts_once(enrollment: Instances) -> None:
    await enrollment.decide(active)
    occasion = replace(NOW, attempt=MessageId(uuid4()))

    told = await asyncio.gather(
        *(
            store.change(ADA.tenant_id, ADA.user_id, lambda owner: verify(owner, TOTP, "guess", occasion, VAULT))
            for store in enrollment.stores
        )
    )

    assert [kind for (event,) in told for kind in [type(event)]] == [OtpRejected, OtpRejected]
    assert (await enrollment.owner()).attempts.totp.in_a_row == 1


async def test_nothing_crosses_the_wall_between_tenants(enrollment: Instances) -> None:
    await enrollment.decide(active)
    stranger = replace(ADA, tenant_id=TenantId("another"))

    seen = await enrollment.owner(stranger)
    with pytest.raises(Conflict):
        await enrollment.decide(pending, stranger)
    with pytest.raises(Conflict):
        await enrollment.stores[0].change_all([stranger.named], lambda owner: pending(owner)[0])

    assert seen == Owner(stranger.tenant_id, stranger.user_id)
    assert (await enrollment.owner()).revision == 1


async def test_what_must_be_heard_is_kept_by_the_same_write_and_told_when_the_broker_is_back(
    enrollment: Instances,
) -> None:
    await enrollment.decide(active)
    enrollment.messenger.is_away = True

    with pytest.raises(Unreachable):
        await enrollment.decide(lambda owner: verify(owner, RECOVERY_CODE, SHOWN[0], NOW, VAULT))
    document = await enrollment.users.find_one({"_id": ADA.user_id})
    (again,) = await enrollment.decide(lambda owner: verify(owner, RECOVERY_CODE, SHOWN[0], NOW, VAULT))
    enrollment.messenger.is_away = False
    await enrollment.outbox.sweep()

    assert document is not None
    assert [entry["routing_key"] for entry in document["outbox"]] == [RecoveryCodeUsed.topic]
    assert isinstance(again, OtpVerified)
    assert enrollment.messenger.topics == [RecoveryCodeUsed.topic]


async def test_what_must_be_heard_is_told_in_its_order(enrollment: Instances) -> None:
    await enrollment.decide(active)
    other = Occasion(FlowId("another login"), NOON)
    enrollment.messenger.is_away = True
    with pytest.raises(Unreachable):
        await enrollment.decide(lambda owner: verify(owner, RECOVERY_CODE, SHOWN[0], NOW, VAULT))
    enrollment.messenger.is_away = False

    await enrollment.decide(lambda owner: verify(owner, RECOVERY_CODE, SHOWN[1], other, VAULT))

    told = [RecoveryCodeUsed.model_validate_json(letter.body).left for letter in enrollment.messenger.letters]
    assert told == [9, 8]


async def test_a_confirmation_that_cannot_be_told_yet_does_not_make_codes_for_ever(enrollment: Instances) -> None:
    await enrollment.decide(pending)
    enrollment.messenger.is_away = True

    for _ in range(20):
        with pytest.raises(Unreachable):
            await enrollment.decide(lambda owner: confirm(owner, CODE, NOW, VAULT))
    enrollment.messenger.is_away = False

    assert len((await enrollment.owner()).recovery) == 1
    assert await enrollment.outbox.sweep() == 1
    assert enrollment.messenger.topics == [EnrollmentConfirmed.topic]


def bringing(person: Person) -> Brought:
    entry = ImportedAuthenticator(**dict(person.named), username=person.username, issuer="The tenant", secret="sealed")
    return Brought(entry, SECRET)


def taken_by(owner: Owner, brought: Mapping[UserId, Brought], occasion: Occasion) -> Owner:
    return take(owner, brought[owner.user_id], occasion, VAULT)


async def test_a_directory_is_taken_once_though_two_instances_take_it_at_once(enrollment: Instances) -> None:
    people = [ADA, BOB, *(replace(ADA, username=f"user {number}") for number in range(200))]
    brought = {person.user_id: bringing(person) for person in people}
    occasions = [Occasion(FlowId("one import"), NOON), Occasion(FlowId("another import"), NOON)]

    taken = await asyncio.gather(
        *(
            store.change_all(
                [person.named for person in people],
                partial(taken_by, brought=brought, occasion=occasion),
            )
            for store, occasion in zip(enrollment.stores, occasions, strict=True)
        )
    )

    counted = [imported(owners, occasion) for owners, occasion in zip(taken, occasions, strict=True)]
    assert sum(event.added for event in counted) == 202
    assert [len(event.owners) for event in counted] == [202, 202]
    assert (await enrollment.owner(BOB)).active[0].state is State.ACTIVE


async def test_an_owner_who_is_known_is_not_touched_by_a_directory(enrollment: Instances) -> None:
    await enrollment.decide(active)

    await enrollment.stores[1].change_all([ADA.named], lambda owner: take(owner, bringing(ADA), NOW, VAULT))

    assert (await enrollment.owner()).revision == 1
