"""The directory file: the accounts and users to be loaded, read whole, with everything that is wrong named at once.

The file is whole in itself: each account's parent and each user's account stand in it. A vendor is the root of its
tree, so it has no parent, and every other account has one: a reseller without would be a second root, out of reach of
the rules of the vendor that he belongs to. Several vendors are several trees.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ops import marked_yaml
from ops.forms import Finding, Form, Wrong, identifier, name, one_of, scalar, yes_or_no
from ops.marked_yaml import Fields, Items, Node, NotYaml, Text
from shared.contracts.auth import username_key
from shared.contracts.branding import Branding, accent_of, logo_of
from shared.contracts.policy import Enforcement, ImportedTenant, Rule
from shared.contracts.vocabulary import Mode, TenantId, TenantKind
from shared.crypto import otp
from shared.crypto.passwords import LONGEST_PASSWORD, is_supported

MOST_SHOWN = 30
"""Findings that are listed; the rest is counted."""

LONGEST_GRACE = 365  # days

MOST_OF_LOGOS = 8 * 1024 * 1024
"""Characters of all logos of a file: its accounts travel in one message, and brokers take 16 MiB."""

Entry = TypeVar("Entry")


class DirectoryError(Exception):
    """A directory was not loaded, or not to its end. The message says all that a person needs, and no secret."""

    def __init__(self, summary: str, findings: Iterable[Finding] = ()) -> None:
        self.findings = tuple(sorted(findings))
        listed = [f"  {found}" for found in self.findings[:MOST_SHOWN]]
        unlisted = len(self.findings) - len(listed)
        super().__init__("\n".join([summary, *listed, *([f"  and {unlisted} more"] if unlisted else [])]))


@dataclass(frozen=True, slots=True)
class DirectoryUser:
    """A user as the file names him, with his secrets as they stand there."""

    username: str
    tenant: TenantId
    display_name: str
    password: str | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)
    totp_secret: str | None = field(default=None, repr=False)
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Directory:
    """What a file says, and the line at which each entry begins: of an account by its id, of a user by username key."""

    tenants: tuple[ImportedTenant, ...]
    users: tuple[DirectoryUser, ...]
    tenant_lines: Mapping[str, int]
    user_lines: Mapping[str, int]


def read_directory(path: Path) -> Directory:
    """Read and check a directory file. Raises `DirectoryError` with everything that is wrong."""
    try:
        return understood(path.read_bytes())
    except OSError as error:
        raise DirectoryError(f"{path} cannot be read: {error.strerror}") from None
    except NotYaml as error:
        findings: Sequence[Finding] = [Finding(error.line, error.text)]
    except Wrong as wrong:
        findings = wrong.findings
    raise DirectoryError(f"Nothing was loaded. {path} is not right:", findings)


def understood(content: bytes) -> Directory:
    """Understand the content of a directory file. Raises `NotYaml`, or `Wrong` with all findings."""
    lists = _DIRECTORY.read(marked_yaml.parsed(content))
    accounts, people = lists["tenants"], lists.get("users", ())
    findings: list[Finding] = []
    tenant_lines = _lines(accounts, "id", str, findings)
    user_lines = _lines(people, "username", username_key, findings)
    tenants = tuple(_readable(accounts, _tenant, findings))
    users = tuple(_readable(people, _user, findings))
    findings += _misplaced(tenants, tenant_lines)
    findings += _too_heavy(tenants, tenant_lines)
    findings += [
        Finding(user_lines[username_key(user.username)], "tenant: no account of this file has that id")
        for user in users
        if user.tenant not in tenant_lines
    ]
    if findings:
        raise Wrong(*findings)
    return Directory(tenants, users, tenant_lines, user_lines)


def _readable(nodes: Iterable[Node], read: Callable[[Node], Entry], findings: list[Finding]) -> Iterator[Entry]:
    for node in nodes:
        try:
            yield read(node)
        except Wrong as wrong:
            findings += wrong.findings


def _lines(nodes: Iterable[Node], key: str, compared: Callable[[str], str], findings: list[Finding]) -> dict[str, int]:
    """Where each entry begins, by its name; also of those that are wrong otherwise, for others may refer to them."""
    lines: dict[str, int] = {}
    for node in nodes:
        named = node.of(key) if isinstance(node, Fields) else None
        if not isinstance(named, Text) or not named.value:
            continue
        entry = compared(named.value)
        if entry in lines:
            findings.append(Finding(named.line, f"{key}: the same as in line {lines[entry]}; each must be another"))
        lines.setdefault(entry, named.line)
    return lines


def _tenant(node: Node) -> ImportedTenant:
    fields = _TENANT.read(node)
    if fields["kind"] is TenantKind.VENDOR and "parent" in fields:
        raise Wrong(Finding(node.line, "parent: a vendor is the root of its tree and has none"))
    if fields["kind"] is not TenantKind.VENDOR and "parent" not in fields:
        raise Wrong(Finding(node.line, "parent: is missing; only a vendor is the root of a tree"))
    return ImportedTenant(tenant_id=fields.pop("id"), **fields)


def _user(node: Node) -> DirectoryUser:
    fields = _USER.read(node)
    if ("password" in fields) == ("password_hash" in fields):
        raise Wrong(
            Finding(node.line, "password: give either password or password_hash (a text with a # needs quotes)")
        )
    fields.setdefault("display_name", fields["username"])
    return DirectoryUser(**fields)


def _misplaced(tenants: Sequence[ImportedTenant], lines: Mapping[str, int]) -> Iterator[Finding]:
    """Accounts whose way upwards does not end at a vendor."""
    parents = {tenant.tenant_id: tenant.parent for tenant in tenants}
    seen: set[TenantId] = set()
    for tenant in tenants:
        if tenant.parent is not None and tenant.parent not in lines:
            yield Finding(lines[tenant.tenant_id], "parent: no account of this file has that id")
        way: dict[TenantId, None] = {}
        at: TenantId | None = tenant.tenant_id
        while at is not None and at not in seen and at not in way:
            way[at] = None
            at = parents.get(at)
        if at in way:
            circle = sorted(lines[each] for each in list(way)[list(way).index(at) :])
            numbers = ", ".join(map(str, circle[:MOST_SHOWN]))
            yield Finding(circle[0], f"parent: a circle of accounts above each other, in the lines {numbers}")
        seen.update(way)


def _too_heavy(tenants: Iterable[ImportedTenant], lines: Mapping[str, int]) -> Iterator[Finding]:
    """The account whose logo is one too many."""
    weight = 0
    for tenant in tenants:
        weight += len(tenant.branding.logo or "") if tenant.branding else 0
        if weight > MOST_OF_LOGOS:
            text = (
                "branding: logo: the logos of a file may have 6 MiB together; accounts below take that of the one above"
            )
            yield Finding(lines[tenant.tenant_id], text)
            return


def _branding(node: Node) -> Branding:
    """The look of an account. A key that stands there is meant: of `accent: #2a5bd0` all but the key is a comment."""
    named = {key.value for key, _ in node.pairs} if isinstance(node, Fields) else set()
    return Branding(**Form(_LOOK, required=frozenset(named & _LOOK.keys())).read(node))


def _enforcement_rule(node: Node) -> Rule:
    if isinstance(node, Text):
        return Rule(mode=scalar(one_of(Mode))(node))
    rule = Rule(**_RULE.read(node))
    if rule.grace_days and rule.mode is not Mode.REQUIRED:
        raise Wrong(Finding(node.line, "grace_days: goes with the mode required only"))
    return rule


def _entries(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, Items):
        raise Wrong(Finding(node.line, "must be a list, each entry with a dash in front"))
    return node.items


def _days(text: str) -> int:
    days = int(text) if re.fullmatch("[0-9]{1,3}", text) else None
    if days is None or days > LONGEST_GRACE:
        raise ValueError(f"must be a number of days from 0 to {LONGEST_GRACE}")
    return days


def _password(text: str) -> str:
    if len(text) > LONGEST_PASSWORD:
        raise ValueError(f"has more than {LONGEST_PASSWORD} characters")
    return text


def _password_hash(text: str) -> str:
    if not is_supported(text):
        raise ValueError(
            "must be a whole hash of the form $argon2id$, $2a$ $2b$ $2y$ (bcrypt), pbkdf2_sha256$ or $pbkdf2-sha256$ "
            "(also sha1 and sha512), at a bearable cost; put it in quotes"
        )
    return text


def _totp_secret(text: str) -> str:
    return otp.to_base32(otp.from_base32(text))


_RULE = Form({"mode": scalar(one_of(Mode)), "grace_days": scalar(_days)}, required=frozenset({"mode"}))
_ENFORCEMENT = Form({"staff": _enforcement_rule, "customers": _enforcement_rule})
_LOOK = {"accent": scalar(accent_of), "logo": scalar(logo_of)}
_DIRECTORY = Form({"tenants": _entries, "users": _entries}, required=frozenset({"tenants"}))
_TENANT = Form(
    {
        "id": scalar(identifier),
        "kind": scalar(one_of(TenantKind)),
        "parent": scalar(identifier),
        "name": scalar(name),
        "enforcement": lambda node: Enforcement(**_ENFORCEMENT.read(node)),
        "branding": _branding,
    },
    required=frozenset({"id", "kind", "name"}),
)
_USER = Form(
    {
        "username": scalar(name),
        "tenant": scalar(identifier),
        "display_name": scalar(name),
        "password": scalar(_password),
        "password_hash": scalar(_password_hash),
        "totp_secret": scalar(_totp_secret),
        "disabled": scalar(yes_or_no),
    },
    required=frozenset({"username", "tenant"}),
)
