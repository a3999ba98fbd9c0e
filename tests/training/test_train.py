"""From a quality table to a router that knows what it learned from."""

import warnings

import numpy as np
import pytest

from hybrid_llm import HybridLLMWarning, QualityTable
from hybrid_llm.errors import LabelError, MissingExtraError, TableError, UnknownNameError
from hybrid_llm.metrics import evaluate
from hybrid_llm.training import TrainConfig, train
from tests.small_table import make_rows


def test_it_learns_which_topics_small_is_good_at(trained, table):
    test = table.pair("small", "large").split("test")
    figures = evaluate(trained.score(test.queries), test.mean_small, test.mean_large, repetitions=0)
    assert figures["apgr"] > 0.65
    assert figures["auc"] > 0.75


def test_scores_are_probabilities_of_the_label(trained, table):
    test = table.pair("small", "large").split("test")
    scores = trained.score(test.queries)
    assert ((scores > 0) & (scores < 1)).all()
    assert scores.mean() == pytest.approx(np.mean(test.mean_small >= test.mean_large), abs=0.12)


def test_training_twice_gives_the_same_router(trained, table, encoder):
    assert train(table, small="small", large="large", encoder=encoder).id == trained.id


def test_the_order_of_the_rows_does_not_change_what_is_chosen_from(trained, table, encoder):
    backwards = train(QualityTable.from_rows(make_rows()[::-1]), small="small", large="large", encoder=encoder)
    assert backwards.record.data_hash == trained.record.data_hash
    assert backwards.record.heldout["n"] == trained.record.heldout["n"]


def test_it_is_calibrated_on_validation_and_saw_only_train(trained, table):
    pair = table.pair("small", "large")
    assert trained.calibration.n == len(pair.split("validation"))
    for split, seen in (("train", True), ("validation", False), ("test", False)):
        rows = pair.split(split)
        assert trained.record.count_seen(rows.ids, rows.queries) == (len(rows) if seen else 0)


def test_a_row_is_recognised_by_its_text_under_another_id(trained, table):
    query = table.pair("small", "large").split("train").queries[0]
    assert trained.record.count_seen(["new id"], [f"  {query.upper()} "]) == 1


def test_calibrating_on_rows_that_training_saw_warns(trained, table):
    with pytest.warns(HybridLLMWarning, match="seen in training"):
        trained.calibrate(table.pair("small", "large").split("train"))


def test_the_fixed_sequence_of_thresholds_comes_from_train(trained):
    thresholds = trained.record.thresholds
    assert (np.diff(thresholds) < 0).all()
    assert thresholds[-1] == 0.0
    assert (thresholds < 1).all()


def test_without_validation_rows_there_are_no_thresholds_yet(table, encoder):
    rows = [row for row in make_rows() if row["split"] == "train"]
    router = train(QualityTable.from_rows(rows), small="small", large="large", encoder=encoder)
    assert router.calibration is None


def test_a_table_without_splits_is_split_by_hash(encoder):
    rows = [{k: v for k, v in row.items() if k != "split"} for row in make_rows()]
    router = train(QualityTable.from_rows(rows), small="small", large="large", encoder=encoder)
    assert 100 < router.record.n_fit < 200
    assert router.calibration is not None


@pytest.mark.parametrize("label", ["det", "prob", "trans"])
def test_one_response_scored_zero_or_one_makes_the_three_labels_coincide(trained, table, label, encoder):
    router = train(table, small="small", large="large", encoder=encoder, config=TrainConfig(label=label))
    assert router.id == trained.id
    assert router.record.t == 0.0


def test_few_held_out_rows_choose_nothing_and_take_the_first_of_each_setting(trained):
    assert trained.record.heldout["chosen"] is False
    config = TrainConfig()
    firsts = (config.embedding_gammas[0], config.text_gammas[0], config.ridges[0], config.gap_weights[0])
    assert tuple(trained.record.settings["chosen"].values()) == firsts


def test_labels_are_prob_unless_asked_otherwise(table, encoder, trained):
    assert trained.record.label == "prob"
    asked = train(table, small="small", large="large", encoder=encoder, config=TrainConfig(label="trans"))
    assert asked.record.label == "trans"


def test_enough_held_out_rows_choose_and_say_how_well(table, encoder):
    router = train(table, small="small", large="large", encoder=encoder, config=TrainConfig(min_heldout=20))
    assert router.record.heldout["chosen"] is True
    assert router.record.heldout["apgr"] > 0.6


def test_without_scikit_learn_it_says_what_to_install(table, encoder, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"hybrid-llm\[train\]"):
        train(table, small="small", large="large", encoder=encoder)


def test_ten_rows_are_too_few(table, encoder):
    with pytest.raises(TableError, match="too few"):
        train(QualityTable.from_rows(make_rows(10)), small="small", large="large", encoder=encoder)


@pytest.mark.parametrize(("small", "verdict"), [(1.0, "as good as"), (0.0, "worse than")])
def test_labels_of_one_class_are_refused_with_what_to_do(small, verdict, encoder):
    rows = [{**row, "quality": {"small": [small], "large": [0.9]}} for row in make_rows()]
    with pytest.raises(LabelError, match=verdict):
        train(QualityTable.from_rows(rows), small="small", large="large", encoder=encoder)


def test_unknown_names_are_answered_with_near_ones(table):
    with pytest.raises(UnknownNameError, match="Did you mean 'small'"):
        train(table, small="smal", large="large")


def test_a_table_without_train_says_what_it_has(encoder):
    rows = [{**row, "split": "dev"} for row in make_rows()]  # another word for validation
    with pytest.raises(UnknownNameError, match=r"no split 'train'.*It has: validation"):
        train(QualityTable.from_rows(rows), small="small", large="large", encoder=encoder)


def test_labels_that_the_text_does_not_explain_give_a_router_that_still_works(encoder):
    rng = np.random.default_rng(0)
    rows = [
        {**row, "quality": {"small": [float(rng.integers(2))], "large": [float(rng.integers(2))]}}
        for row in make_rows()
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HybridLLMWarning)
        router = train(QualityTable.from_rows(rows), small="small", large="large", encoder=encoder)
    scores = router.score([row["query"] for row in rows])
    assert np.isfinite(scores).all()
