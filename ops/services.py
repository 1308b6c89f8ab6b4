"""The services of this checkout, and what each is told: its secrets, and the rest on a developer's machine."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.checkout import ROOT
from ops.children import Child
from ops.keys import Keys
from ops.ports import LOOPBACK
from ops.stack import Access
from shared.contracts.vocabulary import Service

GATEWAY = Service.GATEWAY.value

_SECRETS = ("SEALING_PRIVATE_KEY", "SEALING_PUBLIC_KEYS", "KEYRING", "RABBITMQ_URL", "MONGODB_URL", "BROKER_USERS")
_HOLDS_KEYRING = Service.ENROLLMENT


def services(root: Path = ROOT) -> list[str]:
    """Every service that has an application, the gateway last: it leans on the others."""
    found = sorted(app.parent.name for app in (root / "services").glob("*/app.py"))
    return sorted(found, key=lambda name: name == GATEWAY)


def service(name: str, port: int, *, environment: Mapping[str, str], log: Path, root: Path = ROOT) -> Child:
    """One service as a process of its own, listening on the loopback interface."""
    command = [sys.executable, "-P", "-m", "shared.runtime.serving", name, "--host", LOOPBACK, "--port", str(port)]
    return Child(name, command, environment={**environment, "PYTHONPATH": str(root)}, log=log)


def secrets_of(user: str, access: Access, keys: Keys) -> dict[str, str]:
    """What a service, or the operator, is told and no other may know; and everybody's public keys."""
    told = {"RABBITMQ_URL": access.rabbitmq_url, "MONGODB_URL": access.mongodb_url}
    told["SEALING_PUBLIC_KEYS"] = json.dumps(keys.public)
    if user in keys.private:
        told["SEALING_PRIVATE_KEY"] = keys.private[user]
    if user == _HOLDS_KEYRING:
        told["KEYRING"] = keys.keyring
    return told


def environment_of(name: str, access: Access, keys: Keys, inherited: Mapping[str, str]) -> dict[str, str]:
    """What a service finds in its environment: what the launcher finds in its own, and this service's secrets alone."""
    told = {variable: value for variable, value in inherited.items() if variable not in _SECRETS}
    told |= {"ENVIRONMENT": "development", **access.environment, **secrets_of(name, access, keys)}
    if name == GATEWAY:
        told.setdefault("COOKIE_SECURE", "false")  # plain http on this machine; the gateway refuses it in production
    return told
