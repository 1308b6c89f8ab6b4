"""Tenants: what the gateway heard of accounts, so that a page is shown in the name and the colours of its reader's."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from services.gateway.pages.views import NO_BRAND, Brand
from shared.contracts.branding import Branding
from shared.contracts.policy import TenantDescribed
from shared.contracts.vocabulary import TenantId
from shared.runtime.clock import Clock
from shared.runtime.mongo import Database, DuplicateKeyError

HIGHEST = 32
"""Accounts that are asked for a look, from a tenant upwards."""

_REMEMBERED_FOR = timedelta(seconds=30)
_REMEMBERED = 256
"""Looks that a process remembers: each may hold a picture of 64 KiB."""


@dataclass(frozen=True)
class Described:
    """The latest that was heard of an account."""

    parent: TenantId | None
    name: str
    branding: Branding | None
    revision: int


_DESCRIBED = TypeAdapter(Described)


class Tenants:
    """The accounts that all gateways heard of. They decide nothing: pages look like them, and that is all."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Keep them in the gateway's own database."""
        self._tenants = database["tenants"]
        self._clock = clock
        self._remembered: dict[TenantId, tuple[datetime, Brand | None]] = {}

    async def note(self, told: TenantDescribed) -> None:
        """Remember an account; an older word of it that comes late, or the same one again, changes nothing."""
        described = Described(told.parent, told.name, told.branding, told.policy_revision)
        older = {"_id": told.tenant_id, "revision": {"$lt": described.revision}}
        update = {"$set": _DESCRIBED.dump_python(described)}
        try:
            await self._tenants.update_one(older, update, upsert=True)
        except DuplicateKeyError:
            # There is a note: a newer one, or one that was written since this upsert looked, and that may be older.
            await self._tenants.update_one(older, update)

    async def brand(self, tenant_id: TenantId) -> Brand | None:
        """How an account presents itself, as it was at most half a minute ago; None of one never heard of."""
        now = self._clock()
        remembered = self._remembered.pop(tenant_id, None)
        if remembered is None or remembered[0] <= now - _REMEMBERED_FOR:
            remembered = now, await self._brand(tenant_id)
        self._remembered[tenant_id] = remembered
        if len(self._remembered) > _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        return remembered[1]

    async def _brand(self, tenant_id: TenantId) -> Brand | None:
        """Its own name; accent and logo each of the nearest account that has one, from itself upwards."""
        line = await self._line(tenant_id)
        if not line:
            return None
        looks = [described.branding for described in line if described.branding is not None]
        accent = next((look.accent for look in looks if look.accent is not None), NO_BRAND.accent)
        return Brand(line[0].name, accent, next((look.logo for look in looks if look.logo is not None), None))

    async def _line(self, tenant_id: TenantId) -> list[Described]:
        """A tenant and the accounts above it, as far as they are known. What is told late may be a circle meanwhile."""
        line: dict[TenantId, Described] = {}
        here: TenantId | None = tenant_id
        while here is not None and here not in line and len(line) < HIGHEST:
            described = await self._described(here)
            if described is None:
                break
            line[here] = described
            here = described.parent
        return list(line.values())

    async def _described(self, tenant_id: TenantId) -> Described | None:
        found = await self._tenants.find_one({"_id": tenant_id})
        return None if found is None else _DESCRIBED.validate_python(found)
