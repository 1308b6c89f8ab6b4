"""How a service says that it answers: asked through the broker, so that the answer proves the whole way.

The gateway asks each service, of which any one instance answers; an operator asks all instances of all.
"""

from pydantic import AwareDatetime, Field

from shared.contracts.message import Command, Event, InFlow
from shared.contracts.vocabulary import OPERATOR, Service


class ReportAuthReadiness(InFlow, Command):
    """Ask auth whether it can do its work."""

    topic = "report-auth-readiness.v1"
    to = Service.AUTH


class ReportPolicyReadiness(InFlow, Command):
    """Ask policy whether it can do its work."""

    topic = "report-policy-readiness.v1"
    to = Service.POLICY


class ReportEnrollmentReadiness(InFlow, Command):
    """Ask enrollment whether it can do its work."""

    topic = "report-enrollment-readiness.v1"
    to = Service.ENROLLMENT


class ReadinessReported(InFlow, Event):
    """A service answers: with what it waits for, or with nothing when it can do its work."""

    topic = "readiness.reported.v1"
    by = frozenset({Service.AUTH, Service.POLICY, Service.ENROLLMENT})
    answer = True
    recorded = False

    service: Service
    missing: tuple[str, ...] = ()


class StatusAsked(InFlow, Event):
    """Somebody at the command line asks every process how it is; each hears it in a queue of its own."""

    topic = "status.asked.v1"
    by = frozenset({OPERATOR})
    recorded = False


class InstanceReported(InFlow, Event):
    """One process of a service answers: who it is, what it waits for, and what it has done since it started."""

    topic = "instance.reported.v1"
    by = frozenset(Service)
    answer = True
    recorded = False

    service: Service
    instance: str
    """A name of this process that no other has."""
    host: str
    pid: int
    version: str
    started_at: AwareDatetime
    missing: tuple[str, ...] = ()
    untold_seconds: float = 0.0
    """How long the oldest event has waited in an outbox."""
    consumed: dict[str, int] = Field(default_factory=dict)
    """How many messages of each topic it has read."""

    @property
    def subject(self) -> str:
        """The instance: each tells it once for the same question."""
        return self.instance
