"""Doubles of what the gateway stands on, verified in tests/integration/services/test_gateway_*.py."""

import math
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from services.gateway.addresses import client
from services.gateway.failures import Failures, is_failure
from services.gateway.flows import Flow, Flows
from services.gateway.problems import Code, Problem
from services.gateway.sessions import Enforced, Session, Sessions
from services.gateway.tenants import Described, Tenants
from services.gateway.unkept import Unkept
from shared.contracts.message import Command, Event
from shared.contracts.policy import EnforcementChanged, TenantDescribed
from shared.contracts.vocabulary import Mode, TenantId, UserId
from shared.runtime.clock import Clock
from shared.runtime.messaging import Unreachable
from shared.runtime.mongo import PyMongoError

C = TypeVar("C", bound=Command)
Reply = Callable[[Any], Event]


class FakeCaller:
    """Gives the answers that a test has told it, and remembers what it was asked; all else is unreachable."""

    def __init__(self) -> None:
        self.asked: list[Command] = []
        self._replies: dict[type[Command], Reply] = {}

    def answers(self, kind: type[C], reply: Callable[[C], Event]) -> None:
        """Answer commands of this kind so from now on."""
        self._replies[kind] = reply

    def is_silent_on(self, kind: type[Command]) -> None:
        """Answer commands of this kind no more."""
        self._replies.pop(kind, None)

    async def ask(self, command: Command, correlation_id: str, patience: timedelta | None = None) -> Event:
        """The answer that the test has told."""
        del correlation_id, patience
        self.asked.append(command)
        reply = self._replies.get(type(command))
        if reply is None:
            raise Unreachable(f"no service reads {command.topic}")
        return reply(command)


class FakeFailures(Failures):
    """Failures in memory."""

    def __init__(self, clock: Clock, most: int = 200, within: timedelta = timedelta(minutes=5)) -> None:
        self.failed: dict[str, list[datetime]] = defaultdict(list)
        self._now, self._most, self._within = clock, most, within

    async def prepare(self) -> None:
        """Memory needs no index."""

    async def judged(self, ask: Callable[[], Awaitable[Event]]) -> Event:
        recent = [at for at in self.failed[client()] if at + self._within > self._now()]
        if len(recent) >= self._most:
            seconds = (recent[-self._most] + self._within - self._now()).total_seconds()
            raise Problem(Code.TOO_MANY_ATTEMPTS, retry_after=math.ceil(seconds))
        answer = await ask()
        if is_failure(answer):
            self.failed[client()].append(self._now())
        return answer


class FakeFlows(Flows):
    """Flows in memory."""

    def __init__(self, clock: Clock) -> None:
        self.kept: dict[str, Flow] = {}
        self._now = clock

    async def prepare(self) -> None:
        """Memory needs no index."""

    async def add(self, flow: Flow) -> None:
        self.kept[flow.flow_id] = flow

    async def of_token(self, token_hash: str) -> Flow | None:
        found = (flow for flow in self.kept.values() if flow.token_hash == token_hash)
        return next((flow for flow in found if flow.expires_at > self._now()), None)

    async def move(self, before: Flow, after: Flow) -> None:
        if self._stands(before):
            self.kept[after.flow_id] = after

    def granted(self, flow: Flow) -> bool:
        """Let a flow go that becomes a session; whether it was as it was judged."""
        stands = self._stands(flow) and flow.expires_at > self._now()
        return stands and self.kept.pop(flow.flow_id) is not None

    async def abandon(self, token_hash: str) -> Flow | None:
        found = next((flow for flow in self.kept.values() if flow.token_hash == token_hash), None)
        return None if found is None else self.kept.pop(found.flow_id)

    async def abandon_all(self, tenant_id: TenantId, user_id: UserId) -> tuple[Flow, ...]:
        his = [flow for flow in self.kept.values() if (flow.tenant_id, flow.user_id) == (tenant_id, user_id)]
        return tuple(self.kept.pop(flow.flow_id) for flow in his)

    def _stands(self, flow: Flow) -> bool:
        kept = self.kept.get(flow.flow_id)
        return kept is not None and (kept.tenant_id, kept.state) == (flow.tenant_id, flow.state)


