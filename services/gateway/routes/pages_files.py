"""The files that pages are shown with: they hold nobody's secret and never change under their names."""

from fastapi import APIRouter, Response

from services.gateway.pages.assets import Assets
from services.gateway.pages.branding import stylesheet
from services.gateway.problems import Code, Problem

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


def routes(assets: Assets) -> APIRouter:
    """`/static` and the accents of tenants."""
    router = APIRouter(include_in_schema=False)

    @router.get("/static/{filename}")
    async def static(filename: str) -> Response:
        """A static file, by its hashed name."""
        asset = assets.find(filename)
        if asset is None:
            raise Problem(Code.NOT_FOUND)
        return Response(asset.content, media_type=asset.media_type, headers=_FOR_EVER)

    @router.get("/pages/accent/{colour}.css")
    async def accent(colour: str) -> Response:
        """The custom properties of an accent: a file, because the policy of the pages allows no style inside them."""
        try:
            rules = stylesheet(colour)
        except ValueError:
            raise Problem(Code.NOT_FOUND) from None
        return Response(rules, media_type="text/css; charset=utf-8", headers=_FOR_EVER)

    return router
