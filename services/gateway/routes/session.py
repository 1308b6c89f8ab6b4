"""The session: who is signed in."""

from fastapi import APIRouter, Request, Response, status

from services.gateway.entry import Entry
from services.gateway.forms import SessionView
from services.gateway.problems import Code, documented


def routes(entry: Entry) -> APIRouter:
    """The addresses under `/session`."""
    router = APIRouter(prefix="/session", tags=["session"])

    @router.get("", responses=documented(Code.NO_SESSION, Code.STEP_UP_REQUIRED, Code.UNAVAILABLE))
    async def show(request: Request) -> SessionView:
        """Who is signed in, if today's policy still accepts what he showed."""
        return SessionView.of(await entry.session(request))

    @router.delete("", status_code=status.HTTP_204_NO_CONTENT, responses=documented(Code.CROSS_SITE, Code.UNAVAILABLE))
    async def end(request: Request, response: Response) -> None:
        """Sign out."""
        await entry.sign_out(request, response)

    return router
