"""The people and accounts that the tests tell of, and one example of every message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from shared.contracts.attempts import (
    AttemptsThrottled,
    CodesUnlocked,
    Proof,
    UnlockCodes,
    UnlockPassword,
    UserLocked,
    UserUnlocked,
)
from shared.contracts.audit import ListSecurityEvents, SecurityEvent, SecurityEventsListed
from shared.contracts.auth import (
    ImportedUser,
    ImportUsers,
    LoginFailed,
    LoginSucceeded,
    UserCreated,
    UserDisabled,
    UsersImported,
    VerifyPassword,
    user_id_of,
)
from shared.contracts.branding import Branding
from shared.contracts.enrollment import (
    AuthenticatorsChecked,
    AuthenticatorsImported,
    Bound,
    ConfirmEnrollment,
    EnrollmentConfirmed,
    EnrollmentRejected,
    EnrollmentStarted,
    ImportAuthenticators,
    ImportedAuthenticator,
    OtpRejected,
    OtpVerified,
    RecoveryCodeUsed,
    ResumeEnrollment,
    VerifyOtp,
)
from shared.contracts.gateway import LoginCancelled, SessionEnded, SessionEnding, SessionStarted
from shared.contracts.management import (
    AddAuthenticator,
    AdditionAllowed,
    AdditionNoted,
    AuthenticatorAdded,
    AuthenticatorRemoved,
    AuthenticatorRenamed,
    AuthenticatorsListed,
    ConfirmAuthenticator,
    ListAuthenticators,
    ListedAuthenticator,
    RecoveryCodesRenewed,
    RemovalAllowed,
    RemovalNoted,
    RemoveAuthenticator,
    RenameAuthenticator,
    RenewalAllowed,
    RenewRecoveryCodes,
    StepUp,
    StepUpGranted,
    StepUpVerified,
)
from shared.contracts.message import Message, OfUser
from shared.contracts.policy import (
    AccessGranted,
    AuthenticatorsNoted,
    Enforcement,
    EnforcementChanged,
    EnrollmentRequired,
    ImportedTenant,
    ImportTenants,
    Link,
    OtpRequired,
    Rule,
    SkipEnrollment,
    TenantDescribed,
    TenantPlaced,
    TenantsImported,
)
from shared.contracts.readiness import (
    InstanceReported,
    ReadinessReported,
    ReportAuthReadiness,
    ReportEnrollmentReadiness,
    ReportPolicyReadiness,
    StatusAsked,
)
from shared.contracts.refusals import Problem, RefusalCode, RequestRefused
from shared.contracts.vocabulary import (
    Audience,
    AuthenticationMethod,
    AuthenticatorId,
    AuthenticatorType,
    CodeFailure,
    FlowId,
    LoginFailure,
    Mode,
    Service,
    TenantId,
    TenantKind,
    UserId,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FLOW = FlowId("0b7c5f0e-3f5e-4f3a-9a38-6f6f4d2c1a10")

VENDOR = TenantId("vendor")
RESELLER = TenantId("reseller-a")
CUSTOMER = TenantId("customer-1")
"""A customer whose reseller demands a second factor of all its customers."""
OPEN_CUSTOMER = TenantId("customer-2")
"""A customer of the vendor, of whom nobody demands anything."""
GRACE_CUSTOMER = TenantId("customer-3")
"""A customer whose staff may put off their enrollment for a week."""


@dataclass(frozen=True)
class Person:
    """A user as the tests know him: by what he types, too."""

    username: str
    tenant_id: TenantId
    display_name: str = "Somebody"
    password: str = "correct horse battery staple"

    @property
    def user_id(self) -> UserId:
        """The id under which every service knows him."""
        return user_id_of(self.username)

    @property
    def named(self) -> OfUser:
        """As messages name him."""
        return OfUser(tenant_id=self.tenant_id, user_id=self.user_id)


ADA = Person("ada@customer-1.example", CUSTOMER, "Ada Lovelace")
BOB = Person("bob@customer-2.example", OPEN_CUSTOMER, "Bob")
CLARA = Person("clara@customer-3.example", GRACE_CUSTOMER, "Clara Ångström")


def somebody(tenant_id: TenantId = CUSTOMER, **known: str) -> Person:
    """Somebody whom no other test knows."""
    return Person(f"{uuid4().hex[:12]}@{tenant_id}.example", tenant_id, **known)


LOGO = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)

INHERIT, OPTIONAL, REQUIRED = Rule(), Rule(mode=Mode.OPTIONAL), Rule(mode=Mode.REQUIRED)


def tenant(
    tenant_id: TenantId,
    kind: TenantKind = TenantKind.CUSTOMER,
    parent: TenantId | None = None,
    *,
    staff: Rule = INHERIT,
    customers: Rule = INHERIT,
) -> ImportedTenant:
    """An account that says this of second factors."""
    enforcement = Enforcement(staff=staff, customers=customers)
    return ImportedTenant(
        tenant_id=tenant_id, kind=kind, parent=parent, name=f"The {tenant_id}", enforcement=enforcement
    )


TENANTS = (
    tenant(VENDOR, TenantKind.VENDOR, staff=REQUIRED, customers=OPTIONAL),
    tenant(RESELLER, TenantKind.RESELLER, VENDOR, customers=REQUIRED),
    tenant(CUSTOMER, parent=RESELLER),
    tenant(OPEN_CUSTOMER, parent=VENDOR),
    tenant(GRACE_CUSTOMER, parent=VENDOR, staff=Rule(mode=Mode.REQUIRED, grace_days=7)),
)


def messages(person: Person = ADA, flow: FlowId = FLOW, at: datetime = NOON) -> Mapping[str, Message]:
    """One example of every message there is, by its topic, as one person's login brings them about."""
    told: dict[str, Any] = {"occurred_at": at, "flow_id": flow}
    login: dict[str, Any] = {"flow_id": flow, "tenant_id": person.tenant_id, "user_id": person.user_id}
    fact: dict[str, Any] = login | {"occurred_at": at}
    named = {"username": person.username, "display_name": person.display_name}
    imported = ImportedUser(**dict(person.named), **named, password="sealed")
    authenticator = ImportedAuthenticator(
        **dict(person.named), username=person.username, issuer="The customer-1", secret="sealed"
    )
    link = Link(tenant_id=person.tenant_id, audience=Audience.STAFF, mode=Mode.INHERIT, revision=1)
    examples: tuple[Message, ...] = (
        VerifyPassword(flow_id=flow, username=person.username, password="sealed"),
        LoginSucceeded(**fact, **named),
        LoginFailed(**fact, reason=LoginFailure.WRONG_PASSWORD),
        UserCreated(occurred_at=at, **dict(person.named), username=person.username),
        UserDisabled(occurred_at=at, **dict(person.named)),
        ImportUsers(flow_id=flow, users=(imported,), check_only=False),
        UsersImported(**told, created=1, changed=0),
        ConfirmEnrollment(**login, code="sealed"),
        ResumeEnrollment(**login),
        VerifyOtp(**login, method=AuthenticatorType.TOTP, code="sealed"),
        EnrollmentStarted(
            **fact,
            authenticator_id=AuthenticatorId("an authenticator"),
            provisioning="sealed",
            expires_at=at + timedelta(minutes=15),
        ),
        EnrollmentConfirmed(**fact, authenticator_id=AuthenticatorId("an authenticator"), recovery_codes="sealed"),
        EnrollmentRejected(**fact, reason=CodeFailure.CLOCK_OUT_OF_STEP, clock_skew_seconds=-120),
        OtpVerified(**fact, method=AuthenticatorType.TOTP),
        OtpRejected(**fact, method=AuthenticatorType.TOTP, reason=CodeFailure.ALREADY_USED),
        RecoveryCodeUsed(**fact, left=9),
        ImportAuthenticators(flow_id=flow, authenticators=(authenticator,), check_only=False),
        AuthenticatorsChecked(**told),
        AuthenticatorsImported(**told, owners=(Bound(**dict(person.named)),), added=1),
        SkipEnrollment(**login),
        EnrollmentRequired(**fact, username=person.username, issuer="The customer-1"),
        OtpRequired(**fact),
        AccessGranted(
            **fact,
            **named,
            amr=(AuthenticationMethod.PASSWORD, AuthenticationMethod.OTP),
            assurance=2,
            policy_revision=1,
            chain=(link,),
        ),
        EnforcementChanged(
            occurred_at=at,
            tenant_id=person.tenant_id,
            before=Mode.OPTIONAL,
            after=Mode.REQUIRED,
            policy_revision=1,
        ),
        TenantPlaced(occurred_at=at, tenant_id=person.tenant_id, parent=RESELLER, root=VENDOR, policy_revision=1),
        TenantDescribed(
            occurred_at=at,
            tenant_id=person.tenant_id,
            parent=RESELLER,
            name="The customer-1",
            branding=Branding(accent="2a5bd0", logo=LOGO),
            policy_revision=1,
        ),
        ImportTenants(flow_id=flow, tenants=TENANTS, check_only=False),
        TenantsImported(**told, created=len(TENANTS), changed=0),
        AuthenticatorsNoted(**told, added=1),
        SessionStarted(
            **fact,
            session_id="a session",
            amr=(AuthenticationMethod.PASSWORD, AuthenticationMethod.OTP),
            assurance=2,
            expires_at=at + timedelta(hours=24),
        ),
        SessionEnded(**fact, session_id="a session", reason=SessionEnding.SIGNED_OUT),
        LoginCancelled(**fact),
        AttemptsThrottled(**fact, proof=Proof.TOTP, in_a_row=5, until=at + timedelta(minutes=1)),
        UserLocked(**fact, proof=Proof.TOTP, in_a_row=100),
        CodesUnlocked(**fact),
        UserUnlocked(**fact, proofs=(Proof.TOTP, Proof.RECOVERY_CODE)),
        UnlockPassword(flow_id=flow, username=person.username),
        UnlockCodes(**login),
        *_management(login, at),
        ReportAuthReadiness(flow_id=flow),
        ReportPolicyReadiness(flow_id=flow),
        ReportEnrollmentReadiness(flow_id=flow),
        ReadinessReported(**told, service=Service.AUTH),
        StatusAsked(**told),
        InstanceReported(
            **told, service=Service.AUTH, instance="one", host="host", pid=7, version="0.1.0", started_at=at
        ),
        RequestRefused(
            **told,
            code=RefusalCode.IMPORT_REJECTED,
            detail="The file does not fit.",
            problems=(Problem(entry=person.username, text="is known already"),),
        ),
    )
    return {message.topic: message for message in examples}


