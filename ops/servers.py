"""What a server is to whoever starts it: RabbitMQ, MongoDB, as processes or containers."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ops.children import Child

READY_WITHIN = 60.0
STOPS_WITHIN = 20.0


class ServerFailed(Exception):  # noqa: N818 (it reads as a sentence)
    """A server ended, or did not answer in time; the message names its log."""


class Server(Protocol):
    """A server that can be stopped, killed and started again at the same URL with the same data."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def url(self) -> str:
        """Where its administrator connects, credentials included."""

    @property
    def pid(self) -> int:
        """The process id of the server itself."""

    def start(self) -> None:
        """Start it if it does not run, and wait until it answers."""

    def stop(self) -> None:
        """Ask it to end, and see to it that it has."""

    def kill(self) -> None:
        """End it at once, as a power cut would."""


def wait_until(is_ready: Callable[[], bool], name: str) -> None:
    """Return when a server that is not ours to look at answers. Raises ServerFailed after READY_WITHIN seconds."""
    deadline = time.monotonic() + READY_WITHIN
    while not is_ready():
        if time.monotonic() > deadline:
            raise ServerFailed(f"{name} did not answer within {READY_WITHIN:.0f} seconds")
        time.sleep(0.1)


class LocalServer:
    """A server as a child process on this machine."""

    def __init__(  # noqa: PLR0913 (what a server is made of)
        self,
        name: str,
        url: str,
        child: Child,
        *,
        is_ready: Callable[[], bool],
        passwords: Mapping[str, str],
        companions: Sequence[Child] = (),
    ) -> None:
        self.name = name
        self.url = url
        self.passwords = passwords
        self.child = child
        self._is_ready = is_ready
        self._companions = companions

    @property
    def pid(self) -> int:
        """The process id of the server itself."""
        return self.child.pid

    @property
    def processes(self) -> list[Child]:
        """What it leans on, then the server itself."""
        return [*self._companions, self.child]

    def launch(self) -> None:
        """Start it, and what it leans on, and return at once."""
        for process in self.processes:
            process.launch()

    def wait_ready(self) -> None:
        """Return when it answers.

        Raises ServerFailed when it ended instead, or when READY_WITHIN seconds passed.
        """
        deadline = time.monotonic() + READY_WITHIN
        while not self._is_ready():
            if not self.child.is_running:
                raise ServerFailed(
                    f"{self.name} ended with exit status {self.child.poll()} while starting; see {self.child.log}"
                )
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"{self.name} did not answer within {READY_WITHIN:.0f} seconds; see {self.child.log}"
                )
            time.sleep(0.05)

    def start(self) -> None:
        """Start it if it does not run, and wait until it answers."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """Ask it to end, kill it if it does not, and end what it leaned on."""
        self.child.stop(STOPS_WITHIN)
        for companion in self._companions:
            companion.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would; `start()` brings it back."""
        self.child.kill()
