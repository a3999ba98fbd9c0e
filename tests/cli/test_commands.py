"""What the commands do, on a small pair of models."""

import json
import shutil

import numpy as np
import pytest

from hybrid_llm import Level, QualityTable, Router, metrics
from hybrid_llm.table import normal_text
from hybrid_llm.training.head import regression
from tests.cli.conftest import PAIR, run, write_rows
from tests.small_table import make_rows

EASY, HARD = (row["query"] for row in make_rows(4, seed=1)[1:3])


@pytest.fixture
def copy(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "copy")


# train


def test_train_writes_a_router_folder_and_says_what_it_did(table, tmp_path):
    shown = run("train", table, *PAIR, "--out", tmp_path / "r", "--seed", 3)
    assert (shown.code, shown.err) == (0, "")
    router = Router.load(tmp_path / "r")
    assert f"Router {router.id} for small -> large is in {tmp_path / 'r'}" in shown.out
    assert "160 trained on, 0 of the file left out" in shown.out
    assert "0.99" in shown.out
    assert router.record.settings["seed"] == 3
    assert router.record.data == "rows.jsonl"


def test_train_json_has_what_a_program_needs(table, tmp_path):
    shown = run("train", table, *PAIR, "--out", tmp_path / "r", "--label", "trans", "--t", 0.25, "--json").json
    assert shown["router_id"] == Router.load(tmp_path / "r").id
    assert (shown["label"], shown["t"]) == ("trans", 0.25)
    assert shown["rows"] == {
        "train": 160,
        "validation": 40,
        "without_both_models": 0,
        "skipped": 0,
        "leaks_dropped": 0,
    }
    assert [cut["quality"] for cut in shown["thresholds"]] == [0.99, 0.95, 0.9]


def test_train_counts_what_it_leaves_out(tmp_path):
    rows = make_rows(160)
    del rows[0]["quality"]["large"]
    rows[1]["quality"]["small"] = [7]
    rows[2]["stem_key"] = rows[-1]["stem_key"] = "the same question"
    rows[-1]["split"] = "test"
    file = write_rows(tmp_path / "rows.jsonl", rows)
    shown = run("train", file, *PAIR, "--out", tmp_path / "r", "--skip-bad", "--drop-leaks", "--json")
    counted = shown.json["rows"]
    assert [counted[name] for name in ("without_both_models", "skipped", "leaks_dropped")] == [1, 1, 1]
    notes = shown.err.splitlines()
    assert len(notes) == 3
    assert "1 row skipped" in notes[0]
    assert "outside [0, 1]" in notes[0]
    assert "1 training row dropped" in notes[1]
    assert "1 row left out" in notes[2]


def test_leaks_are_reported_when_they_stay(tmp_path):
    rows = make_rows(160)
    rows[2]["stem_key"] = rows[-1]["stem_key"] = "the same question"
    rows[-1]["split"] = "test"
    file = write_rows(tmp_path / "rows.jsonl", rows)
    assert "--drop-leaks drops them" in run("train", file, *PAIR, "--out", tmp_path / "r").err


def test_train_without_a_validation_split_says_what_to_do_next(tmp_path):
    rows = [row for row in make_rows(160) if row["split"] == "train"]
    shown = run("train", write_rows(tmp_path / "rows.jsonl", rows), *PAIR, "--out", tmp_path / "r")
    assert shown.code == 0
    assert "hybrid-llm calibrate" in shown.out


def test_train_says_when_there_was_nothing_to_go_by(table, tmp_path, monkeypatch):
    fit = regression.platt
    monkeypatch.setattr(regression, "platt", lambda raw, labels: (-1.0, fit(raw, labels)[1]))
    shown = run("train", table, *PAIR, "--out", tmp_path / "r")
    assert "Training found nothing to go by" in shown.out


@pytest.mark.slow
def test_train_takes_an_exported_encoder(table, tmp_path):
    from hybrid_llm.scoring.encoder_folder import SHIPPED

    (tmp_path / "mine").mkdir()
    for name in ("encoder.json", "encoder.onnx", "tokenizer.json"):
        shutil.copy(SHIPPED / name, tmp_path / "mine")
    shown = run("train", table, *PAIR, "--out", tmp_path / "r", "--encoder", tmp_path / "mine")
    assert shown.code == 0
    assert (tmp_path / "r" / "encoder" / "encoder.onnx").is_file()


# evaluate


def test_evaluate_json_is_what_the_library_computes(trained, table):
    shown = run("evaluate", table, *PAIR, "--router", trained, "--split", "test", "--bootstrap", 20, "--json")
    pair = QualityTable.read(table).pair("small", "large").split("test")
    scores = Router.load(trained).score(pair.queries)
    expected = metrics.evaluate(scores, pair.mean_small, pair.mean_large, repetitions=20)
    assert {key: shown.json[key] for key in expected} == expected
    assert shown.json["pair"] == {"small": "small", "large": "large"}
    assert shown.json["seen"] == 0


