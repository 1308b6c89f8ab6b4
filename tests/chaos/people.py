"""People who sign in, whatever comes in between: each asks again when he is told to, as long as it takes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from shared.crypto.otp import STEP, step_at
from shared.runtime.clock import now
from tests.browser import Answer
from tests.chaos.notes import Lost, NotedBrowser
from tests.examples import Person
from tests.phone import Phone

_AGAIN = 1.0
"""Seconds until somebody whose request was lost asks again."""


class Codes:
    """An app, whose owner types the code that it shows, and each code once; the next one when he needs another."""

    def __init__(self, otpauth_uri: str) -> None:
        self._phone = Phone(otpauth_uri)
        self._last = -1

    async def next(self) -> str:
        """A code that was not typed before, as soon as one is accepted: that is a step before the app shows it."""
        step = max(self._last + 1, self._now())
        if step > self._now() + 1:
            await asyncio.sleep((step - 1) * STEP.total_seconds() - now().timestamp())
        self._last, moment = step, now()
        return self._phone.code(moment, steps=step - step_at(moment))

    @property
    def is_over(self) -> bool:
        """Whether the code that was typed last is too old by now to be typed again."""
        return self._last < self._now() - 1

    def _now(self) -> int:
        return step_at(now())


@dataclass
class Somebody:
    """A user at the door: with an app that he has, or with none yet."""

    person: Person
    browser: NotedBrowser
    codes: Codes | None = None
    sessions: int = 0
    """How often he was told that he is signed in."""
    confirmed: int = 0
    """How often he was told that his new app is confirmed."""
    lost: int = 0
    """How many of his requests had no answer."""
    again: int = 0
    """How often he was told to come back, or told nothing."""
    _code: str | None = field(default=None, repr=False)

    async def sign_in(self) -> None:
        """Try until it is done."""
        answer = await self._persist(lambda: self.browser.login(self.person))
        while answer.said != (200, "authenticated"):
            match answer.said:
                case (200, "enrollment_required"):
                    if self.codes is None:
                        self.codes = Codes(answer.body["enrollment"]["otpauth_uri"])
                    answer = await self._type(self.browser.confirm)
                    self.confirmed += answer.status == 200
                case (200, "otp_required"):
                    answer = await self._type(self.browser.otp)
                case (409, "wrong_state"):
                    answer = await self._persist(self.browser.reload)
                case _:
                    answer = await self._persist(lambda: self.browser.login(self.person))
        self.sessions += 1

    async def _type(self, submit: Callable[[str], Awaitable[Answer]]) -> Answer:
        """Type a code, the same one again while that may help; then how the login stands, if it was not accepted."""
        assert self.codes is not None
        if self._code is None or self.codes.is_over:
            self._code = await self.codes.next()
        code = self._code
        answer = await self._persist(lambda: submit(code))
        if answer.said != (200, "authenticated"):
            self._code = None
            if answer.said == (401, "invalid_code"):
                return await self._persist(self.browser.reload)
        return answer

    async def _persist(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask until there is an answer that is more than "come back later"."""
        while True:
            try:
                answer = await ask()
            except Lost:
                self.lost += 1
                self.again += 1
                await asyncio.sleep(_AGAIN)
                continue
            if answer.status not in {429, 503}:
                return answer
            self.again += 1
            await asyncio.sleep(float(answer.response.headers["Retry-After"]))
