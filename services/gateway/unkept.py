"""Recovery codes that nobody has shown to have kept yet: for an hour the pages can show them again."""

import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, TypeAdapter

from services.gateway.sessions import Session
from shared.contracts.vocabulary import FlowId, Service, TenantId
from shared.crypto.recovery_codes import normalised
from shared.crypto.sealing import Opener, Sealer
from shared.runtime.clock import Clock
from shared.runtime.mongo import Database

_FOR = timedelta(hours=1)
_FIELD = "unkept_codes"


@dataclass(frozen=True)
class _Unkept:
    session_id: Annotated[str, Field(alias="_id")]
    tenant_id: TenantId
    sealed: str
    expires_at: datetime


_UNKEPT = TypeAdapter(_Unkept)


class Unkept:
    """The codes of sessions in which they were made.

    A page is shown by a second request (a reload must not send the confirming code anew), so the codes have to wait
    for it somewhere. They are sealed to the gateway and bound to the session: who reads the database learns nothing.
    """

    def __init__(self, database: Database, sealer: Sealer, opener: Opener, clock: Clock) -> None:
        """Keep them in the gateway's own database."""
        self._unkept = database["unkept_codes"]
        self._sealer = sealer
        self._opener = opener
        self._clock = clock

    async def prepare(self) -> None:
        """Make the index by which the database removes them."""
        await self._unkept.create_index("expires_at", expireAfterSeconds=0)

    async def add(self, session: Session, codes: list[str]) -> None:
        """Hold new codes ready for the session in which they were made, in place of any that were made there before."""
        sealed = self._sealer.seal(
            json.dumps(codes), recipient=Service.GATEWAY, field=_FIELD, flow=FlowId(session.session_id)
        )
        unkept = _Unkept(session.session_id, session.tenant_id, sealed, self._clock() + _FOR)
        await self._unkept.update_one(
            {"_id": session.session_id, "tenant_id": session.tenant_id},
            {"$set": _UNKEPT.dump_python(unkept, exclude={"session_id", "tenant_id"})},
            upsert=True,
        )

    async def of(self, session: Session) -> tuple[str, ...] | None:
        """The codes of this session, if they are still to be kept."""
        found = await self._unkept.find_one(
            {"_id": session.session_id, "tenant_id": session.tenant_id, "expires_at": {"$gt": self._clock()}}
        )
        if found is None:
            return None
        sealed = _UNKEPT.validate_python(found).sealed
        return tuple(json.loads(self._opener.open(sealed, field=_FIELD, flow=FlowId(session.session_id))))

    async def forget(self, session: Session) -> None:
        """Hold them no longer: they were kept."""
        await self._unkept.delete_one({"_id": session.session_id, "tenant_id": session.tenant_id})


def is_one_of(typed: str, codes: tuple[str, ...]) -> bool:
    """Whether a code was typed back, as people type it; compared in constant time."""
    mine = normalised(typed).encode()
    same = [hmac.compare_digest(mine, normalised(code).encode()) for code in codes]
    return any(same)
