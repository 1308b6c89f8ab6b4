"""Takes a picture of every page, light and dark, on a phone and on a desktop: `./wardgate screens`."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from ops.checkout import ROOT
from tests.chromium import DESKTOP, PHONE, Scheme, Visitor, chromium
from tests.gallery import BASE, Gallery
from tests.pages import VIEWS

FOLDER = ROOT / "docs" / "screens"

PICTURED: Mapping[str, tuple[str, str]] = {
    "login": ("login", "/login"),
    "login-again": ("login again", "/login"),
    "login-throttled": ("login throttled", "/login"),
    "setup-1-app": ("setup app", "/login/setup"),
    "setup-2-scan": ("setup scan", "/login/setup?step=scan"),
    "setup-3-code": ("setup code", "/login/setup?step=code"),
    "setup-3-code-again": ("setup code again", "/login/setup?step=code"),
    "setup-4-recovery": ("recovery codes", "/login/setup/recovery-codes"),
    "setup-4-recovery-again": ("recovery codes again", "/login/setup/recovery-codes"),
    "code": ("code", "/login/code"),
    "code-again": ("code again", "/login/code"),
    "code-recovery": ("code by recovery", "/login/code?method=recovery_code"),
    "home": ("home", "/"),
    "security": ("security", "/account/security"),
    "security-last-app": ("security with the last app", "/account/security"),
    "security-code": ("security code", "/account/security/code"),
    "security-add-app": ("add app", "/account/security/authenticators/new"),
    "trouble-not-found": ("trouble not_found", "/nowhere"),
    "trouble-unavailable": ("trouble unavailable", "/login"),
}
"""The pictures: which page each shows, and at which address."""


async def take(folder: Path) -> None:
    """Write the pictures into this folder."""
    schemes: tuple[Scheme, ...] = ("light", "dark")
    async with chromium() as browser:
        for width in (PHONE, DESKTOP):
            for scheme in schemes:
                async with Visitor.arriving(browser, BASE, folder, width=width, scheme=scheme) as visitor:
                    await _all_of(visitor, folder, f"{width}-{scheme}")


async def _all_of(visitor: Visitor, folder: Path, kind: str) -> None:
    gallery = Gallery(visitor)
    await gallery.open()
    for name, (shown, path) in PICTURED.items():
        await gallery.show(VIEWS[shown], path)
        await visitor.photograph(folder / f"{name}-{kind}.png")


def main() -> None:
    """Take them all anew, and remove those of pages that are no more."""
    for old in FOLDER.glob("*.png"):
        old.unlink()
    asyncio.run(take(FOLDER))


if __name__ == "__main__":
    main()
