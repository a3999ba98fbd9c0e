"""The caller's own word before the score: rules, and a conversation that stays where it began."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from hybrid_llm import Decision
from hybrid_llm.dispatch import Request
from hybrid_llm.errors import ConfigError
from tests.dispatch.pairs import DOWN, Way, arms_of, every_way, pair_of
from tests.scenarios import EASY, HARD

pytestmark = pytest.mark.filterwarnings("ignore:small is down:hybrid_llm.errors.HybridLLMWarning")

# --- rules ---------------------------------------------------------------------------------------------------------

RULES = [
    (r"(?i)\bprimes\b", "small"),
    (re.compile("capital"), "large"),
    (lambda text: len(text) > 100, "large"),
    ("prove", "large"),
]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_rule_that_fails_at_one_text_of_a_batch_costs_that_text_alone(is_async: bool) -> None:
    def fails_at_primes(text: str) -> bool:
        return bool({"primes": 1}["primes" if "primes" not in text else text])

    pair, requests = pair_of(rules=[(fails_at_primes, "small")]), [Request(EASY), Request(HARD), Request(EASY)]
    arms = arms_of()
    if is_async:
        answers = await pair.abatch(requests, [arms.acall] * 3, return_exceptions=True)
    else:
        answers = pair.batch(requests, [arms.call] * 3, return_exceptions=True)
    assert isinstance(answers[1], KeyError)
    assert [answer[0] for answer in (answers[0], answers[2])] == ["from small"] * 2
    with pytest.raises(KeyError):
        pair.batch(requests, [arms.call] * 3)


@every_way
@pytest.mark.parametrize(
    ("text", "route", "reason"),
    [
        (HARD, "small", "rule"),
        (EASY, "large", "rule"),
        ("x" * 101, "large", "rule"),
        ("Why so?", "small", "score"),
    ],
)
async def test_the_first_rule_that_finds_the_query_decides_before_the_score(
    text: str, route: str, reason: str, way: Way
) -> None:
    pair = pair_of(rules=RULES, threshold=0)
    came = (await way(pair, Request(text), arms_of()))[1]
    assert (came.route, came.reason) == (route, reason)
    assert came.router_id == pair.router.id
    assert pair.router.scorer.calls == ([] if reason == "rule" else [[text]])  # type: ignore[attr-defined]


@every_way
async def test_a_forced_route_and_a_gate_beat_a_rule_and_a_rule_may_fall_back(way: Way) -> None:
    pair = pair_of(rules=[("capital", "small")])
    forced = await way(pair, Request(EASY, route="large"), arms_of())
    gated = await way(pair, Request(EASY, modalities=frozenset({"image"})), arms_of())
    down = await way(pair, Request(EASY), arms_of(small=DOWN))
    assert [came.reason for _, came in (forced, gated, down)] == ["forced", "modality", "fallback"]
    assert [text for text, _ in (forced, gated, down)] == ["from large"] * 3


def test_a_follow_up_goes_where_the_rule_sent_its_turn() -> None:
    pair = pair_of(rules=[("primes", "small")])
    assert pair.decide(Request("yes, do it", turns=[HARD])).decision.reason == "rule"
    before = pair.decide(Request(HARD)).decision
    assert pair.decide(Request("yes, do it", turns=[HARD], previous=before)).decision.route == "small"


def test_a_request_without_text_matches_no_rule() -> None:
    assert pair_of(rules=[(lambda text: True, "small")]).decide(Request(" ")).decision.reason == "no_text"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("primes", "rules='primes' must be a list"),
        (7, "must be a list"),
        (["primes"], r"rules\[0\] is 'primes', no pair"),
        ([("primes", "small", 1)], r"rules\[0\] is .* no pair"),
        ([(".", "small"), ("primes", "medium")], r"rules\[1\] sends to 'medium'"),
        ([("(", "small")], r"rules\[0\] is no regular expression, '\('"),
        ([(None, "small")], r"rules\[0\] matches by None"),
    ],
)
def test_a_rule_that_is_no_rule_is_an_error_at_once(rules: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pair_of(rules=rules)


# --- stay ----------------------------------------------------------------------------------------------------------


def began(pair: Any, route: Any, **changes: Any) -> Decision:
    return replace(Decision(route, 0.7, 0.5, router_id=pair.router.id), **changes)


@every_way
@pytest.mark.parametrize(("route", "text"), [("small", HARD), ("large", EASY)])
async def test_a_conversation_stays_on_the_arm_it_began_with(route: Any, text: str, way: Way) -> None:
    pair = pair_of(stay="conversation", rules=[(".", "large" if route == "small" else "small")])
    latest = began(pair, "large" if route == "small" else "small", reason="modality")
    request = Request(text, turns=["Hello there."], began=began(pair, route), previous=latest)
    _, came = await way(pair, request, arms_of())
    assert (came.route, came.reason) == (route, "follow_up")
    assert (await way(pair_of(), request, arms_of()))[1].reason == "score"


def test_it_leaves_where_it_is_forced_or_gated_or_the_level_means_one_arm() -> None:
    pair = pair_of(stay="conversation")
    request = Request(HARD, began=began(pair, "small"))
    assert pair.decide(replace(request, route="large")).decision.reason == "forced"
    assert pair.decide(replace(request, modalities=frozenset({"image"}))).decision.reason == "modality"
    assert pair.decide(replace(request, level=pair_of(threshold=2).options.level)).decision.route == "large"


def test_a_record_that_is_not_this_routers_or_not_to_be_trusted_keeps_nothing() -> None:
    pair = pair_of(stay="conversation")
    assert pair.decide(Request(HARD, began=began(pair, "small", router_id="other"))).decision.route == "large"
    guarded = pair_of(stay="conversation", allowed=(0.4, 2))
    assert guarded.decide(Request(HARD, began=began(guarded, "small"))).decision.route == "large"


def test_stay_is_one_word() -> None:
    with pytest.raises(ConfigError, match="stay='forever' must be 'conversation'"):
        pair_of(stay="forever")
