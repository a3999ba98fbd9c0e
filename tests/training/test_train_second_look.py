"""A second look is trained on answers and grades, measured on other rows, and kept with its router."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.common.cache import CachedEncoder
from hybrid_llm import Answer, Level, QualityTable, Router
from hybrid_llm.errors import CertificateError, DamagedFolderError, HybridLLMWarning, LevelError, LookError
from hybrid_llm.look import Ladder, LookHead, LookRows
from hybrid_llm.report import evaluate_look, evaluate_router
from hybrid_llm.router import RouterParts, look_rows, void_certificates
from hybrid_llm.testing import FixedScorer
from hybrid_llm.training import (
    TrainConfig,
    left_out_heights,
    train_and_score,
    train_second_look,
    untrained_looks,
)
from hybrid_llm.training.second_look import fit_head, fit_paths
from tests.answered_table import make_answered_rows

PAIR = ("small", "large")


@pytest.fixture(scope="module")
def answered() -> QualityTable:
    return QualityTable.from_rows(make_answered_rows(360))


@pytest.fixture(scope="module")
def looking(answered: QualityTable, encoder: CachedEncoder) -> Router:
    router, scores = train_and_score(answered, *PAIR, encoder=encoder)
    return train_second_look(router, answered, *PAIR, checkers=["checker"], scores=scores)


def without(rows: list[dict[str, Any]], *names: str) -> QualityTable:
    return QualityTable.from_rows([{key: value for key, value in row.items() if key not in names} for row in rows])


def test_it_saves_far_more_than_the_query_where_the_answer_tells(looking: Router, answered: QualityTable) -> None:
    test = answered.pair(*PAIR).split("test")
    found = evaluate_router(looking, test, levels=[0.95], repetitions=0)
    assert found.looked is not None
    assert found.looked.figures["apgr"] > found.figures["apgr"] + 0.15
    assert found.looked.at(0.95).cost_advantage > 0.3
    assert found.looked.at(0.95).drop < 0.1


def test_each_set_of_signals_has_a_path_and_levels_of_its_own(looking: Router) -> None:
    look = looking.second_look
    assert look.columns == ("query", "logprobs", "agreement:checker")
    assert len(look.paths) == 7
    assert all(path.calibration is not None and path.calibration.n == 120 for path in look.paths.values())
    assert all(min(path.head.weights) > 0 for path in look.paths.values())


def test_each_signal_counts_for_the_answer(looking: Router) -> None:
    look, sure, unsure = looking.second_look, Answer("18", [-0.1]), Answer("18", [-2.0])
    query = "Question about sums"
    agreed = look.score(query, sure, checker=Answer("18"))
    assert agreed > look.score(query, unsure, checker=Answer("18"))
    assert agreed > look.score(query, sure, checker=Answer("17"))


def test_it_is_the_same_after_a_trip_through_the_disk(looking: Router, answered: QualityTable, tmp_path: Path) -> None:
    proved = looking.certify(answered.pair(*PAIR).split("test"), max_drop=0.3)
    proved.save(tmp_path / "router")
    read = Router.load(tmp_path / "router")
    assert read.second_look.id == proved.second_look.id
    assert read.second_look.certificate == proved.second_look.certificate
    assert read.second_look.as_dict() == proved.second_look.as_dict()
    assert json.loads((tmp_path / "router" / "router.json").read_text())["format_version"] == 4


def test_a_router_without_a_look_is_written_for_versions_that_know_none(trained: Router, tmp_path: Path) -> None:
    trained.save(tmp_path / "router")
    assert json.loads((tmp_path / "router" / "router.json").read_text())["format_version"] == 3


def test_a_look_of_another_router_is_refused(looking: Router, trained: Router, tmp_path: Path) -> None:
    trained.override(looks=looking.parts.looks).save(tmp_path / "router")
    with pytest.raises(DamagedFolderError, match="belongs to the router"):
        Router.load(tmp_path / "router")


def test_a_look_that_was_changed_is_refused(looking: Router, tmp_path: Path) -> None:
    looking.save(tmp_path / "router")
    file = tmp_path / "router" / "look" / "trained.json"
    file.write_text(file.read_text().replace('"bias": ', '"bias":  '))
    with pytest.raises(DamagedFolderError, match="changed"):
        Router.load(tmp_path / "router")


def test_a_linked_folder_of_looks_is_refused(looking: Router, tmp_path: Path) -> None:
    looking.save(tmp_path / "router")
    shutil.move(tmp_path / "router" / "look", tmp_path / "elsewhere")
    (tmp_path / "router" / "look").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DamagedFolderError, match="is a link"):
        Router.load(tmp_path / "router")


def test_calibrating_for_another_pair_takes_the_look_away(looking: Router, answered: QualityTable) -> None:
    assert looking.calibrate(answered.pair(*PAIR).split("validation")).second_look is not None
    assert looking.calibrate(answered.pair("large", "small").split("validation")).second_look is None


def test_a_proof_needs_rows_that_training_did_not_see(looking: Router, answered: QualityTable) -> None:
    with pytest.raises(CertificateError, match="seen by fitting"):
        looking.certify(answered.pair(*PAIR).split("train"))


@pytest.mark.slow
def test_both_proofs_hold_at_once(looking: Router, answered: QualityTable) -> None:
    router = looking.certify(answered.pair(*PAIR).split("test"), max_drop=0.3, menu=False)
    assert router.certificate.asked.together == router.second_look.certificate.asked.together == 2
    assert router.second_look.certificate.provenance.look_id == router.second_look.id


def test_a_certified_level_says_so_and_a_stricter_one_does_not(looking: Router, answered: QualityTable) -> None:
    router = looking.certify(answered.pair(*PAIR).split("test"), max_drop=0.3, menu=False)
    assert router.second_look.certificate.asked.feasible
    assert router.second_look.plan(Level("quality", 0.7)).certified
    assert not router.second_look.plan(Level("quality", 0.9)).certified


def test_a_broken_audit_voids_both_proofs_and_a_reason_that_is_there_stays(
    looking: Router, answered: QualityTable, tmp_path: Path
) -> None:
    looking.certify(answered.pair(*PAIR).split("test"), max_drop=0.3, menu=False).save(tmp_path / "router")
    void_certificates(tmp_path / "router", "An audit said so.")
    void_certificates(tmp_path / "router", "Another one did.")
    router = Router.load(tmp_path / "router")
    menus = (router.certificate, router.second_look.certificate)
    assert [menu.provenance.void_reason for menu in menus] == ["An audit said so."] * 2
    assert not router.second_look.plan(Level("quality", 0.7)).certified
    assert "VOID: An audit said so." in (tmp_path / "router" / "README.md").read_text()


@pytest.mark.slow
def test_under_200_rows_all_of_them_train(answered: QualityTable, encoder: CachedEncoder) -> None:
    pair = answered.pair(*PAIR).rows(np.arange(120))
    router, scores = train_and_score(pair, config=TrainConfig(all_rows=True), encoder=encoder)
    router = train_second_look(router, pair, checkers=["checker"], scores=scores, all_rows=True)
    look = router.second_look
    assert look.paths[look.columns].calibration.n == 120
    rows = LookRows.of(pair, scores, None, look.checkers)
    looked, kept = left_out_heights(look, rows, pair.ids)
    assert (kept <= looked).all()
    found = evaluate_look(router, pair, scores=scores, heights=(looked, kept), levels=[0.9], repetitions=0)
    cut = look.paths[look.columns].calibration.cut(Level("quality", 0.9))
    assert found.at(0.9).cost_advantage == cut.cost_advantage


def test_an_unfamiliar_query_skips_the_gate_and_not_the_look(looking: Router, answered: QualityTable) -> None:
    test = answered.pair(*PAIR).split("test")
    look = looking.second_look
    full = look.paths[look.columns]
    gated = replace(full, ladder=Ladder((0.5,) * len(full.ladder.gates), full.ladder.thresholds))
    look = look.with_parts(paths={**look.paths, look.columns: gated})
    rows = look_rows(looking, test, look, np.zeros(len(test)))  # no query passes the gate
    strange = LookRows(**{**vars(rows), "known": np.zeros(len(rows), dtype=bool)})
    plan = look.plan(Level("quality", 0.9))
    assert not look.served(rows, plan)[0].any()
    looked, kept = look.served(strange, plan)
    assert looked.all()
    assert 0 < kept.sum() < len(rows)


def test_what_is_missing_is_judged_by_the_rest(answered: QualityTable, encoder: CachedEncoder) -> None:
    rows = make_answered_rows(360)
    table = without(rows, "logprobs")
    router, scores = train_and_score(table, *PAIR, encoder=encoder)
    look = train_second_look(router, table, *PAIR, checkers=["checker"], scores=scores).second_look
    assert look.columns == ("query", "agreement:checker")


@pytest.mark.parametrize(
    ("rows", "checkers", "error"),
    [
        (make_answered_rows(360), ["small"], "small model itself"),
        (make_answered_rows(360), ["nobody"], "answered no row"),
        (without(make_answered_rows(360), "responses", "logprobs"), [], "Only 0 of 180"),
        (make_answered_rows(360, logprobs=False, checker=False), [], "No signal"),
        (make_answered_rows(360), [f"c{i}" for i in range(5)], "too many"),
        (
            [row | {"finish": {"small": ["length"]}} for row in make_answered_rows(360)],
            [],
            "None of the 180",
        ),
    ],
)
def test_rows_that_cannot_teach_say_why(trained: Router, rows: Any, checkers: list[str], error: str) -> None:
    table = rows if isinstance(rows, QualityTable) else QualityTable.from_rows(rows)
    n = len(table.pair(*PAIR).split("train"))
    with pytest.raises(LookError, match=error):
        train_second_look(trained, table, *PAIR, checkers=checkers, scores=np.full(n, 0.5))


def test_a_checker_that_answered_a_tenth_is_said(trained: Router) -> None:
    rows = make_answered_rows(360)
    for number, row in enumerate(rows):
        if number % 10:
            del row["responses"]["checker"]
    table = QualityTable.from_rows(rows)
    n = len(table.pair(*PAIR).split("train"))
    with pytest.warns(HybridLLMWarning, match=r"'checker' answered 24 of 180 training rows"):
        router = train_second_look(trained, table, *PAIR, checkers=["checker"], scores=np.full(n, 0.5))
    assert ("query", "logprobs") in router.second_look.paths


def test_scores_of_other_rows_are_refused(trained: Router, answered: QualityTable) -> None:
    with pytest.raises(LookError, match="need as many scores"):
        train_second_look(trained, answered, *PAIR, scores=np.zeros(3))


def test_the_names_of_both_models_are_needed(trained: Router, answered: QualityTable) -> None:
    with pytest.raises(TypeError, match="names of both models"):
        train_second_look(trained, answered)


def test_thoughts_without_an_answer_are_no_answer_in_a_table_either() -> None:
    rows = make_answered_rows(2)
    for row, text in zip(rows, ("<think>2+2, so</think> ", "<think>2+2</think> 4"), strict=True):
        row["responses"]["small"] = [text]
    assert LookRows.of(QualityTable.from_rows(rows).pair(*PAIR), np.full(2, 0.5)).usable.tolist() == [False, True]


def test_an_answer_that_a_limit_cut_off_is_one_in_the_words_of_any_server() -> None:
    rows = [
        row | {"finish": {"small": [why]}}
        for row, why in zip(make_answered_rows(2), ("MAX_TOKENS", "end"), strict=True)
    ]
    assert LookRows.of(QualityTable.from_rows(rows).pair(*PAIR), np.full(2, 0.5)).usable.tolist() == [False, True]


def test_equal_scores_are_as_good_however_often_large_was_asked() -> None:
    def heads(times: int) -> list[LookHead]:
        rows = make_answered_rows(60)
        for row in rows:
            # the mean of three is a little above 0.1
            row["quality"] = {"small": [0.1 * row["quality"]["small"][0]], "large": [0.1] * times}
            row["responses"].pop("large")
        pair = QualityTable.from_rows(rows).pair(*PAIR)
        return [path.head for path in fit_paths(LookRows.of(pair, np.full(60, 0.5)), pair.ids, ()).values()]

    assert heads(3) == heads(1)


def test_a_signal_that_misleads_on_these_rows_does_not_turn() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 2))
    good = (x[:, 0] - x[:, 1] > 0).astype(float)  # the second column says the contrary of what it should
    head = fit_head(("logprobs", "agreement:c"), x, good, np.ones(400))
    assert head.weights[0] > 10 * head.weights[1] > 0


@pytest.mark.slow
def test_a_function_of_ones_own_has_to_come_along(
    looking: Router, answered: QualityTable, trained: Router, tmp_path: Path
) -> None:
    def last_word(text: str) -> str:
        return text.split()[-1].strip(".")

    n = len(answered.pair(*PAIR).split("train"))
    scores = np.full(n, 0.5)
    router = train_second_look(trained, answered, *PAIR, checkers=["checker"], scores=scores, final=last_word)
    router.save(tmp_path / "router")
    read = Router.load(tmp_path / "router").second_look
    with pytest.raises(LookError, match="last_word found"):
        read.plan(Level("quality", 0.9))
    assert read.with_parts(final=last_word).plan(Level("quality", 0.9)).cuts


# untrained


def test_untrained_levels_are_shares_of_what_small_says() -> None:
    answers = [Answer("yes", [-number / 50]) for number in range(100)]
    look = untrained_looks("tiny", ["Is it?"] * 100, answers)["logprobs"]
    plan = look.plan(Level("cost_advantage", 0.3))
    assert sum(look.judge(plan, answer).kept for answer in answers) == 30
    with pytest.raises(LevelError, match="nobody graded"):
        look.plan(Level("quality", 0.9))


def test_untrained_agreement_comes_before_its_tie_breaker() -> None:
    answers = [Answer("18", [-number / 50]) for number in range(100)]
    others = [Answer("18" if number % 2 else "17") for number in range(100)]
    look = untrained_looks("tiny", ["Is it?"] * 100, answers, checkers={"other": others})["agreement"]
    plan = look.plan(Level("cost_advantage", 0.5))
    kept = [look.judge(plan, a, checker=o).kept for a, o in zip(answers, others, strict=True)]
    assert kept == [bool(number % 2) for number in range(100)]


def test_untrained_answers_that_are_cut_off_are_said() -> None:
    answers = [Answer("yes", [-0.1], finish="length")] * 100
    with pytest.raises(LookError, match="cut off"):
        untrained_looks("tiny", ["Is it?"] * 100, answers)
    with pytest.raises(LookError, match="log-probabilities from version"):
        untrained_looks("tiny", ["Is it?"] * 100, [Answer("yes")] * 100)
    with pytest.raises(LookError, match="told apart by log-probabilities, or by the queries' scores"):
        untrained_looks("tiny", ["Is it?"] * 100, [Answer("yes")] * 100, checkers={"other": [Answer("yes")] * 100})
    with pytest.raises(LookError, match="0 answers of tiny to 0 queries give no levels"):
        untrained_looks("tiny", [], [])


def test_a_router_that_has_no_look_names_the_command(trained: Router) -> None:
    for form, error, says in (
        (True, LookError, "train TABLE --second-look"),
        ("logprobs", LevelError, "calibrate --unlabelled"),
        ("agreement", LevelError, "--checker MODEL"),
        ("magic", LookError, "takes True"),
    ):
        with pytest.raises(error, match=says):
            trained.look(form)


def test_the_parts_of_a_router_hold_no_look_by_default() -> None:
    assert Router(FixedScorer(0.5)).parts.looks == RouterParts(FixedScorer(0.5)).looks == {}
