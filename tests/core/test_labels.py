from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import LabelError
from hybrid_llm.labels import det_labels, grid_t, make_labels, optimal_t, prob_labels, t_objective, trans_labels

Rows = list[list[float]]

# Multiples of 1/64 are exact in binary, and so are their sums and differences: every comparison below is exact.
scores = st.integers(-64, 64).map(lambda k: k / 64)
samples = st.lists(scores, min_size=1, max_size=4)
tables = st.lists(st.tuples(samples, samples), min_size=1, max_size=7).map(
    lambda rows: ([small for small, _ in rows], [large for _, large in rows])
)
binary = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=20).map(
    lambda rows: ([[small] for small, _ in rows], [[large] for _, large in rows])
)
ts = st.integers(0, 128).map(lambda k: k / 64)


def brute_label(small: Sequence[float], large: Sequence[float], t: float) -> Fraction:
    """Count the cross pairs one by one."""
    return Fraction(sum(s - g >= -t for s in small for g in large), len(small) * len(large))


def brute_objective(small: Rows, large: Rows, t: float) -> Fraction:
    """Add up |y_i - y_j| over all i and j."""
    labels = [brute_label(s, g, t) for s, g in zip(small, large, strict=True)]
    return sum((abs(a - b) for a in labels for b in labels), Fraction(0)) / len(labels) ** 2


def brute_t(small: Rows, large: Rows) -> float:
    gaps = {g - s for row, other in zip(small, large, strict=True) for s in row for g in other}
    candidates = sorted({0.0} | {gap for gap in gaps if gap > 0})
    return max(candidates, key=lambda t: (brute_objective(small, large, t), -t))


@given(tables, ts)
def test_labels_agree_with_a_double_loop(table: tuple[Rows, Rows], t: float) -> None:
    small, large = table
    rows = list(zip(small, large, strict=True))
    assert prob_labels(small, large).tolist() == [float(brute_label(s, g, 0.0)) for s, g in rows]
    assert trans_labels(small, large, t).tolist() == [float(brute_label(s, g, t)) for s, g in rows]
    assert det_labels(small, large).tolist() == [float(s[0] >= g[0]) for s, g in rows]
    assert t_objective(small, large, t) == pytest.approx(float(brute_objective(small, large, t)), abs=1e-12)


@given(tables)
def test_optimal_t_is_the_smallest_of_all_maximisers(table: tuple[Rows, Rows]) -> None:
    assert optimal_t(*table) == brute_t(*table)


@given(tables, st.integers(2, 200))
def test_optimal_t_is_at_least_as_good_as_any_grid(table: tuple[Rows, Rows], points: int) -> None:
    best = brute_objective(*table, optimal_t(*table))
    assert best >= brute_objective(*table, grid_t(*table, points))


def test_optimal_t_beats_a_coarse_grid_where_a_narrow_range_of_t_is_best() -> None:
    small = [[0.0]] * 10
    large = [[0.50]] * 5 + [[0.51]] * 5
    assert optimal_t(small, large) == 0.5
    assert t_objective(small, large, 0.5) == 0.5
    assert t_objective(small, large, grid_t(small, large, 50)) == 0.0


@given(tables, ts, ts)
def test_labels_grow_with_t(table: tuple[Rows, Rows], a: float, b: float) -> None:
    assert (trans_labels(*table, min(a, b)) <= trans_labels(*table, max(a, b))).all()


@given(tables, ts, st.integers(-640, 640).map(lambda k: k / 64))
def test_shifting_all_scores_changes_nothing(table: tuple[Rows, Rows], t: float, shift: float) -> None:
    small, large = table
    moved = [[q + shift for q in row] for row in small], [[q + shift for q in row] for row in large]
    assert (trans_labels(*moved, t) == trans_labels(small, large, t)).all()
    assert (det_labels(*moved) == det_labels(small, large)).all()
    assert optimal_t(*moved) == optimal_t(small, large)


@given(tables, ts, st.sampled_from([0.25, 0.5, 2.0, 3.0, 8.0]))
def test_scaling_scores_and_t_together_changes_nothing(table: tuple[Rows, Rows], t: float, scale: float) -> None:
    small, large = table
    scaled = [[q * scale for q in row] for row in small], [[q * scale for q in row] for row in large]
    assert (trans_labels(*scaled, t * scale) == trans_labels(small, large, t)).all()
    assert optimal_t(*scaled) == optimal_t(small, large) * scale


@given(tables, st.randoms())
def test_the_order_of_rows_and_samples_does_not_matter(table: tuple[Rows, Rows], random: object) -> None:
    small, large = table
    order = list(range(len(small)))
    random.shuffle(order)  # type: ignore[attr-defined]
    mixed = [small[i][::-1] for i in order], [large[i][::-1] for i in order]
    assert optimal_t(*mixed) == optimal_t(small, large)
    assert prob_labels(*mixed).tolist() == prob_labels(small, large)[order].tolist()


