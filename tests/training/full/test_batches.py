"""Batches: each row once, little padding, the same order for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.training.full.batches import length_grouped, padded, steps_of, steps_per_epoch


@given(st.lists(st.integers(1, 200), min_size=1, max_size=300), st.integers(1, 40), st.integers(0, 5))
def test_each_row_is_in_one_batch_and_no_batch_is_too_large(lengths, size, seed):
    batches = length_grouped(lengths, size, [seed])
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)
    assert sum(len(batch) < size for batch in batches) <= 1
    assert max(lengths) == max(lengths[i] for i in batches[0])


def test_a_batch_holds_rows_of_like_length():
    lengths = np.random.default_rng(0).geometric(0.02, size=2000)

    def tokens(batches):
        return sum(lengths[batch].max() * len(batch) for batch in batches)

    plain = np.array_split(np.random.default_rng(1).permutation(2000), 250)
    assert tokens(length_grouped(lengths.tolist(), 8, [0])) < 1.1 * lengths.sum()
    assert tokens(plain) > 2 * lengths.sum()


def test_the_order_depends_on_seed_and_epoch_alone():
    lengths = list(range(1, 101))

    def order(*seed):
        return [batch.tolist() for batch in length_grouped(lengths, 8, seed)]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_long_and_short_batches_alternate_at_random():
    batches = length_grouped(list(range(1, 401)), 8, [0])
    first = [int(batch.max()) for batch in batches]
    assert first != sorted(first)
    assert first != sorted(first, reverse=True)


def test_a_step_gathers_batches_and_the_last_may_have_fewer():
    batches = length_grouped([1] * 50, 8, [0])
    assert [len(step) for step in steps_of(batches, 3)] == [3, 3, 1]


@given(st.integers(1, 3000), st.integers(1, 40), st.integers(1, 20))
def test_steps_are_counted_without_making_them(rows, size, each):
    assert steps_per_epoch(rows, size, each) == len(steps_of(length_grouped([1] * rows, size, [0]), each))


@pytest.mark.parametrize(("multiple", "width"), [(1, 3), (8, 8)])
def test_padding_is_marked_in_the_mask(multiple, width):
    ids, mask = padded([[5, 6, 7], [5]], 9, multiple)
    assert ids.shape == mask.shape == (2, width)
    assert ids[1].tolist() == [5] + [9] * (width - 1)
    assert mask.sum(axis=1).tolist() == [3, 1]
