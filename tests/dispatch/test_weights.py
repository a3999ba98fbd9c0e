"""A promise ends when small's server has other weights under the name: asked once an hour, and said once."""

from __future__ import annotations

import json
import threading
import time
import warnings
from dataclasses import replace
from typing import Any

import pytest

from hybrid_llm import Pair, Router
from hybrid_llm.certify import Certificate, Menu, Provenance
from hybrid_llm.dispatch import FUNCTION, Capabilities, Place, Request
from hybrid_llm.errors import HybridLLMWarning
from hybrid_llm.router import TrainingRecord
from hybrid_llm.testing import FixedScorer
from tests.dispatch.pairs import DOWN, Way, arms_of, every_way

PROOF = Certificate(True, 0.5, 0.6, 0.1, 0.95, 900, 0.05, 0.05, 0.08, 0.9, 0.95)
MENU = Menu((PROOF,), 0.1, Provenance("qwen3:4b", "gpt-4o", "exact"))
OLD, NEW = "0123456789abcdef" * 4, "sha256:" + "fedcba9876543210" * 4
RECORD = TrainingRecord(
    small="qwen3:4b",
    large="gpt-4o",
    recipe="head",
    label="prob",
    t=0.0,
    settings={},
    data="",
    data_hash="",
    n_fit=1,
    heldout={},
    score_quantiles=(0.0,),
    recoverable="",
    versions={},
    created="",
    fingerprint={"weights of qwen3:4b": OLD},
)


class Server:
    """An Ollama that says which weights it has, or fails."""

    def __init__(self, *says: str | Exception) -> None:
        self.says, self.asked = list(says), 0

    def digest(self) -> str:
        self.asked += 1
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, Exception):
            raise said
        return said


def pair_of(server: Server, menu: Menu = MENU, **options: Any) -> Pair:
    router = Router(FixedScorer(0.9), certificate=menu, record=RECORD)
    small = Capabilities(model="qwen3:4b", place=Place("http://127.0.0.1:11434", digest=server.digest))
    return Pair(router, quality=0.9, small=small, **options)


@every_way
async def test_other_weights_are_found_at_the_first_request_said_once_and_told_by_each_decision(way: Way) -> None:
    server = Server(NEW)
    pair = pair_of(server)
    assert server.asked == 0
    with pytest.warns(HybridLLMWarning, match="has other weights .fedcba987654. .* The certificate is void here"):
        _, first = await way(pair, Request("What is the capital of France?"), arms_of())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, second = await way(pair, Request("What is the capital of Spain?"), arms_of())
    for decision in (first, second):
        assert (decision.route, decision.certified) == ("small", False)
        assert decision.void_reason.startswith("The small model qwen3:4b has other weights")
        assert decision.as_dict()["void_reason"] == decision.void_reason
    assert server.asked == 1


@pytest.mark.parametrize("said", [OLD, f"sha256:{OLD}", "", ConnectionError("down"), ValueError("no Ollama")])
async def test_the_same_weights_or_a_server_that_does_not_tell_leave_the_promise(said: Any) -> None:
    server = Server(said)
    pair = pair_of(server)
    decisions = [pair.call(Request("What is 2+2?"), arms_of().call)[1] for _ in range(3)]
    decisions.append((await pair.acall(Request("What is 2+2?"), arms_of().acall))[1])
    assert {(one.certified, one.void_reason) for one in decisions} == {(True, "")}
    assert server.asked == 1


def test_a_server_that_was_down_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(ConnectionError("down"), NEW)
    pair = pair_of(server)
    assert pair.decide(Request("What is 2+2?")).decision.certified
    monkeypatch.setattr("hybrid_llm.dispatch.weights._PAUSE", 0.0)
    with pytest.warns(HybridLLMWarning, match="other weights"):
        assert not pair.decide(Request("What is 2+2?")).decision.certified


def test_a_program_that_runs_for_hours_hears_of_a_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("hybrid_llm.dispatch.weights.time.monotonic", lambda: now[0])
    server = Server(OLD, ConnectionError("down"), NEW)
    pair = pair_of(server)
    certified = []
    for minutes in (0, 59, 2, 59):
        now[0] += 60 * minutes
        certified.append(pair.decide(Request("What is 2+2?")).decision.certified)
    assert (certified, server.asked) == ([True] * 4, 2)  # a server that is down tells nothing new
    now[0] += 120
    with pytest.warns(HybridLLMWarning, match="other weights"):
        assert not pair.decide(Request("What is 2+2?")).decision.certified


def test_where_nothing_is_promised_nobody_is_asked() -> None:
    server = Server(NEW)
    void = Menu((PROOF,), 0.1, replace(MENU.provenance, void_reason="An audit found that the drop is more."))
    pair = Pair(
        Router(FixedScorer(0.9), certificate=void, record=RECORD),
        threshold=0.5,
        small=Capabilities(place=Place("http://127.0.0.1:11434", digest=server.digest)),
    )
    assert pair.decide(Request("What is 2+2?")).decision.void_reason == ""
    assert server.asked == 0


