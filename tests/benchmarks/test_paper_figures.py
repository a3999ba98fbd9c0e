from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.common.baselines import Fold, nearest, task_mean
from benchmarks.common.cache import CachedEncoder
from benchmarks.common.doc_tables import write_between
from benchmarks.common.judge import APGR, Judged, apgr_only, compare
from benchmarks.common.numbers import signed
from benchmarks.common.pairs import CHAT, PAIRS, ZEROEVAL, Tables
from benchmarks.heads.candidates import OURS as OUR_HEAD
from benchmarks.heads.page import report as heads_report
from benchmarks.heads.study import AVERAGES, halves, results_of
from benchmarks.paper_figures.page import ROBUSTNESS
from benchmarks.paper_figures.run import run
from benchmarks.paper_figures.sections import overshoot
from benchmarks.paper_figures.skeleton import SKELETON, prepare
from benchmarks.paper_figures.summary import missed_elsewhere
from hybrid_llm.scoring import Encoded
from hybrid_llm.table import hash64, hash_fraction

EASY, HARD = (
    ("name a colour", "greet a friend", "spell a word"),
    ("prove a lemma", "solve an integral", "factor a number"),
)


class WordEncoder:
    """Stands in for the shipped encoder: the mean of a random vector for each word."""

    id, sha256, dim, shipped, path = "words", "0" * 64, 24, False, Path("words")

    def __init__(self) -> None:
        self.seen: list[str] = []

    def open(self) -> None:
        """There is nothing to open."""

    def encode(self, queries: Sequence[str]) -> Encoded:
        self.seen += queries
        rows = [
            np.mean([np.random.default_rng(hash64(word)).normal(size=self.dim) for word in query.split()], axis=0)
            for query in queries
        ]
        embeddings = np.array(rows, dtype=np.float32)
        return Encoded(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), np.zeros(len(rows), dtype=bool))


def cached(folder: Path | None = None) -> CachedEncoder:
    return CachedEncoder(WordEncoder(), folder)  # type: ignore[arg-type]


