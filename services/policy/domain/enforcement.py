"""Which enforcement is in effect for the staff of an account, and which accounts said so."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.branding import Branding
from shared.contracts.policy import Enforcement, Link, Rule
from shared.contracts.refusals import AccessDenied
from shared.contracts.vocabulary import Audience, Mode, TenantId, TenantKind

_AT_THE_TOP = Rule(mode=Mode.OPTIONAL)


@dataclass(frozen=True, slots=True)
class Tenant:
    """An account as policy keeps it; `revision` is the policy revision at which it last changed.

    One that was kept before there was `TenantDescribed` is not `described`: nobody was told what it is called.
    """

    tenant_id: TenantId
    kind: TenantKind
    name: str
    parent: TenantId | None = None
    enforcement: Enforcement | None = None
    revision: int = 0
    branding: Branding | None = None
    described: bool = False


@dataclass(frozen=True, slots=True)
class Effective:
    """The enforcement in effect: never `inherit`. `chain` is who was asked, the one who decided last."""

    mode: Mode
    grace_days: int
    chain: tuple[Link, ...]
    revision: int
    tenant_name: str


def resolve(tenant_id: TenantId, tenants: Mapping[TenantId, Tenant]) -> Effective:
    """The enforcement for the staff of this tenant.

    What the tenant says of its staff, unless `inherit`; then, from its parent upwards, the first that an account says
    of its customers; at the top `optional`. The days of grace are those of the rule that decided.

    Raises `AccessDenied` where the line up to the root is not whole, even where an account below the gap has decided:
    a tree that lost a part may have lost the part that forbids.
    """
    line = _line(tenant_id, tenants)
    asked: list[Link] = []
    decisive = _AT_THE_TOP
    for tenant, enforcement in line:
        audience = Audience.CUSTOMERS if asked else Audience.STAFF
        rule = enforcement.customers if asked else enforcement.staff
        asked.append(
            Link(tenant_id=tenant.tenant_id, audience=audience, mode=rule.mode, revision=tenant.revision),
        )
        if rule.mode is not Mode.INHERIT:
            decisive = rule
            break
    return Effective(
        mode=decisive.mode,
        grace_days=decisive.grace_days,
        chain=tuple(asked),
        revision=max(link.revision for link in asked),
        tenant_name=tenants[tenant_id].name,
    )


def _line(tenant_id: TenantId, tenants: Mapping[TenantId, Tenant]) -> list[tuple[Tenant, Enforcement]]:
    """The tenant and all accounts above it, up to the root."""
    line: dict[TenantId, tuple[Tenant, Enforcement]] = {}
    here: TenantId | None = tenant_id
    while here is not None:
        tenant = tenants.get(here)
        if tenant is None or tenant.enforcement is None or here in line:
            raise AccessDenied("No policy is known for this account.")
        line[here] = (tenant, tenant.enforcement)
        here = tenant.parent
    return list(line.values())
