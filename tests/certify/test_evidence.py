from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.certify import Evidence
from hybrid_llm.certify.betting import log_wealth, mixed
from hybrid_llm.errors import CertificateError

SHARES = st.floats(0.0, 1.0)
ROWS = st.lists(st.tuples(SHARES, SHARES, st.floats(0.01, 1.0), st.integers(0, 6)), min_size=1, max_size=30)


def directly(rows, groups, max_drop: float, threshold: float) -> np.ndarray:
    """Compute z of each distinct query the way the definition reads."""
    z: dict[int, list[float]] = {}
    for (score, small, large, _), group in zip(rows, groups, strict=True):
        lost = large - small if score >= threshold else 0.0
        z.setdefault(group, []).append(lost - max_drop * large)
    return np.array([np.mean(values) for values in z.values()])


@given(ROWS, st.floats(0.001, 0.5), st.booleans())
def test_wealth_at_every_threshold_is_that_of_the_definition(rows, max_drop, grouped):
    scores, small, large, labels = (list(column) for column in zip(*rows, strict=True))
    groups = labels if grouped else list(range(len(rows)))
    thresholds = [0.0, 0.25, 0.5, 1.0, 2.0, *scores[:5]]
    evidence = Evidence.gather(scores, small, large, thresholds, groups=labels if grouped else None)
    expected = [log_wealth(directly(rows, groups, max_drop, t)) for t in evidence.thresholds]
    assert mixed(evidence.log_wealth(max_drop)) == pytest.approx(expected, abs=1e-9)
    means = [directly(rows, groups, 0.0, t).mean() for t in evidence.thresholds]
    assert evidence.drop_points == pytest.approx(means, abs=1e-9)


def test_rows_of_one_group_with_different_scores_enter_as_the_mean_of_what_is_routed():
    evidence = Evidence.gather([0.9, 0.1, 0.5], [0, 0, 1], [1, 1, 1], [1.0, 0.8, 0.4, 0.0], groups=["a", "a", "b"])
    assert evidence.n == 2
    assert evidence.cost_advantage.tolist() == [0.0, 0.25, 0.75, 1.0]
    assert evidence.drop_points.tolist() == [0.0, 0.25, 0.25, 0.5]


@given(ROWS, st.floats(0.001, 0.4), st.floats(1.01, 2.0))
def test_wealth_never_falls_when_the_limit_is_loosened(rows, max_drop, more):
    scores, small, large, groups = zip(*rows, strict=True)
    evidence = Evidence.gather(scores, small, large, groups=groups)
    assert (evidence.log_wealth(max_drop * more) >= evidence.log_wealth(max_drop) - 1e-9).all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0.5, np.nan], [1, 1], [1, 1]), "scores must lie in .* row 1 has nan"),
        (([0.5, 0.5], [1, np.nan], [1, 1]), "q_small must lie in .* row 1 has nan"),
        (([0.5, 0.5], [1, 1], [np.inf, 1]), "q_large must lie in .* row 0 has inf"),
        (([0.5, 0.5], [1, 1], [1, 7]), "q_large must lie in .* Rescale"),
        (([0.5, 0.5], [1, -0.1], [1, 1]), "q_small must lie in"),
        (([0.5, 1.5], [1, 1], [1, 1]), "scores must lie in"),
        (([0.5, 0.5], [1], [1, 1]), "one value per row; got 2, 1, 2"),
        (([], [], []), "n >= 1"),
        (([[0.5]], [1], [1]), "shape"),
        ((["a"], [1], [1]), "scores must be numbers"),
        (([0.5, 0.5], [0, 0], [0, 0]), "large model scores 0 on every row"),
    ],
)
def test_rows_that_cannot_be_tested_are_refused_with_the_place(columns, message):
    with pytest.raises(CertificateError, match=message):
        Evidence.gather(*columns)


@pytest.mark.parametrize("thresholds", [[], [np.nan], [-0.1], [2.1], [[0.5]], ["a"]])
def test_thresholds_outside_the_scale_are_refused(thresholds):
    with pytest.raises(CertificateError, match="thresholds must be numbers"):
        Evidence.gather([0.5], [1], [1], thresholds)


@pytest.mark.parametrize(("groups", "message"), [(["a"], "one value per row"), (["a", 1], "labels of one kind")])
def test_groups_that_do_not_fit_are_refused(groups, message):
    with pytest.raises(CertificateError, match=message):
        Evidence.gather([0.5, 0.6], [1, 1], [1, 1], groups=groups)
