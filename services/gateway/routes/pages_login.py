"""The page that asks for username and password."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from services.gateway.conversation import Granted
from services.gateway.forms import LoginForm
from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.views import SignIn
from services.gateway.portal import PLACES, SIGN_IN, Portal, form, told
from services.gateway.problems import Problem
from shared.runtime.messaging import Unreachable


@dataclass(frozen=True)
class LoginPage:
    """`/login`."""

    portal: Portal

    def routes(self) -> APIRouter:
        """Its addresses."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(SIGN_IN, self.show)
        router.add_api_route(SIGN_IN, self.begin, methods=["POST"])
        router.add_api_route(f"{SIGN_IN}/cancel", self.cancel, methods=["POST"])
        return router

    async def show(self, request: Request, return_to: str | None = None) -> Response:
        """Ask for username and password, unless the browser is further than that."""
        answers, entry = self.portal.answers, self.portal.entry
        try:
            await entry.session(request)
        except Problem:
            state = await entry.login(request)
        else:
            return answers.arrive(request, return_to=return_to)
        if state is None:
            response = answers.page(request, SignIn(username=answers.left(request).username))
        else:
            response = answers.go(PLACES[state])
        answers.remember_goal(response, return_to)
        return response

    async def begin(self, request: Request) -> Response:
        """Judge a password."""
        answers, entry = self.portal.answers, self.portal.entry
        typed = await form(request)
        username, password = typed.get("username", "").strip(), typed.get("password", "")
        try:
            fields = LoginForm(username=username, password=password)
            begun = await self.portal.conversation.begin(fields.username, fields.password)
        except ValidationError:
            is_missing = not (username and password)
            notice = Notice.CREDENTIALS_MISSING if is_missing else Notice.CREDENTIALS_WRONG
            return answers.go(SIGN_IN, Told(notice), username)
        except (Problem, Unreachable) as reason:
            return answers.go(SIGN_IN, told(reason), username)
        response = answers.arrive(request) if isinstance(begun, Granted) else answers.go(PLACES[begun[0].flow.state])
        await entry.go_on(request, response, begun)
        return response

    async def cancel(self, request: Request) -> Response:
        """Give the login up, to sign in as someone else."""
        await form(request)
        response = self.portal.answers.go(SIGN_IN)
        await self.portal.entry.give_up(request, response)
        return response
