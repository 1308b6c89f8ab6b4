"""What a person goes through, over HTTP, with everything running; each request at another gateway than the last."""

from collections.abc import Callable

from shared.runtime.clock import now
from tests.browser import Browser
from tests.examples import CUSTOMER, Person
from tests.phone import Phone
from tests.system import System

Browsers = Callable[[], Browser]


async def test_who_must_enrolls_once_and_is_asked_for_a_code_ever_after(system: System, browser: Browsers) -> None:
    ada = Person("ada.story@customer-1.example", CUSTOMER, "Ada")
    await system.hire(ada)
    first = browser()

    shown = await first.login(ada)
    phone = Phone(shown.body["enrollment"]["otpauth_uri"])
    confirmed = await first.confirm(phone.code(now(), steps=-1))

    assert shown.said == (200, "enrollment_required")
    assert confirmed.said == (200, "authenticated")
