from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.judge import APGR, Judged
from benchmarks.common.pairs import PAIRS, Tables
from benchmarks.peers.cost import installed_size, times, without_network
from benchmarks.peers.figures import Built, compared, figures, judge, unit, verdicts
from benchmarks.peers.kept import Kept
from benchmarks.peers.menu import HEAD, NOT_MEASURED, ORACLE, PEERS, RANDOM, Peer
from benchmarks.peers.page import page
from benchmarks.peers.routers import Material
from benchmarks.peers.run import present, run
from hybrid_llm.calibration import calibrate
from hybrid_llm.level import Level
from tests.benchmarks.test_paper_figures import EASY, WordEncoder, write_table

pytestmark = pytest.mark.slow  # a study each

OFFLINE = ("head", "shipped", "left_out", "matrix_factorisation", "neighbours", "many_neighbours", "shorter")


class ShippedSize(WordEncoder):
    """Embeddings as long as the shipped encoder's, so that the shipped head can read them."""

    dim = 384


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for name in ("mmlu", "mmlu_pro, Llama-3.1-8B"):
        spec = next(spec for spec in PAIRS if spec.name == name)
        write_table(folder, spec.files[0], [spec.small], spec.large, 300)
    return folder


@pytest.fixture(scope="module")
def material(data: Path) -> Material:
    spec = PAIRS[0]
    return Material(Tables(data).of(spec), CachedEncoder(ShippedSize()), data, spec.files)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("out")
    peers = [peer for peer in PEERS if peer.build.__name__ in OFFLINE]
    peers.append(Peer("somebody else's", PEERS[0].build, "nothing", ("no_such_package",)))
    encoder = CachedEncoder(ShippedSize())  # type: ignore[arg-type]
    results = run(data, folder / "page.md", encoder, plain=ShippedSize(), peers=peers, repetitions=20, timed=5)
    assert 5_000 < (folder / "img" / "peers.png").stat().st_size < 150_000
    return page(results), results


def test_page_has_every_router_that_is_there_and_every_benchmark(made: tuple[str, dict[str, Any]]) -> None:
    text, results = made
    assert [pair["name"] for pair in results["pairs"]] == ["mmlu", "mmlu_pro, Llama-3.1-8B"]
    for peer in PEERS:
        if peer.build.__name__ in OFFLINE:
            assert text.count(f"| {peer.name} |") >= 3
    for name in NOT_MEASURED:
        assert name in text
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", text)
    assert "{" not in text


def test_a_router_whose_package_is_missing_is_skipped_with_a_line_that_says_so(
    made: tuple[str, dict[str, Any]],
) -> None:
    text, results = made
    line = "\nSkipped: somebody else's, because *no_such_package* is not installed"
    assert line in text
    assert all("somebody else's" not in pair["found"] for pair in results["pairs"])
    there, lines = present([replace(PEERS[0], modules=("numpy",))])
    assert (len(there), lines) == (1, [])


def test_page_names_no_path_of_this_machine(made: tuple[str, dict[str, Any]], data: Path) -> None:
    assert str(data) not in made[0]
    assert str(data.parent) not in made[0]


