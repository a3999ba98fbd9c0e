from __future__ import annotations

import numpy as np
import pytest

from benchmarks.paper_figures.simulate import LARGE, SMALL, Gap, simulate_table
from hybrid_llm.labels import optimal_t, prob_labels, t_objective
from hybrid_llm.table import QualityTable, normal_text

pytestmark = pytest.mark.slow  # a study each


def test_the_same_seed_gives_the_same_table_and_another_seed_another() -> None:
    rows, truth = simulate_table(50, "small", seed=3)
    again, truth_again = simulate_table(50, "small", seed=3)
    other, _ = simulate_table(50, "small", seed=4)
    assert rows == again
    assert (truth == truth_again).all()
    assert rows != other


@pytest.mark.parametrize("gap", ["small", "medium", "large"])
def test_labels_from_samples_approach_the_known_truth(gap: Gap) -> None:
    rows, truth = simulate_table(300, gap, samples=60)
    pair = QualityTable.from_rows(rows).pair(SMALL, LARGE)
    assert np.abs(prob_labels(pair.q_small, pair.q_large) - truth).mean() < 0.03


def test_gaps_are_those_of_the_paper() -> None:
    truth = {gap: simulate_table(3000, gap, samples=1)[1] for gap in ("small", "medium", "large")}
    assert truth["small"].mean() == pytest.approx(0.45, abs=0.05)
    assert truth["medium"].mean() == pytest.approx(0.20, abs=0.04)
    assert (truth["large"] < 0.05).mean() == pytest.approx(0.90, abs=0.04)


def test_relaxed_labels_differ_most_where_the_gap_is_large() -> None:
    rows, _ = simulate_table(1000, "large")
    pair = QualityTable.from_rows(rows).pair(SMALL, LARGE)
    t = optimal_t(pair.q_small, pair.q_large)
    assert t_objective(pair.q_small, pair.q_large, t) > 3 * t_objective(pair.q_small, pair.q_large, 0.0)


def test_texts_are_different_and_the_table_has_three_splits() -> None:
    rows, _ = simulate_table(6000, "medium", samples=1)
    assert len({normal_text(row["query"]) for row in rows}) == 6000
    assert QualityTable.from_rows(rows).splits == ("test", "train", "validation")


def test_more_queries_than_texts_is_an_error() -> None:
    with pytest.raises(ValueError, match="different texts can be made"):
        simulate_table(10**6)
