"""What one provider left in a conversation or in the settings does not reach the other one's arm."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from hybrid_llm.testing import FixedScorer
from tests.langchain._agents import HOSTED, Changing, Fake, Way, agent_of, call, every_way, fakes, routes

MARK = {"cache_control": {"type": "ephemeral"}}
HARD = [HumanMessage("a hard question of more than six words")]


@tool(extras=MARK)
def get_weather(city: str) -> str:
    """Look up the weather in a city."""
    return f"sunny in {city}"


def marking(**settings: Any) -> Changing:
    """Return a middleware that asks for a provider's cache, as those of the providers do."""

    def mark(request: Any) -> Any:
        last = request.messages[-1]
        block = {"type": "text", "text": last.text, **MARK, "extras": {**MARK, "kept": 1}}
        return request.override(
            model_settings={**MARK, "temperature": 0.5, **settings},
            system_message=SystemMessage([{"type": "text", "text": "be brief", **MARK}]),
            messages=[*request.messages[:-1], last.model_copy(update={"content": [block]})],
        )

    return Changing(mark)


def arms(small: str, large: str) -> tuple[Fake, Fake]:
    return Fake(name="small", kind=small), Fake(name="large", kind=large, profile=HOSTED)


FOREIGN = {
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "extra_headers": {"X-Session-Affinity": "s", "X-Mine": "m"},
}


@every_way
@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("chat-ollama", {"extra_headers"}),
        ("openai-chat", {"extra_headers", "prompt_cache_key", "prompt_cache_retention"}),
        ("fireworks-chat", {"extra_headers", "prompt_cache_key"}),
        ("anthropic-chat", {"extra_headers", "cache_control"}),
    ],
)
async def test_cache_settings_of_another_provider_are_taken_out(way: Way, kind: str, kept: set[str]) -> None:
    small, large = arms(kind, "hosted")
    agent = agent_of(small, large, FixedScorer(0.9), tools=[get_weather], agent={"before": [marking(**FOREIGN)]})
    assert routes(await way(agent, "easy")) == ["small"]
    (bound,) = small.bound
    assert set(bound) == {"temperature", "tools", "tool_choice"} | kept
    headers = {"X-Mine"} | ({"X-Session-Affinity"} if kind == "fireworks-chat" else set())
    assert set(bound["extra_headers"]) == headers
    marked = kind == "anthropic-chat"
    for message in small.asked[0]:
        (block,) = message.content
        assert ("cache_control" in block) is marked
        assert ("cache_control" in block.get("extras", MARK if marked else {})) is marked
    assert small.asked[0][-1].content[0]["extras"]["kept"] == 1


@every_way
async def test_a_header_that_was_the_only_one_leaves_no_empty_setting(way: Way) -> None:
    small, large = arms("chat-ollama", "hosted")
    settings = marking(extra_headers={"x-session-affinity": "s"})
    await way(agent_of(small, large, FixedScorer(0.9), agent={"before": [settings]}), "easy")
    assert "extra_headers" not in small.bound[0]


async def test_the_settings_and_the_tools_of_the_program_are_not_changed() -> None:
    small, large = arms("chat-ollama", "anthropic-chat")
    agent = agent_of(small, large, FixedScorer(0.9), tools=[get_weather], agent={"before": [marking()]})
    state = agent.invoke({"messages": HARD})
    assert state["messages"][0].content == HARD[0].content
    assert get_weather.extras == MARK
    assert routes(agent.invoke({"messages": HARD}, context={"route": "large"})) == ["large"]
    assert "cache_control" in large.bound[0]


def thoughtful() -> AIMessage:
    """Return a tool call as a reasoning provider gives it: signed thoughts, an id in its own form, extras."""
    said = call()
    said.tool_calls[0]["id"] = "toolu/01:Ab.c"
    said.content = [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "Let me look."}]
    said.additional_kwargs = {"reasoning_content": "hm"}
    return said


@every_way
async def test_in_the_middle_of_a_run_the_other_provider_reads_a_clean_history(way: Way) -> None:
    small, large = fakes()
    small.replies = [thoughtful(), ConnectionRefusedError()]
    state = await way(agent_of(small, large, FixedScorer(0.9), tools=[get_weather]), "easy")
    assert routes(state) == ["small", "large"]
    _, said, result = large.asked[0]
    assert said.text == "Let me look."
    assert said.content_blocks[0]["type"] == "text"
    assert said.additional_kwargs == {}
    assert said.tool_calls[0]["id"] == result.tool_call_id
    assert "/" not in result.tool_call_id
    kept = state["messages"]
    assert kept[1].tool_calls[0]["id"] == kept[2].tool_call_id == "toolu/01:Ab.c"  # the agent's own state is whole


@every_way
async def test_the_arm_that_goes_on_with_its_own_words_reads_them_as_they_were(way: Way) -> None:
    small, large = fakes()
    small.replies = [thoughtful()]
    await way(agent_of(small, large, FixedScorer(0.9), tools=[get_weather]), "easy")
    _, said, result = small.asked[1]
    assert said.content[0]["signature"] == "x"
    assert isinstance(result, ToolMessage)
    assert result.tool_call_id == "toolu/01:Ab.c"


@every_way
async def test_a_conversation_may_change_its_arm_at_every_run(way: Way) -> None:
    small, large = fakes()
    small.replies, large.replies = [thoughtful()], [thoughtful()]
    agent = agent_of(small, large, FixedScorer(0.9), tools=[get_weather], agent={"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": "1"}}
    for route in ("small", "large", "small"):
        state = await way(agent, HARD, config, context={"route": route})
    assert routes(state) == ["small", "small", "large", "large", "small"]
    contents = [message.content for message in small.asked[-1] if isinstance(message, AIMessage)]
    thoughts = [block for content in contents if isinstance(content, list) for block in content if "signature" in block]
    assert len(thoughts) == 1  # its own of the first run, none of the other's
