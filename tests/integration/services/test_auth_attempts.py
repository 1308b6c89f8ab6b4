"""Attempts at passwords on a real MongoDB, judged by two instances of auth: the budget holds, and nothing tells."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from statistics import median
from time import perf_counter
from typing import Any, ParamSpec, TypeVar
from uuid import uuid4

import pytest

from services.auth.cores import Cores
from services.auth.domain.attempts import Attempt, Ledger
from services.auth.handlers import Books, handlers
from services.auth.store import Ledgers, Store
from shared.contracts.attempts import DAY, FREE, LOCKED_AFTER, AttemptsThrottled, UnlockPassword, UserLocked
from shared.contracts.auth import ImportedUser, ImportUsers, LoginFailed, LoginSucceeded, VerifyPassword
from shared.contracts.message import MessageId
from shared.contracts.refusals import TooManyAttempts, UnknownUser
from shared.contracts.vocabulary import FlowId, LoginFailure, Service
from shared.crypto.passwords import Parameters, Passwords
from shared.runtime.mongo import Database
from shared.runtime.outbox import Outbox
from tests.examples import ADA, CUSTOMER, FLOW, NOON, Person
from tests.fakes import FakeMessenger, ToldClock
from tests.keys import Keys

SLOW = 2
"""The third instance."""

P = ParamSpec("P")
T = TypeVar("T")


class CountedPasswords(Passwords):
    """Counts what is hashed, and at what cost."""

    def __init__(self) -> None:
        self.costs: Counter[str] = Counter()
        super().__init__(Parameters(memory=8 * 1024, passes=1))

    def verify(self, hashed: str, password: str) -> bool:
        self.costs[hashed.rsplit("$", 2)[0]] += 1
        return super().verify(hashed, password)


class HeldCores(Cores):
    """Cores that hand out what was hashed when they are let."""

    def __init__(self) -> None:
        self.hashed, self.let_go = asyncio.Event(), asyncio.Event()
        super().__init__(2)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        done = await super().run(work, *args, **kwargs)
        self.hashed.set()
        await self.let_go.wait()
        return done


class Instances:
    """Two instances of auth on one database, and one that is as slow as one likes."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self.clock, self.messenger, self.passwords = ToldClock(NOON), FakeMessenger(), CountedPasswords()
        self.attempts = database["attempts"]
        self.outbox = Outbox(self.attempts, self.messenger, self.clock)
        self._sealer = keys.sealer()
        self._in_hand = [asyncio.Semaphore(64) for _ in range(3)]  # the prefetch of an instance
        self._handlers: list[dict[type, Callable[[Any], Awaitable[Any]]]] = []
        self.slow = HeldCores()
        for cores in (Cores(2), Cores(2), self.slow):
            users = Store(database, Outbox(database["users"], self.messenger, self.clock))
            books = Books(users, Ledgers(database, self.outbox, self.clock), b"a key")
            router = handlers(books, keys.opener(Service.AUTH), self.passwords, cores, self.clock)
            self._handlers.append({reading.message: reading.handler for reading in router.readings})

    async def load(self, *people: Person, disabled: bool = False) -> None:
        hashed = self.passwords.hash(ADA.password)
        users = tuple(
            ImportedUser(
                **dict(person.named),
                username=person.username,
                display_name=person.display_name,
                password_hash=hashed,
                disabled=disabled,
            )
            for person in people
        )
        await self._handlers[0][ImportUsers](ImportUsers(flow_id=FLOW, users=users, check_only=False))

    def command(self, username: str, password: str) -> VerifyPassword:
        flow = FlowId(str(uuid4()))
        sealed = self._sealer.seal(password, recipient=Service.AUTH, field="password", flow=flow)
        return VerifyPassword(flow_id=flow, username=username, password=sealed)

    async def judge(self, command: VerifyPassword, instance: int = 0) -> LoginSucceeded | LoginFailed | TooManyAttempts:
        async with self._in_hand[instance]:
            try:
                verdict: LoginSucceeded | LoginFailed = await self._handlers[instance][VerifyPassword](command)
            except TooManyAttempts as refusal:
                return refusal
            return verdict

    async def sign_in(
        self, username: str, password: str, instance: int = 0
    ) -> LoginSucceeded | LoginFailed | TooManyAttempts:
        return await self.judge(self.command(username, password), instance)

    async def unlock(self, username: str) -> None:
        await self._handlers[1][UnlockPassword](UnlockPassword(flow_id=FLOW, username=username))

    async def nearly_locked(self, person: Person, in_a_row: int = LOCKED_AFTER - 1) -> None:
        """As if somebody had guessed for days, the last time two days ago."""
        ledger = Ledger(in_a_row, tuple(Attempt(MessageId(uuid4()), NOON - 2 * DAY) for _ in range(20)))
        fields = {"in_a_row": ledger.in_a_row, "latest": [vars(one) for one in ledger.latest]}
        await self.attempts.insert_one({"_id": person.user_id, "revision": 1, **fields})


