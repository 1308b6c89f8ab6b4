import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
from jinja2 import Environment

from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.rendering import TEMPLATES, Frame, pages
from services.gateway.pages.views import Brand, Home, Security, SignIn, View
from tests.pages import VIEWS

PAGES = pages()
EVERY_PAGE = [
    pytest.param(view, code, id=f"{name} in {code}") for name, view in VIEWS.items() for code in PAGES.languages
]
SPOKEN_ATTRIBUTES = {"title", "aria-label", "placeholder", "alt", "data-said", "data-not-said"}
EMPTY = {"meta", "link", "img", "input", "br", "path", "circle"}


class Reading(HTMLParser):
    """A page as a machine reads it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        self.words.extend(value for name, value in found.items() if name in SPOKEN_ATTRIBUTES)
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(view: View, code: str = "en", brand: Brand | None = None) -> Reading:
    signed_in = isinstance(view, Home | Security)
    frame = Frame(PAGES.languages[code], path="/login", brand=brand or Brand("Globex"), signed_in=signed_in)
    return Reading(PAGES.render(view, frame))


@pytest.mark.parametrize(("view", "code"), EVERY_PAGE)
def test_every_page_is_well_made_in_every_language(view: View, code: str) -> None:
    page = read(view, code)

    assert page.open == []
    assert page.all("html") == [{"lang": code}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert [name for name, count in ids.items() if count > 1] == []
    referred = [
        word
        for _, attributes in page.tags
        for name in ("for", "aria-describedby", "aria-labelledby", "aria-controls", "data-copy")
        for word in attributes.get(name, "").split()
    ]
    assert set(referred) <= set(ids)


@pytest.mark.parametrize(("view", "code"), EVERY_PAGE)
def test_no_page_needs_what_a_strict_policy_forbids(view: View, code: str) -> None:
    page = read(view, code)

    assert page.all("style") == []
    assert all(script.get("src", "").startswith("/static/") for script in page.all("script"))
    for _, attributes in page.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize(("view", "code"), EVERY_PAGE)
def test_every_field_has_a_label_and_every_form_is_posted_to_this_site(view: View, code: str) -> None:
    page = read(view, code)

    labelled = {label["for"] for label in page.all("label")}
    fields = [field for field in page.all("input") if field.get("type") != "hidden"]
    assert all(field["id"] in labelled for field in fields)
    assert all(form["method"] == "post" and form["action"].startswith("/") for form in page.all("form"))


@pytest.mark.parametrize("notice", Notice)
@pytest.mark.parametrize("code", list(PAGES.languages))
def test_every_notice_has_its_sentence(notice: Notice, code: str) -> None:
    template = PAGES.environment.get_template("notices.html")

    sentence = str(vars(template.make_module({"frame": Frame(PAGES.languages[code])}))["sentence"](Told(notice, 61)))

    assert len(re.sub(r"<[^>]*>", "", sentence).strip()) > 10


def test_an_error_is_tied_to_its_field_and_said_in_the_title() -> None:
    page = read(SignIn(Told(Notice.CREDENTIALS_WRONG)))

    username = next(field for field in page.all("input") if field.get("id") == "username")
    assert (username["aria-invalid"], username["aria-describedby"]) == ("true", "notice")
    assert any(attributes.get("id") == "notice" and attributes["role"] == "alert" for _, attributes in page.tags)
    assert any(word.startswith("Error: Sign in") for word in page.words)


def test_what_a_person_or_a_tenant_is_called_never_becomes_markup() -> None:
    page = read(SignIn(username='"><script>alert(1)</script>'), brand=Brand("<b onclick=x>Globex</b>"))

    assert all("src" in script for script in page.all("script"))
    assert page.all("b") == []


def of_languages(frame: Frame, here: str) -> list[str]:
    """Where the links to the languages lead whoever reads a page at `here`."""
    page = Reading(PAGES.render(VIEWS["setup scan"], frame))
    return [urljoin(here, link["href"]) for link in page.all("a") if "hreflang" in link]


def test_a_page_offers_itself_in_every_language_with_what_it_was_asked() -> None:
    frame = Frame(PAGES.languages["nl"], path="/login/setup", query=(("step", "scan"), ("lang", "nl")))

    assert of_languages(frame, "https://gate.example/login/setup?step=scan&lang=nl") == [
        f"https://gate.example/login/setup?step=scan&lang={code}" for code in PAGES.languages
    ]


@pytest.mark.parametrize("path", ["//evil.example/login", "///evil.example", "/\\evil.example"])
def test_no_page_lends_its_name_to_a_link_that_leads_elsewhere(path: str) -> None:
    """`https://gate.example//evil.example/login` is a page of ours, and its path alone an address of theirs."""
    frame = Frame(PAGES.languages["en"], path=path)

    leads_to = of_languages(frame, f"https://gate.example{path}")

    assert all(address.startswith("https://gate.example/") for address in leads_to), leads_to


def literal(environment: Environment, source: str) -> str:
    """A template without what its expressions, blocks and translations put in."""
    kept, translating = [], False
    for _, kind, value in environment.lex(source):
        if kind == "name" and value in {"trans", "endtrans"}:
            translating = value == "trans"
        if kind == "data" and not translating:
            kept.append(value)
    return "".join(kept)


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.stem)
def test_no_template_speaks_words_of_its_own(path: Path) -> None:
    html = literal(PAGES.environment, path.read_text())

    spoken = [
        *re.findall(r">([^<>]*)<", f">{html}<"),
        *re.findall(rf'\s(?:{"|".join(SPOKEN_ATTRIBUTES)})="([^"]*)"', html),
    ]
    assert [words.strip() for words in spoken if re.search(r"[^\W\d_]", words)] == []
