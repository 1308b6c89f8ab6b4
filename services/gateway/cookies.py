"""Cookies: the two that a browser is given, and nothing in them but a token (SP 800-63B, section 5.1.1)."""

from datetime import timedelta

from fastapi import Request, Response


class Cookies:
    """The cookies of this gateway.

    `__Host-` makes browsers keep them to this very host: no neighbour under the same domain can set or overwrite one.
    """

    def __init__(self, *, secure: bool) -> None:
        """Over https; or, with `secure` off, on a developer's own machine."""
        prefix = "__Host-" if secure else ""
        self.flow = Cookie(f"{prefix}wardgate_flow", secure=secure)
        self.session = Cookie(f"{prefix}wardgate_session", secure=secure)


class Cookie:
    """One cookie: out of the reach of scripts, and not sent along with what other sites post."""

    def __init__(self, name: str, *, secure: bool) -> None:
        """Name it."""
        self.name = name
        self._secure = secure

    def of(self, request: Request) -> str | None:
        """The token that a browser presents."""
        return request.cookies.get(self.name)

    def give(self, response: Response, token: str, lifetime: timedelta) -> None:
        """Let the browser present this token from now on."""
        self._set(response, token, max(0, int(lifetime.total_seconds())))

    def end(self, response: Response) -> None:
        """Let the browser forget its token."""
        self._set(response, "", 0)

    def _set(self, response: Response, value: str, max_age: int) -> None:
        response.set_cookie(
            self.name, value, max_age=max_age, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
