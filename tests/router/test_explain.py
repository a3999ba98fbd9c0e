"""Why a query goes where it goes: true to the router, and in numbers that can be checked."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid_llm import HybridLLMWarning, Router
from hybrid_llm.scoring import MEANING, feature_names, features_of
from hybrid_llm.testing import FixedScorer

USUAL = "Question 0-900 about rivers: what is number 21?"
ODD = "今天晚饭吃什么好, 我有鸡蛋和西红柿。"


def test_it_says_what_score_and_familiarity_say(trained: Router) -> None:
    for query in (USUAL, ODD):
        found = trained.explain(query)
        assert found.score == trained.score([query])[0]
        assert found.familiarity == trained.familiarity([query])[0]
    assert (trained.explain(USUAL).familiar, trained.explain(ODD).familiar) == (True, False)


def test_each_level_sends_the_query_where_the_router_would(trained: Router) -> None:
    for query in (USUAL, ODD, " "):
        found = trained.explain(query)
        assert [at.quality for at in found.levels] == [0.99, 0.95, 0.9]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HybridLLMWarning)
            for at in found.levels:
                decision = trained.decide(query, quality=at.quality)
                assert (at.route, at.reason, at.threshold) == (decision.route, decision.reason, decision.threshold)
                assert at.certified == decision.certified


def test_the_percentile_is_the_share_of_calibration_queries_below(trained: Router, table: Any) -> None:
    pair = table.pair("small", "large").split("validation")
    router = trained.calibrate(pair)
    scores = router.score(pair.queries)
    for query in pair.queries[:20]:
        found = router.explain(query)
        below = float(np.mean(scores < router.score([query])[0]))
        assert found.percentile == pytest.approx(below, abs=1e-9)


def test_a_push_is_the_score_minus_that_with_the_mean_in_its_place(trained: Router) -> None:
    scorer: Any = trained.scorer
    features, _ = features_of([USUAL], scorer.encoder, scorer.head.version)
    pushes = {push.feature: push for push in trained.explain(USUAL).pushes}
    names = feature_names(scorer.head.version)
    assert pushes.keys() == {*names, MEANING}
    for place, name in enumerate(names):
        changed = features.copy()
        changed[0, -len(names) + place] = pushes[name].mean
        expected = scorer.head.score(features)[0] - scorer.head.score(changed)[0]
        assert pushes[name].push == pytest.approx(expected, abs=1e-6)
        assert pushes[name].value == pytest.approx(float(features[0, -len(names) + place]))


def test_the_strongest_push_comes_first(trained: Router) -> None:
    sizes = [abs(push.push) for push in trained.explain(USUAL).pushes]
    assert sizes == sorted(sizes, reverse=True)


def test_a_scorer_of_ones_own_has_a_score_and_no_features() -> None:
    found = Router(FixedScorer(0.7)).explain("anything")
    assert (found.score, found.percentile, found.familiarity, found.pushes, found.levels) == (0.7, None, None, (), ())


def test_a_query_without_text_has_no_score(trained: Router) -> None:
    found = trained.explain("  ")
    assert (found.score, found.pushes) == (None, ())
    assert {(at.route, at.reason) for at in found.levels} == {("large", "no_text")}


def test_it_is_frozen_and_takes_one_text(trained: Router) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        trained.explain(USUAL).score = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        trained.explain([USUAL])  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_whatever_the_text_it_is_plain_json(trained: Router, query: str) -> None:
    found = json.loads(json.dumps(trained.explain(query).as_dict(), allow_nan=False))
    assert found["score"] is None or 0 < found["score"] < 1
    assert all(math.isfinite(push["push"]) and abs(push["push"]) <= 1 for push in found["pushes"])
