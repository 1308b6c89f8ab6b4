"""What protects an account, changed in a real browser by whoever is signed in."""

import pytest

from tests.app import App
from tests.chromium import Visitor
from tests.e2e.pages.conftest import Visiting
from tests.examples import Person, somebody
from tests.system import System


async def at_security(visitor: Visitor, person: Person, app: App) -> None:
    await visitor.open("/login")
    await visitor.sign_in(person)
    await visitor.type_code(app.next_code())
    await visitor.press("Security")
    assert visitor.place == "/account/security"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_new_phone_takes_the_place_of_the_old_one(system: System, visiting: Visiting, *, scripts: bool) -> None:
    ada = somebody()
    old = await system.bring(ada)

    async with visiting(scripts=scripts) as visitor:
        apps = visitor.page.locator("section[aria-labelledby=authenticators] .row")
        await at_security(visitor, ada, old)
        assert await visitor.page.get_by_role("button", name="Remove").count() == 0, "the last one is only replaced"
        await visitor.press("Add an app")
        new = await visitor.scan()
        await visitor.type_code(new.next_code())
        assert visitor.place == "/login/setup/recovery-codes", "who brought his app along has had no codes before"
        await visitor.type_recovery_code((await visitor.recovery_codes())[0])
        await visitor.press("Security")
        assert await apps.count() == 2
        await visitor.page.get_by_text("Rename").first.click()
        await visitor.page.locator("input[name=name]").first.fill("The old phone")
        await visitor.press("Save")
        assert "The old phone" in await apps.first.inner_text()
        await visitor.press("Remove The old phone")
        assert await apps.count() == 1
        await visitor.press("Sign out")
        await visitor.sign_in(ada)
        await visitor.type_code(new.next_code())

        assert visitor.place == "/"


async def test_another_browser_is_signed_out_from_here(system: System, visiting: Visiting) -> None:
    ada = somebody()
    app = await system.bring(ada)

    async with visiting() as here, visiting() as elsewhere:
        await at_security(elsewhere, ada, app)
        await at_security(here, ada, app)
        await here.page.get_by_role("button", name="End the session").first.click()
        await here.page.locator("#notice").wait_for()
        await elsewhere.open("/")

        assert await here.told() == "That session is ended."
        assert elsewhere.place == "/login"


async def test_new_recovery_codes_are_shown_once_and_kept(system: System, visiting: Visiting) -> None:
    ada = somebody()
    app = await system.bring(ada)

    async with visiting() as visitor:
        await at_security(visitor, ada, app)
        await visitor.press("Make new codes")
        codes = await visitor.recovery_codes()
        await visitor.type_recovery_code(codes[0])
        await visitor.open("/login/setup/recovery-codes")

        assert len(codes) == 10
        assert await visitor.page.locator("#codes").count() == 0
