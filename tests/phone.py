"""The user's side of enrollment: an authenticator app, and the answers as the gateway reads them."""

import json
from datetime import datetime
from typing import Self

import pyotp

from shared.contracts.enrollment import EnrollmentConfirmed, EnrollmentStarted, Provisioning
from shared.crypto import otp
from shared.crypto.sealing import Opener


def provisioning(started: EnrollmentStarted, gateway: Opener) -> Provisioning:
    """What a user is shown of an enrollment."""
    opened = gateway.open(started.provisioning, field="provisioning", flow=started.flow_id)
    return Provisioning.model_validate_json(opened)


def recovery_codes(confirmed: EnrollmentConfirmed, gateway: Opener) -> list[str]:
    """The recovery codes that a user is shown."""
    codes: list[str] = json.loads(
        gateway.open(confirmed.recovery_codes, field="recovery_codes", flow=confirmed.flow_id)
    )
    return codes


class Phone:
    """An authenticator app with one entry."""

    def __init__(self, otpauth_uri: str) -> None:
        entry = pyotp.parse_uri(otpauth_uri)
        assert isinstance(entry, pyotp.TOTP)
        self._entry = entry

    @classmethod
    def scanning(cls, started: EnrollmentStarted, gateway: Opener) -> Self:
        """An app that has read the QR code."""
        return cls(provisioning(started, gateway).otpauth_uri)

    @property
    def entry(self) -> tuple[str | None, str | None]:
        """The issuer and the name that the app shows."""
        return self._entry.issuer, self._entry.name

    def code(self, now: datetime, *, steps: int = 0) -> str:
        """The code that it shows at this time, or so many steps later."""
        return self._entry.at(now + steps * otp.STEP)
