"""An arm that keeps failing is left alone for a while, then tried once."""

from __future__ import annotations

import copy
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hybrid_llm.dispatch import Breaker
from hybrid_llm.errors import ConfigError


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


def opened(clock: Clock) -> Breaker:
    """Return a breaker that three failures have just opened."""
    breaker = Breaker(clock=clock)
    for _ in range(3):
        breaker.fail()
    return breaker


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_two_failures_leave_the_breaker_closed_and_the_third_opens_it(clock):
    breaker = Breaker(clock=clock)
    for _ in range(2):
        breaker.fail()
        assert breaker.admit()
    breaker.fail()
    assert breaker.open
    assert not breaker.admit()


def test_a_success_in_between_starts_the_count_again(clock):
    breaker = Breaker(clock=clock)
    for outcome in (breaker.fail, breaker.fail, breaker.succeed, breaker.fail, breaker.fail):
        outcome()
    assert breaker.admit()


def test_nothing_is_admitted_for_thirty_seconds_and_then_one_probe(clock):
    breaker = opened(clock)
    clock.tick(29.9)
    assert not breaker.admit()
    clock.tick(0.1)
    assert [breaker.admit() for _ in range(5)] == [True, False, False, False, False]


def test_a_probe_that_succeeds_closes_the_breaker(clock):
    breaker = opened(clock)
    clock.tick(30)
    breaker.admit()
    breaker.succeed()
    assert not breaker.open
    assert [breaker.admit() for _ in range(3)] == [True] * 3
    breaker.fail()
    assert breaker.admit()  # the failures from before the cooldown are forgotten


def test_a_probe_that_fails_starts_the_cooldown_again(clock):
    breaker = opened(clock)
    clock.tick(30)
    breaker.admit()
    clock.tick(5)
    breaker.fail()
    clock.tick(29.9)
    assert not breaker.admit()
    clock.tick(0.1)
    assert breaker.admit()


def test_a_probe_that_never_reports_loses_its_place_after_another_cooldown(clock):
    breaker = opened(clock)
    clock.tick(30)
    assert breaker.admit()
    clock.tick(29.9)
    assert not breaker.admit()
    clock.tick(0.1)
    assert [breaker.admit(), breaker.admit()] == [True, False]


def test_a_probe_that_is_cancelled_lets_the_next_call_be_the_probe(clock):
    breaker = opened(clock)
    clock.tick(30)
    breaker.admit()
    breaker.release()
    assert [breaker.admit(), breaker.admit()] == [True, False]


def test_a_cancelled_call_does_not_shorten_the_cooldown_or_count_as_a_success(clock):
    breaker = opened(clock)
    breaker.release()
    assert not breaker.admit()
    closed = Breaker(clock=clock)
    for outcome in (closed.fail, closed.fail, closed.release, closed.fail):
        outcome()
    assert closed.open


def test_exactly_one_of_fifty_threads_is_the_probe():
    class Slow(float):
        """A time that lets another thread in between its comparison and what follows from it."""

        def __lt__(self, other: float) -> bool:
            before = float(self) < other
            time.sleep(0.0005)
            return before

    clock = Clock()
    breaker = opened(clock)
    clock.now = Slow(clock.now + 30)
    together = threading.Barrier(50)

    def ask(_: int) -> bool:
        together.wait(5)
        return breaker.admit()

    with ThreadPoolExecutor(50) as threads:
        assert sum(threads.map(ask, range(50))) == 1


def test_a_copy_of_a_model_shares_the_breaker(clock):
    breaker = opened(clock)
    assert copy.deepcopy({"small": breaker})["small"] is breaker


@pytest.mark.parametrize(
    "wrong", [{"failures": 0}, {"failures": -1}, {"cooldown": -0.1}, {"cooldown": float("nan")}], ids=str
)
def test_numbers_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Breaker(**wrong)


class BreakerIsItsDescription(RuleBasedStateMachine):
    """The breaker against the sentences of its docstring, whatever happens in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(failures=2, cooldown=10, clock=self.clock)
        self.in_a_row = 0
        self.quiet_until: float | None = None  # None: closed
        self.probing = False

    @rule(seconds=st.integers(1, 15))
    def time_passes(self, seconds: int) -> None:
        self.clock.tick(seconds)

    @rule()
    def ask(self) -> None:
        expected = self.quiet_until is None or self.clock.now >= self.quiet_until
        assert self.breaker.admit() is expected
        if expected and self.quiet_until is not None:
            self.quiet_until, self.probing = self.clock.now + 10, True

    @rule()
    def succeed(self) -> None:
        self.breaker.succeed()
        self.in_a_row, self.quiet_until, self.probing = 0, None, False

    @rule()
    def fail(self) -> None:
        self.breaker.fail()
        self.in_a_row += 1
        if self.in_a_row >= 2:
            self.quiet_until, self.probing = self.clock.now + 10, False

    @rule()
    def release(self) -> None:
        self.breaker.release()
        if self.probing:
            self.quiet_until, self.probing = self.clock.now, False

    @invariant()
    def is_open_if_and_only_if_failures_say_so(self) -> None:
        assert self.breaker.open is (self.quiet_until is not None)
        assert not self.breaker.open or self.in_a_row >= 2


BreakerIsItsDescription.TestCase.settings = settings(max_examples=25, stateful_step_count=20)
TestBreakerIsItsDescription = BreakerIsItsDescription.TestCase
