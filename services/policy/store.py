"""What policy knows, in MongoDB: accounts, users' standings and logins; asked and written here and nowhere else."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter

from services.policy.domain.decision import Grace, Standing
from services.policy.domain.directory import Edition, Taking
from services.policy.domain.enforcement import Tenant
from services.policy.domain.flow import Flow
from shared.contracts.enrollment import Bound
from shared.contracts.message import Event
from shared.contracts.refusals import AccessDenied, WrongState
from shared.contracts.vocabulary import FlowId, TenantId, UserId
from shared.runtime.mongo import Conflict, Database, Document, DuplicateKeyError, PyMongoError, UpdateOne
from shared.runtime.outbox import Outbox

_TRIES = 100
_LAST = "last"
_ENFORCING = {"outbox": 0, "branding": 0}
"""An account without its picture, which is heavy and has no say in a login."""

_TENANT: TypeAdapter[Tenant] = TypeAdapter(Tenant)
_FLOW: TypeAdapter[Flow] = TypeAdapter(Flow)
_STANDING: TypeAdapter[Standing] = TypeAdapter(Standing)
_EDITION: TypeAdapter[Edition] = TypeAdapter(Edition)

E = TypeVar("E", bound=Event)
Transaction = Callable[[], AbstractAsyncContextManager[Any]]


class Store:
    """The accounts, what is known of their users, and the logins in progress."""

    def __init__(self, database: Database, transaction: Transaction, outbox: Outbox) -> None:
        """Keep all of it in the database of policy, and what is told of accounts in the `outbox` of `tenants`."""
        self._tenants = database["tenants"]
        self._users = database["users"]
        self._flows = database["flows"]
        self._editions = database["editions"]
        self._transaction = transaction
        self._outbox = outbox
        self._lines: dict[TenantId, tuple[TenantId, ...]] = {}

    async def prepare(self) -> None:
        """Make the indexes, and the edition that every import writes."""
        await self._flows.create_index("expires_at", expireAfterSeconds=0)
        await self._editions.update_one({"_id": _LAST}, {"$setOnInsert": {"revision": 0}}, upsert=True)

    async def line(self, tenant_id: TenantId) -> dict[TenantId, Tenant]:
        """The tenant and the accounts above it, as far as there are any: as they are now, all out of one query.

        One query sees one moment, where a walk from account to account could see an import half done: the tenant under
        its old parent, and the old parent as it became when the tenant had left. Whom to ask for is remembered from the
        last time, as a guess and no more: while the answer names an account that was not asked for, all are read again.
        """
        wanted = self._lines.get(tenant_id, (tenant_id,))
        while True:
            found = {
                tenant.tenant_id: tenant
                async for tenant in (
                    _tenant(document) async for document in self._tenants.find({"_id": {"$in": wanted}}, _ENFORCING)
                )
            }
            line, above = _climbed(tenant_id, found)
            if above is None or above in wanted:
                if line:
                    self._lines[tenant_id] = line
                return found
            wanted = (*line, above)

    async def standing(self, tenant_id: TenantId, user_id: UserId) -> Standing:
        """What is known of a user; of one never heard of, nothing."""
        document = await self._users.find_one({"_id": user_id, "tenant_id": tenant_id})
        return Standing() if document is None else _STANDING.validate_python(document)

    async def hold_grace(self, tenant_id: TenantId, user_id: UserId, known: Standing, grace: Grace | None) -> Standing:
        """Store a grace that begins or gets shorter, and return the standing as it is then.

        The database keeps the earlier of two times, whatever was written meanwhile: no race and no second delivery can
        move a deadline out.
        """
        if grace is None or grace == known.grace:
            return known
        update = {
            "$min": {"grace.began": grace.began, "grace.deadline": grace.deadline},
            "$setOnInsert": {"enrolled": False},
        }
        return await self._noted(tenant_id, user_id, update)

    async def enrolled(self, tenant_id: TenantId, user_id: UserId, at: datetime, bindings: int) -> Standing:
        """Note that a user has an authenticator."""
        return await self._noted(tenant_id, user_id, _enrollment(at, bindings))

    async def has_left(self, tenant_id: TenantId, user_id: UserId, left: int, bindings: int) -> Standing:
        """Note how many authenticators a user has left, after one was taken away."""
        return await self._noted(tenant_id, user_id, [{"$set": _latest(bindings, has_one=left > 0)}])

    async def enrolled_all(self, owners: Sequence[Bound], at: datetime) -> None:
        """Note of many users that they have one, each in his tenant."""
        writes = [
            UpdateOne(
                {"_id": owner.user_id, "tenant_id": owner.tenant_id}, _enrollment(at, owner.bindings), upsert=True
            )
            for owner in owners
        ]
        if writes:
            await self._users.bulk_write(writes, ordered=False)

    async def _noted(self, tenant_id: TenantId, user_id: UserId, update: Document | list[Document]) -> Standing:
        for _ in range(2):  # two first writes at once: one is a duplicate, and finds the other's when it tries again
            try:
                document = await self._users.find_one_and_update(
                    {"_id": user_id, "tenant_id": tenant_id}, update, upsert=True, return_document=True
                )
            except DuplicateKeyError:
                continue
            return _STANDING.validate_python(document)
        raise AccessDenied("This user belongs to another account.")

    async def begin(
        self,
        tenant_id: TenantId,
        user_id: UserId,
        flow_id: FlowId,
        now: datetime,
        judge: Callable[[Flow | None], tuple[Flow, E]],
    ) -> E:
        """Keep a login that begins, and return what `judge` tells of it.

        Almost always nobody has heard of it, so that is tried first; where it is told again, the kept one is judged.
        """
        flow, told = judge(None)
        try:
            await self._flows.insert_one({"_id": flow_id, **_fields(flow)})
        except DuplicateKeyError:
            return await self.advance(tenant_id, user_id, flow_id, now, judge)
        return told

    async def advance(
        self,
        tenant_id: TenantId,
        user_id: UserId,
        flow_id: FlowId,
        now: datetime,
        judge: Callable[[Flow], tuple[Flow, E]],
    ) -> E:
        """Judge a login that is in progress, keep what becomes of it, and return what `judge` tells.

        Raises `WrongState` for a login that policy heard no password of, or another user's: whoever proves a second
        factor there has proven nothing.
        """
        where = {"_id": flow_id, "tenant_id": tenant_id, "user_id": user_id}
        for _ in range(_TRIES):
            document = await self._flows.find_one({**where, "expires_at": {"$gt": now}})
            if document is None:
                raise WrongState("No such login is in progress.")
            before = _FLOW.validate_python({"flow_id": flow_id, **document})
            after, told = judge(before)
            if after == before:
                return told
            written = await self._flows.update_one(
                {**where, "revision": before.revision},
                {"$set": _fields(replace(after, revision=before.revision + 1))},
            )
            if written.matched_count:
                return told
        raise Conflict

    async def take(self, decide: Callable[[Mapping[TenantId, Tenant], Edition], Taking]) -> Taking:
        """Write what `decide` makes of all accounts there are, whole or not at all, then tell whom it concerns.

        Every import writes the edition, so of two at once one is undone by the database and decides anew. Raises what
        `decide` raises, and `Conflict` where others are faster again and again.
        """
        for _ in range(_TRIES):
            try:
                async with self._transaction() as session:
                    taking = decide(await self._all(session), await self._edition(session))
                    await self._write(taking, session)
            except PyMongoError as error:
                if not error.has_error_label("TransientTransactionError"):
                    raise
            else:
                while taking.events and await self._outbox.sweep():
                    pass
                return taking
        raise Conflict

    async def _all(self, session: Any) -> dict[TenantId, Tenant]:
        found = self._tenants.find({}, {"outbox": 0}, session=session)
        return {tenant.tenant_id: tenant async for tenant in (_tenant(document) async for document in found)}

    async def _edition(self, session: Any) -> Edition:
        document = await self._editions.find_one({"_id": _LAST}, session=session)
        return Edition() if document is None else _EDITION.validate_python(document)

    async def _write(self, taking: Taking, session: Any) -> None:
        updates: dict[TenantId, Document] = {}
        for tenant in taking.tenants:
            fields: Document = _TENANT.dump_python(tenant, exclude={"tenant_id"})
            updates[tenant.tenant_id] = {"$set": fields}
        told: dict[TenantId, list[Event]] = {}
        for event in taking.events:
            told.setdefault(event.tenant_id, []).append(event)
        for tenant_id, events in told.items():
            updates.setdefault(tenant_id, {}).update(self._outbox.entries(*events))
        if not updates:
            return
        edition: Document = _EDITION.dump_python(taking.edition)
        await self._editions.update_one({"_id": _LAST}, {"$set": edition}, session=session)
        writes = [UpdateOne({"_id": tenant_id}, update, upsert=True) for tenant_id, update in updates.items()]
        await self._tenants.bulk_write(writes, ordered=False, session=session)


def _climbed(tenant_id: TenantId, found: Mapping[TenantId, Tenant]) -> tuple[tuple[TenantId, ...], TenantId | None]:
    """The line from a tenant upwards as far as it was found, and the account above it that was not."""
    line: list[TenantId] = []
    here: TenantId | None = tenant_id
    while here is not None and here in found and here not in line:
        line.append(here)
        here = found[here].parent
    return tuple(line), None if here in line else here


def _enrollment(at: datetime, bindings: int) -> list[Document]:
    """Whoever has enrolled has no grace left: not even when his authenticator is taken away from him later."""
    grace = {name: {"$min": [f"${name}", at]} for name in ("grace.began", "grace.deadline")}
    return [{"$set": _latest(bindings, has_one=True) | grace}]


def _latest(bindings: int, *, has_one: bool) -> Document:
    """What a user has, unless a later change of it was heard before: "none left" must not undo "one added"."""
    is_old = {"$gt": ["$bindings", bindings]}
    return {"enrolled": {"$cond": [is_old, "$enrolled", has_one]}, "bindings": {"$max": ["$bindings", bindings]}}


def _tenant(document: Document) -> Tenant:
    return _TENANT.validate_python({"tenant_id": document["_id"], **document})


def _fields(flow: Flow) -> Document:
    fields: Document = _FLOW.dump_python(flow, exclude={"flow_id"})
    return fields
