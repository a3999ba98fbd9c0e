"""The public fakes do what they promise to other people's tests."""

import numpy as np
import pytest

from hybrid_llm import Scorer
from hybrid_llm.testing import FailingScorer, FixedScorer


def test_a_fixed_scorer_scores_as_told_and_remembers_each_pass():
    scorer = FixedScorer({"a": 0.9}, default=0.1)
    assert scorer.score(["a", "b"]).tolist() == [0.9, 0.1]
    assert scorer.score([]).shape == (0,)
    assert scorer.calls == [["a", "b"], []]


def test_one_number_is_the_score_of_everything():
    assert FixedScorer(0.3).score(["a", "b"]).tolist() == [0.3, 0.3]
    assert FixedScorer(0.3).score(["a"]).dtype == np.float64


def test_a_failing_scorer_fails_as_told():
    with pytest.raises(TimeoutError):
        FailingScorer(TimeoutError()).score(["a"])


def test_both_are_scorers():
    assert isinstance(FixedScorer(), Scorer)
    assert isinstance(FailingScorer(), Scorer)
