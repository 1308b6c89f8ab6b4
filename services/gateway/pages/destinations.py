"""Where a sign-in may end: at this site, or at an application that the gate stands before."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_ADDRESS = re.compile(r"[!-~]{1,1024}", re.ASCII)
"""No space and no control character: browsers leave some out, and then read another address than we did."""
_HOST = re.compile(r"[a-z0-9.-]+|[0-9a-f:.]+", re.ASCII)


class Destinations:
    """The applications that a browser may be sent back to, by their origins (`https://app.example`)."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        """Take the origins; raises ValueError for what is none, such as one with a path or a star."""
        self.origins = tuple(origins)
        for origin in self.origins:
            if _origin(origin) != origin:
                raise ValueError(f"{origin} is not an origin such as https://app.example")

    def allowed(self, address: str | None) -> str | None:
        """An address, if it is one of those; None for any other, or the gate would lend its name to a trap.

        `//evil.example` and `https:evil.example` begin like paths and end elsewhere; a backslash is a slash to
        browsers; what stands before an `@` is no host. So nothing is let through that has not the one plain form.
        """
        if address is None or _ADDRESS.fullmatch(address) is None or "\\" in address:
            return None
        if address.startswith("/"):
            return None if address.startswith("//") else address
        return address if _origin(address) in self.origins else None

    def origin(self, address: str | None) -> str | None:
        """The origin of an address at one of those applications; None for any other."""
        origin = None if self.allowed(address) is None else _origin(address or "")
        return origin if origin in self.origins else None


def _origin(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in {"https", "http"} or "@" in parts.netloc or _HOST.fullmatch(host) is None:
        return None
    if not address.lower().startswith(f"{parts.scheme}://{parts.netloc.lower()}"):
        return None
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"
