"""Users taken from a directory: what is wrong with them, and what taking them changes."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.auth.domain.user import User
from shared.contracts.auth import ImportedUser, ImportUsers, UserCreated, UserDisabled, user_id_of, username_key
from shared.contracts.message import MessageId
from shared.contracts.refusals import ImportRejected, Problem
from shared.contracts.vocabulary import UserId
from shared.crypto.passwords import LONGEST_PASSWORD, Passwords, is_supported
from shared.crypto.sealing import Opener

Known = Mapping[UserId, User]
"""Users that are stored already."""

Hashed = Mapping[UserId, str]
"""The hashes to keep of those who came with a password in the clear."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A user as a directory names him, his password opened."""

    user: ImportedUser
    password: str | None


@dataclass(frozen=True, slots=True)
class Taking:
    """What is to be written, and what the import has brought about when it is."""

    writes: tuple[tuple[User, tuple[UserCreated | UserDisabled, ...]], ...]
    """Users as they are to be, each with what is told of him."""
    created: int
    changed: int


def opened(command: ImportUsers, opener: Opener) -> tuple[Entry, ...]:
    """The users of the command with their passwords open; raises `SealBroken`."""
    return tuple(
        Entry(
            user, None if user.password is None else opener.open(user.password, field="password", flow=command.flow_id)
        )
        for user in command.users
    )


def accept(entries: Sequence[Entry], known: Known, *, check_only: bool) -> tuple[Entry, ...]:
    """The entries that are to be taken: all, or none where they were only to be checked.

    Raises `ImportRejected` with everything that is wrong with any of them.
    """
    times = Counter(username_key(entry.user.username) for entry in entries)
    problems = tuple(
        Problem(entry=entry.user.username, text=text)
        for entry in entries
        if (text := _problem(entry, known.get(entry.user.user_id), times)) is not None
    )
    if problems:
        raise ImportRejected("these users cannot be taken", problems)
    return () if check_only else tuple(entries)


def in_the_clear(entries: Sequence[Entry]) -> tuple[tuple[UserId, str], ...]:
    """The passwords that are to be hashed."""
    return tuple((entry.user.user_id, entry.password) for entry in entries if entry.password is not None)


def hash_of(password: str, known: User | None, passwords: Passwords) -> str:
    """The hash to keep for a password in the clear; blocks for as long as hashing takes.

    The password that a user has already keeps its hash: a new one would differ by its salt and look like a change.
    """
    if known is not None and passwords.verify(known.password_hash, password):
        return known.password_hash
    return passwords.hash(password)


def take(entries: Sequence[Entry], hashed: Hashed, known: Known, cause: MessageId, now: datetime) -> Taking:
    """What is written so that the users are as the directory says, where they are not so already.

    The counts are read from the users, so that the same import, delivered again, gives the answer that was lost.
    """
    after = [_taken(entry, hashed, known.get(entry.user.user_id), cause) for entry in entries]
    pairs = [(known.get(user.user_id), user) for user in after]
    writes = tuple((user, _told(before, user, now)) for before, user in pairs if user is not before)
    created = sum(user.created_by == cause for user in after)
    touched = sum(user.changed_by == cause for user in after)
    return Taking(writes, created, touched - created)


def _told(before: User | None, user: User, now: datetime) -> tuple[UserCreated | UserDisabled, ...]:
    whose = {"occurred_at": now, "tenant_id": user.tenant_id, "user_id": user.user_id}
    if before is None:
        return (UserCreated(**whose, username=user.username),)
    return (UserDisabled(**whose),) if user.disabled and not before.disabled else ()


def _problem(entry: Entry, known: User | None, times: Counter[str]) -> str | None:
    user = entry.user
    if times[username_key(user.username)] > 1:
        return "the username is there more than once"
    if user.user_id != user_id_of(user.username):
        return "the user id is not that of the username"
    if known is not None and known.tenant_id != user.tenant_id:
        return "the username belongs to a user of another tenant"
    return _unusable(entry.password, user.password_hash)


def _unusable(password: str | None, password_hash: str | None) -> str | None:
    if (password is None) == (password_hash is None):
        return "either a password or a password hash is needed"
    if password_hash is not None and not is_supported(password_hash):
        return "the password hash is malformed, of an unknown kind or too costly to verify"
    if password is not None and not 0 < len(password) <= LONGEST_PASSWORD:
        return f"a password has 1 to {LONGEST_PASSWORD} characters"
    return None


def _taken(entry: Entry, hashed: Hashed, before: User | None, cause: MessageId) -> User:
    user = entry.user
    password_hash, imported_hash = _kept(user, hashed, before)
    if before is None:
        return User(
            user_id=user.user_id,
            tenant_id=user.tenant_id,
            username=user.username,
            username_key=username_key(user.username),
            display_name=user.display_name,
            password_hash=password_hash,
            imported_hash=imported_hash,
            disabled=user.disabled,
            created_by=cause,
            changed_by=cause,
            revision=1,
        )
    after = replace(
        before,
        username=user.username,
        display_name=user.display_name,
        password_hash=password_hash,
        imported_hash=imported_hash,
        disabled=user.disabled,
    )
    return before if after == before else replace(after, changed_by=cause, revision=before.revision + 1)


def _kept(user: ImportedUser, hashed: Hashed, before: User | None) -> tuple[str, str | None]:
    """The hash to keep, and the fingerprint of the one that he came with."""
    came_with = user.password_hash
    if came_with is None:
        password_hash = hashed[user.user_id]
        if before is not None and before.password_hash == password_hash:
            return password_hash, before.imported_hash
        return password_hash, None
    fingerprint = hashlib.sha256(came_with.encode()).hexdigest()
    if before is not None and before.imported_hash == fingerprint:
        return before.password_hash, fingerprint  # a login may have put a better hash in its place since
    return came_with, fingerprint
