"""What auth is asked and what it tells: passwords."""

import unicodedata
from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

from pydantic import Field, StringConstraints

from shared.contracts.message import Command, Event, InFlow, OfUser
from shared.contracts.vocabulary import OPERATOR, LoginFailure, Name, Sealed, Service, TenantId, UserId


def username_key(username: str) -> str:
    """The form in which usernames are compared: who types `ADA` means `ada` (after RFC 8265, section 3.3).

    Normalised once more at the end, as that section says: folding takes some letters apart, and the capitals of the
    same name come as another sequence of the same parts.
    """
    folded = unicodedata.normalize("NFKC", username).casefold()
    return unicodedata.normalize("NFKC", folded).strip()


def user_id_of(username: str) -> UserId:
    """The id of the user with this username: the same in every service and at every import."""
    return UserId(str(uuid5(NAMESPACE_URL, f"wardgate:user:{username_key(username)}")))


class VerifyPassword(InFlow, Command):
    """Judge a username and a password, the first step of every login."""

    topic = "verify-password.v1"
    to = Service.AUTH

    username: Annotated[str, StringConstraints(max_length=256)]
    password: Sealed


class LoginSucceeded(InFlow, OfUser, Event):
    """A password was right. Evidence of one factor; it grants nothing."""

    topic = "login.succeeded.v1"
    by = frozenset({Service.AUTH})

    username: Name
    display_name: Name


class LoginFailed(InFlow, Event):
    """A password login failed. The user is named only where he exists: some type their password as a username."""

    topic = "login.failed.v1"
    by = frozenset({Service.AUTH})
    answer = True

    tenant_id: TenantId | None = None
    user_id: UserId | None = None
    reason: LoginFailure


class UserCreated(OfUser, Event):
    """A user can sign in from now on."""

    topic = "user.created.v1"
    by = frozenset({Service.AUTH})
    kept = True

    username: Name

    @property
    def subject(self) -> str:
        """The user."""
        return self.user_id


class UserDisabled(OfUser, Event):
    """A user may sign in no more: what he has open is ended."""

    topic = "user.disabled.v1"
    by = frozenset({Service.AUTH})
    kept = True

    @property
    def subject(self) -> str:
        """The user."""
        return self.user_id


class ImportedUser(OfUser):
    """A user as a directory names him. A password in the clear travels sealed, a hash as it is."""

    username: Name
    display_name: Name
    password: Sealed | None = None
    password_hash: Annotated[str, StringConstraints(max_length=1024)] | None = Field(default=None, repr=False)
    disabled: bool = False


class ImportUsers(InFlow, Command):
    """Take users from a directory, or only check that they could be taken."""

    topic = "import-users.v1"
    to = Service.AUTH
    by = frozenset({OPERATOR})
    sets = True

    users: tuple[ImportedUser, ...]
    check_only: bool


class UsersImported(InFlow, Event):
    """Users were taken from a directory: how many were new, how many differed."""

    topic = "users.imported.v1"
    by = frozenset({Service.AUTH})
    answer = True

    created: int
    changed: int
    check_only: bool = False
    """Whether they only could be taken, and nothing was."""
