"""Who published a message is known to the end: when it is tried again, parked, and given back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from pydantic import SecretStr

from ops.parked import Choice, decided
from ops.parking_lot import Fate
from ops.running import Running
from ops.stack import Stack
from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.message import Event
from shared.contracts.readiness import InstanceReported, StatusAsked
from shared.contracts.vocabulary import OPERATOR, FlowId, Service
from shared.runtime import topology
from shared.runtime.clock import now
from shared.runtime.instance import Instance
from shared.runtime.messaging import Envelope, Letter, RabbitMessenger
from shared.runtime.origin import PUBLISHED_BY
from shared.runtime.parking import TOPIC
from shared.runtime.parking import parked as parking
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from shared.runtime.topology import PARKED
from tests.broker import Broker
from tests.examples import FLOW, messages
from tests.serving import serving
from tests.system import Systems

QUEUE = f"auth.{VerifyPassword.topic}"


def question() -> VerifyPassword:
    return VerifyPassword(flow_id=FLOW, username="ada", password="sealed")


def auth(handle: Callable[[VerifyPassword], Awaitable[Event | None]]) -> Router:
    router = Router(Service.AUTH)
    router.does(VerifyPassword)(handle)
    return router


@pytest.fixture
async def broker(guarded_servers: Stack, systems: Systems) -> AsyncIterator[Broker]:
    """A broker on which each service has a user of its own."""
    await systems.stop()
    async with Broker.cleared(guarded_servers.rabbitmq_url) as broker:
        yield broker


def as_user(settings: Keyholder, servers: Stack, service: Service) -> Keyholder:
    """Settings of a service with a user of its own."""
    access = servers.access(service)
    own = {"rabbitmq_url": SecretStr(access.rabbitmq_url), "broker_users": access.broker_users}
    return settings.model_copy(update=own)


async def test_what_is_tried_again_is_still_by_whom_it_was(
    broker: Broker, settings: Keyholder, guarded_servers: Stack
) -> None:
    tries: list[str] = []
    done = asyncio.Event()

    async def at_the_second_time(command: VerifyPassword) -> None:
        tries.append(command.username)
        if len(tries) == 1:
            raise ZeroDivisionError
        done.set()

    await broker.declare(Service.AUTH, VerifyPassword)
    async with serving(auth(at_the_second_time), settings=as_user(settings, guarded_servers, Service.AUTH)):
        await broker.send(question())
        async with asyncio.timeout(20):
            await done.wait()

    assert await broker.count(PARKED) == 0


async def test_what_is_given_back_is_believed_of_him_who_read_it_and_of_nobody_else(
    broker: Broker, settings: Keyholder, guarded_servers: Stack
) -> None:
    done: list[str] = []

    async def handle(command: VerifyPassword) -> None:
        if not done:
            done.append("fault")
            raise ZeroDivisionError
        done.append(command.username)

    own = as_user(settings, guarded_servers, Service.AUTH).model_copy(update={"retry_limit": 0})
    operator = guarded_servers.access(OPERATOR)
    running = Running("", operator.rabbitmq_url, "", settings.sealing_public_keys, operator.broker_users)
    await broker.declare(Service.AUTH, VerifyPassword)
    lie = parking(Letter.of(question(), Envelope(FLOW)), QUEUE, "fault", "ZeroDivisionError", now())

    async with (
        serving(auth(handle), settings=own),
        broker.hearing(exchange=PARKED) as parked,
    ):
        await broker.send(question())
        first = await parked.next()
        headers = lie.headers | {PUBLISHED_BY: "gateway"}
        await broker.put(PARKED, QUEUE, lie.body, "audit", headers=headers, correlation_id=FLOW)
        await parked.next()
        await decided(running, Choice(), Fate.REPLAY)
        second = await parked.next()

    assert (first.user_id, first.headers[PUBLISHED_BY]) == ("auth", "gateway")
    assert done == ["fault", "ada"]
    assert (second.headers["x-parked-reason"], second.headers[PUBLISHED_BY]) == ("forged", "audit")
    assert await broker.count(PARKED) == 1


async def test_an_event_that_is_given_back_to_the_trail_is_written_down_as_what_it_was(
    broker: Broker, settings: Keyholder, guarded_servers: Stack
) -> None:
    heard = asyncio.Queue[Event]()
    router = Router(Service.AUDIT)

    @router.hears_everything
    async def hear(events: Sequence[Event]) -> None:
        for event in events:
            await heard.put(event)

    own = as_user(settings, guarded_servers, Service.AUDIT)
    failed = messages()[LoginFailed.topic]
    queue, _ = topology.everything_queue(Service.AUDIT)
    by_auth = {"x-message-id": str(failed.id), TOPIC: LoginFailed.topic, PUBLISHED_BY: "auth"}
    body = failed.model_dump_json().encode()

    async with serving(router, settings=own), broker.hearing(exchange=PARKED) as parked:
        await broker.put("", queue, body, OPERATOR, headers=by_auth, correlation_id=FLOW)
        written = await asyncio.wait_for(heard.get(), 10)
        await broker.put("", queue, body, "gateway", headers=by_auth, correlation_id=FLOW)
        aside = await parked.next()

    assert written == failed
    assert heard.empty()
    assert aside.headers["x-parked-reason"] == "malformed"


async def test_what_is_sent_to_a_queue_past_its_exchange_is_forged_whoever_sends_it(
    broker: Broker, settings: Keyholder, guarded_servers: Stack
) -> None:
    done: list[str] = []

    async def handle(command: VerifyPassword) -> None:
        done.append(command.username)

    own = as_user(settings, guarded_servers, Service.AUTH)
    await broker.declare(Service.AUTH, VerifyPassword)
    letter = Letter.of(question(), Envelope(FLOW))

    async with serving(auth(handle), settings=own), broker.hearing(exchange=PARKED) as parked:
        await broker.put("", QUEUE, letter.body, "gateway", headers=letter.headers, correlation_id=FLOW)
        aside = await parked.next()

    assert aside.headers["x-parked-reason"] == "forged"
    assert done == []


async def test_nobody_but_the_operator_is_told_how_a_process_is(
    broker: Broker, settings: Keyholder, guarded_servers: Stack
) -> None:
    own = as_user(settings, guarded_servers, Service.AUTH)
    messenger = RabbitMessenger(own.broker_users)
    await messenger.open(own.rabbitmq_url.get_secret_value())

    async def missing() -> tuple[str, ...]:
        return ()

    instance = Instance(Service.AUTH, messenger, missing, (), now)
    await instance.open()
    try:
        async with broker.hearing(InstanceReported.topic) as told:
            for user in ("gateway", OPERATOR):
                letter = Letter.of(StatusAsked(occurred_at=now(), flow_id=FlowId(user)), Envelope(user))
                headers = letter.headers
                await broker.put(letter.exchange, letter.routing_key, letter.body, user, headers=headers)
            first = InstanceReported.read((await told.next()).body)
    finally:
        await instance.close()
        await messenger.close()

    assert first.flow_id == OPERATOR
