"""What audit is asked and what it tells: what happened to a user lately."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from shared.contracts.management import InSession
from shared.contracts.message import Command, Event
from shared.contracts.vocabulary import Service


class ListSecurityEvents(InSession, Command):
    """Ask for the latest events of these kinds that tell of one user."""

    topic = "list-security-events.v1"
    to = Service.AUDIT

    topics: tuple[str, ...]
    most: Annotated[int, Field(ge=1, le=100)] = 20


class SecurityEvent(BaseModel, frozen=True):
    """That something happened, and when; what else the trail knows of it is for administrators."""

    topic: str
    occurred_at: AwareDatetime


class SecurityEventsListed(InSession, Event):
    """What happened to a user, the latest first. He looked, and nothing happened: it is not in the trail."""

    topic = "security-events.listed.v1"
    by = frozenset({Service.AUDIT})
    answer = True
    recorded = False

    events: tuple[SecurityEvent, ...]
