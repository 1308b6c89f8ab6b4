"""Where a server is, by its URL."""

from urllib.parse import urlsplit


def place(url: str) -> str:
    """Host and port, or several of them; nothing of who comes there, so that people may see it."""
    return urlsplit(url).netloc.rpartition("@")[2]
