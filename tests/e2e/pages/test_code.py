"""Every later login in a real browser: the code, and all that can be wrong with it."""

from tests.chromium import Visitor
from tests.e2e.pages.conftest import Visiting
from tests.examples import Person, somebody
from tests.system import System

NOT_ACCEPTED = "There is a problem: This code was not accepted."


async def at_the_code(visitor: Visitor, person: Person) -> None:
    await visitor.open("/login")
    await visitor.sign_in(person)
    assert visitor.place == "/login/code"


async def test_whoever_has_an_app_is_asked_for_the_code_only(system: System, visiting: Visiting) -> None:
    ada = somebody(display_name="Ada Lovelace")
    app = await system.bring(ada)

    async with visiting() as visitor:
        await at_the_code(visitor, ada)
        await visitor.type_code(app.next_code())

        assert (visitor.place, await visitor.heading()) == ("/", "Hello, Ada Lovelace")


async def test_a_code_is_pasted_as_apps_write_it(system: System, visiting: Visiting) -> None:
    ada = somebody()
    app = await system.bring(ada)

    async with visiting() as visitor:
        await at_the_code(visitor, ada)
        code = app.next_code()
        await visitor.page.evaluate("text => navigator.clipboard.writeText(text)", f" {code[:3]} {code[3:]}")
        await visitor.page.focus("#code")
        async with visitor.page.expect_navigation():
            await visitor.page.keyboard.press("Control+V")

        assert visitor.place == "/"


async def test_wrong_used_and_late_codes_are_told_at_the_field_and_do_not_end_the_login(
    system: System, visiting: Visiting
) -> None:
    ada = somebody()
    app = await system.bring(ada)
    used, late = app.next_code(), app.phone.code(app.next_moment(), steps=-6)

    async with visiting() as first:
        await at_the_code(first, ada)
        await first.type_code(used)
        assert first.place == "/"

    async with visiting() as visitor:
        await at_the_code(visitor, ada)
        for code in (app.wrong_code(), used, late):
            await visitor.type_code(code)
            assert visitor.place == "/login/code"
            assert (await visitor.told()).startswith(NOT_ACCEPTED)
            described = await visitor.page.locator("#code").get_attribute("aria-describedby")
            assert described is not None
            assert "notice" in described.split()
            assert await visitor.page.locator("#code[aria-invalid=true]:focus").count() == 1
            assert (await visitor.page.title()).startswith("Error: ")
        await visitor.type_code(app.lasting_code())

        assert visitor.place == "/"


async def test_a_phone_whose_clock_is_wrong_is_told_of_at_its_first_code(system: System, visiting: Visiting) -> None:
    ada = somebody()
    await system.hire(ada)

    async with visiting() as visitor:
        await visitor.open("/login")
        await visitor.sign_in(ada)
        await visitor.press("I have an app")
        app = await visitor.scan()
        await visitor.press("The app shows a code")
        await visitor.type_code(app.phone.code(app.next_moment(), steps=-6))

        assert "minutes behind" in await visitor.told()
        await visitor.type_code(app.next_code())
        assert visitor.place == "/login/setup/recovery-codes"


async def test_a_recovery_code_lets_in_once(system: System, visiting: Visiting) -> None:
    ada = somebody()
    await system.hire(ada)
    async with visiting() as first:
        await first.open("/login")
        await first.sign_in(ada)
        await first.press("I have an app")
        app = await first.scan()
        await first.press("The app shows a code")
        await first.type_code(app.next_code())
        code = (await first.recovery_codes())[0]

    async with visiting() as visitor:
        await at_the_code(visitor, ada)
        await visitor.press("No phone at hand? Use a recovery code")
        await visitor.type_recovery_code(code.lower().replace("-", " "))
        assert visitor.place == "/"
        await visitor.press("Sign out")
        await visitor.sign_in(ada)
        await visitor.press("No phone at hand? Use a recovery code")
        await visitor.type_recovery_code(code)

        assert "recovery code was not accepted" in await visitor.told()
        assert visitor.place == "/login/code?method=recovery_code"


async def test_whoever_fails_too_often_sees_how_long_he_waits(system: System, visiting: Visiting) -> None:
    ada = somebody()
    app = await system.bring(ada)

    async with visiting() as visitor:
        await at_the_code(visitor, ada)
        for _ in range(6):
            await visitor.type_code(app.wrong_code())
        clock = visitor.page.locator("[data-countdown]")
        shown = await clock.inner_text()
        button = visitor.page.locator("main form [type=submit]").first
        await visitor.page.wait_for_function(
            "shown => document.querySelector('[data-countdown]').textContent < shown", arg=shown
        )
        await visitor.page.focus("#code")
        await visitor.page.keyboard.type(app.next_code())

        assert (await visitor.told()).startswith("There is a problem: Too many attempts. You can try again in 0:5")
        assert await button.get_attribute("aria-disabled") == "true"
        assert visitor.place == "/login/code"
        assert len(await visitor.page.input_value("#code")) == 6, "what is typed meanwhile is not sent by itself"


async def test_a_wrong_password_says_so_and_keeps_the_username(system: System, visiting: Visiting) -> None:
    ada = somebody()
    await system.hire(ada)

    async with visiting() as visitor:
        await visitor.open("/login")
        await visitor.sign_in(ada, "not the password")

        assert "do not go together" in await visitor.told()
        assert await visitor.page.input_value("#username") == ada.username
        assert await visitor.page.input_value("#password") == ""


async def test_a_login_that_was_ended_in_another_tab_says_so(system: System, visiting: Visiting) -> None:
    ada = somebody()
    app = await system.bring(ada)

    async with visiting() as visitor:
        await at_the_code(visitor, ada)
        second = await visitor.context.new_page()
        await second.goto("/login/code")
        await second.get_by_role("button", name="Sign in as someone else").click()
        await second.wait_for_url("**/login")
        await visitor.type_code(app.next_code())

        assert visitor.place == "/login"
        assert "Please sign in" in await visitor.told()
