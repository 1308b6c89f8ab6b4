"""Failures by network address: what one client may guess at, whomever he guesses to be.

The ledgers of auth and enrollment bound the guesses at each user. This bounds the guesses of one client at all users,
and what they cost. A success costs nothing, and a refusal to judge is no failure.
"""

import math
from collections.abc import Awaitable, Callable
from datetime import timedelta

from limits import RateLimitItemPerSecond
from limits.aio.storage import MovingWindowSupport, Storage
from limits.aio.strategies import MovingWindowRateLimiter

from services.gateway.addresses import client
from services.gateway.problems import Code, Problem
from shared.contracts.auth import LoginFailed
from shared.contracts.enrollment import EnrollmentRejected, OtpRejected
from shared.contracts.message import Event
from shared.contracts.vocabulary import CodeFailure
from shared.runtime.clock import Clock
from shared.runtime.mongo import Collection, Database, DuplicateKeyError, PyMongoError

_GUESSES = frozenset({CodeFailure.WRONG, CodeFailure.CLOCK_OUT_OF_STEP})
"""A code that was used before is a double click, and one for an enrollment that is over was not judged."""


class Failures:
    """The failures of each address within the last while, over all gateways."""

    def __init__(self, database: Database, clock: Clock, most: int, within: timedelta) -> None:
        """Keep them in the gateway's own database; judge nothing of an address with so `most` of them."""
        self._windows = Windows(database["failures"], clock)
        self._limiter = MovingWindowRateLimiter(self._windows)
        self._limit = RateLimitItemPerSecond(most, int(within.total_seconds()), namespace="failures")
        self._clock = clock

    async def prepare(self) -> None:
        """Have the database remove what is over."""
        await self._windows.prepare()

    async def judged(self, ask: Callable[[], Awaitable[Event]]) -> Event:
        """The answer to a question that judges a secret, asked on behalf of the client of this request.

        Raises a `Problem` where too much has failed from there. While the database is away it raises `PyMongoError`
        and nothing is judged: whoever could bring the database down would otherwise guess without a bound.
        """
        address = client()
        if not await self._limiter.test(self._limit, address):
            window = await self._limiter.get_window_stats(self._limit, address)
            seconds = math.ceil(window.reset_time - self._clock().timestamp())
            raise Problem(Code.TOO_MANY_ATTEMPTS, retry_after=max(1, seconds))
        answer = await ask()
        if is_failure(answer):
            await self._limiter.hit(self._limit, address)
        return answer


def is_failure(answer: Event) -> bool:
    """Whether a guess was wrong."""
    match answer:
        case LoginFailed():
            return True
        case OtpRejected(reason=reason) | EnrollmentRejected(reason=reason):
            return reason in _GUESSES
        case _:
            return False


class Windows(Storage, MovingWindowSupport):
    """Moving windows in MongoDB, as `limits` asks for them.

    Not its own storage for MongoDB: that opens a second client, through Motor whatever our setting says, and looks at
    a clock of its own. A window is one document, with the times of its entries, the newest first.
    """

    STORAGE_SCHEME = None

    def __init__(self, windows: Collection, clock: Clock) -> None:
        """Keep windows in this collection."""
        super().__init__()
        self._windows = windows
        self._clock = clock

    @property
    def base_exceptions(self) -> type[Exception]:
        """What goes wrong here."""
        return PyMongoError

    async def prepare(self) -> None:
        """Make the index by which the database removes what is over."""
        await self._windows.create_index("expires_at", expireAfterSeconds=0)

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Add entries, where the window has room for them."""
        now = self._clock()
        since = (now - timedelta(seconds=expiry)).timestamp()
        where = {"_id": key, f"entries.{limit - amount}": {"$not": {"$gt": since}}}
        entries = {"$each": [now.timestamp()] * amount, "$position": 0, "$slice": limit}
        change = {"$push": {"entries": entries}, "$set": {"expires_at": now + timedelta(seconds=expiry)}}
        for _ in range(2):
            try:
                await self._windows.update_one(where, change, upsert=True)
            except DuplicateKeyError:  # there is no room, or somebody else has just made the first entry
                continue
            return True
        return False

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The time of the oldest entry in the window, and how many there are."""
        now = self._clock()
        found = await self._windows.find_one({"_id": key})
        since = (now - timedelta(seconds=expiry)).timestamp()
        entries = [entry for entry in (found or {}).get("entries", ())[:limit] if entry > since]
        return min(entries, default=now.timestamp()), len(entries)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Not asked for by moving windows."""
        raise NotImplementedError

    async def get(self, key: str) -> int:
        """Not asked for by moving windows."""
        raise NotImplementedError

    async def get_expiry(self, key: str) -> float:
        """Not asked for by moving windows."""
        raise NotImplementedError

    async def check(self) -> bool:
        """Not asked for: `/readyz` sees to the database."""
        raise NotImplementedError

    async def reset(self) -> int | None:
        """Not asked for."""
        raise NotImplementedError

    async def clear(self, key: str) -> None:
        """Forget a window."""
        await self._windows.find_one_and_delete({"_id": key})
