"""Ports on the loopback interface: which are free, and which one a server had last time."""

import json
import secrets
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"

# Below the range from which the kernel takes the ports of outgoing connections: one of those could take a port between
# the look and the server's bind.
_LOWEST, _HIGHEST = 20000, 32000


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port where nobody listens, picked at random so that two launchers rarely pick the same."""
    while not is_free(port := _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)):
        pass
    return port


def kept_port(file: Path, name: str) -> int:
    """The port that `name` had last time, as `file` remembers it; a new one if it had none or somebody took it."""
    kept = json.loads(file.read_text()) if file.exists() else {}
    if name not in kept or not is_free(kept[name]):
        kept[name] = free_port()
        file.write_text(json.dumps(kept))
    return int(kept[name])
