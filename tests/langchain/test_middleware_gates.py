"""What an arm cannot serve stays away from it, call by call: tools, images, schemas, forced calls, long prompts."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from langchain.agents.structured_output import AutoStrategy, ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from hybrid_llm.testing import FixedScorer
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._agents import (
    Changing,
    Way,
    agent_of,
    answers,
    call,
    every_way,
    fakes,
    get_weather,
    reasons,
    routes,
)
from tests.langchain._pair import EVERYTHING

PICTURE = {"type": "image", "url": "https://example.org/lima.png"}
EASY = [HumanMessage("easy")]


class Answer(BaseModel):
    """The answer."""

    value: int


@tool
def take_picture(city: str) -> list[dict[str, Any]]:
    """Take a picture of a city."""
    return [{"type": "text", "text": "here"}, PICTURE]


@tool
def read_book(title: str) -> str:
    """Read a book."""
    return "so it goes " * 5000


FORCING = Changing(lambda request: request.override(tool_choice="any"))


def with_provider_tool() -> dict[str, Any]:
    return {"tools": [get_weather, {"type": "web_search"}]}


def structured(response_format: Any) -> dict[str, Any]:
    return {"agent": {"response_format": response_format}}


@covering(
    every_way,
    pytest.mark.parametrize(
        ("agent", "messages", "reason"),
        [
            ({}, [HumanMessage([{"type": "text", "text": "easy"}, PICTURE])], "modality"),
            (with_provider_tool(), EASY, "tools"),
            ({"agent": {"before": [FORCING]}}, EASY, "tools"),
            (structured(ProviderStrategy(Answer)), EASY, "structured_output"),
            ({}, [HumanMessage("easy " * 2000)], "context"),
            ({"agent": {"system_prompt": "be brief " * 2000}}, EASY, "context"),
        ],
    ),
    times=2,
)
async def test_what_small_cannot_serve_goes_to_large(
    way: Way, agent: dict[str, Any], messages: list[Any], reason: str
) -> None:
    small, large = fakes(small={"max_input_tokens": 1000, "structured_output": False})
    large.replies = [AIMessage('{"value": 4}')]
    state = await way(agent_of(small, large, FixedScorer(0.9), **agent), messages)
    assert (routes(state), reasons(state)) == (["large"], [reason])


@every_way
@pytest.mark.parametrize("wanted", [Answer, AutoStrategy(Answer), ToolStrategy(Answer)])
async def test_a_schema_that_becomes_a_forced_tool_call_stays_away_from_an_arm_without_a_profile(
    way: Way, wanted: Any
) -> None:
    small, large = fakes()
    large.replies = [call("Answer", value=4) if isinstance(wanted, ToolStrategy) else AIMessage('{"value": 4}')]
    state = await way(agent_of(small, large, FixedScorer(0.9), **structured(wanted)), "easy")
    assert (state["structured_response"], reasons(state)) == (Answer(value=4), ["tools"])


@every_way
@pytest.mark.parametrize(
    ("profile", "wanted", "bound"),
    [
        ({"structured_output": True}, Answer, "response_format"),
        ({"tool_choice": True}, Answer, "tool_choice"),
        ({"tool_choice": True}, ToolStrategy(Answer), "tool_choice"),
        ({}, ProviderStrategy(Answer), "response_format"),
    ],
)
async def test_a_schema_that_small_can_follow_is_asked_of_small(
    way: Way, profile: dict[str, Any], wanted: Any, bound: str
) -> None:
    small, large = fakes(small=profile)
    small.replies = [AIMessage('{"value": 4}') if bound == "response_format" else call("Answer", value=4)]
    state = await way(agent_of(small, large, FixedScorer(0.9), **structured(wanted)), "easy")
    assert (state["structured_response"], reasons(state)) == (Answer(value=4), ["score"])
    assert bound in small.asked[0].kwargs


@every_way
async def test_a_schema_and_a_tool_in_one_run_are_both_served(way: Way) -> None:
    small, large = fakes(small={"tool_choice": True})
    small.replies = [call(), call("Answer", value="many"), call("Answer", value=4)]
    state = await way(agent_of(small, large, FixedScorer(0.9), **structured(ToolStrategy(Answer))), "easy")
    assert state["structured_response"] == Answer(value=4)
    assert routes(state) == ["small"] * 3


@every_way
@pytest.mark.parametrize(("looks", "reason"), [(take_picture, "modality"), (read_book, "context")])
@pytest.mark.parametrize("sticky", [True, False])
async def test_what_a_tool_brings_in_the_middle_of_a_run_may_need_large(
    way: Way, looks: Any, reason: str, sticky: bool
) -> None:
    small, large = fakes(small={"max_input_tokens": 5000})
    small.replies = [call(looks.name, **{"city" if looks is take_picture else "title": "Lima"})]
    state = await way(agent_of(small, large, FixedScorer(0.9), tools=[looks], sticky=sticky), "easy")
    assert (routes(state), reasons(state)) == (["small", "large"], ["score", reason])


def tool_at(call_number: int) -> Changing:
    """Return a middleware that offers a provider's tool at one call only."""
    numbers = itertools.count(1)

    def offer(request: Any) -> Any:
        more = [{"type": "web_search"}] if next(numbers) == call_number else []
        return request.override(tools=[*request.tools, *more])

    return Changing(offer)


