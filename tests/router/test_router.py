"""Scores, levels and decisions, on scorers that the test chooses."""

import asyncio
import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hybrid_llm import HybridLLMWarning, Level, QualityTable, Router
from hybrid_llm.calibration import calibrate
from hybrid_llm.certify import Certificate, Menu, Provenance
from hybrid_llm.errors import LevelError, RouterFolderError, UnknownNameError
from hybrid_llm.testing import FailingScorer, FixedScorer

EASY, HARD = "2+2?", "Prove Fermat's last theorem."


@pytest.fixture
def scorer():
    return FixedScorer({EASY: 0.9, HARD: 0.2})


def calibrated(scorer, **parts):
    rng = np.random.default_rng(0)
    scores = rng.random(400)
    small = (rng.random(400) < scores).astype(float)
    return Router(scorer, calibration=calibrate(scores, small, np.ones(400), small="s", large="l"), **parts)


def menu(max_drop=0.05, threshold=0.7, void_reason=""):
    certificate = Certificate(
        feasible=True,
        threshold=threshold,
        cost_advantage=0.3,
        max_drop=max_drop,
        confidence=0.95,
        n=1000,
        drop=0.01,
        drop_points=0.01,
        drop_upper_bound=0.04,
        small_quality=0.7,
        large_quality=0.9,
    )
    return Menu((certificate,), max_drop, Provenance(small="s", large="l", void_reason=void_reason))


def test_a_score_at_the_threshold_goes_to_small(scorer):
    router = Router(scorer)
    assert router.decide(EASY, threshold=0.9).route == "small"
    assert router.decide(EASY, threshold=0.9000001).route == "large"


def test_zero_is_always_small_and_two_always_large():
    router = Router(FixedScorer(0.0))
    assert router.decide("x", threshold=0).route == "small"
    assert Router(FixedScorer(1.0)).decide("x", threshold=2.0).route == "large"


def test_many_queries_are_scored_in_one_pass(scorer):
    decisions = Router(scorer).decide_many([EASY, HARD, EASY], threshold=0.5)
    assert [d.route for d in decisions] == ["small", "large", "small"]
    assert len(scorer.calls) == 1


def test_each_query_may_have_a_level_of_its_own_in_one_pass(scorer):
    levels = [Level("threshold", 0.95), Level("threshold", 0.1), Level("threshold", 0.5)]
    decisions = Router(scorer).decide_each([EASY, HARD, EASY], levels)
    assert [d.route for d in decisions] == ["large", "small", "small"]
    assert [d.level for d in decisions] == levels
    assert len(scorer.calls) == 1


async def test_async_verbs_decide_what_sync_verbs_decide(scorer):
    router = Router(scorer)
    levels = [Level("threshold", 0.95), Level("threshold", 0.1)]
    assert (await router.ascore([EASY, HARD])).tolist() == router.score([EASY, HARD]).tolist()
    assert await router.adecide(EASY, threshold=0.5) == router.decide(EASY, threshold=0.5)
    assert await router.adecide_many([EASY, HARD], threshold=0.5) == router.decide_many([EASY, HARD], threshold=0.5)
    assert await router.adecide_each([EASY, HARD], levels) == router.decide_each([EASY, HARD], levels)


@pytest.mark.parametrize("blank", ["", "   ", "\n\t"])
def test_no_text_goes_to_large_unscored(scorer, blank):
    decision = Router(scorer).decide(blank, threshold=0.0)
    assert (decision.route, decision.reason, decision.score) == ("large", "no_text", None)


def test_a_broken_scorer_sends_everything_to_large_with_one_warning():
    router = Router(FailingScorer())
    with pytest.warns(HybridLLMWarning, match=r"scorer failed \(RuntimeError\)") as caught:
        decisions = [*router.decide_many([EASY, HARD], threshold=0.5), router.decide(EASY, threshold=0.5)]
    assert {(d.route, d.reason, d.score) for d in decisions} == {("large", "scorer_error", None)}
    assert len(caught) == 1


