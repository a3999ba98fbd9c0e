from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.certify.betting import LARGEST_BET, bets, log_wealth, log_wealth_along, mixed

DRAWS = st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=40)


def test_bets_are_known_before_the_sample_and_shrink_with_its_size():
    assert (bets(100) >= bets(10_000)).all()
    assert bets(1).max() <= LARGEST_BET < 1


@given(st.integers(1, 30), st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_expected_wealth_is_exactly_one_when_the_mean_is_zero(n: int, loss: float, gain: float):
    # z is +loss or -gain with a mean of zero; the sum over all samples of size n is the expectation itself
    p = gain / (loss + gain)
    wealth = [math.exp(log_wealth([loss] * k + [-gain] * (n - k))) for k in range(n + 1)]
    expectation = sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) * w for k, w in enumerate(wealth))
    assert expectation == pytest.approx(1.0, rel=1e-9)


@given(st.integers(1, 30), st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.floats(1.01, 1.5))
def test_expected_wealth_is_below_one_when_the_mean_is_above_zero(n: int, loss: float, gain: float, more: float):
    p = min(1.0, more * gain / (loss + gain))
    wealth = [math.exp(log_wealth([loss] * k + [-gain] * (n - k))) for k in range(n + 1)]
    assert sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) * w for k, w in enumerate(wealth)) < 1.0


@given(DRAWS, st.randoms())
def test_the_order_of_the_draws_does_not_matter(draws, random):
    shuffled = list(draws)
    random.shuffle(shuffled)
    assert log_wealth(shuffled) == pytest.approx(log_wealth(draws), abs=1e-9)


@given(DRAWS)
def test_wealth_is_the_mean_of_plain_products(draws):
    products = []
    for bet in bets(len(draws)):
        product = 1.0
        for z in draws:
            product *= 1.0 - bet * z
        products.append(product)
    assert math.exp(log_wealth(draws)) == pytest.approx(np.mean(products), rel=1e-9)


@given(st.data())
def test_one_pass_over_the_changes_equals_the_sample_after_each_of_them(data):
    start = np.array(data.draw(DRAWS))
    entries = data.draw(st.lists(st.integers(0, start.size - 1), max_size=20))
    values = data.draw(st.lists(st.floats(-1.0, 1.0), min_size=len(entries), max_size=len(entries)))
    samples, before = [start], []
    for entry, value in zip(entries, values, strict=True):
        sample = samples[-1].copy()
        before.append(sample[entry])
        sample[entry] = value
        samples.append(sample)
    made = np.arange(len(samples))
    path = mixed(log_wealth_along(start, np.array(before), np.array(values), made, bets(start.size)))
    assert path == pytest.approx([log_wealth(sample) for sample in samples], abs=1e-9)


@pytest.mark.slow
def test_wealth_of_many_draws_does_not_overflow():
    assert log_wealth(np.full(1_000_000, -1.0)) > 1e3
    assert log_wealth(np.full(1_000_000, 1.0)) < -1e3
