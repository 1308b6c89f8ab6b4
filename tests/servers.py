"""Where the tests take their servers from: the environment, a Docker engine where one answers, or this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.stack import Stack
from ops.stack import servers as servers_of_this_machine


@contextmanager
def servers(state: Path) -> Iterator[Stack]:
    """RabbitMQ and MongoDB until the block ends. What is missing is an error: a test that skips proves nothing."""
    with servers_of_this_machine(state) as stack:
        yield stack
