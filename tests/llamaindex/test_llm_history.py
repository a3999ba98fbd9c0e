"""A conversation goes on with the other model: history is made safe, on copies."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    CacheControl,
    CachePoint,
    ChatMessage,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai.utils import to_openai_message_dicts

from hybrid_llm.decision import Decision
from llamaindex_hybrid._history import safe_messages, tool_calls_of
from tests.llamaindex._arms import hybrid

OLLAMA = Ollama(model="qwen3:4b", context_window=4096)


def record(route: Any) -> dict[str, Any]:
    return {"hybrid": Decision(route, router_id="fixed").as_dict()}


def assistant(*blocks: Any, **extras: Any) -> ChatMessage:
    return ChatMessage(role="assistant", blocks=list(blocks), additional_kwargs=extras)


def tool(text: str, **extras: Any) -> ChatMessage:
    return ChatMessage(role="tool", content=text, additional_kwargs=extras)


def openai_call(name: str, arguments: str, id_: str = "call_1") -> Any:
    """Return a tool call as the OpenAI client has it: an object that is no dict."""
    return SimpleNamespace(id=id_, type="function", function=SimpleNamespace(name=name, arguments=arguments))


def test_calls_of_openai_can_be_read_by_ollama() -> None:
    call = ToolCallBlock(tool_call_id="call_1", tool_name="weather", tool_kwargs='{"city": "Lima"}')
    extras = {"tool_calls": [openai_call("weather", '{"city": "Lima"}')], **record("large")}
    talk = [ChatMessage("Weather?"), assistant(call, **extras), tool("sunny", tool_call_id="call_1")]
    with pytest.raises(AttributeError):
        OLLAMA._convert_to_ollama_messages(talk)
    converted = OLLAMA._convert_to_ollama_messages(safe_messages(talk, "small"))
    assert converted[1]["tool_calls"] == [{"function": {"name": "weather", "arguments": {"city": "Lima"}}}]


def test_calls_of_ollama_can_be_read_by_openai() -> None:
    call = ToolCallBlock(tool_name="weather", tool_kwargs={"city": "Lima"})
    talk = [ChatMessage("Weather?"), assistant(call, **record("small")), tool("sunny", tool_call_id="weather")]
    converted: Any = to_openai_message_dicts(safe_messages(talk, "large"))
    assert converted[1]["tool_calls"][0]["id"] == converted[2]["tool_call_id"] == "call_1_0"
    assert converted[1]["tool_calls"][0]["function"]["arguments"] == '{"city": "Lima"}'


def test_calls_without_ids_get_one_each_and_their_results_the_same() -> None:
    calls = [ToolCallBlock(tool_name=name, tool_kwargs={}) for name in ("weather", "time", "weather")]
    results = [tool("3", tool_call_id="time"), tool("sunny", tool_call_id="weather"), tool("rain")]
    safe = safe_messages([ChatMessage("?"), assistant(*calls), *results], "large")
    assert [block.tool_call_id for block in tool_calls_of(safe[1])] == ["call_1_0", "call_1_1", "call_1_2"]
    assert [m.additional_kwargs["tool_call_id"] for m in safe[2:]] == ["call_1_1", "call_1_0", "call_1_2"]


def test_a_call_that_was_never_answered_takes_no_later_result() -> None:
    call = ToolCallBlock(tool_name="weather", tool_kwargs={})
    talk = [assistant(call), ChatMessage("Again?"), assistant(call), tool("sunny", tool_call_id="weather")]
    assert safe_messages(talk, "large")[3].additional_kwargs["tool_call_id"] == "call_2_0"


def test_ids_that_are_there_stay() -> None:
    call = ToolCallBlock(tool_call_id="abc", tool_name="weather", tool_kwargs={})
    safe = safe_messages([assistant(call), tool("sunny", tool_call_id="abc")], "small")
    assert (tool_calls_of(safe[0])[0].tool_call_id, safe[1].additional_kwargs) == ("abc", {"tool_call_id": "abc"})


@pytest.mark.parametrize(
    "call",
    [
        openai_call("weather", '{"city": "Lima"}'),
        {"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Lima"}}},
        {"tool_id": "call_1", "tool_name": "weather", "tool_kwargs": {"city": "Lima"}},
    ],
)
def test_calls_in_the_older_form_become_blocks(call: Any) -> None:
    (safe,) = safe_messages([assistant(TextBlock(text="One moment."), tool_calls=[call])], "small")
    assert safe.content == "One moment."
    (block,) = tool_calls_of(safe)
    assert (block.tool_call_id, block.tool_name, block.tool_kwargs) == ("call_1", "weather", {"city": "Lima"})
    assert safe.additional_kwargs == {}


@pytest.mark.parametrize("arguments", ["{broken", "[1]", "", '"text"'])
def test_arguments_that_are_no_object_become_an_empty_one(arguments: str) -> None:
    block = ToolCallBlock(tool_name="weather", tool_kwargs=arguments)
    assert isinstance(tool_calls_of(assistant(block))[0].tool_kwargs, dict)


def test_reasoning_and_extras_stay_with_the_arm_that_wrote_them() -> None:
    message = assistant(ThinkingBlock(content="hm"), TextBlock(text="Lima."), refusal=None, **record("large"))
    (own,), (other,) = safe_messages([message], "large"), safe_messages([message], "small")
    assert [type(block) for block in own.blocks] == [ThinkingBlock, TextBlock]
    assert own.additional_kwargs == {"refusal": None}
    assert [type(block) for block in other.blocks] == [TextBlock]
    assert other.additional_kwargs == {}
    unknown = assistant(ThinkingBlock(content="hm"), seed=1)
    assert safe_messages([unknown], "small")[0].additional_kwargs == {"seed": 1}


def test_a_cache_hint_is_for_the_large_model() -> None:
    blocks = [TextBlock(text="long"), CachePoint(cache_control=CacheControl(type="ephemeral"))]
    message = ChatMessage(role="user", blocks=blocks)
    assert [type(block) for block in safe_messages([message], "small")[0].blocks] == [TextBlock]
    assert safe_messages([message], "large")[0].blocks == blocks


def test_nothing_of_the_callers_is_changed() -> None:
    call = ToolCallBlock(tool_name="weather", tool_kwargs='{"city": "Lima"}')
    talk = [ChatMessage("?"), assistant(call, **record("small")), tool("sunny", tool_call_id="weather")]
    before = [message.model_dump() for message in talk]
    safe = safe_messages(talk, "large")
    assert [message.model_dump() for message in talk] == before
    assert safe[0] is talk[0]
    assert call.tool_call_id is None


def test_a_history_is_not_appended_to() -> None:
    history = [ChatMessage("easy"), ChatMessage("Lima.", role="assistant")]
    hybrid().chat_with_tools([], user_msg="What is the capital of Peru called?", chat_history=history)
    assert len(history) == 2
