"""What the gateway tells: sessions that begin and end, and logins that were given up. Told for the audit trail."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from shared.contracts.message import Event, InFlow, OfUser
from shared.contracts.vocabulary import AuthenticationMethod, Service


class SessionEnding(StrEnum):
    """Why a session ended. One that merely ran out is told by nobody: when it does so stands in its beginning."""

    SIGNED_OUT = "signed_out"
    REPLACED = "replaced"
    """The same browser signed in anew."""
    FROM_ELSEWHERE = "from_elsewhere"
    """Its owner ended it, in another browser."""
    DISABLED = "disabled"
    """Its owner may sign in no more."""


class SessionStarted(InFlow, OfUser, Event):
    """A login became a session. What it rests on was told before it, as `AccessGranted` in the same flow."""

    topic = "session.started.v1"
    by = frozenset({Service.GATEWAY})

    session_id: str
    """Its public name, which opens nothing."""
    amr: tuple[AuthenticationMethod, ...]
    assurance: Annotated[int, Field(ge=1, le=2)]
    expires_at: AwareDatetime


class SessionEnded(InFlow, OfUser, Event):
    """A session was ended before its time."""

    topic = "session.ended.v1"
    by = frozenset({Service.GATEWAY})

    session_id: str
    reason: SessionEnding


class LoginCancelled(InFlow, OfUser, Event):
    """A login whose password was right was given up, or another took its place in the same browser."""

    topic = "login.cancelled.v1"
    by = frozenset({Service.GATEWAY})
