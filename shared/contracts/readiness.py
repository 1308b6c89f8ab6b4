"""How a service says that it answers: asked through the broker, so that the answer proves the whole way."""

from shared.contracts.message import Command, Event, InFlow
from shared.contracts.vocabulary import Service


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
