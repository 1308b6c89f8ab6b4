"""Sessions: who is signed in, on what evidence, for how long, and whether today's enforcement still accepts it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, TypeAdapter

from services.gateway.flows import Flow, as_judged
from services.gateway.flows import document as flow_document
from shared.contracts.policy import EnforcementChanged, Link
from shared.contracts.vocabulary import AuthenticationMethod, FlowId, Mode, TenantId, UserId
from shared.runtime.clock import Clock
from shared.runtime.mongo import Database, Document, DuplicateKeyError, PyMongoError

_TOUCHED_EVERY = timedelta(minutes=1)
"""How exactly the last use of a session is known: one write a minute, and not one for each request. Where sessions
end sooner out of use, ten times as exactly as that: one that is in use must not end."""
_TRIES = 60


@dataclass(frozen=True)
class Session:
    """A login that policy granted."""

    token_hash: Annotated[str, Field(alias="session_token_hash")]
    session_id: str
    """Its public name, which opens nothing."""
    flow_id: Annotated[FlowId, Field(alias="_id")]
    tenant_id: TenantId
    user_id: UserId
    username: str
    display_name: str
    amr: tuple[AuthenticationMethod, ...]
    assurance: int
    chain: tuple[Link, ...]
    policy_revision: int
    """The policy that judged it: what changed later has not been asked yet."""
    authenticated_at: datetime
    expires_at: datetime
    last_seen: datetime

    @property
    def mode(self) -> Mode:
        """What was enforced when it was granted: what the account said that was asked last."""
        said = self.chain[-1].mode if self.chain else Mode.INHERIT
        return Mode.OPTIONAL if said is Mode.INHERIT else said


@dataclass(frozen=True)
class Enforced:
    """The latest enforcement for the staff of a tenant that the gateway heard of."""

    mode: Mode
    revision: int

    def demands_more_than(self, session: Session) -> bool:
        """Whether this session must show a second factor: it has none, and was granted before the demand."""
        return self.mode is Mode.REQUIRED and session.assurance == 1 and session.policy_revision < self.revision


_IS_SESSION = {"session_token_hash": {"$exists": True}}
"""What tells a session from a flow: without it a query by user would find his logins in progress too."""

_SESSION = TypeAdapter(Session)
_ENFORCED = TypeAdapter(Enforced)


class Sessions:
    """The sessions of all gateways, each in the document of the login that it came of.

    So a flow becomes a session in one write: there is never both and never neither. Their tokens stand in fields of
    different names: neither is ever taken for the other.

    Whether one must step up is worked out when it is used, from the enforcement that was heard: one small write for
    each change of policy, however many sessions it touches, and none that is just being made slips through.
    """

    def __init__(self, database: Database, clock: Clock, idle: timedelta, pause: float = 1.0) -> None:
        """Keep them in the gateway's own database; unused for longer than `idle`, one is over."""
        self._logins = database["logins"]
        self._enforcement = database["enforcement"]
        self._clock = clock
        self._idle = idle
        self._touched_every = min(_TOUCHED_EVERY, idle / 10)
        self._pause = pause
        self._undoing: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """Make the indexes; what is over is removed by the database as flows are."""
        await self._logins.create_index("session_token_hash", unique=True, sparse=True)
        await self._logins.create_index([("tenant_id", 1), ("user_id", 1)], partialFilterExpression=_IS_SESSION)

    async def add(self, session: Session) -> None:
        """Keep a session that no flow came before. Raises `PyMongoError`; nothing is left of it then."""
        async with self._undone_if_unknown(session, None):
            await self._logins.insert_one(_document(session))

    async def grant(self, flow: Flow, session: Session) -> bool:
        """Let a flow become a session, as what it was judged; of all who try, one alone hears `True`.

        Raises `PyMongoError`; the flow goes on then, and the same code is accepted again in it.
        """
        judged = {**as_judged(flow), "expires_at": {"$gt": self._clock()}}
        async with self._undone_if_unknown(session, flow_document(flow)):
            granted = await self._logins.replace_one(judged, _document(session))
        return bool(granted.matched_count)

    async def renew(self, before: Session, after: Session) -> bool:
        """Put a session under another token, unless it was ended meanwhile; whether it was still there.

        Raises `PyMongoError`; the session goes on under its token from before then: nobody is signed out.
        """
        as_before = replace(before, last_seen=after.last_seen)  # he was here: where the answer is late, it is not over
        async with self._undone_if_unknown(after, _document(as_before)):
            renewed = await self._logins.replace_one(_under_its_token(before), _document(after))
        return bool(renewed.matched_count)

    @asynccontextmanager
    async def _undone_if_unknown(self, session: Session, before: Document | None) -> AsyncIterator[None]:
        """Undo a write of which the database did not say whether it was done: its token was told nobody.

        As soon as the database can be reached, while others go on.
        """
        try:
            yield
        except PyMongoError:
            undoing = asyncio.create_task(self._undo(session, before), context=Context())  # nobody's hurry is its own
            self._undoing.add(undoing)
            undoing.add_done_callback(self._undoing.discard)
            raise

    async def _undo(self, session: Session, before: Document | None) -> None:
        for _ in range(_TRIES):
            await asyncio.sleep(self._pause)
            try:
                if before is None:
                    await self._logins.delete_one(_under_its_token(session))
                else:
                    await self._logins.replace_one(_under_its_token(session), before)
            except PyMongoError:
                continue
            return

    async def of_token(self, token_hash: str) -> Session | None:
        """The session of the browser with this token, which is thereby used."""
        now = self._clock()
        found = await self._logins.find_one(
            {"session_token_hash": token_hash, "expires_at": {"$gt": now}, "last_seen": {"$gt": now - self._idle}},
        )
        if found is None:
            return None
        session = _SESSION.validate_python(found)
        if session.last_seen <= now - self._touched_every:
            await self._logins.update_one(_under_its_token(session), {"$max": {"last_seen": now}})
        return session

    async def end(self, token_hash: str) -> Session | None:
        """End the session of the browser with this token; it is returned, if there was one."""
        found = await self._logins.find_one_and_delete({"session_token_hash": token_hash})
        return None if found is None else _SESSION.validate_python(found)

    async def of_user(self, tenant_id: TenantId, user_id: UserId) -> tuple[Session, ...]:
        """The sessions of a user that are not over, the latest first."""
        now = self._clock()
        found = self._logins.find(
            {
                **_IS_SESSION,
                "tenant_id": tenant_id,
                "user_id": user_id,
                "expires_at": {"$gt": now},
                "last_seen": {"$gt": now - self._idle},
            }
        )
        sessions = [_SESSION.validate_python(document) async for document in found]
        return tuple(sorted(sessions, key=lambda session: session.authenticated_at, reverse=True))

    async def end_of_user(self, tenant_id: TenantId, user_id: UserId, session_id: str) -> Session | None:
        """End one session of a user by its public name; it is returned, if there was one."""
        found = await self._logins.find_one_and_delete(
            {**_IS_SESSION, "tenant_id": tenant_id, "user_id": user_id, "session_id": session_id}
        )
        return None if found is None else _SESSION.validate_python(found)

    async def end_others(self, here: Session) -> tuple[Session, ...]:
        """End all sessions of a user but this one; those that were ended are returned."""
        return await self.end_all(here.tenant_id, here.user_id, but=here.session_id)

    async def end_all(self, tenant_id: TenantId, user_id: UserId, *, but: str | None = None) -> tuple[Session, ...]:
        """End all sessions of a user, or all but one; those that were ended are returned."""
        his = {**_IS_SESSION, "tenant_id": tenant_id, "user_id": user_id, "session_id": {"$ne": but}}
        ended: list[Session] = []
        while found := await self._logins.find_one_and_delete(his):
            ended.append(_SESSION.validate_python(found))
        return tuple(ended)

    async def mode_for(self, session: Session) -> Mode:
        """What is enforced in the account of this session, as far as the gateway heard: to show, not to decide by."""
        found = await self._enforcement.find_one({"_id": session.tenant_id})
        enforced = None if found is None else _ENFORCED.validate_python(found)
        return session.mode if enforced is None or enforced.revision <= session.policy_revision else enforced.mode

    async def must_step_up(self, session: Session) -> bool:
        """Whether enforcement was raised since this session was granted, beyond what it shows."""
        if session.assurance > 1:
            return False
        found = await self._enforcement.find_one({"_id": session.tenant_id})
        return found is not None and _ENFORCED.validate_python(found).demands_more_than(session)

    async def note(self, changed: EnforcementChanged) -> None:
        """Remember a change of enforcement; an older one that comes late, or the same one again, changes nothing."""
        enforced = Enforced(changed.after, changed.policy_revision)
        older = {"_id": changed.tenant_id, "revision": {"$lt": enforced.revision}}
        update = {"$set": _ENFORCED.dump_python(enforced)}
        try:
            await self._enforcement.update_one(older, update, upsert=True)
        except DuplicateKeyError:
            # There is a note: a newer one, or one that was written since this upsert looked, and that may be older.
            await self._enforcement.update_one(older, update)


def _document(session: Session) -> Document:
    written: Document = _SESSION.dump_python(session, by_alias=True)
    return written


def _under_its_token(session: Session) -> Document:
    return {"_id": session.flow_id, "tenant_id": session.tenant_id, "session_token_hash": session.token_hash}
