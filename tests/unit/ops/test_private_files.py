"""A file that holds a secret is its owner's alone from its first byte on, and is never half written."""

import os
from pathlib import Path

import pytest

from ops.private_files import write_private


def test_nobody_else_may_read_a_file_that_is_being_written(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with pytest.raises(UnicodeEncodeError):
            write_private(tmp_path / "key", "\ud800", mode=0o444)
    finally:
        os.umask(before)

    [half_written] = tmp_path.iterdir()
    assert half_written.stat().st_mode & 0o777 == 0o600


def test_what_was_there_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    write_private(tmp_path / "key", "the old one")

    with pytest.raises(UnicodeEncodeError):
        write_private(tmp_path / "key", "\ud800")

    assert (tmp_path / "key").read_text() == "the old one"
