"""The robustness benchmark: judged on rows that no fit saw, decisions as the router decides, misses told as misses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.pairs import PAIRS, Tables
from benchmarks.robustness import familiar
from benchmarks.robustness.edits import CAPITALS, EDITS
from benchmarks.robustness.familiar import EVERYDAY, OWN, SCRIPTS, _measured
from benchmarks.robustness.figures import (
    FLIPS,
    FLIPS_MEDIAN,
    KEPT,
    LOST,
    MOVE,
    mean_over_pairs,
    missed,
    moved,
    prefixed,
    price,
    share,
)
from benchmarks.robustness.gadgets import CONTROLS, Search
from benchmarks.robustness.page import TO_LARGE, TO_SMALL, write_page
from benchmarks.robustness.routers import HEAD, OURS, ROUTERS, SHIPPED, Known, Read, ours
from benchmarks.robustness.run import run, some
from hybrid_llm import HybridLLMWarning, QualityTable
from hybrid_llm.scoring import features_of
from hybrid_llm.training import train
from tests.benchmarks.test_paper_figures import EASY, write_table
from tests.benchmarks.test_peers import ShippedSize

pytestmark = pytest.mark.slow  # a study each


def pair_of(n: int = 8):
    rows = [
        {"id": f"{i}", "query": f"{i}", "quality": {"small": [i % 2], "large": [1]}, "split": "test"} for i in range(n)
    ]
    return QualityTable.from_rows(rows).pair("small", "large")


def numbers(queries) -> Read:
    """Score "3" as .3; what ends in a question mark is unfamiliar."""
    scores = np.array([float(re.sub(r"\D", "", query)) / 10 for query in queries])
    return Read(scores, np.array([query.endswith("?") for query in queries]))


@pytest.fixture
def known() -> Known:
    return Known(lambda _: numbers, numbers, {0.95: 0.4, 0.99: 0.6}, 0.2)


def test_an_edit_that_moves_nothing_loses_nothing(known):
    found = mean_over_pairs([moved(known, pair_of(), lambda text: f"{text}!")], 20)
    assert {name: found[name]["value"] for name in (MOVE, FLIPS, FLIPS_MEDIAN, LOST)} == dict.fromkeys(
        (MOVE, FLIPS, FLIPS_MEDIAN, LOST), 0.0
    )
    assert found[KEPT]["value"] == pytest.approx((4 + 2) / 8)  # 0 to 3 on large, 5 and 7 right on small


def test_an_edit_that_makes_queries_unfamiliar_flips_decisions_at_a_level_and_none_by_the_score(known):
    found = mean_over_pairs([moved(known, pair_of(), lambda text: f"{text}?")], 20)
    assert found[MOVE]["value"] == 0
    assert found[FLIPS]["value"] == 0.5
    assert found[FLIPS_MEDIAN]["value"] == 0
    assert found[LOST]["value"] == pytest.approx(-2 / 8)


def test_pairs_weigh_the_same_whatever_their_rows(known):
    still, moving = moved(known, pair_of(40), str), moved(known, pair_of(20), lambda text: f"{int(text) + 1}")
    assert mean_over_pairs([still, moving], 10)[MOVE]["value"] == pytest.approx(0.05)


def test_a_prefix_is_judged_by_those_that_it_could_turn(known):
    found = prefixed(known, [str(i) for i in range(8)], "1")  # .3 becomes 1.3: all to small
    assert found["to small at level"]["value"] == 1
    assert found["to small at level"]["n"] == 4
    assert found["to large at level"]["value"] == 0
    assert found["to small at median"]["n"] == 2


def test_the_rule_for_unfamiliar_queries_costs_those_that_small_would_have_answered(known):
    queries = [f"{i}{'?' if i in (1, 7) else ''}" for i in range(8)]
    rows = QualityTable.from_rows(
        [{"id": q, "query": q, "quality": {"small": [1], "large": [1]}, "split": "test"} for q in queries]
    ).pair("small", "large")
    found = price(known, rows, 20)["0.95"]
    assert found["without"]["value"] == 0.5
    assert found["difference"]["value"] == pytest.approx(-1 / 8)


def test_a_share_of_nothing_is_none_and_one_of_all_still_has_an_interval():
    assert share(np.zeros(0, dtype=bool))["value"] is None
    assert share(np.ones(10, dtype=bool))["ci"][0] == pytest.approx(0.6915, abs=1e-3)


def test_only_the_quality_is_bounded_in_capitals():
    figures = {name: {"value": 0.5} for name in (MOVE, FLIPS, FLIPS_MEDIAN, LOST)}
    assert [(edit, name) for edit, name, *_ in missed({CAPITALS: figures})] == [(CAPITALS, LOST)]
    assert len(missed({"accent on a vowel": figures})) == 4
    fine = {name: {"value": 0.0} for name in figures}
    assert missed({CAPITALS: fine, "accent on a vowel": fine}) == []


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    spec = PAIRS[0]
    write_table(folder, spec.files[0], [spec.small], spec.large, 300)
    return folder


def encoder() -> CachedEncoder:
    return CachedEncoder(ShippedSize())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    page = tmp_path_factory.mktemp("out") / "docs" / "page.md"
    words = ["river", "proof", "sum", "of"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(familiar, "SUBJECTS", {"the first easy one": EASY[:1], "one that is not there": ("@",)})
        results = run(data, encoder(), encoder(), words=words, judged=20, search=Search(3, 3, 2), repetitions=20)
    results = json.loads(json.dumps(results))
    write_page(page, results)
    return results, page.read_text(encoding="utf-8")


def test_the_page_has_every_router_edit_prefix_and_prompt(made):
    results, page = made
    assert set(results["edits"]) == set(ROUTERS)
    for name in ROUTERS:
        assert set(results["edits"][name]) == set(EDITS)
        assert set(results["attacks"][name]) == {*CONTROLS, TO_LARGE, TO_SMALL}
    for name in (*EDITS, *CONTROLS, TO_LARGE, TO_SMALL, EVERYDAY, SCRIPTS, OWN, HEAD, SHIPPED):
        assert page.count(name) >= 1, name
    assert "nan" not in page.lower().replace("language", "")
    assert "{" not in page
    assert not re.search(r"<!-- begin: (.*) -->\n+<!-- end", page)


def test_a_miss_is_told_in_short_and_marked_in_the_table(made, tmp_path):
    results = json.loads(json.dumps(made[0]))
    results["edits"][HEAD][CAPITALS][LOST]["value"] = 0.25
    results["familiar"][HEAD]["mmlu"][OWN]["value"] = 0.25
    write_page(tmp_path / "page.md", results)
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert f"*{CAPITALS}*, {LOST} 25.0 %" in page
    assert "25.0 % of its own test rows †" in page
    row = next(line for line in page.splitlines() if line.startswith(f"| {CAPITALS} |"))
    assert row.endswith("† |")


def test_only_test_rows_are_judged_and_only_training_rows_searched(data):
    pair = Tables(data).of(PAIRS[0])
    rows = some(pair.split("test"), 20, "edited")
    assert len(rows) == 20
    assert set(rows.splits) == {"test"}
    assert rows.ids == some(pair.split("test"), 20, "edited").ids


def test_the_measure_of_the_subjects_study_is_that_of_a_trained_router(data):
    pair, shared = Tables(data).of(PAIRS[0]), encoder()
    train_rows = pair.split("train")
    read = _measured(features_of(train_rows.queries, shared)[0], shared)
    trained = ours(train(pair, encoder=shared))(shared)  # type: ignore[arg-type]
    texts = [*pair.split("test").queries, "quite another thing", "今天晚饭吃什么好。"]
    assert (read(texts).unfamiliar == trained(texts).unfamiliar).mean() > 0.95


def test_decisions_at_a_level_are_those_of_the_router(data):
    pair, shared = Tables(data).of(PAIRS[0]), encoder()
    router = train(pair, encoder=shared)  # type: ignore[arg-type]
    known = Known.of(ours(router), shared, pair.split("validation"))
    calibrated = router.calibrate(pair.split("validation"))
    queries = [*pair.split("test").queries, "今天晚饭吃什么好。"]
    with pytest.warns(HybridLLMWarning, match="measured, not certified"):
        decisions = calibrated.decide_many(queries, quality=0.95)
    assert [decision.route == "small" for decision in decisions] == known.small(known.read(queries)).tolist()
    assert set(OURS) <= set(ROUTERS)
