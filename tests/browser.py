"""A browser as the gateway sees one: a jar of cookies and the requests of the API."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import httpx

from tests.examples import Person

Json = dict[str, Any]


class Answer:
    """What the gateway said."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.status = response.status_code
        is_json = response.content and "json" in response.headers.get("content-type", "")  # 204 says so of nothing
        self.body: Json = response.json() if is_json else {}

    @property
    def said(self) -> tuple[int, str]:
        """The status, and the state of the flow or the code of the problem."""
        return self.status, self.body.get("state") or self.body.get("code") or ""

    def __repr__(self) -> str:
        return f"{self.said}"


class Browser:
    """One browser, at one gateway or at another in turn."""

    def __init__(
        self, wire: httpx.AsyncBaseTransport, gateways: Sequence[str], cookies: httpx.Cookies | None = None
    ) -> None:
        self._wire = wire
        self._gateways = gateways
        self._turn = 0
        self._client = httpx.AsyncClient(transport=wire, cookies=cookies, timeout=20)

    @property
    def cookies(self) -> httpx.Cookies:
        """Its jar."""
        return self._client.cookies

    def other_tab(self) -> Self:
        """A browser that begins with the same cookies: a second tab, or a thief."""
        return type(self)(self._wire, self._gateways, httpx.Cookies(self.cookies))

    async def request(self, method: str, path: str, body: Json | None = None) -> Answer:
        """Send one request, to the next gateway in turn."""
        gateway = self._gateways[self._turn % len(self._gateways)]
        self._turn += 1
        return Answer(await self._client.request(method, f"{gateway}/api/v1{path}", json=body))

    async def login(self, person: Person) -> Answer:
        """Type username and password."""
        return await self.request("POST", "/login", {"username": person.username, "password": person.password})

    async def reload(self) -> Answer:
        """Look at the login as it stands."""
        return await self.request("GET", "/login")

    async def cancel(self) -> Answer:
        """Give the login up."""
        return await self.request("DELETE", "/login")

    async def confirm(self, code: str) -> Answer:
        """Type the first code from a new authenticator app."""
        return await self.request("POST", "/login/enrollment", {"code": code})

    async def skip(self) -> Answer:
        """Put the enrollment off."""
        return await self.request("POST", "/login/enrollment/skip")

    async def otp(self, code: str, method: str | None = None) -> Answer:
        """Type a code."""
        return await self.request("POST", "/login/otp", {"code": code} | ({"method": method} if method else {}))

    async def session(self) -> Answer:
        """Look at the session."""
        return await self.request("GET", "/session")

    async def session_over(self) -> Answer:
        """Look at the session until it is over, which somebody else has ended; what is said then."""
        async with asyncio.timeout(30):
            while True:
                answer = await self.session()
                if answer.status != httpx.codes.OK:
                    return answer
                await asyncio.sleep(0.1)

    async def logout(self) -> Answer:
        """End the session."""
        return await self.request("DELETE", "/session")
