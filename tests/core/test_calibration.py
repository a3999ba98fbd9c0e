"""From a level to a threshold: the paper's empirical rule."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.calibration import MAX_CUTS, Calibration, calibrate
from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.level import ALWAYS_LARGE, Level

grid = st.integers(0, 8).map(lambda k: k / 8)
rows = st.lists(st.tuples(grid, grid, grid), min_size=1, max_size=40)


def realised(scores, small, large, threshold):
    routed = np.asarray(scores) >= threshold
    mixed = np.where(routed, small, large).mean()
    return routed.mean(), np.mean(large) - mixed


@given(rows, st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_quality_takes_the_largest_cost_advantage_whose_measured_drop_is_within_the_limit(table, quality):
    scores, small, large = (np.array(c) for c in zip(*table, strict=True))
    cut = calibrate(scores, small, large).cut(Level("quality", quality))
    share, points = realised(scores, small, large, cut.threshold)
    assert share == pytest.approx(cut.cost_advantage)
    assert points == pytest.approx(cut.drop_points)
    assert points <= (1 - quality) * large.mean() + 1e-9
    for other in [*np.unique(scores), ALWAYS_LARGE]:
        other_share, other_points = realised(scores, small, large, other)
        if other_points <= (1 - quality) * large.mean() - 1e-9:
            assert other_share <= share + 1e-9


@given(rows, grid)
def test_cost_advantage_takes_the_largest_cut_not_above_what_was_asked(table, asked):
    scores, small, large = (np.array(c) for c in zip(*table, strict=True))
    cut = calibrate(scores, small, large).cut(Level("cost_advantage", asked))
    share, _ = realised(scores, small, large, cut.threshold)
    assert share == pytest.approx(cut.cost_advantage)
    assert share <= asked + 1e-9
    assert all(np.mean(scores >= s) <= share + 1e-9 or np.mean(scores >= s) > asked for s in scores)


def test_nothing_within_the_limit_means_always_large():
    cut = calibrate([0.9, 0.5], [0.0, 0.0], [1.0, 1.0]).cut(Level("quality", 0.99))
    assert cut.threshold == ALWAYS_LARGE
    assert cut.cost_advantage == 0.0


def test_a_level_that_is_looser_never_saves_less():
    rng = np.random.default_rng(1)
    calibration = calibrate(rng.random(300), rng.random(300), rng.random(300) + 0.3)
    shares = [calibration.cut(Level("quality", q)).cost_advantage for q in (1.0, 0.99, 0.95, 0.9, 0.5, 0.01)]
    assert shares == sorted(shares)


def test_json_and_back_is_the_same():
    calibration = calibrate([0.9, 0.5, 0.2], [1, 0, 1], [1, 1, 1], small="a", large="b", data_hash="x", note="n")
    assert Calibration.from_dict(json.loads(json.dumps(calibration.as_dict()))) == calibration


@pytest.mark.parametrize(("small", "n"), [(0.0, 100), (0.0, 102), (1.0, 101), (1.0, 105)])
def test_a_mean_that_rounding_moves_beyond_0_or_1_is_read_again(small, n):
    measured = calibrate(np.arange(n), np.full(n, small), np.random.default_rng(n).random(n))
    assert measured.small_quality != small
    assert Calibration.from_dict(measured.as_dict()) == measured


def test_many_rows_are_thinned_and_the_ends_are_kept():
    rng = np.random.default_rng(2)
    calibration = calibrate(rng.random(5000), rng.random(5000), rng.random(5000))
    assert len(calibration.cuts) == MAX_CUTS
    assert calibration.cuts[0].cost_advantage == 0.0
    assert calibration.cuts[-1].cost_advantage == 1.0


@pytest.mark.parametrize("damage", [{"frontier": []}, {"frontier": None}, {"cuts": [{"threshold": 1}]}, {"extra": 1}])
def test_a_damaged_calibration_says_so(damage):
    data = calibrate([0.9, 0.5], [1, 0], [1, 1]).as_dict() | damage
    with pytest.raises(DamagedFolderError, match=r"calibration\.json"):
        Calibration.from_dict(data)


def test_large_quality_of_zero_is_no_crash():
    assert calibrate([0.9, 0.1], [0, 0], [0, 0]).cut(Level("quality", 0.99)).cost_advantage == 1.0
