"""The pages of the wizard that sets an authenticator app up."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from services.gateway.conversation import Challenged
from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.views import SetupApp, SetupCode, SetupScan, View
from services.gateway.portal import (
    CONFIRM,
    ENTER_CODE,
    SCAN,
    SETUP,
    Portal,
    account_named,
    after_first_code,
    form,
    told,
)
from services.gateway.problems import Problem
from services.gateway.routes.pages_code import SIX_DIGITS
from shared.runtime.messaging import Unreachable


@dataclass(frozen=True)
class SetupPages:
    """`/login/setup`: get an app, scan, enter the code; one state of the login, shown in three steps."""

    portal: Portal

    def routes(self) -> APIRouter:
        """Their addresses."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(SETUP, self.show)
        router.add_api_route(SETUP, self.confirm, methods=["POST"])
        router.add_api_route(f"{SETUP}/skip", self.skip, methods=["POST"])
        return router

    async def show(self, request: Request, step: str = "app") -> Response:
        """Show a step of the wizard; a reload or a second tab shows the same QR code."""
        answers, conversation = self.portal.answers, self.portal.conversation
        standing = await conversation.standing(self.portal.entry.cookies.flow.of(request))
        if isinstance(standing, Challenged):
            return answers.go(ENTER_CODE, answers.left(request).told or Told(Notice.ALREADY_SET_UP))
        until, provisioning = standing.flow.skippable_until, standing.provisioning
        view: View
        match step:
            case "scan":
                view = SetupScan(
                    account=account_named(provisioning.otpauth_uri),
                    secret=provisioning.secret,
                    otpauth_uri=provisioning.otpauth_uri,
                    skippable_until=until,
                )
            case "code":
                view = SetupCode(now=conversation.clock(), skippable_until=until)
            case _:
                view = SetupApp(skippable_until=until)
        return await self.portal.page(request, view, standing.flow)

    async def confirm(self, request: Request) -> Response:
        """Judge the first code from a new authenticator app."""
        answers, flow = self.portal.answers, self.portal.entry.cookies.flow
        code = "".join((await form(request)).get("code", "").split())
        if SIX_DIGITS.fullmatch(code) is None:
            return answers.go(CONFIRM, Told(Notice.CODE_MALFORMED))
        try:
            granted = await self.portal.conversation.confirm(flow.of(request), code, self.portal.unkept.add)
        except (Problem, Unreachable) as reason:
            return self.portal.elsewhere(reason) or answers.go(*after_first_code(reason, SCAN, CONFIRM))
        return await self.portal.enter(request, granted)

    async def skip(self, request: Request) -> Response:
        """Put the enrollment off, while the grace period lasts."""
        await form(request)
        try:
            granted = await self.portal.conversation.skip(self.portal.entry.cookies.flow.of(request))
        except (Problem, Unreachable) as reason:
            return self.portal.elsewhere(reason) or self.portal.answers.go(SETUP, told(reason))
        return await self.portal.enter(request, granted)
