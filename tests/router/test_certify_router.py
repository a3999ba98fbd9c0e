"""``Router.certify``: the promise, and each guard that keeps it honest."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from pathlib import Path

import numpy as np
import pytest

from hybrid_llm import HybridLLMWarning, QualityTable, Router
from hybrid_llm.errors import CertificateError, UnknownNameError
from hybrid_llm.router import TrainingRecord
from hybrid_llm.scoring import Encoder
from hybrid_llm.testing import FixedScorer
from tests.small_table import make_rows

NEW = [row | {"split": "new"} for row in make_rows(seed=1)]
EASY = NEW[1]["query"]


@pytest.fixture(scope="module")
def fresh() -> QualityTable:
    """240 rows that no training saw."""
    return QualityTable.from_rows(NEW)


@pytest.fixture(scope="module")
def certified(trained: Router, fresh: QualityTable) -> Router:
    return trained.certify(fresh, small="small", large="large", max_drop=0.2)


def record_of(router: Router) -> TrainingRecord:
    assert router.record is not None
    return router.record


def test_a_certified_level_is_served_with_its_proof(trained: Router, certified: Router) -> None:
    assert certified.certificate is not None
    assert certified.certificate.asked.feasible
    assert certified.id == trained.id
    decision = certified.decide(EASY, quality=0.8)
    assert (decision.route, decision.certified) == ("small", True)
    assert trained.certificate is None


def test_the_thresholds_of_the_pair_stay(trained: Router, certified: Router) -> None:
    assert certified.calibration == trained.calibration


def test_a_pair_of_a_table_needs_no_names(trained: Router, certified: Router, fresh: QualityTable) -> None:
    assert trained.certify(fresh.pair("small", "large"), max_drop=0.2).certificate == certified.certificate


def test_the_names_of_both_models_are_needed_and_known(trained: Router, fresh: QualityTable) -> None:
    with pytest.raises(TypeError, match=r"certify\(\) needs the names of both models"):
        trained.certify(fresh)
    with pytest.raises(UnknownNameError, match="'other'"):
        trained.certify(fresh, small="othre", large="large")


def test_rows_that_training_saw_are_refused(trained: Router, table: QualityTable) -> None:
    with pytest.raises(CertificateError, match=r"160 of 240 rows were seen by fitting or choosing.*allow_leak=True"):
        trained.certify(table, small="small", large="large")


def test_a_row_that_training_saw_under_another_id_is_refused(trained: Router) -> None:
    again = {**make_rows(1)[0], "id": "copied", "query": f"  {make_rows(1)[0]['query'].upper()}"}
    with pytest.raises(CertificateError, match="1 of 241 rows"):
        trained.certify(QualityTable.from_rows([*NEW, again | {"split": "new"}]), small="small", large="large")


def test_refused_rows_are_not_even_scored(trained: Router, table: QualityTable) -> None:
    scorer = FixedScorer()
    with pytest.raises(CertificateError):
        Router(scorer, record=trained.record).certify(table, small="small", large="large")
    assert not scorer.calls


def test_a_leak_that_is_allowed_makes_a_void_certificate(trained: Router, table: QualityTable) -> None:
    router = trained.certify(table, small="small", large="large", max_drop=0.2, allow_leak=True)
    assert router.certificate is not None
    assert router.certificate.provenance.void_reason.startswith("Fitting or choosing saw 160 of the 240 rows")
    assert router.decide(EASY, quality=0.8, require_certified=True).route == "large"


def test_allowing_a_leak_that_is_none_leaves_the_certificate_standing(
    trained: Router, certified: Router, fresh: QualityTable
) -> None:
    again = trained.certify(fresh, small="small", large="large", max_drop=0.2, allow_leak=True)
    assert again.certificate == certified.certificate


def test_only_thresholds_that_training_fixed_are_tested(certified: Router) -> None:
    assert certified.certificate is not None
    assert np.isin(certified.certificate.asked.threshold, record_of(certified).thresholds)


def test_a_scorer_of_your_own_is_tested_on_an_even_grid(fresh: QualityTable) -> None:
    scores = {row["query"]: 0.7 + i / 1e4 if i % 4 in (1, 2) else 0.2 for i, row in enumerate(NEW)}
    router = Router(FixedScorer(scores)).certify(fresh, small="small", large="large", max_drop=0.5)
    assert router.certificate is not None
    threshold = router.certificate.asked.threshold
    assert 0 < threshold < 1
    assert threshold == round(threshold, 3)


def test_equal_texts_count_once(trained: Router) -> None:
    twice = [row | {"id": f"{row['id']}-again", "query": f"  {row['query'].upper()} "} for row in NEW[:40]]
    router = trained.certify(QualityTable.from_rows(NEW + twice), small="small", large="large")
    assert router.certificate is not None
    assert router.certificate.asked.n == 240


def test_rows_that_ask_one_question_in_many_words_prove_no_more_than_one_row() -> None:
    rows = [
        {"query": f"way {way} to ask {stem}", "stem_key": f"{stem}", "quality": {"small": stem % 40 > 0, "large": 1}}
        for stem in range(40)
        for way in range(20)
    ]
    router = Router(FixedScorer(0.9)).certify(QualityTable.from_rows(rows), small="small", large="large")
    assert router.certificate is not None
    assert router.certificate.asked.n == 40
    assert not router.certificate.asked.feasible


def test_a_text_that_is_there_with_a_stem_key_and_without_asks_one_question() -> None:
    asked = [("Why?", "k"), ("why? ", None), ("How so?", "k"), ("Where?", None)]
    rows = [{"query": query, "stem_key": stem, "quality": {"small": 1, "large": 1}} for query, stem in asked]
    first, second, third, other = QualityTable.from_rows(rows).pair("small", "large").questions
    assert first == second == third != other


def test_the_certificate_says_where_it_comes_from(trained: Router, fresh: QualityTable) -> None:
    router = trained.certify(fresh, small="small", large="large", data="support.jsonl", measured_by="exact match")
    assert router.certificate is not None
    assert dataclasses.asdict(router.certificate.provenance) == {
        "small": "small",
        "large": "large",
        "measured_by": "exact match",
        "data": "support.jsonl; 1 of 240 are unfamiliar and go to large",
        "data_hash": fresh.pair("small", "large").data_hash,
        "router_id": trained.id,
        "created": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "void_reason": "",
        "look_id": "",
    }


def test_another_pair_is_warned_of_and_gets_thresholds_of_its_own(trained: Router, fresh: QualityTable) -> None:
    with pytest.warns(
        HybridLLMWarning, match="is for small -> large; its scores may suit other -> large less"
    ) as caught:
        router = trained.certify(fresh, small="other", large="large")
    assert [warning.filename for warning in caught] == [__file__]
    assert router.calibration is not None
    assert router.certificate is not None
    assert router.calibration.small == router.certificate.provenance.small == "other"
    assert router.calibration == trained.calibrate(fresh, small="other", large="large").calibration


def test_a_router_without_thresholds_gets_them_with_the_certificate(trained: Router, fresh: QualityTable) -> None:
    router = trained.override(calibration=None).certify(fresh, small="small", large="large")
    assert router.calibration is not None
    assert router.calibration.n == 240


def test_thresholds_from_rows_that_training_saw_are_warned_of(trained: Router, table: QualityTable) -> None:
    bare = trained.override(calibration=None)
    with pytest.warns(HybridLLMWarning, match="160 of 240 calibration rows were seen in training"):
        bare.certify(table, small="small", large="large", allow_leak=True)


def test_nothing_to_promise_is_an_answer(trained: Router, fresh: QualityTable) -> None:
    router = trained.certify(fresh, small="small", large="large", max_drop=0.001)
    assert router.certificate is not None
    assert not router.certificate.asked.feasible
    assert router.certificate.asked.needed_n > 240  # type: ignore[operator]


@pytest.mark.parametrize("wrong", [{"max_drop": 0}, {"max_drop": 1.5}, {"confidence": 1}])
def test_a_promise_out_of_range_is_refused(trained: Router, fresh: QualityTable, wrong: dict[str, float]) -> None:
    with pytest.raises(CertificateError, match="between 0 and 1"):
        trained.certify(fresh, small="small", large="large", **wrong)  # type: ignore[arg-type]


def test_whoever_watches_is_told_how_far_it_is_and_the_router_is_the_same(
    trained: Router, certified: Router, fresh: QualityTable
) -> None:
    told: list[tuple[str, int, int]] = []
    router = trained.watched(lambda *step: told.append(step)).certify(fresh, small="small", large="large", max_drop=0.2)
    assert told == [("Scoring queries", 0, 240), ("Scoring queries", 128, 240), ("Testing thresholds", 0, 0)]
    assert router.certificate == certified.certificate
    router.score([EASY])
    assert len(told) == 3  # who is watched is the router that certified, not the one that came of it


def test_a_certified_router_keeps_its_promise_on_the_disk(
    certified: Router, tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Encoder, "load", lambda path=None: encoder)
    certified.save(tmp_path / "router")
    assert Router.load(tmp_path / "router").certificate == certified.certificate


def test_the_page_about_the_promise_shows_what_runs(
    trained: Router,
    encoder: Encoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = Path(__file__).parents[2] / "docs" / "measured" / "promise.md"
    block = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)[0]
    rows = [
        {**row, "split": "validation", "quality": {"tiny": row["quality"]["small"], "giant": row["quality"]["large"]}}
        for row in NEW
    ]
    (tmp_path / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    trained.save(tmp_path / "my-router")
    monkeypatch.setattr(Encoder, "load", lambda path=None: encoder)
    monkeypatch.chdir(tmp_path)
    with pytest.warns(HybridLLMWarning, match="its scores may suit tiny -> giant less"):
        exec(block, {})
    assert "Promise at quality level 0.95" in capsys.readouterr().out
    certificate = Router.load(tmp_path / "my-router").certificate
    assert certificate is not None
    assert (certificate.provenance.small, certificate.max_drop) == ("tiny", 0.05)
