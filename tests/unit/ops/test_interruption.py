"""Told to stop, the launcher stops to the end; told again, at once."""

import signal

import pytest

from ops.interruption import STOPS, Interrupted, interruptible
from tests.processes import program


@pytest.mark.parametrize("wish", STOPS)
def test_a_wish_to_stop_is_raised_where_the_launcher_is(wish: signal.Signals) -> None:
    with interruptible(), pytest.raises(Interrupted):
        signal.raise_signal(wish)


@pytest.mark.parametrize("wish", STOPS)
def test_a_terminal_that_closes_meanwhile_does_not_disturb_the_stopping(wish: signal.Signals) -> None:
    with interruptible():
        with pytest.raises(Interrupted):
            signal.raise_signal(wish)

        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)


def test_what_signals_did_before_they_do_again_afterwards() -> None:
    before = [signal.getsignal(stop) for stop in STOPS]

    with interruptible(), pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGTERM)

    assert [signal.getsignal(stop) for stop in STOPS] == before


def test_a_second_ctrl_c_ends_everything_at_once() -> None:
    code = """
import signal
from ops.interruption import Interrupted, interruptible
with interruptible():
    try:
        print("running", flush=True)
        signal.pause()
    except Interrupted:
        print("stopping", flush=True)
        signal.pause()
"""
    with program(code) as launcher:
        launcher.wait_for("running")
        launcher.signal(signal.SIGINT)
        launcher.wait_for("stopping")
        launcher.signal(signal.SIGINT)

        assert launcher.end() == 128 + signal.SIGINT
