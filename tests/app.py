"""The owner of an authenticator app, who types no code twice and does not wait half a minute for the next."""

import subprocess
from datetime import datetime

from shared.crypto.otp import STEP, step_at
from shared.runtime.clock import now
from tests.phone import Phone

_CLOSE = 4
"""Seconds before the end of a step in which a code of the step before may come too late."""


class App:
    """An authenticator app with one entry.

    A code is accepted a step early or late, so it has two to offer at any time, and mostly three.
    """

    def __init__(self, otpauth_uri: str) -> None:
        self.phone = Phone(otpauth_uri)
        self._last = 0

    def next_moment(self) -> datetime:
        """A time at which the app shows the earliest code that is accepted now and was not offered before."""
        moment = now()
        current = step_at(moment)
        is_closing = moment.timestamp() % STEP.total_seconds() > STEP.total_seconds() - _CLOSE
        chosen = max(self._last + 1, current if is_closing else current - 1)
        assert chosen <= current + 1, "all codes that are accepted now were offered"
        self._last = chosen
        return moment + (chosen - current) * STEP

    def next_code(self) -> str:
        """The code of that time."""
        return self.phone.code(self.next_moment())

    def lasting_code(self) -> str:
        """The code that is accepted longest from now on: for half a minute at least."""
        moment = now()
        self._last = step_at(moment) + 1
        return self.phone.code(moment, steps=1)

    def wrong_code(self) -> str:
        """A code that is wrong for minutes on either side."""
        moment = now()
        right = {self.phone.code(moment, steps=steps) for steps in range(-30, 31)}
        return next(code for code in (f"{number:06}" for number in range(100)) if code not in right)


def oathtool(secret: str, moment: datetime) -> str:
    """The code that `oathtool` makes of a secret, so that not only our own mathematics has a say."""
    command = ["oathtool", "--totp", "--base32", f"--now=@{int(moment.timestamp())}", secret]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()  # noqa: S603 - fixed words
