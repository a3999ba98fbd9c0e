"""The rungs: each keeps all that the one above keeps, so that a path is one number per answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.level import Level
from hybrid_llm.look import Ladder, PathCalibration
from hybrid_llm.look.ladder import SPARED

falling = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(lambda v: tuple(sorted(v, reverse=True)))


def rows(n: int = 400, seed: int = 0) -> tuple[np.ndarray, ...]:
    draw = np.random.default_rng(seed)
    p, s = draw.random(n), draw.random(n)
    small = (draw.random(n) < (p + 3 * s) / 4).astype(float)
    return p, s, small, np.ones(n)


@given(falling, st.data())
def test_an_answer_is_kept_at_its_height_and_at_every_lower_rung(thresholds: tuple[float, ...], data) -> None:
    size = len(thresholds)
    gates = tuple(sorted(data.draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)), reverse=True))
    p, s = (np.array(data.draw(st.lists(st.floats(0, 1), min_size=8, max_size=8))) for _ in range(2))
    ladder = Ladder(gates, thresholds)
    heights = ladder.height_of(p, s)
    for rung, height in enumerate(ladder.heights):
        assert ((heights >= height) == ((p >= gates[rung]) & (s >= thresholds[rung]))).all()
        assert ladder.rung(height) == rung


def test_above_all_rungs_is_always_large() -> None:
    assert Ladder((0.5,), (0.5,)).rung(2.0) is None


@pytest.mark.parametrize(
    "columns", [((), ()), ((0.1, 0.2), (0.5, 0.4)), ((0.5,), (0.5, 0.4)), ((0.5,), (float("nan"),))]
)
def test_rungs_that_do_not_fall_are_refused(columns: tuple) -> None:
    with pytest.raises(DamagedFolderError):
        Ladder(*columns)


def test_a_gate_spares_calls_and_never_lowers_the_bar_for_an_answer() -> None:
    draw = np.random.default_rng(0)
    p = draw.random(4000)
    s = (p + draw.random(4000)) / 2  # a look that reads the query's score too
    gated, free = (Ladder.fit(p, s, gate=gate) for gate in (True, False))
    assert gated.thresholds == free.thresholds
    for rung in (20, 60, 100):
        reaches = s >= gated.thresholds[rung]
        passes = p >= gated.gates[rung]
        assert 0.94 < passes[reaches].mean() <= 1.0
    rung = 20
    assert (p >= gated.gates[rung]).mean() < 0.6


def test_every_answer_is_kept_somewhere_or_never() -> None:
    p, s, small, large = rows()
    ladder = Ladder.fit(p, s)
    found = PathCalibration.of(ladder, p, s, np.ones(len(p)) > 0, np.ones(len(p)), small, large)
    shares = [cut.cost_advantage for cut in found.cuts]
    assert shares == sorted(shares)
    assert 1.0 - SPARED - 0.01 < shares[-1] <= 1.0
    assert all(cut.cost_advantage + cut.both_run <= 1 + 1e-9 for cut in found.cuts)


def test_an_answer_that_a_check_rejects_is_looked_at_and_never_kept() -> None:
    p, s, small, large = rows()
    ladder = Ladder.fit(p, s, gate=False)
    usable = np.arange(len(p)) % 2 == 0
    last = PathCalibration.of(ladder, p, s, usable, np.ones(len(p)), small, large).cuts[-1]
    assert (last.cost_advantage, last.both_run) == (0.5, 0.5)


def test_several_answers_of_a_query_share_its_weight() -> None:
    ladder = Ladder((0.0,), (0.5,))
    s, weights = np.array([0.9, 0.1, 0.9]), np.array([0.5, 0.5, 1.0])
    small, large = np.array([1.0, 0.0, 0.0]), np.ones(3)
    cut = PathCalibration.of(ladder, None, s, np.ones(3) > 0, weights, small, large).cuts[0]
    assert (cut.cost_advantage, cut.both_run, cut.drop) == (0.75, 0.25, 0.5)


def test_what_nobody_graded_has_shares_and_no_quality() -> None:
    s = np.linspace(0, 1, 101)
    found = PathCalibration.of(Ladder.level(s), None, s, np.ones(101) > 0, np.ones(101))
    assert found.cut(Level("cost_advantage", 0.25)).cost_advantage == pytest.approx(0.25, abs=0.01)
    assert found.cut(Level("quality", 0.9)).cost_advantage == 0.0
