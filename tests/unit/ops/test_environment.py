"""The Python environment is made anew when, and only when, it is not what the lock says."""

from pathlib import Path

import pytest

from ops.environment import is_prepared, is_usable, stamp


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A checkout with a lock, and an environment that was made for it."""
    (tmp_path / "requirements.lock").write_text("pyotp==2.12 --hash=sha256:00")
    made = tmp_path / ".venv"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "python").touch()
    (made / "stamp").write_text(stamp(made, tmp_path / "requirements.lock"))
    return made


def test_an_environment_that_was_made_to_its_end_is_kept(environment: Path) -> None:
    assert is_prepared(environment, environment.parent / "requirements.lock")


def test_an_environment_that_was_interrupted_is_made_anew(environment: Path) -> None:
    (environment / "stamp").unlink()

    assert not is_prepared(environment, environment.parent / "requirements.lock")
    assert not is_usable(environment)


def test_an_environment_of_another_lock_is_brought_up_to_date(environment: Path) -> None:
    lock = environment.parent / "requirements.lock"
    lock.write_text("pyotp==2.13 --hash=sha256:11")

    assert not is_prepared(environment, lock)
    assert is_usable(environment)


def test_an_environment_that_was_moved_is_made_anew_because_its_scripts_name_its_place(environment: Path) -> None:
    moved = environment.parent.rename(environment.parent.with_name("moved"))

    assert not is_prepared(moved / ".venv", moved / "requirements.lock")
    assert not is_usable(moved / ".venv")


def test_an_environment_of_another_python_is_made_anew(environment: Path) -> None:
    written = (environment / "stamp").read_text()
    (environment / "stamp").write_text(written.replace("3.", "2.", 1))

    assert not is_prepared(environment, environment.parent / "requirements.lock")
    assert not is_usable(environment)


def test_an_environment_whose_python_was_removed_is_made_anew(environment: Path) -> None:
    python = environment / "bin" / "python"
    python.unlink()
    python.symlink_to("/opt/a-python-that-is-gone/bin/python3")

    assert not is_usable(environment)
