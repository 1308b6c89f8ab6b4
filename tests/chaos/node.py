"""The private RabbitMQ node as its own administrator sees it: `rabbitmqctl`."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path

_CTL = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")
"""The script behind Debian's wrapper, which would switch to a system user of its own."""


@dataclass(frozen=True)
class Depth:
    """What lies in a queue, and how many read it."""

    name: str
    messages_ready: int
    messages_unacknowledged: int
    consumers: int


class Node:
    """A node whose data is in a folder of ours."""

    def __init__(self, state: Path) -> None:
        self._state = state

    async def queues(self) -> list[Depth]:
        """Every queue there is."""
        told = await self._ctl("list_queues", "--formatter", "json", "--silent", *Depth.__annotations__)
        return [Depth(**{name: value or 0 for name, value in each.items()}) for each in json.loads(told)]

    async def run_short_of_memory(self) -> None:
        """Raise the alarm: the node reads nothing more from whoever publishes, as when its disk is full."""
        await self._ctl("set_vm_memory_high_watermark", "0.00001")

    async def have_memory(self) -> None:
        """Clear the alarm."""
        await self._ctl("set_vm_memory_high_watermark", "0.4")

    async def _ctl(self, *arguments: str) -> str:
        ports = json.loads((self._state / "ports.json").read_text())
        process = await asyncio.create_subprocess_exec(
            str(_CTL),
            *arguments,
            env={
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
                "HOME": str(self._state),  # the Erlang cookie lives there
                "ERL_EPMD_PORT": str(ports["epmd"]),
                "RABBITMQ_NODENAME": "wardgate@localhost",
                "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, wrong = await process.communicate()
        assert process.returncode == 0, f"rabbitmqctl {arguments[0]}: {wrong.decode()}"
        return said.decode()
