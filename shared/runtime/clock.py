"""The time, in one place: everything else is told it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def now() -> datetime:
    """The time of this machine in UTC, to the millisecond that MongoDB can keep."""
    moment = datetime.now(UTC)  # noqa: TID251 - here and nowhere else
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
