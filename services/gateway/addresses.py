"""Where a request comes from: the address of the client, which nobody who is not trusted can choose.

A proxy says in `X-Forwarded-For` who asked it. Anybody can write that header, so it is read from its end, as far as
those who wrote it are trusted: the client is the first that is not.
"""

from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

Network = IPv4Network | IPv6Network

NOWHERE = "nowhere"
_HOUSEHOLD = 64
"""Bits of an IPv6 address that a provider gives to one customer at the least: within them he has all addresses."""

_client: ContextVar[str] = ContextVar("client", default=NOWHERE)


def client() -> str:
    """The network that the request which is being answered comes from: an IPv4 address, or the /64 of an IPv6 one."""
    return _client.get()


class Addresses:
    """Notes who asks, for as long as he is answered (ASGI middleware)."""

    def __init__(self, app: ASGIApp, *, trusted: Sequence[Network] = ()) -> None:
        """Believe what these proxies say, and nobody else."""
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through."""
        token = _client.set(client_of(scope, self._trusted))
        try:
            await self._app(scope, receive, send)
        finally:
            _client.reset(token)


def client_of(scope: Scope, trusted: Sequence[Network]) -> str:
    """The network of the client: the last hop that no trusted proxy is."""
    peer = scope.get("client")
    address = _address(peer[0]) if peer else None
    if address is None:
        return NOWHERE  # a socket without addresses: all who come through it share one budget
    for hop in _hops(Headers(scope=scope)):
        if not any(address in network for network in trusted if network.version == address.version):
            break
        told = _address(hop)
        if told is None:
            break
        address = told
    return _network_of(address)


def _hops(headers: Headers) -> Iterator[str]:
    """What is said in `X-Forwarded-For`, the newest first."""
    yield from reversed(",".join(headers.getlist("x-forwarded-for")).split(","))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it, with a port or without."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network_of(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, _HOUSEHOLD), strict=False))
