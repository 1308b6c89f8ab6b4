"""A service as a process, the same on a developer's machine and in a container.

python -m shared.runtime.serving auth --host 127.0.0.1 --port 8081
"""

import argparse

import uvicorn

from shared.runtime.connections import Bounded

_GRACE = 10
"""Seconds that requests in hand are given at a shutdown."""
_KEEP_ALIVE = 75
"""Seconds: longer than proxies keep an idle connection, or one is closed under a request just sent."""


def serve(service: str, host: str, port: int) -> None:
    """Serve `services/<service>/app.py` until told to stop."""
    uvicorn.run(
        f"services.{service}.app:app",
        factory=True,
        host=host,
        port=port,
        workers=1,
        loop="uvloop",
        http=Bounded,
        # By default uvicorn lets whoever comes from this machine say from where he comes; TRUSTED_PROXIES says who may.
        proxy_headers=False,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
    )


def main() -> None:
    """Serve what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m shared.runtime.serving")
    parser.add_argument("service")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    told = parser.parse_args()
    serve(told.service, told.host, told.port)


if __name__ == "__main__":
    main()