@pytest.fixture
async def auth(mongo_database: Database, keys: Keys) -> Instances:
    return Instances(mongo_database, keys)


@pytest.mark.parametrize("username", [ADA.username, "nobody"])
async def test_two_hundred_guesses_at_once_over_two_instances_are_five(auth: Instances, username: str) -> None:
    await auth.load(ADA)

    told = await asyncio.gather(*(auth.sign_in(username, f"guess {n}", n % 2) for n in range(200)))

    assert Counter(map(type, told)) == {LoginFailed: FREE, TooManyAttempts: 200 - FREE}
    assert {answer.retry_after_seconds for answer in told if isinstance(answer, TooManyAttempts)} == {60}
    assert sum(auth.passwords.costs.values()) <= FREE + 1  # of which nothing is told: the other instance had begun it
    await auth.outbox.sweep()
    assert auth.messenger.topics.count(AttemptsThrottled.topic) == 1


async def test_fifty_right_passwords_at_once_all_succeed(auth: Instances) -> None:
    await auth.load(ADA)

    told = await asyncio.gather(*(auth.sign_in(ADA.username, ADA.password, n % 2) for n in range(50)))

    assert Counter(map(type, told)) == {LoginSucceeded: 50}


async def test_while_a_wait_is_on_the_right_password_is_not_judged_and_after_it_it_is(auth: Instances) -> None:
    await auth.load(ADA)
    for _ in range(FREE):
        await auth.sign_in(ADA.username, "a guess")
    judged = sum(auth.passwords.costs.values())

    waits = await auth.sign_in(ADA.username, ADA.password)
    assert sum(auth.passwords.costs.values()) == judged
    auth.clock.pass_by(timedelta(minutes=1))
    enters = await auth.sign_in(ADA.username, ADA.password)

    assert isinstance(waits, TooManyAttempts)
    assert isinstance(enters, LoginSucceeded)


@pytest.mark.parametrize("password", [ADA.password, "a guess"])
async def test_what_one_instance_hashes_while_another_counts_the_fifth_failure_is_not_told(
    auth: Instances, password: str
) -> None:
    await auth.load(ADA)

    late = asyncio.create_task(auth.sign_in(ADA.username, password, SLOW))
    await auth.slow.hashed.wait()
    for _ in range(FREE):
        await auth.sign_in(ADA.username, "a guess")
    auth.slow.let_go.set()

    assert isinstance(await late, TooManyAttempts)
    ledger = await auth.attempts.find_one({"_id": ADA.user_id})
    assert ledger is not None
    assert ledger["in_a_row"] == FREE


async def test_a_right_password_is_hashed_and_nothing_is_written(auth: Instances) -> None:
    await auth.load(ADA)

    await auth.sign_in(ADA.username, ADA.password)

    assert await auth.attempts.find_one({"_id": ADA.user_id}) is None


async def test_a_success_forgets_what_failed_before_it(auth: Instances) -> None:
    await auth.load(ADA)
    for _ in range(FREE - 1):
        await auth.sign_in(ADA.username, "a guess")

    told = await asyncio.gather(*(auth.sign_in(ADA.username, ADA.password, n % 2) for n in range(20)))

    assert Counter(map(type, told)) == {LoginSucceeded: 20}
    ledger = await auth.attempts.find_one({"_id": ADA.user_id})
    assert ledger is not None
    assert (ledger["in_a_row"], ledger["latest"]) == (0, [])


