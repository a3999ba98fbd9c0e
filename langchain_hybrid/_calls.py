"""One call of an arm, through its inner methods.

The pair's own run is the only one in the trace: an arm that was called by ``invoke`` would open a second one, and
tokens, chunks and costs would be counted twice. So what the arm's ``invoke`` would do besides is done here: its rate
limiter, its way of streaming, its own form of tools.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableBinding
from langchain_core.utils.function_calling import convert_to_openai_tool

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import Attempts
from langchain_hybrid._trace import MarksStream, with_decision

TRACED_ONLY: Final = ("ls_structured_output_format", "structured_output_format")
"""Keyword arguments that are meant for the trace and not for a provider."""


class ToolDescription(dict[str, Any]):
    """The description of a tool that keeps the tool itself beside it.

    The description is what traces and cache keys see; an arm gets the tool, whose extras a description loses.
    """

    def __init__(self, tool: Any) -> None:
        super().__init__(convert_to_openai_tool(tool))
        self.tool = tool


def described(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the descriptions of tools; one that comes as a dict is its own."""
    return [dict(tool) if isinstance(tool, Mapping) else ToolDescription(tool) for tool in tools]


def prepared(arm: BaseChatModel, kwargs: Mapping[str, Any]) -> tuple[BaseChatModel, dict[str, Any]]:
    """Return the model to call and its keyword arguments, with the tools in the arm's own form.

    Raises:
        TypeError: The arm binds tools in a way that hides the model.
    """
    kwargs = {key: value for key, value in kwargs.items() if key not in TRACED_ONLY}
    if not kwargs.get("tools"):
        return arm, kwargs
    tools = [tool.tool if isinstance(tool, ToolDescription) else tool for tool in kwargs.pop("tools")]
    bound: Any = arm.bind_tools(tools, **kwargs)
    options: dict[str, Any] = {}
    while isinstance(bound, RunnableBinding):
        options = {**bound.kwargs, **options}
        bound = bound.bound
    if not isinstance(bound, BaseChatModel):
        raise TypeError(
            f"{type(arm).__name__}.bind_tools returns a {type(bound).__name__}, no chat model with arguments; "
            "RunnableHybrid takes such an arm with its tools bound."
        )
    return bound, options


def generate(
    arm: BaseChatModel,
    messages: list[BaseMessage],
    stop: list[str] | None,
    run_manager: CallbackManagerForLLMRun | None,
    kwargs: Mapping[str, Any],
) -> ChatResult:
    """Return the whole answer of an arm."""
    model, options = prepared(arm, kwargs)
    if model.rate_limiter:
        model.rate_limiter.acquire(blocking=True)
    if _takes_run(type(model)._generate):
        options["run_manager"] = run_manager
    return model._generate(messages, stop=stop, **options)


async def agenerate(
    arm: BaseChatModel,
    messages: list[BaseMessage],
    stop: list[str] | None,
    run_manager: AsyncCallbackManagerForLLMRun | None,
    kwargs: Mapping[str, Any],
) -> ChatResult:
    """Do what :func:`generate` does."""
    model, options = prepared(arm, kwargs)
    if model.rate_limiter:
        await model.rate_limiter.aacquire(blocking=True)
    if _takes_run(type(model)._agenerate):
        options["run_manager"] = run_manager
    return await model._agenerate(messages, stop=stop, **options)


def stream(
    arm: BaseChatModel,
    messages: list[BaseMessage],
    stop: list[str] | None,
    run_manager: CallbackManagerForLLMRun | None,
    kwargs: Mapping[str, Any],
) -> Iterator[ChatGenerationChunk]:
    """Yield the chunks of an arm; one chunk when it does not stream, or was told not to."""
    model, options = prepared(arm, kwargs)
    if not model._should_stream(async_api=False, **{**options, "stream": True}):
        yield one_chunk(generate(arm, messages, stop, run_manager, kwargs))
        return
    if model.rate_limiter:
        model.rate_limiter.acquire(blocking=True)
    if run_manager:
        options["run_manager"] = run_manager
    yield from model._stream(messages, stop=stop, **options)


async def astream(
    arm: BaseChatModel,
    messages: list[BaseMessage],
    stop: list[str] | None,
    run_manager: AsyncCallbackManagerForLLMRun | None,
    kwargs: Mapping[str, Any],
) -> AsyncIterator[ChatGenerationChunk]:
    """Do what :func:`stream` does."""
    model, options = prepared(arm, kwargs)
    if not model._should_stream(async_api=True, **{**options, "stream": True}):
        yield one_chunk(await agenerate(arm, messages, stop, run_manager, kwargs))
        return
    if model.rate_limiter:
        await model.rate_limiter.aacquire(blocking=True)
    if run_manager:
        options["run_manager"] = run_manager
    chunks = model._astream(messages, stop=stop, **options)
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        if hasattr(chunks, "aclose"):
            await chunks.aclose()


def marked(result: ChatResult, decision: Decision, attempts: Attempts) -> ChatResult:
    """Return a copy of an answer with the decision, and what was called for it, on its messages."""
    generations = [
        one.model_copy(update={"message": with_decision(one.message, decision, attempts)}) for one in result.generations
    ]
    return ChatResult(generations=generations, llm_output=result.llm_output)


class MarksChunks(MarksStream[ChatGenerationChunk]):
    """Notes on the chunks of a chat model what :class:`MarksStream` notes; an empty one is added where none is last."""

    def message(self, chunk: ChatGenerationChunk) -> BaseMessage:
        """Return the message of a chunk."""
        return chunk.message

    def with_message(self, chunk: ChatGenerationChunk, message: Any) -> ChatGenerationChunk:
        """Return a copy of a chunk with another message."""
        return chunk.model_copy(update={"message": message})

    def end(self) -> list[ChatGenerationChunk]:
        """Return the last chunk; none of a stream without any."""
        if self.seen is not None and self.held is None:
            nothing: str | list[str | dict[str, Any]] = "" if isinstance(self.seen.message.content, str) else []
            self.held = ChatGenerationChunk(message=AIMessageChunk(content=nothing, chunk_position="last"))
        return super().end()


@lru_cache(maxsize=256)
def _takes_run(method: Callable[..., Any]) -> bool:
    return "run_manager" in inspect.signature(method).parameters


def one_chunk(result: ChatResult) -> ChatGenerationChunk:
    """Return a whole answer as the only chunk of a stream."""
    generation = result.generations[0]
    message = cast("AIMessage", generation.message)
    chunk = AIMessageChunk(
        content=message.content,
        additional_kwargs=message.additional_kwargs,
        response_metadata={**(result.llm_output or {}), **message.response_metadata},
        tool_calls=message.tool_calls,
        invalid_tool_calls=message.invalid_tool_calls,
        usage_metadata=message.usage_metadata,
        id=message.id,
        name=message.name,
        chunk_position="last",
    )
    return ChatGenerationChunk(message=chunk, generation_info=generation.generation_info)
