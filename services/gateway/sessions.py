"""Sessions: who is signed in, on what evidence, for how long, and whether today's enforcement still accepts it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, TypeAdapter

from shared.contracts.policy import EnforcementChanged, Link
from shared.contracts.vocabulary import AuthenticationMethod, FlowId, Mode, TenantId, UserId
from shared.runtime.clock import Clock
from shared.runtime.mongo import Database, Document, DuplicateKeyError, PyMongoError

_TOUCHED_EVERY = timedelta(minutes=1)
"""How exactly the last use of a session is known: one write a minute, and not one for each request."""
_TRIES = 60


@dataclass(frozen=True)
class Session:
    """A login that policy granted."""

    token_hash: Annotated[str, Field(alias="_id")]
    session_id: str
    """Its public name, which opens nothing."""
    flow_id: FlowId
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


_SESSION = TypeAdapter(Session)
_ENFORCED = TypeAdapter(Enforced)


class Sessions:
    """The sessions of all gateways.

    Whether one must step up is worked out when it is used, from the enforcement that was heard: one small write for
    each change of policy, however many sessions it touches, and none that is just being made slips through.
    """

    def __init__(self, database: Database, clock: Clock, idle: timedelta, pause: float = 1.0) -> None:
        """Keep them in the gateway's own database; unused for longer than `idle`, one is over."""
        self._sessions = database["sessions"]
        self._enforcement = database["enforcement"]
        self._clock = clock
        self._idle = idle
        self._pause = pause
        self._removing: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """Make the indexes; what is over is removed by the database within a minute."""
        await self._sessions.create_index("expires_at", expireAfterSeconds=0)
        await self._sessions.create_index([("tenant_id", 1), ("user_id", 1)])

    async def add(self, session: Session) -> None:
        """Keep a new session; where it is not known whether that was done, it is undone."""
        try:
            await self._sessions.insert_one(_SESSION.dump_python(session, by_alias=True))
        except PyMongoError:
            self.undo(session)
            raise

    @asynccontextmanager
    async def made(self, session: Session) -> AsyncIterator[None]:
        """Keep a new session, unless what is done inside fails: then nobody is given its token."""
        await self.add(session)
        try:
            yield
        except PyMongoError:
            self.undo(session)
            raise
        except Exception:
            await self.end(session.token_hash)
            raise

    def undo(self, session: Session) -> None:
        """Remove a session that nobody was given, as soon as the database can be reached, while others go on.

        It would open nothing, but stand among the sessions of its user.
        """
        removing = asyncio.create_task(self._remove(session.token_hash), context=Context())  # nobody's hurry is its own
        self._removing.add(removing)
        removing.add_done_callback(self._removing.discard)

    async def _remove(self, token_hash: str) -> None:
        for _ in range(_TRIES):
            await asyncio.sleep(self._pause)
            try:
                await self.end(token_hash)
            except PyMongoError:
                continue
            return

    async def of_token(self, token_hash: str) -> Session | None:
        """The session of the browser with this token, which is thereby used."""
        now = self._clock()
        found = await self._sessions.find_one(
            {"_id": token_hash, "expires_at": {"$gt": now}, "last_seen": {"$gt": now - self._idle}},
        )
        if found is None:
            return None
        session = _SESSION.validate_python(found)
        if session.last_seen <= now - _TOUCHED_EVERY:
            await self._sessions.update_one(
                {"_id": token_hash, "tenant_id": session.tenant_id},
                {"$max": {"last_seen": now}},
            )
        return session

    async def end(self, token_hash: str) -> Session | None:
        """End the session of the browser with this token; it is returned, if there was one."""
        found = await self._sessions.find_one_and_delete({"_id": token_hash})
        return None if found is None else _SESSION.validate_python(found)

    async def of_user(self, tenant_id: TenantId, user_id: UserId) -> tuple[Session, ...]:
        """The sessions of a user that are not over, the latest first."""
        now = self._clock()
        found = self._sessions.find(
            {
                "tenant_id": tenant_id,
                "user_id": user_id,
                "expires_at": {"$gt": now},
                "last_seen": {"$gt": now - self._idle},
            }
        )
        sessions = [_SESSION.validate_python(document) async for document in found]
        return tuple(sorted(sessions, key=lambda session: session.authenticated_at, reverse=True))

    async def renew(self, before: Session, after: Session) -> bool:
        """Put a session under another token; whether it was still there.

        The new one is written first, so that nobody is signed out where the second write fails. Where the session was
        ended meanwhile, nothing is left of it.
        """
        await self.add(after)
        if await self.end(before.token_hash) is not None:
            return True
        await self.end(after.token_hash)
        return False

    async def end_of_user(self, tenant_id: TenantId, user_id: UserId, session_id: str) -> Session | None:
        """End one session of a user by its public name; it is returned, if there was one."""
        ended = await self._end_all({"session_id": session_id, "tenant_id": tenant_id, "user_id": user_id})
        return ended[0] if ended else None

    async def end_others(self, here: Session) -> tuple[Session, ...]:
        """End all sessions of a user but this one; those that were ended are returned."""
        others = {"$ne": here.session_id}
        return await self._end_all({"session_id": others, "tenant_id": here.tenant_id, "user_id": here.user_id})

    async def _end_all(self, where: Document) -> tuple[Session, ...]:
        """End them one by one, by name: a session that is being renewed stands under two tokens for a moment."""
        ended: dict[str, Session] = {}
        while found := await self._sessions.find_one_and_delete({**where, "tenant_id": where["tenant_id"]}):
            session = _SESSION.validate_python(found)
            ended[session.session_id] = session
        return tuple(ended.values())

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
