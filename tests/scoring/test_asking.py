"""What is asked of a scorer of your own, and what more of one that training made."""

from __future__ import annotations

import numpy as np
import pytest

from hybrid_llm import Router
from hybrid_llm.scoring import Scorer, Scoring, TrainedScorer
from hybrid_llm.testing import FixedScorer


def test_a_trained_router_has_a_trained_scorer(trained: Router) -> None:
    assert isinstance(trained.scorer, TrainedScorer)
    assert isinstance(trained.scorer, Scorer)


def test_a_scorer_of_your_own_is_asked_for_scores_alone(scorer: FixedScorer) -> None:
    assert not isinstance(scorer, TrainedScorer)
    scores, truncated, familiar = Scoring(scorer).score(["easy", "hard"])
    assert (scores.tolist(), truncated.tolist()) == ([0.9, 0.1], [False, False])
    assert np.isnan(familiar).all()
    assert np.isnan(Scoring(scorer).familiarity(["easy"])).all()
    assert scorer.calls == [["easy", "hard"]]


def test_a_trained_scorer_says_what_it_could_not_read_whole(trained: Router) -> None:
    assert Scoring(trained.scorer).score(["short", "word " * 5000])[1].tolist() == [False, True]


def test_nobody_watching_means_one_pass(scorer: FixedScorer) -> None:
    Scoring(scorer).score(["easy"] * 300)
    assert [len(call) for call in scorer.calls] == [300]


def test_whoever_watches_is_told_before_each_step(scorer: FixedScorer) -> None:
    told: list[tuple[str, int, int]] = []
    scores, *_ = Scoring(scorer, lambda *step: told.append(step)).score(["easy"] * 299 + ["hard"])
    assert told == [("Scoring queries", start, 300) for start in (0, 128, 256)]
    assert [len(call) for call in scorer.calls] == [128, 128, 44]
    assert np.array_equal(scores, [0.9] * 299 + [0.1])


def test_a_watched_router_decides_alike(router: Router) -> None:
    told: list[tuple[str, int, int]] = []
    watched = router.watched(lambda *step: told.append(step))
    assert watched.decide_many(["easy", "hard"], cost_advantage=0.5) == router.decide_many(
        ["easy", "hard"], cost_advantage=0.5
    )
    assert told == [("Scoring queries", 0, 2)]


@pytest.mark.parametrize("texts", [[], ()])
def test_nothing_to_score_is_no_step(scorer: FixedScorer, texts: list[str]) -> None:
    told: list[tuple[str, int, int]] = []
    found = Scoring(scorer, lambda *step: told.append(step)).score(texts)
    assert ([part.shape for part in found], told) == ([(0,), (0,), (0,)], [])
