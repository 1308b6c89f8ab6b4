"""The demo accounts are told with what awaits them."""

from io import StringIO
from pathlib import Path

from rich.console import Console

from ops.demo import MOST_SHOWN, accounts
from ops.directory import Directory, read_directory, understood

EXAMPLE = Path(__file__).parents[3] / "examples" / "directory.yaml"


def shown(directory: Directory) -> str:
    terminal = StringIO()
    Console(width=80, file=terminal, soft_wrap=True).print(accounts(directory))  # as ops.terminal does
    return terminal.getvalue()


def expectations(text: str) -> dict[str, str]:
    """What is expected of each user, by the first word of the username."""
    rows = (line.strip().split("  ") for line in text.splitlines() if "-demo" in line)
    return {row[0].partition("@")[0]: row[-1].strip() for row in rows}


def test_each_person_of_the_example_learns_what_awaits_him() -> None:
    assert expectations(shown(read_directory(EXAMPLE))) == {
        "nina": "setup of an app",
        "zoé.müller": "setup of an app",
        "bruno rossi": "asked for a code",
        "ben": "password only",
        "dora": "password only",
        "eli": "setup in 7 days",
    }


def test_names_and_passwords_stand_whole_in_a_narrow_terminal_to_be_copied() -> None:
    directory = read_directory(EXAMPLE)

    text = shown(directory)

    for user in directory.users:
        assert user.username in text
        assert user.password is not None
        assert user.password in text


def test_the_code_of_a_user_who_brings_an_authenticator_can_be_had() -> None:
    assert "oathtool --totp -b JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" in shown(read_directory(EXAMPLE))


def test_a_large_directory_is_not_listed_to_its_end_and_hashes_are_no_passwords() -> None:
    people = "".join(
        f"  - {{username: person-{number}, tenant: vendor, password: a-demo-password-{number}}}\n"
        for number in range(20)
    )
    bcrypt = "$2b$12$KIXQ4U8s1qVY1rYq0p0O9u3bS8j0lJc8c1p9k9m3Xh0e0n1u2v3w."
    hashed = f'  - {{username: imported, tenant: vendor, password_hash: "{bcrypt}"}}\n'
    directory = understood(
        f"tenants:\n  - {{id: vendor, kind: vendor, name: Vendor}}\nusers:\n{hashed}{people}".encode()
    )

    text = shown(directory)

    assert text.count("a-demo-password-") == MOST_SHOWN
    assert "and 8 more" in text
    assert "imported" not in text
