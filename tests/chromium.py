"""A person at a real browser: Debian's Chromium, driven by Playwright, and everything that it complained of."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from tests.app import App
from tests.examples import Person

Scheme = Literal["light", "dark"]

PHONE, DESKTOP = 360, 1280
"""Widths in CSS pixels."""

_HEIGHTS = {PHONE: 740, DESKTOP: 800}
_PATIENCE = 15_000.0
"""Milliseconds, on a machine that has much else to do."""

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Chromium until the block ends."""
    program = shutil.which("chromium")
    assert program is not None, "Chromium is not on PATH: install Debian's package chromium"
    # Chromium refuses to build its sandbox for root; the only pages it sees here are our own.
    arguments = ["--disable-gpu", "--disable-background-networking", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        await browser.close()


class Visitor:
    """Somebody with one browser of his own. Nothing on any page may break its policies or fail in its scripts."""

    def __init__(self, context: BrowserContext, page: Page, base: str, photographs: Path) -> None:
        self.context = context
        self.page = page
        self.base = base
        self.complaints: list[str] = []
        self._photographs = photographs

    @classmethod
    @asynccontextmanager
    async def arriving(  # noqa: PLR0913 - each is something that people differ in
        cls,
        browser: Browser,
        base: str,
        photographs: Path,
        *,
        width: int = DESKTOP,
        scheme: Scheme = "light",
        language: str = "en-GB",
        scripts: bool = True,
    ) -> AsyncIterator[Self]:
        """Come with a browser that is like this, without any cookie, and leave."""
        context = await browser.new_context(
            base_url=base,
            viewport={"width": width, "height": _HEIGHTS.get(width, 740)},
            has_touch=width == PHONE,
            color_scheme=scheme,
            locale=language,
            timezone_id="Europe/Amsterdam",
            java_script_enabled=scripts,
            permissions=["clipboard-read", "clipboard-write"],
            reduced_motion="reduce",
        )
        context.set_default_timeout(_PATIENCE)
        try:
            visitor = cls(context, await context.new_page(), base, photographs)
            context.on("console", visitor._said)
            context.on("weberror", lambda error: visitor.complaints.append(str(error.error)))
            yield visitor
            assert visitor.complaints == []
        finally:
            await context.close()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.location.get('url')}: {message.text}")

    @property
    def place(self) -> str:
        """The path and the query of the page that is open."""
        parts = urlsplit(self.page.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    async def open(self, path: str) -> None:
        """Go to an address."""
        await self.page.goto(path)

    async def press(self, name: str) -> None:
        """Press the button or follow the link of this name, and wait for the page that it leads to."""
        control = self.page.get_by_role("button", name=name, exact=True).or_(
            self.page.get_by_role("link", name=name, exact=True)
        )
        async with self.page.expect_navigation():
            await control.first.click()

    async def sign_in(self, person: Person, password: str | None = None) -> None:
        """Type username and password, and Enter."""
        await self.page.fill("#username", person.username)
        await self.page.fill("#password", person.password if password is None else password)
        async with self.page.expect_navigation():
            await self.page.keyboard.press("Enter")

    async def type_code(self, code: str) -> None:
        """Type a code digit by digit: where scripts run, the sixth one sends it."""
        await self.page.focus("#code")
        async with self.page.expect_navigation():
            await self.page.keyboard.type(code)
            if await self.page.locator("[data-needs-script]:visible").count() == 0:
                await self.page.keyboard.press("Enter")

    async def type_recovery_code(self, code: str) -> None:
        """Type a recovery code, and Enter."""
        await self.page.fill("#code", code)
        async with self.page.expect_navigation():
            await self.page.keyboard.press("Enter")

    async def told(self) -> str:
        """What the page says of what just happened."""
        return " ".join((await self.page.locator("#notice").inner_text()).split())

    async def heading(self) -> str:
        """What the page is about."""
        return await self.page.locator("h1").inner_text()

    async def recovery_codes(self) -> list[str]:
        """The recovery codes on the page."""
        return await self.page.locator("#codes code").all_inner_texts()

    async def key(self) -> str:
        """The key as it is written out on the page."""
        return "".join((await self.page.locator("#key").inner_text()).split())

    async def photograph(self, file: Path) -> None:
        """Take a picture of the whole page.

        The window is made as high as the page for it: Playwright's own way to see beyond a window forgets that this
        is a phone with a touch screen, and shows what stands on a desktop.
        """
        window = self.page.viewport_size
        assert window is not None
        for _ in range(2):  # what is measured in heights of the window grows with it
            height = await self.page.evaluate("document.documentElement.scrollHeight")
            await self.page.set_viewport_size({"width": window["width"], "height": height})
        await self.page.screenshot(path=file)
        await self.page.set_viewport_size(window)

    async def scan(self) -> App:
        """Hold a phone before the screen: the QR code is found on nothing but a picture of it."""
        photograph = self._photographs / "screen.png"
        await self.photograph(photograph)
        return App(await asyncio.to_thread(_found_on, photograph))

    async def flaws(self) -> list[str]:
        """What axe-core finds on the page."""
        await self.page.evaluate(_AXE.read_text())
        found = await self.page.evaluate("(rules) => axe.run({runOnly: rules})", _RULES)
        return [
            f"{flaw['id']}: {flaw['help']}: {node['html'][:120]}"
            for flaw in found["violations"]
            for node in flaw["nodes"]
        ]

    async def hidden_to_the_right(self) -> int:
        """By how many pixels the page is wider than the window: nobody should have to scroll sideways."""
        width: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width


def _found_on(photograph: Path) -> str:
    command = ["zbarimg", "--quiet", "--raw", "--nodbus", "-Sdisable", "-Sqrcode.enable", str(photograph)]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()  # noqa: S603 - fixed words
