"""A promise of a second look holds where small is asked as it was measured: by its own settings and by a call's."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from langchain_hybrid import ChatHybrid, HybridRouterMiddleware, RunnableHybrid
from langchain_hybrid._capabilities import capabilities_of
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._agents import answers
from tests.langchain._held import small_of
from tests.looks import LookScenario, proved, router_with
from tests.scenarios import EASY

OPENAI: dict[str, Any] = {"model": "m", "api_key": "none", "base_url": "http://127.0.0.1:9/v1"}


@pytest.mark.parametrize(
    ("arm", "asked"),
    [
        (lambda: ChatOllama(model="m"), {"temperature": None, "max_tokens": None, "think": None}),
        (lambda: ChatOllama(model="m", temperature=0, num_predict=64, reasoning=False), (0, 64, False)),
        (lambda: ChatOllama(model="m").bind(options={"temperature": 0.5}), (0.5, None, None)),
        (lambda: ChatOllama(model="m", temperature=0) | StrOutputParser(), (0, None, None)),
        (lambda: ChatOpenAI(temperature=0, max_completion_tokens=8, **OPENAI), {"temperature": 0, "max_tokens": 8}),
        (lambda: ChatOpenAI(extra_body={"max_tokens": 8}, **OPENAI), {"temperature": None, "max_tokens": 8}),
        (lambda: FakeChatModel(model="m"), {}),
    ],
)
def test_what_a_model_is_made_with_says_how_it_is_asked(arm: Any, asked: Any) -> None:
    expected = dict(zip(("temperature", "max_tokens", "think"), asked, strict=True)) if type(asked) is tuple else asked
    assert capabilities_of(arm()).asked == expected


def by_chat(messages: list[Any], **settings: Any) -> bool:
    pair = ChatHybrid(*_arms(), _router(), second_look=True, quality=0.9)
    return bool(pair.invoke(messages, **settings).response_metadata["hybrid"]["certified"])


def by_chain(messages: list[Any], **settings: Any) -> bool:
    pair = RunnableHybrid(*_arms(), _router(), second_look=True, quality=0.9)
    return bool(pair.invoke(messages, **settings).response_metadata["hybrid"]["certified"])


def by_agent(messages: list[Any], **settings: Any) -> bool:
    from langchain.agents import create_agent
    from langchain.agents.middleware import wrap_model_call

    @wrap_model_call
    def with_settings(request: Any, handler: Any) -> Any:
        return handler(request.override(model_settings=settings))

    router = HybridRouterMiddleware(*_arms(), _router(), second_look=True, quality=0.9)
    system = next((each for each in messages if isinstance(each, SystemMessage)), None)
    agent = create_agent(_arms()[1], middleware=[with_settings, router], system_prompt=system)
    state = agent.invoke({"messages": [each for each in messages if each is not system]})
    return bool(answers(state)[-1].response_metadata["hybrid"]["certified"])


@pytest.mark.parametrize("ask", [by_chat, by_chain, by_agent])
def test_a_call_that_asks_otherwise_is_promised_nothing_and_says_so(ask: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ask([HumanMessage(EASY)], temperature=0.0, max_tokens=64)
    with pytest.warns(match="temperature is 0.7, and was 0.0"):
        assert not ask([HumanMessage(EASY)], temperature=0.7)


@pytest.mark.parametrize("ask", [by_chat, by_agent])
def test_a_system_prompt_that_was_not_measured_is_one_more_difference(ask: Any) -> None:
    with pytest.warns(match="another system prompt"):
        assert not ask([SystemMessage("Answer like a pirate."), HumanMessage(EASY)])


def _router() -> Any:
    return router_with(proved({}))


def _arms() -> tuple[FakeChatModel, FakeChatModel]:
    return small_of(LookScenario("")), FakeChatModel(model="large")