@given(binary)
def test_three_labels_coincide_for_one_response_of_0_or_1(table: tuple[Rows, Rows]) -> None:
    # The only positive gap is 1, and t = 1 makes every label 1 and the objective 0: t* is 0 and all three are equal.
    assert optimal_t(*table) == 0.0
    det = det_labels(*table)
    assert (prob_labels(*table) == det).all()
    assert (trans_labels(*table, 0.999) == det).all()
    assert (make_labels("trans", *table)[0] == det).all()


def test_gaps_of_rounding_size_count_as_equal() -> None:
    small, large = [[0.1 + 0.2, 0.6]], [[0.3, 0.9]]
    assert 0.1 + 0.2 != 0.3
    assert 0.9 - 0.6 != 0.3
    assert det_labels([[0.3]], [[0.1 + 0.2]]).tolist() == [1.0]
    assert prob_labels(small, large).tolist() == [0.5]
    assert trans_labels(small, large, 0.3).tolist() == [0.75]
    assert prob_labels([[0.0]], [[2e-9]]).tolist() == [0.0]
    # All gaps are 0.3 or, by rounding, next to it: no t tells the rows apart.
    assert optimal_t([[0.6], [0.0], [0.5]], [[0.9], [0.3], [0.8]]) == 0.0


def test_optimal_t_is_exact_where_64_bits_would_overflow() -> None:
    rng = np.random.default_rng(5)
    counts = [13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61]  # their least common multiple needs 67 bits
    small = [(rng.integers(-64, 65, m) / 64).tolist() for m in counts]
    large = [(rng.integers(0, 129, 1) / 64).tolist() for _ in counts]
    assert optimal_t(small, large) == brute_t(small, large) > 0


def test_lists_arrays_and_matrices_give_the_same_labels() -> None:
    small, large = np.array([[0.2, 0.9], [0.5, 0.4]]), np.array([[0.5, 0.5], [0.4, 1.0]])
    for form in (small, list(small), small.tolist()):
        assert prob_labels(form, large).tolist() == [0.5, 0.5]
    assert prob_labels([[True], [False]], [[1], [1]]).tolist() == [1.0, 0.0]


def test_scores_of_any_range_are_labelled() -> None:
    assert prob_labels([[-3.0], [250.0]], [[-2.5], [7]]).tolist() == [0.0, 1.0]
    assert optimal_t([[-4.0], [-4.0]], [[-3.0], [-1.0]]) == 1.0


def test_optimal_t_is_zero_when_small_is_never_worse() -> None:
    assert optimal_t([[1.0], [0.5]], [[0.5], [0.5]]) == 0.0


def test_make_labels_says_which_t_it_used() -> None:
    small, large = [[0.1, 0.2], [0.5, 0.6]], [[0.9], [0.9]]
    assert make_labels("det", small, large)[1] == 0.0
    assert make_labels("prob", small, large, t=0.0)[1] == 0.0
    labels, t = make_labels("trans", small, large)
    assert (labels.tolist(), t) == ([0.0, 1.0], optimal_t(small, large))
    labels, t = make_labels("trans", small, large, t=0.75)
    assert (labels.tolist(), t) == ([0.5, 1.0], 0.75)


@pytest.mark.parametrize(
    ("small", "large", "message"),
    [
        ([[1.0]], [[1.0], [1.0]], "small has 1 rows and large 2"),
        ([], [], "no rows to label"),
        ([[1.0], []], [[1.0], [1.0]], "small, row 1: no score"),
        ([[1.0], [1.0]], [[1.0], [0.5, float("nan")]], "large, row 1: nan is not a score"),
        ([[1.0, 0.0], [float("inf")]], [[1.0], [1.0]], "small, row 1: inf is not a score"),
        ([[1.0], ["0.5"]], [[1.0], [1.0]], "small, row 1: .* is not a sequence of numbers"),
        ([[1.0], [None]], [[1.0], [1.0]], "small, row 1: .* is not a sequence of numbers"),
        ([0.5, 1.0], [[1.0], [1.0]], "small, row 0: 0.5 is not a sequence of numbers"),
        ([[[1.0], [0.5, 0.5]]], [[1.0]], "small, row 0: .* is not a sequence of numbers"),
    ],
)
def test_scores_that_cannot_be_labelled_are_named(small: Rows, large: Rows, message: str) -> None:
    for labels in (det_labels, prob_labels, optimal_t):
        with pytest.raises(LabelError, match=message):
            labels(small, large)


@pytest.mark.parametrize("t", [-0.1, float("nan"), float("inf")])
def test_t_below_zero_or_not_finite_is_refused(t: float) -> None:
    with pytest.raises(LabelError, match=r"t=.* is out of range"):
        trans_labels([[1.0]], [[1.0]], t)


def test_unknown_label_and_misplaced_t_are_refused() -> None:
    with pytest.raises(LabelError, match="no label 'soft'; use one of det, prob, trans"):
        make_labels("soft", [[1.0]], [[1.0]])  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="'prob' has no t"):
        make_labels("prob", [[1.0]], [[1.0]], t=0.1)
