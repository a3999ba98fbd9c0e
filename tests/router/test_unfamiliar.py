"""Queries unlike those of training: large at a quality level, the score's at others, and a router of before."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from hybrid_llm import HybridLLMWarning, QualityTable, Router
from hybrid_llm.errors import LevelError
from hybrid_llm.level import Level
from hybrid_llm.scoring import UNFAMILIAR, EmbeddingScorer, squash, text_features
from hybrid_llm.scoring.cache import ScoreCache
from hybrid_llm.testing import FixedScorer
from tests.looks import Scorer

STORED = Path(__file__).parent / "stored" / "format_1"
USUAL = "Question 0-900 about rivers: what is number 21?"
ODD = "今天晚饭吃什么好, 我有鸡蛋和西红柿。"


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HybridLLMWarning)
        yield


def test_familiarity_is_a_share_for_each_query(trained):
    usual, odd = trained.familiarity([USUAL, ODD])
    assert 0 <= odd < UNFAMILIAR <= usual <= 1


def test_its_own_test_rows_are_familiar(trained, table):
    rows = table.pair("small", "large").split("test")
    assert np.mean(trained.familiarity(rows.queries) < UNFAMILIAR) <= 0.05


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("level", [{"quality": 0.01}, {"quality": 0.99}, {}])
def test_at_a_quality_level_an_unfamiliar_query_goes_to_large(trained, level):
    decision = trained.decide(ODD, **level)
    assert (decision.route, decision.reason, decision.familiar) == ("large", "unfamiliar", False)
    assert decision.score is not None
    assert trained.decide(USUAL, **level).reason == "score"
    assert trained.decide(USUAL, **level).familiar is True


@pytest.mark.parametrize("level", [{"threshold": 0.0}, {"cost_advantage": 1.0}])
def test_at_other_levels_the_score_decides_with_one_warning(trained, level):
    router = trained.override()
    with pytest.warns(HybridLLMWarning, match="unlike those") as caught:
        decisions = [router.decide(ODD, **level) for _ in range(3)]
    assert {(d.route, d.reason, d.familiar) for d in decisions} == {("small", "score", False)}
    assert len(caught) == 1


class KnowsHalf(Scorer):
    """Finds the queries that say so odd; the score of each is the share that it ends with."""

    def score_in_full(self, queries):
        scores = np.array([float(query.split()[-1]) for query in queries])
        return scores, scores < 0, np.array([0.0 if "odd" in query else 0.9 for query in queries])


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("verb", ["calibrate", "certify"])
def test_a_quality_level_is_measured_and_proved_as_it_is_served_with_unfamiliar_queries_at_large(verb):
    shares = [share / 500 for share in range(500)]
    rows = [{"query": f"usual {share}", "quality": {"tiny": share > 0.3, "big": 1}} for share in shares]
    rows += [{"query": f"odd {share}", "quality": {"tiny": 0.75, "big": 0.5}} for share in shares]
    table = QualityTable.from_rows(rows)
    router = getattr(Router(KnowsHalf()), verb)(table, small="tiny", large="big")
    pair = table.pair("tiny", "big")
    to_small = np.array([one.route == "small" for one in router.decide_many(pair.queries, quality=0.9)])
    lost = np.where(to_small, pair.mean_large - pair.mean_small, 0.0).mean() / pair.mean_large.mean()
    assert 0 < lost <= 0.1  # by scores alone all could go to small, which is better than large at what is odd
    proved = router.certificate and router.certificate.for_quality(0.9)
    told = proved or router.calibration.cut(Level("quality", 0.9))
    assert (told.cost_advantage, told.drop) == pytest.approx((to_small.mean(), lost))
    assert not proved or "500 of 1,000 are unfamiliar and go to large" in router.certificate.explain()


@pytest.mark.usefixtures("quiet")
async def test_asked_by_tasks_of_a_loop_it_is_the_same(trained):
    assert await trained.adecide(ODD, quality=0.9) == trained.decide(ODD, quality=0.9)


def test_a_scorer_of_your_own_cannot_tell(router):
    assert np.isnan(router.familiarity(["easy"])).all()
    assert Router(FixedScorer(0.5)).decide("easy", threshold=0.4).familiar is None


def test_familiarity_and_scores_survive_the_disk(trained, tmp_path):
    trained.save(tmp_path / "router")
    loaded = Router.load(tmp_path / "router")
    assert (loaded.familiarity([USUAL, ODD]) == trained.familiarity([USUAL, ODD])).all()


@pytest.mark.usefixtures("quiet")
def test_a_router_of_before_scores_as_it_did():
    router, known = Router.load(STORED), json.loads(STORED.with_suffix(".json").read_text(encoding="utf-8"))
    texts = list(known["scores"])
    # eight-bit networks differ in the last digits from one kind of processor to the next
    assert router.score(texts) == pytest.approx(list(known["scores"].values()), abs=2e-3)
    assert {q: router.threshold_for(quality=float(q)) for q in known["thresholds"]} == known["thresholds"]


def test_a_router_of_before_reads_the_features_of_before_bit_for_bit():
    router, head = Router.load(STORED), load_file(STORED / "head.safetensors")
    landmarks = head["landmarks"].astype(np.float32)
    for text in ("What\u2019s the capital of Peru?", "WHY?\n", ODD):
        embedding = router.scorer.encoder.encode([text]).embeddings
        x = np.concatenate([embedding, text_features([text], version=1)], axis=1)[0]
        u = (x - head["shift"]) * head["scale"]
        squared = np.einsum("ij,ij->i", landmarks, landmarks) + np.float32(u @ u)
        squared = np.maximum(squared - 2 * np.einsum("ij,j->i", landmarks, u), np.float32(0))
        raw = float(np.exp(-squared) @ head["weights"]) + float(head["bias"])
        assert router.score([text])[0] == squash(np.array(float(head["slope"]) * raw + float(head["offset"])))


@pytest.mark.usefixtures("quiet")
def test_a_router_of_before_calls_nothing_unfamiliar():
    router = Router.load(STORED)
    assert np.isnan(router.familiarity([ODD])).all()
    assert router.decide(ODD, quality=0.9).familiar is None


@pytest.mark.usefixtures("quiet")
def test_thresholds_of_other_features_are_refused_with_the_command_that_redoes_them(trained, table):
    stale = trained.override(calibration=replace(trained.calibration, features=1))
    with pytest.raises(LevelError, match="hybrid-llm calibrate"):
        stale.decide(USUAL, quality=0.9)
    assert stale.decide(USUAL, threshold=0.0).route == "small"
    assert stale.calibrate(table.pair("small", "large").split("validation")).threshold_for(quality=0.9) >= 0


@pytest.mark.usefixtures("quiet")
async def test_a_text_is_read_once_also_when_the_memory_is_too_small_for_the_call(trained, monkeypatch):
    read, reading = [], EmbeddingScorer._pass
    monkeypatch.setattr(EmbeddingScorer, "_pass", lambda self, texts: read.extend(texts) or reading(self, texts))
    known = trained.scorer
    router = trained.made_of(replace(trained.parts, scorer=replace(known, cache=ScoreCache(entries=1))))
    router.decide_many([USUAL, ODD], quality=0.9)
    await router.adecide_many(["one", "two"], quality=0.9)
    assert sorted(read) == sorted([USUAL, ODD, "one", "two"])
