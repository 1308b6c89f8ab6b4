"""Loading a directory into a running system, through the services that own the data: first all is checked, then taken.

Nothing is taken unless every service has said that it could take all of its part. Accounts come first, then the
authenticators that users bring along, then the users: by the time somebody can sign in by password, policy knows what
applies to him and that he has an authenticator.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from ops.asking import asking
from ops.directory import Directory, DirectoryError, DirectoryUser, read_directory
from ops.forms import Finding
from ops.running import Running
from shared.contracts.auth import ImportedUser, ImportUsers, UsersImported, user_id_of, username_key
from shared.contracts.enrollment import AuthenticatorsChecked, ImportAuthenticators, ImportedAuthenticator
from shared.contracts.message import Command, Event
from shared.contracts.policy import AuthenticatorsNoted, ImportTenants, TenantsImported
from shared.contracts.refusals import RequestRefused
from shared.contracts.vocabulary import FlowId, Service
from shared.crypto.sealing import Sealer
from shared.runtime.caller import Asks
from shared.runtime.messaging import Unreachable

Say = Callable[[str], None]

PATIENCE = timedelta(seconds=60)

BATCH = 500
"""Entries that travel in one message."""
COST_OF_A_PASSWORD = 25
"""Entries that one password in the clear counts for: it is hashed where it arrives, at 23 ms of CPU."""
IN_FLIGHT = 4
"""Messages that wait for their answer at a time: enough to keep the services busy, and they serve others meanwhile."""

NOTHING = "Nothing was loaded."
IN_PART = "The directory may be loaded in part. Import it again: what was loaded stays, and is the same then."

Answer = TypeVar("Answer", bound=Event)


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import has changed."""

    tenants_created: int = 0
    tenants_changed: int = 0
    users_created: int = 0
    users_changed: int = 0
    authenticators_added: int = 0


async def import_directory(path: Path, running: Running, say: Say = lambda _: None) -> Summary:
    """Load a directory file into a running system; what is secret is sealed with its public keys.

    The same file twice changes nothing. Raises `DirectoryError`, which says whether anything was loaded.
    """
    directory = read_directory(path)
    sealer = _sealer(running.public_keys)
    try:
        async with asking(running, PATIENCE) as services:
            return await Import(directory, sealer, services).run(say)
    except Unreachable as reason:  # while it is loaded, `Import` says how far it came
        raise DirectoryError(f"{NOTHING} {reason}.") from None


def _sealer(public_keys: Mapping[str, str]) -> Sealer:
    missing = [service.value for service in (Service.AUTH, Service.ENROLLMENT) if service not in public_keys]
    if missing:
        raise DirectoryError(f"{NOTHING} The public key of {' and '.join(missing)} is not known.")
    try:
        return Sealer(public_keys)
    except ValueError as error:
        raise DirectoryError(f"{NOTHING} A public key is malformed: {error}.") from None


