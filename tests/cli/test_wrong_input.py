"""Wrong input: each has its exit code and a message that says what to do next."""

import json

import pytest

from tests.cli.conftest import PAIR, run, write_rows
from tests.covering import covering
from tests.small_table import make_rows


def refused(shown, code, *parts):
    assert (shown.code, shown.out) == (code, "")
    assert shown.err.startswith("error: ")
    assert len(shown.err.splitlines()) <= 2
    assert "Traceback" not in shown.err
    for part in parts:
        assert part in shown.err


@pytest.mark.parametrize("command", ["train", "evaluate", "calibrate", "certify"])
def test_an_unknown_model_name_gives_the_near_names_and_all_names(command, trained, table, tmp_path):
    where = {"train": ("--out", tmp_path / "r"), "calibrate": ("--out", tmp_path / "r", "--router", trained)}
    extra = where.get(command, ("--router", trained))
    shown = run(command, table, "--small", "smal", "--large", "large", *extra)
    refused(shown, 1, "There is no model 'smal'", "Did you mean 'small'", "It has: large, other, small.")


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "certify"])
def test_an_unknown_split_gives_those_that_are(command, trained, table, tmp_path):
    extra = ("--out", tmp_path / "r") if command == "calibrate" else ()
    shown = run(command, table, *PAIR, "--router", trained, "--split", "tset", *extra)
    refused(shown, 1, "There is no split 'tset'", "Did you mean 'test'", "test, train, validation")


def test_training_needs_a_split_to_train_on(fresh, tmp_path):
    refused(run("train", fresh, *PAIR, "--out", tmp_path / "r"), 1, "There is no split 'train'", "It has: new.")


def test_one_class_of_labels_teaches_nothing(table, tmp_path):
    rows = make_rows(160)
    for row in rows:
        row["quality"] |= {"small": [1.0], "large": [1.0]}
    file = write_rows(tmp_path / "rows.jsonl", rows)
    shown = run("train", file, *PAIR, "--out", tmp_path / "r")
    refused(shown, 1, "as good as large on every training query", "send everything to small")
    assert not (tmp_path / "r").exists()


@covering(
    pytest.mark.parametrize(
        ("score", "message"),
        [
            (float("nan"), "which is not finite"),
            (1.5, "outside [0, 1]; rescale"),
            (-0.1, "outside [0, 1]; rescale"),
            ("good", "not a number"),
        ],
    ),
    pytest.mark.parametrize("command", ["train", "evaluate"]),
)
def test_a_bad_score_names_file_line_and_field(command, score, message, shipped, tmp_path):
    rows = make_rows(40)
    rows[16]["quality"]["small"] = [score]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    extra = ("--out", tmp_path / "r") if command == "train" else ()
    refused(run(command, file, *PAIR, *extra), 1, "rows.jsonl line 17: field 'quality' of model 'small'", message)


@covering(
    pytest.mark.parametrize("scale", ["5", "5:1", "1:1", "low:high", "1:2:3", ":", "nan:1", "0:inf"]),
    pytest.mark.parametrize("command", ["train", "evaluate", "calibrate", "certify"]),
)
def test_a_scale_that_is_none_is_wrong_usage(command, scale, shipped, table, tmp_path):
    more = ("--out", tmp_path / "r") if command in ("train", "calibrate") else ("--router", shipped)
    shown = run(command, table, *PAIR, *more, "--scale", scale)
    refused(shown, 2, f"--scale {scale} is no LOW:HIGH; give the lowest and highest score, as in 1:5.", "--help")


def test_scores_on_another_scale_name_the_option(shipped, tmp_path):
    (tmp_path / "stars.csv").write_text("query,small,large\nWhy?,3,5\n")
    refused(run("evaluate", tmp_path / "stars.csv", *PAIR), 1, "stars.csv line 2: field 'quality'", "--scale 1:5")


def test_ten_rows_are_too_few_to_train_or_to_calibrate(shipped, tmp_path):
    rows = [row | {"split": "train"} for row in make_rows(10)]
    file = write_rows(tmp_path / "ten.jsonl", rows)
    refused(run("train", file, *PAIR, "--out", tmp_path / "r"), 1, "10 training rows are too few", "at least 30")
    refused(run("calibrate", file, *PAIR, "--out", tmp_path / "r"), 1, "10 rows are too few to calibrate")


def test_ten_rows_prove_nothing(shipped, tmp_path):
    file = write_rows(tmp_path / "ten.jsonl", [row | {"split": "new"} for row in make_rows(10, seed=2)])
    shown = run("certify", file, *PAIR, "--router", shipped, "--json")
    assert shown.code == 0
    assert not shown.json["feasible"]
    assert "10 distinct queries are too few" in shown.json["reason"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; each row needs query and quality"),
        ("{\n", "line 1: not valid JSON"),
        (json.dumps({"id": 1, "quality": {"small": 1}}) + "\n", "line 1: field 'query' is missing"),
    ],
)
def test_a_file_that_is_no_table_says_why(content, message, shipped, tmp_path):
    (tmp_path / "bad.jsonl").write_text(content)
    refused(run("evaluate", tmp_path / "bad.jsonl", *PAIR), 1, "bad.jsonl", message)


