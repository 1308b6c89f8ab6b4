"""The accounts that a person can sign in with right after the start, and what awaits each of them."""

from collections.abc import Mapping

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ops.directory import Directory, DirectoryUser
from services.policy.domain.enforcement import Tenant, resolve
from shared.contracts.vocabulary import Mode, TenantId

MOST_SHOWN = 12


def accounts(directory: Directory) -> Group:
    """A table of the users whose passwords the directory tells, and how to have codes of those who have a secret.

    Names are `Text`, never strings: Rich would read "[red]" in a name as a wish for red.
    """
    tenants = {
        tenant.tenant_id: Tenant(tenant.tenant_id, tenant.kind, tenant.name, tenant.parent, tenant.enforcement)
        for tenant in directory.tenants
    }
    users = [user for user in directory.users if user.password and not user.disabled]
    table = Table(box=box.SIMPLE)
    for heading in ("username", "password"):
        table.add_column(heading, no_wrap=True, overflow="fold")  # whole, to be copied
    table.add_column("what to expect")
    below: list[Text] = []
    for user in users[:MOST_SHOWN]:
        table.add_row(Text(user.username), Text(user.password or ""), expectation(user, tenants))
        if user.totp_secret:
            below.append(Text(f"{user.username}: oathtool --totp -b {user.totp_secret}"))
    if len(users) > MOST_SHOWN:
        below.append(Text(f"and {len(users) - MOST_SHOWN:,} more"))
    return Group(table, *below)


def expectation(user: DirectoryUser, tenants: Mapping[TenantId, Tenant]) -> str:
    """What the first login of this user is like."""
    if user.totp_secret:
        return "asked for a code"
    effective = resolve(user.tenant, tenants)
    if effective.mode is not Mode.REQUIRED:
        return "password only"
    if effective.grace_days:
        return f"setup in {effective.grace_days} days"
    return "setup of an app"