async def test_a_wrong_password_that_is_delivered_to_both_instances_counts_once(auth: Instances) -> None:
    await auth.load(ADA)
    command = auth.command(ADA.username, "a guess")

    told = await asyncio.gather(*(auth.judge(command, n % 2) for n in range(20)))

    assert Counter(map(type, told)) == {LoginFailed: 20}
    ledger = await auth.attempts.find_one({"_id": ADA.user_id})
    assert ledger is not None
    assert (ledger["in_a_row"], len(ledger["latest"])) == (1, 1)


async def test_a_locked_user_is_answered_as_a_wrong_password_until_an_administrator_unlocks_him(
    auth: Instances,
) -> None:
    await auth.load(ADA)
    await auth.nearly_locked(ADA)

    last = await auth.sign_in(ADA.username, "a guess")
    auth.clock.pass_by(timedelta(days=2))
    locked = await auth.sign_in(ADA.username, ADA.password)
    auth.clock.pass_by(timedelta(days=2))
    await auth.unlock(ADA.username)
    unlocked = await auth.sign_in(ADA.username, ADA.password)

    assert isinstance(last, LoginFailed)
    assert isinstance(locked, LoginFailed)
    assert locked.reason is LoginFailure.LOCKED
    assert isinstance(unlocked, LoginSucceeded)
    assert [topic for topic in auth.messenger.topics if topic == UserLocked.topic] == [UserLocked.topic]
    assert auth.messenger.topics[-1] == "user.unlocked.v1"


async def test_an_operator_who_unlocks_nobody_is_told_so(auth: Instances) -> None:
    with pytest.raises(UnknownUser):
        await auth.unlock("nobody")


async def test_what_was_typed_as_a_username_does_not_stand_in_the_database(auth: Instances) -> None:
    await auth.sign_in(ADA.password, "a guess")

    kept = [str(document) async for document in auth.attempts.find({})]

    assert len(kept) == 1
    assert ADA.password not in kept[0]


async def test_unknown_wrong_disabled_and_locked_cannot_be_told_apart_by_time_or_by_what_is_hashed(
    auth: Instances,
) -> None:
    rounds = 30
    wrong, disabled, locked = (
        [Person(f"{kind}-{n}", CUSTOMER) for n in range(rounds)] for kind in ("wrong", "disabled", "locked")
    )
    await auth.load(*wrong, *locked)
    await auth.load(*disabled, disabled=True)
    for person in locked:
        await auth.nearly_locked(person)
        await auth.attempts.update_one({"_id": person.user_id}, {"$set": {"is_locked": True}})
    unknown = [Person(f"unknown-{n}", CUSTOMER) for n in range(rounds)]
    taken: dict[str, list[float]] = {"unknown": [], "wrong": [], "disabled": [], "locked": []}
    auth.passwords.costs.clear()

    for people in zip(unknown, wrong, disabled, locked, strict=True):  # interleaved: all meet the same noise
        for kind, person in zip(taken, people, strict=True):
            command = auth.command(person.username, "a guess" if kind == "wrong" else ADA.password)
            begun = perf_counter()
            answer = await auth.judge(command)
            taken[kind].append(perf_counter() - begun)
            assert isinstance(answer, LoginFailed)

    medians = {kind: median(times) for kind, times in taken.items()}
    assert auth.passwords.costs == {"$argon2id$v=19$m=8192,t=1,p=1": 4 * rounds}
    # Without a hash an answer would be several times as fast.
    assert max(medians.values()) < 1.5 * min(medians.values()), medians


async def test_known_and_unknown_usernames_are_made_to_wait_alike(auth: Instances) -> None:
    await auth.load(ADA)

    async def answers(username: str) -> list[object]:
        told = [await auth.sign_in(username, "a guess") for _ in range(FREE + 2)]
        return [answer.retry_after_seconds if isinstance(answer, TooManyAttempts) else type(answer) for answer in told]

    assert await answers(ADA.username) == await answers("nobody")
