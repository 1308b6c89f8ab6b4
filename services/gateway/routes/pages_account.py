"""The pages of a signed-in person: who he is, and where else he is signed in."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.views import Home, OpenSession, Security
from services.gateway.portal import HOME, SECURITY, SIGN_IN, Portal, form
from services.gateway.problems import Code, Problem


@dataclass(frozen=True)
class AccountPages:
    """`/` and `/account`. Who is not signed in is asked to."""

    portal: Portal

    def routes(self) -> APIRouter:
        """Their addresses."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(HOME, self.home)
        router.add_api_route("/logout", self.sign_out, methods=["POST"])
        router.add_api_route(SECURITY, self.security)
        router.add_api_route(f"{SECURITY}/sessions/{{session_id}}/end", self.end_session, methods=["POST"])
        return router

    async def home(self, request: Request) -> Response:
        """Say who is signed in; lead whoever is on his way there to his next step."""
        try:
            session = await self.portal.entry.session(request)
        except Problem as problem:
            if problem.code is Code.NO_SESSION and await self.portal.entry.login(request) is not None:
                return self.portal.answers.go(SIGN_IN)
            raise
        view = Home(
            username=session.username,
            display_name=session.display_name,
            tenant=session.tenant_id,
            amr=session.amr,
            authenticated_at=session.authenticated_at,
            expires_at=session.expires_at,
            codes_unkept=await self.portal.unkept.of(session) is not None,
        )
        return self.portal.answers.page(request, view, signed_in=True)

    async def sign_out(self, request: Request) -> Response:
        """End this session."""
        await form(request)
        response = self.portal.answers.go(SIGN_IN, Told(Notice.SIGNED_OUT))
        await self.portal.entry.sign_out(request, response)
        return response

    async def security(self, request: Request) -> Response:
        """Show where this person is signed in."""
        here = await self.portal.entry.session(request)
        sessions = tuple(
            OpenSession(
                id=session.session_id,
                authenticated_at=session.authenticated_at,
                seen_at=session.last_seen,
                amr=session.amr,
                is_this=session.session_id == here.session_id,
            )
            for session in await self.portal.conversation.sessions.of_user(here.tenant_id, here.user_id)
        )
        return self.portal.answers.page(request, Security(sessions=sessions), signed_in=True)

    async def end_session(self, request: Request, session_id: str) -> Response:
        """End another session of this person."""
        here = await self.portal.entry.session(request)
        await form(request)
        await self.portal.conversation.end_session_of(here, session_id)
        return self.portal.answers.go(SECURITY, Told(Notice.SESSION_ENDED))
