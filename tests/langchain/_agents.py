"""Fake chat models that call tools, and agents between two of them; shared by the tests of the middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.tool import ToolCall, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from langchain_hybrid import HybridRouterMiddleware

LOCAL: dict[str, Any] = {}
"""The profile of a local model: nothing is known of it."""
HOSTED: dict[str, Any] = {
    "max_input_tokens": 100_000,
    "image_inputs": True,
    "tool_calling": True,
    "tool_choice": True,
    "structured_output": True,
}


@tool
def get_weather(city: str) -> str:
    """Look up the weather in a city."""
    return f"sunny in {city}"


def call(name: str = "get_weather", **args: Any) -> AIMessage:
    """Return an answer that calls a tool."""
    wanted = args or {"city": "Lima"}
    return AIMessage("", tool_calls=[ToolCall(name=name, args=wanted, id=f"call_{uuid4().hex[:8]}", type="tool_call")])


class Fake(BaseChatModel):
    """Gives its replies in order, then says who it is; an exception among the replies is raised.

    Attributes:
        asked: The messages of each call, in order.
        bound: The keyword arguments that came with each call: tools and settings.
    """

    name: str
    kind: str = "fake"
    replies: list[Any] = Field(default_factory=list)
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    bound: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return self.kind

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(each) for each in tools], **kwargs)

    def _reply(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        self.asked.append(list(messages))
        self.bound.append(kwargs)
        reply = self.replies.pop(0) if self.replies else f"from {self.name}"
        if isinstance(reply, BaseException):
            raise reply
        said = AIMessage(reply) if isinstance(reply, str) else reply
        return said.model_copy(update={"response_metadata": {"model_provider": self.kind, "model_name": self.name}})

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        if self.replies and isinstance(self.replies[0], Half):  # as a model that streams from its server does
            self._shown(AIMessageChunk("from"), run_manager)
            raise self.replies.pop(0).error
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages, kwargs))])

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        breaks = self.replies.pop(0) if self.replies and isinstance(self.replies[0], Half) else None
        said = self._reply(messages, kwargs)
        for i, each in enumerate(said.tool_calls):
            part = tool_call_chunk(name=each["name"], args=str(each["args"]).replace("'", '"'), id=each["id"], index=i)
            yield self._shown(AIMessageChunk("", tool_call_chunks=[part]), run_manager)
        for word in said.text.split(" "):
            if word:
                yield self._shown(AIMessageChunk(word), run_manager)
            if breaks:
                raise breaks.error
        yield self._shown(AIMessageChunk("", response_metadata=said.response_metadata), run_manager)

    def _shown(self, message: AIMessageChunk, run_manager: Any) -> ChatGenerationChunk:
        chunk = ChatGenerationChunk(message=message)
        if run_manager:
            run_manager.on_llm_new_token(message.text, chunk=chunk)
        return chunk

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages, stop, **kwargs):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


class Half:
    """A reply that breaks after its first token."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def fakes(**profiles: Any) -> tuple[Fake, Fake]:
    """Return a local model of which nothing is known, and a hosted one that can do everything."""
    small = Fake(name="small", kind="local", profile=profiles.get("small"))
    return small, Fake(name="large", kind="hosted", profile=profiles.get("large", HOSTED))


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
    small: Fake, large: Fake, router: Any, *, tools: Sequence[Any] = (get_weather,), agent: Any = None, **options: Any
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
