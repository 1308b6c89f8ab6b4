"""The session: who is signed in."""

from fastapi import APIRouter, Request, Response, status

from services.gateway.conversation import Conversation
from services.gateway.cookies import Cookies
from services.gateway.forms import SessionView
from services.gateway.problems import Code, Problem, documented
from services.gateway.tokens import digest
from shared.contracts.gateway import SessionEnding


def routes(conversation: Conversation, cookies: Cookies) -> APIRouter:
    """The addresses under `/session`."""
    router = APIRouter(prefix="/session", tags=["session"])
    sessions = conversation.sessions

    @router.get("", responses=documented(Code.NO_SESSION, Code.STEP_UP_REQUIRED, Code.UNAVAILABLE))
    async def show(request: Request) -> SessionView:
        """Who is signed in, if today's policy still accepts what he showed."""
        token = cookies.session.of(request)
        session = None if token is None else await sessions.of_token(digest(token))
        if session is None:
            raise Problem(Code.NO_SESSION)
        if await sessions.must_step_up(session):
            raise Problem(Code.STEP_UP_REQUIRED)
        return SessionView.of(session)

    @router.delete("", status_code=status.HTTP_204_NO_CONTENT, responses=documented(Code.CROSS_SITE, Code.UNAVAILABLE))
    async def end(request: Request, response: Response) -> None:
        """Sign out."""
        await conversation.end_session(cookies.session.of(request), SessionEnding.SIGNED_OUT)
        cookies.session.end(response)

    return router
