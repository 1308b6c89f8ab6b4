"""What becomes of a message on a real broker: done once, refused, late, malformed, tried again, parked. Never lost."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from shared.contracts.auth import VerifyPassword
from shared.contracts.message import Event, MessageId
from shared.contracts.policy import EnforcementChanged, ImportTenants, OtpRequired, SkipEnrollment
from shared.contracts.refusals import RefusalCode, RequestRefused, WrongState
from shared.contracts.vocabulary import FlowId, Service
from shared.crypto.sealing import SealBroken
from shared.runtime.clock import now
from shared.runtime.messaging import Envelope, Unreachable
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from shared.runtime.topology import COMMANDS, PARKED, RETRY, RETRY_DELAY
from tests.broker import Broker
from tests.examples import ADA, FLOW, NOON, messages
from tests.serving import serving

CANARY = "canary-5d1e9c"
QUEUE = f"auth.{VerifyPassword.topic}"
ID = {"x-message-id": str(uuid4())}

Handle = Callable[[VerifyPassword], Awaitable[Event | None]]


def auth(handle: Handle) -> Router:
    router = Router(Service.AUTH)
    router.does(VerifyPassword)(handle)
    return router


def question(username: str = "ada") -> VerifyPassword:
    return VerifyPassword(flow_id=FLOW, username=username, password="sealed")


def answer(command: VerifyPassword) -> OtpRequired:
    return OtpRequired(occurred_at=NOON, flow_id=command.flow_id, **dict(ADA.named))


def counted(topic: str, outcome: str) -> float:
    return REGISTRY.get_sample_value("wardgate_messages_total", {"topic": topic, "outcome": outcome}) or 0.0


async def never(_: VerifyPassword) -> None:
    pytest.fail("the handler was called")


@pytest.mark.parametrize(
    ("body", "headers", "fields"),
    [
        (f"{CANARY} is no JSON".encode(), ID, "body"),
        (f'{{"flow_id": "{CANARY}", "username": ["{CANARY}"]}}'.encode(), ID, "username, password"),
        (f'["{CANARY}"]'.encode(), ID, "body"),
        (b"\xff\xfe" + CANARY.encode(), ID, "body"),
        (question(CANARY).model_dump_json().encode() + b" " * VerifyPassword.largest, ID, "ValueError"),
        (question(CANARY).model_dump_json().encode(), {}, "ValueError"),
        (question(CANARY).model_dump_json().encode(), {"x-message-id": CANARY}, "ValueError"),
        (question(CANARY).model_dump_json().encode(), ID | {"x-deadline": CANARY}, "ValueError"),
    ],
    ids=["no JSON", "other fields", "another shape", "no text", "too large", "no id", "another id", "another deadline"],
)
async def test_a_malformed_message_is_parked_at_once_and_what_it_says_is_in_no_log(  # noqa: PLR0913, PLR0917 - three are the example
    broker: Broker,
    settings: Keyholder,
    log: io.StringIO,
    body: bytes,
    headers: dict[str, str],
    fields: str,
) -> None:
    async with serving(auth(never), settings=settings), broker.hearing(exchange=PARKED) as parked:
        await broker.put(COMMANDS, VerifyPassword.topic, body, headers=headers, correlation_id=FLOW)
        found = await parked.next()

    assert found.body == body
    assert found.headers["x-parked-reason"] == "malformed"
    assert found.headers["x-parked-detail"] == fields
    assert found.headers["x-parked-queue"] == QUEUE
    assert found.correlation_id == FLOW
    assert CANARY not in log.getvalue()
    assert await broker.count(QUEUE) == await broker.count(RETRY) == 0
    assert await broker.count(PARKED) == 1


async def test_a_message_whose_headers_fill_their_frame_is_parked_and_nobody_loses_his_connection_by_it(
    broker: Broker, settings: Keyholder, log: io.StringIO
) -> None:
    body = question().model_dump_json().encode()

    async with serving(auth(never), settings=settings), broker.hearing(exchange=PARKED) as parked:
        await broker.put(COMMANDS, VerifyPassword.topic, body, headers={"x-message-id": "x" * 130_900})
        found = await parked.next()

    assert found.body == body
    assert found.headers["x-parked-reason"] == "malformed"
    assert "connection to RabbitMQ is lost" not in log.getvalue()


async def test_a_seal_that_cannot_be_opened_is_malformed(broker: Broker, settings: Keyholder) -> None:
    async def cannot_open(_: VerifyPassword) -> None:
        raise SealBroken

    async with serving(auth(cannot_open), settings=settings), broker.hearing(exchange=PARKED) as parked:
        await broker.send(question())
        found = await parked.next()

    assert (found.headers["x-parked-reason"], found.headers["x-parked-detail"]) == ("malformed", "SealBroken")


async def test_a_fault_is_tried_again_after_the_delay_and_the_caller_gets_his_answer(
    broker: Broker, settings: Keyholder
) -> None:
    tries: list[float] = []
    clock = asyncio.get_running_loop().time

    async def at_the_second_time(command: VerifyPassword) -> OtpRequired:
        tries.append(clock())
        if len(tries) == 1:
            raise ZeroDivisionError
        return answer(command)

    async with serving(auth(at_the_second_time), settings=settings) as wire:
        told = await wire.ask(question(), FLOW)

    assert isinstance(told, OtpRequired)
    assert tries[1] - tries[0] >= RETRY_DELAY.total_seconds()
    assert await broker.count(PARKED) == 0


async def test_a_fault_that_does_not_end_is_parked_after_the_limit(
    broker: Broker, settings: Keyholder, log: io.StringIO
) -> None:
    tries: list[str] = []

    async def faulty(command: VerifyPassword) -> None:
        tries.append(command.username)
        raise ZeroDivisionError

    once_more = settings.model_copy(update={"retry_limit": 1})
    async with serving(auth(faulty), settings=once_more), broker.hearing(exchange=PARKED) as parked:
        await broker.send(question(CANARY))
        found = await parked.next()

    assert tries == [CANARY, CANARY]
    assert (found.headers["x-parked-reason"], found.headers["x-parked-detail"]) == ("fault", "ZeroDivisionError")
    assert VerifyPassword.model_validate_json(found.body).username == CANARY
    assert "ZeroDivisionError" in log.getvalue()
    assert CANARY not in log.getvalue()
    assert await broker.count(QUEUE) == await broker.count(RETRY) == 0


async def test_no_header_makes_a_message_come_again_for_ever(broker: Broker, settings: Keyholder) -> None:
    async def faulty(_: VerifyPassword) -> None:
        raise ZeroDivisionError

    once_more = settings.model_copy(update={"retry_limit": 1})
    body = question().model_dump_json().encode()
    async with serving(auth(faulty), settings=once_more), broker.hearing(exchange=PARKED) as parked:
        await broker.put(COMMANDS, VerifyPassword.topic, body, headers=ID | {"x-retries": -(2**63)})
        found = await parked.next()

    assert found.headers["x-parked-reason"] == "fault"


async def test_a_number_that_no_database_takes_is_malformed_and_not_tried_again(
    broker: Broker, settings: Keyholder
) -> None:
    async def keep(_: VerifyPassword) -> None:
        raise OverflowError

    async with serving(auth(keep), settings=settings), broker.hearing(exchange=PARKED) as parked:
        await broker.send(question())
        found = await parked.next()

    assert (found.headers["x-parked-reason"], found.headers["x-parked-detail"]) == ("malformed", "OverflowError")


async def test_no_message_is_lost_between_the_retries(broker: Broker, settings: Keyholder) -> None:
    told = [question(f"user-{number}") for number in range(100)]
    tries: dict[str, int] = {}
    done: set[str] = set()
    all_done = asyncio.Event()

    async def at_the_third_time(command: VerifyPassword) -> None:
        tries[command.username] = tries.get(command.username, 0) + 1
        if tries[command.username] <= 2:
            raise ZeroDivisionError
        done.add(command.username)
        if len(done) == len(told):
            all_done.set()

    async with serving(auth(at_the_third_time), auth(at_the_third_time), settings=settings):
        await asyncio.gather(*(broker.send(each) for each in told))
        async with asyncio.timeout(20):
            await all_done.wait()

    assert set(tries.values()) == {3}
    assert await broker.count(QUEUE) == await broker.count(RETRY) == await broker.count(PARKED) == 0


async def test_a_refusal_is_answered_and_never_tried_again(broker: Broker, settings: Keyholder) -> None:
    tries = []

    async def refuse(command: VerifyPassword) -> None:
        tries.append(command)
        raise WrongState("Not now.")

    async with serving(auth(refuse), settings=settings) as wire:
        told = await wire.ask(question(), FLOW)

    assert isinstance(told, RequestRefused)
    assert (told.code, told.detail, told.flow_id) == (RefusalCode.WRONG_STATE, "Not now.", FLOW)
    assert len(tries) == 1
    assert await broker.count(QUEUE) == await broker.count(RETRY) == await broker.count(PARKED) == 0


async def test_a_refusal_names_the_user_whom_it_was_about(broker: Broker, settings: Keyholder) -> None:
    router = Router(Service.POLICY)

    @router.does(SkipEnrollment)
    async def refuse(_: SkipEnrollment) -> None:
        raise WrongState("Not now.")

    async with broker.hearing(RequestRefused.topic) as heard, serving(router, settings=settings):
        await broker.send(SkipEnrollment(flow_id=FLOW, **dict(ADA.named)))
        told = RequestRefused.model_validate_json((await heard.next()).body)

    assert (told.tenant_id, told.user_id) == (ADA.tenant_id, ADA.user_id)


async def test_a_message_that_nobody_waits_for_any_more_is_counted_and_not_handled(
    broker: Broker, settings: Keyholder
) -> None:
    seen: list[str] = []

    async def handle(command: VerifyPassword) -> None:
        seen.append(command.username)

    before = counted(VerifyPassword.topic, "late")
    late = Envelope(FLOW, deadline=now() - timedelta(milliseconds=1))
    in_time = Envelope(FLOW, deadline=now() + timedelta(minutes=1))
    async with serving(auth(handle), settings=settings) as wire:
        await broker.send(question("late"), late)
        await broker.send(question("in time"), in_time)
        await wire.messenger.close()  # both are acknowledged before the services are gone

    assert seen == ["in time"]
    assert counted(VerifyPassword.topic, "late") == before + 1
    assert await broker.count(QUEUE) == 0


async def test_a_command_whose_answer_would_come_too_late_is_not_begun(broker: Broker, settings: Keyholder) -> None:
    handled: list[str] = []

    async def note(command: VerifyPassword) -> OtpRequired:
        handled.append(command.username)
        return answer(command)

    before, soon = counted(VerifyPassword.topic, "late"), now() + timedelta(seconds=8)
    async with serving(auth(note), settings=settings), broker.hearing(OtpRequired.topic) as heard:
        await broker.send(question("all but late"), Envelope(FLOW, deadline=soon, begin_by=now()))
        await broker.send(question("in time"), Envelope(FLOW, deadline=soon, begin_by=soon))
        told = await heard.next()

    assert handled == ["in time"]
    assert counted(VerifyPassword.topic, "late") == before + 1
    assert "x-begin-by" not in told.headers, "what follows from a command has until the deadline"


async def late_question_that_was_begun(broker: Broker) -> None:
    await broker.declare(Service.AUTH, VerifyPassword)
    await broker.send(question(), Envelope(FLOW, deadline=now() - timedelta(seconds=1)))
    await broker.refuse(QUEUE)


async def test_what_comes_again_is_finished_however_late_for_it_may_have_been_told_in_part(
    broker: Broker, settings: Keyholder
) -> None:
    async def tell(command: VerifyPassword) -> OtpRequired:
        return answer(command)

    await late_question_that_was_begun(broker)

    async with broker.hearing(OtpRequired.topic) as heard, serving(auth(tell), settings=settings):
        told = await heard.next()

    assert told.correlation_id == FLOW


async def test_what_says_how_things_are_to_be_is_not_done_when_it_comes_again_too_late(
    broker: Broker, settings: Keyholder
) -> None:
    loaded: list[bool] = []
    router = Router(Service.POLICY)

    @router.does(ImportTenants)
    async def load(command: ImportTenants) -> None:
        loaded.append(command.check_only)
        raise WrongState("Not now.")

    before = counted(ImportTenants.topic, "late")
    earlier = ImportTenants(flow_id=FLOW, tenants=(), check_only=False)
    await broker.declare(Service.POLICY, ImportTenants)
    await broker.send(earlier, Envelope(FLOW, deadline=now() - timedelta(seconds=1)))
    await broker.refuse(f"policy.{ImportTenants.topic}")

    async with serving(router, settings=settings) as wire:
        await wire.ask(earlier.model_copy(update={"check_only": True}), FLOW)

    assert loaded == [True]
    assert counted(ImportTenants.topic, "late") == before + 1


async def test_what_comes_again_is_finished_also_where_it_meets_a_fault_on_the_way(
    broker: Broker, settings: Keyholder
) -> None:
    tries = []

    async def at_the_second_time(command: VerifyPassword) -> OtpRequired:
        tries.append(command)
        if len(tries) == 1:
            raise ZeroDivisionError
        return answer(command)

    await late_question_that_was_begun(broker)

    async with broker.hearing(OtpRequired.topic) as heard, serving(auth(at_the_second_time), settings=settings):
        told = await heard.next()

    assert told.correlation_id == FLOW


async def test_a_kept_event_is_heard_however_late_it_is(broker: Broker, settings: Keyholder) -> None:
    heard = asyncio.Queue[MessageId]()
    router = Router(Service.GATEWAY)

    @router.hears(EnforcementChanged)
    async def hear(event: EnforcementChanged) -> None:
        heard.put_nowait(event.id)

    told = messages()[EnforcementChanged.topic]
    async with serving(router, settings=settings):
        await broker.send(told, Envelope("", deadline=now() - timedelta(days=1)))
        async with asyncio.timeout(10):
            assert await heard.get() == told.id


async def test_two_instances_share_the_work_and_do_nothing_twice(broker: Broker, settings: Keyholder) -> None:
    done: dict[str, list[str]] = {"one": [], "other": []}

    def instance(name: str) -> Router:
        async def handle(command: VerifyPassword) -> OtpRequired:
            await asyncio.sleep(0)
            done[name].append(command.flow_id)
            return answer(command)

        return auth(handle)

    flows = [FlowId(str(uuid4())) for _ in range(200)]
    async with serving(instance("one"), instance("other"), settings=settings) as wire:
        asked = [VerifyPassword(flow_id=flow, username="ada", password="sealed") for flow in flows]
        answers = await asyncio.gather(*(wire.ask(each, each.flow_id) for each in asked))

    assert [told.flow_id for told in answers if isinstance(told, OtpRequired)] == flows
    assert sorted(done["one"] + done["other"]) == sorted(flows)
    assert done["one"]
    assert done["other"]
    assert await broker.count(QUEUE) == 0


async def test_an_answer_that_comes_too_late_is_counted_and_dropped(broker: Broker, settings: Keyholder) -> None:
    before = REGISTRY.get_sample_value("wardgate_late_answers_total") or 0.0
    answering = asyncio.Event()

    async def dawdle(command: VerifyPassword) -> OtpRequired:
        await answering.wait()
        return answer(command)

    async with serving(auth(dawdle), settings=settings, patience=timedelta(seconds=0.2)) as wire:
        with pytest.raises(Unreachable):
            await wire.ask(question("late"), FLOW)
        answering.set()
        told = await wire.ask(question("in time"), FLOW)

    assert isinstance(told, OtpRequired)
    assert REGISTRY.get_sample_value("wardgate_late_answers_total") == before + 1
    assert await broker.count(QUEUE) == 0