def write_table(folder: Path, name: str, smalls: Sequence[str], large: str, n: int, *, graded: bool = False) -> None:
    """Write a table whose small models do well on easy tasks; ``codellama-7b@T0.2`` gets ten responses."""
    rng = np.random.default_rng(hash64(name))
    with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
        for number in range(n):
            easy = number % 2 == 0
            task = (EASY if easy else HARD)[number % 3]

            def score(chance: float, samples: int = 1) -> list[float]:
                if graded:
                    return [float(np.clip(chance + rng.normal(0, 0.1), 0, 1))]
                return (rng.random(samples) < chance).astype(float).tolist()

            quality: dict[str, list[float]] = {large: score(0.9)}
            for small in smalls:
                quality[small] = score(0.85 if easy else 0.3, 10 if "@" in small else 1)
            row: dict[str, Any] = {"id": f"{name}-{number}", "benchmark": name, "task": task if number % 5 else None}
            row |= {"split": ("train", "train", "train", "validation", "test")[number // 2 % 5]}
            row |= {"query": f"{task}, number {number} of {name}", "quality": quality}
            file.write(json.dumps(row) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    mmlu = next(spec for spec in PAIRS if spec.name == "mmlu")
    write_table(folder, "routellm_mmlu", [mmlu.small], mmlu.large, 300)
    smalls = [spec.small for spec in PAIRS if spec.files == ZEROEVAL]
    for name in ZEROEVAL:
        more = ["codellama-7b@T0.2"] if name == "zeroeval_crux" else []
        write_table(folder, name, [*smalls, *more], "gpt-4o-2024-08-06", 80 if more else 40)
    chat = ("openchat_3.5", "Starling-LM-7B-alpha", "vicuna-33b-v1.3", "gpt-3.5-turbo-1106", "gpt-4-0314")
    more = {CHAT[0]: ("Mistral-7B-Instruct-v0.1", "Llama-2-70b-chat"), CHAT[1]: ("Mistral-7B-Instruct-v0.2-GGUF",)}
    for name in CHAT:
        write_table(folder, name, [*chat, *more[name]], "gpt-4-1106-preview", 60, graded=True)
    return folder


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("out")
    results = run(data, folder / "page.md", cached(), quick=True, kept=folder / "results.json")
    return folder, results


@pytest.mark.slow
def test_one_command_fills_every_section_and_draws_every_picture(made: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = made
    page = (folder / "page.md").read_text(encoding="utf-8")
    empty = [name for name in re.findall(r"<!-- begin: (.*) -->\n+<!-- end", page) if name != "heads"]
    assert empty == []
    pictures = re.findall(r'(?:src="|\]\()(img/[^")]+)', page)
    assert "img/labels.png" in pictures
    assert any("curve_mmlu" in picture for picture in pictures)
    for picture in pictures:
        assert 5_000 < (folder / picture).stat().st_size < 100_000
    assert "quick run" in page


@pytest.mark.slow
def test_page_names_public_sources_and_no_path_of_this_machine(made: tuple[Path, dict[str, Any]], data: Path) -> None:
    page = (made[0] / "page.md").read_text(encoding="utf-8")
    assert "lm-sys/RouteLLM @ 0b64fda" in page
    assert str(data) not in page
    assert str(made[0]) not in page
    assert not re.search(r"\| *nan", page)


@pytest.mark.slow
def test_page_can_be_written_again_from_kept_results(made: tuple[Path, dict[str, Any]], data: Path) -> None:
    folder, _ = made
    before = (folder / "page.md").read_text(encoding="utf-8")
    encoder = WordEncoder()
    run(data, folder / "page.md", CachedEncoder(encoder), quick=True, only=(), kept=folder / "results.json")  # type: ignore[arg-type]
    assert encoder.seen == []
    assert (folder / "page.md").read_text(encoding="utf-8") == before


@pytest.mark.slow
def test_figures_are_those_of_a_router_that_learned_what_is_easy(made: tuple[Path, dict[str, Any]]) -> None:
    pairs = {pair["name"]: pair for pair in made[1]["pairs"]["each"]}
    mmlu = pairs["mmlu"]
    assert mmlu["labels_coincide"]
    assert not pairs["samples, codellama-7b"]["labels_coincide"]
    assert mmlu["figures"]["apgr"] > 0.6
    assert mmlu["compared"]["ours"][APGR]["value"] == pytest.approx(mmlu["figures"]["apgr"])
    assert mmlu["rows"]["test"] == mmlu["figures"]["n"] == 60
    assert set(mmlu["levels"]) == {"0.99", "0.98", "0.95"}
    assert mmlu["curves"]["random"][-1] == pytest.approx(mmlu["figures"]["small_quality"])


@pytest.mark.slow
def test_det_is_left_out_where_it_is_prob_and_trained_where_responses_are_sampled(
    made: tuple[Path, dict[str, Any]],
) -> None:
    labels = {(one["group"], one["target"]): one["labels"] for one in made[1]["labels"]}
    assert labels["chat, medium gap", "label alone"] == ["prob", "trans"]
    assert labels["samples", "label alone"] == ["det", "prob", "trans"]
    assert {one["group"] for one in made[1]["simulated"]} == {
        f"simulated, {gap} gap" for gap in ("small", "medium", "large")
    }


@pytest.mark.slow
def test_transfer_judges_every_router_on_every_small_model(made: tuple[Path, dict[str, Any]]) -> None:
    cells = made[1]["transfer"]["cells"]
    assert len(cells) == 16
    for one in cells:
        own = one["source"] == one["target"]
        assert (one["pearson"] == pytest.approx(1.0)) is own
        assert (one["minus_own"] is None) is own


def test_writing_the_page_keeps_the_sections_that_another_command_wrote(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    prepare(page)
    write_between(page, "heads", "| head | APGR |")
    page.write_text(page.read_text(encoding="utf-8").replace("# Benchmarks", "# Old title"), encoding="utf-8")
    prepare(page)
    text = page.read_text(encoding="utf-8")
    assert "| head | APGR |" in text
    assert text.startswith("# Benchmarks\n")
    assert re.findall("<!--.*-->", text) == re.findall("<!--.*-->", SKELETON)


def test_cache_embeds_each_text_once_also_over_two_runs(tmp_path: Path) -> None:
    first, second = WordEncoder(), WordEncoder()
    one = CachedEncoder(first, tmp_path)  # type: ignore[arg-type]
    embedded = one.encode(["a b", "c", "a b"]).embeddings
    assert first.seen == ["a b", "c"]
    two = CachedEncoder(second, tmp_path)  # type: ignore[arg-type]
    assert np.array_equal(two.encode(["c", "a b"]).embeddings, embedded[1:])
    assert second.seen == []


def judged(scores: dict[str, np.ndarray], ids: Sequence[str], small: np.ndarray) -> Judged:
    return Judged(ids, small, np.ones(len(small)), {name: value[None, :] for name, value in scores.items()})


def test_differences_are_paired_and_do_not_depend_on_the_order_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    small = (rng.random(200) < 0.5).astype(float)
    good, noise = small + rng.normal(size=200), rng.normal(size=200)
    ids = [f"q{number}" for number in range(200)]
    pair = judged({"good": good, "same": 2 * good, "noise": noise}, ids, small)
    found = compare([pair], [("good", "same"), ("good", "noise")], 50, apgr_only)
    assert found["good - same"][APGR] == {"value": 0.0, "ci": [0.0, 0.0]}
    assert found["good - noise"][APGR]["ci"][0] > 0
    order = rng.permutation(200)
    shuffled = {name: value[0, order] for name, value in pair.scores.items()}
    again = compare([judged(shuffled, [ids[i] for i in order], small[order])], [("good", "noise")], 50, apgr_only)
    assert again["good - noise"][APGR]["ci"] == pytest.approx(found["good - noise"][APGR]["ci"])


def test_a_difference_is_bold_only_when_its_interval_leaves_out_zero() -> None:
    assert signed({"value": 0.02, "ci": [0.01, 0.03]}) == "**+0.020** [+0.010, +0.030]"
    assert signed({"value": 0.02, "ci": [-0.01, 0.03]}) == "+0.020 [-0.010, +0.030]"


def test_thresholds_that_lose_more_than_promised_are_counted() -> None:
    def level(drop: float, low: float) -> dict[str, Any]:
        return {"promised": 0.01, "drop": drop, "ci": {"drop": [low, 0.5]}}

    pair = {"levels": {"a": level(0.01, 0.0), "b": level(0.02, 0.0), "c": level(0.03, 0.02)}}
    assert overshoot([pair]).startswith("2 of 3 thresholds")
    assert "(1 of them with the whole interval)" in overshoot([pair])


@pytest.mark.slow
def test_labels_that_make_the_same_router_share_a_row(made: tuple[Path, dict[str, Any]]) -> None:
    page = (made[0] / "page.md").read_text(encoding="utf-8")
    samples = page[page.index("| samples; label alone") : page.index("| samples; label and gap")]
    assert re.findall(r"\| (det|prob|trans)( [-=] \w+)? \|", samples) == [
        ("det", ""),
        ("prob", " = trans"),
        ("prob", " - det"),
    ]
    assert "| det = prob |" in page


def test_the_page_names_what_other_pages_miss() -> None:
    speed = "| a score | 7 ms | 2 ms | **missed** |\n| its load | 1 s | 2 s | met |"
    text = missed_elsewhere(json.loads(ROBUSTNESS.read_text(encoding="utf-8")), speed)
    assert "*a score* 7 ms, goal 2 ms" in text
    assert "its load" not in text
    flipped, flagged = re.findall(r"flips ([\d.]+) %|flags ([\d.]+) %", text)
    robustness = (ROBUSTNESS.parents[2] / "docs" / "measured" / "robustness.md").read_text(encoding="utf-8")
    assert f"flipped at the median {flipped[0]} %" in robustness
    assert f"it is {flagged[1]} % without options" in robustness


def test_baselines_score_by_neighbours_and_by_task(data: Path) -> None:
    pair = Tables(data).of(next(spec for spec in PAIRS if spec.name == "mmlu"))
    rows, test = pair.split("train"), pair.split("test")
    encoder = cached()
    fold = Fold(rows, test, encoder.encode(rows.queries).embeddings, encoder.encode(test.queries).embeddings)
    easy = np.array([query.startswith(EASY) for query in test.queries])
    for scores in (nearest(fold, 20), task_mean(fold)):
        assert scores[easy].mean() > scores[~easy].mean() + 0.1
    itself = Fold(rows, rows, fold.embeddings, fold.embeddings)
    assert np.array_equal(nearest(itself, 1), itself.labels)
    assert len(fold.choosing().judged) + len(fold.choosing().rows) == len(rows)


def test_each_half_of_the_heldout_rows_is_judged_with_what_the_other_half_chose() -> None:
    ids = [f"q{number}" for number in range(400)]
    first = np.array([hash_fraction(f"half {i}") < 0.5 for i in ids])
    small = (np.random.default_rng(0).random(400) < 0.5).astype(float)
    # each setting is perfect on one half and the reverse of perfect on the other one
    found = {
        head: {("a", 0.0): np.where(first, small, -small), ("b", 0.0): np.where(first, -small, small)}
        for head in {OUR_HEAD, *(member for members in AVERAGES.values() for member in members)}
    }
    both = halves(judged({}, ids, small), found)
    for half in both:
        for name in (OUR_HEAD, f"{OUR_HEAD} @ 0"):
            assert apgr_only(half.scores[name], half.small, half.large)[APGR] < 0.4
    assert {len(half.ids) for half in both} == {int(first.sum()), int((~first).sum())}


def test_heads_report_names_every_head(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"q{number}" for number in range(100)]
    small = (np.random.default_rng(0).random(100) < 0.5).astype(float)
    members = [OUR_HEAD, *sorted({member for some in AVERAGES.values() for member in some} - {OUR_HEAD})]
    for module in ("page", "study"):
        monkeypatch.setattr(f"benchmarks.heads.{module}.HEADS", dict.fromkeys(members))
    found = {head: {("a", weight): small + weight for weight in (0.0, 1.0, 4.0)} for head in members}
    results = results_of({"pair": halves(judged({}, ids, small), found)}, dict.fromkeys(members, 3), 10)
    text = heads_report(results)
    for name in (*members, *AVERAGES):
        assert f"| {name} |" in text
