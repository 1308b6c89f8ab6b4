"""RabbitMQ's management plugin, asked over HTTP: from elsewhere nothing else makes virtual hosts and users."""

import json
from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

_PATIENCE = 10.0
"""Seconds to wait for an answer."""
_DONE = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT}
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


class ManagementRefused(Exception):  # noqa: N818 (it reads as a sentence)
    """The plugin did not do it; the message says why."""


class Management:
    """What an administrator may do. Everything raises `OSError` where nobody answers, and `ManagementRefused`."""

    def __init__(self, url: str, user: str, password: str) -> None:
        parts = urlsplit(url)
        self._connection = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port = parts.hostname or "", parts.port
        self._path = parts.path.rstrip("/")
        self._user = user
        credentials = b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}

    def make_virtual_host(self, name: str) -> None:
        """See that there is one of this name, in which he may do everything.

        What is there is left as it is: `PUT` would take a description away that somebody has given it.
        """
        vhost = quote(name, safe="")
        self._make(f"/api/vhosts/{vhost}", {})
        self._make(
            f"/api/permissions/{vhost}/{quote(self._user, safe='')}",
            dict.fromkeys(("configure", "write", "read"), ".*"),
        )

    def strangers(self, definitions: Mapping[str, Any]) -> list[str]:
        """Who is called as one of these users, and is somebody else: by another password and by other rights.

        A user of theirs whose rights were changed by hand has his password still, and one whose password was lost has
        the rights that they give him, and no more.
        """
        return [user["name"] for user in definitions["users"] if self._is_strange(user, definitions)]

    def import_users(self, definitions: Mapping[str, Any]) -> None:
        """Make the users of these definitions, and their rights, as they say; nobody else's are touched."""
        self._done("POST", "/api/definitions", {name: told for name, told in definitions.items() if name != "vhosts"})

    def _is_strange(self, user: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
        path = f"/api/users/{quote(user['name'], safe='')}"
        known = self._read(path)
        if known is None or known.get("password_hash") == user["password_hash"]:
            return False
        ours = [rights for rights in definitions["permissions"] if rights["user"] == user["name"]]
        return bool(self._read(f"{path}/permissions") != ours)

    def _read(self, path: str) -> Any:
        """What is there; None where nothing is."""
        status, said = self._ask("GET", path)
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status not in _DONE:
            raise ManagementRefused(f"it answers {status} to GET {path}")
        try:
            return json.loads(said)
        except ValueError:
            raise ManagementRefused(f"what it answers to GET {path} is not JSON") from None

    def _make(self, path: str, told: Mapping[str, Any]) -> None:
        if self._read(path) is None:
            self._done("PUT", path, told)

    def _done(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        status, _ = self._ask(method, path, body)
        if status not in _DONE:
            raise ManagementRefused(f"it answers {status} to {method} {path}")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
        connection = self._connection(self._host, self._port, timeout=_PATIENCE)
        try:
            said = None if body is None else json.dumps(body)
            connection.request(method, f"{self._path}{path}", said, self._headers)
            answer = connection.getresponse()
            status, answered = answer.status, answer.read()
        except HTTPException as error:
            raise ConnectionError("what listens there does not speak HTTP") from error
        finally:
            connection.close()
        if status in _DENIED:
            raise ManagementRefused(f"the password of {self._user} is wrong, or he has not the tag `administrator`")
        return status, answered
