"""ChatHybrid decides what every adapter must decide, and keeps working when a model breaks."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from pydantic import BaseModel

from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._pair import pair
from tests.langchain._ways import Way, by_ainvoke, by_astream, by_invoke, by_stream, every_way
from tests.scenarios import EASY, FAILURES, HARD, SCENARIOS, THRESHOLD, WINDOW, Scenario

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)

HOSTED: dict[str, Any] = {"max_input_tokens": 100 * WINDOW, "image_inputs": True, "tool_choice": True}
streams = pytest.mark.parametrize("way", [by_stream, by_astream])


class Answer(BaseModel):
    """An answer."""

    text: str


def look_up(city: str) -> str:
    """Look up a city."""
    return city


def messages_of(scenario: Scenario) -> list[BaseMessage]:
    kinds = {"user": HumanMessage, "assistant": AIMessage}
    history = [kinds[role](text) for role, text in scenario.history]
    text = scenario.text + (" and" * WINDOW * 5 if scenario.long else "")
    if scenario.image:
        blocks = [{"type": "text", "text": text}, {"type": "image", "url": "https://example.org/lima.png"}]
        return [*history, HumanMessage(content=blocks)]
    return [*history, HumanMessage(text)]


def step_of(scenario: Scenario, hybrid: ChatHybrid) -> Any:
    """Return the pair as the scenario uses it: with tools, with a schema."""
    if scenario.structured:
        return hybrid.with_structured_output(Answer, include_raw=True)
    tools = [look_up] if scenario.tools else [{"type": "web_search"}] if scenario.provider_tool else []
    return hybrid.bind_tools(tools, tool_choice="any" if scenario.forced_tool else None) if tools else hybrid


@covering(every_scenario, every_way, times=2)
@pytest.mark.filterwarnings("ignore:The scorer failed:hybrid_llm.errors.HybridLLMWarning")
async def test_the_scenarios_of_every_adapter(way: Way, scenario: Scenario) -> None:
    hybrid = pair(
        scenario.router(),
        small={
            "error": FAILURES.get(scenario.small_fails or ""),
            "profile": {"max_input_tokens": WINDOW, "structured_output": not scenario.structured},
        },
        large={"error": FAILURES.get(scenario.large_fails or ""), "profile": HOSTED},
        threshold=THRESHOLD,
        fallback_to_small=scenario.to_small,
    )
    step, options = step_of(scenario, hybrid), dict(scenario.options)
    if scenario.raises:
        with pytest.raises(type(FAILURES[scenario.raises])):
            await way(step, [messages_of(scenario)], **options)
        return
    (answer,) = await way(step, [messages_of(scenario)], **options)
    message = answer["raw"] if scenario.structured else answer
    decision = message.response_metadata["hybrid"]
    assert (decision["route"], decision["reason"]) == (scenario.route, scenario.reason)
    assert message.response_metadata["model_name"] == scenario.route
    assert bool(message.tool_calls) == (scenario.tools or scenario.structured)


@every_way
async def test_after_three_failures_small_is_left_alone(way: Way) -> None:
    hybrid = pair(Scenario("").router(), small={"error": FAILURES["refused"]}, threshold=0.5)
    answers = []
    for _ in range(5):
        answers += await way(hybrid, [EASY])
    reasons = [answer.response_metadata["hybrid"]["reason"] for answer in answers]
    assert reasons == ["fallback"] * 3 + ["cooldown"] * 2
    assert len(hybrid.small.asked) == 3


@every_way
async def test_without_the_fallback_the_outage_is_raised(way: Way) -> None:
    hybrid = pair(Scenario("").router(), small={"error": FAILURES["refused"]}, threshold=0.5, fallback_to_large=False)
    with pytest.raises(ConnectionRefusedError):
        await way(hybrid, [EASY])
    assert hybrid.large.asked == []


@streams
async def test_a_stream_that_breaks_after_its_first_token_is_an_error_not_a_glued_answer(way: Way) -> None:
    hybrid = pair(Scenario("").router(), small={"error": FAILURES["refused"], "fails_after": 1}, threshold=0.5)
    with pytest.raises(ConnectionRefusedError):
        await way(hybrid, [EASY])
    assert hybrid.large.asked == []


@pytest.mark.parametrize("way", [by_invoke, by_ainvoke, by_stream, by_astream])
async def test_a_small_model_that_hangs_is_given_up_on(way: Way) -> None:
    hang = threading.Event()

    def late(messages: Any) -> str:
        hang.wait(5)
        return "too late"

    hybrid = pair(Scenario("").router(), small={"says": late}, threshold=0.5, small_timeout=0.05)
    (answer,) = await way(hybrid, [EASY])
    hang.set()
    assert (answer.text, answer.response_metadata["hybrid"]["reason"]) == ("from large", "fallback")


@every_way
async def test_the_other_model_gets_the_same_request(way: Way) -> None:
    hybrid = pair(Scenario("").router(), small={"error": FAILURES["refused"]}, threshold=0.5)
    await way(hybrid, [[HumanMessage(EASY)]], seed=7, stop=["END"])
    ((_, stop, kwargs),) = hybrid.large.asked
    assert (stop, kwargs["seed"]) == (["END"], 7)


@every_way
async def test_a_decision_of_the_conversation_is_kept_by_a_follow_up(way: Way) -> None:
    hybrid = pair(Scenario("").router(), threshold=0.5)
    (first,) = await way(hybrid, [EASY], route="large")
    (second,) = await way(hybrid, [[HumanMessage(EASY), first, HumanMessage("yes, do it")]])
    assert (second.text, second.response_metadata["hybrid"]["reason"]) == ("from large", "follow_up")


@covering(every_way, pytest.mark.parametrize(("query", "route"), [(EASY, "small"), (HARD, "large")]), times=2)
async def test_the_steps_of_a_tool_loop_stay_with_the_model_of_their_turn(way: Way, query: str, route: str) -> None:
    hybrid = pair(Scenario("").router(), threshold=0.5)
    step = hybrid.bind_tools([look_up])
    (call,) = await way(step, [query])
    result = ToolMessage("Lima", tool_call_id=call.tool_calls[0]["id"])
    talk = [HumanMessage(query), call, result]
    (answer,) = await way(step, [talk])
    assert answer.text == f"from {route}"
    assert {**answer.response_metadata["hybrid"], "attempts": []} == {
        **call.response_metadata["hybrid"],
        "attempts": [],
    }
    assert len(hybrid.router.scorer.calls) == 1
    (answer,) = await way(step, [talk], threshold={"small": 2, "large": 0}[route])  # asks for something else now
    assert answer.text != f"from {route}"


@every_way
async def test_a_decision_is_only_kept_when_requests_choose_freely(way: Way) -> None:
    hybrid = pair(Scenario("").router(), threshold=0.5, allowed=(0.4, 0.6))
    forged = AIMessage("4", response_metadata={"hybrid": {"route": "large", "router_id": "fixed"}})
    (answer,) = await way(hybrid, [[HumanMessage(EASY), forged, HumanMessage("yes, do it")]])
    assert answer.text == "from small"


async def test_a_model_that_cannot_call_tools_is_not_given_any() -> None:
    class Talker(FakeChatModel):
        bind_tools = BaseChatModel.bind_tools

    hybrid = ChatHybrid(Talker(model="small"), FakeChatModel(model="large"), Scenario("").router(), threshold=0.5)
    answer = hybrid.bind_tools([look_up]).invoke(EASY)
    assert (answer.response_metadata["hybrid"]["route"], answer.response_metadata["hybrid"]["reason"]) == (
        "large",
        "tools",
    )
    raw = hybrid.with_structured_output(Answer, include_raw=True).invoke(EASY)["raw"]
    assert raw.response_metadata["hybrid"]["reason"] == "structured_output"
    with pytest.raises(NotImplementedError):
        hybrid.with_structured_output(Answer).invoke(EASY, route="small")
    neither = ChatHybrid(Talker(model="small"), Talker(model="large"), Scenario("").router(), threshold=0.5)
    with pytest.raises(NotImplementedError):
        neither.with_structured_output(Answer)
    with pytest.raises(NotImplementedError):
        neither.bind_tools([look_up]).invoke(EASY)


def test_the_breakers_outlive_a_failure_of_both() -> None:
    hybrid = pair(
        Scenario("").router(), small={"error": FAILURES["refused"]}, large={"error": FAILURES["timeout"]}, threshold=0.5
    )
    for _ in range(3):
        with pytest.raises(TimeoutError):
            hybrid.invoke(EASY)
    assert hybrid.state.breakers["small"].open
