"""What is found missing on a machine, by the programs and the libraries that packages bring."""

from ops import programs


def test_a_package_is_missing_whose_program_is_nowhere() -> None:
    assert programs.missing({"sh": "dash", "no-such-program": "its-package"}) == ["its-package"]


def test_a_package_is_missing_whose_library_cannot_be_loaded() -> None:
    assert programs.missing_libraries({"libc.so.6": "libc6", "no-such-library.so.1": "its-package"}) == ["its-package"]
