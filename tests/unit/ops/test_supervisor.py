"""The supervisor says what stopped and starts it again, later each time that it stops soon."""

from ops.supervisor import FORGIVEN_AFTER, LONGEST_DELAY, Supervisor, delay_after, stop_all, told


class Clock:
    """A clock that is told the time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Process:
    """A process that runs until it is told otherwise."""

    def __init__(self, name: str = "auth") -> None:
        self.name = name
        self.launches = 0
        self.status: int | None = None
        self.graces: list[float] = []

    def launch(self) -> None:
        self.launches += 1
        self.status = None

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.status = 0

    def stop(self, grace: float) -> None:
        self.graces.append(grace)


def test_a_process_that_stops_is_said_and_started_again_at_once() -> None:
    said: list[str] = []
    auth, policy = Process("auth"), Process("policy")
    supervisor = Supervisor([auth, policy], said.append, Clock())

    auth.status = -9
    supervisor.look()

    assert said == ["auth stopped with exit status -9 (SIGKILL); starting it again (1)"]
    assert (auth.launches, policy.launches) == (1, 0)
    assert auth.graces == [0], "what it started must not live on beside the new one"


def test_a_process_that_keeps_stopping_is_started_again_later_each_time() -> None:
    said: list[str] = []
    clock, auth = Clock(), Process()
    supervisor = Supervisor([auth], said.append, clock)

    for _ in range(3):
        auth.status = 1
        supervisor.look()
        clock.now += 1
        supervisor.look()

    assert auth.launches == 2, "the third time it waits for two seconds"
    assert said[-1] == "auth stopped with exit status 1; starting it again in 2 s (3)"
    clock.now += 1
    supervisor.look()
    assert auth.launches == 3
    assert supervisor.failing(3) == "auth"
    assert supervisor.failing(4) is None


def test_a_process_that_ran_for_a_while_is_forgiven() -> None:
    said: list[str] = []
    clock, auth = Clock(), Process()
    supervisor = Supervisor([auth], said.append, clock)
    auth.status = 1
    supervisor.look()

    clock.now += FORGIVEN_AFTER + 1
    auth.status = 1
    supervisor.look()

    assert said[-1] == "auth stopped with exit status 1; starting it again (1)"


def test_the_delay_grows_and_is_bounded() -> None:
    delays = [delay_after(failures) for failures in range(1, 12)]

    assert delays[:6] == [0, 1, 2, 4, 8, 16]
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY
    assert delay_after(100_000) == LONGEST_DELAY


def test_a_signal_is_named_where_it_has_a_name() -> None:
    assert told(-15) == "exit status -15 (SIGTERM)"
    assert told(-40) == "exit status -40"
    assert told(3) == "exit status 3"


def test_all_processes_are_asked_to_end_before_one_is_waited_for_and_share_one_deadline() -> None:
    clock, late = Clock(), Process("late")

    class Slow(Process):
        def stop(self, grace: float) -> None:
            super().stop(grace)
            assert late.status == 0, "both were asked first"
            clock.now += 12

    slow = Slow("slow")

    stop_all([slow, late], 15, clock)

    assert slow.graces == [15]
    assert late.graces == [3]
