"""What the same machine can do at best: argon2 on all cores, and bare chains with the hops of a step of a login."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from statistics import fmean
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.chain import QUORUM
from benchmarks.measuring import Measured, measured
from benchmarks.processes import Processes
from benchmarks.system import System
from ops.checkout import ROOT
from ops.children import Child
from shared.contracts.enrollment import VerifyOtp
from shared.contracts.vocabulary import AuthenticatorType, FlowId, Service, TenantId, UserId
from shared.crypto.passwords import OWASP, Passwords
from shared.crypto.sealing import Sealer, new_private_key, public_key_of

HOPS = 3
"""Gateway to enrollment, enrollment to policy, policy to gateway: the last into a queue of the caller's own."""


@dataclass(frozen=True)
class Bound:
    """What argon2 alone would do on this machine."""

    rate: float
    """Hashes a second, on all cores."""
    milliseconds: float
    """CPU of one of them, while all cores are at it."""
    cores: int

    @classmethod
    def mean(cls, bounds: Sequence["Bound"]) -> "Bound":
        """What several looks at it say together: before and after, for machines are not always equally fast."""
        return cls(fmean(one.rate for one in bounds), fmean(one.milliseconds for one in bounds), bounds[0].cores)


def argon2_bound(seconds: float) -> Bound:
    """Verify passwords on all cores for so long, in threads, by the library and at the cost of auth."""
    cores = os.cpu_count() or 1
    passwords = Passwords(OWASP)
    hashed = passwords.hash("yardstick")
    deadline = time.perf_counter() + seconds

    def verify_on() -> int:
        done = 0
        while time.perf_counter() < deadline:
            passwords.verify(hashed, "yardstick")
            done += 1
        return done

    began, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(cores) as threads:
        done = sum(future.result() for future in [threads.submit(verify_on) for _ in range(cores)])
    return Bound(done / (time.perf_counter() - began), 1000 * (time.process_time() - used) / done, cores)


class Caller:
    """Sends messages into a chain and waits for each at its end, as the gateway does."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel, first: str, body: bytes) -> None:
        self._channel = channel
        self._first = first
        self._body = body
        self._reply_to = ""
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def listen(self, channel: aio_pika.abc.AbstractChannel) -> None:
        """Make a queue for what comes back."""
        replies = await channel.declare_queue(exclusive=True, auto_delete=True)
        await replies.consume(self._came_back, no_ack=True)
        self._reply_to = replies.name

    async def send(self) -> None:
        """Return when it has come back."""
        sent = uuid4().hex
        back = self._waiting[sent] = asyncio.get_running_loop().create_future()
        message = aio_pika.Message(
            self._body,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            correlation_id=sent,
            reply_to=self._reply_to,
        )
        await self._channel.default_exchange.publish(message, self._first)
        await back
        del self._waiting[sent]

    async def _came_back(self, message: AbstractIncomingMessage) -> None:
        self._waiting[message.correlation_id or ""].set_result(None)


async def chain(library: str, system: System, plan: list[tuple[int, int]]) -> list[Measured]:
    """Messages of the size of a `VerifyOtp` through quorum queues, persistent and confirmed, one process each hop."""
    queues = [f"chain.{library}.{hop}" for hop in range(HOPS - 1)]
    connection = await aio_pika.connect_robust(system.rabbitmq_url)
    async with connection:
        publishing, consuming = await connection.channel(), await connection.channel()
        for name in queues:
            await consuming.declare_queue(name, durable=True, arguments=QUORUM)
        caller = Caller(publishing, queues[0], _body())
        await caller.listen(consuming)

        @asynccontextmanager
        async def calling() -> AsyncIterator[Caller]:
            yield caller

        with _hops(library, queues, system) as hops:
            pids = {"RabbitMQ": system.processes.pids["RabbitMQ"], **{hop.name: hop.pid for hop in hops}}
            results = []
            for at_once, number in [(1, 32), *plan]:
                results.append(
                    await measured(
                        f"bare {library} chain",
                        Processes(pids),
                        range(number),
                        at_once=at_once,
                        tool=calling,
                        do=lambda own, _: own.send(),
                    )
                )
        for name in queues:
            await consuming.queue_delete(name)
    return results[1:]


@contextmanager
def _hops(library: str, queues: list[str], system: System) -> Iterator[list[Child]]:
    hops = [
        Child(
            f"hop {number}",
            [sys.executable, "-P", "-m", "benchmarks.chain", library, *queues[number : number + 2]],
            environment={"PYTHONPATH": str(ROOT), "RABBITMQ_URL": system.rabbitmq_url},
            log=system.state / "logs" / f"hop-{number}.log",
        )
        for number in range(len(queues))
    ]
    try:
        for hop in hops:
            hop.launch()
        yield hops
    finally:
        for hop in hops:
            hop.kill()


def _body() -> bytes:
    flow = FlowId(str(uuid4()))
    sealer = Sealer({Service.ENROLLMENT: public_key_of(new_private_key())})
    code = sealer.seal("123456", recipient=Service.ENROLLMENT, field="code", flow=flow)
    user = UserId(str(uuid4()))
    command = VerifyOtp(
        flow_id=flow, tenant_id=TenantId("bench"), user_id=user, method=AuthenticatorType.TOTP, code=code
    )
    return command.model_dump_json().encode()