@pytest.mark.parametrize("scores", [np.array([0.1]), np.array([[0.1, 0.2]]), np.array([0.1, np.nan])])
def test_a_scorer_that_returns_nonsense_counts_as_broken(scores):
    class Nonsense:
        id = "nonsense"

        def score(self, queries):
            return scores

    with pytest.warns(HybridLLMWarning, match="scorer"):
        assert Router(Nonsense()).decide_many([EASY, HARD], threshold=0.5)[0].reason == "scorer_error"


def test_score_itself_raises_what_the_scorer_raises():
    with pytest.raises(RuntimeError, match="broken"):
        Router(FailingScorer()).score([EASY])


@pytest.mark.parametrize("wrong", ["a single string", b"bytes", ["ok", None], [1]])
def test_what_is_no_list_of_texts_is_refused(scorer, wrong):
    for verb in (Router(scorer).score, Router(scorer).decide_many):
        with pytest.raises(TypeError, match=r"string|list"):
            verb(wrong)


def test_decide_takes_one_text(scorer):
    with pytest.raises(TypeError, match="decide_many"):
        Router(scorer).decide([EASY], threshold=0.5)


def test_an_uncalibrated_router_only_knows_thresholds(scorer):
    with pytest.raises(LevelError, match="calibrate"):
        Router(scorer).decide(EASY, quality=0.9)
    with pytest.raises(LevelError, match="calibrate"):
        Router(scorer).decide(EASY)


def test_two_levels_at_once_are_refused(scorer):
    with pytest.raises(LevelError, match="together"):
        Router(scorer).decide(EASY, quality=0.9, threshold=0.5)


def test_a_measured_quality_is_not_certified_and_says_so_once(scorer):
    router = calibrated(scorer)
    with pytest.warns(HybridLLMWarning, match="not certified") as caught:
        decisions = [router.decide(EASY, quality=q) for q in (0.9, 0.95)] + [router.decide(EASY)]
    assert len(caught) == 1
    assert not any(d.certified for d in decisions)
    assert decisions[-1].level == Level("quality", 0.99)


def test_cost_advantage_promises_no_quality_and_needs_no_warning(scorer):
    decision = calibrated(scorer).decide(EASY, cost_advantage=0.5)
    assert decision.threshold == pytest.approx(0.5, abs=0.1)


def test_a_certified_level_serves_looser_levels_too(scorer):
    router = calibrated(scorer, certificate=menu(max_drop=0.05, threshold=0.7))
    for quality in (0.95, 0.9):
        decision = router.decide(EASY, quality=quality)
        assert (decision.threshold, decision.certified) == (0.7, True)
    with pytest.warns(HybridLLMWarning):
        assert not router.decide(EASY, quality=0.99).certified


def test_a_void_certificate_certifies_nothing(scorer):
    router = calibrated(scorer, certificate=menu(void_reason="rows were seen in training"))
    with pytest.warns(HybridLLMWarning):
        decisions = [router.decide(EASY, quality=0.9), router.decide(EASY, quality=0.9, require_certified=True)]
    assert [one.certified for one in decisions] == [False, False]
    assert [one.void_reason for one in decisions] == ["rows were seen in training"] * 2
    assert router.decide(EASY, cost_advantage=0.5).void_reason == ""


def test_who_insists_on_a_proof_gets_large_without_one(scorer):
    for router in (calibrated(scorer), Router(scorer)):
        decision = router.decide(EASY, quality=0.99, require_certified=True)
        assert (decision.route, decision.threshold, decision.certified) == ("large", 2.0, False)
    certified = calibrated(scorer, certificate=menu())
    assert certified.decide(EASY, quality=0.95, require_certified=True).route == "small"
    assert certified.threshold_for(quality=0.95, require_certified=True) == 0.7


def test_a_warning_points_at_the_callers_line(scorer):
    with pytest.warns(HybridLLMWarning) as caught:
        calibrated(scorer).decide(EASY, quality=0.9)
    assert caught[0].filename == __file__


def test_the_warning_of_a_broken_scorer_does_not_quote_the_query():
    with pytest.warns(HybridLLMWarning) as caught:
        Router(FailingScorer(RuntimeError(f"cannot score {EASY}"))).decide(EASY, threshold=0.5)
    assert EASY not in str(caught[0].message)


