"""Enrollment, asked as the broker asks it, over owners in a real MongoDB."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.enrollment.domain.vault import Vault
from services.enrollment.handlers import handlers
from services.enrollment.store import Store
from shared.contracts.catalogue import EVENTS
from shared.contracts.enrollment import (
    AuthenticatorsChecked,
    AuthenticatorsImported,
    Bound,
    ConfirmEnrollment,
    EnrollmentConfirmed,
    EnrollmentRejected,
    EnrollmentStarted,
    ImportAuthenticators,
    ImportedAuthenticator,
    OtpRejected,
    OtpVerified,
    RecoveryCodeUsed,
    ResumeEnrollment,
    VerifyOtp,
)
from shared.contracts.message import Event, Message
from shared.contracts.policy import EnrollmentRequired, OtpRequired
from shared.contracts.refusals import RefusalCode, RequestRefused
from shared.contracts.vocabulary import AuthenticatorType, FlowId, Service
from shared.crypto import otp
from shared.crypto.keyring import Keyring
from shared.runtime import topology
from shared.runtime.messaging import Envelope, Letter
from shared.runtime.mongo import Database
from shared.runtime.outbox import Outbox
from shared.runtime.settings import Keyholder
from tests.examples import ADA, BOB, FLOW, NOON, Person
from tests.fakes import FakeWire, ToldClock
from tests.keys import Keys
from tests.phone import Phone, provisioning, recovery_codes

OTHER = FlowId("another login")
LATER = FlowId("a later login")


class LateWire(FakeWire):
    """The wire that the outbox is made with, before the one that joins the services is there."""

    wire: FakeWire

    async def send(self, letter: Letter) -> None:
        await self.wire.send(letter)


class Enrollment:
    """Enrollment with its owners, and whoever speaks to it."""

    def __init__(self, wire: FakeWire, clock: ToldClock, keys: Keys) -> None:
        self.wire = wire
        self.clock = clock
        self.sealer = keys.sealer()
        self.gateway = keys.opener(Service.GATEWAY)

    def sealed(self, text: str, field: str = "code", flow: FlowId = FLOW) -> str:
        return self.sealer.seal(text, recipient=Service.ENROLLMENT, field=field, flow=flow)

    async def tell(self, message: Message, flow: FlowId = FLOW) -> list[Event]:
        """What is told when this message comes."""
        before = len(self.wire.letters)
        await self.wire.send(Letter.of(message, Envelope(flow, reply_to=f"{topology.OWN_QUEUE}of-the-test")))
        await self.wire.settle()
        told = [letter for letter in self.wire.letters[before + 1 :] if letter.exchange == topology.EVENTS]
        return [EVENTS[letter.routing_key].model_validate_json(letter.body) for letter in told]

    async def required(self, flow: FlowId = FLOW, **more: Any) -> Event:
        event = EnrollmentRequired(
            **login(flow), occurred_at=self.clock(), username=ADA.username, issuer="The customer-1", **more
        )
        return (await self.tell(event, flow))[0]

    async def confirm(self, code: str, flow: FlowId = FLOW) -> Event:
        return (await self.tell(ConfirmEnrollment(**login(flow), code=self.sealed(code, flow=flow)), flow))[0]

    async def verify(self, code: str, flow: FlowId, method: AuthenticatorType = AuthenticatorType.TOTP) -> list[Event]:
        return await self.tell(VerifyOtp(**login(flow), method=method, code=self.sealed(code, flow=flow)), flow)

    async def enrolled(self) -> tuple[Phone, list[str]]:
        started = await self.required()
        assert isinstance(started, EnrollmentStarted)
        phone = Phone.scanning(started, self.gateway)
        confirmed = await self.confirm(phone.code(self.clock()))
        assert isinstance(confirmed, EnrollmentConfirmed)
        return phone, recovery_codes(confirmed, self.gateway)

    def bringing(self, person: Person, secret: str) -> ImportedAuthenticator:
        return ImportedAuthenticator(
            **dict(person.named), username=person.username, issuer="A tenant", secret=self.sealed(secret, "secret")
        )

    async def load(self, *entries: ImportedAuthenticator, check_only: bool = False) -> Event:
        command = ImportAuthenticators(flow_id=FLOW, authenticators=entries, check_only=check_only)
        return (await self.tell(command))[0]


def login(flow: FlowId, person: Person = ADA) -> dict[str, Any]:
    return {"flow_id": flow, "tenant_id": person.tenant_id, "user_id": person.user_id}


def topics(events: list[Event]) -> list[str]:
    return [event.topic for event in events]


@pytest.fixture
async def enrollment(mongo_database: Database, settings: Keyholder, keys: Keys) -> AsyncIterator[Enrollment]:
    clock, outbox_wire = ToldClock(NOON), LateWire()
    store = Store(mongo_database, Outbox(mongo_database["users"], outbox_wire, clock))
    await store.prepare()
    vault = Vault(Keyring.parse(keys.keyring), keys.sealer())
    router = handlers(store, keys.opener(Service.ENROLLMENT), vault, clock)
    async with FakeWire().joining(router, settings=settings) as wire:
        outbox_wire.wire = wire
        yield Enrollment(wire, clock, keys)


async def test_from_the_qr_code_to_the_next_login(enrollment: Enrollment) -> None:
    phone, codes = await enrollment.enrolled()

    (used_up,) = await enrollment.verify(phone.code(NOON), OTHER)
    enrollment.clock.pass_by(timedelta(seconds=30))
    (verified,) = await enrollment.verify(phone.code(enrollment.clock()), OTHER)
    (replayed,) = await enrollment.verify(phone.code(enrollment.clock()), LATER)
    recovered = await enrollment.verify(codes[3], LATER, AuthenticatorType.RECOVERY_CODE)

    assert [type(used_up), type(verified), type(replayed)] == [OtpRejected, OtpVerified, OtpRejected]
    assert topics(recovered) == [RecoveryCodeUsed.topic, OtpVerified.topic]


async def test_the_grace_period_is_passed_on(enrollment: Enrollment) -> None:
    deadline = NOON + timedelta(days=7)

    started = await enrollment.required(skippable_until=deadline)
    (resumed,) = await enrollment.tell(ResumeEnrollment(**login(FLOW), skippable_until=deadline))

    assert isinstance(started, EnrollmentStarted)
    assert isinstance(resumed, EnrollmentStarted)
    assert started.skippable_until == resumed.skippable_until == deadline
    assert provisioning(started, enrollment.gateway) == provisioning(resumed, enrollment.gateway)


async def test_a_code_at_login_of_who_has_no_authenticator_starts_an_enrollment(enrollment: Enrollment) -> None:
    await enrollment.required()

    (event,) = await enrollment.verify("123456", OTHER)

    assert isinstance(event, EnrollmentStarted)
    assert event.flow_id == OTHER


async def test_every_message_that_comes_twice_is_answered_alike(enrollment: Enrollment) -> None:
    started = await enrollment.required()
    assert isinstance(started, EnrollmentStarted)
    phone = Phone.scanning(started, enrollment.gateway)
    codes = [enrollment.sealed(phone.code(NOON, steps=steps)) for steps in (5, 0)]
    elsewhere = enrollment.sealed(phone.code(NOON, steps=1), flow=OTHER)
    sequence: list[tuple[Message, type[Event]]] = [
        (EnrollmentRequired(**login(FLOW), occurred_at=NOON, username="ada", issuer="A tenant"), EnrollmentStarted),
        (ResumeEnrollment(**login(FLOW)), EnrollmentStarted),
        (ConfirmEnrollment(**login(FLOW), code=codes[0]), EnrollmentRejected),
        (ConfirmEnrollment(**login(FLOW), code=codes[1]), EnrollmentConfirmed),
        (VerifyOtp(**login(OTHER), code=elsewhere), OtpVerified),
        (VerifyOtp(**login(FLOW), code=codes[1]), OtpRejected),
        (EnrollmentRequired(**login(FLOW), occurred_at=NOON, username="ada", issuer="A tenant"), OtpRequired),
    ]

    for message, answer in sequence:
        first, second = await enrollment.tell(message), await enrollment.tell(message)

        assert [type(event) for event in (*first, *second)] == [answer, answer]
        assert first[0].id == second[0].id


async def test_a_recovery_code_that_comes_twice_is_told_as_used_once(enrollment: Enrollment) -> None:
    _, codes = await enrollment.enrolled()
    command = VerifyOtp(**login(FLOW), method=AuthenticatorType.RECOVERY_CODE, code=enrollment.sealed(codes[0]))

    first, second = await enrollment.tell(command), await enrollment.tell(command)

    assert topics(first) == [RecoveryCodeUsed.topic, OtpVerified.topic]
    assert topics(second) == [OtpVerified.topic]


async def test_a_user_of_whom_nothing_is_known_is_refused(enrollment: Enrollment) -> None:
    code = enrollment.sealed("123456")
    commands: list[Message] = [
        ResumeEnrollment(**login(FLOW)),
        VerifyOtp(**login(FLOW), code=code),
        ConfirmEnrollment(**login(FLOW), code=code),
    ]

    for command in commands:
        (refused,) = await enrollment.tell(command)
        assert isinstance(refused, RequestRefused)
        assert refused.code is RefusalCode.WRONG_STATE


async def test_a_code_that_was_sealed_for_another_login_is_parked_and_not_judged(enrollment: Enrollment) -> None:
    phone, _ = await enrollment.enrolled()
    code = enrollment.sealed(phone.code(NOON, steps=1), flow=OTHER)

    told = await enrollment.tell(VerifyOtp(**login(FLOW), code=code))

    assert told == []
    assert enrollment.wire.letters[-1].exchange == topology.PARKED


async def test_authenticators_are_checked_before_any_is_taken(enrollment: Enrollment) -> None:
    good, short = enrollment.bringing(ADA, otp.to_base32(bytes(20))), enrollment.bringing(BOB, "JBSWY3DPEHPK3PXP")

    rejected = await enrollment.load(good, short, check_only=False)
    checked = await enrollment.load(good, check_only=True)
    (unknown,) = await enrollment.verify("123456", OTHER)

    assert isinstance(rejected, RequestRefused)
    assert [problem.entry for problem in rejected.problems] == [BOB.username]
    assert isinstance(checked, AuthenticatorsChecked)
    assert isinstance(unknown, RequestRefused)


async def test_who_brought_an_authenticator_along_signs_in_with_it(enrollment: Enrollment) -> None:
    taken = await enrollment.load(enrollment.bringing(ADA, otp.to_base32(bytes(20))))
    (verified,) = await enrollment.verify(otp.code_at(bytes(20), otp.step_at(NOON)), OTHER)

    assert isinstance(taken, AuthenticatorsImported)
    assert (taken.owners, taken.added) == ((Bound(**dict(ADA.named), bindings=1),), 1)
    assert isinstance(verified, OtpVerified)
