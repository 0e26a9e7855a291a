"""Waits grow, scatter and obey the server; attempts are bounded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialwise.sources.backoff import Backoff, OutOfPatience, Transient, retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0)


class Server:
    """Fails as scripted, then answers; remembers how often it was asked."""

    def __init__(self, *failures: Transient) -> None:
        self.failures = list(failures)
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def patient(waits: list[float], chance: float = 0.0, **settings: float) -> Backoff:
    return Backoff(sleep=waits.append, chance=lambda: chance, **settings)  # type: ignore[arg-type]


def test_the_first_answer_is_returned_and_waits_double() -> None:
    waits: list[float] = []
    server = Server(*(Transient("busy") for _ in range(4)))
    assert patient(waits).run().call(server) == "answer"
    assert server.asked == 5
    assert waits == [0.5, 1.0, 2.0, 4.0]


def test_after_the_last_try_the_last_failure_is_raised() -> None:
    waits: list[float] = []
    server = Server(*(Transient(f"failure {number}") for number in range(9)))
    with pytest.raises(Transient, match="failure 2"):
        patient(waits, tries=3).run().call(server)
    assert server.asked == 3
    assert len(waits) == 2


def test_retry_after_is_waited_out_and_never_cut_short() -> None:
    waits: list[float] = []
    assert patient(waits, most_seconds=10).run().call(Server(Transient("429", 120.0))) == "answer"
    assert waits == [120.0]


def test_a_retry_after_beyond_patience_ends_the_attempts_at_once() -> None:
    waits: list[float] = []
    server = Server(Transient("429", 3601.0))
    with pytest.raises(Transient) as raised:
        patient(waits, patience_seconds=3600).run().call(server)
    assert raised.value.retry_after == 3601.0
    assert (server.asked, waits) == (1, [])


def test_a_run_loses_no_more_time_than_it_may_over_all_its_answers() -> None:
    clock, waits, asked = [0.0], [], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    def slow(*failures: Transient) -> Callable[[], str]:
        server = Server(*failures)

        def attempt() -> str:
            asked.append(clock[0])
            clock[0] += 30  # no answer within its time
            return server()

        return attempt

    backoff = Backoff(tries=9, run_seconds=900, sleep=sleep, chance=lambda: 0.0, now=lambda: clock[0])
    run = backoff.run()
    assert run.call(slow(Transient("429", 270.0), Transient("429", 270.0))) == "answer"
    with pytest.raises(OutOfPatience, match=r"^429; failures and waits of this run would take more than 900 s$"):
        run.call(slow(*(Transient("429", 270.0) for _ in range(5))))
    assert waits == [270.0] * 3, "three times 300 s were lost, a fourth is too many"
    assert len(asked) == 5
    assert backoff.run().call(slow(Transient("429", 270.0))) == "answer", "the next run has its own time"


def test_a_good_answer_costs_a_run_nothing() -> None:
    clock = [0.0]

    def attempt() -> str:
        clock[0] += 3600
        return "answer"

    run = Backoff(run_seconds=1, now=lambda: clock[0]).run()
    assert [run.call(attempt) for _ in range(3)] == ["answer"] * 3


def test_other_errors_are_not_tried_again() -> None:
    def broken() -> str:
        raise ValueError("no")

    waits: list[float] = []
    with pytest.raises(ValueError, match="no"):
        patient(waits).run().call(broken)
    assert waits == []


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True), asked=st.none() | st.floats(0, 1e6))
def test_a_wait_is_bounded_from_both_sides(failures: int, chance: float, asked: float | None) -> None:
    backoff = Backoff(chance=lambda: chance)
    wait = backoff.wait(failures, asked)
    if asked is None:
        assert 0.5 * min(60.0, 2.0 ** min(failures - 1, 30)) <= wait <= 60.0
    else:
        assert asked <= wait <= asked * 1.1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("Sun, 01 Mar 2026 13:01:30 +0100", 90.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("999999999999", 1e9),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("Sun, 41 Mar 2026 12:01:30 GMT", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds
