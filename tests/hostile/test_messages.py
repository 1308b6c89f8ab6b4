"""Messages that no service of ours would send: parked at once, and nothing else comes of them."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest

from ops.traffic import readers_of
from shared.contracts.attempts import UnlockCodes
from shared.contracts.audit import ListSecurityEvents
from shared.contracts.auth import VerifyPassword
from shared.contracts.catalogue import ANSWERS, COMMANDS, EVENTS
from shared.contracts.message import Message
from shared.contracts.policy import EnforcementChanged, SkipEnrollment
from shared.contracts.vocabulary import Service
from shared.runtime import topology
from tests.broker import Broker
from tests.browser import Browser
from tests.examples import OPEN_CUSTOMER, messages, somebody
from tests.hostile.mail import CANARY, Mail, enormous, hostile, undecodable
from tests.system import Instance, System

EXAMPLES = messages()
KINDS = (*COMMANDS.values(), *EVENTS.values())
OF_EACH_READER = (VerifyPassword, SkipEnrollment, UnlockCodes, EnforcementChanged, ListSecurityEvents)
AT_ONCE = 100
MEBIBYTES = 48
"""By how much a process may have grown after a barrage that it has been through before."""

_COUNTED = re.compile(r'^wardgate_messages_total\{outcome="(\w+)",topic="(\S+)"\} (\S+)$', re.MULTILINE)


@pytest.fixture
async def attacker(target: System) -> AsyncIterator[Broker]:
    """Somebody who may publish whatever he likes, in the name of whoever may."""
    async with Broker.at(target.servers.rabbitmq_url) as broker:
        yield broker


async def attack(broker: Broker, kind: type[Message], mails: Sequence[Mail]) -> None:
    """Return when the broker has all of them."""
    exchange, user = topology.exchange_of(kind), min(kind.by)
    for start in range(0, len(mails), AT_ONCE):
        await asyncio.gather(
            *(
                broker.put(exchange, kind.topic, mail.body, user, headers=mail.headers, **mail.properties)
                for mail in mails[start : start + AT_ONCE]
            )
        )


async def outcomes(target: System) -> Counter[tuple[Service, str, str]]:
    """What has become of all messages so far: by service, kind and outcome."""
    found = Counter[tuple[Service, str, str]]()
    async with httpx.AsyncClient() as client:
        for instance in target.instances:
            told = (await client.get(f"{instance.url}/metrics")).text
            for outcome, topic, count in _COUNTED.findall(told):
                found[instance.service, topic, outcome] += int(float(count))
    return found


def memory(instance: Instance) -> int:
    """What a process holds, in MiB."""
    status = Path(f"/proc/{instance.child.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


async def is_at_work(target: System, wire: httpx.AsyncBaseTransport) -> bool:
    """Whether somebody can sign in."""
    person = somebody(OPEN_CUSTOMER)
    await target.hire(person)
    return (await Browser(wire, target.gateways).login(person)).said == (200, "authenticated")


@pytest.mark.timeout(300)
async def test_whatever_is_wrong_with_a_message_it_is_parked_and_its_readers_go_on(
    target: System, attacker: Broker, wire: httpx.AsyncBaseTransport
) -> None:
    processes = [instance.child.pid for instance in target.instances]
    before, parked_before = await outcomes(target), await attacker.count(topology.PARKED)
    mail = {kind: list(hostile(EXAMPLES[kind.topic])) for kind in KINDS}
    for kind in OF_EACH_READER:
        mail[kind].append(enormous(EXAMPLES[kind.topic]))

    for kind, mails in mail.items():
        await attack(attacker, kind, mails)
    await target.settled()

    became = await outcomes(target) - before
    print(table(became))  # noqa: T201 - for whoever wants to see what became of what
    seen = Counter[Service]()
    for (service, topic, outcome), count in became.items():
        seen[service] += count
        assert outcome != "retried", (service, topic)
    for service in {instance.service for instance in target.instances}:
        sent = sum(len(mail[kind]) for kind in KINDS for reader in readers_of(kind) if reader is service)
        assert seen[service] >= sent > 0  # and what other services told of it
    laid_aside = sum(count for (_, _, outcome), count in became.items() if outcome in {"malformed", "forged", "parked"})
    assert await attacker.count(topology.PARKED) - parked_before == laid_aside > len(KINDS) * 50
    assert CANARY not in target.logs()
    assert [instance.child.pid for instance in target.instances if instance.child.is_running] == processes
    assert await is_at_work(target, wire)


async def test_no_memory_is_lost_to_hostile_mail(target: System, attacker: Broker) -> None:
    async def barrage() -> None:
        for kind in OF_EACH_READER:
            await attack(attacker, kind, [*hostile(EXAMPLES[kind.topic]), enormous(EXAMPLES[kind.topic])])
        await target.settled()

    await barrage()
    before = [memory(instance) for instance in target.instances]
    await barrage()
    after = [memory(instance) for instance in target.instances]

    assert max(now - then for now, then in zip(after, before, strict=True)) < MEBIBYTES, (before, after)


async def test_hostile_answers_disturb_nobody_who_waits_for_his(
    target: System, attacker: Broker, wire: httpx.AsyncBaseTransport
) -> None:
    async with attacker.hearing(VerifyPassword.topic, exchange=topology.COMMANDS) as heard:
        assert await is_at_work(target, wire)
        asked = await heard.next()
    assert asked.reply_to is not None

    for kind in ANSWERS.values():
        mails = [
            Mail(
                mail.what, mail.body, mail.headers | {"CC": [asked.reply_to]}, {"correlation_id": asked.correlation_id}
            )
            for mail in hostile(EXAMPLES[kind.topic])
        ]
        await attack(attacker, kind, mails[::8])
    await target.settled()

    assert await is_at_work(target, wire)
    assert CANARY not in target.logs()


async def test_what_cannot_even_be_decoded_is_parked_by_the_broker(
    target: System, attacker: Broker, wire: httpx.AsyncBaseTransport
) -> None:
    """It costs its reader the connection each time that it comes, until it has come too often."""
    before = await attacker.count(topology.PARKED)

    await attack(attacker, VerifyPassword, [undecodable(EXAMPLES[VerifyPassword.topic])])

    async with asyncio.timeout(60):
        await is_parked(attacker, before + 1)
    assert await is_at_work(target, wire)


async def is_parked(broker: Broker, number: int) -> None:
    """Return when so many messages are parked."""
    while True:
        if await broker.count(topology.PARKED) >= number:
            return
        await asyncio.sleep(0.2)


def table(became: Counter[tuple[Service, str, str]]) -> str:
    """What became of what, as lines."""
    kinds = sorted({(service, topic) for service, topic, _ in became})
    names = sorted({name for _, _, name in became})
    lines = [f"{'':46}" + "".join(f"{name:>11}" for name in names)]
    for service, topic in kinds:
        counts = "".join(f"{became[service, topic, name]:>11}" for name in names)
        lines.append(f"{service + ' ' + topic:46}{counts}")
    return "\n".join(lines)
