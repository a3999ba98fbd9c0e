"""The budget: an estimate before anything is sent, and a stop that counts what is in flight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.collect import Budget, StoredPrompt, plans, too_long
from hybrid_llm.errors import ConfigError
from hybrid_llm.prices import Prices
from tests.collect.conftest import setup_with

PRICES = Prices.read(["big=2:10"])


def stored(*texts: str) -> list[StoredPrompt]:
    return [StoredPrompt(str(n), text, ({"role": "user", "content": text},)) for n, text in enumerate(texts)]


def planned(*texts: str, answered=frozenset(), usual=None, **settings):
    return plans(setup_with(**settings), stored(*texts), set(answered), PRICES, usual or {})


def test_the_estimate_counts_what_is_missing_of_each_model() -> None:
    small, large = planned("a" * 400, "b" * 400, answered={("0", "tiny", 0), ("0", "big", 0), ("1", "tiny", 0)})
    assert (len(small.todo), len(large.todo)) == (0, 1)
    assert 100 <= large.input_tokens <= 110
    assert large.usd == pytest.approx((large.input_tokens * 2 + 250 * 10) / 1e6)


def test_answers_so_far_make_the_estimate_better() -> None:
    assert planned("x", usual={"big": 40})[1].usual == 40
    assert planned("x", max_tokens=16)[1].usual == 16


def test_what_a_call_costs_at_most_covers_an_estimate_that_is_half_of_the_truth() -> None:
    large = planned("a" * 400, max_tokens=100)[1]
    assert large.most_of(large.todo[0][0]) >= (2 * 100 * 2 + 100 * 10) / 1e6


def test_a_local_model_costs_nothing() -> None:
    assert planned("a")[0].most_usd == 0.0


def test_prompts_that_a_model_would_cut_are_counted() -> None:
    plan = planned("a" * 400, "b")[0]
    assert (too_long(plan, 50), too_long(plan, 500), too_long(plan, None)) == (1, 0, 0)


@pytest.mark.parametrize(("limit", "spent"), [(0.0, 0.0), (0.001, 0.0), (1.0, 0.999)])
def test_a_budget_that_buys_nothing_is_told_before_anything_is_asked(limit: float, spent: float) -> None:
    with pytest.raises(ConfigError, match=r"buys nothing: the next call may cost \$0.01. Give a larger --budget"):
        Budget(limit, spent).check(planned("a"))


@pytest.mark.parametrize("limit", [None, 1.0])
def test_a_budget_that_buys_something_is_fine(limit: float | None) -> None:
    Budget(limit).check(planned("a"))


def test_free_models_need_no_budget() -> None:
    Budget(0.0).check(planned("a")[:1])


@pytest.mark.parametrize("limit", [-1.0, float("nan"), float("inf")])
def test_a_budget_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ConfigError, match="--budget"):
        Budget(limit)


calls = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=30)


@given(st.floats(0, 5), calls, st.integers(1, 8))
def test_however_calls_overlap_no_more_than_the_budget_is_spent(limit: float, given_calls, parallel: int) -> None:
    budget, flying = Budget(limit), []
    for most, share in given_calls:
        if budget.hold(most):
            flying.append((most, share * most))
        while len(flying) >= parallel:
            budget.settle(*flying.pop(0))
        assert budget.spent + budget.held <= limit + 1e-9 or not most
    for call in flying:
        budget.settle(*call)
    assert budget.spent <= limit + 1e-9
    assert (budget.in_flight, budget.held) == (0, 0.0)
