"""The steps of a login, driven over HTTP as a portal does it."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TypeVar

from benchmarks.browser import Browser, browser
from benchmarks.measuring import Measured, measured, settled
from benchmarks.people import PASSWORD, Person
from benchmarks.system import System
from shared.crypto import otp

PASSWORD_STEP, OTP_STEP = "password", "OTP"
SETUP_STEP, ENROLLMENT_STEP = "password, then QR code", "enrollment"
STEPS = (PASSWORD_STEP, OTP_STEP, SETUP_STEP, ENROLLMENT_STEP)

_SECRET = re.compile(rb'"secret":"([A-Z2-7]+)"')

Task = TypeVar("Task")
Begun = tuple[Person, str]
"""Who has shown his password, and the cookie of his login."""


class Steps:
    """Takes people through their logins, step by step, and each of them once."""

    def __init__(self, system: System, enrolled: Iterator[Person], unenrolled: Iterator[Person]) -> None:
        self._system = system
        self._enrolled = enrolled
        self._unenrolled = unenrolled

    async def warm_up(self) -> None:
        """Let the import come to its end, and everything be done that the first time costs more."""
        await settled(self._system.processes)
        await self.logins(64, at_once=8)
        await self.enrollments(16, at_once=8)

    async def logins(self, number: int, *, at_once: int) -> list[Measured]:
        """A password, then a code from the app."""
        begun: list[Begun] = []

        async def show_password(on: Browser, person: Person) -> None:
            answer = await on.post("login", {"username": person.username, "password": PASSWORD})
            begun.append((person, answer.cookie))

        async def show_code(on: Browser, login: Begun) -> None:
            person, cookie = login
            await on.post("login/otp", {"code": person.code()}, cookie)

        first = await self._measured(PASSWORD_STEP, islice(self._enrolled, number), at_once, show_password)
        return [first, await self._measured(OTP_STEP, begun, at_once, show_code)]

    async def enrollments(self, number: int, *, at_once: int) -> list[Measured]:
        """A password, then the first code from a new app."""
        begun: list[Begun] = []

        async def show_password(on: Browser, person: Person) -> None:
            answer = await on.post("login", {"username": person.username, "password": PASSWORD})
            shown = _SECRET.search(answer.body)
            secret = None if shown is None else otp.from_base32(shown[1].decode())
            begun.append((Person(person.username, secret), answer.cookie))

        async def show_code(on: Browser, login: Begun) -> None:
            person, cookie = login
            await on.post("login/enrollment", {"code": person.code()}, cookie)

        first = await self._measured(SETUP_STEP, islice(self._unenrolled, number), at_once, show_password)
        return [first, await self._measured(ENROLLMENT_STEP, begun, at_once, show_code)]

    async def _measured(
        self, what: str, tasks: Iterable[Task], at_once: int, do: Callable[[Browser, Task], Awaitable[None]]
    ) -> Measured:
        tool = partial(browser, self._system.port)
        return await measured(what, self._system.processes, tasks, at_once=at_once, tool=tool, do=do)