class FakeSessions(Sessions):
    """Sessions in memory; while `is_away` they cannot be reached, as a database that is down."""

    def __init__(self, clock: Clock, idle: timedelta, flows: FakeFlows) -> None:
        self.kept: dict[str, Session] = {}
        self._flows = flows
        self.is_away = False
        self._enforced: dict[TenantId, Enforced] = {}
        self._now = clock
        self._longest_idle = idle

    async def prepare(self) -> None:
        """Memory needs no index."""

    async def add(self, session: Session) -> None:
        self._reach()
        self.kept[session.token_hash] = session

    async def grant(self, flow: Flow, session: Session) -> bool:
        self._reach()
        granted = self._flows.granted(flow)
        if granted:
            await self.add(session)
        return granted

    async def of_token(self, token_hash: str) -> Session | None:
        self._reach()
        now, session = self._now(), self.kept.get(token_hash)
        if session is None or session.expires_at <= now or session.last_seen <= now - self._longest_idle:
            return None
        if session.last_seen <= now - timedelta(minutes=1):
            self.kept[token_hash] = replace(session, last_seen=now)
        return session

    async def end(self, token_hash: str) -> Session | None:
        self._reach()
        return self.kept.pop(token_hash, None)

    async def of_user(self, tenant_id: TenantId, user_id: UserId) -> tuple[Session, ...]:
        self._reach()
        now = self._now()
        found = [
            session
            for session in self.kept.values()
            if (session.tenant_id, session.user_id) == (tenant_id, user_id)
            and session.expires_at > now
            and session.last_seen > now - self._longest_idle
        ]
        return tuple(sorted(found, key=lambda session: session.authenticated_at, reverse=True))

    async def end_of_user(self, tenant_id: TenantId, user_id: UserId, session_id: str) -> Session | None:
        mine = await self.of_user(tenant_id, user_id)
        found = next((session for session in mine if session.session_id == session_id), None)
        return None if found is None else self.kept.pop(found.token_hash)

    async def renew(self, before: Session, after: Session) -> bool:
        found = await self.end(before.token_hash)
        if found is not None:
            await self.add(after)
        return found is not None

    async def end_all(self, tenant_id: TenantId, user_id: UserId, *, but: str | None = None) -> tuple[Session, ...]:
        self._reach()
        his = [one for one in self.kept.values() if (one.tenant_id, one.user_id) == (tenant_id, user_id)]
        return tuple(self.kept.pop(session.token_hash) for session in his if session.session_id != but)

    async def mode_for(self, session: Session) -> Mode:
        enforced = self._enforced.get(session.tenant_id)
        return session.mode if enforced is None or enforced.revision <= session.policy_revision else enforced.mode

    async def must_step_up(self, session: Session) -> bool:
        enforced = self._enforced.get(session.tenant_id)
        return enforced is not None and enforced.demands_more_than(session)

    async def note(self, changed: EnforcementChanged) -> None:
        known = self._enforced.get(changed.tenant_id)
        if known is None or known.revision < changed.policy_revision:
            self._enforced[changed.tenant_id] = Enforced(changed.after, changed.policy_revision)

    def _reach(self) -> None:
        if self.is_away:
            raise PyMongoError("the fake database is away")


class FakeUnkept(Unkept):
    """Recovery codes that are still to be kept, in memory."""

    def __init__(self, clock: Clock) -> None:
        self._codes: dict[str, tuple[datetime, tuple[str, ...]]] = {}
        self.is_away = False
        self._now = clock

    async def prepare(self) -> None:
        """Memory needs no index."""

    async def add(self, session: Session, codes: list[str]) -> None:
        if self.is_away:
            raise PyMongoError("the database is away")
        self._codes[session.session_id] = (self._now() + timedelta(hours=1), tuple(codes))

    async def of(self, session: Session) -> tuple[str, ...] | None:
        until, codes = self._codes.get(session.session_id, (self._now(), ()))
        return codes if until > self._now() else None

    async def forget(self, session: Session) -> None:
        self._codes.pop(session.session_id, None)


class FakeTenants(Tenants):
    """Accounts in memory, looked up and remembered as the real ones are."""

    def __init__(self, clock: Clock) -> None:
        self.known: dict[TenantId, Described] = {}
        self._clock = clock
        self._remembered = {}

    async def note(self, told: TenantDescribed) -> None:
        known = self.known.get(told.tenant_id)
        if known is None or known.revision < told.policy_revision:
            self.known[told.tenant_id] = Described(told.parent, told.name, told.branding, told.policy_revision)

    async def _described(self, tenant_id: TenantId) -> Described | None:
        return self.known.get(tenant_id)
