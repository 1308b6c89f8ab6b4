"""The keys of a development system: made once, kept under `.wardgate/keys/`, readable by their owner only.

In production keys come from wherever secrets come from there. Nothing here is read by a service: each is told its own
in its environment.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.private_files import write_private
from shared.contracts.vocabulary import Service
from shared.crypto import keyring, sealing


@dataclass(frozen=True)
class Keys:
    """A private sealing key for each service, and the keyring of enrollment."""

    private: Mapping[str, str]
    keyring: str

    @property
    def public(self) -> dict[str, str]:
        """The public sealing key of each service."""
        return {service: sealing.public_key_of(key) for service, key in self.private.items()}


def kept_keys(folder: Path, services: Iterable[str] = Service) -> Keys:
    """The keys in this folder; those that are missing are made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Keys(
        private={str(service): kept(folder / f"{service}.key", sealing.new_private_key) for service in services},
        keyring=kept(folder / "keyring", keyring.new_key),
    )


def kept(file: Path, new: Callable[[], str]) -> str:
    """What this file holds; made where it is not there, and readable by its owner alone."""
    if not file.exists():
        write_private(file, new())
    return file.read_text()
