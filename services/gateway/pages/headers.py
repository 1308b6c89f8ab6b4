"""The headers of a page: what a browser may load for it, and where its forms may lead."""

from collections.abc import Iterable, Mapping

_FEATURES = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")


def page_headers(leads_to: Iterable[str] = ()) -> Mapping[str, str]:
    """Headers for every page, beside those that the guard gives to every answer.

    `leads_to` are the origins that a sign-in may end at: Chromium holds `form-action` against every redirect that
    follows a form. The referrer policy is `same-origin` because under `no-referrer` a browser sends `Origin: null`
    with our own forms, and the check against forged requests could not tell them from foreign ones.
    """
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        " ".join(("form-action 'self'", *leads_to)),
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _FEATURES),
        "Referrer-Policy": "same-origin",
    }
