"""The static files of the pages, each under a name with the hash of its content, so that it may be kept for ever."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent / "static"

_TYPES = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
    }
)


@dataclass(frozen=True)
class Asset:
    """One file as it is served."""

    filename: str
    media_type: str
    content: bytes = field(repr=False)


class Assets:
    """The files of a folder, read once at the start."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read every file whose type may be served; the folder holds no other."""
        read = {path.name: _asset(path) for path in sorted(folder.iterdir())}
        self._filenames: Mapping[str, str] = {name: asset.filename for name, asset in read.items()}
        self._assets: Mapping[str, Asset] = {asset.filename: asset for asset in read.values()}

    def url(self, name: str) -> str:
        """Where a file is served; raises KeyError for one that does not exist, so that no page links to nothing."""
        return f"/static/{self._filenames[name]}"

    def find(self, filename: str) -> Asset | None:
        """The file of this hashed name: looked up, never opened, so no path leads out of the folder."""
        return self._assets.get(filename)


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    fingerprint = hashlib.sha256(content).hexdigest()[:16]
    return Asset(f"{path.stem}.{fingerprint}{path.suffix}", _TYPES[path.suffix], content)
