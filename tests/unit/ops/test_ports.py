"""A server finds its port again, unless somebody took it."""

import socket
from pathlib import Path

from ops.ports import LOOPBACK, free_port, is_free, kept_port
from tests.processes import program


def test_a_port_where_somebody_listens_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()

        assert not is_free(taken.getsockname()[1])


def test_a_free_port_is_free() -> None:
    assert is_free(free_port())


def test_a_server_has_the_port_that_it_had_last_time(tmp_path: Path) -> None:
    first = kept_port(tmp_path / "ports.json", "amqp")
    kept_port(tmp_path / "ports.json", "epmd")

    assert kept_port(tmp_path / "ports.json", "amqp") == first


def test_a_server_whose_port_was_taken_gets_another_and_keeps_that(tmp_path: Path) -> None:
    first = kept_port(tmp_path / "ports.json", "amqp")

    with socket.socket() as taken:
        taken.bind((LOOPBACK, first))
        taken.listen()
        second = kept_port(tmp_path / "ports.json", "amqp")

    assert second != first
    assert kept_port(tmp_path / "ports.json", "amqp") == second


def test_two_launchers_never_pick_the_same_port_even_before_a_server_listens_there() -> None:
    mine = free_port()
    code = f"from ops.ports import claim; print('claimed', claim({mine}))"

    with program(code) as other_launcher:
        assert other_launcher.wait_for("claimed") == "claimed False\n"