class _Refusals(Exception):  # noqa: N818 - what the services said, not an error of theirs
    """What the services will not take."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__()
        self.findings = findings


class Import:
    """One import of one directory."""

    def __init__(self, directory: Directory, sealer: Sealer, services: Asks) -> None:
        """Seal what is secret in it; ask nobody yet."""
        self._directory = directory
        self._sealer = sealer
        self._services = services
        self._flow = FlowId(str(uuid4()))
        names = {tenant.tenant_id: tenant.name for tenant in directory.tenants}
        self._users = tuple(self._user(user) for user in directory.users)
        self._authenticators = tuple(
            self._authenticator(user, user.totp_secret, names[user.tenant])
            for user in directory.users
            if user.totp_secret is not None
        )

    async def run(self, say: Say) -> Summary:
        """Check everything, then take everything. Raises `DirectoryError`."""
        try:
            say(f"checking {len(self._directory.tenants):,} accounts and {len(self._users):,} users")
            await self._check()
        except Unreachable as reason:
            raise DirectoryError(f"{NOTHING} {reason}.") from None
        except _Refusals as refusals:
            raise DirectoryError(f"{NOTHING} The directory does not fit:", refusals.findings) from None
        try:
            return await self._take(say)
        except Unreachable as reason:
            raise DirectoryError(f"{reason}. {IN_PART}") from None
        except _Refusals as refusals:
            raise DirectoryError(f"What it was checked against has changed. {IN_PART}", refusals.findings) from None

    async def _check(self) -> None:
        findings: list[Finding] = []
        for commands, kind in (
            (self._tenant_commands(check_only=True), TenantsImported),
            (self._authenticator_commands(check_only=True), AuthenticatorsChecked),
            (self._user_commands(check_only=True), UsersImported),
        ):
            try:
                await self._answers(commands, kind)
            except _Refusals as refusals:
                findings += refusals.findings
        if findings:
            raise _Refusals(findings)

    async def _take(self, say: Say) -> Summary:
        say("loading accounts and authenticators")
        tenants = await self._answers(self._tenant_commands(check_only=False), TenantsImported)
        authenticators = await self._answers(self._authenticator_commands(check_only=False), AuthenticatorsNoted)
        say("loading users")
        users = await self._answers(self._user_commands(check_only=False), UsersImported)
        return Summary(
            tenants_created=sum(answer.created for answer in tenants),
            tenants_changed=sum(answer.changed for answer in tenants),
            users_created=sum(answer.created for answer in users),
            users_changed=sum(answer.changed for answer in users),
            authenticators_added=sum(answer.added for answer in authenticators),
        )

    async def _answers(self, commands: Iterator[Command], kind: type[Answer]) -> list[Answer]:
        """Ask all of them, a few at a time. Raises `Unreachable` at once, `_Refusals` when all have been answered."""
        answers: list[Answer] = []
        findings: list[Finding] = []

        async def ask_the_next() -> None:
            for command in commands:
                answer = await self._answer(command)
                if isinstance(answer, RequestRefused):
                    findings.extend(self._findings(command, answer))
                elif isinstance(answer, kind):
                    answers.append(answer)
                else:
                    raise TypeError(f"{answer.topic} does not answer {command.topic}")

        asking = [asyncio.create_task(ask_the_next()) for _ in range(IN_FLIGHT)]
        try:
            await asyncio.gather(*asking)
        finally:
            for task in asking:
                task.cancel()
        if findings:
            raise _Refusals(findings)
        return answers

    async def _answer(self, command: Command) -> Event:
        try:
            return await self._services.ask(command, self._flow)
        except Unreachable as reason:
            raise Unreachable(f"The service {command.to} cannot be asked: {reason}") from None

    def _findings(self, command: Command, refusal: RequestRefused) -> Iterator[Finding]:
        """What a service says of its entries, at the lines where they stand."""
        for problem in refusal.problems:
            if isinstance(command, ImportTenants):
                line = self._directory.tenant_lines.get(problem.entry, 0)
            else:
                line = self._directory.user_lines.get(username_key(problem.entry), 0)
            yield Finding(line, f"{problem.entry}: {problem.text}")
        if not refusal.problems:
            yield Finding(0, f"{command.to}: {refusal.detail}")

    def _tenant_commands(self, *, check_only: bool) -> Iterator[Command]:
        yield ImportTenants(flow_id=self._flow, tenants=self._directory.tenants, check_only=check_only)

    def _authenticator_commands(self, *, check_only: bool) -> Iterator[Command]:
        for batch in _batches(self._authenticators, lambda _: 1):
            yield ImportAuthenticators(flow_id=self._flow, authenticators=batch, check_only=check_only)

    def _user_commands(self, *, check_only: bool) -> Iterator[Command]:
        for batch in _batches(self._users, lambda user: COST_OF_A_PASSWORD if user.password else 1):
            yield ImportUsers(flow_id=self._flow, users=batch, check_only=check_only)

    def _user(self, user: DirectoryUser) -> ImportedUser:
        return ImportedUser(
            tenant_id=user.tenant,
            user_id=user_id_of(user.username),
            username=user.username,
            display_name=user.display_name,
            password=None if user.password is None else self._seal(user.password, Service.AUTH, "password"),
            password_hash=user.password_hash,
            disabled=user.disabled,
        )

    def _authenticator(self, user: DirectoryUser, secret: str, issuer: str) -> ImportedAuthenticator:
        return ImportedAuthenticator(
            tenant_id=user.tenant,
            user_id=user_id_of(user.username),
            username=user.username,
            issuer=issuer,
            secret=self._seal(secret, Service.ENROLLMENT, "secret"),
        )

    def _seal(self, secret: str, recipient: Service, field: str) -> str:
        return self._sealer.seal(secret, recipient=recipient, field=field, flow=self._flow)


Entry = TypeVar("Entry")


def _batches(entries: Iterable[Entry], cost: Callable[[Entry], int]) -> Iterator[tuple[Entry, ...]]:
    """The same entries in the same order, in pieces that cost `BATCH` at most."""
    batch: list[Entry] = []
    spent = 0
    for entry in entries:
        if spent + cost(entry) > BATCH:
            yield tuple(batch)
            batch, spent = [], 0
        batch.append(entry)
        spent += cost(entry)
    if batch:
        yield tuple(batch)
