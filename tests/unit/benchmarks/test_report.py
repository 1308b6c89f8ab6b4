"""The report of a benchmark: what the figures come to, and where they stand."""

from pathlib import Path

import pytest

from benchmarks.measuring import Measured
from benchmarks.report import Results, report, rewrite
from benchmarks.steps import OTP_STEP, PASSWORD_STEP
from benchmarks.yardsticks import Bound


def line(what: str, at_once: int, *, seconds: float, driver: float = 0.0, **cpu: float) -> Measured:
    """A hundred of them, which took 1 to 100 milliseconds."""
    return Measured(what, at_once, seconds, [number / 1000 for number in range(1, 101)], cpu, driver)


RESULTS = Results(
    argon2=[line(PASSWORD_STEP, 16, seconds=2.5, driver=1.0, auth=2.0)],
    cheap=[
        line(OTP_STEP, 1, seconds=1),
        line(OTP_STEP, 16, seconds=1, gateway=0.125, RabbitMQ=0.25),
    ],
    chains=[line("bare aio-pika chain", 1, seconds=1)],
    bound=Bound(rate=100.0, milliseconds=20.0, cores=2),
)


def test_the_cpu_of_the_driver_is_discounted() -> None:
    told = report(RESULTS)

    # In 2.5 seconds two cores have 5 seconds of CPU, of which the driver took one: the hundred took 2 seconds of both.
    assert "40.0 a second, 50.0 without what the driver takes: **0.50** of it" in told


def test_the_cpu_of_all_processes_is_summed_for_each_that_was_done() -> None:
    told = report(RESULTS)

    assert "**3.75 ms** of CPU in all processes" in told
    assert "| OTP | cheap | 16 | 100 | 51.0 | 96.0 | 100.0 | 1.25 |  |  |  |  | 2.50 |  | 3.75 | 0.00 |" in told


def test_a_code_is_compared_with_a_bare_chain() -> None:
    assert "**1.0 times** the 51.0 ms" in report(RESULTS)


def test_the_report_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    begin, end = "<!-- benchmark: written by `python -m benchmarks --readme` -->", "<!-- end of benchmark -->"
    readme.write_text(f"before\n{begin}\nold\n{end}\nafter\n")

    rewrite(readme, "new\n")
    rewrite(readme, "newer\n")

    assert readme.read_text() == f"before\n{begin}\n\nnewer\n\n{end}\nafter\n"


def test_a_readme_without_a_place_for_it_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing")

    with pytest.raises(ValueError, match="no place"):
        rewrite(readme, "new")

    assert readme.read_text() == "nothing"
