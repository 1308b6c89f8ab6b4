"""The documentation that people read, made of the OpenAPI description: one page, no script, nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from services.gateway.problems import MEANINGS

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h2 { margin-top: 3rem } h3 { margin-top: 2rem } code, .method { font-family: ui-monospace, monospace }
.method { font-weight: 700 } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #d5d9de }
@media (prefers-color-scheme: dark) { body { background: #14171a; color: #e6e8ea } a { color: #8ab4f8 } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
"""The content security policy of the page: its own style and nothing else."""

_SCHEMAS = "#/components/schemas/"


def page(openapi: Mapping[str, Any]) -> str:
    """The page."""
    info = openapi["info"]
    schemas = openapi["components"]["schemas"]
    return "\n".join(
        [
            f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(info["title"])} API</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{_STYLE}</style>\n<main>\n<h1>{escape(info['title'])} API</h1>",
            f"<p>{escape(info['summary'])} JSON in and out, times in UTC, the login in a cookie.",
            'For programs: <a href="openapi.json">the same as OpenAPI</a>.</p>',
            f"<h2>Requests</h2>\n<p>{_words(info['description'])}</p>",
            *(part for path, methods in openapi["paths"].items() for part in _path(path, methods)),
            "<h2>Problems</h2>\n<p>Errors are <code>application/problem+json</code> (RFC 9457).</p>",
            _table(
                ("code", "status", "meaning"),
                [
                    (f'<code id="{code}">{code}</code>', f"{meaning.status:d}", f"{escape(meaning.detail)}")
                    for code, meaning in MEANINGS.items()
                ],
            ),
            "<h2>Forms</h2>",
            *(part for name, schema in schemas.items() for part in _schema(name, schema)),
            "</main>\n</html>\n",
        ]
    )


def _path(path: str, methods: Mapping[str, Any]) -> Iterator[str]:
    for method, operation in methods.items():
        yield f'<h3><span class="method">{method.upper()}</span> <code>{escape(path)}</code></h3>'
        yield f"<p>{escape(operation.get('description', ''))}</p>"
        body = operation.get("requestBody")
        if body is not None:
            yield f"<p>Body: {_kind(_content(body))}</p>"
        yield _table(
            ("status", "answer"),
            [
                (escape(status), f"{_words(answer['description'])} {_kind(_content(answer))}")
                for status, answer in operation["responses"].items()
            ],
        )


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{escape(name)}">{escape(name)}</h3>\n<p>{_words(schema.get("description", ""))}</p>'
    required = schema.get("required", ())
    if "properties" in schema:
        yield _table(
            ("member", "form", ""),
            [
                (
                    f"<code>{escape(member)}</code>",
                    _kind(of) + ("" if member in required else ", may be absent"),
                    _words(of.get("description", "")),
                )
                for member, of in schema["properties"].items()
            ],
        )
    elif "enum" in schema:
        yield f"<p>{_kind(schema)}</p>"


def _content(carrier: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a body, whatever its media type."""
    found: Mapping[str, Any] = next((of["schema"] for of in carrier.get("content", {}).values() if "schema" in of), {})
    return found


def _kind(schema: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one for each form of a schema
    """What a value looks like, with links to the forms it is made of."""
    match schema:
        case {"$ref": str(reference)}:
            name = escape(reference.removeprefix(_SCHEMAS))
            return f'<a href="#{name}">{name}</a>'
        case {"anyOf": list(choices)} | {"oneOf": list(choices)}:
            return " or ".join(_kind(choice) for choice in choices)
        case {"type": "array", "items": of}:
            return f"list of {_kind(of)}"
        case {"enum": list(values)}:
            return " or ".join(f"<code>{escape(str(value))}</code>" for value in values)
        case {"const": value}:
            return f"<code>{escape(str(value))}</code>"
        case {"type": "string", "format": "date-time"}:
            return "time (RFC 3339)"
        case {"type": "string", "maxLength": int(longest)}:
            return f"string of at most {longest} characters"
        case {"type": str(kind)}:
            return escape(kind)
        case _:
            return ""


def _words(text: str) -> str:
    """Text with `code` in it."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>\n{row(head, 'th')}\n" + "\n".join(row(cells, "td") for cells in rows) + "\n</table>"