def test_a_missing_file_is_named(shipped, tmp_path):
    refused(run("evaluate", tmp_path / "no.jsonl", *PAIR), 1, "no.jsonl does not exist")


@pytest.mark.parametrize("command", ["route", "evaluate", "calibrate", "certify"])
def test_a_folder_that_is_no_router_is_named(command, table, tmp_path):
    data = ("query",) if command == "route" else (table, *PAIR)
    extra = ("--out", tmp_path / "r") if command == "calibrate" else ()
    (tmp_path / "notes.txt").write_text("mine")
    refused(run(command, *data, "--router", tmp_path, *extra), 1, f"{tmp_path} is no router folder")
    refused(run(command, *data, "--router", tmp_path / "no", *extra), 1, "no does not exist", "hybrid-llm train")


@pytest.mark.parametrize("command", ["train", "calibrate"])
def test_a_place_that_is_taken_is_refused_before_any_work(command, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    shown = run(command, "there-is-no-such-file.jsonl", *PAIR, "--out", tmp_path)
    refused(shown, 1, f"{tmp_path} exists and is no router folder; choose another --out")
    shown = run(command, "there-is-no-such-file.jsonl", *PAIR, "--out", tmp_path / "notes.txt")
    refused(shown, 1, "exists and is no router folder")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--quality", 0), "quality=0.0 is out of range; use 0 < quality <= 1"),
        (("--quality", 2), "quality=2.0 is out of range"),
        (("--quality", "nan"), "quality=nan is out of range"),
        (("--cost-advantage", 1.1), "cost_advantage=1.1 is out of range"),
        (("--threshold", -1), "threshold=-1.0 is out of range"),
        (("--quality", 0.9, "--threshold", 0.5), "quality and threshold were given together"),
    ],
)
def test_a_level_that_makes_no_sense_is_wrong_usage(options, message, tmp_path):
    refused(run("route", "x", "--router", tmp_path, *options), 2, message, "hybrid-llm route --help")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--label", "maybe"), "label is det or prob or trans, not 'maybe'"),
        (("--recipe", "half"), "recipe is auto or head or full, not 'half'"),
        (("--t", 0.1), "t belongs to the label trans"),
        (("--label", "trans", "--t", -1), "t=-1.0 must be a number >= 0"),
        (("--seed", -1), "--seed"),
    ],
)
def test_a_setting_out_of_range_is_wrong_usage(options, message, tmp_path):
    refused(run("train", "x.jsonl", *PAIR, "--out", tmp_path / "r", *options), 2, message, "hybrid-llm train --help")


@pytest.mark.parametrize("options", [("--max-drop", 0), ("--max-drop", 1), ("--confidence", 1), ("--confidence", -1)])
def test_a_promise_out_of_range_is_wrong_usage(options, tmp_path):
    shown = run("certify", "x.jsonl", *PAIR, "--router", tmp_path, *options)
    refused(shown, 2, f"'{options[0]}'", "strictly between 0 and 1")


def test_a_pair_needs_two_models(table, shipped):
    shown = run("evaluate", table, "--small", "small", "--large", "small")
    refused(shown, 2, "both 'small'; a pair needs two models")


def test_a_picture_needs_an_ending_and_a_folder_before_any_work(tmp_path):
    shown = run("evaluate", "no-such-file.jsonl", *PAIR, "--plot", tmp_path / "curve.doc")
    refused(shown, 2, "must end in .png, .svg, .pdf")
    shown = run("evaluate", "no-such-file.jsonl", *PAIR, "--plot", tmp_path / "no" / "curve.png")
    refused(shown, 1, "there is no folder")


def test_a_router_without_thresholds_asks_for_a_calibration(tmp_path):
    rows = [row for row in make_rows(160) if row["split"] == "train"]
    assert run("train", write_rows(tmp_path / "rows.jsonl", rows), *PAIR, "--out", tmp_path / "r").code == 0
    shown = run("route", "x", "--router", tmp_path / "r", "--quality", 0.9)
    refused(shown, 1, "This router has no thresholds for quality 0.9", "hybrid-llm calibrate")


def test_a_missing_encoder_says_how_to_export_one(table, tmp_path):
    shown = run("train", table, *PAIR, "--out", tmp_path / "r", "--encoder", tmp_path)
    refused(shown, 1, "There is no encoder in", "hybrid-llm export MODEL --out")
