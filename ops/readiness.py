"""Whether a system answers, asked over HTTP."""

import json
from http.client import HTTPConnection, HTTPException

from ops.ports import LOOPBACK

_PATIENCE = 5.0  # seconds; the gateway itself gives its services two


def missing_at(port: int) -> list[str]:
    """What the gateway at this port says is missing: nothing when logins can be served."""
    connection = HTTPConnection(LOOPBACK, port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        missing = json.loads(answer.read()).get("missing", [])
    except (OSError, HTTPException, ValueError):
        return ["gateway"]
    finally:
        connection.close()
    return [] if answer.status == 200 else [str(name) for name in missing] or ["gateway"]  # noqa: PLR2004 (HTTP's OK)
