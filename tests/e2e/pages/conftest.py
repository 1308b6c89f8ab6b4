"""What tests in a real browser begin with."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser as Chromium

from tests.chromium import Visitor, chromium
from tests.system import System

Visiting = Callable[..., AbstractAsyncContextManager[Visitor]]


@pytest.fixture(scope="session")
async def chrome() -> AsyncIterator[Chromium]:
    """One Chromium for all tests; each visitor has cookies and a cache of his own in it."""
    async with chromium() as browser:
        yield browser


@pytest.fixture
def visiting(system: System, chrome: Chromium, tmp_path: Path) -> Visiting:
    """Somebody comes to the portal: `async with visiting(width=PHONE) as visitor`."""

    def visit(**differing: Any) -> AbstractAsyncContextManager[Visitor]:
        return Visitor.arriving(chrome, system.gateways[0], tmp_path, **differing)

    return visit
