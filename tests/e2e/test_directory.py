"""A directory of 40,000 users is loaded in under a minute, twice the same, and people of it sign in meanwhile."""

import asyncio
import time
from pathlib import Path

from ops.importing import import_directory
from shared.crypto.passwords import Passwords
from tests.e2e.conftest import Browsers, Enrolling
from tests.examples import Person, somebody
from tests.system import System

MANY = 40_000
ALLOWED = 60.0


def directory_of(many: int, folder: Path, tenant: str, password: str) -> Path:
    """A file with that many users, who all have one hash: it is loading that is tried, not hashing."""
    hashed = Passwords().hash(password)
    accounts = [
        "tenants:",
        f"  - {{id: {tenant}, kind: vendor, name: Large, enforcement: {{staff: required, customers: required}}}}",
        *(f"  - {{id: {tenant}-{number}, kind: customer, parent: {tenant}, name: C{number}}}" for number in range(50)),
    ]
    users = [
        f"  - {{username: user{number}@{tenant}.example, tenant: {tenant}-{number % 50}, display_name: User {number}, "
        f'password_hash: "{hashed}"}}'
        for number in range(many)
    ]
    file = folder / "directory.yaml"
    file.write_text("\n".join([*accounts, "users:", *users]) + "\n")
    return file


async def test_40_000_users_are_loaded_in_under_a_minute_and_logins_go_on(
    system: System, browser: Browsers, enrolled: Enrolling, tmp_path: Path
) -> None:
    ada = await enrolled(somebody())
    tenant = somebody().username.partition("@")[0]
    password = "everybody has this one"
    file = await asyncio.to_thread(directory_of, MANY, tmp_path, f"t{tenant}", password)
    last = Person(f"user{MANY - 1}@t{tenant}.example", ada.person.tenant_id, password=password)
    at_home, at_work = browser(), browser()

    began = time.monotonic()
    loading = asyncio.create_task(import_directory(file, system.as_operator))
    meanwhile = await at_home.login(ada.person)
    loaded = await loading
    took = time.monotonic() - began
    same = await import_directory(file, system.as_operator)

    assert meanwhile.said == (200, "otp_required")
    assert (loaded.tenants_created, loaded.users_created) == (51, MANY)
    assert (same.tenants_created, same.users_created, same.tenants_changed, same.users_changed) == (0, 0, 0, 0)
    assert (await at_work.login(last)).said == (200, "enrollment_required")
    assert took < ALLOWED
