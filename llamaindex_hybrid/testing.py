"""A fake LLM for your own tests: it answers, streams, calls tools and fails as you choose, without a network.

Example:
    >>> from hybrid_llm.testing import FixedScorer
    >>> from llamaindex_hybrid import HybridLLM
    >>> small = FakeLLM(model="small", error=ConnectionRefusedError("not running"))
    >>> llm = HybridLLM(small, FakeLLM(model="large"), FixedScorer(0.9), threshold=0.5)
    >>> print(llm.complete("What is the capital of Peru?"))
    from large
    >>> len(small.asked)
    1
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.bridge.pydantic import Field
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool

from hybrid_llm.testing import arguments_for

__all__ = ["Asked", "FakeLLM"]


class Asked(NamedTuple):
    """How a fake LLM was asked once.

    Args:
        method: Which method, such as ``"chat"`` or ``"astream_chat"``.
        messages: The conversation; for a completion one message of the user.
        kwargs: Whatever else came with the call: tools, ``tool_choice``, settings.
    """

    method: str
    messages: list[ChatMessage]
    kwargs: dict[str, Any]


class FakeLLM(FunctionCallingLLM):
    """An LLM that says its name, calls the tools that it is offered, and fails when told to.

    It does what a provider's class does: it streams word by word, reports a token for each word in ``raw["usage"]``,
    and fills a form by calling it as a tool. A stream asks the model when it is first read, as Ollama's does.

    Args:
        model: Its name. It says "from <model>".
        replies: What it says or does first, one for each call: a text, a message, or an exception to raise.
        says: What it says instead of its name when the replies are used up: a text, or a function of the messages.
        calls_tools: Whether it calls a tool that it is offered, if the last message is no tool's result. It takes the
            one that ``tool_choice`` names, else the first; the arguments follow its schema
            (:func:`hybrid_llm.testing.arguments_for`).
        error: Raised by every call until it is ``None`` again.
        fails_after: How many words are said before ``error`` is raised; with 0 it fails before its first token.
        context_window: How many tokens it says that it reads.
        is_function_calling_model: Whether it says that it calls functions.

    Attributes:
        asked: How it was asked, in order.

    Example:
        >>> llm = FakeLLM(model="small", replies=["Lima.", TimeoutError("too slow")])
        >>> print(llm.complete("What is the capital of Peru?"))
        Lima.
        >>> llm.complete("And of Chile?")
        Traceback (most recent call last):
        TimeoutError: too slow
        >>> [chunk.delta for chunk in llm.stream_complete("And of Cuba?") if chunk.delta]
        ['from ', 'small']
        >>> [asked.messages[-1].content for asked in llm.asked]
        ['What is the capital of Peru?', 'And of Chile?', 'And of Cuba?']
    """

    model: str = "fake"
    replies: list[str | ChatMessage | BaseException] = Field(default_factory=list, repr=False, exclude=True)
    says: str | Callable[[Sequence[ChatMessage]], str | ChatMessage] | None = Field(None, repr=False, exclude=True)
    calls_tools: bool = True
    error: BaseException | None = Field(None, repr=False, exclude=True)
    fails_after: int = 0
    context_window: int = 4096
    is_function_calling_model: bool = True
    asked: list[Asked] = Field(default_factory=list, repr=False, exclude=True)

    @classmethod
    def class_name(cls) -> str:
        """Return the name that dumps and events show."""
        return "fake_llm"

    @property
    def metadata(self) -> LLMMetadata:
        """Say what the model can do."""
        return LLMMetadata(
            context_window=self.context_window,
            is_chat_model=True,
            is_function_calling_model=self.is_function_calling_model,
            model_name=self.model,
        )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer."""
        return self._whole("chat", messages, kwargs)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer, asynchronously."""
        return self._whole("achat", messages, kwargs)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer word by word."""

        def chunks() -> ChatResponseGen:  # the decorator takes a function that returns a generator
            yield from self._stream("stream_chat", messages, kwargs)

        return chunks()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Answer word by word, asynchronously."""

        async def chunks() -> ChatResponseAsyncGen:
            for chunk in self._stream("astream_chat", messages, kwargs):
                yield chunk

        return chunks()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Answer a prompt."""
        return _completion(self._whole("complete", [ChatMessage(prompt)], kwargs))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Answer a prompt, asynchronously."""
        return _completion(self._whole("acomplete", [ChatMessage(prompt)], kwargs))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Answer a prompt word by word."""

        def chunks() -> CompletionResponseGen:
            yield from map(_completion, self._stream("stream_complete", [ChatMessage(prompt)], kwargs))

        return chunks()

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """Answer a prompt word by word, asynchronously."""

        async def chunks() -> CompletionResponseAsyncGen:
            for chunk in self._stream("astream_complete", [ChatMessage(prompt)], kwargs):
                yield _completion(chunk)

        return chunks()

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """Return the calls of an answer.

        Raises:
            ValueError: There is none, and one is needed.
        """
        blocks = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        if not blocks and error_on_no_tool_call:
            raise ValueError("The answer calls no tool.")
        return [
            ToolSelection(
                tool_id=block.tool_call_id or block.tool_name,
                tool_name=block.tool_name,
                tool_kwargs=json.loads(block.tool_kwargs) if isinstance(block.tool_kwargs, str) else block.tool_kwargs,
            )
            for block in blocks
        ]

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        messages = chat_history or []
        if user_msg:
            messages.append(ChatMessage(user_msg) if isinstance(user_msg, str) else user_msg)  # as the real ones do
        required = {"tool_choice": "required"} if tool_required else {}
        return {"messages": messages, "tools": [tool.metadata.to_openai_tool() for tool in tools], **required, **kwargs}

    def _whole(self, method: str, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponse:
        *_, last = self._stream(method, messages, kwargs)
        return last

    def _stream(self, method: str, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> Iterator[ChatResponse]:
        self.asked.append(Asked(method, list(messages), kwargs))
        yield from self._chunks(messages, kwargs)

    def _chunks(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> Iterator[ChatResponse]:
        """Give the answer word by word, each chunk with all that was said so far; or fail where told to."""
        reply = self.replies.pop(0) if self.replies else self._reply(messages, kwargs)
        if self.error is not None and not self.fails_after:
            raise self.error
        if isinstance(reply, BaseException):
            raise reply
        answer = ChatMessage(reply, role=MessageRole.ASSISTANT) if isinstance(reply, str) else reply
        words = re.findall(r"\s*\S+\s*", answer.content or "")
        usage = _usage(messages, len(words))
        yield self._chunk("", "", usage)
        for i, word in enumerate(words if self.error is None else words[: self.fails_after]):
            yield self._chunk("".join(words[: i + 1]), word, usage)
        if self.error is not None:
            raise self.error
        if [type(block) for block in answer.blocks] != [TextBlock]:  # calls of tools, say, which come as a whole
            yield ChatResponse(message=answer, delta="", raw={"usage": usage, "model": self.model})

    def _chunk(self, said: str, word: str, usage: dict[str, int]) -> ChatResponse:
        message = ChatMessage(said, role=MessageRole.ASSISTANT)
        return ChatResponse(message=message, delta=word, raw={"usage": usage, "model": self.model})

    def _reply(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> str | ChatMessage:
        answered = bool(messages) and messages[-1].role == MessageRole.TOOL
        tool = _wanted(kwargs) if self.calls_tools and not answered else None
        if tool is None:
            return self.says(messages) if callable(self.says) else self._text
        args = arguments_for(tool["parameters"], messages[-1].content or "" if messages else "", default=self._text)
        function = {"name": tool["name"], "arguments": json.dumps(args)}
        return ChatMessage(
            role=MessageRole.ASSISTANT,
            blocks=[self._call(tool["name"], args)],
            additional_kwargs={"tool_calls": [{"type": "function", "function": function}]},  # streams of forms read it
        )

    def _call(self, name: str, args: dict[str, Any]) -> ToolCallBlock:
        return ToolCallBlock(tool_call_id=f"call_{uuid4().hex[:8]}", tool_name=name, tool_kwargs=json.dumps(args))

    @property
    def _text(self) -> str:
        return self.says if isinstance(self.says, str) else f"from {self.model}"


def _wanted(kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the function to call: the one that is chosen, or the first."""
    functions: list[dict[str, Any]] = [tool["function"] for tool in kwargs.get("tools") or [] if "function" in tool]
    choice = kwargs.get("tool_choice")
    if choice == "none" or not functions:
        return None
    name = choice.get("function", choice).get("name") if isinstance(choice, dict) else choice
    return next((function for function in functions if function["name"] == name), functions[0])


def _usage(messages: Sequence[ChatMessage], said: int) -> dict[str, int]:
    asked = sum(len((message.content or "").split()) for message in messages)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _completion(response: ChatResponse) -> CompletionResponse:
    return CompletionResponse(text=response.message.content or "", delta=response.delta, raw=response.raw)
