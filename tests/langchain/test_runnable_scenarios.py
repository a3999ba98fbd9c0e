"""RunnableHybrid decides what every adapter must decide, and keeps working when an arm breaks."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_hybrid import RunnableHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._ways import Recorder, Way, every_way, hybrid_of
from tests.scenarios import EASY, FAILURES, SCENARIOS, THRESHOLD, WINDOW, Scenario

SCENARIOS_HERE = [s for s in SCENARIOS if not (s.tools or s.provider_tool or s.structured)]
"""Without tools and schemas: whoever builds the arms of a chain binds those."""
every_scenario = pytest.mark.parametrize("scenario", SCENARIOS_HERE, ids=lambda scenario: scenario.name)


def pair(small: dict[str, Any], **options: Any) -> RunnableHybrid[Any, Any]:
    """Return a pair of fakes in which small does something of its own."""
    arms = FakeChatModel(**{"model": "small", **small}), FakeChatModel(model="large")
    return RunnableHybrid(*arms, Scenario("").router(), threshold=0.5, **options)


def messages_of(scenario: Scenario) -> list[BaseMessage]:
    kinds = {"user": HumanMessage, "assistant": AIMessage}
    history = [kinds[role](text) for role, text in scenario.history]
    text = scenario.text + (" and" * WINDOW * 5 if scenario.long else "")
    if scenario.image:
        blocks = [{"type": "text", "text": text}, {"type": "image", "url": "https://example.org/lima.png"}]
        return [*history, HumanMessage(content=blocks)]
    return [*history, HumanMessage(text)]


@covering(every_scenario, every_way)
@pytest.mark.filterwarnings("ignore:The scorer failed:hybrid_llm.errors.HybridLLMWarning")
async def test_the_scenarios_of_every_adapter(way: Way, scenario: Scenario) -> None:
    hybrid = RunnableHybrid(
        FakeChatModel(
            model="small", error=FAILURES.get(scenario.small_fails or ""), profile={"max_input_tokens": WINDOW}
        ),
        FakeChatModel(
            model="large",
            error=FAILURES.get(scenario.large_fails or ""),
            profile={"max_input_tokens": 100 * WINDOW, "image_inputs": True},
        ),
        scenario.router(),
        threshold=THRESHOLD,
        fallback_to_small=scenario.to_small,
    )
    options = dict(scenario.options)
    if scenario.raises:
        with pytest.raises(type(FAILURES[scenario.raises])):
            await way(hybrid, [messages_of(scenario)], **options)
        return
    (answer,) = await way(hybrid, [messages_of(scenario)], **options)
    decision = answer.response_metadata["hybrid"]
    assert (decision["route"], decision["reason"]) == (scenario.route, scenario.reason)
    assert answer.text == f"from {scenario.route}"


@every_way
async def test_after_three_failures_small_is_left_alone(way: Way) -> None:
    recorder = Recorder()
    hybrid = pair({"error": FAILURES["refused"]})
    answers = []
    for _ in range(5):
        answers += await way(hybrid, [EASY], {"callbacks": [recorder]})
    reasons = [answer.response_metadata["hybrid"]["reason"] for answer in answers]
    assert reasons == ["fallback"] * 3 + ["cooldown"] * 2
    tags = [tag for _, run in recorder.of("model") for tag in run["tags"]]
    assert (tags.count("route:small"), tags.count("route:large")) == (3, 5)


@every_way
async def test_a_decision_of_the_conversation_is_kept_by_a_follow_up(way: Way) -> None:
    hybrid = hybrid_of(Scenario("").router(), threshold=0.5)
    (first,) = await way(hybrid, [EASY], route="large")
    talk = [HumanMessage(EASY), first, HumanMessage("yes, do it")]
    (second,) = await way(hybrid, [talk])
    assert (second.text, second.response_metadata["hybrid"]["reason"]) == ("from large", "follow_up")


async def test_the_whole_conversation_can_be_scored() -> None:
    hybrid = hybrid_of(Scenario("").router(), threshold=0.5, query="conversation")
    hybrid.invoke([HumanMessage("Hello there!"), AIMessage("Hi."), HumanMessage("What now?")])
    assert hybrid.router.scorer.calls == [["Hello there!\n\nHi.\n\nWhat now?"]]


@pytest.mark.parametrize("chosen", [{"quality": 0.5}, {"route": "large"}, {"threshold": 0.9}])
async def test_requests_choose_only_within_the_allowed_range(chosen: dict[str, Any]) -> None:
    hybrid = hybrid_of(Scenario("").router(), threshold=0.5, allowed=(0.4, 0.6))
    assert hybrid.invoke(EASY, threshold=0.6).text == "from small"
    with pytest.raises(ValueError, match=r"threshold 0.4 to 0.6|no thresholds for"):
        hybrid.invoke(EASY, **chosen)


async def test_a_copy_made_field_by_field_shares_the_breaker() -> None:
    hybrid = pair({"error": FAILURES["refused"]})
    again = RunnableHybrid(
        **{name: getattr(hybrid, name) for name in ("small", "large", "router", "state")}, threshold=0.4
    )
    for _ in range(3):
        again.invoke(EASY)
    assert hybrid.invoke(EASY).response_metadata["hybrid"]["reason"] == "cooldown"


async def test_a_small_arm_that_hangs_is_given_up_on() -> None:
    hang = threading.Event()

    def late(messages: Any) -> str:
        hang.wait(5)
        return "too late"

    hybrid = pair({"says": late}, small_timeout=0.05)
    answer = hybrid.invoke(EASY)
    hang.set()
    assert (answer.text, answer.response_metadata["hybrid"]["reason"]) == ("from large", "fallback")


async def test_a_stream_that_breaks_after_its_first_token_is_an_error_not_a_glued_answer() -> None:
    hybrid = pair({"error": ConnectionResetError(), "fails_after": 1})
    texts: list[str] = []
    with pytest.raises(ConnectionResetError):
        texts.extend(chunk.text for chunk in hybrid.stream(EASY))
    stream = hybrid.astream(EASY)
    async for chunk in stream:
        texts.append(chunk.text)
        if chunk.text:
            break
    with pytest.raises(ConnectionResetError):
        await anext(stream)
    assert [text for text in texts if text] == ["from ", "from "]
