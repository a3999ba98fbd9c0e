"""The shipped router: what may train it, how it is fitted, and what its card says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hybrid_llm import Router
from hybrid_llm.metrics import tradeoff_curve
from hybrid_llm.scoring import Encoded
from hybrid_llm.table import hash64
from tools.shipped_router import study
from tools.shipped_router.fit import SHIPPED, Problem, Variant, targets
from tools.shipped_router.item_response import denoised, item_response
from tools.shipped_router.page import SOURCES
from tools.shipped_router.rows import LARGE_MODELS, SMALL_MODELS, Answered, Material, read_rows, without
from tools.shipped_router.run import fit_shipped
from tools.shipped_router.study import NONE, scores_of

SMALL, LARGE = SMALL_MODELS[0], LARGE_MODELS[0]
TINY = replace(SHIPPED, landmarks=100, judged_weight=0.0)


class WordEncoder:
    """Stands in for the shipped encoder: the mean of a random vector for each word."""

    id, sha256, dim, shipped, path = "words", "0" * 64, 24, False, Path("words")

    def encode(self, queries: Sequence[str]) -> Encoded:
        vectors = [
            np.mean([np.random.default_rng(hash64(word)).normal(size=self.dim) for word in query.split()], axis=0)
            for query in queries
        ]
        embeddings = np.array(vectors, dtype=np.float32)
        return Encoded(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), np.zeros(len(queries), bool))


def question(file: str, number: int, small: float, large: float, word: str = "word", **changes) -> Answered:
    row = Answered(file, f"{file}/{number}", f"{word} {file} {number}", f"{file} {number}", "train", {})
    return replace(row, quality={SMALL: small, LARGE: large}, **changes)


def world(seed: int = 0, n: int = 300) -> list[Answered]:
    """Two benchmarks: in each, small fails when the question says hard; one of them is easy throughout."""
    rng = np.random.default_rng(seed)
    rows = []
    for file, luck in (("maths", 0.35), ("trivia", 0.65)):
        for number in range(n):
            hard = rng.random() < 0.5
            small = float(rng.random() < luck + (-0.3 if hard else 0.3))
            split = "validation" if number % 4 == 0 else "train"
            rows.append(question(file, number, small, 1.0, "hard" if hard else "easy", split=split))
    return rows


@pytest.fixture(scope="module")
def rows() -> list[Answered]:
    return world()


def write(folder: Path, name: str, *lines: dict) -> None:
    with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"quality": {SMALL: [1], LARGE: [1]}, **line}) + "\n" for line in lines)


def test_a_question_of_another_files_test_rows_does_not_train(tmp_path):
    write(
        tmp_path,
        "a",
        {"id": "same-letters", "query": "What is it?", "stem_key": "k", "split": "train"},
        {"id": "same-text", "query": "Why  not?", "split": "train"},
        {"id": "free", "query": "How?", "split": "train"},
        {"id": "to-calibrate", "query": "Who?", "split": "validation"},
    )
    write(
        tmp_path,
        "b",
        {"id": "1", "query": "what is it", "stem_key": "k", "split": "test"},
        {"id": "2", "query": "why not?", "split": "validation"},
    )
    splits = {row.id: row.split for row in read_rows(tmp_path)}
    assert splits == {
        "a/same-letters": "",
        "a/same-text": "",
        "a/free": "train",
        "a/to-calibrate": "validation",
        "b/1": "test",
        "b/2": "validation",
    }


def test_a_validation_row_that_is_tested_elsewhere_does_not_calibrate(tmp_path):
    write(tmp_path, "a", {"id": "1", "query": "Why?", "split": "validation"})
    write(tmp_path, "b", {"id": "1", "query": "Why?", "split": "test"})
    assert {row.id: row.split for row in read_rows(tmp_path)} == {"a/1": "", "b/1": "test"}


def test_questions_that_one_side_did_not_answer_are_left_out(tmp_path):
    write(tmp_path, "a", {"id": "1", "query": "Why?", "split": "train", "quality": {SMALL: [1], "another": [1]}})
    assert read_rows(tmp_path) == []


def test_leaving_a_file_out_takes_its_questions_out_of_the_others():
    twin = question("b", 7, 1, 1, stem="a 1")
    echo = replace(question("b", 8, 1, 1), query=question("a", 2, 1, 1).query.upper())
    other = question("b", 9, 1, 1)
    rows = [question("a", 1, 1, 1), question("a", 2, 1, 1), twin, echo, other]
    assert without(rows, {"a"}) == [other]


def test_item_response_is_nearer_to_the_truth_than_the_answers():
    rng = np.random.default_rng(1)
    difficulty, ability = rng.normal(size=(400, 1)), rng.normal(size=(1, 25))
    truth = 1 / (1 + np.exp(-2 * (ability - difficulty)))
    measured = (rng.random(truth.shape) < truth).astype(float)
    measured[rng.random(truth.shape) < 0.3] = np.nan
    found = item_response(measured, rank=2)
    assert found.min() > 0
    assert found.max() < 1
    assert np.mean((found - truth) ** 2) < 0.2 * np.nanmean((measured - truth) ** 2)


def test_answers_of_two_models_stay_as_measured(rows):
    material = Material.of([row for row in rows if row.split == "train"], WordEncoder())
    labels, gaps = denoised(material, rank=2)
    assert np.array_equal(labels, material.labels)
    assert np.array_equal(gaps, material.small - material.large)


def test_rank_0_and_share_0_fit_what_was_measured(rows):
    material = Material.of(rows, WordEncoder())
    measured = material.labels + SHIPPED.gap_weight * (material.small - material.large)
    for column in targets(material, [replace(SHIPPED, rank=0), replace(SHIPPED, share=0.0)]).T:
        assert np.allclose(column, measured)


@pytest.mark.slow
def test_a_left_out_score_does_not_know_its_own_answer(rows):
    material = Material.of(rows, WordEncoder())
    other = replace(material, small=np.where(material.folds == 3, 1 - material.small, material.small))
    before, after = (Problem(some, targets(some, [TINY]), [TINY]).left_out() for some in (material, other))
    assert np.allclose(before[material.folds == 3], after[material.folds == 3])
    assert not np.allclose(before[material.folds == 2], after[material.folds == 2])


def left_out_apgr(rows: Sequence[Answered], variant: Variant) -> float:
    material = Material.of(rows, WordEncoder())
    outside = scores_of(material, [variant])[1][:, 0]
    mine = material.files == "new"
    return tradeoff_curve(outside[mine], material.small[mine], material.large[mine]).apgr


@pytest.mark.slow
def test_levels_keep_the_score_from_learning_which_benchmark_it_is():
    """Simpson's paradox: "hard" is frequent where all is easy, so that without levels it looks harmless."""
    rng = np.random.default_rng(2)
    rows = []
    for file, base, often in (("easy-one", 1.0, 0.95), ("hard-one", 0.45, 0.05), ("new", 0.7, 0.5)):
        for number in range(300):
            hard = rng.random() < often
            small = float(rng.random() < base - (0.4 if hard else 0))
            query = 4 * ("hard " if hard else "mild ") + str(number)
            rows.append(replace(question(file, number, small, 1.0), query=query))
    with_levels = left_out_apgr(rows, replace(TINY, level_penalty=1.0))
    assert with_levels > 0.55
    assert with_levels > left_out_apgr(rows, replace(TINY, level_penalty=NONE)) + 0.05


