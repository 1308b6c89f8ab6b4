"""Policy grants on evidence that it heard itself, of one login; whatever else is published grants nothing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from shared.contracts.auth import VerifyPassword
from shared.contracts.enrollment import EnrollmentConfirmed, OtpVerified
from shared.contracts.policy import AccessGranted, OtpRequired
from shared.contracts.vocabulary import AuthenticatorId, AuthenticatorType, FlowId, Service
from shared.runtime.clock import now
from tests.broker import Broker, Heard
from tests.browser import Browser
from tests.examples import CUSTOMER, OPEN_CUSTOMER, Person, somebody
from tests.system import System


@asynccontextmanager
async def listening(system: System) -> AsyncIterator[tuple[Broker, Heard]]:
    """Hear every grant until the block ends, and everything that was published inside it has been handled."""
    async with Broker.at(system.servers.rabbitmq_url) as broker, broker.hearing(AccessGranted.topic) as granted:
        yield broker, granted
        await system.settled()


async def sign_in(system: System, person: Person) -> FlowId:
    """Show a right password, and return the login that waits for a code."""
    flow = FlowId(str(uuid4()))
    sealed = system.keys.sealer().seal(person.password, recipient=Service.AUTH, field="password", flow=flow)
    answer = await system.ask(VerifyPassword(flow_id=flow, username=person.username, password=sealed))
    assert isinstance(answer, OtpRequired)
    return flow


def verified(flow: FlowId, person: Person, **other: Any) -> OtpVerified:
    named = {**dict(person.named), **other}
    return OtpVerified(occurred_at=now(), flow_id=flow, **named, method=AuthenticatorType.TOTP)


async def test_a_verified_code_of_a_login_whose_password_nobody_heard_of_grants_nothing(system: System) -> None:
    ada = somebody(CUSTOMER)
    await system.bring(ada)

    async with listening(system) as (broker, granted):
        await broker.send(verified(FlowId(str(uuid4())), ada))

    assert granted.messages.empty()


async def test_a_verified_code_of_another_user_grants_nothing(system: System) -> None:
    ada, bob = somebody(CUSTOMER), somebody(CUSTOMER)
    await system.bring(ada)
    await system.bring(bob)
    flow = await sign_in(system, ada)

    async with listening(system) as (broker, granted):
        await broker.send(verified(flow, bob))
        await broker.send(verified(flow, ada, tenant_id=OPEN_CUSTOMER))

    assert granted.messages.empty()


async def test_a_confirmed_enrollment_of_an_unknown_login_is_noted_and_grants_nothing(
    system: System, browser: Callable[[], Browser]
) -> None:
    bob = somebody(OPEN_CUSTOMER)
    await system.hire(bob)
    confirmed = EnrollmentConfirmed(
        occurred_at=now(),
        flow_id=FlowId(str(uuid4())),
        **dict(bob.named),
        authenticator_id=AuthenticatorId("one that policy hears of for the first time"),
        recovery_codes="sealed",
    )

    async with listening(system) as (broker, granted):
        await broker.send(confirmed)
    began = await browser().login(bob)

    assert granted.messages.empty()
    assert began.status == 200
    assert began.body["state"] != "authenticated", "whoever has an authenticator is asked for it"


async def test_the_same_evidence_of_the_same_login_grants(system: System) -> None:
    ada = somebody(CUSTOMER)
    await system.bring(ada)
    flow = await sign_in(system, ada)

    async with listening(system) as (broker, granted):
        await broker.send(verified(flow, ada))
        grant = AccessGranted.model_validate_json((await granted.next()).body)

    assert (grant.flow_id, grant.user_id, grant.assurance) == (flow, ada.user_id, 2)
