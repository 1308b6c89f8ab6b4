"""The first login in a real browser: the wizard, from the password to the recovery codes."""

import pytest

from tests.chromium import DESKTOP, PHONE, Scheme
from tests.e2e.pages.conftest import Visiting
from tests.examples import GRACE_CUSTOMER, somebody
from tests.system import System


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (DESKTOP, "dark")])
async def test_a_person_is_taken_from_the_password_to_the_recovery_codes(
    system: System, visiting: Visiting, width: int, scheme: Scheme
) -> None:
    ada = somebody(display_name="Ada Lovelace")
    await system.hire(ada)

    async with visiting(width=width, scheme=scheme) as visitor:
        await visitor.open("/")
        assert visitor.place == "/login"
        await visitor.sign_in(ada)
        assert (visitor.place, await visitor.heading()) == ("/login/setup", "Get an authenticator app")
        await visitor.press("I have an app")
        app = await visitor.scan()
        await visitor.press("The app shows a code")
        await visitor.type_code(app.next_code())
        assert visitor.place == "/login/setup/recovery-codes"
        codes = await visitor.recovery_codes()
        await visitor.type_recovery_code(codes[3].lower())

        assert len(set(codes)) == 10
        assert app.phone.entry == ("The customer-1", ada.username)
        assert (visitor.place, await visitor.heading()) == ("/", "Hello, Ada Lovelace")
        assert await visitor.told() == "Good: your recovery codes are safe with you."
        proved = await visitor.page.locator(".chips").inner_text()
        assert proved.split("\n") == ["Password", "One-time code"]


async def test_the_whole_main_job_is_done_by_keyboard_alone(system: System, visiting: Visiting) -> None:
    ada = somebody()
    await system.hire(ada)

    async with visiting() as visitor:
        keyboard = visitor.page.keyboard

        async def go_to(name: str) -> None:
            """Press Tab until the control of this name has the focus, and has a ring around it that can be seen."""
            for _ in range(30):
                focused = visitor.page.locator(":focus")
                if await focused.count() and (await focused.inner_text()).strip() == name:
                    outline = await focused.evaluate("element => getComputedStyle(element).outlineStyle")
                    assert outline != "none", f"nobody sees that {name} has the focus"
                    return
                await keyboard.press("Tab")
            raise AssertionError(f"no way to {name} by Tab")

        async def fill_in(text: str) -> None:
            """Type into the field that the page puts the cursor in, as soon as it is there."""
            await visitor.page.locator("input:focus").wait_for()
            await keyboard.type(text)

        async def enter() -> None:
            async with visitor.page.expect_navigation():
                await keyboard.press("Enter")

        await visitor.open("/login")
        await fill_in(ada.username)
        await keyboard.press("Tab")
        await fill_in(ada.password)
        await enter()
        await go_to("I have an app")
        await enter()
        app = await visitor.scan()
        await go_to("The app shows a code")
        await enter()
        async with visitor.page.expect_navigation():
            await fill_in(app.next_code())
        kept = (await visitor.recovery_codes())[0]
        await visitor.page.evaluate("document.getElementById('main').focus()")
        for _ in range(10):
            if await visitor.page.locator("#code:focus").count():
                break
            await keyboard.press("Tab")
        await fill_in(kept)
        await enter()
        assert visitor.place == "/"
        await go_to("Sign out")
        await enter()
        await fill_in(ada.username)
        await keyboard.press("Tab")
        await fill_in(ada.password)
        await enter()
        async with visitor.page.expect_navigation():
            await fill_in(app.next_code())

        assert visitor.place == "/"


async def test_without_scripts_it_is_the_same_job(system: System, visiting: Visiting) -> None:
    ada = somebody()
    await system.hire(ada)

    async with visiting(scripts=False) as visitor:
        await visitor.open("/login")
        await visitor.sign_in(ada)
        await visitor.press("I have an app")
        app = await visitor.scan()
        await visitor.press("The app shows a code")
        await visitor.type_code(app.wrong_code())
        assert "not accepted" in await visitor.told()
        await visitor.type_code(app.next_code())
        codes = await visitor.recovery_codes()
        await visitor.type_recovery_code(codes[0])
        assert visitor.place == "/"
        await visitor.press("Sign out")
        await visitor.sign_in(ada)
        await visitor.type_code(app.next_code())
        assert visitor.place == "/"