def _management(login: dict[str, Any], at: datetime) -> tuple[Message, ...]:
    """The messages of somebody who is signed in."""
    asked: dict[str, Any] = login | {"login": FlowId("the login of this session")}
    fact: dict[str, Any] = asked | {"occurred_at": at}
    hers = {"authenticator_id": AuthenticatorId("an authenticator")}
    listed = ListedAuthenticator(**hers, name="Authenticator app", created_at=at, last_used_at=at)
    return (
        StepUp(**asked, code="sealed"),
        StepUpVerified(**fact, method=AuthenticatorType.TOTP),
        StepUpGranted(
            **fact,
            amr=(AuthenticationMethod.PASSWORD, AuthenticationMethod.OTP),
            assurance=2,
            fresh_until=at + timedelta(minutes=5),
            policy_revision=1,
            chain=(),
        ),
        AddAuthenticator(**asked),
        AdditionAllowed(**fact, username=ADA.username, issuer="The customer-1", by_code=True),
        ConfirmAuthenticator(**asked, **hers, code="sealed"),
        AuthenticatorAdded(**fact, **hers, name="Authenticator app", bindings=2, recovery_codes="sealed"),
        AdditionNoted(**fact, **hers, name="Authenticator app", recovery_codes="sealed"),
        RenameAuthenticator(**asked, **hers, name="Tablet"),
        AuthenticatorRenamed(**fact, **hers, name="Tablet"),
        RemoveAuthenticator(**asked, **hers),
        RemovalAllowed(**fact, **hers, even_the_last=False),
        AuthenticatorRemoved(**fact, **hers, left=1, bindings=3),
        RemovalNoted(**fact, **hers),
        RenewRecoveryCodes(**asked),
        RenewalAllowed(**fact),
        RecoveryCodesRenewed(**fact, recovery_codes="sealed"),
        ListAuthenticators(**asked),
        AuthenticatorsListed(**fact, authenticators=(listed,), recovery_codes_left=10, recovery_codes_issued_at=at),
        ListSecurityEvents(**asked, topics=(LoginFailed.topic,)),
        SecurityEventsListed(**fact, events=(SecurityEvent(topic=LoginFailed.topic, occurred_at=at),)),
    )
