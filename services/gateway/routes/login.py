"""The login: a password, then what policy asks for."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response, status

from services.gateway.conversation import Challenged, Enrolling, Granted
from services.gateway.entry import Entry
from services.gateway.forms import ConfirmationForm, FlowView, LoginForm, OtpForm
from services.gateway.openapi import documented
from services.gateway.problems import Code

_EVERYWHERE = (Code.CROSS_SITE, Code.UNAVAILABLE)
_WITH_A_BODY = (*_EVERYWHERE, Code.TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE, Code.INVALID_REQUEST)
_IN_A_LOGIN = (Code.NO_LOGIN, Code.WRONG_STATE, Code.ACCESS_DENIED)


def routes(entry: Entry) -> APIRouter:
    """The addresses under `/login`."""
    router = APIRouter(prefix="/login", tags=["login"])
    conversation, flow_cookie = entry.conversation, entry.cookies.flow

    @router.post(
        "",
        response_model_exclude_unset=True,
        responses=documented(Code.INVALID_CREDENTIALS, Code.ACCESS_DENIED, Code.TOO_MANY_ATTEMPTS, *_WITH_A_BODY),
    )
    async def begin(form: Annotated[LoginForm, Body()], request: Request, response: Response) -> FlowView:
        """Sign in with a password. A login that goes on gets a cookie, and replaces one that was in progress."""
        begun = await conversation.begin(form.username, form.password)
        standing = await entry.go_on(request, response, begun)
        if isinstance(standing, Granted):
            return FlowView.authenticated(standing.session, standing.recovery_codes)
        return _view(standing)

    @router.get("", response_model_exclude_unset=True, responses=documented(*_IN_A_LOGIN, Code.UNAVAILABLE))
    async def standing(request: Request) -> FlowView:
        """How the login in progress stands: a reload shows the same QR code."""
        return _view(await conversation.standing(flow_cookie.of(request)))

    @router.delete("", status_code=status.HTTP_204_NO_CONTENT, responses=documented(*_EVERYWHERE))
    async def cancel(request: Request, response: Response) -> None:
        """Give the login up."""
        await entry.give_up(request, response)

    @router.post(
        "/enrollment",
        response_model_exclude_unset=True,
        responses=documented(Code.INVALID_CODE, Code.TOO_MANY_ATTEMPTS, *_IN_A_LOGIN, *_WITH_A_BODY),
    )
    async def confirm(form: Annotated[ConfirmationForm, Body()], request: Request, response: Response) -> FlowView:
        """Confirm a new authenticator app by its first code. Recovery codes are shown this once."""
        granted = await conversation.confirm(flow_cookie.of(request), form.code)
        return await _signed_in(entry, request, response, granted)

    @router.post(
        "/enrollment/skip",
        response_model_exclude_unset=True,
        responses=documented(Code.ENROLLMENT_REQUIRED, *_IN_A_LOGIN, *_EVERYWHERE),
    )
    async def skip(request: Request, response: Response) -> FlowView:
        """Put the enrollment off, while the grace period lasts."""
        granted = await conversation.skip(flow_cookie.of(request))
        return await _signed_in(entry, request, response, granted)

    @router.post(
        "/otp",
        response_model_exclude_unset=True,
        responses=documented(Code.INVALID_CODE, Code.TOO_MANY_ATTEMPTS, *_IN_A_LOGIN, *_WITH_A_BODY),
    )
    async def verify(form: Annotated[OtpForm, Body()], request: Request, response: Response) -> FlowView:
        """Answer the challenge with a code from the authenticator app, or with a recovery code."""
        granted = await conversation.verify(flow_cookie.of(request), form.code, form.method)
        return await _signed_in(entry, request, response, granted)

    return router


def _view(standing: Enrolling | Challenged) -> FlowView:
    if isinstance(standing, Challenged):
        return FlowView.challenging(standing.flow)
    return FlowView.enrolling(standing.flow, standing.provisioning, standing.started.expires_at)


async def _signed_in(entry: Entry, request: Request, response: Response, granted: Granted) -> FlowView:
    await entry.let_in(request, response, granted)
    return FlowView.authenticated(granted.session, granted.recovery_codes)
