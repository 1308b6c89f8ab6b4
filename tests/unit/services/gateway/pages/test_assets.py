import hashlib
import re

import pytest

from services.gateway.pages.assets import FOLDER, Assets


def test_a_file_is_named_by_its_content() -> None:
    assets = Assets()

    url = assets.url("pages.css")

    asset = assets.find(url.removeprefix("/static/"))
    assert asset is not None
    assert asset.media_type == "text/css; charset=utf-8"
    assert url == f"/static/pages.{hashlib.sha256(asset.content).hexdigest()[:16]}.css"


@pytest.mark.parametrize("name", ["pages.css", "../rendering.py", "pages.0000000000000000.css", "", "/etc/passwd"])
def test_nothing_is_found_under_another_name(name: str) -> None:
    assert Assets().find(name) is None


def test_a_page_cannot_link_to_a_file_that_does_not_exist() -> None:
    with pytest.raises(KeyError):
        Assets().url("missing.js")


def test_no_static_file_reaches_for_another_machine() -> None:
    for path in FOLDER.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|@import|url\(", text), path.name
