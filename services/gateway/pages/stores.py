"""Where authenticator apps are had: the two most people know; any other that makes time-based codes does as well."""

from dataclasses import dataclass


@dataclass(frozen=True)
class App:
    """An authenticator app and its pages in the two large stores."""

    name: str
    apple: str
    google: str


STORES = (
    App(
        "Microsoft Authenticator",
        apple="https://apps.apple.com/app/id983156458",
        google="https://play.google.com/store/apps/details?id=com.azure.authenticator",
    ),
    App(
        "Google Authenticator",
        apple="https://apps.apple.com/app/id388497605",
        google="https://play.google.com/store/apps/details?id=com.google.android.apps.authenticator2",
    ),
)
