"""The sessions of a signed-in user, in all his browsers."""

from uuid import UUID

from fastapi import APIRouter, Request, status

from services.gateway.entry import Entry
from services.gateway.forms import OpenSessionView
from services.gateway.openapi import documented
from services.gateway.problems import Code, Problem


def routes(entry: Entry) -> APIRouter:
    """The addresses under `/sessions`."""
    router = APIRouter(prefix="/sessions", tags=["session"])
    of_a_session = (Code.NO_SESSION, Code.STEP_UP_REQUIRED, Code.UNAVAILABLE)

    @router.get("", responses=documented(*of_a_session))
    async def sessions(request: Request) -> list[OpenSessionView]:
        """Where this user is signed in, the latest first."""
        here = await entry.session(request)
        found = await entry.conversation.sessions.of_user(here.tenant_id, here.user_id)
        return [OpenSessionView.of(session, here) for session in found]

    @router.delete(
        "",
        status_code=status.HTTP_204_NO_CONTENT,
        responses=documented(*of_a_session, Code.CROSS_SITE),
    )
    async def end_others(request: Request) -> None:
        """End all sessions of this user but the one that asks."""
        await entry.conversation.end_other_sessions(await entry.session(request))

    @router.delete(
        "/{session_id}",
        status_code=status.HTTP_204_NO_CONTENT,
        responses=documented(*of_a_session, Code.NOT_FOUND, Code.INVALID_REQUEST, Code.CROSS_SITE),
    )
    async def end(request: Request, session_id: UUID) -> None:
        """End a session of this user, in whichever browser it is."""
        if not await entry.conversation.end_session_of(await entry.session(request), str(session_id)):
            raise Problem(Code.NOT_FOUND)

    return router
