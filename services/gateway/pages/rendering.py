"""How a page is made: templates, languages and static files put together once, then views turned into HTML."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from services.gateway.pages import languages
from services.gateway.pages.assets import Assets
from services.gateway.pages.languages import Language
from services.gateway.pages.views import NO_BRAND, Brand, View
from shared.crypto import qr

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Frame:
    """What surrounds every page: in whose name, in which language, at which address, and for whom."""

    language: Language
    path: str = "/"
    query: tuple[tuple[str, str], ...] = ()
    brand: Brand = NO_BRAND
    signed_in: bool = False

    def in_language(self, code: str) -> str:
        """The address of this page in another language, as seen from it: `//evil.example` is a path of ours too."""
        kept = [(name, value) for name, value in self.query if name != "lang"]
        return f"?{urlencode([*kept, ('lang', code)])}"


class Pages:
    """All pages, ready to be rendered."""

    def __init__(self) -> None:
        """Read catalogues and static files; a template is compiled when it is first shown, once for all languages."""
        self.languages = languages.load()
        self.assets = Assets()
        self.environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.environment.install_gettext_callables(_gettext, _ngettext, newstyle=True)  # type: ignore[attr-defined] # the extension adds it
        self.environment.policies["ext.i18n.trimmed"] = True
        self.environment.globals.update(asset=self.assets.url, qr=_qr)
        self.environment.filters.update(moment=_moment, day=_day, epoch_ms=_epoch_ms, minutes=_minutes)

    def render(self, view: View, frame: Frame) -> str:
        """A page as HTML."""
        template = self.environment.get_template(view.template)
        return template.render(view=view, told=view.told, frame=frame, languages=self.languages.values())

    def choose(self, asked: str | None, kept: str | None, accepted: str | None) -> Language:
        """The language in which a request is answered."""
        return languages.choose(self.languages, asked, kept, accepted)


@cache
def pages() -> Pages:
    """The pages of this process: they never change while it runs."""
    return Pages()


def _language(context: Context) -> Language:
    frame: Frame = context["frame"]
    return frame.language


@pass_context
def _gettext(context: Context, text: str) -> str:
    return _language(context).texts.gettext(text)


@pass_context
def _ngettext(context: Context, one: str, many: str, count: int) -> str:
    return _language(context).texts.ngettext(one, many, count)


@pass_context
def _moment(context: Context, moment: datetime) -> str:
    return _language(context).moment(moment)


@pass_context
def _day(context: Context, moment: datetime) -> str:
    return _language(context).day(moment)


@lru_cache(maxsize=32)
def _drawn(address: str) -> Markup:
    return _draw(address)


def _qr(text: str, *, is_secret: bool = False) -> Markup:
    """A QR code without a title: the figure around it names it in the reader's language. A secret is never cached."""
    return _draw(text) if is_secret else _drawn(text)


def _draw(text: str) -> Markup:
    # What segno draws of a text holds numbers and fixed names only: nothing of the text itself is in it.
    return Markup(qr.svg(text, title="").replace("<title></title>", "").replace('role="img" ', 'aria-hidden="true" '))  # noqa: S704


def _epoch_ms(moment: datetime) -> int:
    """A moment as scripts count it."""
    return int(moment.timestamp() * 1000)


def _minutes(seconds: int) -> str:
    """A span of time as minutes and seconds, the same in every language and for every number."""
    return f"{seconds // 60}:{seconds % 60:02}"