def test_everyone_who_learns_finds_out_what_is_easy(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peers.routers.LAYERS", ((8,), (8, 8)))
    test = material.pair.split("test")
    easy = np.array([query.startswith(EASY) for query in test.queries])
    for peer in PEERS:
        if peer.build.__name__ in {"head", "matrix_factorisation", "neighbours", "many_neighbours", "network"}:
            scores = peer.build(material, 0)(material.encoder)(test.queries)
            assert scores[easy].mean() > scores[~easy].mean() + 0.5 * scores.std(), peer.name


def test_matrix_factorisation_says_when_no_model_won_a_row(material: Material) -> None:
    same = replace(material.pair, q_small=material.pair.q_large)
    factorise = next(peer for peer in PEERS if peer.build.__name__ == "matrix_factorisation")
    with pytest.raises(ValueError, match="rows that one model won"):
        factorise.build(replace(material, pair=same), 0)


def test_thresholds_come_from_validation_rows_and_decide_test_rows(material: Material) -> None:
    def by_number(queries: Sequence[str]) -> np.ndarray:
        return np.array([float(re.findall(r"\d+", query)[0]) for query in queries])

    peer = Peer("by number", lambda _, draw: lambda encoder: by_number, "nothing", draws=2)
    judged = judge([Built(peer, material)], Kept(None, "words"))
    validation, test = material.pair.split("validation"), material.pair.split("test")
    scores = unit(by_number(validation.queries))
    cut = calibrate(scores, validation.mean_small, validation.mean_large).cut(Level("quality", 0.99))
    decided = judged.scores["by number"][2:]
    assert np.array_equal(decided[0], unit(by_number(test.queries)) >= cut.threshold)
    assert np.array_equal(decided[0], decided[1])


def judged(scores: np.ndarray, small: np.ndarray, decided: np.ndarray) -> Judged:
    names = {HEAD: scores, "noise": np.random.default_rng(1).random(len(small)), "same": 2 * scores}
    stacks = {name: np.array([value, decided]) for name, value in names.items()}
    return Judged([f"q{number}" for number in range(len(small))], small, np.ones(len(small)), stacks)


def test_scores_of_others_are_kept_between_runs_and_ours_are_made_again(material: Material, tmp_path: Path) -> None:
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return np.arange(4.0)

    other, ours = replace(PEERS[-1], name="theirs"), PEERS[0]
    for kept in (Kept(tmp_path, "words"), Kept(tmp_path, "words")):
        assert np.array_equal(kept.get(other, material, make), np.arange(4.0))
    assert len(made) == 1
    Kept(tmp_path, "another encoder").get(other, material, make)
    Kept(tmp_path, "words").get(replace(other, draws=3), material, make)
    Kept(tmp_path, "words").get(other, replace(material, pair=material.pair.rows(np.arange(9))), make)
    assert len(made) == 4
    for _ in range(2):
        Kept(tmp_path, "words").get(ours, material, make)
    assert len(made) == 6


def test_realised_drop_and_share_are_those_of_the_decisions() -> None:
    small, decided = np.array([1.0, 0.0, 1.0, 0.0]), np.array([1.0, 1.0, 0.0, 0.0])
    found = figures(np.array([[0.9, 0.8, 0.2, 0.1], decided]), small, np.ones(4))
    assert (found["drop"], found["share"]) == (0.25, 0.5)
    twice = figures(np.array([[0.9, 0.8, 0.2, 0.1], small, decided, np.zeros(4)]), small, np.ones(4))
    assert (twice["drop"], twice["share"]) == (0.125, 0.25)
    other = figures(np.array([small, decided]), small, np.ones(4))
    assert twice[APGR] == pytest.approx((found[APGR] + other[APGR]) / 2)


def test_who_wins_ties_or_loses_is_read_off_the_paired_intervals() -> None:
    small = (np.random.default_rng(0).random(300) < 0.5).astype(float)
    found = compared([judged(small + 0.1 * np.random.default_rng(2).random(300), small, small)], 40)
    assert verdicts(found, HEAD, APGR) == {"better": [], "tied": ["same"], "worse": ["noise"]}
    assert verdicts(found, HEAD, "cpt50") == {"better": [], "tied": ["same"], "worse": ["noise"]}
    intervals = {"noise - x": [0.01, 0.02], "same - x": [-0.1, 0.1]}
    turned: dict[str, Any] = {name: {APGR: {"ci": ends}} for name, ends in intervals.items()}
    turned |= {"noise": {}, "same": {}}
    assert verdicts(turned, "x", APGR) == {"better": ["noise"], "tied": ["same"], "worse": []}


def test_page_says_that_a_peer_is_ahead_when_the_figures_do(made: tuple[str, dict[str, Any]]) -> None:
    results = deepcopy(made[1])
    results["pairs"][0]["found"][f"RouterBench kNN - {HEAD}"][APGR]["ci"] = [0.1, 0.2]
    results["pairs"][1]["found"][f"RouterBench kNN - {HEAD}"][APGR]["ci"] = [-0.1, 0.2]
    written = page(results)
    assert "In APGR clearly better than it: *RouterBench kNN* (mmlu); ties: " in written
    assert "| RouterBench kNN | **ahead** / tie |" in written


def test_random_stands_at_its_expectation_and_nobody_beats_the_oracle() -> None:
    small = (np.random.default_rng(0).random(300) < 0.5).astype(float)
    found = compared([judged(np.random.default_rng(3).random(300), small, small)], 5)
    assert [found[RANDOM][key]["value"] for key in (APGR, "cpt50", "cpt80")] == pytest.approx([0.5, 0.5, 0.8])
    assert all(found[ORACLE][APGR]["value"] >= found[name][APGR]["value"] for name in (HEAD, "noise"))
    assert found[ORACLE]["drop"]["value"] is None


def test_connections_are_refused_and_listed() -> None:
    with without_network() as asked, pytest.raises(OSError, match="without a network"):
        socket.create_connection(("example.org", 443))
    assert len(asked) == 1


def test_single_queries_are_timed_in_turns_and_the_first_does_not_count() -> None:
    seen: list[tuple[str, str]] = []

    def router(name: str) -> Any:
        return lambda queries: seen.append((name, queries[0])) or np.zeros(1)

    taken = times({"a": router("a"), "b": router("b")}, ["x", "y", "z"], "a")
    assert seen == [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y"), ("a", "z"), ("b", "z")]
    assert taken["a"]["ratio"] == 1.0
    assert taken["b"]["p50"] > 0
    assert taken["b"]["cpu"] >= 0


def test_size_counts_what_a_package_requires_and_our_package_where_it_lies() -> None:
    alone, both = installed_size(["safetensors"]), installed_size(["typer", "safetensors"])
    ours = installed_size(["hybrid-llm"])
    assert alone is not None
    assert both is not None
    assert ours is not None
    assert alone < both < ours
    assert ours > 60  # onnxruntime, numpy and the shipped encoder
    assert installed_size(["no-such-package"]) is None


def test_a_score_of_any_scale_keeps_its_order() -> None:
    scores = np.array([-2000.0, -1999.0, -0.5, 0.0, 0.5, 3.0])
    assert (np.diff(unit(scores)) > 0).all()
    assert unit(scores).min() > 0
    assert unit(scores).max() < 1


@pytest.mark.filterwarnings("ignore")  # other people's packages
@pytest.mark.parametrize("peer", [peer for peer in PEERS if "litellm" in peer.modules], ids=lambda peer: peer.name)
def test_litellm_ranks_without_a_network(peer: Peer, material: Material) -> None:
    if peer.missing:
        pytest.skip(f"{peer.missing} not installed")
    hard = "Prove step by step, with a formal proof, that this distributed algorithm for consensus terminates. " * 9
    with without_network() as asked:
        scores = peer.build(material, 0)(material.encoder)(["what is 2 + 2?", hard])
    assert scores[0] > scores[1]
    assert asked == []


@pytest.mark.filterwarnings("ignore")
def test_semantic_router_learns_from_examples_of_both_routes(material: Material) -> None:
    peer = next(peer for peer in PEERS if "semantic_router" in peer.modules)
    if peer.missing:
        pytest.skip(f"{peer.missing} not installed")
    test = material.pair.split("test")
    easy = np.array([query.startswith(EASY) for query in test.queries])
    with without_network() as asked:
        scores = [peer.build(material, draw)(material.encoder)(test.queries) for draw in (0, 1)]
    assert scores[0][easy].mean() > scores[0][~easy].mean()
    assert not np.array_equal(*scores)
    assert asked == []
