"""Parked messages on a real broker: shown without their secrets, given back once, thrown away, and never lost."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from ops.exits import AMISS, NOT_ASKED
from ops.parked import app
from ops.parking_lot import Fate, ParkingLot
from ops.sample import queues
from ops.stack import Stack
from shared.contracts.auth import ImportedUser, ImportUsers, VerifyPassword
from shared.contracts.message import Message
from shared.contracts.policy import EnforcementChanged, OtpRequired
from shared.contracts.vocabulary import OPERATOR, FlowId, Service
from shared.runtime.clock import now
from shared.runtime.messaging import Envelope, Letter
from shared.runtime.parking import parked
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from shared.runtime.topology import PARKED
from tests.broker import Broker
from tests.examples import ADA, FLOW, NOON, messages
from tests.serving import serving

CANARY = "canary-9c41d7"
QUEUE = f"auth.{VerifyPassword.topic}"

Said = tuple[int, Any, str]
Command = Callable[..., Awaitable[Said]]


def question(username: str = "ada") -> VerifyPassword:
    return VerifyPassword(flow_id=FlowId(str(uuid4())), username=username, password=CANARY)


async def park(
    broker: Broker, message: Message, reason: str = "fault", queue: str = QUEUE, at: datetime | None = None
) -> None:
    letter = parked(Letter.of(message, Envelope(FLOW)), queue, reason, "ZeroDivisionError", at or now())
    user = queue.partition(".")[0]
    await broker.put(PARKED, queue, letter.body, user, headers=letter.headers, correlation_id=FLOW)


async def park_body(broker: Broker, body: bytes, **headers: Any) -> None:
    told = {"x-parked-reason": "malformed", "x-parked-queue": QUEUE, "x-parked-detail": "body"}
    await broker.put(PARKED, QUEUE, body, headers=told | headers)


class NoText(str):
    """A word that goes over the wire as what no UTF-8 is."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        return b"\xff" * len(self)


@pytest.fixture
def wardgate(servers: Stack) -> Command:
    """Runs `wardgate parked` with these words: the exit status, what it said as JSON, and everything that it said."""
    environment = {**servers.access(OPERATOR).environment, "SEALING_PUBLIC_KEYS": "{}"}

    async def run(*words: str) -> Said:
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--json"], env=environment)
        read = (
            await asyncio.to_thread(CliRunner().invoke, app, list(words), env=environment)
            if _only_looks(words)
            else result
        )
        return result.exit_code, json.loads(result.stdout or "null"), result.output + read.output

    return run


def _only_looks(words: tuple[str, ...]) -> bool:
    return words[0] in {"list", "show"}


async def test_what_is_parked_is_listed_with_the_reason(broker: Broker, wardgate: Command) -> None:
    first, second = question(), question()
    await park(broker, first)
    await park(broker, second, reason="malformed")

    status, listed, said = await wardgate("list")

    assert status == 0
    assert [(one["id"], one["queue"], one["reason"]) for one in listed] == [
        (str(first.id), QUEUE, "fault"),
        (str(second.id), QUEUE, "malformed"),
    ]
    assert CANARY not in said


