"""The last step of the wizard: recovery codes to copy, download and print, of which one is typed back."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.views import KeepCodes
from services.gateway.portal import HOME, KEEP_CODES, Portal, form
from services.gateway.unkept import is_one_of


@dataclass(frozen=True)
class CodesPage:
    """`/login/setup/recovery-codes`, for whoever is signed in by now."""

    portal: Portal

    def routes(self) -> APIRouter:
        """Its addresses."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(KEEP_CODES, self.show)
        router.add_api_route(KEEP_CODES, self.keep, methods=["POST"])
        router.add_api_route(f"{KEEP_CODES}.txt", self.download)
        router.add_api_route(f"{KEEP_CODES}/later", self.later, methods=["POST"])
        return router

    async def show(self, request: Request) -> Response:
        """Show the codes that are still to be kept."""
        session = await self.portal.entry.session(request)
        codes = await self.portal.unkept.of(session)
        if codes is None:
            return self._gone()
        return await self.portal.page(request, KeepCodes(codes=codes), session)

    async def download(self, request: Request) -> Response:
        """Give them as a file."""
        session = await self.portal.entry.session(request)
        codes = await self.portal.unkept.of(session)
        if codes is None:
            return self._gone()
        return PlainTextResponse(
            "\r\n".join((session.username, "", *codes, "")),
            headers={"Content-Disposition": 'attachment; filename="recovery-codes.txt"'},
        )

    async def keep(self, request: Request) -> Response:
        """Take a code that is typed back as proof that they were kept; it stays as good as it was."""
        session = await self.portal.entry.session(request)
        typed = (await form(request)).get("code", "")
        codes = await self.portal.unkept.of(session)
        if codes is None:
            return self._gone()
        if not is_one_of(typed, codes):
            return self.portal.answers.go(KEEP_CODES, Told(Notice.NOT_ONE_OF_THEM))
        await self.portal.unkept.forget(session)
        return self.portal.answers.arrive(request, Told(Notice.CODES_KEPT))

    async def later(self, request: Request) -> Response:
        """Go on; the overview reminds of them."""
        await self.portal.entry.session(request)
        await form(request)
        return self.portal.answers.arrive(request)

    def _gone(self) -> Response:
        return self.portal.answers.go(HOME, Told(Notice.CODES_GONE))
