"""A promise that an audit ends in the router folder ends in the programs that run: within a minute, and for good."""

from __future__ import annotations

import shutil
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from hybrid_llm import Decision, Pair, QualityTable, Router
from hybrid_llm.dispatch import Request
from hybrid_llm.errors import HybridLLMWarning
from hybrid_llm.router import void_certificates, voided_since
from hybrid_llm.testing import FixedScorer
from tests.dispatch.pairs import Way, arms_of, every_way
from tests.small_table import make_rows

NEW = [row | {"split": "new"} for row in make_rows(seed=1)]
EASY = Request(NEW[1]["query"])
REASON = "An audit found that the drop is more."


@pytest.fixture(scope="module")
def certified(trained: Router) -> Router:
    return trained.certify(QualityTable.from_rows(NEW), small="small", large="large", max_drop=0.2)


@pytest.fixture(scope="module")
def loaded(certified: Router, tmp_path_factory: pytest.TempPathFactory) -> Router:
    """Loaded once, since that opens the encoder."""
    folder = tmp_path_factory.mktemp("certified") / "router"
    certified.save(folder)
    return Router.load(folder)


@pytest.fixture
def folder(loaded: Router, certified: Router) -> Path:
    """The folder of what was loaded, as it was then."""
    assert loaded.path is not None
    certified.save(loaded.path)
    return loaded.path


@pytest.fixture
def a_minute_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_llm.dispatch.standing._PAUSE", 0.0)


def decided(pair: Pair) -> Decision:
    return pair.decide(EASY).decision


@every_way
async def test_each_decision_says_so_after_one_warning(
    folder: Path, loaded: Router, way: Way, a_minute_is_over: None
) -> None:
    pair = Pair(loaded, quality=0.8)
    _, before = await way(pair, EASY, arms_of())
    assert (before.route, before.certified, before.void_reason) == ("small", True, "")
    void_certificates(folder, REASON)
    with pytest.warns(HybridLLMWarning, match="voided since it was loaded: An audit found .* hybrid-llm certify"):
        _, after = await way(pair, EASY, arms_of())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, later = await way(pair, EASY, arms_of())
    assert {(one.route, one.certified, one.void_reason) for one in (after, later)} == {("small", False, REASON)}


def test_the_folder_is_read_once_a_minute(folder: Path, loaded: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("hybrid_llm.dispatch.standing.time.monotonic", lambda: now[0])
    pair = Pair(loaded, quality=0.8)
    assert decided(pair).certified
    void_certificates(folder, REASON)
    now[0] += 59
    assert decided(pair).certified
    now[0] += 2
    with pytest.warns(HybridLLMWarning, match="voided"):
        assert not decided(pair).certified


async def test_an_event_loop_does_not_wait_for_the_disk(
    folder: Path, loaded: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def noting(parts: object) -> str:
        threads.append(threading.current_thread())
        return ""

    monkeypatch.setattr("hybrid_llm.router.voided_since", noting)
    await Pair(loaded, quality=0.8).adecide(EASY)
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


def test_a_new_proof_in_the_folder_does_not_bring_an_ended_promise_back(
    folder: Path, loaded: Router, certified: Router, a_minute_is_over: None
) -> None:
    pair = Pair(loaded, quality=0.8)
    void_certificates(folder, REASON)
    with pytest.warns(HybridLLMWarning, match="voided"):
        assert not decided(pair).certified
    certified.save(folder)
    assert decided(pair).void_reason == REASON
    assert decided(Pair(Router.load(folder), quality=0.8)).certified  # a program that loads it now


def test_copies_of_a_pair_read_it_once(folder: Path, loaded: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    monkeypatch.setattr("hybrid_llm.router.voided_since", lambda parts: read.append(parts) or REASON)
    pair = Pair(loaded, quality=0.8)
    with pytest.warns(HybridLLMWarning, match="voided"):
        assert not decided(pair).certified
    assert decided(Pair(pair.router, quality=0.8, state=pair.state)).void_reason == REASON
    assert len(read) == 1


def test_a_folder_that_is_away_damaged_or_of_another_router_ends_nothing(
    folder: Path, loaded: Router, a_minute_is_over: None
) -> None:
    pair = Pair(loaded, quality=0.8)
    (folder / "router.json").write_text("{}")
    assert decided(pair).certified
    shutil.rmtree(folder)
    assert decided(pair).certified
    Router.load().save(folder)
    assert decided(pair).certified


def test_a_void_certificate_of_another_router_in_the_same_place_says_nothing(folder: Path, loaded: Router) -> None:
    void_certificates(folder, REASON)
    assert voided_since(loaded.parts) == REASON
    assert voided_since(replace(loaded.parts, scorer=FixedScorer(0.9))) == ""


def test_a_router_of_no_folder_or_without_a_promise_reads_nothing(
    certified: Router, trained: Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(parts: object) -> str:
        raise AssertionError("the folder was read")

    trained.save(tmp_path / "measured")
    monkeypatch.setattr("hybrid_llm.router.voided_since", refuse)
    assert decided(Pair(certified, quality=0.8)).certified
    assert not decided(Pair(Router.load(tmp_path / "measured"), threshold=0.5)).certified
