"""What was asked and what came of it, as those saw it who asked."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.browser import Answer, Browser, Json
from tests.chaos.neighbours import Neighbours

PATIENCE = 10.0
"""Seconds in which every request has ended."""
_MEMBERS = frozenset({"type", "title", "status", "detail", "code"})
_PROBLEM = "application/problem+json"
_COME_BACK = frozenset({429, 503})
_FAULT = 500
_TICK = 0.05
_MOST_OTHERS = 0.75
"""What is allowed for, of what others may have of the machine."""


class Lost(Exception):  # noqa: N818 - says what became of the request
    """There was no answer: the gateway was not there, or died with the request in its hand."""


@dataclass(frozen=True)
class Note:
    """One request and its end."""

    asked: str
    began: float
    seconds: float
    said: tuple[int, str]
    """The status and the state or the code; 0 and the name of the error where no answer came."""
    flaw: str | None = None
    """What is not clear about the answer."""
    lost_by: str = ""
    """How it was found that there is no answer."""

    @property
    def ended(self) -> float:
        """When it ended, on the clock of `time.monotonic`."""
        return self.began + self.seconds

    @property
    def is_success(self) -> bool:
        """Whether it was answered as it was meant to be."""
        return 200 <= self.said[0] < 300

    @property
    def is_lost(self) -> bool:
        """Whether there was no answer."""
        return self.said[0] == 0


@dataclass
class Notes:
    """All requests of a crowd."""

    all: list[Note] = field(default_factory=list)
    lag: float = 0.0
    """Seconds by which those who asked were themselves held up, at the worst: so much later they saw an answer."""
    others: float = 0.0
    """The part of the machine that other programs had."""

    @property
    def slowest(self) -> float:
        """Seconds that the slowest request took."""
        return max((note.seconds for note in self.all), default=0.0)

    @property
    def stretch(self) -> float:
        """How many times as long things may take as they would if nobody else used the machine."""
        return 1 / (1 - min(self.others, _MOST_OTHERS))

    def problems(self) -> Counter[str]:
        """How many requests ended in each kind of problem, or in none at all."""
        return Counter(note.said[1] for note in self.all if not note.is_success)

    def flaws(self, *, may_be_lost: bool) -> list[str]:
        """Requests that did not end in success or in a clear problem within the time."""
        longest = PATIENCE * self.stretch + self.lag
        late = [f"{note.asked} took {note.seconds:.1f} s" for note in self.all if note.seconds > longest]
        unclear = [f"{note.asked}: {note.said}: {note.flaw}" for note in self.all if note.flaw]
        lost = [
            f"{note.asked}: no answer after {note.seconds:.1f} s ({note.lost_by})"
            for note in self.all
            if note.is_lost and not may_be_lost
        ]
        return [*late, *unclear, *lost]

    @asynccontextmanager
    async def allowing(self) -> AsyncIterator[None]:
        """Measure what is not the fault of whoever is asked, until the block ends."""
        neighbours = Neighbours()

        async def measure() -> None:
            while True:
                due = time.monotonic() + _TICK
                await asyncio.sleep(_TICK)
                self.lag = max(self.lag, time.monotonic() - due)

        measuring = asyncio.create_task(measure())
        try:
            yield
        finally:
            measuring.cancel()
            self.others = neighbours.share

    def last_problem(self) -> float:
        """When the last request failed that had to; 0 where none has."""
        return max((note.ended for note in self.all if note.said[0] in {0, 503}), default=0.0)


class NotedBrowser(Browser):
    """A browser that keeps account of what it is told."""

    def __init__(self, wire: httpx.AsyncBaseTransport, gateways: Sequence[str], notes: Notes) -> None:
        super().__init__(wire, gateways)
        self._notes = notes

    async def request(self, method: str, path: str, body: Json | None = None) -> Answer:
        """Send one request. Raises `Lost`."""
        asked, began = f"{method} {path}", time.monotonic()
        try:
            answer = await super().request(method, path, body)
        except httpx.TransportError as error:
            said = (0, "not reached" if isinstance(error, httpx.ConnectError) else "cut off")
            self._notes.all.append(Note(asked, began, time.monotonic() - began, said, lost_by=type(error).__name__))
            raise Lost from error
        seconds = time.monotonic() - began
        said = answer.said if isinstance(answer.body, dict) else (answer.status, "")
        self._notes.all.append(Note(asked, began, seconds, said, _flaw(answer)))
        return answer


def _flaw(answer: Answer) -> str | None:
    """What keeps a problem from being clear: to a program by its members, to a person by its words."""
    if answer.status < 400:
        return None
    if answer.response.headers.get("content-type") != _PROBLEM:
        return "not problem+json"
    if missing := _MEMBERS - set(answer.body):
        return f"lacks {', '.join(sorted(missing))}"
    if answer.status == _FAULT:
        return "an internal error"
    told = answer.response.headers.get("Retry-After", "")
    if answer.status in _COME_BACK and not (told.isdigit() and int(told) > 0):
        return "does not say when to come back"
    return None
