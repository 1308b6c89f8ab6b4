"""Servers in containers, for tests on a machine with a Docker engine: other versions than the machine's own."""

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from testcontainers.core.container import DockerContainer

from ops.mongodb import REPLICA_SET, is_primary
from ops.ports import LOOPBACK, free_port
from ops.rabbitmq import answers
from ops.servers import wait_until
from ops.stack import Stack

RABBITMQ = "rabbitmq:4-management"
MONGODB = "mongo:8"


def engine_answers() -> bool:
    """Whether there is a Docker engine to start containers on."""
    if os.environ.get("DOCKER_HOST"):
        return True  # somebody who says where it is wants it used
    with socket.socket(socket.AF_UNIX) as probe:  # not docker.from_env(), which leaves its socket open when it fails
        return probe.connect_ex("/var/run/docker.sock") == 0


class ContainerServer:
    """A server in a container, on a port of its own choice so that it has the same URL after a restart."""

    def __init__(self, name: str, url: str, container: DockerContainer, is_ready: Callable[[], bool]) -> None:
        self.name = name
        self.url = url
        self._container = container
        self._is_ready = is_ready

    @property
    def pid(self) -> int:
        """The process id of the container's first process, as this machine sees it."""
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        return int(wrapped.attrs["State"]["Pid"])

    def start(self) -> None:
        """Start it if it does not run, and wait until it answers."""
        self._container.get_wrapped_container().start()
        wait_until(self._is_ready, self.name)

    def stop(self) -> None:
        """Ask it to end."""
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        wrapped = self._container.get_wrapped_container()
        wrapped.kill()
        wrapped.wait()


@contextmanager
def containers() -> Iterator[Stack]:
    """RabbitMQ and MongoDB in containers until the block ends."""
    with ExitStack() as stack:
        servers = [rabbitmq(stack), mongodb(stack)]
        for server in servers:
            server.start()
        yield Stack(servers[0].url, servers[1].url, servers[0], servers[1])


def rabbitmq(stack: ExitStack) -> ContainerServer:
    """RabbitMQ with a user of its own: guest may not come from outside the container."""
    port, password = free_port(), secrets.token_urlsafe(16)
    container = (
        DockerContainer(RABBITMQ)
        .with_bind_ports(5672, port)
        .with_envs(RABBITMQ_DEFAULT_USER="wardgate", RABBITMQ_DEFAULT_PASS=password)
    )
    stack.enter_context(container)
    host = container.get_container_host_ip()
    url = f"amqp://wardgate:{password}@{host}:{port}/"
    return ContainerServer("RabbitMQ", url, container, lambda: answers(host, port))


def mongodb(stack: ExitStack) -> ContainerServer:
    """MongoDB, a replica set of one that knows itself by the same port inside and outside."""
    port = free_port()
    container = (
        DockerContainer(MONGODB)
        .with_bind_ports(port, port)
        .with_command(f"mongod --replSet {REPLICA_SET} --bind_ip_all --port {port}")
    )
    stack.enter_context(container)
    address = f"{container.get_container_host_ip()}:{port}"
    return ContainerServer(
        "MongoDB",
        f"mongodb://{address}/?directConnection=true",
        container,
        lambda: is_primary(address, f"{LOOPBACK}:{port}"),
    )
