"""Agents between two fake chat models, shared by the tests of the middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.tool import ToolCall
from langchain_core.tools import tool

from langchain_hybrid import HybridRouterMiddleware
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._pair import EVERYTHING


@tool
def get_weather(city: str) -> str:
    """Look up the weather in a city."""
    return f"sunny in {city}"


def call(name: str = "get_weather", **args: Any) -> AIMessage:
    """Return an answer that calls a tool."""
    wanted = args or {"city": "Lima"}
    return AIMessage("", tool_calls=[ToolCall(name=name, args=wanted, id=f"call_{uuid4().hex[:8]}", type="tool_call")])


def fake(model: str, provider: str = "fake", **options: Any) -> FakeChatModel:
    """Return a model that calls a tool only where its replies say so: most tests here count the steps of an agent."""
    return FakeChatModel(model=model, provider=provider, calls_tools=False, **options)


def fakes(**profiles: Any) -> tuple[FakeChatModel, FakeChatModel]:
    """Return a local model of which nothing is known, and a hosted one that can do everything."""
    small = fake("small", "local", profile=profiles.get("small"))
    return small, fake("large", "hosted", profile=profiles.get("large", EVERYTHING))


class Changing(AgentMiddleware):
    """Changes each model call by a function, as other middlewares do."""

    def __init__(self, change: Callable[[Any], Any]) -> None:
        super().__init__()
        self.change = change

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        return handler(self.change(request))

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        return await handler(self.change(request))


Way = Callable[..., Awaitable[dict[str, Any]]]


async def by_invoke(agent: Any, text: Any, config: Any = None, **kwargs: Any) -> dict[str, Any]:
    return agent.invoke(state_of(text), config, **kwargs)


async def by_ainvoke(agent: Any, text: Any, config: Any = None, **kwargs: Any) -> dict[str, Any]:
    return await agent.ainvoke(state_of(text), config, **kwargs)


every_way = pytest.mark.parametrize("way", [by_invoke, by_ainvoke])


def state_of(text: Any) -> Any:
    if isinstance(text, str):
        return {"messages": [HumanMessage(text)]}
    return {"messages": text} if isinstance(text, list) else text


def agent_of(
    small: Any, large: Any, router: Any, *, tools: Sequence[Any] = (get_weather,), agent: Any = None, **options: Any
) -> Any:
    """Return an agent with the middleware between two arms; ``agent`` are keyword arguments of ``create_agent``."""
    options.setdefault("threshold", 0.5)
    ours = HybridRouterMiddleware(small, large, router, **options)
    settings = dict(agent or {})
    before, after = settings.pop("before", []), settings.pop("after", [])
    return create_agent(large, tools=list(tools), middleware=[*before, ours, *after], **settings)


def answers(state: dict[str, Any]) -> list[AIMessage]:
    return [message for message in state["messages"] if isinstance(message, AIMessage)]


def routes(state: dict[str, Any]) -> list[str]:
    """Return who answered each step, and check that the decision on it says the same."""
    said = [message.response_metadata["model_name"] for message in answers(state)]
    assert said == [message.response_metadata["hybrid"]["route"] for message in answers(state)]
    return said


def reasons(state: dict[str, Any]) -> list[str]:
    return [message.response_metadata["hybrid"]["reason"] for message in answers(state)]
