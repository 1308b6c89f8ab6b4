"""Every page in every shape, without a service behind it: accessible, within the window, without a complaint."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser as Chromium

from services.gateway.pages.views import View
from tests.chromium import DESKTOP, PHONE, Scheme, Visitor
from tests.gallery import BASE, Gallery
from tests.pages import VIEWS

NARROWEST = 320
"""Pixels: a desktop window of 1280 at four times the size (WCAG 2.2, 1.4.10)."""

_LONG = f"{'chocolaterie' * 6}@example.com"

SHAPES: Mapping[str, View] = {
    **{name: view for name, view in VIEWS.items() if not name.startswith("told ")},
    **{f"{name} of a long name": replace(VIEWS[name], account=_LONG) for name in ("setup scan", "add app")},
    "home of a long name": replace(VIEWS["home"], username=_LONG, display_name=_LONG, tenant=_LONG),
}


async def shown(chrome: Chromium, folder: Path, width: int, scheme: Scheme, language: str = "en") -> list[str]:
    """What is wrong with any page in such a window."""
    wrong = []
    async with Visitor.arriving(chrome, BASE, folder, width=width, scheme=scheme) as visitor:
        gallery = Gallery(visitor)
        await gallery.open()
        for name, view in SHAPES.items():
            await gallery.show(view, language=language)
            if hidden := await visitor.hidden_to_the_right():
                wrong.append(f"{name}: {hidden} pixels too wide")
            if width != NARROWEST:
                wrong += [f"{name}: {flaw}" for flaw in await visitor.flaws()]
    return wrong


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_page(chrome: Chromium, tmp_path: Path, width: int, scheme: Scheme) -> None:
    assert await shown(chrome, tmp_path, width, scheme) == []


@pytest.mark.parametrize("language", ["en", "nl", "de"])
async def test_nobody_scrolls_sideways_in_the_narrowest_window(chrome: Chromium, tmp_path: Path, language: str) -> None:
    assert await shown(chrome, tmp_path, NARROWEST, "light", language) == []


async def test_axe_would_find_a_flaw_if_there_were_one(chrome: Chromium, tmp_path: Path) -> None:
    async with Visitor.arriving(chrome, BASE, tmp_path) as visitor:
        gallery = Gallery(visitor)
        await gallery.open()
        await gallery.show(VIEWS["login"])
        await visitor.page.evaluate("document.querySelector('label').remove()")

        flaws = await visitor.flaws()

    assert any(flaw.startswith("label: ") for flaw in flaws)


async def test_a_script_that_the_policy_forbids_is_a_complaint(chrome: Chromium, tmp_path: Path) -> None:
    async with Visitor.arriving(chrome, BASE, tmp_path) as visitor:
        gallery = Gallery(visitor)
        await gallery.open()
        await gallery.show(VIEWS["login"])
        await visitor.page.evaluate(
            "document.head.append(Object.assign(document.createElement('style'), {textContent: 'p{}'}))"
        )
        await visitor.page.wait_for_timeout(0)

        complaints, visitor.complaints = visitor.complaints, []

    assert any("Content Security Policy" in complaint for complaint in complaints)
