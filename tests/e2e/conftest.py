"""What end-to-end tests begin with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests import composed
from tests.app import App
from tests.browser import Browser
from tests.examples import Person
from tests.system import System


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, where the system is that of compose, what can only be tried on processes of our own."""
    left_out = [item for item in items if composed.project() and item.get_closest_marker("processes")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


Browsers = Callable[[], Browser]


@dataclass(frozen=True)
class Enrolled:
    """Somebody who has an authenticator app, and the browser in which he set it up and is signed in."""

    person: Person
    app: App
    recovery_codes: list[str]
    browser: Browser


Enrolling = Callable[[Person], Awaitable[Enrolled]]


@pytest.fixture
def enrolled(system: System, browser: Browsers) -> Enrolling:
    """Hires somebody and takes him through his first login."""

    async def enrol(person: Person) -> Enrolled:
        await system.hire(person)
        first = browser()
        shown = await first.login(person)
        app = App(shown.body["enrollment"]["otpauth_uri"])
        confirmed = await first.confirm(app.next_code())
        assert confirmed.said == (200, "authenticated")
        return Enrolled(person, app, confirmed.body["recovery_codes"], first)

    return enrol
