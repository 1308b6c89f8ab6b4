"""What policy is asked and what it tells: enforcement, and the only yes there is."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from shared.contracts.branding import Branding
from shared.contracts.message import Command, Event, InFlow, OfUser
from shared.contracts.vocabulary import (
    OPERATOR,
    Audience,
    AuthenticationMethod,
    AuthenticatorType,
    Mode,
    Name,
    Sealed,
    Service,
    TenantId,
    TenantKind,
)


class Rule(BaseModel, frozen=True):
    """What an account says for one audience; `grace_days` is how long a user may put off his enrollment."""

    mode: Mode = Mode.INHERIT
    grace_days: Annotated[int, Field(ge=0, le=365)] = 0


class Enforcement(BaseModel, frozen=True):
    """What an account says of second factors, for its own staff and for the users of the accounts below it."""

    staff: Rule = Rule()
    customers: Rule = Rule()


class Link(BaseModel, frozen=True):
    """One account that was asked while enforcement was resolved, and what it said at that revision."""

    tenant_id: TenantId
    audience: Audience
    mode: Mode
    revision: int


class SkipEnrollment(InFlow, OfUser, Command):
    """Go on without an authenticator app, while the grace period lasts."""

    topic = "skip-enrollment.v1"
    to = Service.POLICY


class EnrollmentRequired(InFlow, OfUser, Event):
    """The user must set up an authenticator app, at once or by `skippable_until`."""

    topic = "enrollment.required.v1"
    by = frozenset({Service.POLICY})

    username: Name
    issuer: Name
    """The tenant's display name: what the authenticator app shows above the code."""
    skippable_until: AwareDatetime | None = None


class OtpRequired(InFlow, OfUser, Event):
    """The user has an authenticator and must answer with a code."""

    topic = "otp.required.v1"
    by = frozenset({Service.POLICY, Service.ENROLLMENT})
    answer = True

    methods: tuple[AuthenticatorType, ...] = (AuthenticatorType.TOTP, AuthenticatorType.RECOVERY_CODE)


class AccessGranted(InFlow, OfUser, Event):
    """The one yes: this login may become a session. Carries the evidence it rests on and the policy that made it."""

    topic = "access.granted.v1"
    by = frozenset({Service.POLICY})
    answer = True

    username: Name
    display_name: Name
    amr: tuple[AuthenticationMethod, ...]
    assurance: Annotated[int, Field(ge=1, le=2)]
    granted_until: AwareDatetime | None = None
    """The end of the grace period that it rests on: no session may outlive it."""
    policy_revision: int
    chain: tuple[Link, ...]
    recovery_codes: Sealed | None = None
    """For the gateway alone, handed on from `EnrollmentConfirmed`: a JSON list of codes."""


class EnforcementChanged(Event):
    """Another enforcement is in effect for the staff of a tenant, whichever account above it changed its mind."""

    topic = "enforcement.changed.v1"
    by = frozenset({Service.POLICY})
    kept = True

    tenant_id: TenantId
    before: Mode
    after: Mode
    policy_revision: int

    @property
    def subject(self) -> str:
        """The tenant."""
        return self.tenant_id


class TenantPlaced(Event):
    """An account has its place in a tree: it is new, or it or an account above it has moved."""

    topic = "tenant.placed.v1"
    by = frozenset({Service.POLICY})
    kept = True

    tenant_id: TenantId
    parent: TenantId | None
    root: TenantId
    """The account at the top of its tree: itself, where it has no parent."""
    policy_revision: int

    @property
    def subject(self) -> str:
        """The tenant."""
        return self.tenant_id


class TenantDescribed(Event):
    """An account as pages show it: it is new, or its name, its parent or its branding is another.

    No part of the audit trail: a picture says nothing of anybody, and a place in the tree is told by `TenantPlaced`.
    """

    topic = "tenant.described.v1"
    by = frozenset({Service.POLICY})
    kept = True
    recorded = False

    tenant_id: TenantId
    parent: TenantId | None
    name: Name
    branding: Branding | None = None
    """What the account itself says; what it leaves out, the nearest account above it says."""
    policy_revision: int

    @property
    def subject(self) -> str:
        """The tenant."""
        return self.tenant_id


class ImportedTenant(BaseModel):
    """An account as a directory names it."""

    tenant_id: TenantId
    kind: TenantKind
    parent: TenantId | None = None
    name: Name
    enforcement: Enforcement = Enforcement()
    branding: Branding | None = None


class ImportTenants(InFlow, Command):
    """Take the accounts of a directory, all of them in one step, or only check that they could be taken."""

    topic = "import-tenants.v1"
    to = Service.POLICY
    by = frozenset({OPERATOR})
    sets = True
    largest = 16 * 1024 * 1024  # logos and all: it is not kept as one document

    tenants: tuple[ImportedTenant, ...]
    check_only: bool


class TenantsImported(InFlow, Event):
    """Accounts were taken from a directory: how many were new, how many differed."""

    topic = "tenants.imported.v1"
    by = frozenset({Service.POLICY})
    answer = True

    created: int
    changed: int
    check_only: bool = False
    """Whether they only could be taken, and nothing was."""


class AuthenticatorsNoted(InFlow, Event):
    """Policy knows of imported authenticators: from now on whoever has one is asked for it."""

    topic = "authenticators.noted.v1"
    by = frozenset({Service.POLICY})
    answer = True

    added: int
