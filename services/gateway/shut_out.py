"""Shut out: what a user has open is ended once he may sign in no more, in whatever browsers it is."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from services.gateway.conversation import Conversation
from services.gateway.hurry import LONGEST
from services.gateway.trail import ended, given_up
from shared.contracts.auth import UserDisabled
from shared.contracts.gateway import SessionEnding

ShutOut = Callable[[UserDisabled], Awaitable[None]]


def shutting_out(conversation: Conversation, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> ShutOut:
    """Shuts users out of the logins and sessions of this conversation."""
    flows, sessions, now = conversation.flows, conversation.sessions, conversation.clock

    async def shut_out(event: UserDisabled) -> None:
        await end(event)
        # Whoever gave his password a moment before is still on his way in, until his request must have its answer.
        answered = event.occurred_at + timedelta(seconds=LONGEST)
        await pause(max(0.0, (answered - now()).total_seconds()))
        await end(event)

    async def end(event: UserDisabled) -> None:
        # Logins first: what becomes a session meanwhile is ended as one.
        for flow in await flows.abandon_all(event.tenant_id, event.user_id):
            conversation.tell(given_up(flow, now()), flow.flow_id)
        for session in await sessions.end_all(event.tenant_id, event.user_id):
            conversation.tell(ended(session, SessionEnding.DISABLED, now()), session.flow_id)

    return shut_out
