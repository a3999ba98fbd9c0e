"""Tools that come as dicts in each provider's form: functions go to both arms, what is built in goes to large."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._agents import agent_of, fake

ASKED = "How warm is it in Lima today?"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
BUILT_IN = [
    {"google_search": {}},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
    {"type": "mcp", "server_label": "mine"},
]
FUNCTIONS = [
    {"title": "look", "description": "Look.", **CITY},
    {"name": "look", "description": "Look.", "input_schema": CITY},
    {"toolSpec": {"name": "look", "description": "Look.", "inputSchema": {"json": CITY}}},
]
BROKEN = [{"type": "any"}, {"$ref": "#/nowhere"}, {"$ref": "https://example.org/x"}, {"type": "string", "pattern": "["}]


def calls(**arguments: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "look", "args": arguments, "id": "1"}])


def answer(tool: Any, reply: AIMessage | None = None) -> dict[str, Any]:
    """Return what is noted on the answer of a pair that checks small's."""
    small = FakeChatModel(model="small", replies=[reply] if reply else [])
    llm = ChatHybrid(small, FakeChatModel(model="large"), FixedScorer(0.9), threshold=0.5, check=lambda *_: True)
    noted: dict[str, Any] = llm.bind_tools([tool]).invoke(ASKED).response_metadata["hybrid"]
    return noted


@pytest.mark.parametrize("tool", BUILT_IN, ids=str)
@pytest.mark.parametrize("weighs", [True, False])
def test_what_is_built_into_a_provider_goes_to_large_in_an_agent_too(tool: Any, weighs: bool) -> None:
    assert answer(tool)["reason"] == "tools"
    small = fake("small", profile={"max_input_tokens": 9999} if weighs else None)
    for checks in ({}, {"check": lambda *_: True}):
        agent = agent_of(small, fake("large"), FixedScorer(0.9), tools=[tool], **checks)
        noted = agent.invoke({"messages": [("user", ASKED)]})["messages"][-1].response_metadata["hybrid"]
        assert (noted["route"], noted["reason"]) == ("large", "tools")
    assert small.asked == []


@pytest.mark.parametrize("tool", FUNCTIONS, ids=lambda tool: next(iter(tool)))
def test_a_call_of_a_function_is_checked_by_its_name_and_schema_in_each_form(tool: Any) -> None:
    assert answer(tool, calls(city="Lima"))["reason"] == "kept"
    assert answer(tool, calls(city=7))["look"]["rejected"] == "tool_arguments"


@pytest.mark.parametrize("schema", BROKEN, ids=str)
def test_a_schema_with_a_mistake_in_it_says_nothing_of_a_call(schema: Any) -> None:
    tool = {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {"city": schema}}}
    assert answer(tool, calls(city="Lima"))["reason"] == "kept"
