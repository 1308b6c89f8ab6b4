"""The session: who is signed in."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response, status

from services.gateway.account import Account
from services.gateway.entry import Entry
from services.gateway.forms import OtpForm, RenewedSessionView, SessionView
from services.gateway.openapi import documented
from services.gateway.problems import Code


def routes(entry: Entry, account: Account) -> APIRouter:
    """The addresses under `/session`."""
    router = APIRouter(prefix="/session", tags=["session"])

    @router.get("", responses=documented(Code.NO_SESSION, Code.STEP_UP_REQUIRED, Code.UNAVAILABLE))
    async def show(request: Request) -> SessionView:
        """Who is signed in, if today's policy still accepts what he showed."""
        return SessionView.of(await entry.session(request))

    @router.post(
        "/step-up",
        responses=documented(
            Code.INVALID_CODE,
            Code.NO_SESSION,
            Code.ACCESS_DENIED,
            Code.CROSS_SITE,
            Code.WRONG_STATE,
            Code.TOO_LARGE,
            Code.UNSUPPORTED_MEDIA_TYPE,
            Code.INVALID_REQUEST,
            Code.TOO_MANY_ATTEMPTS,
            Code.UNAVAILABLE,
        ),
    )
    async def step_up(form: Annotated[OtpForm, Body()], request: Request, response: Response) -> RenewedSessionView:
        """Show a code anew: for five minutes authenticators and recovery codes may be changed. The token is renewed."""
        renewed = await account.step_up(await entry.someone(request), form.code, form.method)
        entry.renew(response, renewed.session, renewed.token)
        return RenewedSessionView.renewed(renewed)

    @router.delete("", status_code=status.HTTP_204_NO_CONTENT, responses=documented(Code.CROSS_SITE, Code.UNAVAILABLE))
    async def end(request: Request, response: Response) -> None:
        """Sign out."""
        await entry.sign_out(request, response)

    return router
