"""The trail: what the gateway tells of sessions that begin and end, and of logins that are given up."""

from datetime import datetime
from typing import Any

from services.gateway.flows import Flow
from services.gateway.sessions import Session
from shared.contracts.gateway import LoginCancelled, SessionEnded, SessionEnding, SessionStarted


def started(session: Session) -> SessionStarted:
    """A login became a session."""
    return SessionStarted(
        occurred_at=session.authenticated_at,
        **_whose(session),
        session_id=session.session_id,
        amr=session.amr,
        assurance=session.assurance,
        expires_at=session.expires_at,
    )


def ended(session: Session, reason: SessionEnding, now: datetime) -> SessionEnded:
    """A session was ended before its time."""
    return SessionEnded(occurred_at=now, **_whose(session), session_id=session.session_id, reason=reason)


def given_up(flow: Flow, now: datetime) -> LoginCancelled:
    """A login became no session."""
    return LoginCancelled(occurred_at=now, **_whose(flow))


def _whose(login: Flow | Session) -> dict[str, Any]:
    return {"flow_id": login.flow_id, "tenant_id": login.tenant_id, "user_id": login.user_id}
