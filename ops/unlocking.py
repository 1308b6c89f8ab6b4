"""`wardgate unlock`: takes passwords and codes from a user again who was guessed at, or guessed himself, too often."""

from datetime import timedelta
from uuid import uuid4

from ops.asking import asking
from ops.running import Running
from shared.contracts.attempts import UnlockCodes, UnlockPassword, UserUnlocked
from shared.contracts.message import Command
from shared.contracts.refusals import RefusalCode, RequestRefused
from shared.contracts.vocabulary import FlowId
from shared.runtime.caller import Asks
from shared.runtime.messaging import Unreachable

PATIENCE = timedelta(seconds=10)


class CannotUnlock(Exception):  # noqa: N818 (it reads as a sentence)
    """The user was not unlocked, or not wholly."""


async def unlock(username: str, running: Running) -> UserUnlocked:
    """Unlock a user in a running system. Raises `CannotUnlock`."""
    try:
        async with asking(running, PATIENCE) as services:
            return await unlock_by(services, username)
    except Unreachable as reason:
        raise CannotUnlock(f"{username} may still be locked: {reason}. Try again.") from None


async def unlock_by(services: Asks, username: str) -> UserUnlocked:
    """Ask auth, which knows who that is, then enrollment. Raises `CannotUnlock` and `Unreachable`."""
    flow = FlowId(str(uuid4()))
    unlocked = await _ask(services, UnlockPassword(flow_id=flow, username=username), flow, username)
    codes = UnlockCodes(flow_id=flow, tenant_id=unlocked.tenant_id, user_id=unlocked.user_id)
    return await _ask(services, codes, flow, username)


async def _ask(services: Asks, command: Command, flow: FlowId, username: str) -> UserUnlocked:
    answer = await services.ask(command, flow)
    match answer:
        case UserUnlocked():
            return answer
        case RequestRefused(code=RefusalCode.UNKNOWN_USER):
            raise CannotUnlock(f"There is no user {username}.")
        case RequestRefused():
            raise CannotUnlock(f"{username} may still be locked: {answer.detail}")
        case _:
            raise TypeError(f"{answer.topic} does not answer {command.topic}")
