"""What integration tests can ask for besides: what was logged."""

import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stdout

import pytest

from shared.runtime import logs


@pytest.fixture(scope="session")
def all_logs() -> Iterator[io.StringIO]:
    """Logs are made as a service makes them, and kept."""
    written = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with redirect_stdout(written):
        logs.configure("tests", "INFO")
    yield written
    root.handlers[:], root.level = handlers, level


@pytest.fixture(autouse=True)
def log(all_logs: io.StringIO) -> io.StringIO:
    """What was logged since the test began."""
    all_logs.seek(0)
    all_logs.truncate()
    return all_logs