def test_evaluate_shows_the_router_between_random_and_oracle(trained, fresh):
    shown = run("evaluate", fresh, *PAIR, "--router", trained, "--bootstrap", 50)
    assert (shown.code, shown.err) == (0, "")
    line = next(line for line in shown.out.splitlines() if line.startswith("APGR")).split()
    router, random, oracle = float(line[1]), float(line[-2]), float(line[-1])
    assert random == 0.5 < router < oracle
    assert "240 queries" in shown.out


def test_a_figure_that_is_not_defined_is_null_for_machines_and_a_dash_for_people(trained, tmp_path):
    rows = [row | {"quality": {"small": [1.0], "large": [1.0]}, "split": "new"} for row in make_rows(120, seed=1)]
    arguments = ("evaluate", write_rows(tmp_path / "rows.jsonl", rows), *PAIR, "--router", trained, "--bootstrap", 5)
    assert run(*arguments, "--json").json["apgr"] is None
    line = next(line for line in run(*arguments).out.splitlines() if line.startswith("APGR"))
    assert line.split() == ["APGR", "-", "-", "-"]


def test_evaluate_without_resamples_has_no_intervals(trained, fresh):
    arguments = ("evaluate", fresh, *PAIR, "--router", trained, "--bootstrap", 0)
    assert "ci" not in run(*arguments, "--json").json
    assert "[" not in run(*arguments).out


@pytest.mark.slow
def test_evaluate_draws_the_curve(trained, fresh, tmp_path):
    arguments = ("evaluate", fresh, *PAIR, "--router", trained, "--bootstrap", 0, "--plot", tmp_path / "curve.png")
    shown = run(*arguments)
    assert shown.code == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "curve.png" in shown.out


def test_evaluate_warns_of_rows_that_training_saw(trained, table):
    shown = run("evaluate", table, *PAIR, "--router", trained, "--bootstrap", 0)
    assert shown.err.startswith("warning: 160 of 240 rows were seen in training")


def test_evaluate_warns_of_few_rows(trained, table):
    shown = run("evaluate", table, *PAIR, "--router", trained, "--split", "test", "--bootstrap", 0)
    assert shown.err.startswith("warning: 40 rows say little")


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "certify"])
def test_another_pair_is_allowed_with_one_warning(command, copy, fresh):
    extra = {"evaluate": ("--bootstrap", 0), "calibrate": ("--out", copy, "--force"), "certify": ("--force",)}[command]
    shown = run(command, fresh, "--small", "other", "--large", "large", "--router", copy, *extra)
    assert shown.code == 0
    assert len(shown.err.splitlines()) == 1
    assert shown.err.startswith("warning: This router is for small -> large; its scores may suit other -> large less")


def test_evaluate_takes_the_shipped_router_when_none_is_named(shipped, fresh):
    shown = run("evaluate", fresh, *PAIR, "--bootstrap", 0, "--json")
    assert shown.json["router_id"] == Router.load(shipped).id


# calibrate


def test_calibrate_keeps_the_scores_and_takes_the_thresholds_of_the_pair(trained, fresh, tmp_path):
    shown = run("calibrate", fresh, *PAIR, "--router", trained, "--out", tmp_path / "mine", "--json").json
    before, after = Router.load(trained), Router.load(tmp_path / "mine")
    assert after.id == before.id == shown["router_id"]
    assert (after.calibration.n, before.calibration.n) == (240, 40)
    assert after.calibration == before.calibrate(QualityTable.read(fresh), "small", "large").calibration
    assert shown["thresholds"][0]["threshold"] == after.calibration.cut(Level("quality", 0.99)).threshold


def test_calibrate_prints_the_thresholds(shipped, fresh, tmp_path):
    shown = run("calibrate", fresh, *PAIR, "--out", tmp_path / "mine")
    assert (shown.code, shown.err) == (0, "")
    assert "measured on 240 rows and not certified" in shown.out


def test_calibrate_says_why_a_quality_level_sends_nothing_to_small(trained, tmp_path):
    rows = [{"query": f"今天晚饭吃什么好 {i}", "quality": {"small": i % 2, "large": 1}} for i in range(30)]
    foreign = write_rows(tmp_path / "foreign.jsonl", rows)
    shown = run("calibrate", foreign, *PAIR, "--router", trained, "--out", tmp_path / "mine", "--json")
    assert [cut["cost_advantage"] for cut in shown.json["thresholds"]] == [0.0] * 3
    assert "30 of 30 queries are unlike those of training: a quality level sends them to large" in shown.err


def test_calibrate_warns_of_rows_that_training_saw(trained, table, tmp_path):
    shown = run("calibrate", table, *PAIR, "--router", trained, "--out", tmp_path / "mine")
    assert shown.err.startswith("warning: 160 of 240 calibration rows were seen in training")


def test_a_certificate_falls_when_the_pair_changes(copy, fresh):
    assert run("certify", fresh, *PAIR, "--router", copy, "--max-drop", 0.2).code == 0
    in_place = ("--router", copy, "--out", copy, "--force", "--json")
    assert run("calibrate", fresh, *PAIR, *in_place).json["certificate_kept"]
    other = run("calibrate", fresh, "--small", "other", "--large", "large", *in_place)
    assert not other.json["certificate_kept"]
    assert Router.load(copy).certificate is None


