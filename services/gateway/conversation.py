"""The conversation of a login: what is asked of the services, and what each of their answers means to a browser."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

from services.gateway.failures import Failures
from services.gateway.flows import Flow, Flows, FlowState, Step
from services.gateway.problems import Code, Problem
from services.gateway.refusals import is_about, refusal, rejection
from services.gateway.sessions import Session, Sessions
from services.gateway.tokens import digest, new_token
from services.gateway.trail import ended, given_up, started
from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.enrollment import (
    ConfirmEnrollment,
    EnrollmentRejected,
    EnrollmentStarted,
    OtpRejected,
    Provisioning,
    ResumeEnrollment,
    VerifyOtp,
)
from shared.contracts.gateway import SessionEnding
from shared.contracts.message import Command, Event, OfUser
from shared.contracts.policy import AccessGranted, OtpRequired, SkipEnrollment
from shared.contracts.vocabulary import AuthenticatorType, FlowId, Service
from shared.crypto.sealing import Opener, Sealer
from shared.runtime.caller import Asks
from shared.runtime.clock import Clock


@dataclass(frozen=True)
class Enrolling:
    """A login that waits for the first code from a new authenticator app."""

    flow: Flow
    started: EnrollmentStarted
    provisioning: Provisioning


@dataclass(frozen=True)
class Challenged:
    """A login that waits for a code."""

    flow: Flow


@dataclass(frozen=True)
class Granted:
    """A login that became a session, the token of which is told here and nowhere else."""

    session: Session
    token: str
    recovery_codes: list[str] | None


Hold = Callable[[Session, list[str]], Awaitable[None]]
"""Holds new recovery codes ready for a session, to be shown in it later."""


@dataclass(frozen=True)
class Lifetimes:
    """How long a login may take, and a session last."""

    flow: timedelta
    session: timedelta


@dataclass(frozen=True)
class Conversation:
    """Leads logins from the password to the session. Whatever is not granted is refused."""

    caller: Asks
    sealer: Sealer
    opener: Opener
    flows: Flows
    sessions: Sessions
    failures: Failures
    lifetimes: Lifetimes
    clock: Clock
    tell: Callable[[Event, str], None]
    """For the audit trail: nobody waits for it."""

    async def begin(self, username: str, password: str) -> tuple[Enrolling | Challenged, str] | Granted:
        """Judge a password; a login that goes on comes with the token of its flow. A failed one leaves nothing."""
        flow_id = FlowId(str(uuid4()))
        sealed = self.sealer.seal(password, recipient=Service.AUTH, field="password", flow=flow_id)
        command = VerifyPassword(flow_id=flow_id, username=username, password=sealed)
        answer = await self.failures.judged(partial(self._ask, command))
        match answer:
            case OtpRequired() | EnrollmentStarted():
                token = new_token()
                flow = Flow.begun(answer, digest(token), self.clock() + self.lifetimes.flow)
                standing = self._standing(flow, answer)
                await self.flows.add(flow)
                return standing, token
            case AccessGranted():
                session, token = self._session(answer)
                await self.sessions.add(session)
                self.tell(started(session), session.flow_id)
                return Granted(session, token, self._recovery_codes(answer))
            case LoginFailed():
                raise Problem(Code.INVALID_CREDENTIALS)
            case _:
                raise refusal(answer)

    async def standing(self, token: str | None) -> Enrolling | Challenged:
        """How the login of this browser stands."""
        flow = await self._flow(token)
        if flow.state is FlowState.OTP_REQUIRED:
            return Challenged(flow)
        answer = await self._ask_of(
            flow,
            ResumeEnrollment(
                flow_id=flow.flow_id,
                tenant_id=flow.tenant_id,
                user_id=flow.user_id,
                skippable_until=flow.skippable_until,
            ),
        )
        match answer:
            case EnrollmentStarted():
                return self._standing(flow, answer)
            case OtpRequired():  # the user has set up his app in another login meanwhile
                return self._standing(await self._move(flow, answer), answer)
            case _:
                raise refusal(answer)

    async def confirm(self, token: str | None, code: str, hold: Hold | None = None) -> Granted:
        """Judge the first code from a new authenticator app; `hold` the recovery codes that come with it."""
        flow = await self._flow(token, FlowState.ENROLLMENT_REQUIRED)
        sealed = self.sealer.seal(code, recipient=Service.ENROLLMENT, field="code", flow=flow.flow_id)
        command = ConfirmEnrollment(flow_id=flow.flow_id, tenant_id=flow.tenant_id, user_id=flow.user_id, code=sealed)
        answer = await self.failures.judged(partial(self._ask_of, flow, command))
        match answer:
            case AccessGranted():
                return await self._grant(flow, answer, hold)
            case EnrollmentRejected():
                raise rejection(answer)
            case OtpRequired():
                await self._move(flow, answer)
                raise Problem(Code.WRONG_STATE)
            case _:
                raise refusal(answer)

    async def skip(self, token: str | None) -> Granted:
        """Go on without an authenticator app, if policy lets the user."""
        flow = await self._flow(token, FlowState.ENROLLMENT_REQUIRED)
        answer = await self._ask_of(
            flow, SkipEnrollment(flow_id=flow.flow_id, tenant_id=flow.tenant_id, user_id=flow.user_id)
        )
        if isinstance(answer, AccessGranted):
            return await self._grant(flow, answer)
        raise refusal(answer)

    async def verify(self, token: str | None, code: str, method: AuthenticatorType) -> Granted:
        """Judge a code from an authenticator that the user has."""
        flow = await self._flow(token, FlowState.OTP_REQUIRED)
        if method not in flow.methods:
            raise Problem(Code.WRONG_STATE)
        sealed = self.sealer.seal(code, recipient=Service.ENROLLMENT, field="code", flow=flow.flow_id)
        command = VerifyOtp(
            flow_id=flow.flow_id, tenant_id=flow.tenant_id, user_id=flow.user_id, method=method, code=sealed
        )
        answer = await self.failures.judged(partial(self._ask_of, flow, command))
        match answer:
            case AccessGranted():
                return await self._grant(flow, answer)
            case OtpRejected():
                raise Problem(Code.INVALID_CODE)
            case EnrollmentStarted():  # the authenticator is gone
                await self._move(flow, answer)
                raise Problem(Code.WRONG_STATE)
            case _:
                raise refusal(answer)

    async def cancel(self, token: str | None) -> None:
        """End the login of this browser, if there is one."""
        flow = None if token is None else await self.flows.abandon(digest(token))
        if flow is not None:
            self.tell(given_up(flow, self.clock()), flow.flow_id)

    async def end_session(self, token: str | None, reason: SessionEnding) -> None:
        """End the session of this browser, if there is one."""
        session = None if token is None else await self.sessions.end(digest(token))
        if session is not None:
            self._tell_ended(session, reason)

    async def end_session_of(self, session: Session, session_id: str) -> bool:
        """End a session of the same user in another browser, by its public name."""
        found = await self.sessions.end_of_user(session.tenant_id, session.user_id, session_id)
        if found is not None:
            self._tell_ended(found, SessionEnding.FROM_ELSEWHERE)
        return found is not None

    async def end_other_sessions(self, session: Session) -> None:
        """End the sessions of the same user in all other browsers."""
        for other in await self.sessions.end_others(session):
            self._tell_ended(other, SessionEnding.FROM_ELSEWHERE)

    async def _flow(self, token: str | None, state: FlowState | None = None) -> Flow:
        flow = None if token is None else await self.flows.of_token(digest(token))
        if flow is None:
            raise Problem(Code.NO_LOGIN)
        if state is not None and flow.state is not state:
            raise Problem(Code.WRONG_STATE)
        return flow

    async def _ask(self, command: VerifyPassword) -> Event:
        answer = await self.caller.ask(command, command.flow_id)
        if not is_about(answer, command.flow_id):
            raise refusal(answer)
        return answer

    async def _ask_of(self, flow: Flow, command: Command) -> Event:
        """Ask for one flow. An answer about somebody else's login is no answer, whoever sent it and why."""
        answer = await self.caller.ask(command, flow.flow_id)
        if not is_about(answer, flow.flow_id) or (isinstance(answer, OfUser) and not flow.is_of(answer)):
            raise refusal(answer)
        return answer

    async def _move(self, flow: Flow, step: Step) -> Flow:
        moved = flow.told(step)
        await self.flows.move(flow, moved)
        return moved

    def _standing(self, flow: Flow, step: Step) -> Enrolling | Challenged:
        if isinstance(step, OtpRequired):
            return Challenged(flow)
        opened = self.opener.open(step.provisioning, field="provisioning", flow=flow.flow_id)
        return Enrolling(flow, step, Provisioning.model_validate_json(opened))

    async def _grant(self, flow: Flow, granted: AccessGranted, hold: Hold | None = None) -> Granted:
        """Make the one session of a flow.

        The flow becomes the session, in one write, and whoever wrote that is told the token. So nothing is lost where
        the write fails: the same code is accepted again in the same flow. Codes are held before it: after
        it there is no way back, and its user would have codes that nobody has ever shown him.
        """
        codes = self._recovery_codes(granted)
        session, token = self._session(granted)
        if codes is not None and hold is not None:
            await hold(session, codes)
        if not await self.sessions.grant(flow, session):
            raise Problem(Code.NO_LOGIN)
        self.tell(started(session), session.flow_id)
        return Granted(session, token, codes)

    def _session(self, granted: AccessGranted) -> tuple[Session, str]:
        token, now = new_token(), self.clock()
        longest = now + self.lifetimes.session
        session = Session(
            token_hash=digest(token),
            session_id=str(uuid4()),
            flow_id=granted.flow_id,
            tenant_id=granted.tenant_id,
            user_id=granted.user_id,
            username=granted.username,
            display_name=granted.display_name,
            amr=granted.amr,
            assurance=granted.assurance,
            chain=granted.chain,
            policy_revision=granted.policy_revision,
            authenticated_at=now,
            expires_at=min(longest, granted.granted_until or longest),
            last_seen=now,
        )
        return session, token

    def _tell_ended(self, session: Session, reason: SessionEnding) -> None:
        self.tell(ended(session, reason, self.clock()), session.flow_id)

    def _recovery_codes(self, granted: AccessGranted) -> list[str] | None:
        if granted.recovery_codes is None:
            return None
        opened = self.opener.open(granted.recovery_codes, field="recovery_codes", flow=granted.flow_id)
        return [str(code) for code in json.loads(opened)]
