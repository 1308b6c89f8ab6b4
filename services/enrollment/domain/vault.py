"""Where secrets go in and out: encrypted at rest, sealed on their way to the one who may read them."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from services.enrollment.domain.owner import Account, Authenticator, Owner
from shared.contracts.enrollment import Provisioning
from shared.contracts.vocabulary import AuthenticatorId, FlowId, Sealed, Service
from shared.crypto import otp, qr
from shared.crypto.keyring import Keyring
from shared.crypto.recovery_codes import RecoveryCodes, new_recovery_codes
from shared.crypto.sealing import Sealer


class Vault:
    """The keys of enrollment, and the randomness that it makes secrets of."""

    def __init__(
        self,
        keyring: Keyring,
        sealer: Sealer,
        *,
        new_secret: Callable[[], bytes] = otp.new_secret,
        new_codes: Callable[[], tuple[tuple[str, ...], RecoveryCodes]] = new_recovery_codes,
    ) -> None:
        """Encrypt with `keyring`, seal with `sealer`; tests tell the randomness."""
        self._keyring = keyring
        self._sealer = sealer
        self.new_secret = new_secret
        self._new_codes = new_codes

    def authenticator(self, owner: Owner, account: Account, secret: bytes, now: datetime) -> Authenticator:
        """A new authenticator of this owner, with this secret."""
        authenticator_id = AuthenticatorId(str(uuid4()))
        encrypted = self._keyring.encrypt(secret, context=_context(owner, authenticator_id))
        return Authenticator(authenticator_id, encrypted, account, now)

    def secret_of(self, owner: Owner, authenticator: Authenticator) -> bytes:
        """The secret. Raises `Undecipherable` where it was moved here from another user or authenticator."""
        return self._keyring.decrypt(authenticator.secret, context=_context(owner, authenticator.id))

    def renewed(self, owner: Owner, authenticator: Authenticator) -> Authenticator:
        """The same authenticator, encrypted under the current key: so that an old key comes out of use."""
        if self._keyring.is_current(authenticator.secret):
            return authenticator
        context = _context(owner, authenticator.id)
        encrypted = self._keyring.encrypt(self.secret_of(owner, authenticator), context=context)
        return replace(authenticator, secret=encrypted)

    def provisioning(self, owner: Owner, authenticator: Authenticator, flow: FlowId) -> Sealed:
        """What the app needs to be told, for the gateway alone. Drawing the QR code takes some 15 ms of CPU."""
        secret, account = self.secret_of(owner, authenticator), authenticator.account
        uri = otp.key_uri(secret, issuer=account.issuer, username=account.username)
        shown = Provisioning(secret=otp.to_base32(secret), otpauth_uri=uri, qr_svg=qr.svg(uri))
        return self._seal(shown.model_dump_json(), "provisioning", flow)

    def recovery_codes(self, flow: FlowId) -> tuple[Sealed, RecoveryCodes]:
        """New recovery codes: as they are shown, for the gateway alone, and as they are kept. Some 5 ms of CPU."""
        shown, kept = self._new_codes()
        return self._seal(json.dumps(shown), "recovery_codes", flow), kept

    def _seal(self, text: str, field: str, flow: FlowId) -> Sealed:
        return self._sealer.seal(text, recipient=Service.GATEWAY, field=field, flow=flow)


def _context(owner: Owner, authenticator_id: AuthenticatorId) -> tuple[str, str, str]:
    return owner.tenant_id, owner.user_id, authenticator_id
