"""Files that hold secrets: readable by their owner alone, and whole whenever they are read."""

from pathlib import Path

PRIVATE = 0o600


def write_private(file: Path, text: str, mode: int = PRIVATE) -> None:
    """Write a file, whole or not at all; until it is, and unless `mode` says otherwise, its owner alone may read it.

    Aside and renamed: whoever reads meanwhile finds the one or the other, and whoever is killed half way leaves no
    empty key behind, which would lock everybody out of what is encrypted.
    """
    aside = file.with_name(f"{file.name}.new")
    aside.unlink(missing_ok=True)
    aside.touch(mode=PRIVATE)
    aside.write_text(text)
    aside.chmod(mode)
    aside.rename(file)
