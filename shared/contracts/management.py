"""Managing one's authenticators, signed in: what is asked, what policy allows, what came of it.

Each request is a conversation of its own, with a flow of its own; `login` names the login that the session came from.
Whether a code is fresh enough is policy's to say, of what it heard itself in that login: nobody else's word counts.
"""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from shared.contracts.message import Command, Event, InFlow, OfUser
from shared.contracts.policy import Link
from shared.contracts.vocabulary import (
    AuthenticationMethod,
    AuthenticatorId,
    AuthenticatorType,
    FlowId,
    Name,
    Sealed,
    Service,
)

MOST_AUTHENTICATORS = 5

AuthenticatorName = Annotated[
    str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]+$")
]
"""What a user calls one of his authenticators."""


class InSession(InFlow, OfUser):
    """A message of somebody who is signed in; `login` is the login that his session came from."""

    login: FlowId


class StepUp(InSession, Command):
    """Judge a code of somebody who is signed in already, so that what he proved is fresh again."""

    topic = "step-up.v1"
    to = Service.ENROLLMENT

    method: AuthenticatorType = AuthenticatorType.TOTP
    code: Sealed


class StepUpVerified(InSession, Event):
    """A code of somebody who is signed in was right and is used up. Evidence for his login; it allows nothing."""

    topic = "step-up.verified.v1"
    by = frozenset({Service.ENROLLMENT})

    method: AuthenticatorType


class StepUpGranted(InSession, Event):
    """The session may go on under a new token, with what it rests on now."""

    topic = "step-up.granted.v1"
    by = frozenset({Service.POLICY})
    answer = True

    amr: tuple[AuthenticationMethod, ...]
    assurance: Annotated[int, Field(ge=1, le=2)]
    fresh_until: AwareDatetime
    """Until when authenticators can be added and removed, and recovery codes be made."""
    policy_revision: int
    chain: tuple[Link, ...]


class AddAuthenticator(InSession, Command):
    """Start another authenticator."""

    topic = "add-authenticator.v1"
    to = Service.POLICY


class AdditionAllowed(InSession, Event):
    """The user may set up another authenticator; answered by `EnrollmentStarted`."""

    topic = "addition.allowed.v1"
    by = frozenset({Service.POLICY})

    username: Name
    issuer: Name
    by_code: bool
    """Whether a code was proven. If not, it is for somebody who has no authenticator that could make one."""


class ConfirmAuthenticator(InSession, Command):
    """Judge the first code from an authenticator that is being added."""

    topic = "confirm-authenticator.v1"
    to = Service.ENROLLMENT

    authenticator_id: AuthenticatorId
    code: Sealed


class AuthenticatorAdded(InSession, Event):
    """Another authenticator is active."""

    topic = "authenticator.added.v1"
    by = frozenset({Service.ENROLLMENT})
    kept = True

    authenticator_id: AuthenticatorId
    name: str
    bindings: int
    """How often the user's active authenticators have changed: an older word that comes late is no news."""
    recovery_codes: Sealed | None = None
    """For the gateway alone: a JSON list of codes, where the user had none left."""


class AdditionNoted(InSession, Event):
    """Policy knows of the added authenticator: the next login cannot overtake it."""

    topic = "addition.noted.v1"
    by = frozenset({Service.POLICY})
    answer = True

    authenticator_id: AuthenticatorId
    name: str
    recovery_codes: Sealed | None = None


class RenameAuthenticator(InSession, Command):
    """Call an authenticator something else."""

    topic = "rename-authenticator.v1"
    to = Service.ENROLLMENT
    sets = True

    authenticator_id: AuthenticatorId
    name: AuthenticatorName


class AuthenticatorRenamed(InSession, Event):
    """An authenticator is called something else."""

    topic = "authenticator.renamed.v1"
    by = frozenset({Service.ENROLLMENT})
    answer = True

    authenticator_id: AuthenticatorId
    name: str


class RemoveAuthenticator(InSession, Command):
    """Take an authenticator away."""

    topic = "remove-authenticator.v1"
    to = Service.POLICY

    authenticator_id: AuthenticatorId


class RemovalAllowed(InSession, Event):
    """The authenticator may be taken away; the last one only where nothing requires one."""

    topic = "removal.allowed.v1"
    by = frozenset({Service.POLICY})

    authenticator_id: AuthenticatorId
    even_the_last: bool


class AuthenticatorRemoved(InSession, Event):
    """An authenticator was taken away: its codes are worth nothing any more."""

    topic = "authenticator.removed.v1"
    by = frozenset({Service.ENROLLMENT})
    kept = True

    authenticator_id: AuthenticatorId
    left: int
    """How many the user still has."""
    bindings: int


class RemovalNoted(InSession, Event):
    """Policy knows what the user has left."""

    topic = "removal.noted.v1"
    by = frozenset({Service.POLICY})
    answer = True

    authenticator_id: AuthenticatorId


class RenewRecoveryCodes(InSession, Command):
    """Make new recovery codes, in place of all that there are."""

    topic = "renew-recovery-codes.v1"
    to = Service.POLICY


class RenewalAllowed(InSession, Event):
    """New recovery codes may be made."""

    topic = "renewal.allowed.v1"
    by = frozenset({Service.POLICY})


class RecoveryCodesRenewed(InSession, Event):
    """There are new recovery codes, and the earlier ones are worth nothing any more."""

    topic = "recovery-codes.renewed.v1"
    by = frozenset({Service.ENROLLMENT})
    answer = True

    recovery_codes: Sealed
    """For the gateway alone: a JSON list of codes."""


class ListedAuthenticator(BaseModel, frozen=True):
    """One of the authenticators of a user, without what is secret in it."""

    authenticator_id: AuthenticatorId
    name: str
    created_at: AwareDatetime
    last_used_at: AwareDatetime | None = None


class ListAuthenticators(InSession, Command):
    """Ask what a user has: authenticators and recovery codes."""

    topic = "list-authenticators.v1"
    to = Service.ENROLLMENT


class AuthenticatorsListed(InSession, Event):
    """What a user has. He looked, and nothing happened: it is not in the trail."""

    topic = "authenticators.listed.v1"
    by = frozenset({Service.ENROLLMENT})
    answer = True
    recorded = False

    authenticators: tuple[ListedAuthenticator, ...]
    recovery_codes_left: int
    recovery_codes_issued_at: AwareDatetime | None = None
