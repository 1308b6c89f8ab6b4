"""Every query carries the tenant: read from the source, so that a query that forgets it cannot be merged.

That the walls hold when the services run is tested in tests/integration/test_tenant_walls.py.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from ops.checkout import ROOT

FILTERING = {
    *("find_one", "find", "find_one_and_update", "find_one_and_delete", "count_documents", "aggregate", "distinct"),
    *("update_one", "update_many", "replace_one", "delete_one", "delete_many"),
    *("UpdateOne", "UpdateMany", "ReplaceOne", "DeleteOne", "DeleteMany"),
}

WITHOUT_A_TENANT = {
    "audit.store.record": "an event is known by its id, and the head of a chain is of a whole tree of accounts",
    "audit.store._placed": "accounts are the tenants themselves, and stand in a tree",
    "audit.store._heads_of": "a chain is of a whole tree of accounts",
    "audit.store._catch_up": "the same",
    "audit.store._move": "the same",
    "audit.store.heads": "the same",
    "audit.store.head": "the same",
    "audit.store.chains": "the trail is examined as a whole",
    "audit.store.latest": "an operator may ask for all accounts",
    "audit.store.since": "the same",
    "auth.store.user_named": "who stands at the door has not said whose user he is",
    "auth.store.of": "the same, and a ledger is of a username, be there a user of it or not",
    "auth.store._noted": "the same",
    "auth.store._known": "an import must find out that a username belongs to another tenant",
    "gateway.failures.acquire_entry": "an address guesses at users of whatever tenant",
    "gateway.failures.get_moving_window": "the same",
    "gateway.failures.clear": "the same",
    "gateway.flows.of_token": "the browser shows a token of 256 bits, and the flow says whose it is",
    "gateway.flows.abandon": "the same",
    "gateway.sessions.of_token": "the same, and the session says whose it is",
    "gateway.sessions.end": "the same",
    "gateway.sessions.must_step_up": "a document of the enforcement is of one tenant and has its id",
    "gateway.sessions.mode_for": "the same",
    "gateway.sessions.note": "the same",
    "gateway.tenants.note": "an account is the tenant itself",
    "gateway.tenants._described": "the same, and those above it lend it their look",
    "policy.store.prepare": "the edition is of all accounts together",
    "policy.store._edition": "the same",
    "policy.store.line": "an account is the tenant itself, and those above it have a say",
    "policy.store._all": "an import is judged against all accounts",
    "policy.store._write": "the same",
}
"""The places that rightly query without one, each with its reason."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Query:
    """A call that takes a filter, and where it stands."""

    place: str
    module: ast.Module
    function: Function
    call: ast.Call

    @property
    def carries_the_tenant(self) -> bool:
        return bool(self.call.args) and "tenant_id" in _keys(self.call.args[0], self.function, self.module)


def _keys(expression: ast.expr, function: Function, module: ast.Module) -> set[str]:
    """The keys that a filter has for certain, followed through local names and functions, other rooms included.

    A name that is given several values, or a function that returns several, has what all of them have.
    """
    match expression:
        case ast.Dict(keys, values):
            own = {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
            spread = [value for key, value in zip(keys, values, strict=True) if key is None]
            return own.union(*(_keys(value, function, module) for value in spread))
        case ast.Name(name):
            return _in_all(_keys(value, function, module) for value in _assigned(name, function))
        case ast.Tuple([first, *_]):
            return _keys(first, function, module)
        case ast.Starred(value):
            return _keys(value, function, module)
        case ast.Call(func):
            return _in_all(
                _keys(node.value, made, where)
                for made, where in _called(_named(func), module)
                for node in ast.walk(made)
                if isinstance(node, ast.Return) and node.value is not None
            )
    return set()


def _in_all(found: Iterable[set[str]]) -> set[str]:
    every = list(found)
    return set.intersection(*every) if every else set()


def _called(name: str, module: ast.Module) -> Iterator[tuple[Function, ast.Module]]:
    """The functions of this name in a module, or in the one of ours that it has it from, each with its module."""
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("services."):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    yield from _called(alias.name, _parsed((node.module or "").replace(".", "/")))
    yield from ((each, module) for each in _functions(module) if each.name == name)


@cache
def _parsed(module: str) -> ast.Module:
    return ast.parse((ROOT / f"{module}.py").read_text())


def queries_of(source: str, name: str) -> Iterator[Query]:
    module = ast.parse(source)
    for function in _functions(module):
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and _named(call.func) in FILTERING and not isinstance(call.func, ast.Call):
                yield Query(f"{name}.{function.name}", module, function, call)


def _functions(module: ast.Module) -> list[Function]:
    return [node for node in ast.walk(module) if isinstance(node, Function)]


def _assigned(name: str, function: Function) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                first = target.elts[0] if isinstance(target, ast.Tuple) else target
                if _named(first) == name:
                    yield node.value


def _named(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


QUERIES = [
    query
    for module in sorted((ROOT / "services").rglob("*.py"))
    if "shared.runtime.mongo" in module.read_text()
    for query in queries_of(module.read_text(), ".".join(module.relative_to(ROOT / "services").with_suffix("").parts))
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_a_query_carries_the_tenant(query: Query) -> None:
    assert query.carries_the_tenant or query.place in WITHOUT_A_TENANT


def test_no_exception_is_left_over_from_a_query_that_is_no_more() -> None:
    assert WITHOUT_A_TENANT.keys() == {query.place for query in QUERIES if not query.carries_the_tenant}


@pytest.mark.parametrize(
    ("source", "carries"),
    [
        ('def f(self): self._users.find_one({"_id": 1})', False),
        ('def f(self): self._users.find_one({"_id": 1, "tenant_id": 2})', True),
        ('def f(self):\n where = {"tenant_id": 2}\n self._users.update_one({**where, "_id": 1}, {})', True),
        ('def f(self):\n where = {"_id": 2}\n self._users.update_one(where, {"$set": {"tenant_id": 1}})', False),
        (
            'def f(self):\n where, _ = self.g()\n self._u.find(where)\ndef g(self): return {"tenant_id": 1}, 2',
            True,
        ),
        ('def f(self): UpdateOne(*self.g())\ndef g(self): return {"_id": 1}, {"tenant_id": 1}', False),
        ("def f(self): self._users.find(made_elsewhere())", False),
        ("from services.gateway.flows import as_judged as a\ndef f(self, flow): self._users.find(a(flow))", True),
        ("from services.gateway.flows import document\ndef f(self, flow): self._users.find(document(flow))", False),
        ('def f(self):\n where = {"tenant_id": 2}\n if a:\n  where = {}\n self._users.find(where)', False),
        (
            'def f(self): self._u.find(g())\ndef g():\n if a:\n  return {}\n return {"tenant_id": 1}',
            False,
        ),
    ],
)
def test_the_check_itself_sees_a_query_without_a_tenant(source: str, *, carries: bool) -> None:
    query = next(queries_of(source, "example"))

    assert query.carries_the_tenant is carries
