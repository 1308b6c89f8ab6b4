"""Pages with what they show put before them by hand, in a real browser and under the headers that they really have."""

from urllib.parse import urlsplit

from playwright.async_api import Route

from services.gateway.pages.branding import stylesheet
from services.gateway.pages.headers import page_headers
from services.gateway.pages.rendering import Frame, pages
from services.gateway.pages.views import AddApp, Home, KeepCodes, Security, ShowCode, View
from tests.chromium import Visitor

BASE = "https://portal.example"
_STATIC, _ACCENT = "/static/", "/pages/accent/"
_SIGNED_IN = (AddApp, Home, KeepCodes, Security, ShowCode)


class Gallery:
    """One browser that is shown pages without any service behind them."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self._document = ""

    async def open(self) -> None:
        """Answer whatever the browser asks for."""
        await self.visitor.context.route("**/*", self._answer)

    async def show(self, view: View, path: str = "/", language: str = "en") -> None:
        """Show a page."""
        known = pages()
        frame = Frame(language=known.languages[language], path=path, signed_in=isinstance(view, _SIGNED_IN))
        self._document = known.render(view, frame)
        await self.visitor.open(f"{BASE}{path}")

    async def _answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith(_STATIC):
            asset = pages().assets.find(path.removeprefix(_STATIC))
            assert asset is not None, path
            await route.fulfill(body=asset.content, content_type=asset.media_type)
        elif path.startswith(_ACCENT):
            await route.fulfill(body=stylesheet(path.removeprefix(_ACCENT)[:6]), content_type="text/css")
        else:
            headers = {**page_headers(), "Content-Type": "text/html; charset=utf-8"}
            await route.fulfill(body=self._document, headers=headers)
