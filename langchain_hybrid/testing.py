"""A fake chat model for your own tests: it answers, streams, calls tools and fails as you choose, without a network.

Example:
    >>> from hybrid_llm.testing import FixedScorer
    >>> from langchain_hybrid import ChatHybrid
    >>> small = FakeChatModel(model="small", error=ConnectionRefusedError("not running"))
    >>> llm = ChatHybrid(small, FakeChatModel(model="large"), FixedScorer(0.9), threshold=0.5)
    >>> llm.invoke("What is the capital of Peru?").text
    'from large'
    >>> len(small.asked)
    1
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field, InstanceOf

from hybrid_llm.testing import arguments_for
from langchain_hybrid._messages import as_function

__all__ = ["Asked", "FakeChatModel"]


class Asked(NamedTuple):
    """How a fake chat model was asked once.

    Args:
        messages: The conversation.
        stop: The stop words.
        kwargs: Whatever else came with the call: tools, ``tool_choice``, settings.
    """

    messages: list[BaseMessage]
    stop: list[str] | None
    kwargs: dict[str, Any]


class FakeChatModel(BaseChatModel):
    """A chat model that says its name, calls the tools that it is offered, and fails when told to.

    It does what a provider's model does: it streams word by word, stops at stop words, counts a token for each word,
    names itself and its provider in ``response_metadata``, and follows a schema by calling it as a tool. Async calls
    do the same in a thread.

    Args:
        model: Its name. It says "from <model>".
        provider: The provider that it names in its answers and its traces.
        replies: What it says or does first, one for each call: a text, a message, or an exception to raise.
        says: What it says instead of its name when the replies are used up: a text, or a function of the messages.
        calls_tools: Whether it calls a tool that it is offered, if the last message is no tool's result. It takes the
            one that ``tool_choice`` names, else the first; the arguments follow its schema
            (:func:`hybrid_llm.testing.arguments_for`).
        error: Raised by every call until it is ``None`` again.
        fails_after: How many words are said before ``error`` is raised; with 0 it fails before its first token.
        profile: What LangChain is told that it can do, as of any chat model.

    Attributes:
        asked: How it was asked, in order.

    Example:
        >>> llm = FakeChatModel(model="small", replies=["Lima.", TimeoutError("too slow")])
        >>> llm.invoke("What is the capital of Peru?").text
        'Lima.'
        >>> llm.invoke("And of Chile?")
        Traceback (most recent call last):
        TimeoutError: too slow
        >>> [chunk.text for chunk in llm.stream("And of Cuba?") if chunk.text]
        ['from ', 'small']
        >>> [asked.messages[-1].text for asked in llm.asked]
        ['What is the capital of Peru?', 'And of Chile?', 'And of Cuba?']
    """

    model: str = "fake"
    provider: str = "fake"
    replies: list[str | InstanceOf[AIMessage] | BaseException] = Field(default_factory=list, repr=False, exclude=True)
    says: str | Callable[[list[BaseMessage]], str | AIMessage] | None = Field(default=None, repr=False, exclude=True)
    calls_tools: bool = True
    error: BaseException | None = Field(default=None, repr=False, exclude=True)
    fails_after: int = 0
    asked: list[Asked] = Field(default_factory=list, repr=False, exclude=True)

    @property
    def _llm_type(self) -> str:
        return f"{self.provider}-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        name = kwargs.get("model", self.model)
        return LangSmithParams(ls_provider=self.provider, ls_model_name=name, ls_model_type="chat")

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[Any, AIMessage]:
        """Bind tools; one that is built into a provider stays as it is."""
        return self.bind(
            tools=[*map(as_function, tools)], **({"tool_choice": tool_choice} if tool_choice else {}), **kwargs
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        answer = self._answer(messages, stop, kwargs)
        if self.error is not None:  # as a model that hears its whole answer from its server word by word
            for word in self._words(answer):
                if run_manager is not None:
                    run_manager.on_llm_new_token(word.text, chunk=ChatGenerationChunk(message=word))
        return ChatResult(generations=[ChatGeneration(message=answer)], llm_output={"model_name": self.model})

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = self._answer(messages, stop, kwargs)
        nothing: str | list[str | dict[str, Any]] = "" if isinstance(answer.content, str) else []
        yield ChatGenerationChunk(message=AIMessageChunk(content=nothing))
        for word in self._words(answer):
            yield ChatGenerationChunk(message=word)
        for i, call in enumerate(answer.tool_calls):
            piece = tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=i)
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[piece]))
        kept = ("additional_kwargs", "usage_metadata", "response_metadata")
        last = AIMessageChunk(content="", **{name: getattr(answer, name) for name in kept})
        yield ChatGenerationChunk(message=last)

    def _answer(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> AIMessage:
        """Return the whole answer, as a provider would describe it; or fail before its first token."""
        self.asked.append(Asked(list(messages), stop, kwargs))
        reply = self.replies.pop(0) if self.replies else self._reply(messages, kwargs)
        if self.error is not None and not self.fails_after:
            raise self.error
        if isinstance(reply, BaseException):
            raise reply
        answer = AIMessage(reply) if isinstance(reply, str) else reply
        content = answer.content
        for word in stop or ():
            content = content.split(word)[0] if isinstance(content, str) else content
        names = {"model_name": kwargs.get("model", self.model), "model_provider": self.provider}
        described = {
            "content": content,
            "usage_metadata": answer.usage_metadata or _usage(messages, answer),
            "response_metadata": names | answer.response_metadata,
            "id": None,
        }
        return answer.model_copy(update=described)

    def _reply(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> str | AIMessage:
        tool = _wanted(kwargs) if self.calls_tools and not isinstance(messages[-1], ToolMessage) else None
        if tool is None:
            return self.says(messages) if callable(self.says) else self._text
        args = arguments_for(tool.get("parameters", {}), str(messages[-1].text), default=self._text)
        return AIMessage("", tool_calls=[ToolCall(name=tool["name"], args=args, id=f"call_{uuid4().hex[:8]}")])

    @property
    def _text(self) -> str:
        return self.says if isinstance(self.says, str) else f"from {self.model}"

    def _words(self, answer: AIMessage) -> Iterator[AIMessageChunk]:
        content = answer.content
        parts = re.findall(r"\s*\S+\s*", content) if isinstance(content, str) else [content]
        for part in parts if self.error is None else parts[: self.fails_after]:
            yield AIMessageChunk(content=part)
        if self.error is not None:
            raise self.error


def _wanted(kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the function to call: the one that is chosen, or the first."""
    functions: list[dict[str, Any]] = [
        tool["function"] for tool in kwargs.get("tools") or [] if tool.get("type") == "function"
    ]
    choice = kwargs.get("tool_choice")
    if choice == "none" or not functions:
        return None
    name = choice.get("function", choice).get("name") if isinstance(choice, dict) else choice
    return next((function for function in functions if function["name"] == name), functions[0])


def _usage(messages: list[BaseMessage], answer: AIMessage) -> UsageMetadata:
    """Count a token for each word; a call of a tool is two."""
    asked = sum(len(str(message.text).split()) for message in messages)
    said = len(str(answer.text).split()) + 2 * len(answer.tool_calls)
    return UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)
