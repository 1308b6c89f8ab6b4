"""In which tree an account stands: what policy tells of it, the latest word being the one of the latest policy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.contracts.policy import TenantPlaced
from shared.contracts.vocabulary import TenantId


@dataclass(frozen=True, slots=True)
class Placement:
    """The account at the top of the tree of an account, by the policy of this revision."""

    tenant_id: TenantId
    root: TenantId
    policy_revision: int


def placed(known: Mapping[TenantId, Placement], told: Iterable[TenantPlaced]) -> dict[TenantId, Placement]:
    """The placements after these were told; an older one that comes late changes nothing."""
    placements = dict(known)
    for event in told:
        before = placements.get(event.tenant_id)
        if before is None or before.policy_revision < event.policy_revision:
            placements[event.tenant_id] = Placement(event.tenant_id, event.root, event.policy_revision)
    return placements
