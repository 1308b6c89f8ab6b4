"""Flows: logins in progress, each bound to the browser that has its cookie. Nothing in them is secret."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, TypeAdapter

from shared.contracts.enrollment import EnrollmentStarted
from shared.contracts.message import OfUser
from shared.contracts.policy import OtpRequired
from shared.contracts.vocabulary import AuthenticatorType, FlowId, TenantId, UserId
from shared.runtime.clock import Clock
from shared.runtime.mongo import Database, Document

Step = EnrollmentStarted | OtpRequired
"""What a login can be told to do next."""


class FlowState(StrEnum):
    """What a login in progress waits for."""

    ENROLLMENT_REQUIRED = "enrollment_required"
    OTP_REQUIRED = "otp_required"


@dataclass(frozen=True)
class Flow:
    """A login whose password was right and that is not over."""

    flow_id: Annotated[FlowId, Field(alias="_id")]
    token_hash: Annotated[str, Field(alias="flow_token_hash")]
    state: FlowState
    tenant_id: TenantId
    user_id: UserId
    expires_at: datetime
    skippable_until: datetime | None = None
    methods: tuple[AuthenticatorType, ...] = ()

    @classmethod
    def begun(cls, step: Step, token_hash: str, expires_at: datetime) -> Self:
        """The flow of a login that was told its first step."""
        state, skippable_until, methods = _standing(step)
        return cls(step.flow_id, token_hash, state, step.tenant_id, step.user_id, expires_at, skippable_until, methods)

    def told(self, step: Step) -> Self:
        """The same flow after it was told another step."""
        state, skippable_until, methods = _standing(step)
        return replace(self, state=state, skippable_until=skippable_until, methods=methods)

    def is_of(self, user: OfUser) -> bool:
        """Whether this is a login of that user."""
        return (self.tenant_id, self.user_id) == (user.tenant_id, user.user_id)


def _standing(step: Step) -> tuple[FlowState, datetime | None, tuple[AuthenticatorType, ...]]:
    if isinstance(step, OtpRequired):
        return FlowState.OTP_REQUIRED, None, step.methods
    return FlowState.ENROLLMENT_REQUIRED, step.skippable_until, ()


_FLOW = TypeAdapter(Flow)


def document(flow: Flow) -> Document:
    """A flow as it is kept."""
    written: Document = _FLOW.dump_python(flow, by_alias=True)
    return written


def as_judged(flow: Flow) -> Document:
    """The query for a flow that is still what it was when it was judged, whatever others did meanwhile."""
    return {"_id": flow.flow_id, "tenant_id": flow.tenant_id, "state": flow.state}


class Flows:
    """The logins in progress of all gateways, each in the document that becomes its session (`sessions`)."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Keep them in the gateway's own database."""
        self._logins = database["logins"]
        self._clock = clock

    async def prepare(self) -> None:
        """Make the indexes; what is over is removed by the database within a minute."""
        await self._logins.create_index("flow_token_hash", unique=True, sparse=True)
        await self._logins.create_index("expires_at", expireAfterSeconds=0)

    async def add(self, flow: Flow) -> None:
        """Keep a login that goes on."""
        await self._logins.insert_one(document(flow))

    async def of_token(self, token_hash: str) -> Flow | None:
        """The login in progress of the browser with this token."""
        found = await self._logins.find_one({"flow_token_hash": token_hash, "expires_at": {"$gt": self._clock()}})
        return None if found is None else _FLOW.validate_python(found)

    async def move(self, before: Flow, after: Flow) -> None:
        """Let a login go on to its next step, unless another request has moved or ended it meanwhile."""
        await self._logins.update_one(as_judged(before), {"$set": document(after)})

    async def abandon(self, token_hash: str) -> Flow | None:
        """Forget the login of the browser with this token, whatever its state; it is returned, if there was one."""
        found = await self._logins.find_one_and_delete({"flow_token_hash": token_hash})
        return None if found is None else _FLOW.validate_python(found)

    async def abandon_all(self, tenant_id: TenantId, user_id: UserId) -> tuple[Flow, ...]:
        """Forget the logins of a user in all browsers; they are returned."""
        his = {"flow_token_hash": {"$exists": True}, "tenant_id": tenant_id, "user_id": user_id}
        abandoned: list[Flow] = []
        while found := await self._logins.find_one_and_delete(his):
            abandoned.append(_FLOW.validate_python(found))
        return tuple(abandoned)
