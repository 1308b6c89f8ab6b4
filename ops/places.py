"""Where a server is, by its URL."""

from collections.abc import Mapping
from urllib.parse import urlsplit

SCHEMES = {"RABBITMQ": ("amqp://", "amqps://"), "MONGODB": ("mongodb://", "mongodb+srv://")}
"""What the URLs of a server begin with."""


def place(url: str) -> str:
    """Host and port, or several of them; nothing of who comes there, so that people may see it."""
    return urlsplit(url).netloc.rpartition("@")[2]


def check_url(name: str, url: str, schemes: tuple[str, ...]) -> None:
    """See that a URL, of this name in the environment, is one. Raises `ValueError`, which quotes nothing of it.

    What is no URL drivers quote where they can, with the password.
    """
    if not url.startswith(schemes):
        raise ValueError(f"{name} has to begin with {' or '.join(schemes)}.")
    if not _is_whole(url):
        raise ValueError(f"{name} is no URL. What is special in a password is written as %-codes.")


def check_urls(environ: Mapping[str, str]) -> None:
    """See that what an environment says of where the servers are is right, as far as it says it. As `check_url`."""
    for server, schemes in SCHEMES.items():
        if url := environ.get(f"{server}_URL"):
            check_url(f"{server}_URL", url, schemes)


def _is_whole(url: str) -> bool:
    """Whether the password is where it seems: one with a slash in it ends the name of the server."""
    try:
        ports = [urlsplit(f"//{host}").port for host in place(url).split(",")]
        rest = urlsplit(url)._replace(netloc="").geturl()
    except ValueError:  # which quotes what it does not like
        return False
    return 0 not in ports and "@" not in rest
