"""What the environment does not say: files in the folder `SECRETS_DIR`, as services read them; read and written."""

from collections.abc import Mapping
from pathlib import Path

PRIVATE = 0o600


def told(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, and what it does not say but a file of that name does."""
    folder = environ.get("SECRETS_DIR")
    files = sorted(Path(folder).iterdir()) if folder else []
    return {file.name.upper(): file.read_text().strip() for file in files if file.is_file()} | dict(environ)


def tell(folder: Path, files: Mapping[str, str], mode: int = PRIVATE) -> None:
    """Write files, called by these names in lower case, into a folder that is there."""
    for name, content in files.items():
        file = folder / name.lower()
        aside = file.with_name(f".{file.name}")  # whoever reads meanwhile finds the one or the other, whole
        aside.unlink(missing_ok=True)
        aside.touch(mode=PRIVATE)
        aside.write_text(content)
        aside.chmod(mode)
        aside.rename(file)
