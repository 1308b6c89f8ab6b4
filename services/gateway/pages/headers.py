"""The headers of a page: what a browser is told not to do, whatever the page should come to hold."""

from collections.abc import Iterable, Mapping

_FEATURES = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
_TWO_YEARS = 63_072_000


def page_headers(*, https: bool, leads_to: Iterable[str] = ()) -> Mapping[str, str]:
    """Headers for every page.

    `leads_to` are the origins that a sign-in may end at: Chromium holds `form-action` against every redirect that
    follows a form. The referrer policy is `same-origin` because under `no-referrer` a browser sends `Origin: null`
    with our own forms, and the check against forged requests could not tell them from foreign ones.
    """
    headers = {
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self' data:",
                " ".join(("form-action 'self'", *leads_to)),
                "frame-ancestors 'none'",
                "base-uri 'none'",
            )
        ),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _FEATURES),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if https:
        headers["Strict-Transport-Security"] = f"max-age={_TWO_YEARS}"
    return headers
