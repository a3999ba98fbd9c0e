"""Decide and call in one verb: every scenario that the adapters share, many at a time, the switch."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

import pytest

from hybrid_llm import Decision, Pair, Router
from hybrid_llm.dispatch import Breaker, Capabilities, PairState, Request
from hybrid_llm.errors import ConfigError, LevelError
from hybrid_llm.testing import FixedScorer
from tests.covering import covering
from tests.dispatch.pairs import DOWN, WAYS, Way, arms_of, every_way, pair_of, request_of
from tests.scenarios import EASY, FAILURES, HARD, SCENARIOS, SCORES, Scenario

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)

pytestmark = [
    pytest.mark.filterwarnings("ignore:The scorer failed:hybrid_llm.errors.HybridLLMWarning"),
    pytest.mark.filterwarnings("ignore:(small|large) is down:hybrid_llm.errors.HybridLLMWarning"),
]

# --- the table that the adapters share -----------------------------------------------------------------------------


@every_scenario
async def test_every_scenario_ends_as_the_table_says_in_every_way(scenario: Scenario) -> None:
    for way in WAYS:
        await ends_as_the_table_says(scenario, None, way)


@covering(every_scenario, every_way)
async def test_with_a_timeout_it_ends_so_too(scenario: Scenario, way: Way) -> None:
    await ends_as_the_table_says(scenario, 5, way)


async def ends_as_the_table_says(scenario: Scenario, timeout: float | None, way: Way) -> None:
    arms = arms_of(*(FAILURES.get(str(name)) for name in (scenario.small_fails, scenario.large_fails)))
    pair = pair_of(scenario.router(), fallback_to_small=scenario.to_small, small_timeout=timeout)
    if scenario.raises is not None:
        with pytest.raises(type(FAILURES[scenario.raises])) as caught:
            await way(pair, request_of(scenario), arms)
        assert caught.value is FAILURES[scenario.raises]
        return
    text, decision = await way(pair, request_of(scenario), arms)
    assert (decision.route, decision.reason) == (scenario.route, scenario.reason)
    assert text == f"from {scenario.route}"
    assert len(arms.asked) == (2 if scenario.reason == "fallback" else 1)
    assert decision.router_id == pair.router.id


@every_way
async def test_what_has_no_text_goes_where_the_adapter_says(way: Way) -> None:
    text, decision = await way(pair_of(), Request("", without_text="small"), arms_of())
    assert (text, decision.reason) == ("from small", "no_text")


@every_way
async def test_a_follow_up_does_not_keep_another_arm_than_the_level_says(way: Way) -> None:
    pair = pair_of(threshold=0)
    before = Decision("large", 0.1, 0.5, router_id=pair.router.id)
    text, _ = await way(pair, Request("and then?", turns=[EASY], previous=before), arms_of())
    assert text == "from small"


@every_way
async def test_an_arm_in_its_cooldown_is_not_called(way: Way) -> None:
    pair, arms = pair_of(), arms_of(small=DOWN)
    reasons = [(await way(pair, Request(EASY), arms))[1].reason for _ in range(4)]
    assert reasons == ["fallback"] * 3 + ["cooldown"]
    assert arms.asked == ["small", "large"] * 3 + ["large"]


def test_who_will_answer_is_known_before_the_call() -> None:
    pair = pair_of(state=PairState({"small": Breaker(failures=1), "large": Breaker()}))
    assert pair.call(Request(EASY), arms_of(small=DOWN).call)[1].reason == "fallback"
    decided = pair.admitted(pair.decide(Request(EASY)))
    assert (decided.decision.route, decided.decision.reason) == ("large", "cooldown")
    assert pair.admitted(decided) is decided


# --- many at a time ------------------------------------------------------------------------------------------------


async def batch_of(pair: Pair, way: str, requests: list[Any], ask: Any, **options: Any) -> list[Any]:
    if way == "batch":
        return pair.batch(requests, [ask] * len(requests), **options)

    async def aask(*args: Any) -> Any:
        return ask(*args)

    return await pair.abatch(requests, [aask] * len(requests), **options)


both = pytest.mark.parametrize("way", ["batch", "abatch"])


@both
async def test_a_batch_is_scored_in_one_pass_and_answered_in_order(way: str) -> None:
    scorer = FixedScorer(SCORES)
    answers = await batch_of(pair_of(scorer), way, [Request(EASY), Request(HARD), Request(EASY)], arms_of().call)
    assert [text for text, _ in answers] == ["from small", "from large", "from small"]
    assert scorer.calls == [[EASY, HARD, EASY]]


@both
async def test_an_empty_batch_has_no_answers(way: str) -> None:
    assert await batch_of(pair_of(), way, [], arms_of().call) == []


@both
async def test_a_request_that_makes_no_sense_stops_a_batch_before_any_arm_is_called(way: str) -> None:
    arms = arms_of()
    for bad in (Request(EASY, route="medium"), ValueError("unreadable")):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"medium|unreadable"):
            await batch_of(pair_of(), way, [Request(EASY), bad], arms.call)
    assert arms.asked == []


@both
async def test_an_error_may_take_the_place_of_its_answer(way: str) -> None:
    requests = [Request(EASY), Request(HARD, route="medium"), ValueError("unreadable"), Request(HARD)]  # type: ignore[arg-type]
    answers = await batch_of(pair_of(), way, requests, arms_of(large=DOWN).call, return_exceptions=True)
    assert answers[0][0] == "from small"
    assert [type(answer) for answer in answers[1:]] == [LevelError, ValueError, ConnectionRefusedError]


@both
async def test_no_more_requests_than_allowed_are_under_way(way: str) -> None:
    now, most, lock = [0], [0], threading.Lock()

    def ask(decision: Decision) -> str:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.01)
        with lock:
            now[0] -= 1
        return decision.route

    await batch_of(pair_of(), way, [Request(EASY)] * 6, ask, max_workers=2)
    assert most[0] <= 2


def test_each_request_of_a_batch_has_a_context_of_its_own() -> None:
    place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")
    place.set("here")

    def ask(_: Decision) -> str:
        before = place.get()
        place.set("there")
        return before

    assert [text for text, _ in pair_of().batch([Request(EASY)] * 3, [ask] * 3, max_workers=1)] == ["here"] * 3
    assert place.get() == "here"


# --- the switch ----------------------------------------------------------------------------------------------------


@every_way
async def test_the_switch_sends_everything_to_one_arm_until_it_is_off_again(way: Way) -> None:
    pair = pair_of(FixedScorer(SCORES))
    pair.force = "large"
    requests = [Request(EASY), Request(EASY, route="small"), Request(""), Request(EASY, tokens=0)]
    came = [(await way(pair, request, arms_of()))[1] for request in requests]
    assert {(decision.route, decision.reason) for decision in came} == {("large", "forced")}
    assert pair.router.scorer.calls == []  # type: ignore[attr-defined]
    pair.force = None
    assert (await way(pair, Request(EASY), arms_of()))[0] == "from small"


def test_the_switch_holds_for_all_copies() -> None:
    state = PairState()
    one, other = pair_of(state=state), pair_of(state=state, threshold=0.2)
    one.force = "large"
    assert other.call(Request(EASY), arms_of().call)[1].reason == "forced"


def test_the_switch_takes_an_arm_or_none() -> None:
    with pytest.raises(LevelError, match="'small' or 'large'"):
        pair_of().force = "medium"  # type: ignore[assignment]
    pair = pair_of()
    pair.force = "large"
    with pytest.raises(LevelError, match="route"):
        pair.call(Request(EASY, route="medium"), arms_of().call)  # type: ignore[arg-type]


# --- construction --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"quality": 0.9, "threshold": 0.5}, LevelError, "together"),
        ({"threshold": 3}, LevelError, "out of range"),
        ({"threshold": None, "quality": 0.9}, LevelError, "calibrate"),
        ({"allowed": (0.1,)}, LevelError, "two numbers"),
        ({"small_timeout": 0}, ConfigError, "small_timeout=0"),
        ({"qualty": 0.9}, TypeError, "qualty"),
    ],
)
def test_an_option_that_makes_no_sense_is_an_error_at_once(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        pair_of(**options)


def test_a_router_may_be_given_as_a_folder_or_a_scorer() -> None:
    shipped = Router.load()
    assert Pair(shipped, threshold=0.5).router is shipped
    with pytest.raises(TypeError, match="router="):
        Pair(object())  # type: ignore[arg-type]


def test_what_an_arm_can_serve_may_become_known_later() -> None:
    windows = [None, 10]
    pair = pair_of(small=lambda: Capabilities(windows[0]))
    assert pair.decide(Request(EASY, tokens=500)).decision.route == "small"
    windows[0] = windows[1]
    assert pair.decide(Request(EASY, tokens=500)).decision.reason == "context"
