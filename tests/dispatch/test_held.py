"""Answers that are held back: every scenario that the adapters share, in every way to ask."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from typing import Any

import pytest

from hybrid_llm import Decision, Pair, Router
from hybrid_llm.decision import Look
from hybrid_llm.dispatch import Attempts, Capabilities, Place, Request
from hybrid_llm.errors import ConfigError, HybridLLMWarning, LevelError, LookError, PrivateError
from hybrid_llm.event import RequestEvent
from hybrid_llm.testing import FixedScorer
from tests.covering import covering
from tests.dispatch.held import (
    LARGE,
    SMALL,
    WAYS,
    Played,
    Way,
    by_call,
    every_call,
    every_way,
    pair_for,
    read,
    request_for,
)
from tests.looks import (
    CHECKER,
    LEVEL,
    LOOK_SCENARIOS,
    LOOPS,
    ODD,
    UNSURE,
    LookScenario,
    Said,
    proved,
    router_with,
    trained,
    untrained,
)
from tests.scenarios import EASY, FAILURES, HARD

every_scenario = pytest.mark.parametrize("scenario", LOOK_SCENARIOS, ids=lambda scenario: scenario.name)

pytestmark = pytest.mark.filterwarnings("ignore:(small|large) is down:hybrid_llm.errors.HybridLLMWarning")
UNSURELY = Said(sure=UNSURE)
ESCALATES = LookScenario("", UNSURELY)


async def answered(scenario: LookScenario, way: Way, **options: Any) -> tuple[Any, Decision, Played]:
    played = Played(scenario)
    value, decision = await way(pair_for(scenario, **options), request_for(scenario), played)
    return value, decision, played


# --- the table that the adapters share -----------------------------------------------------------------------------


@every_scenario
async def test_every_scenario_ends_as_the_table_says_in_every_way(scenario: LookScenario) -> None:
    for way in WAYS:
        await ends_as_the_table_says(scenario, None, way)


@covering(every_scenario, every_way)
async def test_with_a_timeout_it_ends_so_too(scenario: LookScenario, way: Way) -> None:
    await ends_as_the_table_says(scenario, 5, way)


async def ends_as_the_table_says(scenario: LookScenario, timeout: float | None, way: Way) -> None:
    played = Played(scenario)
    pair = pair_for(scenario, look_timeout=timeout)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        if scenario.raises is not None:
            with pytest.raises(type(FAILURES[scenario.raises])) as caught:
                await way(pair, request_for(scenario), played)
            assert caught.value is FAILURES[scenario.raises]
            return
        value, decision = await way(pair, request_for(scenario), played)
    assert (decision.route, decision.reason) == (scenario.route, scenario.reason)
    assert value == (scenario.small if scenario.route == "small" else "from large")
    assert played.asked == list(scenario.asked)
    assert (decision.look.rejected if decision.look else None) == scenario.rejected
    assert not decision.held
    ours = [str(each.message) for each in given if "is down" not in str(each.message) and "unlike" not in str(each)]
    assert len(ours) == (scenario.warns is not None)
    assert scenario.warns is None or scenario.warns in ours[0]


@covering(every_scenario, every_call)
@pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning")
async def test_every_call_that_was_made_is_told(scenario: LookScenario, way: Way) -> None:
    seen: list[RequestEvent] = []
    attempts, played = Attempts(), Played(scenario)
    pair = pair_for(scenario, observers=[seen.append])
    try:
        _, decision = await way(pair, request_for(scenario), played, attempts)
    except Exception:  # noqa: BLE001 - whichever error the scenario raises
        assert len(seen[0].attempts) == len(played.asked) + played.compared
        assert not any(attempt.kept for attempt in seen[0].attempts)
        return
    assert seen[0].decision == decision
    assert seen[0].attempts == attempts.made
    arms = [attempt for attempt in attempts.made if attempt.model != "checker"]
    assert [attempt.route for attempt in arms] == list(scenario.asked)
    assert [attempt.route for attempt in attempts.made if attempt.kept] == [scenario.route]
    assert len(attempts.made) - len(arms) == played.compared


# --- what is said of it --------------------------------------------------------------------------------------------


@every_way
async def test_the_decision_says_what_was_seen(way: Way) -> None:
    _, decision, _ = await answered(LookScenario(""), way)
    assert decision.look is not None
    assert decision.look.kept
    assert decision.look.score == pytest.approx(0.9, abs=1e-6)
    assert decision.threshold == 0.0  # the gate
    assert "mean_logprob" in dict(decision.look.signals)
    assert decision.level is not None
    assert decision.level.as_dict() == LEVEL
    assert Decision.from_dict(decision.as_dict()) == decision


@every_way
async def test_a_query_below_the_gate_is_not_looked_at(way: Way) -> None:
    scenario = next(one for one in LOOK_SCENARIOS if one.name == "below the gate")
    _, decision, _ = await answered(scenario, way)
    assert (decision.look, decision.threshold) == (None, 0.4)


@every_way
async def test_an_answer_that_is_rejected_waits_for_no_checker(way: Way) -> None:
    scenario = LookScenario("", Said(finish="length"), look=lambda: trained(checker=True), form=True, checker="18")
    _, decision, _ = await answered(scenario, way)
    assert decision.reason == "rejected"


def test_the_decision_before_the_call_says_that_its_answer_will_be_held() -> None:
    pair = pair_for(LookScenario(""))
    decided = pair.admitted(pair.decide(Request(EASY)))
    assert decided.decision.held
    assert decided.decision.look == Look()
    assert Decision.from_dict(decided.decision.as_dict()).held


@every_way
async def test_where_small_rests_its_answer_is_not_waited_for(way: Way) -> None:
    pair = pair_for(LookScenario("", small_fails="refused"))
    reasons = []
    for _ in range(4):
        played = Played(LookScenario("", small_fails="refused"))
        reasons.append((await way(pair, Request(EASY), played))[1])
    assert [decision.reason for decision in reasons] == ["fallback"] * 3 + ["cooldown"]
    assert played.asked == ["large"]
    assert all(decision.look is None for decision in reasons)


# --- conversations -------------------------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("before", [UNSURELY, Said()], ids=["large answered", "small answered"])
async def test_a_follow_up_keeps_the_route_of_the_gate_and_is_looked_at_anew(before: Said, way: Way) -> None:
    _, previous, _ = await answered(LookScenario("", before), way)
    for said, route, reason in ((Said(), "small", "kept"), (UNSURELY, "large", "escalated")):
        scenario = LookScenario("", said)
        played = Played(scenario)
        request = Request("and then?", turns=[EASY], previous=previous)
        _, decision = await way(pair_for(scenario), request, played)
        assert (decision.route, decision.reason) == (route, reason)
        assert played.asked[0] == "small"


@every_way
async def test_once_large_has_answered_in_a_tool_loop_the_rest_of_it_stays_there(way: Way) -> None:
    _, previous, _ = await answered(ESCALATES, way)
    played = Played(LookScenario(""))
    request = Request(EASY, previous=previous, same_turn=True)
    _, decision = await way(pair_for(LookScenario("")), request, played)
    assert (decision.route, decision.reason, decision.look) == ("large", "follow_up", None)
    assert played.asked == ["large"]
    again = Request(EASY, previous=decision, same_turn=True)
    assert (await way(pair_for(LookScenario("")), again, Played(LookScenario(""))))[1].route == "large"


@every_way
async def test_a_later_step_of_a_tool_loop_is_looked_at_anew(way: Way) -> None:
    _, previous, _ = await answered(LookScenario("", Said("", calls=(("look_up", {"city": "Lima"}),)), tools=True), way)
    assert previous.reason == "kept"
    played = Played(ESCALATES)
    _, decision = await way(pair_for(ESCALATES), Request(EASY, previous=previous, same_turn=True), played)
    assert (decision.reason, played.asked) == ("escalated", ["small", "large"])


PROVED = {"quality": 0.9, "cost_advantage": None, "threshold": None}
CALLS = Said("", calls=(("look_up", {"city": "Lima"}),))


def proved_pair(scenario: LookScenario, **options: Any) -> Pair:
    how = {"small": SMALL, "large": LARGE, "second_look": True, "checker": Capabilities(model=CHECKER)}
    return Pair(router_with(proved(checker=True)), **{**how, **PROVED, **options})


async def certified(scenario: LookScenario, way: Way, **options: Any) -> bool:
    pair = proved_pair(scenario, **options)
    request = replace(request_for(scenario), level=None)
    return (await way(pair, request, Played(scenario)))[1].certified


@every_way
async def test_an_answer_that_passes_all_that_was_proved_is_certified(way: Way) -> None:
    assert await certified(LookScenario("", look=trained, form=True, checker="18"), way)


@every_way
@pytest.mark.parametrize(
    "scenario",
    [
        LookScenario("an unfamiliar query", text=ODD, look=trained, form=True, checker="18"),
        LookScenario("a call of a tool", CALLS, tools=True, look=trained, form=True, checker="18"),
        LookScenario("words where a tool was offered", tools=True, look=trained, form=True, checker="18"),
        LookScenario("an unfamiliar query, rejected", Said(LOOPS), text=ODD, look=trained, form=True, checker="18"),
        LookScenario("a checker that is down", look=trained, form=True, checker=None),
    ],
    ids=lambda scenario: scenario.name,
)
@pytest.mark.filterwarnings("ignore:The second look compares")
async def test_what_was_not_proved_is_not_certified(scenario: LookScenario, way: Way) -> None:
    assert not await certified(scenario, way)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"small": replace(SMALL, model="another")}, "the small model is another, and was small"),
        ({"checker": Capabilities(model="another")}, "the checkers are another, and were checker"),
    ],
)
def test_a_promise_of_other_models_is_none(options: dict[str, Any], says: str) -> None:
    scenario = LookScenario("", look=trained, form=True, checker="18")
    with pytest.warns(HybridLLMWarning, match=says):
        decided = proved_pair(scenario, **options).decide(replace(request_for(scenario), level=None))
    assert not decided.decision.certified


@pytest.mark.parametrize(
    ("small", "request_", "says"),
    [
        ({"temperature": 0, "max_tokens": 64}, {"system": None}, None),
        ({"temperature": 0, "max_tokens": None}, {"max_tokens": 500}, None),
        ({}, {}, None),
        ({"temperature": None}, {}, r"temperature is left to the server, and was 0\.0"),
        ({"temperature": 0.7}, {"temperature": 0}, None),
        ({"temperature": 0}, {"temperature": 0.7}, "temperature is 0.7"),
        ({"max_tokens": 8}, {}, "max_tokens is 8, and was 64"),
        ({}, {"max_tokens": 8}, "max_tokens is 8, and was 64"),
        ({}, {"system": "Answer like a pirate."}, "another system prompt"),
        ({}, {"think": True}, "think is True, and was left to the server"),
    ],
)
async def test_a_promise_holds_for_what_is_asked_as_it_was_measured(
    small: dict[str, Any], request_: dict[str, Any], says: str | None
) -> None:
    scenario = LookScenario("", look=trained, form=True, checker="18")
    router = router_with(proved({"think": None}, checker=True))
    how = {"small": replace(SMALL, asked=small), "large": LARGE, "checker": Capabilities(model=CHECKER), **PROVED}
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        pair, certified = Pair(router, second_look=True, **how), set()
        for text in (EASY, EASY, HARD):
            request = replace(request_for(scenario), level=None, text=text, asked=request_)
            certified.add((await by_call(pair, request, Played(scenario)))[1].certified)
    told = [str(each.message) for each in given if "was proved with" in str(each.message)]
    assert certified == {says is None}
    assert len(told) == (says is not None)
    assert says is None or re.search(says, told[0])


def test_a_model_without_a_name_is_not_another_one() -> None:
    scenario = LookScenario("", look=trained, form=True, checker="18")
    pair = proved_pair(scenario, small=Capabilities(), checker=Capabilities())
    assert pair.decide(replace(request_for(scenario), level=None)).decision.certified


def test_a_gate_that_an_unfamiliar_query_skips_says_nothing_of_its_score() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pair_for(LookScenario("", look=trained, form=True)).decide(Request(ODD))


# --- levels --------------------------------------------------------------------------------------------------------


def test_a_level_that_was_measured_and_not_proved_is_warned_of_once() -> None:
    with pytest.warns(HybridLLMWarning, match="measured, not certified") as given:
        pair = pair_for(LookScenario("", look=trained, form=True), quality=0.99, cost_advantage=None)
    assert len(given) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pair.call(Request(EASY), Played(LookScenario("")).ask, read=read)


def test_a_look_whose_certificate_is_void_says_why_with_each_decision() -> None:
    look = proved()
    assert look.certificate is not None
    void = replace(look.certificate.provenance, void_reason="An audit said so.")
    menu = replace(look.certificate, provenance=void)
    router = router_with(look.with_parts(certificate=menu))
    with pytest.warns(HybridLLMWarning, match="second look is void: An audit said so"):
        pair = Pair(router, small=SMALL, large=LARGE, second_look=True, **PROVED)
    decision = pair.decide(Request(EASY)).decision
    assert (decision.certified, decision.void_reason) == (False, "An audit said so.")
    assert router.parts.void_reason == "An audit said so."
    other = Router(FixedScorer(0.9), certificate=look.certificate, looks=router.parts.looks)
    assert other.parts.void_reason == ""  # one of its two promises stands


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"second_look": True, **LEVEL}, LookError, "hybrid-llm train TABLE --second-look"),
        ({"second_look": "agreement", **LEVEL}, LevelError, "hybrid-llm calibrate --unlabelled"),
        ({"second_look": "vibes", **LEVEL}, LookError, "vibes"),
        ({"second_look": "logprobs", "quality": 0.9}, LevelError, "cost_advantage="),
        ({"second_look": "logprobs"}, LevelError, "cost_advantage="),
        ({"look_timeout": 0, "threshold": 0.5}, ConfigError, "look_timeout=0"),
        ({"check": "short", "threshold": 0.5}, ConfigError, "check='short'"),
        ({"checks": ["short"], "threshold": 0.5}, ConfigError, "function of the query"),
    ],
)
def test_a_look_that_makes_no_sense_is_an_error_at_once(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Pair(router_with(untrained()), small=SMALL, large=LARGE, **options)


def test_a_check_that_is_a_coroutine_function_is_refused() -> None:
    async def check(query: str, text: str) -> bool:
        return False

    with pytest.raises(ConfigError, match="plain function"):
        Pair(FixedScorer(0.9), threshold=0.5, check=check)


def test_a_checker_that_is_small_itself_is_refused() -> None:
    with pytest.raises(LookError, match="is the small model itself"):
        Pair(router_with(trained(checker=True)), small=SMALL, checker=SMALL, second_look=True, **LEVEL)


def test_a_remote_checker_beside_private_requests_is_refused() -> None:
    remote = Capabilities(model="other", place=Place("https://api.example.com/v1"))
    with pytest.raises(PrivateError, match=r"local_hosts=\['api.example.com'\]"):
        Pair(router_with(trained(checker=True)), small=SMALL, checker=remote, second_look=True, private=True, **LEVEL)
    for fine in ({"private": False}, {"private": True, "local_hosts": ["api.example.com"]}):
        Pair(router_with(trained(checker=True)), small=SMALL, checker=remote, second_look=True, **LEVEL, **fine)


def test_a_range_is_of_levels_of_one_kind() -> None:
    pair = pair_for(LookScenario(""), allowed=(0.3, 0.6))
    for level in ({"threshold": 0.5}, {"route": "small"}):
        with pytest.raises(LevelError, match="not for requests"):
            pair.check(request_for(LookScenario("", of_call=tuple(level.items()))))
    pair.check(request_for(LookScenario("", of_call=(("cost_advantage", 0.4),))))
    with pytest.raises(LevelError, match="not for requests"):
        pair.check(request_for(LookScenario("", of_call=(("cost_advantage", 0.9),))))


def test_an_answer_that_nobody_can_read_says_how_to() -> None:
    with pytest.raises(LookError, match="pass read="):
        pair_for(LookScenario("")).call(Request(EASY), lambda _: 7)
