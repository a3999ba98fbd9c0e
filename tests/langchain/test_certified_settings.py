"""A certified router whose pair is asked otherwise than it was certified: no promise, and the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from hybrid_llm import Router
from hybrid_llm.errors import HybridLLMWarning
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, HybridRouterMiddleware, RunnableHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.dispatch.test_weights import MENU, RECORD

QUERY = "What is the capital of France?"


def router() -> Router:
    asked = json.dumps({"system": "Be brief.", "temperature": 0.0, "max_tokens": 100})
    record = replace(RECORD, fingerprint={"asked with": asked})
    return Router(FixedScorer(0.9), certificate=MENU, record=record)


@pytest.mark.parametrize(
    ("prompt", "settings", "why"),
    [
        ("Be brief.", {}, ""),
        ("Be brief.", {"max_tokens": 200}, ""),
        ("Be long.", {}, "another system prompt is sent"),
        ("", {}, "no system prompt is sent"),
        ("Be brief.", {"temperature": 0.7}, "temperature is 0.7, and was 0.0"),
        ("Be brief.", {"max_tokens": 5}, "max_tokens is 5, and was 100"),
    ],
)
@pytest.mark.filterwarnings("ignore:The router was certified with answers to other settings")
async def test_a_chat_is_promised_what_was_certified_and_nothing_else(
    prompt: str, settings: dict[str, Any], why: str
) -> None:
    llm = ChatHybrid(FakeChatModel(), FakeChatModel(), router(), quality=0.9)
    messages = [("system", prompt), ("human", QUERY)] if prompt else [("human", QUERY)]
    for answer in (llm.invoke(messages, **settings), await llm.ainvoke(messages, **settings)):
        decision = answer.response_metadata["hybrid"]
        assert (decision["route"], decision["certified"]) == ("small", not why)
        assert why in decision["void_reason"]
        assert bool(decision["void_reason"]) is bool(why)


def test_nothing_is_promised_of_another_model_that_a_call_names() -> None:
    small, large = FakeChatModel(model="one"), FakeChatModel()
    messages = [("system", "Be brief."), ("human", QUERY)]
    for llm in (
        ChatHybrid(small, large, router(), quality=0.9),
        RunnableHybrid(small, large, router(), quality=0.9),
    ):
        assert not llm.invoke(messages, model="other").response_metadata["hybrid"]["certified"]
    assert ChatHybrid(small, large, router(), quality=0.9).invoke(messages).response_metadata["hybrid"]["certified"]


def test_an_agents_prompt_is_compared_too() -> None:
    from langchain.agents import create_agent

    small, large = FakeChatModel(), FakeChatModel()
    for prompt, certified in (("Be brief.", True), ("Be long.", False)):
        agent = create_agent(
            large, system_prompt=prompt, middleware=[HybridRouterMiddleware(small, large, router(), quality=0.9)]
        )
        asked = {"messages": [HumanMessage(QUERY)]}
        if certified:
            said = agent.invoke(asked)  # type: ignore[arg-type]
        else:
            with pytest.warns(HybridLLMWarning, match="another system prompt"):
                said = agent.invoke(asked)  # type: ignore[arg-type]
        assert said["messages"][-1].response_metadata["hybrid"]["certified"] is certified
