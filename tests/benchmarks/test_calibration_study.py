"""The study of a user's own rows: nobody is judged on rows that they have seen, and the page says what was found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.calibration.page import DIFFERENCES, page, verdict
from benchmarks.calibration.run import DRAWS, parts
from benchmarks.calibration.study import LEVELS, Drawn, draw, summarise
from benchmarks.calibration.ways import (
    CALIBRATED,
    COMBINED,
    HEAD,
    WAYS,
    Own,
    as_average,
    as_chosen,
    as_feature,
    as_offset,
    calibrated,
    head,
    head_of_all,
)
from hybrid_llm.metrics import tradeoff_curve
from hybrid_llm.scoring import NAMES
from hybrid_llm.training.head.regression import Rows

pytestmark = pytest.mark.slow  # a study each


def own(n: int = 400, seed: int = 0, *, in_text: float = 2.0, in_prior: float = 2.0) -> Own:
    """Rows whose label hangs on one number of the embedding and one of the prior, as far as asked for."""
    rng = np.random.default_rng(seed)
    embedding, prior = rng.normal(size=(n, 4)), rng.normal(size=n)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    features = np.concatenate([embedding, rng.random((n, len(NAMES)))], axis=1).astype(np.float32)
    chance = 1 / (1 + np.exp(-(in_text * 2 * embedding[:, 0] + in_prior * prior)))
    small = (rng.random(n) < chance).astype(float)
    large = np.ones(n)
    rows = Rows(features, (small >= large).astype(float), small - large, small, large)
    return Own(np.array([f"{seed}-{number}" for number in range(n)]), rows, prior)


def apgr(way: Any, drawn: Own, test: Own) -> float:
    return tradeoff_curve(way(drawn, test).test, test.rows.q_small, test.rows.q_large).apgr


def test_who_calibrates_uses_all_rows_and_who_trains_fits_seventy_percent():
    drawn = own(200)
    fit, given = drawn.parts
    assert (len(fit), len(given)) == (140, 30)
    assert not set(fit.ids) & set(given.ids)
    assert len(calibrated(drawn, own(50, 1)).given) == 200
    assert len(head(drawn, own(50, 1)).given) == 30
    assert len(head_of_all(drawn, own(50, 1)).given) == 200


def test_every_way_gives_probabilities_to_the_rows_that_judge():
    drawn, test = own(200), own(60, 1)
    for name, way in WAYS.items():
        scored = way(drawn, test)
        assert scored.test.shape == (60,), name
        assert scored.scores.shape == (len(scored.given),), name
        assert ((scored.test > 0) & (scored.test < 1)).all(), name


@pytest.mark.parametrize(
    "way", [as_feature, *(pytest.param(way, marks=pytest.mark.slow) for way in (as_offset, as_average))]
)
def test_a_prior_that_knows_something_helps_every_combination(way):
    drawn, test = own(200), own(2000, 1)
    assert apgr(way, drawn, test) > apgr(head, drawn, test) + 0.01


def test_the_offset_follows_a_prior_that_knows_all():
    drawn, test = own(300, in_text=0, in_prior=8), own(1000, 1, in_text=0, in_prior=8)
    assert apgr(as_offset, drawn, test) > 0.85 * apgr(calibrated, drawn, test)


def test_the_held_out_fifth_chooses_whether_and_how_a_prior_is_taken():
    # 1,000 rows leave 140 held out; in the training rows the prior says nothing
    drawn, test = own(1000, in_prior=0), own(500, 1, in_prior=0)
    fit, _ = drawn.parts
    assert fit.heldout.sum() >= 100
    chosen = as_chosen(drawn, test).test
    rivals = [way(drawn, test).test for way in (head, as_feature, as_offset)]
    assert any(np.array_equal(chosen, rival) for rival in rivals)
    assert apgr(as_chosen, drawn, test) > apgr(head, drawn, test) - 0.02


def test_few_held_out_rows_take_the_feature():
    drawn, test = own(100), own(50, 1)
    assert np.array_equal(as_chosen(drawn, test).test, as_feature(drawn, test).test)


def test_all_ways_see_the_same_draws_and_equal_scores_are_kept_once():
    seen: dict[str, list[list[str]]] = {"a": [], "b": []}

    def watched(name: str) -> Any:
        def way(drawn: Own, test: Own) -> Any:
            seen[name].append(drawn.ids.tolist())
            return calibrated(drawn, test)

        return way

    found = draw(own(300), own(80, 1), 50, 3, {"a": watched("a"), "b": watched("b")})
    assert seen["a"] == seen["b"]
    assert len({tuple(sorted(ids)) for ids in seen["a"]}) == 3
    assert found["a"].scores.shape == (1, 80)
    assert found["a"].small[LEVELS[0]].shape == (3, 80)


def test_drop_and_cost_advantage_of_a_draw_are_those_of_its_decisions():
    small, large = np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0, 1.0])
    rows = Rows(np.zeros((4, 1), dtype=np.float32), small, small - large, small, large)
    routed = np.array([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]], dtype=bool)
    drawn = Drawn(np.array([[0.9, 0.8, 0.2, 0.1]]), dict.fromkeys(LEVELS, routed))
    figures = drawn.figures(rows)
    assert figures["cost advantage at 0.95"] == pytest.approx(5 / 12)
    assert figures["drop at 0.95"] == pytest.approx(2 / 9)
    assert drawn.broken(rows) == pytest.approx({"0.98": 2 / 3, "0.95": 2 / 3})
    assert drawn.figures(rows, np.array([2.0, 0.0, 1.0, 1.0]))["drop at 0.95"] == 0.0
    assert drawn.figures(rows, None, np.array([0.0, 3.0, 1.0]))["cost advantage at 0.95"] == pytest.approx(5 / 16)


def test_differences_are_those_of_the_means_and_pairs_with_the_same_rows_share_resamples():
    test = own(150, 1)
    ways = {HEAD: head, CALIBRATED: calibrated}
    drawn = draw(own(200), test, 50, 2, ways)
    found = summarise({"one": (test, drawn), "two": (test, drawn)}, [(HEAD, CALIBRATED)], 20)
    mean, difference = found["mean"], found["mean"][f"{HEAD} - {CALIBRATED}"]["apgr"]
    assert difference["value"] == pytest.approx(mean[HEAD]["apgr"]["value"] - mean[CALIBRATED]["apgr"]["value"])
    assert found["each"]["one"] == found["each"]["two"]
    assert mean[HEAD] == found["each"]["one"][HEAD]


def test_no_part_of_the_study_judges_on_rows_that_it_draws_from():
    everything = own(300)
    splits = tuple(("train", "train", "validation", "test")[number % 4] for number in range(300))
    known = Own(everything.ids, everything.rows, everything.prior + 1)
    for name, pool, judged, _ in parts(everything, known, splits):
        assert not set(pool.ids) & set(judged.ids), name
        if name != "elsewhere":
            assert len(judged) == 75
        else:
            assert len(pool) + len(judged) == 225


def results(on_test: float, on_others: float) -> dict[str, Any]:
    """What a study could find; every combination gains this much, plus or minus 0.01."""

    def figure(value: float) -> dict[str, Any]:
        return {"value": value, "ci": [value - 0.01, value + 0.01]}

    def found(gain: float) -> dict[str, Any]:
        keys = ["apgr", *(f"{what} at {level:g}" for what in ("cost advantage", "drop") for level in LEVELS)]
        ways = {way: dict.fromkeys(keys, figure(0.6)) for way in (*WAYS, "shipped router, calibrated")}
        gains = {f"{a} - {b}": dict.fromkeys(keys, figure(gain if a in COMBINED else 0.0)) for a, b in DIFFERENCES}
        return {
            "mean": ways | gains,
            "each": {"pair": ways},
            "broken": {way: {f"{level:g}": 0.25 for level in LEVELS} for way in ways},
        }

    pair = {"name": "pair", "models": "a -> b", "test": 1000, "other": 2000, "small": 0.5, "large": 0.9}
    sizes = [str(size) for size in DRAWS]
    return {
        "draws": [2, 2, 2, 2],
        "repetitions": 10,
        "pairs": [pair],
        "honest": {size: found(on_test) for size in sizes},
        "elsewhere": {size: found(on_others) for size in sizes},
        "known": {size: found(0.0) for size in sizes[:2]},
    }


def test_the_page_claims_that_combining_helps_only_when_it_does_on_test_rows_and_on_others():
    assert "orders queries clearly better" in verdict(results(0.02, 0.02))
    for neither in (results(0.02, 0.0), results(0.0, 0.02), results(-0.02, -0.02)):
        assert "No way to combine them is clearly better" in verdict(neither)


def test_the_page_shows_every_way_and_size():
    text = page(results(0.02, 0.0))
    for way in WAYS:
        assert text.count(f"| {way} |") >= len(DRAWS)
    assert "{" not in text
    assert "25 % missed it" in text
