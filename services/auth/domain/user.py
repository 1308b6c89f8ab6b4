"""A user as auth knows him."""

from dataclasses import dataclass

from shared.contracts.message import MessageId
from shared.contracts.vocabulary import TenantId, UserId


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who signs in with a password."""

    user_id: UserId
    tenant_id: TenantId
    username: str
    username_key: str
    """What he is found by: the username, however it was typed."""
    display_name: str
    password_hash: str
    imported_hash: str | None
    """The fingerprint of the hash that he came with, where he came with one; it outlives the rehash of a login."""
    disabled: bool
    created_by: MessageId
    """The import that made him."""
    changed_by: MessageId
    """The import that changed him last: delivered again it counts him again, and changes nothing."""
    revision: int
