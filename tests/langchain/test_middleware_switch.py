"""What one provider left in a conversation or in the settings does not reach the other one's arm."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from hybrid_llm.testing import FixedScorer
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._agents import Changing, Way, agent_of, call, every_way, fake, fakes, routes
from tests.langchain._pair import EVERYTHING

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


def arms(small: str, large: str) -> tuple[FakeChatModel, FakeChatModel]:
    return fake("small", small), fake("large", large, profile=EVERYTHING)


FOREIGN = {
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "extra_headers": {"X-Session-Affinity": "s", "X-Mine": "m"},
}


@every_way
@pytest.mark.parametrize(
    ("provider", "kept"),
    [
        ("ollama", {"extra_headers"}),
        ("openai", {"extra_headers", "prompt_cache_key", "prompt_cache_retention"}),
        ("fireworks", {"extra_headers", "prompt_cache_key"}),
        ("anthropic", {"extra_headers", "cache_control"}),
    ],
)
async def test_cache_settings_of_another_provider_are_taken_out(way: Way, provider: str, kept: set[str]) -> None:
    small, large = arms(provider, "hosted")
    agent = agent_of(small, large, FixedScorer(0.9), tools=[get_weather], agent={"before": [marking(**FOREIGN)]})
    assert routes(await way(agent, "easy")) == ["small"]
    ((messages, _, bound),) = small.asked
    assert set(bound) == {"temperature", "tools"} | kept
    headers = {"X-Mine"} | ({"X-Session-Affinity"} if provider == "fireworks" else set())
    assert set(bound["extra_headers"]) == headers
    marked = provider == "anthropic"
    for message in messages:
        (block,) = message.content
        assert ("cache_control" in block) is marked
        assert ("cache_control" in block.get("extras", MARK if marked else {})) is marked
    assert messages[-1].content[0]["extras"]["kept"] == 1


@every_way
async def test_a_header_that_was_the_only_one_leaves_no_empty_setting(way: Way) -> None:
    small, large = arms("ollama", "hosted")
    settings = marking(extra_headers={"x-session-affinity": "s"})
    await way(agent_of(small, large, FixedScorer(0.9), agent={"before": [settings]}), "easy")
    assert "extra_headers" not in small.asked[0].kwargs


async def test_the_settings_and_the_tools_of_the_program_are_not_changed() -> None:
    small, large = arms("ollama", "anthropic")
    agent = agent_of(small, large, FixedScorer(0.9), tools=[get_weather], agent={"before": [marking()]})
    state = agent.invoke({"messages": HARD})
    assert state["messages"][0].content == HARD[0].content
    assert get_weather.extras == MARK
    assert routes(agent.invoke({"messages": HARD}, context={"route": "large"})) == ["large"]
    assert "cache_control" in large.asked[0].kwargs


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
    _, said, result = large.asked[0].messages
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
    _, said, result = small.asked[1].messages
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
    contents = [message.content for message in small.asked[-1].messages if isinstance(message, AIMessage)]
    thoughts = [block for content in contents if isinstance(content, list) for block in content if "signature" in block]
    assert len(thoughts) == 1  # its own of the first run, none of the other's
