"""What the environment does not say: files in the folder `SECRETS_DIR`, as services read them; read and written."""

from collections.abc import Mapping
from pathlib import Path

from ops.private_files import PRIVATE, write_private


def told(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, and what it does not say but a file of that name does. Raises `ValueError`."""
    folder = environ.get("SECRETS_DIR")
    try:
        files = sorted(Path(folder).iterdir()) if folder else []
        return {file.name.upper(): file.read_text().strip() for file in files if file.is_file()} | dict(environ)
    except OSError as error:
        raise ValueError(f"SECRETS_DIR: {error.filename} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:  # which quotes the file
        raise ValueError(f"SECRETS_DIR: what is in {folder} is not all text.") from None


def tell(folder: Path, files: Mapping[str, str], mode: int = PRIVATE) -> None:
    """Write files, called by these names in lower case, into a folder that is there."""
    for name, content in files.items():
        write_private(folder / name.lower(), content, mode)
