"""The cores: hashing never stands in the way of the event loop, nor an import in the way of logins."""

import asyncio
import threading

import pytest

from services.auth.cores import Cores


async def test_the_event_loop_goes_on_while_a_hash_is_made() -> None:
    cores, told = Cores(1), threading.Event()

    working = asyncio.create_task(cores.run(told.wait, 10))
    told.set()  # by the event loop, which the work would otherwise have stopped

    assert await working


async def test_as_much_is_worked_on_as_there_are_threads_and_no_more() -> None:
    cores, lock, pair = Cores(2), threading.Lock(), threading.Barrier(2, timeout=10)
    at_work: set[int] = set()
    counts: list[int] = []

    def work(number: int) -> None:
        with lock:
            at_work.add(number)
            counts.append(len(at_work))
        pair.wait()  # for another one who works at the same time
        with lock:
            at_work.remove(number)

    await asyncio.gather(*(cores.run(work, number) for number in range(30)))

    assert len(counts) == 30
    assert max(counts) == 2


async def test_a_login_does_not_queue_behind_an_import() -> None:
    cores, login_done = Cores(2), threading.Event()
    imports = [asyncio.create_task(cores.run_aside(login_done.wait, 10)) for _ in range(1000)]
    await asyncio.sleep(0)

    await cores.run(login_done.set)

    assert all(await asyncio.gather(*imports))


async def test_what_goes_wrong_in_a_thread_is_told_to_whoever_waits() -> None:
    with pytest.raises(ZeroDivisionError):
        await Cores(1).run(divmod, 1, 0)
