"""A chat model in this process that does what a provider's does: tools, schemas, streams, usage, failures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from langchain_hybrid import ChatHybrid
from tests.scenarios import FAILURES

EVERYTHING: dict[str, Any] = {
    "max_input_tokens": 100_000,
    "image_inputs": True,
    "tool_calling": True,
    "tool_choice": True,
    "structured_output": True,
}
"""The profile of a model to which no gate applies."""


class FakeModel(BaseChatModel):
    """Says its name; calls the tool that it is given; remembers how it was asked.

    Attributes:
        model: Its name, and what it says: "from <model>".
        provider: The provider that it names in its answers; none when empty.
        fails: How it fails before its first token; a key of ``FAILURES``.
        breaks: Whether it fails after its first token instead (in a stream).
        says: What it says instead of its name.
        asked: For each call the messages, the stop words and the keyword arguments.
    """

    model: str
    provider: str = ""
    fails: str | None = None
    breaks: bool = False
    says: AIMessage | None = None
    asked: list[tuple[list[BaseMessage], list[str] | None, dict[str, Any]]] = Field(default_factory=list, repr=False)

    @property
    def _llm_type(self) -> str:
        return f"{self.provider or 'fake'}-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        name = kwargs.get("model", self.model)
        return LangSmithParams(ls_provider=self.provider or "fake", ls_model_name=name, ls_model_type="chat")

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | Any],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[Any, AIMessage]:
        converted = [tool if _is_builtin(tool) else convert_to_openai_tool(tool) for tool in tools]
        extras = [getattr(tool, "extras", None) for tool in tools]
        if any(extras):
            kwargs["extras"] = extras
        return self.bind(tools=converted, **({"tool_choice": tool_choice} if tool_choice else {}), **kwargs)

    def _answer(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> AIMessage:
        self.asked.append((messages, stop, kwargs))
        if self.fails and not self.breaks:
            raise FAILURES[self.fails]
        answer = self.says or self._call(messages, kwargs) or AIMessage(f"from {self.model}")
        content = answer.content
        for word in stop or ():
            content = content.split(word)[0] if isinstance(content, str) else content
        asked = sum(len(str(message.text).split()) for message in messages)
        usage = {"input_tokens": asked, "output_tokens": 2, "total_tokens": asked + 2}
        metadata = {"model_name": kwargs.get("model", self.model)}
        if self.provider:
            metadata["model_provider"] = self.provider
        return answer.model_copy(
            update={"content": content, "usage_metadata": usage, "response_metadata": metadata, "id": None}
        )

    def _call(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage | None:
        tools = [tool for tool in kwargs.get("tools") or [] if tool.get("type") == "function"]
        if not tools or isinstance(messages[-1], ToolMessage):
            return None
        wanted = next((t for t in tools if t["function"]["name"] == kwargs.get("tool_choice")), tools[0])["function"]
        args = _arguments(wanted.get("parameters", {}), str(messages[-1].text))
        return AIMessage("", tool_calls=[{"name": wanted["name"], "args": args, "id": f"call_{uuid4().hex[:8]}"}])

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if self.breaks:
            raise FAILURES[self.fails or "refused"]
        answer = self._answer(messages, stop, kwargs)
        return ChatResult(generations=[ChatGeneration(message=answer)], llm_output={"seen": self.model})

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        answer = self._answer(messages, stop, kwargs)
        yield ChatGenerationChunk(message=AIMessageChunk(""))
        for i, part in enumerate(re.findall(r"\S+\s*", str(answer.text))):
            if self.breaks and i:
                raise FAILURES[self.fails or "refused"]
            yield ChatGenerationChunk(message=AIMessageChunk(part))
        for i, call in enumerate(answer.tool_calls):
            piece = {"name": call["name"], "args": json.dumps(call["args"]), "id": call["id"], "index": i}
            yield ChatGenerationChunk(message=AIMessageChunk("", tool_call_chunks=[piece]))
        last = AIMessageChunk("", usage_metadata=answer.usage_metadata, response_metadata=answer.response_metadata)
        yield ChatGenerationChunk(message=last)


def _is_builtin(tool: Any) -> bool:
    return isinstance(tool, dict) and "type" in tool and tool["type"] not in ("function", "object")


def _arguments(schema: dict[str, Any], text: str) -> dict[str, Any]:
    """Make up arguments that follow a schema: numbers and quoted words of the text."""
    numbers, quoted = iter(re.findall(r"\d+", text)), iter(re.findall(r"'([^']+)'", text))
    made: dict[str, Any] = {}
    for name, kind in schema.get("properties", {}).items():
        if kind.get("type") == "integer":
            made[name] = int(next(numbers, "1"))
        else:
            made[name] = next(quoted, "some text")
    return made


def pair(
    router: Any, *, small: dict[str, Any] | None = None, large: dict[str, Any] | None = None, **options: Any
) -> ChatHybrid:
    """Make a pair of two fakes of different providers, ``small`` and ``large``."""
    return ChatHybrid(
        FakeModel(**{"model": "small", "provider": "ollama", **(small or {})}),
        FakeModel(**{"model": "large", "provider": "openai", **(large or {})}),
        router,
        **options,
    )
