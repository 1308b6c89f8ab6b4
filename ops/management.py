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

    def import_users(self, definitions: Mapping[str, Any]) -> None:
        """Make the users of these definitions, and their rights, as they say; nobody else's are touched."""
        self._done("POST", "/api/definitions", {name: told for name, told in definitions.items() if name != "vhosts"})

    def _make(self, path: str, told: Mapping[str, Any]) -> None:
        if self._ask("GET", path) == HTTPStatus.NOT_FOUND:
            self._done("PUT", path, told)

    def _done(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        status = self._ask(method, path, body)
        if status not in _DONE:
            raise ManagementRefused(f"it answers {status} to {method} {path}")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> int:
        connection = self._connection(self._host, self._port, timeout=_PATIENCE)
        try:
            said = None if body is None else json.dumps(body)
            connection.request(method, f"{self._path}{path}", said, self._headers)
            status = connection.getresponse().status
        except HTTPException as error:
            raise ConnectionError("what listens there does not speak HTTP") from error
        finally:
            connection.close()
        if status in _DENIED:
            raise ManagementRefused(f"the password of {self._user} is wrong, or he has not the tag `administrator`")
        return status
