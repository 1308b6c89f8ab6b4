"""HTTP/1.1 with bounds on what clients may take: time and connections. `uvicorn --http` is given `Bounded`.

uvicorn waits as long as it takes for a request that does not come to its end, and for an answer to be read, so that a
few thousand sockets that say nothing, or a byte a second, keep everybody else out (slowloris). Its own limit of
connections is of no help there: whoever sits on them has reached it.
"""

import asyncio
import json
import resource
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LARGEST_HEAD = 16 * 1024
"""Bytes of a request's first line and headers: looked at after each `_PIECE`."""
_PIECE = 4 * 1024
_RESERVED = 256
"""Files that a process needs for other things than its clients: the broker, the database, its code, its log."""
_HOUSEHOLD = 8
"""Bytes of an IPv6 address that a provider gives to one customer at the least: within them he has all addresses."""

_REFUSALS = {
    HTTPStatus.BAD_REQUEST: ("malformed_http", "Not HTTP", "This is not HTTP as a server can read it."),
    HTTPStatus.REQUEST_TIMEOUT: ("too_slow", "Too slow", "The request did not come to its end in time."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        "head_too_large",
        "Head too large",
        "The address and the headers are larger than anything that is asked for here.",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: ("unavailable", "Unavailable", "All connections are in use. Try again."),
}


def _room() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(64, min(4_096, files - _RESERVED))


@dataclass(frozen=True)
class Bounds:
    """What a client may take of us."""

    head: float = 10.0
    """Seconds for first line and headers: from the connection on or, of a later request, from its first byte."""
    body: float = 20.0
    """Seconds from there to the end of the body."""
    answer: float = 30.0
    """Seconds in which an answer must have been taken."""
    connections: int = 0
    """Connections at a time, of all clients; 0: what the limit on open files has room for, and 4096 at most."""


class Bounded(H11Protocol):
    """One connection of a client.

    Three things are timed, each from its beginning and not from the last byte: a head, a body, an answer. Between two
    requests a connection may rest for `--timeout-keep-alive`. Where there is no more room, whoever comes is let in and
    another goes: of those whom nobody is working for, the one that has waited longest, of the address that has most.
    """

    bounds: ClassVar[Bounds] = Bounds()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Wait for a client."""
        super().__init__(*arguments, **named)
        self.conn = h11.Connection(h11.SERVER, LARGEST_HEAD)
        self.household: bytes | str = ""
        """Who it is, as far as addresses tell."""
        self.since = self.loop.time()
        """When it began what it is doing."""
        self._doing: tuple[object, ...] = ()
        self._deadline: asyncio.TimerHandle | None = None
        self._answer_deadline: asyncio.TimerHandle | None = None

    @property
    def is_served(self) -> bool:
        """Whether its request is there as a whole, and the answer is not."""
        return self.conn.their_state in {h11.DONE, h11.MUST_CLOSE} and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let a client in, if need be in the place of another."""
        super().connection_made(transport)
        self.household = _household(self.client)
        if len(self.connections) > (self.bounds.connections or _room()) and not self._make_room():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Time nothing any more."""
        for timer in (self._deadline, self._answer_deadline):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read in small pieces: a head that comes all at once is looked at as one that comes slowly."""
        for start in range(0, len(data), _PIECE):
            super().data_received(data[start : start + _PIECE])
            if self.transport.is_closing():
                return
        self._look()

    def on_response_complete(self) -> None:
        """See to it that the answer is taken, and that what is left of the request does not come for ever."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._look()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - it says the same of everything
        """Refuse what cannot be read."""
        too_large = len(self.conn.trailing_data[0]) > LARGEST_HEAD
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else HTTPStatus.BAD_REQUEST)

    def hang_up(self) -> None:
        """Close at once: `close` would wait until everything that was written is taken."""
        self.connections.discard(self)
        self._leave()
        self.transport.abort()

    def _should_upgrade(self) -> bool:
        """Nothing here is spoken but HTTP/1.1: whoever asks for something else is answered in it."""
        return False

    def _look(self) -> None:
        """Time what the client is doing, if it is not what it was doing before."""
        if not self.transport.get_write_buffer_size():
            self._stop_answer_deadline()
        elif self._answer_deadline is None:
            self._answer_deadline = self.loop.call_later(self.bounds.answer, self._untaken)
        doing = (self.conn.their_state, self.cycle, bool(self.conn.trailing_data[0]))
        if doing == self._doing or self.transport.is_closing():
            return
        self._doing, self.since = doing, self.loop.time()
        if self._deadline is not None:
            self._deadline.cancel()
        seconds = self._seconds()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._too_slow)

    def _seconds(self) -> float | None:
        state, before, has_begun = self._doing
        if state is h11.IDLE:
            return self.timeout_keep_alive if before is not None and not has_begun else self.bounds.head
        return self.bounds.body if state is h11.SEND_BODY else None

    def _too_slow(self) -> None:
        """The time for a request is over. Who has said nothing is told nothing: it may be a browser's reserve."""
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self.hang_up()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _untaken(self) -> None:
        self._answer_deadline = None
        if self.transport.get_write_buffer_size():
            self.hang_up()

    def _stop_answer_deadline(self) -> None:
        if self._answer_deadline is not None:
            self._answer_deadline.cancel()
            self._answer_deadline = None

    def _make_room(self) -> bool:
        """Close another connection; whether there was one that could be."""
        others = (cast("Bounded", each) for each in self.connections if each is not self)
        waiting = [each for each in others if not each.is_served]
        if not waiting:
            return False
        largest, _ = Counter(each.household for each in waiting).most_common(1)[0]
        min((each for each in waiting if each.household == largest), key=lambda each: each.since).hang_up()
        return True

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer here what no application will be asked, and close."""
        self._leave()
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.abort()
            return
        for event in _answer(status):
            self.transport.write(cast("bytes", self.conn.send(event)))
        self.transport.close()
        self._look()

    def _leave(self) -> None:
        """Let the application know that nobody listens any more."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()


def _answer(status: HTTPStatus) -> Iterator[h11.Event]:
    code, title, detail = _REFUSALS[status]
    told = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    body = json.dumps(told).encode()
    headers = [
        ("content-type", "application/problem+json"),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
        ("connection", "close"),
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("retry-after", "2"))
    yield h11.Response(status_code=status, headers=headers, reason=status.phrase.encode())
    yield h11.Data(data=body)
    yield h11.EndOfMessage()


def _household(client: tuple[str, int] | None) -> bytes | str:
    if client is None:
        return ""
    try:
        return socket.inet_pton(socket.AF_INET6, client[0].partition("%")[0])[:_HOUSEHOLD]
    except OSError:
        return client[0]