@every_way
@pytest.mark.parametrize(
    ("sticky", "expected", "why"),
    [
        (True, ["small", "large", "large"], ["score", "tools", "tools"]),
        (False, ["small", "large", "small"], ["score", "tools", "score"]),
    ],
)
async def test_a_gate_of_one_step_binds_the_rest_of_the_run_only_when_sticky(
    way: Way, sticky: bool, expected: list[str], why: list[str]
) -> None:
    small, large = fakes()
    small.replies, large.replies = [call()], [call()]
    scorer = FixedScorer(0.9)
    state = await way(agent_of(small, large, scorer, sticky=sticky, agent={"before": [tool_at(2)]}), "easy")
    assert (routes(state), reasons(state)) == (expected, why)
    assert len(scorer.calls) == 1


@every_way
@pytest.mark.parametrize(("sticky", "expected"), [(True, ["large", "large"]), (False, ["large", "small"])])
async def test_a_run_that_a_gate_began_is_scored_when_the_gate_is_gone(
    way: Way, sticky: bool, expected: list[str]
) -> None:
    small, large = fakes()
    large.replies = [call()]
    agent = agent_of(small, large, FixedScorer(0.9), sticky=sticky, agent={"before": [tool_at(1)]})
    assert routes(await way(agent, "easy")) == expected


@every_way
async def test_what_only_small_can_serve_goes_to_small_for_that_step(way: Way) -> None:
    small, large = fakes(small={**EVERYTHING}, large={"tool_calling": True})
    large.replies = [call(take_picture.name)]
    state = await way(agent_of(small, large, FixedScorer(0.1), tools=[take_picture]), "hard")
    assert (routes(state), reasons(state)) == (["large", "small"], ["score", "modality"])
    assert state["hybrid"]["route"] == "large"


@every_way
async def test_the_descriptions_of_tools_count_where_the_window_is_small(way: Way) -> None:
    @tool(description="It knows the weather. " * 500)
    def know_weather(city: str) -> str:
        return city

    small, large = fakes(small={"max_input_tokens": 1000})
    scorer = FixedScorer(0.9)
    assert reasons(await way(agent_of(small, large, scorer), "easy")) == ["score"]
    assert reasons(await way(agent_of(small, large, scorer, tools=[know_weather]), "easy")) == ["context"]


async def test_the_context_that_ollama_is_told_to_keep_is_the_window() -> None:
    class Ollama(FakeChatModel):
        num_ctx: int = 1000

    small, large = Ollama(model="small"), fakes()[1]
    state = agent_of(small, large, FixedScorer(0.9)).invoke({"messages": [HumanMessage("easy " * 2000)]})
    assert answers(state)[0].response_metadata["hybrid"]["reason"] == "context"


@every_way
async def test_small_does_not_answer_what_it_cannot_serve_when_large_is_down(way: Way) -> None:
    small, large = fakes()
    large.replies = [ConnectionRefusedError()]
    agent = agent_of(small, large, FixedScorer(0.9), fallback_to_small=True)
    with pytest.raises(ConnectionRefusedError):
        await way(agent, [HumanMessage([{"type": "text", "text": "easy"}, PICTURE])])
    assert small.asked == []
