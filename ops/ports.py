"""Ports on the loopback interface: which are free, and which one a server had last time."""

import json
import secrets
import socket
import sys
from pathlib import Path

LOOPBACK = "127.0.0.1"

# Below the range from which the kernel takes the ports of outgoing connections: one of those could take a port between
# the look and the server's bind.
_LOWEST, _HIGHEST = 20000, 32000

_claims: set[int] = set()


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
    """A port where nobody listens, and which no other launcher on this machine is about to give to a server."""
    while True:
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
        if port not in _claims and is_free(port) and claim(port):
            return port


def kept_port(file: Path, name: str) -> int:
    """The port that `name` had last time, as `file` remembers it; a new one if it had none or somebody took it."""
    kept: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    if name not in kept or not is_free(kept[name]) or not claim(kept[name]):
        kept[name] = free_port()
        file.write_text(json.dumps(kept))
    return kept[name]


def claim(port: int) -> bool:
    """Claim a port among launchers, for as long as this process lives.

    Between the look at a port and the server's bind lie seconds, in which another launcher may look as well. A name in
    Linux's abstract namespace (unix(7)) needs no file and goes with the process; elsewhere luck must do.
    """
    if port in _claims or sys.platform != "linux":
        return True
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0wardgate-port-{port}")
    except OSError:
        mark.close()
        return False
    mark.detach()  # never to be closed before the process ends
    _claims.add(port)
    return True
