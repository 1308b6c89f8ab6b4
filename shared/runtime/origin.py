"""Whose word a message is. The broker stamps it with the user who published it (`user_id`); every reader asks for it.

The key under which a message was published is part of it: the broker holds users to the keys that the contracts give
them, but RabbitMQ before 4.0.3 lets whoever may publish anything copy it anywhere (`CC`, `BCC`). What arrives under
another key than its own was slipped in: an `otp.rejected` must not be read where `otp.verified` is expected.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from shared.contracts.message import Message
from shared.contracts.vocabulary import OPERATOR

PUBLISHED_BY = "x-published-by"
"""The header that says who published a message first, where it is published again to be tried again or parked."""


class BrokerUsers(StrEnum):
    """Whether publishers can be told apart."""

    OWN = "own"
    """Each has a user of his own on the broker, called as he is: `auth`, `operator`. What is not by whom it should be
    is not read."""
    SHARED = "shared"
    """All have the same user: whoever has it can say anything in the name of anybody. For development alone."""

    def trust(self, kind: type[Message], routing_key: str | None, user: str | None) -> bool:
        """Whether a message, as it came from its exchange, is what it seems to be and by whom it may be."""
        return self is BrokerUsers.SHARED or (routing_key == kind.topic and user in kind.by)


def publisher(user: str | None, headers: Mapping[str, Any], reader: str) -> str | None:
    """Who published a message first that came out of a queue of `reader`, or is on its way back there.

    What its reader tries again or parks he publishes under his own name, and the operator what he gives back: their
    word is taken for whose it was. Nobody else's is.
    """
    first = headers.get(PUBLISHED_BY)
    return first if isinstance(first, str) and user in {reader, OPERATOR} else user
