"""What taking the accounts of a directory would change, or why they cannot be taken."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.policy.domain.enforcement import Tenant, resolve
from shared.contracts.message import MessageId
from shared.contracts.policy import EnforcementChanged, ImportedTenant, ImportTenants, TenantDescribed, TenantPlaced
from shared.contracts.refusals import AccessDenied, ImportRejected, Problem
from shared.contracts.vocabulary import Mode, TenantId, TenantKind

Told = TenantPlaced | TenantDescribed | EnforcementChanged

MOST_PROBLEMS = 100
"""Problems that are told of one directory; a person mends the first ones first."""


@dataclass(frozen=True, slots=True)
class Edition:
    """How often the policy has changed, and what the import that changed it last had to say."""

    revision: int = 0
    made_by: MessageId | None = None
    created: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class Taking:
    """What is written when a directory is taken: nothing but the edition as it was, where nothing changes.

    `tenants` come anew, become another, or are described at last; of `events`, which name a tenant each, some may be
    about other tenants.
    """

    created: int
    changed: int
    edition: Edition
    tenants: tuple[Tenant, ...] = ()
    events: tuple[Told, ...] = ()


def take(stored: Mapping[TenantId, Tenant], edition: Edition, command: ImportTenants, now: datetime) -> Taking:
    """Compare the accounts of a directory with those that are stored; what differs is written at the next revision.

    Accounts that the directory does not name stay as they are, and may be parents in it. Those that were kept without
    being described are described now, named or not, and do not count as changed for it. A command that comes again
    after it made the last edition gets its answer again. Raises `ImportRejected` with all that is wrong, up to
    `MOST_PROBLEMS`.
    """
    if edition.made_by == command.id:
        return Taking(edition.created, edition.changed, edition)
    revision = edition.revision + 1
    named = {given.tenant_id: _kept(given, revision) for given in command.tenants}
    problems = [*_twice(command.tenants), *_misplaced(named, {**stored, **named})]
    if problems:
        raise ImportRejected("The accounts do not form trees; nothing was taken.", tuple(problems[:MOST_PROBLEMS]))
    written = tuple(tenant for tenant in named.values() if _differs(tenant, stored.get(tenant.tenant_id)))
    created = sum(tenant.tenant_id not in stored for tenant in written)
    changed = len(written) - created
    others = stored.keys() - {tenant.tenant_id for tenant in written}
    caught_up = tuple(replace(stored[each], described=True) for each in sorted(others) if not stored[each].described)
    if command.check_only or not (written or caught_up):
        return Taking(created, changed, edition)
    kept = (*written, *caught_up)
    after = {**stored, **{tenant.tenant_id: tenant for tenant in kept}}
    events: tuple[Told, ...] = (
        *_placed(stored, after, revision, now),
        *_described(stored, kept, revision, now),
        *_switched(stored, after, revision, now),
    )
    return Taking(created, changed, Edition(revision, command.id, created, changed), kept, events)


def _kept(tenant: ImportedTenant, revision: int) -> Tenant:
    return Tenant(
        tenant_id=tenant.tenant_id,
        kind=tenant.kind,
        name=tenant.name,
        parent=tenant.parent,
        enforcement=tenant.enforcement,
        revision=revision,
        branding=tenant.branding,
        described=True,
    )


def _differs(tenant: Tenant, stored: Tenant | None) -> bool:
    return stored is None or replace(tenant, revision=stored.revision, described=stored.described) != stored


def _twice(given: Sequence[ImportedTenant]) -> Iterator[Problem]:
    counted = Counter(tenant.tenant_id for tenant in given)
    for tenant_id, times in counted.items():
        if times > 1:
            yield Problem(entry=tenant_id, text=f"is named {times} times")


def _misplaced(named: Mapping[TenantId, Tenant], after: Mapping[TenantId, Tenant]) -> Iterator[Problem]:
    """Several vendors are several trees; a second root in one tree is a vendor below another account."""
    for tenant in named.values():
        is_vendor = tenant.kind is TenantKind.VENDOR
        if tenant.parent is None:
            if not is_vendor:
                yield Problem(entry=tenant.tenant_id, text="has no parent, and only a vendor is the root of a tree")
        elif is_vendor:
            yield Problem(entry=tenant.tenant_id, text="has a parent, and a vendor is the root of its tree")
        elif tenant.parent not in after:
            yield Problem(entry=tenant.tenant_id, text=f"has the parent {tenant.parent}, which is not known")
        elif _is_above_itself(tenant, after):
            yield Problem(entry=tenant.tenant_id, text="is above itself: its parents form a cycle")


def _is_above_itself(tenant: Tenant, tenants: Mapping[TenantId, Tenant]) -> bool:
    seen: set[TenantId] = set()
    here = tenant.parent
    while here is not None and here not in seen:
        if here == tenant.tenant_id:
            return True
        seen.add(here)
        here = tenants[here].parent if here in tenants else None
    return False


def _placed(
    before: Mapping[TenantId, Tenant], after: Mapping[TenantId, Tenant], revision: int, now: datetime
) -> Iterator[TenantPlaced]:
    """Tell of every account that is new, or has another parent or another root: it moved, or one above it did."""
    roots_before, roots = _roots(before), _roots(after)
    for tenant_id, tenant in after.items():
        was = before.get(tenant_id)
        if was is None or was.parent != tenant.parent or roots_before[tenant_id] != roots[tenant_id]:
            yield TenantPlaced(
                occurred_at=now,
                tenant_id=tenant_id,
                parent=tenant.parent,
                root=roots[tenant_id],
                policy_revision=revision,
            )


def _described(
    before: Mapping[TenantId, Tenant], kept: Sequence[Tenant], revision: int, now: datetime
) -> Iterator[TenantDescribed]:
    """Tell of every account that pages would show otherwise than before, or that they never heard of."""
    for tenant in kept:
        was = before.get(tenant.tenant_id)
        shown = (tenant.name, tenant.parent, tenant.branding)
        if was is None or not was.described or (was.name, was.parent, was.branding) != shown:
            yield TenantDescribed(
                occurred_at=now,
                tenant_id=tenant.tenant_id,
                parent=tenant.parent,
                name=tenant.name,
                branding=tenant.branding,
                policy_revision=revision,
            )


def _roots(tenants: Mapping[TenantId, Tenant]) -> dict[TenantId, TenantId]:
    """The account at the top of each tree; where the line upwards is broken, the last one that is known."""
    roots: dict[TenantId, TenantId] = {}
    for tenant_id in tenants:
        line: dict[TenantId, None] = {}
        here: TenantId | None = tenant_id
        while here is not None and here in tenants and here not in roots and here not in line:
            line[here] = None
            here = tenants[here].parent
        root = roots[here] if here in roots else next(reversed(line))
        roots.update(dict.fromkeys(line, root))
    return roots


def _switched(
    before: Mapping[TenantId, Tenant], after: Mapping[TenantId, Tenant], revision: int, now: datetime
) -> Iterator[EnforcementChanged]:
    """Tell of every account whose staff are under another mode, whichever account above it changed its mind."""
    for tenant_id in before:
        was, becomes = _mode(tenant_id, before), _mode(tenant_id, after)
        if was is not None and becomes is not None and was is not becomes:
            yield EnforcementChanged(
                occurred_at=now, tenant_id=tenant_id, before=was, after=becomes, policy_revision=revision
            )


def _mode(tenant_id: TenantId, tenants: Mapping[TenantId, Tenant]) -> Mode | None:
    try:
        return resolve(tenant_id, tenants).mode
    except AccessDenied:
        return None
