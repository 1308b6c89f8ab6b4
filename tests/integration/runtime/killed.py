"""Run as a script: a service whose process dies whenever it handles a certain message, and is started again each time.

It forks, so that eleven deaths take a second and not a minute: everything is imported once.
"""

import asyncio
import os
import signal
import sys

from pydantic import SecretStr

from shared.contracts.auth import VerifyPassword
from shared.contracts.vocabulary import Service
from shared.runtime.origin import BrokerUsers
from shared.runtime.router import Router
from shared.runtime.settings import Environment, Settings
from tests.serving import serving


async def serve(url: str) -> None:
    """Serve until the message comes."""
    router = Router(Service.AUTH)

    @router.does(VerifyPassword)
    async def die(_: VerifyPassword) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async with serving(
        router,
        settings=Settings(
            environment=Environment.DEVELOPMENT,
            broker_users=BrokerUsers.SHARED,
            rabbitmq_url=SecretStr(url),
            mongodb_url=SecretStr("unused"),
        ),
    ):
        await asyncio.Event().wait()


def main(url: str, deaths: int) -> None:
    """Die so many times, then live on until told to stop, so that it is seen that the message does not come again."""
    for _ in range(deaths):
        if (child := os.fork()) == 0:
            asyncio.run(serve(url))
        _, status = os.waitpid(child, 0)
        print("died of signal", os.WTERMSIG(status), flush=True)  # noqa: T201 - what the test reads
    asyncio.run(serve(url))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
