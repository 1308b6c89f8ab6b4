"""The secrets of one test session: sealing keys of every service and a keyring, made anew."""

import json
from dataclasses import dataclass, field

from shared.contracts.vocabulary import Service
from shared.crypto.keyring import new_key
from shared.crypto.sealing import Opener, Sealer, new_private_key, public_key_of


def _private_keys() -> dict[Service, str]:
    return {service: new_private_key() for service in Service}


@dataclass(frozen=True)
class Keys:
    """The private key of every service, and the keyring of enrollment."""

    private: dict[Service, str] = field(default_factory=_private_keys)
    keyring: str = field(default_factory=new_key)

    @property
    def public(self) -> dict[str, str]:
        """The public key of every service."""
        return {service: public_key_of(private) for service, private in self.private.items()}

    def sealer(self) -> Sealer:
        """Seals to any of them."""
        return Sealer(self.public)

    def opener(self, service: Service) -> Opener:
        """Opens what is sealed to this one."""
        return Opener(service, [self.private[service]])

    def environment(self, service: Service) -> dict[str, str]:
        """The environment variables that give a service its own secrets, and nobody else's."""
        own = {"SEALING_PRIVATE_KEY": self.private[service], "SEALING_PUBLIC_KEYS": json.dumps(self.public)}
        return own | ({"KEYRING": self.keyring} if service is Service.ENROLLMENT else {})
