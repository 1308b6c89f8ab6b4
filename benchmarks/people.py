"""The people of a benchmark: so many that nobody has to show a second code within a step of 30 seconds."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.crypto import otp
from shared.crypto.passwords import Parameters, Passwords
from shared.runtime.clock import now

PASSWORD = "benchmark-password"  # noqa: S105 (of people who are made up)

_DIRECTORY = """tenants:
  - {id: bench, kind: vendor, name: Bench, enforcement: {staff: required, customers: required}}
  - {id: bench-reseller, kind: reseller, parent: bench, name: Reseller}
  - {id: bench-customer, kind: customer, parent: bench-reseller, name: Customer}
users:
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an authenticator app, or without one."""

    username: str
    secret: bytes | None = None

    def code(self) -> str:
        """The code that his app shows now."""
        if self.secret is None:
            raise ValueError("no app, no code")
        return otp.code_at(self.secret, otp.step_at(now()))


class People:
    """Hands out people one by one, each once."""

    def __init__(self, with_an_app: int, without: int) -> None:
        self.enrolled = [Person(f"app-{n}@bench.example", _secret(n)) for n in range(with_an_app)]
        self.unenrolled = [Person(f"new-{n}@bench.example") for n in range(without)]

    def directory(self, file: Path, cost: Parameters) -> Path:
        """Write all of them as a directory; they have the same password, and one hash of it."""
        hashed = Passwords(cost).hash(PASSWORD)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file.open("w") as written:
            written.write(_DIRECTORY)
            written.writelines(_entry(person, hashed) for person in (*self.enrolled, *self.unenrolled))
        return file

    def takers(self) -> tuple[Iterator[Person], Iterator[Person]]:
        """Those with an app and those without, to be taken from."""
        return iter(self.enrolled), iter(self.unenrolled)


def _entry(person: Person, hashed: str) -> str:
    secret = "" if person.secret is None else f", totp_secret: {otp.to_base32(person.secret)}"
    return f'  - {{username: {person.username}, tenant: bench-customer, password_hash: "{hashed}"{secret}}}\n'


def _secret(number: int) -> bytes:
    return hashlib.sha1(b"bench %d" % number, usedforsecurity=False).digest()