@pytest.mark.slow
def test_the_same_rows_give_the_same_router(rows):
    one, two = (fit_shipped(rows, WordEncoder(), variant=TINY) for _ in range(2))
    assert one.id == two.id
    assert one.calibration == two.calibration
    assert one.calibration.n == sum(row.split == "validation" for row in rows)


@pytest.mark.slow
def test_a_file_left_out_has_no_part_in_the_router(rows):
    swapped = [replace(row, quality={SMALL: 1.0, LARGE: 0.0}) if row.file == "maths" else row for row in rows]
    ours, theirs = (fit_shipped(some, WordEncoder(), leave_out="maths", variant=TINY) for some in (rows, swapped))
    assert ours.id == theirs.id != fit_shipped(rows, WordEncoder(), variant=TINY).id
    mine = [row for row in rows if row.file == "maths"]
    assert ours.record.count_seen([row.id for row in mine], [row.query for row in mine]) == 0


@pytest.mark.slow
def test_two_fits_are_compared_on_what_neither_saw(rows, monkeypatch):
    monkeypatch.setattr(study, "SOLID", 1)
    some = [replace(row, split="test") if row.id.endswith("7") else row for row in rows]
    asked = []

    def fit(file: str):
        asked.append(file)
        return fit_shipped(some, WordEncoder(), leave_out=file, variant=TINY)

    found, compared = study.left_out_on_test({"a": fit, "b": fit}, some, WordEncoder(), 5)
    assert asked == ["maths", "maths", "trivia", "trivia"]
    assert compared["a - b"]["apgr"]["value"] == 0
    assert compared["a"]["apgr"]["value"] == pytest.approx(np.mean([one["apgr"] for one in found.values()]))


@pytest.mark.slow
def test_the_score_finds_what_is_hard(rows):
    router = fit_shipped(rows, WordEncoder(), variant=TINY)
    easy, hard = router.score(["easy maths 1000", "hard maths 1000"])
    assert easy > hard + 0.2


def test_the_card_of_the_shipped_router_tells_sources_and_limits():
    router = Router.load()
    card = (router.path / "README.md").read_text(encoding="utf-8")
    for file, source in SOURCES.items():
        assert f"| `{file}` | {source} |" in card
    for words in (
        "not certified for your pair",
        "Its encoder reads **English**",
        "On a benchmark that it has not seen",
    ):
        assert words in card
    assert router.record.about in card
    assert router.certificate is None
