"""What auth does when it is told something."""

import asyncio
from dataclasses import dataclass

from services.auth.cores import Cores
from services.auth.domain.attempts import admit, ledger_name, settle, unlock
from services.auth.domain.directory import Known, Taking, accept, hash_of, in_the_clear, opened, take
from services.auth.domain.login import check
from services.auth.store import Ledgers, Store
from shared.contracts.attempts import UnlockPassword
from shared.contracts.auth import ImportUsers, UsersImported, VerifyPassword
from shared.contracts.message import Event
from shared.contracts.refusals import UnknownUser
from shared.contracts.vocabulary import Service
from shared.crypto.passwords import Passwords
from shared.crypto.sealing import Opener
from shared.runtime.clock import Clock
from shared.runtime.router import Router


@dataclass(frozen=True)
class Books:
    """Where auth keeps what it knows."""

    users: Store
    ledgers: Ledgers
    key: bytes
    """Hides the usernames that nobody has."""


def handlers(books: Books, opener: Opener, passwords: Passwords, cores: Cores, now: Clock) -> Router:
    """Bind what auth needs to what it does."""
    router = Router(Service.AUTH)
    store, ledgers = books.users, books.ledgers

    @router.does(VerifyPassword)
    async def verify_password(command: VerifyPassword) -> Event:
        """Judge a username and a password.

        A hash of another cost is replaced before the answer, while the password is at hand: once for each user, and
        nothing is left behind that would have to outlive the message.
        """
        password = opener.open(command.password, field="password", flow=command.flow_id)
        user = await store.user_named(command.username)
        name = ledger_name(user, command.username, books.key)
        async with ledgers.turn(name):
            ledger = admit(await ledgers.of(name), command.id, now())
            checked = await cores.run(check, user, password, passwords, is_locked=ledger.is_locked)
            (verdict,) = await ledgers.change(name, lambda latest: settle(latest, command, user, checked, now()))
        await store.keep(user, checked.rehashed)
        return verdict

    @router.does(UnlockPassword)
    async def unlock_password(command: UnlockPassword) -> None:
        """Take passwords from a user again, who has failed too often."""
        user = await store.user_named(command.username)
        if user is None:
            raise UnknownUser("There is no user of this name.")
        name = ledger_name(user, command.username, books.key)
        await ledgers.change(name, lambda ledger: unlock(ledger, user, command.flow_id, now()))
        await ledgers.tell(name)

    @router.does(ImportUsers)
    async def import_users(command: ImportUsers) -> UsersImported:
        """Take users from a directory; that they are created is told by the relay of the outbox, in its own time."""
        entries = opened(command, opener)

        async def decide(known: Known) -> Taking:
            accepted = accept(entries, known, check_only=command.check_only)
            hashing = {
                user_id: cores.run_aside(hash_of, password, known.get(user_id), passwords)
                for user_id, password in in_the_clear(accepted)
            }
            hashed = dict(zip(hashing, await asyncio.gather(*hashing.values()), strict=True))
            return take(accepted, hashed, known, command.id, now())

        taken = await store.change([entry.user.user_id for entry in entries], decide)
        return UsersImported(
            occurred_at=now(),
            flow_id=command.flow_id,
            created=taken.created,
            changed=taken.changed,
            check_only=command.check_only,
        )

    return router
