"""The pages of what needs a fresh code: another app, one less, new recovery codes. Asked for it, one goes on after."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.views import AddApp, ShowCode
from services.gateway.portal import (
    KEEP_CODES,
    SECURITY,
    SIGN_IN,
    Portal,
    account_named,
    after_first_code,
    form,
    told,
)
from services.gateway.problems import Code, Problem
from services.gateway.routes.pages_code import SIX_DIGITS, asked
from services.gateway.sessions import Session
from shared.contracts.vocabulary import AuthenticatorType
from shared.runtime.messaging import Unreachable

ADD = f"{SECURITY}/authenticators/new"
STEP_UP = f"{SECURITY}/code"


class What(StrEnum):
    """What a person wants to do."""

    ADD = "add"
    REMOVE = "remove"
    RENEW_CODES = "renew_codes"


@dataclass(frozen=True)
class Change:
    """What a person was about to do when he was asked for a code. A page may say so: all it names is his own."""

    what: What = What.ADD
    authenticator_id: UUID | None = None

    @classmethod
    def said(cls, fields: Mapping[str, str]) -> Self:
        """What a form or an address says; where it says nothing that there is, another app."""
        try:
            what = What(fields.get("then", What.ADD))
            return cls(what, UUID(fields["id"]) if what is What.REMOVE else None)
        except (ValueError, KeyError):
            return cls()

    @property
    def fields(self) -> dict[str, str]:
        """The same as a form says it."""
        return {"then": self.what.value} | ({"id": str(self.authenticator_id)} if self.authenticator_id else {})

    def step_up(self, method: AuthenticatorType = AuthenticatorType.TOTP) -> str:
        """Where the code is asked for."""
        by = {} if method is AuthenticatorType.TOTP else {"method": method.value}
        return f"{STEP_UP}?{urlencode(self.fields | by)}"


@dataclass(frozen=True)
class ChangesPages:
    """The addresses below `/account/security` that change what signs a person in."""

    portal: Portal

    def routes(self) -> APIRouter:
        """Their addresses."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(STEP_UP, self.ask)
        router.add_api_route(STEP_UP, self.step_up, methods=["POST"])
        router.add_api_route(f"{SECURITY}/sign-in", self.sign_in_again, methods=["POST"])
        router.add_api_route(f"{SECURITY}/authenticators", self.add, methods=["POST"])
        router.add_api_route(ADD, self.show)
        router.add_api_route(f"{SECURITY}/authenticators/{{authenticator_id}}/code", self.confirm, methods=["POST"])
        router.add_api_route(f"{SECURITY}/authenticators/{{authenticator_id}}/removal", self.remove, methods=["POST"])
        router.add_api_route(f"{SECURITY}/recovery-codes", self.renew_codes, methods=["POST"])
        return router

    async def add(self, request: Request) -> Response:
        """Go and set another app up."""
        here = await self.portal.entry.session(request)
        await form(request)
        return await self._done(here, Change(What.ADD))

    async def remove(self, request: Request, authenticator_id: UUID) -> Response:
        """Take an app away."""
        here = await self.portal.entry.session(request)
        await form(request)
        return await self._done(here, Change(What.REMOVE, authenticator_id))

    async def renew_codes(self, request: Request) -> Response:
        """Make new recovery codes."""
        here = await self.portal.entry.session(request)
        await form(request)
        return await self._done(here, Change(What.RENEW_CODES))

    async def show(self, request: Request) -> Response:
        """Show what the new app must be told; a reload shows the same QR code."""
        here = await self.portal.entry.session(request)
        try:
            adding = await self.portal.account.add(here)
        except Problem as reason:
            return self._refused(reason, Change(What.ADD))
        view = AddApp(
            id=adding.authenticator_id,
            account=account_named(adding.provisioning.otpauth_uri),
            secret=adding.provisioning.secret,
            otpauth_uri=adding.provisioning.otpauth_uri,
            now=self.portal.conversation.clock(),
        )
        return await self.portal.page(request, view, here)

    async def confirm(self, request: Request, authenticator_id: UUID) -> Response:
        """Judge the first code from the new app."""
        here = await self.portal.entry.session(request)
        code = "".join((await form(request)).get("code", "").split())
        if SIX_DIGITS.fullmatch(code) is None:
            return self.portal.answers.go(ADD, Told(Notice.CODE_MALFORMED))
        try:
            added = await self.portal.account.confirm(here, str(authenticator_id), code)
        except Problem as reason:
            if reason.code is Code.NOT_FOUND:
                return self.portal.answers.go(ADD, Told(Notice.KEY_RENEWED))
            return self.portal.answers.go(*after_first_code(reason, ADD, ADD))
        except Unreachable as reason:
            return self.portal.answers.go(ADD, told(reason))
        if added.recovery_codes is not None:
            return await self._to_be_kept(here, added.recovery_codes)
        return self.portal.answers.go(SECURITY, Told(Notice.APP_ADDED))

    async def ask(self, request: Request) -> Response:
        """Ask for a code, or to sign in again where there is no app that could make one."""
        here = await self.portal.entry.session(request)
        change = Change.said(request.query_params)
        standing = await self.portal.account.standing(here)
        method = asked(request.query_params.get("method", ""))
        view = ShowCode(
            now=self.portal.conversation.clock(),
            method=method.type.value,
            fields=change.fields,
            by_app=change.step_up(),
            by_recovery_code=change.step_up(AuthenticatorType.RECOVERY_CODE),
            has_app=bool(standing.authenticators),
        )
        return await self.portal.page(request, view, here)

    async def step_up(self, request: Request) -> Response:
        """Judge a code; right, what was wanted is done."""
        here = await self.portal.entry.session(request)
        typed = await form(request)
        change, method = Change.said(typed), asked(typed.get("method", ""))
        code, again = "".join(typed.get("code", "").split()), change.step_up(method.type)
        if method.form.fullmatch(code) is None:
            return self.portal.answers.go(again, Told(method.malformed))
        try:
            renewed = await self.portal.account.step_up(here, code, method.type)
        except (Problem, Unreachable) as reason:
            if isinstance(reason, Problem) and reason.code is Code.NO_SESSION:
                raise
            return self.portal.answers.go(again, told(reason, method.wrong))
        response = await self._done(renewed.session, change)
        self.portal.entry.renew(response, renewed.session, renewed.token)
        return response

    async def sign_in_again(self, request: Request) -> Response:
        """End this session, to come back with a password that is fresh."""
        await form(request)
        response = self.portal.answers.go(SIGN_IN, Told(Notice.SESSION_OVER))
        self.portal.answers.remember_goal(response, ADD)
        await self.portal.entry.sign_out(request, response)
        return response

    async def _done(self, here: Session, change: Change) -> Response:
        """Do it, or ask for a code before; in any case there is a way on, for the token may be a new one."""
        try:
            match change:
                case Change(What.REMOVE, UUID() as authenticator_id):
                    await self.portal.account.remove(here, str(authenticator_id))
                    return self.portal.answers.go(SECURITY, Told(Notice.APP_REMOVED))
                case Change(What.RENEW_CODES):
                    return await self._to_be_kept(here, await self.portal.account.renew_recovery_codes(here))
                case _:
                    return self.portal.answers.go(ADD)
        except Problem as reason:
            return self._refused(reason, change)
        except Unreachable as reason:
            return self.portal.answers.go(SECURITY, told(reason))

    def _refused(self, reason: Problem, change: Change) -> Response:
        if reason.code is Code.FRESH_CODE_REQUIRED:
            return self.portal.answers.go(change.step_up())
        return self.portal.answers.go(SECURITY, told(reason))

    async def _to_be_kept(self, here: Session, codes: list[str]) -> Response:
        await self.portal.unkept.add(here, codes)
        return self.portal.answers.go(KEEP_CODES)