def test_a_scorer_that_fails_on_nothing_is_not_asked():
    assert Router(FailingScorer()).decide(" ", threshold=0.5).reason == "no_text"


def test_threshold_for_says_what_decide_uses(scorer):
    router = calibrated(scorer)
    assert router.threshold_for(cost_advantage=0.3) == router.decide(EASY, cost_advantage=0.3).threshold
    assert router.threshold_for(threshold=0.25) == 0.25


def rows(n=60):
    return [
        {"id": str(i), "query": f"query {i}", "quality": {"s": [float(i % 3 > 0)], "l": [1.0], "other": [0.5]}}
        for i in range(n)
    ]


def test_calibrate_keeps_the_scores_and_makes_the_thresholds_the_users():
    scorer = FixedScorer({f"query {i}": i / 60 for i in range(60)})
    router = Router(scorer).calibrate(QualityTable.from_rows(rows()), small="s", large="l")
    assert router.id == scorer.id
    assert (router.calibration.small, router.calibration.large, router.calibration.n) == ("s", "l", 60)
    assert 0 < router.threshold_for(cost_advantage=0.5) < 1


def test_calibrate_for_another_pair_drops_the_certificate(scorer):
    router = calibrated(scorer, certificate=menu())
    table = QualityTable.from_rows(rows())
    assert router.calibrate(table, small="s", large="l").certificate is not None
    assert router.calibrate(table, small="other", large="l").certificate is None


def test_calibrate_needs_names_that_the_table_has(scorer):
    table = QualityTable.from_rows(rows())
    with pytest.raises(TypeError, match="names of both models"):
        Router(scorer).calibrate(table)
    with pytest.raises(UnknownNameError, match="'other'"):
        Router(scorer).calibrate(table, small="othre", large="l")


def test_a_router_is_made_of_whatever_router_accepts(scorer, tmp_path):
    router = Router(scorer)
    assert Router.of(router) is router
    assert Router.of(scorer).id == "fixed"
    with pytest.raises(RouterFolderError, match="does not exist"):
        Router.of(str(tmp_path / "nowhere"))
    with pytest.raises(TypeError, match="router="):
        Router.of(42)


def test_a_copy_is_the_router_itself(scorer):
    router = Router(scorer)
    assert copy.deepcopy(router) is router


def test_a_router_without_a_folder_cannot_be_pickled_or_saved(scorer, tmp_path):
    with pytest.raises(RouterFolderError, match="save it"):
        pickle.dumps(Router(scorer))
    with pytest.raises(RouterFolderError, match="scorer of your own"):
        Router(scorer).save(tmp_path / "router")


def test_threads_and_tasks_share_one_router(scorer):
    router = Router(scorer)
    with ThreadPoolExecutor(8) as pool:
        from_threads = list(pool.map(lambda q: router.decide(q, threshold=0.5).route, [EASY, HARD] * 50))

    async def many():
        return await asyncio.gather(*(router.adecide(q, threshold=0.5) for q in [EASY, HARD] * 50))

    assert from_threads == [d.route for d in asyncio.run(many())] == ["small", "large"] * 50


def test_a_custom_scorer_does_not_warn_at_a_threshold(scorer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Router(scorer).decide(EASY, threshold=0.5).router_id == "fixed"


@pytest.mark.parametrize("logit", [3.0, -0.5, float("nan")])
def test_a_scorer_whose_scores_are_no_shares_sends_nothing_to_small(logit):
    router = Router(FixedScorer(logit))
    with pytest.warns(HybridLLMWarning, match="The scorer failed"):
        decision = router.decide("x", threshold=2.0)
    assert (decision.route, decision.reason) == ("large", "scorer_error")
    with pytest.raises(ValueError, match=r"numbers in \[0, 1\], got"):
        router.score(["x"])


def test_a_score_that_single_precision_moves_beyond_1_is_1():
    assert Router(FixedScorer(1.0000001)).score(["x"]).tolist() == [1.0]
