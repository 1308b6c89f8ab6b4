"""Unlocking: auth says who that is, then enrollment forgets too; what was not done is said."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ops.unlocking import CannotUnlock, unlock_by
from shared.contracts.attempts import Proof, UnlockCodes, UnlockPassword, UserUnlocked
from shared.contracts.message import Command, Event
from shared.contracts.refusals import RefusalCode, RequestRefused
from tests.examples import ADA, NOON


class Services:
    """Answers as told, and remembers what it was asked."""

    def __init__(self, answer: Callable[[Any], Event]) -> None:
        self.asked: list[Any] = []
        self._answer = answer

    async def ask(self, command: Command, correlation_id: str, patience: timedelta | None = None) -> Event:
        del correlation_id, patience
        self.asked.append(command)
        return self._answer(command)


def unlocked(command: Any) -> UserUnlocked:
    return UserUnlocked(occurred_at=NOON, flow_id=command.flow_id, **dict(ADA.named), proofs=(Proof.PASSWORD,))


async def test_passwords_and_codes_are_unlocked_in_one_go() -> None:
    services = Services(unlocked)

    answer = await unlock_by(services, ADA.username)

    passwords, codes = services.asked
    assert isinstance(passwords, UnlockPassword)
    assert isinstance(codes, UnlockCodes)
    assert (codes.tenant_id, codes.user_id, codes.flow_id) == (ADA.tenant_id, ADA.user_id, passwords.flow_id)
    assert answer.user_id == ADA.user_id


@pytest.mark.parametrize(
    ("code", "said"),
    [(RefusalCode.UNKNOWN_USER, "There is no user"), (RefusalCode.ACCESS_DENIED, "may still be locked: no")],
)
async def test_what_cannot_be_done_is_said(code: RefusalCode, said: str) -> None:
    services = Services(
        lambda command: RequestRefused(occurred_at=NOON, flow_id=command.flow_id, code=code, detail="no")
    )

    with pytest.raises(CannotUnlock, match=said):
        await unlock_by(services, ADA.username)
