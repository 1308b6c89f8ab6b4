"""What a server that somebody else runs says against what is asked of it, in sentences that hold no password."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiormq.exceptions import AMQPError, AuthenticationError, ConnectionClosed, ProbableAuthenticationError
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from ops.management import ManagementRefused

_UNKNOWN = "user or password is wrong"
_WHY = {18: _UNKNOWN, 13: "the user may not make users here; the role userAdminAnyDatabase lets him"}
"""By MongoDB's code. Its own words quote the command, in which passwords are."""


class Unreachable(Exception):  # noqa: N818 (it reads as a sentence)
    """The server does not answer."""


class Refused(Exception):  # noqa: N818 (it reads as a sentence)
    """The server answers, and does not do it."""


@contextmanager
def objections(server: str) -> Iterator[None]:
    """Raises `Refused` and `Unreachable` in the place of what drivers raise."""
    try:
        yield
    except (AuthenticationError, ProbableAuthenticationError) as error:
        raise Refused(f"{server} refuses: {_UNKNOWN}") from error
    except (ManagementRefused, ConnectionClosed) as error:
        raise Refused(f"{server} refuses: {error}") from error
    except OperationFailure as error:
        why = _WHY.get(error.code or 0) or (error.details or {}).get("codeName", error.code)
        raise Refused(f"{server} refuses: {why}") from error
    except ConnectionFailure as error:
        raise Unreachable(f"{server} does not answer: {_in_short(error)}") from error
    except PyMongoError as error:
        raise Refused(f"{server} cannot be asked so: {error}") from error
    except OSError as error:
        raise Unreachable(f"{server} does not answer: {error or type(error).__name__}") from error
    except AMQPError as error:
        raise Refused(f"{server} refuses: {error}") from error


def _in_short(error: ConnectionFailure) -> str:
    """Without all that the driver was set to and believes."""
    return str(error).partition(" (configured timeouts")[0].partition(", Timeout:")[0]