async def test_a_dutchman_reads_dutch_from_the_first_page_to_the_last(system: System, visiting: Visiting) -> None:
    anna = somebody(display_name="Anna de Vries")
    await system.hire(anna)

    async with visiting(language="nl-NL") as visitor:
        headings, titles = [], []

        async def look() -> None:
            assert await visitor.page.locator("html").get_attribute("lang") == "nl"
            headings.append(await visitor.heading())
            titles.append(await visitor.page.title())

        await visitor.open("/login")
        await look()
        await visitor.sign_in(anna)
        await look()
        await visitor.press("Ik heb een app")
        await look()
        app = await visitor.scan()
        await visitor.press("De app toont een code")
        await look()
        await visitor.type_code(app.next_code())
        await look()
        await visitor.press("Later \N{EN DASH} herinner mij eraan")
        await look()

        assert headings == [
            "Aanmelden",
            "Installeer een authenticator-app",
            "Voeg uw account toe aan de app",
            "Voer de code uit de app in",
            "Bewaar uw herstelcodes",
            "Dag Anna de Vries",
        ]
        assert titles[1].startswith("Stap 1 van 4: Installeer een authenticator-app")


async def test_the_language_that_was_chosen_stays(visiting: Visiting) -> None:
    async with visiting() as visitor:
        await visitor.open("/login")
        await visitor.press("Deutsch")
        await visitor.open("/login")

        assert await visitor.heading() == "Anmelden"


async def test_a_reload_and_a_second_tab_show_the_same_key(system: System, visiting: Visiting) -> None:
    ada = somebody()
    await system.hire(ada)

    async with visiting() as visitor:
        await visitor.open("/login")
        await visitor.sign_in(ada)
        await visitor.press("I have an app")
        shown = await visitor.key()
        await visitor.page.reload()
        reloaded = await visitor.key()
        second = await visitor.context.new_page()
        await second.goto("/login/setup?step=scan")
        in_second = "".join((await second.locator("#key").inner_text()).split())

        assert shown == reloaded == in_second


async def test_a_second_tab_that_was_left_behind_is_sent_to_where_the_login_is(
    system: System, visiting: Visiting
) -> None:
    ada = somebody()
    await system.hire(ada)

    async with visiting() as visitor:
        await visitor.open("/login")
        await visitor.sign_in(ada)
        await visitor.press("I have an app")
        app = await visitor.scan()
        await visitor.open("/login/setup?step=code")
        first, second = visitor.page, await visitor.context.new_page()
        await second.goto("/login/setup?step=code")
        await visitor.type_code(app.next_code())
        assert visitor.place == "/login/setup/recovery-codes"

        visitor.page = second
        await visitor.type_code(app.next_code())

        assert (visitor.place, await visitor.heading()) == ("/", "Hello, Somebody")
        await first.close()


async def test_the_back_button_leads_nobody_past_the_gate_and_nobody_into_a_dead_end(
    system: System, visiting: Visiting
) -> None:
    ada = somebody()
    await system.hire(ada)

    async with visiting() as visitor:
        await visitor.open("/login")
        await visitor.sign_in(ada)
        await visitor.press("I have an app")
        app = await visitor.scan()
        await visitor.press("The app shows a code")
        await visitor.page.go_back()
        assert visitor.place == "/login/setup?step=scan"
        await visitor.page.go_forward()
        await visitor.type_code(app.next_code())
        await visitor.type_recovery_code((await visitor.recovery_codes())[0])
        assert visitor.place == "/"

        await visitor.page.go_back()
        after_setup = await visitor.page.locator("#codes").count()
        await visitor.open("/")
        await visitor.press("Sign out")
        await visitor.page.go_back()
        after_signing_out = visitor.place

        assert after_setup == 0, "recovery codes are shown until they are kept"
        assert after_signing_out == "/login"


async def test_the_key_is_copied_as_apps_take_it(system: System, visiting: Visiting) -> None:
    ada = somebody()
    await system.hire(ada)

    async with visiting() as visitor:
        await visitor.open("/login")
        await visitor.sign_in(ada)
        await visitor.press("I have an app")
        await visitor.page.click("[data-copy]")
        await visitor.page.get_by_text("Copied", exact=True).wait_for()

        assert await visitor.page.evaluate("navigator.clipboard.readText()") == await visitor.key()


async def test_setup_is_put_off_while_the_grace_period_lasts(system: System, visiting: Visiting) -> None:
    clara = somebody(GRACE_CUSTOMER)
    await system.hire(clara)

    async with visiting() as visitor:
        await visitor.open("/login")
        await visitor.sign_in(clara)
        await visitor.press("Not now")

        assert visitor.place == "/"