def test_a_call_with_other_settings_than_were_certified_is_promised_nothing() -> None:
    asked = {"asked with": json.dumps({"temperature": 0.0, "system": None, "max_tokens": 1024})}
    router = Router(FixedScorer(0.9), certificate=MENU, record=replace(RECORD, fingerprint=asked))
    pair = Pair(router, quality=0.9, small=Capabilities(asked={"temperature": 0, "max_tokens": None}))
    assert pair.decide(Request("What is 2+2?", asked={"system": None})).decision.certified
    with pytest.warns(HybridLLMWarning, match="temperature is 0.7, and was 0.0"):
        hot = pair.decide(Request("What is 2+2?", asked={"system": None, "temperature": 0.7})).decision
    assert (hot.certified, hot.void_reason) == (
        False,
        "The router was certified with other settings: temperature is 0.7, and was 0.0.",
    )
    prompted = pair.decide(Request("What is 2+2?", asked={"system": "Answer like a pirate."})).decision
    assert "another system prompt is sent" in prompted.void_reason


async def test_an_event_loop_does_not_wait_for_the_server() -> None:
    class Noting(Server):
        def digest(self) -> str:
            threads.append(threading.current_thread())
            return super().digest()

    threads: list[threading.Thread] = []
    await pair_of(Noting(OLD)).adecide(Request("What is 2+2?"))
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


@pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning")
def test_requests_that_wait_for_the_same_answer_all_hear_it() -> None:
    server = Server(NEW)
    pair, certified = pair_of(server), list[bool]()

    def decide() -> None:
        certified.append(pair.decide(Request("What is 2+2?")).decision.certified)

    deciding = [threading.Thread(target=decide) for _ in range(3)]
    with pair.state.asking:  # another request asks just now
        for each in deciding:
            each.start()
        time.sleep(0.05)
    for each in deciding:
        each.join(5)
    assert (certified, server.asked) == ([False] * 3, 1)


def test_copies_of_a_pair_ask_once() -> None:
    server = Server(OLD)
    pair = pair_of(server)
    pair_of(server, state=pair.state).decide(Request("What is 2+2?"))
    pair.decide(Request("What is 2+2?"))
    assert server.asked == 1


def test_a_follow_up_does_not_inherit_a_promise_that_has_ended() -> None:
    before = pair_of(Server(OLD)).decide(Request("Tell me the capital of France.")).decision
    assert before.certified
    with pytest.warns(HybridLLMWarning):
        now = pair_of(Server(NEW)).decide(Request("and Spain?", turns=["Tell me more."], previous=before)).decision
    assert (now.reason, now.certified) == ("follow_up", False)
    assert "other weights" in now.void_reason
    audited = Menu((PROOF,), 0.1, replace(MENU.provenance, void_reason="An audit found that the drop is more."))
    later = Pair(Router(FixedScorer(0.9), certificate=audited), threshold=0.5)
    now = later.decide(Request("and Spain?", turns=["Tell me more."], previous=before)).decision
    assert (now.reason, now.certified) == ("follow_up", False)
    assert now.void_reason == "An audit found that the drop is more."


FRANCE = "What is the capital of France?"


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": frozenset({FUNCTION})},
        {"structured": True},
        {"same_turn": True},
        {"text": "and Spain?", "turns": [FRANCE]},
        {"text": "and Spain?", "turns": [FRANCE], "previous": None},
        {"text": "", "without_text": "small"},
        {"asked": {"model": "gemma2:9b"}},
        {"text": "Now prove Fermat's last theorem in full detail.", "turns": [FRANCE], "stay": True},
    ],
    ids=[
        "tools",
        "a schema",
        "a step of a tool loop",
        "a follow-up",
        "one that is scored",
        "a step without a question",
        "another model",
        "a conversation that stays",
    ],
)
def test_nothing_is_promised_of_what_was_not_measured(changes: dict[str, Any]) -> None:
    stay = "conversation" if changes.pop("stay", False) else None
    pair = pair_of(Server(OLD), stay=stay)
    first = pair.decide(Request(FRANCE)).decision
    assert first.certified
    now = pair.decide(replace(Request(FRANCE, previous=first, began=first), **changes)).decision
    assert (now.route, now.certified, now.void_reason) == ("small", False, "")


@every_way
@pytest.mark.filterwarnings("ignore:large is down")
async def test_nothing_is_promised_of_small_in_the_place_of_large_that_is_down(way: Way) -> None:
    router = Router(FixedScorer(0.1), certificate=MENU)
    pair = Pair(router, quality=0.9, fallback_to_small=True)
    for reason in ["fallback"] * 3 + ["cooldown"]:
        _, came = await way(pair, Request(FRANCE), arms_of(large=DOWN))
        assert (came.route, came.reason, came.certified) == ("small", reason, False)
