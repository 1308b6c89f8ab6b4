"""What a command is told by the environment, and in files where `SECRETS_DIR` says, as a service is."""

from collections.abc import Mapping
from pathlib import Path


def told(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, and what it does not say but a file of that name does."""
    folder = environ.get("SECRETS_DIR")
    files = sorted(Path(folder).iterdir()) if folder else []
    return {file.name.upper(): file.read_text().strip() for file in files if file.is_file()} | dict(environ)
