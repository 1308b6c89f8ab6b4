"""The page that asks for a code at login: from the authenticator app, or a recovery code."""

import re
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from services.gateway.conversation import Challenged
from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.views import EnterCode
from services.gateway.portal import ENTER_CODE, ENTER_RECOVERY_CODE, SETUP, Portal, form, told
from services.gateway.problems import Problem
from shared.contracts.vocabulary import AuthenticatorType
from shared.runtime.messaging import Unreachable


@dataclass(frozen=True)
class Method:
    """What is asked for: where, in which form, and what is said of one that does not do."""

    type: AuthenticatorType
    place: str
    form: re.Pattern[str]
    malformed: Notice
    wrong: Notice


SIX_DIGITS = re.compile(r"[0-9]{6}", re.ASCII)

_TOTP = Method(AuthenticatorType.TOTP, ENTER_CODE, SIX_DIGITS, Notice.CODE_MALFORMED, Notice.CODE_WRONG)
_RECOVERY_CODE = Method(
    AuthenticatorType.RECOVERY_CODE,
    ENTER_RECOVERY_CODE,
    re.compile(r"\S{1,64}"),
    Notice.RECOVERY_CODE_MALFORMED,
    Notice.RECOVERY_CODE_WRONG,
)


@dataclass(frozen=True)
class CodePage:
    """`/login/code`."""

    portal: Portal

    def routes(self) -> APIRouter:
        """Its addresses."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(ENTER_CODE, self.show)
        router.add_api_route(ENTER_CODE, self.verify, methods=["POST"])
        return router

    async def show(self, request: Request, method: str = "") -> Response:
        """Ask for a code."""
        answers, conversation = self.portal.answers, self.portal.conversation
        standing = await conversation.standing(self.portal.entry.cookies.flow.of(request))
        if not isinstance(standing, Challenged):
            return answers.go(SETUP, answers.left(request).told or Told(Notice.SET_UP_FIRST))
        view = EnterCode(now=conversation.clock(), method=asked(method).type.value)
        return await self.portal.page(request, view, standing.flow)

    async def verify(self, request: Request) -> Response:
        """Judge a code."""
        answers, flow = self.portal.answers, self.portal.entry.cookies.flow
        typed = await form(request)
        method, code = asked(typed.get("method", "")), "".join(typed.get("code", "").split())
        if method.form.fullmatch(code) is None:
            return answers.go(method.place, Told(method.malformed))
        try:
            granted = await self.portal.conversation.verify(flow.of(request), code, method.type)
        except (Problem, Unreachable) as reason:
            return self.portal.elsewhere(reason) or answers.go(method.place, told(reason, method.wrong))
        return await self.portal.enter(request, granted)


def asked(method: str) -> Method:
    """What a form asks to be judged by: the app, unless it says otherwise."""
    return _RECOVERY_CODE if method == _RECOVERY_CODE.type else _TOTP
