from services.audit.domain.placement import Placement, placed
from shared.contracts.policy import TenantPlaced
from shared.contracts.vocabulary import TenantId
from tests.examples import CUSTOMER, NOON, VENDOR

OTHER = TenantId("other-vendor")


def told(root: TenantId, revision: int) -> TenantPlaced:
    return TenantPlaced(occurred_at=NOON, tenant_id=CUSTOMER, parent=root, root=root, policy_revision=revision)


def test_an_account_stands_where_it_was_placed_last() -> None:
    assert placed({}, [told(VENDOR, 1), told(OTHER, 2)]) == {CUSTOMER: Placement(CUSTOMER, OTHER, 2)}


def test_an_older_word_that_comes_late_changes_nothing() -> None:
    known = {CUSTOMER: Placement(CUSTOMER, OTHER, 2)}

    assert placed(known, [told(VENDOR, 1)]) == known
