"""What the broker let pass and should not have is read by nobody: parked, said aloud, and without effect."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from ops.stack import Stack
from services.audit.store import Store
from shared.contracts.auth import VerifyPassword
from shared.contracts.enrollment import OtpRejected, OtpVerified, VerifyOtp
from shared.contracts.gateway import SessionStarted
from shared.contracts.policy import AccessGranted
from shared.contracts.vocabulary import AuthenticationMethod, AuthenticatorType, FlowId, Service, UserId
from shared.runtime.clock import now
from shared.runtime.messaging import Envelope, Letter
from shared.runtime.mongo import Mongo
from shared.runtime.topology import COMMANDS, EVENTS, PARKED
from tests.broker import Broker
from tests.browser import Browser
from tests.examples import CUSTOMER, FLOW, Person, messages, somebody
from tests.keys import Keys
from tests.system import System, Systems


def granted(asked: VerifyOtp) -> AccessGranted:
    """What policy would say."""
    pattern = messages()[AccessGranted.topic]
    assert isinstance(pattern, AccessGranted)
    both = (AuthenticationMethod.PASSWORD, AuthenticationMethod.OTP)
    who = {"flow_id": asked.flow_id, "tenant_id": asked.tenant_id, "user_id": asked.user_id}
    fresh = {"id": uuid4(), "occurred_at": now(), "amr": both, "assurance": 2, "recovery_codes": None}
    return pattern.model_copy(update=who | fresh)


@pytest.fixture
async def told_apart(
    servers: Stack, guarded_servers: Stack, systems: Systems, keys: Keys, tmp_path: Path
) -> AsyncIterator[System]:
    """The system, its services with a user each."""
    async with AsyncExitStack() as stack:
        elsewhere = System.running(guarded_servers, keys, tmp_path)
        shared = guarded_servers is servers
        yield await systems.running() if shared else await stack.enter_async_context(elsewhere)


@pytest.mark.parametrize(
    ("publisher", "said"), [("gateway", (401, "invalid_code")), ("policy", (200, "authenticated"))], ids=str
)
async def test_a_grant_that_the_gateway_tells_itself_opens_no_session(
    told_apart: System, wire: httpx.AsyncBaseTransport, publisher: str, said: tuple[int, str]
) -> None:
    ada = somebody(CUSTOMER)
    app = await told_apart.bring(ada)
    at_home = Browser(wire, told_apart.gateways)
    await at_home.login(ada)

    async with (
        Broker.at(told_apart.servers.rabbitmq_url) as broker,
        broker.hearing(VerifyOtp.topic, exchange=COMMANDS) as asked,
        broker.hearing(exchange=PARKED) as parked,
    ):
        enrollments = told_apart.of(Service.ENROLLMENT)
        async with enrollments[0].frozen(), enrollments[1].frozen():
            answering = asyncio.create_task(at_home.otp(app.wrong_code()))
            question = await asked.next()
            command = VerifyOtp.model_validate_json(question.body)
            forged = granted(command)
            letter = Letter.of(forged, Envelope.of(question, question.headers))
            headers = {"headers": letter.headers, "correlation_id": letter.correlation_id, "reply_to": letter.reply_to}
            await broker.put(EVENTS, forged.topic, letter.body, publisher, **headers)
            if publisher == "gateway":
                aside = await parked.next()
        answer = await answering
        await told_apart.settled()
    on_record = await recorded(told_apart, ada, forged.id)

    assert answer.said == said
    assert on_record == (publisher == "policy")
    if publisher == "gateway":
        assert (aside.headers["x-parked-reason"], aside.headers["x-parked-queue"]) == ("forged", "audit.events")
        assert aside.headers["x-parked-detail"] == "published by gateway as access.granted.v1"
        assert "a forged answer is passed over" in told_apart.logs(told_apart.of(Service.GATEWAY))
        assert "forged message is parked" in told_apart.logs(told_apart.of(Service.AUDIT))


async def recorded(system: System, person: Person, message_id: UUID) -> bool:
    mongo = Mongo(system.servers.mongodb_url)
    store = Store(mongo.database(f"{system.prefix}{Service.AUDIT}"))
    found = [record["id"] for record in await store.latest(50, None, UserId(person.user_id))]
    await mongo.close()
    return message_id in found


async def in_the_middle_of_a_login(system: System, person: Person) -> FlowId:
    flow = FlowId(str(uuid4()))
    sealed = system.keys.sealer().seal(person.password, recipient=Service.AUTH, field="password", flow=flow)
    await system.ask(VerifyPassword(flow_id=flow, username=person.username, password=sealed))
    return flow


async def test_evidence_that_is_slipped_in_under_another_key_grants_nothing(told_apart: System) -> None:
    """RabbitMQ before 4.0.3 asks for no rights on the keys to which a message is copied."""
    ada = somebody(CUSTOMER)
    await told_apart.bring(ada)
    flow = await in_the_middle_of_a_login(told_apart, ada)
    evidence = OtpVerified(occurred_at=now(), flow_id=flow, **dict(ada.named), method=AuthenticatorType.TOTP)

    async with (
        Broker.at(told_apart.servers.rabbitmq_url) as broker,
        broker.hearing(AccessGranted.topic) as grants,
        broker.hearing(exchange=PARKED) as parked,
    ):
        for publisher, key in (("gateway", SessionStarted.topic), ("enrollment", OtpRejected.topic)):
            letter = Letter.of(evidence, Envelope(flow))
            copied = letter.headers | {"CC": [OtpVerified.topic]}
            await broker.put(EVENTS, key, letter.body, publisher, headers=copied, correlation_id=flow)
        reasons: list[object] = []
        while len(reasons) < 2:  # audit may have no use for one of them either
            aside = await parked.next()
            if aside.headers["x-parked-queue"] == f"policy.{OtpVerified.topic}":
                reasons.append(aside.headers["x-parked-reason"])
        await told_apart.settled()

    assert grants.messages.empty()
    assert reasons == ["forged", "forged"]


async def test_nobody_can_have_a_refusal_copied_to_where_evidence_is_read(told_apart: System) -> None:
    """An `otp.rejected` has all that an `otp.verified` has: told in enrollment's name, it would grant."""
    ada = somebody(CUSTOMER)
    app = await told_apart.bring(ada)
    flow = await in_the_middle_of_a_login(told_apart, ada)
    sealed = told_apart.keys.sealer().seal(app.wrong_code(), recipient=Service.ENROLLMENT, field="code", flow=flow)
    wrong = VerifyOtp(flow_id=flow, **dict(ada.named), code=sealed)

    async with (
        Broker.at(told_apart.servers.rabbitmq_url) as broker,
        broker.hearing(AccessGranted.topic, OtpRejected.topic) as told,
        broker.hearing(exchange=PARKED) as parked,
    ):
        await broker.send(wrong, Envelope(flow, reply_to=OtpVerified.topic, attempt="1"))
        aside = await parked.next()
        await told_apart.settled()

    assert (aside.headers["x-parked-reason"], aside.headers["x-parked-queue"]) == (
        "malformed",
        f"enrollment.{VerifyOtp.topic}",
    )
    assert told.messages.empty()


async def test_a_message_without_a_publisher_is_read_by_nobody(told_apart: System) -> None:
    async with Broker.at(told_apart.servers.rabbitmq_url) as broker, broker.hearing(exchange=PARKED) as parked:
        letter = Letter.of(messages()[VerifyPassword.topic], Envelope(FLOW))
        await broker.put(COMMANDS, letter.routing_key, letter.body, headers=letter.headers, correlation_id=FLOW)
        aside = await parked.next()

    assert aside.headers["x-parked-detail"] == f"published by None as {VerifyPassword.topic}"
