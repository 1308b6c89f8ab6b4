"""The account of somebody who is signed in: what is asked of the services about his authenticators, and what he hears.

Who asks is read from his session and from nowhere else. Whether he may is not decided here.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from services.gateway.conversation import Conversation
from services.gateway.problems import Code, Problem
from services.gateway.refusals import is_about, refusal, rejection
from services.gateway.sessions import Session
from services.gateway.tokens import digest, new_token
from shared.contracts.audit import ListSecurityEvents, SecurityEvent, SecurityEventsListed
from shared.contracts.enrollment import EnrollmentRejected, EnrollmentStarted, OtpRejected, Provisioning
from shared.contracts.management import (
    AddAuthenticator,
    AdditionNoted,
    AuthenticatorRenamed,
    AuthenticatorsListed,
    ConfirmAuthenticator,
    InSession,
    ListAuthenticators,
    RecoveryCodesRenewed,
    RemovalNoted,
    RemoveAuthenticator,
    RenameAuthenticator,
    RenewRecoveryCodes,
    StepUp,
    StepUpGranted,
)
from shared.contracts.message import Event, OfUser
from shared.contracts.vocabulary import AuthenticatorId, AuthenticatorType, FlowId, Sealed, Service

_FOR_THE_TRAIL = timedelta(seconds=2)
"""A page waits no longer for what it can be shown without."""

Asked = (
    StepUp
    | ListAuthenticators
    | AddAuthenticator
    | ConfirmAuthenticator
    | RenameAuthenticator
    | RemoveAuthenticator
    | RenewRecoveryCodes
    | ListSecurityEvents
)


@dataclass(frozen=True)
class Renewed:
    """A session under another token, which is told here and nowhere else."""

    session: Session
    token: str
    fresh_until: datetime


@dataclass(frozen=True)
class Adding:
    """An authenticator that waits for its first code; those that there are stay as good as they were."""

    authenticator_id: AuthenticatorId
    provisioning: Provisioning
    expires_at: datetime


@dataclass(frozen=True)
class Added:
    """An authenticator that is active; recovery codes come with it where there were none."""

    authenticator_id: AuthenticatorId
    name: str
    recovery_codes: list[str] | None


@dataclass(frozen=True)
class Account:
    """Asks in conversations of their own, each with a flow of its own: what is sealed to one opens in no other."""

    conversation: Conversation

    async def step_up(self, session: Session, code: str, method: AuthenticatorType) -> Renewed:
        """Judge a code; right, the session goes on under a new token (ASVS 7.2.4), and what it rests on is fresh."""
        asked = _asked(session)
        command = StepUp(**asked, method=method, code=self._sealed(code, asked))
        answer = await self.conversation.failures.judged(partial(self._ask, session, command))
        match answer:
            case StepUpGranted():
                return await self._renewed(session, answer)
            case OtpRejected():
                raise Problem(Code.INVALID_CODE)
            case _:
                raise refusal(answer)

    async def standing(self, session: Session) -> AuthenticatorsListed:
        """The authenticators and recovery codes of this user."""
        answer = await self._ask(session, ListAuthenticators(**_asked(session)))
        if isinstance(answer, AuthenticatorsListed):
            return answer
        raise refusal(answer)

    async def add(self, session: Session) -> Adding:
        """Start another authenticator; asked again in the same session, it is the same one."""
        answer = await self._ask(session, AddAuthenticator(**_asked(session)))
        if isinstance(answer, EnrollmentStarted):
            opened = self.conversation.opener.open(answer.provisioning, field="provisioning", flow=answer.flow_id)
            return Adding(answer.authenticator_id, Provisioning.model_validate_json(opened), answer.expires_at)
        raise refusal(answer)

    async def confirm(self, session: Session, authenticator_id: str, code: str) -> Added:
        """Judge the first code from an authenticator that is being added."""
        asked = _asked(session)
        command = ConfirmAuthenticator(
            **asked, authenticator_id=AuthenticatorId(authenticator_id), code=self._sealed(code, asked)
        )
        answer = await self.conversation.failures.judged(partial(self._ask, session, command))
        match answer:
            case AdditionNoted(recovery_codes=sealed):
                codes = None if sealed is None else self._codes(sealed, answer.flow_id)
                return Added(answer.authenticator_id, answer.name, codes)
            case EnrollmentRejected():
                raise rejection(answer)
            case _:
                raise refusal(answer)

    async def rename(self, session: Session, authenticator_id: str, name: str) -> None:
        """Call an authenticator something else."""
        command = RenameAuthenticator(**_asked(session), authenticator_id=AuthenticatorId(authenticator_id), name=name)
        answer = await self._ask(session, command)
        if not isinstance(answer, AuthenticatorRenamed):
            raise refusal(answer)

    async def remove(self, session: Session, authenticator_id: str) -> None:
        """Take an authenticator away."""
        command = RemoveAuthenticator(**_asked(session), authenticator_id=AuthenticatorId(authenticator_id))
        answer = await self._ask(session, command)
        if not isinstance(answer, RemovalNoted):
            raise refusal(answer)

    async def renew_recovery_codes(self, session: Session) -> list[str]:
        """Make new recovery codes, in place of all that there are."""
        answer = await self._ask(session, RenewRecoveryCodes(**_asked(session)))
        if isinstance(answer, RecoveryCodesRenewed):
            return self._codes(answer.recovery_codes, answer.flow_id)
        raise refusal(answer)

    async def security_events(self, session: Session, topics: tuple[str, ...]) -> tuple[SecurityEvent, ...]:
        """The latest events of these kinds that tell of this user, the latest first."""
        answer = await self._ask(session, ListSecurityEvents(**_asked(session), topics=topics), _FOR_THE_TRAIL)
        if isinstance(answer, SecurityEventsListed):
            return answer.events
        raise refusal(answer)

    async def _renewed(self, session: Session, granted: StepUpGranted) -> Renewed:
        token = new_token()
        after = replace(
            session,
            token_hash=digest(token),
            amr=granted.amr,
            assurance=granted.assurance,
            policy_revision=granted.policy_revision,
            chain=granted.chain,
            last_seen=self.conversation.clock(),
        )
        if not await self.conversation.sessions.renew(session, after):
            raise Problem(Code.NO_SESSION)
        return Renewed(after, token, granted.fresh_until)

    async def _ask(self, session: Session, command: Asked, patience: timedelta | None = None) -> Event:
        """Ask for one session. An answer about somebody else's is no answer, whoever sent it and why."""
        answer = await self.conversation.caller.ask(command, command.flow_id, patience)
        if not is_about(answer, command.flow_id) or not _is_of(session, answer):
            raise refusal(answer)
        return answer

    def _sealed(self, code: str, asked: dict[str, Any]) -> Sealed:
        return self.conversation.sealer.seal(code, recipient=Service.ENROLLMENT, field="code", flow=asked["flow_id"])

    def _codes(self, sealed: Sealed, flow_id: FlowId) -> list[str]:
        opened = self.conversation.opener.open(sealed, field="recovery_codes", flow=flow_id)
        return [str(code) for code in json.loads(opened)]


def _asked(session: Session) -> dict[str, Any]:
    return {
        "flow_id": FlowId(str(uuid4())),
        "tenant_id": session.tenant_id,
        "user_id": session.user_id,
        "login": session.flow_id,
    }


def _is_of(session: Session, answer: Event) -> bool:
    if isinstance(answer, InSession) and answer.login != session.flow_id:
        return False
    if isinstance(answer, OfUser):
        return (answer.tenant_id, answer.user_id) == (session.tenant_id, session.user_id)
    return True