async def test_by_what_one_is_chosen_is_legible_whole_at_eighty_columns(
    broker: Broker, wardgate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    message, queue = question(), max((queue.name for queue in queues()), key=len)
    await park(broker, message, reason="delivery_limit", queue=queue)

    _, _, said = await wardgate("list")

    assert {said.count(part) for part in (str(message.id), queue, "delivery_limit")} == {2}, "as JSON, and in the table"
    assert max(len(line) for line in said.splitlines()) <= 80


@pytest.mark.parametrize("marked", ["[/bold]", "[red]none[/red]", "[link=a:b]here[/link]"])
async def test_what_is_parked_marks_nothing_up(broker: Broker, wardgate: Command, marked: str) -> None:
    await park_body(broker, b"{}", **{"x-message-id": marked, "x-parked-detail": marked})

    status, [listed], said = await wardgate("list")

    assert (status, listed["id"]) == (0, marked)
    assert said.count(marked) == 4, "twice as JSON, twice in the table"


async def test_nobody_is_said_to_have_published_what_its_reader_knows_no_publisher_of(
    broker: Broker, wardgate: Command
) -> None:
    await park(broker, question())

    _, [listed], _ = await wardgate("list")

    assert listed["published_by"] is None


async def test_they_are_listed_in_the_order_of_their_coming_however_often_somebody_looks(
    broker: Broker, wardgate: Command
) -> None:
    sent = [question() for _ in range(12)]
    for number, message in enumerate(sent):
        await park(broker, message, at=NOON + timedelta(seconds=number))

    listed = [(await wardgate("list"))[1] for _ in range(2)]

    assert [[one["id"] for one in each] for each in listed] == [[str(message.id) for message in sent]] * 2


async def test_looking_often_moves_nothing(broker: Broker, servers: Stack) -> None:
    sent = [question() for _ in range(3)]
    for message in sent:
        await park(broker, message)

    for _ in range(25):  # RabbitMQ 4 drops what came back 20 times, unless it is told otherwise
        async with ParkingLot.at(servers.rabbitmq_url) as lot:
            seen = [message.id async for message, _ in lot.each(lambda _: Fate.STAY)]

    assert seen == [str(message.id) for message in sent]
    assert await broker.count(PARKED) == 3


SECRETS = [
    question(CANARY).model_dump_json().encode(),
    json.dumps({"flow_id": FLOW, "username": [CANARY], "password": {"any": CANARY}}).encode(),
    json.dumps({"flow_id": FLOW, "username": "a", "password": CANARY, CANARY: 1, "pasword": CANARY}).encode(),
    json.dumps({"flow_id": {"nested": CANARY}, "id": CANARY}).encode(),
    json.dumps({"flow_id": [1], "username": CANARY, "password": CANARY}).encode(),
    json.dumps([CANARY]).encode(),
    f"{CANARY} is no JSON".encode(),
    b"\xff" + CANARY.encode(),
    b"[" * 10_000 + CANARY.encode(),
]


@pytest.mark.parametrize("body", SECRETS)
async def test_no_secret_is_shown(broker: Broker, wardgate: Command, body: bytes) -> None:
    await park_body(broker, body, **{"x-strange": CANARY})

    status, shown, said = await wardgate("show")

    assert status == 0
    assert len(shown) == 1
    assert CANARY not in said


async def test_no_secret_of_a_directory_is_shown(broker: Broker, wardgate: Command) -> None:
    user = ImportedUser(**dict(ADA.named), username="ada", display_name="Ada", password=CANARY, password_hash=CANARY)
    await park(broker, ImportUsers(flow_id=FLOW, users=(user,), check_only=False), queue="auth.import-users.v1")

    _, [shown], said = await wardgate("show")

    assert shown["content"]["check_only"] is False
    assert shown["withheld"] == ["users"]
    assert CANARY not in said


async def test_what_is_not_secret_is_shown(broker: Broker, wardgate: Command) -> None:
    event = messages()[EnforcementChanged.topic]
    await park(broker, event, queue=f"gateway.{EnforcementChanged.topic}")

    _, [shown], _ = await wardgate("show", str(event.id))

    assert shown["content"] == event.model_dump(mode="json")


async def test_a_stranger_cannot_steer_the_terminal_through_a_parked_message(broker: Broker, wardgate: Command) -> None:
    await park_body(broker, b"{}", **{"x-parked-detail": "\x1b]0;owned\x07", "x-message-id": "\x1b[2J"})

    said = [(await wardgate(word))[2] for word in ("list", "show")]

    assert all("\x1b]0" not in each and "\x1b[2J" not in each for each in said)


async def test_what_is_given_back_is_done_once_under_its_own_id(
    broker: Broker, settings: Keyholder, wardgate: Command
) -> None:
    heard = asyncio.Queue[VerifyPassword]()
    router = Router(Service.AUTH)

    @router.does(VerifyPassword)
    async def hear(command: VerifyPassword) -> OtpRequired:
        heard.put_nowait(command)
        return OtpRequired(occurred_at=NOON, flow_id=command.flow_id, **dict(ADA.named))

    message = question()
    async with serving(router, settings=settings), broker.hearing(OtpRequired.topic) as told:
        for _ in range(2):
            await park(broker, message)
            status, [given_back], _ = await wardgate("replay", str(message.id))
            assert (status, given_back["became"]) == (0, "replay")
        events = [json.loads((await told.next()).body) for _ in range(2)]

    assert [heard.get_nowait().id, heard.get_nowait().id] == [message.id, message.id]
    assert events[0] == events[1], "told again it is the same event, which changes nothing twice"
    assert await broker.count(PARKED) == 0


async def test_messages_are_chosen_by_id_by_reason_and_by_queue(broker: Broker, wardgate: Command) -> None:
    await broker.declare(Service.AUTH, VerifyPassword)
    by_id, by_reason, by_queue, other = question(), question(), question(), question()
    await park(broker, by_id)
    await park(broker, by_reason, reason="malformed")
    await park(broker, by_queue, queue="policy.login.succeeded.v1")
    await park(broker, other)

    for chosen in ([str(by_id.id)], ["--reason", "malformed"], ["--queue", "policy.login.succeeded.v1"]):
        status, discarded, _ = await wardgate("discard", *chosen)
        assert (status, len(discarded)) == (0, 1)

    _, left, _ = await wardgate("list")
    assert [one["id"] for one in left] == [str(other.id)]


async def test_nothing_is_thrown_away_where_nobody_says_what(broker: Broker, wardgate: Command) -> None:
    await park(broker, question())

    status, _, said = await wardgate("discard")

    assert status == 2
    assert "--all" in said
    assert await broker.count(PARKED) == 1


async def test_an_id_that_is_not_there_is_an_exit_status(broker: Broker, wardgate: Command) -> None:
    await park(broker, question())

    assert (await wardgate("replay", str(uuid4())))[0] == AMISS
    assert (await wardgate("show", str(uuid4())))[0] == AMISS
    assert await broker.count(PARKED) == 1


async def test_what_cannot_be_given_back_stays(broker: Broker, wardgate: Command) -> None:
    await park(broker, question(), queue="auth.a-queue-that-is-gone.v1")

    status, [kept], _ = await wardgate("replay", "--all")

    assert (status, kept["became"]) == (AMISS, "stay")
    assert await broker.count(PARKED) == 1


UNDECODABLE: list[dict[str, Any]] = [
    # Dates past the year 9999, a little and so far that no clock knows them; and a name that is no text.
    {"headers": {"x": time.struct_time((9999, 12, 31, 10**12, 0, 0, 0, 0, 0))}},
    {"headers": {"x": time.struct_time((9999, 12, 31, 10**15, 0, 0, 0, 0, 0))}},
    {"headers": {NoText("name"): 1}},
]


async def test_what_the_client_cannot_decode_hides_nothing_and_can_be_thrown_away(
    broker: Broker, wardgate: Command
) -> None:
    first, last = question(), question()
    await park(broker, first)
    for envelope in UNDECODABLE:
        await broker.put(PARKED, QUEUE, question(CANARY).model_dump_json().encode(), **envelope)
    await park(broker, last)

    _, listed, said = await wardgate("list")
    replayed, kept, _ = await wardgate("replay", "--reason", "undecodable")
    discarded, thrown_away, _ = await wardgate("discard", "--reason", "undecodable")

    assert [one["id"] for one in listed[:2]] == [str(first.id), str(last.id)]
    assert [one["reason"] for one in listed[2:]] == ["undecodable"] * len(UNDECODABLE)
    assert CANARY not in said
    assert (replayed, {one["became"] for one in kept}) == (AMISS, {"stay"})
    assert (discarded, len(thrown_away)) == (0, len(UNDECODABLE))
    assert await broker.count(PARKED) == 2


async def test_a_message_under_a_key_that_is_no_text_is_like_any_other(broker: Broker, wardgate: Command) -> None:
    message = question()
    letter = parked(Letter.of(message, Envelope(FLOW)), QUEUE, "fault", "ZeroDivisionError", now())
    await broker.put(PARKED, NoText(QUEUE), letter.body, "auth", headers=letter.headers)

    _, [listed], _ = await wardgate("list")

    assert (listed["id"], listed["queue"], listed["reason"]) == (str(message.id), QUEUE, "fault")


async def test_what_the_broker_itself_has_parked_finds_its_way_back(broker: Broker, wardgate: Command) -> None:
    await broker.declare(Service.AUTH, VerifyPassword)
    message = question()
    await broker.send(message)
    while await broker.count(PARKED) == 0:
        await broker.refuse(QUEUE)

    _, [found], _ = await wardgate("list")
    status, _, _ = await wardgate("replay", "--reason", "delivery_limit")

    assert (found["id"], found["queue"], found["reason"]) == (str(message.id), QUEUE, "delivery_limit")
    assert status == 0
    assert await broker.count(QUEUE) == 1


async def test_only_one_operator_decides_at_a_time(broker: Broker, servers: Stack, wardgate: Command) -> None:
    await park(broker, question())

    async with ParkingLot.at(servers.rabbitmq_url):
        status, _, said = await wardgate("discard", "--all")

    assert status == NOT_ASKED
    assert "Somebody else" in said
    assert await broker.count(PARKED) == 1


async def test_a_system_that_does_not_answer_is_an_exit_status() -> None:
    nowhere = {"RABBITMQ_URL": "amqp://x:y@127.0.0.1:1/", "SEALING_PUBLIC_KEYS": "{}"}

    result = await asyncio.to_thread(CliRunner().invoke, app, ["list"], env=nowhere)

    assert result.exit_code == NOT_ASKED