# certify


def test_certify_prints_the_promise_and_keeps_it_in_the_folder(copy, fresh):
    shown = run("certify", fresh, *PAIR, "--router", copy, "--max-drop", 0.2, "--measured-by", "exact match")
    assert (shown.code, shown.err) == (0, "")
    router = Router.load(copy)
    assert router.certificate.explain() in shown.out
    assert "Measured by exact match, on fresh.jsonl" in shown.out
    assert router.decide(EASY, quality=0.8).certified
    assert router.calibration == Router.load(copy).calibration


def test_certify_json_is_the_menu(copy, fresh):
    shown = run("certify", fresh, *PAIR, "--router", copy, "--max-drop", 0.2, "--json").json
    assert shown["feasible"] is True
    assert {"threshold", "cost_advantage", "max_drop", "confidence", "n"} <= shown.keys()
    assert [entry["quality"] for entry in shown["menu"]] == [0.99, 0.98, 0.97, 0.95, 0.9, 0.8]
    assert shown["provenance"]["router_id"] == Router.load(copy).id
    assert shown == Router.load(copy).certificate.as_dict()


def test_certify_tests_the_thresholds_that_training_fixed(copy, fresh):
    certificate = run("certify", fresh, *PAIR, "--router", copy, "--max-drop", 0.2, "--json").json
    assert np.isin(certificate["threshold"], Router.load(copy).record.thresholds)


def test_certify_counts_equal_texts_once(copy, tmp_path):
    rows = [row | {"split": "new"} for row in make_rows(seed=1)]
    again = [row | {"id": f"{row['id']}-again", "query": f"  {row['query'].upper()} "} for row in rows[:40]]
    assert normal_text(again[0]["query"]) == normal_text(rows[0]["query"])
    file = write_rows(tmp_path / "twice.jsonl", rows + again)
    assert run("certify", file, *PAIR, "--router", copy, "--json").json["n"] == 240


def test_nothing_to_promise_is_an_answer_that_is_kept(copy, fresh):
    shown = run("certify", fresh, *PAIR, "--router", copy, "--max-drop", 0.001, "--json")
    assert shown.code == 0
    assert shown.json["feasible"] is False
    assert shown.json["needed_n"] > 240
    assert not Router.load(copy).certificate.asked.feasible


def test_certify_refuses_rows_that_training_saw(copy, table):
    before = (copy / "router.json").read_text()
    shown = run("certify", table, *PAIR, "--router", copy)
    assert (shown.code, shown.out) == (1, "")
    assert shown.err.startswith("error: 160 of 240 rows were seen by fitting or choosing")
    assert "--allow-leak" in shown.err
    assert (copy / "router.json").read_text() == before


def test_a_leak_that_is_allowed_makes_the_certificate_void(copy, table):
    shown = run("certify", table, *PAIR, "--router", copy, "--allow-leak", "--max-drop", 0.2)
    assert shown.code == 0
    assert shown.out.startswith("VOID: Fitting or choosing saw 160 of the 240 rows")
    router = Router.load(copy)
    assert router.certificate.provenance.void
    assert "## Certificate: VOID" in (copy / "README.md").read_text()
    assert not router.override().certificate.for_quality(0.8)


def test_allow_leak_without_a_leak_leaves_the_certificate_standing(copy, fresh):
    shown = run("certify", fresh, *PAIR, "--router", copy, "--allow-leak", "--max-drop", 0.2, "--json").json
    assert (shown["void"], shown["feasible"]) == (False, True)


def test_certifying_another_pair_measures_its_thresholds_too(copy, fresh):
    run("certify", fresh, "--small", "other", "--large", "large", "--router", copy, "--force")
    router = Router.load(copy)
    assert (router.calibration.small, router.certificate.provenance.small) == ("other", "other")


# every command that reads a table


@pytest.mark.parametrize(
    "command", ["calibrate", "certify", *(pytest.param(name, marks=pytest.mark.slow) for name in ("evaluate", "train"))]
)
def test_a_csv_with_scores_on_another_scale_says_what_the_table_of_rescaled_scores_says(
    command, copy, table, fresh, tmp_path
):
    source = table if command == "train" else fresh
    text = "id,query,split,small,large\n"
    for row in map(json.loads, source.read_text().splitlines()):
        small, large = (1 + 4 * row["quality"][model][0] for model in ("small", "large"))
        text += f'{row["id"]},"{row["query"]}",{row["split"]},{small},{large}\n'
    (tmp_path / source.name).write_text(text)
    more = {"train": ("--out", tmp_path / "r"), "calibrate": ("--out", tmp_path / "r", "--router", copy)}.get(
        command, ("--router", copy)
    )
    plain = run(command, source, *PAIR, *more, "--json")
    again = ("--scale", "1:5", *(() if command == "evaluate" else ("--force",)))
    scaled = run(command, tmp_path / source.name, *PAIR, *more, *again, "--json")
    assert (plain.code, scaled.code) == (0, 0)
    assert scaled.json == plain.json
