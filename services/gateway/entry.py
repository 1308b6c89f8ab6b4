"""The entry: what a browser brings along, and what it is given when a login goes on or ends; API and pages share it."""

from dataclasses import dataclass

from fastapi import Request, Response

from services.gateway.conversation import Challenged, Conversation, Enrolling, Granted
from services.gateway.cookies import Cookies
from services.gateway.flows import FlowState
from services.gateway.problems import Code, Problem
from services.gateway.sessions import Session
from services.gateway.tokens import digest
from shared.contracts.gateway import SessionEnding


@dataclass(frozen=True)
class Entry:
    """Knows a browser by its cookies."""

    conversation: Conversation
    cookies: Cookies

    async def someone(self, request: Request) -> Session:
        """Who is signed in, whatever he would have to show by now."""
        token = self.cookies.session.of(request)
        session = None if token is None else await self.conversation.sessions.of_token(digest(token))
        if session is None:
            raise Problem(Code.NO_SESSION)
        return session

    async def session(self, request: Request) -> Session:
        """Who is signed in, if today's policy still accepts what he showed."""
        session = await self.someone(request)
        if await self.conversation.sessions.must_step_up(session):
            raise Problem(Code.STEP_UP_REQUIRED)
        return session

    async def login(self, request: Request) -> FlowState | None:
        """What the login in progress waits for, if there is one."""
        token = self.cookies.flow.of(request)
        flow = None if token is None else await self.conversation.flows.of_token(digest(token))
        return None if flow is None else flow.state

    async def go_on(
        self, request: Request, response: Response, begun: tuple[Enrolling | Challenged, str] | Granted
    ) -> Enrolling | Challenged | Granted:
        """After a right password: a login that goes on gets a cookie, and replaces one that was in progress."""
        await self.conversation.cancel(self.cookies.flow.of(request))
        if isinstance(begun, Granted):
            await self.let_in(request, response, begun)
            return begun
        standing, token = begun
        self.cookies.flow.give(response, token, standing.flow.expires_at - self.conversation.clock())
        return standing

    async def let_in(self, request: Request, response: Response, granted: Granted) -> None:
        """Give the new token and end what the browser had: nobody goes on with a token from before (ASVS 7.2.4)."""
        self.cookies.session.give(response, granted.token, granted.session.expires_at - self.conversation.clock())
        if self.cookies.flow.of(request) is not None:
            self.cookies.flow.end(response)
        await self.conversation.end_session(self.cookies.session.of(request), SessionEnding.REPLACED)

    async def give_up(self, request: Request, response: Response) -> None:
        """End the login in progress."""
        await self.conversation.cancel(self.cookies.flow.of(request))
        self.cookies.flow.end(response)

    def renew(self, response: Response, session: Session, token: str) -> None:
        """Give the token under which a session goes on: the one from before is worth nothing any more."""
        self.cookies.session.give(response, token, session.expires_at - self.conversation.clock())

    async def sign_out(self, request: Request, response: Response) -> None:
        """End the session."""
        await self.conversation.end_session(self.cookies.session.of(request), SessionEnding.SIGNED_OUT)
        self.cookies.session.end(response)
