"""The page of what protects an account: authenticators, recovery codes, sessions, and what happened lately."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from services.gateway.forms import NameForm
from services.gateway.pages.happenings import TOPICS, happenings
from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.views import Authenticator, OpenSession, Security, SecurityEvent
from services.gateway.portal import SECURITY, Portal, form, told
from services.gateway.problems import Problem
from services.gateway.sessions import Session
from shared.contracts.management import MOST_AUTHENTICATORS, AuthenticatorsListed
from shared.contracts.vocabulary import Mode
from shared.runtime.messaging import Unreachable


@dataclass(frozen=True)
class SecurityPage:
    """`/account/security`, for whoever is signed in."""

    portal: Portal

    def routes(self) -> APIRouter:
        """Its addresses."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route(SECURITY, self.show)
        router.add_api_route(f"{SECURITY}/authenticators/{{authenticator_id}}/name", self.rename, methods=["POST"])
        router.add_api_route(f"{SECURITY}/sessions/{{session_id}}/end", self.end_session, methods=["POST"])
        router.add_api_route(f"{SECURITY}/other-sessions/end", self.end_other_sessions, methods=["POST"])
        return router

    async def show(self, request: Request) -> Response:
        """Show what protects this account; what cannot be asked for now is left out."""
        here = await self.portal.entry.session(request)
        standing = await self._standing(here)
        sessions = await self.portal.conversation.sessions.of_user(here.tenant_id, here.user_id)
        view = Security(
            sessions=tuple(_open_session(session, here) for session in sessions),
            authenticators=None if standing is None else _authenticators(standing),
            most_authenticators=MOST_AUTHENTICATORS,
            last_is_required=await self.portal.conversation.sessions.mode_for(here) is Mode.REQUIRED,
            codes_left=None if standing is None or not standing.authenticators else standing.recovery_codes_left,
            events=await self._events(here),
        )
        return await self.portal.page(request, view, here)

    async def rename(self, request: Request, authenticator_id: UUID) -> Response:
        """Call an authenticator app something else."""
        here = await self.portal.entry.session(request)
        typed = (await form(request)).get("name", "")
        try:
            name = NameForm(name=typed).name
            await self.portal.account.rename(here, str(authenticator_id), name)
        except ValidationError:
            return self.portal.answers.go(SECURITY, Told(Notice.NAME_MALFORMED))
        except (Problem, Unreachable) as reason:
            return self.portal.answers.go(SECURITY, told(reason))
        return self.portal.answers.go(SECURITY, Told(Notice.APP_RENAMED))

    async def end_session(self, request: Request, session_id: str) -> Response:
        """End another session of this person."""
        here = await self.portal.entry.session(request)
        await form(request)
        await self.portal.conversation.end_session_of(here, session_id)
        return self.portal.answers.go(SECURITY, Told(Notice.SESSION_ENDED))

    async def end_other_sessions(self, request: Request) -> Response:
        """End all other sessions of this person."""
        here = await self.portal.entry.session(request)
        await form(request)
        await self.portal.conversation.end_other_sessions(here)
        return self.portal.answers.go(SECURITY, Told(Notice.SESSIONS_ENDED))

    async def _standing(self, here: Session) -> AuthenticatorsListed | None:
        try:
            return await self.portal.account.standing(here)
        except Unreachable:
            return None

    async def _events(self, here: Session) -> tuple[SecurityEvent, ...] | None:
        try:
            return happenings(await self.portal.account.security_events(here, TOPICS))
        except Unreachable:
            return None


def _authenticators(standing: AuthenticatorsListed) -> tuple[Authenticator, ...]:
    return tuple(
        Authenticator(one.authenticator_id, one.name, one.created_at, one.last_used_at)
        for one in standing.authenticators
    )


def _open_session(session: Session, here: Session) -> OpenSession:
    return OpenSession(
        id=session.session_id,
        authenticated_at=session.authenticated_at,
        seen_at=session.last_seen,
        amr=session.amr,
        is_this=session.session_id == here.session_id,
    )
