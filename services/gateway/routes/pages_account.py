"""The pages of a signed-in person: who he is, and the way out."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.views import Home
from services.gateway.portal import HOME, SIGN_IN, Portal, form
from services.gateway.problems import Code, Problem


@dataclass(frozen=True)
class AccountPages:
    """`/`. Who is not signed in is asked to."""

    portal: Portal

    def routes(self) -> APIRouter:
        """Their addresses."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(HOME, self.home)
        router.add_api_route("/logout", self.sign_out, methods=["POST"])
        return router

    async def home(self, request: Request) -> Response:
        """Say who is signed in; lead whoever is on his way there to his next step."""
        try:
            session = await self.portal.entry.session(request)
        except Problem as problem:
            if problem.code is Code.NO_SESSION and await self.portal.entry.login(request) is not None:
                return self.portal.answers.go(SIGN_IN)
            raise
        brand = await self.portal.tenants.brand(session.tenant_id)
        view = Home(
            username=session.username,
            display_name=session.display_name,
            tenant=session.tenant_id if brand is None else brand.name,
            amr=session.amr,
            authenticated_at=session.authenticated_at,
            expires_at=session.expires_at,
            codes_unkept=await self.portal.unkept.of(session) is not None,
        )
        return await self.portal.page(request, view, session)

    async def sign_out(self, request: Request) -> Response:
        """End this session."""
        await form(request)
        response = self.portal.answers.go(SIGN_IN, Told(Notice.SIGNED_OUT))
        await self.portal.entry.sign_out(request, response)
        return response
