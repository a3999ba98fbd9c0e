"""Models for the tests: they answer with their own name, remember what they were asked, and fail when told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.bridge.pydantic import BaseModel, Field
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM

from hybrid_llm import Router
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM

WORDS = 3
USAGE = {"prompt_tokens": 5, "completion_tokens": WORDS, "total_tokens": 5 + WORDS}


class FakeLLM(FunctionCallingLLM):
    """A chat model: answers "<name> says so", word by word when it streams, or calls the tools it is offered."""

    model: str
    functions: bool = True
    window: int = 4096
    api_key: str = "sk-secret"
    error: Any = None
    fails_after: int = 0
    calls_tools: bool = False
    tool_ids: bool = True
    seen: list[tuple[str, list[Any], dict[str, Any]]] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "fake_llm"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            context_window=self.window,
            num_output=10,
            is_chat_model=True,
            is_function_calling_model=self.functions,
            model_name=self.model,
        )

    @property
    def says(self) -> str:
        return f"{self.model} says so"

    def _take(self, method: str, messages: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.seen.append((method, list(messages), kwargs))
        if self.error is not None and not self.fails_after:
            raise self.error

    def _chunks(self, messages: Sequence[Any], kwargs: dict[str, Any]) -> Iterator[ChatResponse]:
        answered = any(getattr(message, "role", None) == "tool" for message in messages)
        if self.calls_tools and kwargs.get("tools") and not answered:
            calls = [
                ToolCallBlock(
                    tool_call_id=f"id-{number}" if self.tool_ids else None,
                    tool_name=tool["function"]["name"],
                    tool_kwargs='{"city": "Lima"}' if self.tool_ids else {"city": "Lima"},
                )
                for number, tool in enumerate(kwargs["tools"])
            ]
            message = ChatMessage(role="assistant", blocks=[TextBlock(text=""), *calls])
            yield ChatResponse(message=message, delta="", raw={"usage": USAGE, "model": self.model})
            return
        said: list[str] = []
        yield ChatResponse(message=ChatMessage(role="assistant", content=""), delta="", raw={"model": self.model})
        for number, word in enumerate(self.says.split()):
            if self.error is not None and number == self.fails_after:
                raise self.error
            said.append(word)
            yield ChatResponse(
                message=ChatMessage(role="assistant", content=" ".join(said)),
                delta=word if not number else f" {word}",
                raw={"usage": USAGE, "model": self.model},
            )

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        self._take("chat", messages, kwargs)
        return list(self._chunks(messages, kwargs))[-1]

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        self._take("achat", messages, kwargs)
        return list(self._chunks(messages, kwargs))[-1]

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        def chunks() -> ChatResponseGen:
            self._take("stream_chat", messages, kwargs)  # as Ollama's client does: only when it is read
            yield from self._chunks(messages, kwargs)

        return chunks()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        async def chunks() -> ChatResponseAsyncGen:
            self._take("astream_chat", messages, kwargs)
            for chunk in self._chunks(messages, kwargs):
                yield chunk

        return chunks()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        self._take("complete", [prompt], kwargs)
        return CompletionResponse(text=self.says, raw={"usage": USAGE})

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        self._take("acomplete", [prompt], kwargs)
        return CompletionResponse(text=self.says, raw={"usage": USAGE})

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        def chunks() -> CompletionResponseGen:
            self._take("stream_complete", [prompt], kwargs)
            for chunk in self._chunks([], {}):
                yield CompletionResponse(text=chunk.message.content or "", delta=chunk.delta, raw=chunk.raw)

        return chunks()

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        async def chunks() -> CompletionResponseAsyncGen:
            self._take("astream_complete", [prompt], kwargs)
            for chunk in self._chunks([], {}):
                yield CompletionResponse(text=chunk.message.content or "", delta=chunk.delta, raw=chunk.raw)

        return chunks()

    def _prepare_chat_with_tools(
        self,
        tools: Any,
        user_msg: Any = None,
        chat_history: Any = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        messages = chat_history or []
        if user_msg:
            messages.append(ChatMessage(user_msg) if isinstance(user_msg, str) else user_msg)  # as the real ones do
        return {"messages": messages, "tools": [tool.metadata.to_openai_tool() for tool in tools], **kwargs}


class Said(BaseModel):
    """The form of an answer."""

    text: str


class FormLLM(FakeLLM):
    """A fake with a way of its own to fill a form: the only field gets what it says."""

    def _form(self, output_cls: type[Any], prompt: Any, args: dict[str, Any], says: Any) -> Any:
        prompt.format_messages(**args)
        return output_cls(text=says)

    def structured_predict(self, output_cls: Any, prompt: Any, llm_kwargs: Any = None, **args: Any) -> Any:
        return self._form(output_cls, prompt, args, self.chat([], **llm_kwargs).message.content)

    async def astructured_predict(self, output_cls: Any, prompt: Any, llm_kwargs: Any = None, **args: Any) -> Any:
        return self._form(output_cls, prompt, args, (await self.achat([], **llm_kwargs)).message.content)

    def stream_structured_predict(self, output_cls: Any, prompt: Any, llm_kwargs: Any = None, **args: Any) -> Any:
        for chunk in self.stream_chat([], **llm_kwargs):
            yield self._form(output_cls, prompt, args, chunk.message.content)

    async def astream_structured_predict(
        self, output_cls: Any, prompt: Any, llm_kwargs: Any = None, **args: Any
    ) -> Any:
        stream = await self.astream_chat([], **llm_kwargs)
        return (self._form(output_cls, prompt, args, chunk.message.content) async for chunk in stream)


SCORES = {"What is the capital of Peru called?": 0.9, "easy": 0.9, "middling": 0.5, "hard": 0.1}


def arms(**of_small: Any) -> tuple[FakeLLM, FakeLLM]:
    """Return a small and a large model; the arguments are small's."""
    return FakeLLM(model="small", **of_small), FakeLLM(model="large")


def hybrid(
    small: Any = None, large: Any = None, *, scorer: Any = None, router: Router | None = None, **options: Any
) -> HybridLLM:
    """Return a hybrid of both, by default at the threshold 0.5 over ``SCORES``."""
    pair = arms()
    given = {"threshold": 0.5} if not options.keys() & {"quality", "cost_advantage", "threshold"} else {}
    scores = router or scorer or FixedScorer(SCORES, default=0.0)
    return HybridLLM(small or pair[0], large or pair[1], scores, **given, **options)


class Events(BaseEventHandler):
    """Remembers the events of a test."""

    seen: list[Any] = Field(default_factory=list)

    def handle(self, event: Any, **kwargs: Any) -> None:
        self.seen.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.seen if isinstance(event, kind)]

    def __enter__(self) -> Events:
        get_dispatcher().add_event_handler(self)
        return self

    def __exit__(self, *args: object) -> None:
        get_dispatcher().event_handlers.remove(self)


class Way:
    """One of the four ways to ask an LLM: sync, async, and both streams."""

    def __init__(self, name: str, prefix: str) -> None:
        self.name, self.prefix = name, prefix

    def __str__(self) -> str:
        return self.name

    async def all_of(self, llm: Any, method: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Call the method of this way, such as ``stream_chat`` for ``chat``, and return all that comes."""
        streams = method == "predict" and "stream" in self.prefix  # the streams of predict are stream and astream
        call: Callable[..., Any] = getattr(llm, self.prefix.rstrip("_") if streams else self.prefix + method)
        result = call(*args, **kwargs)
        if self.prefix.startswith("a"):
            result = await result
        if isinstance(result, AsyncIterator):
            return [chunk async for chunk in result]
        return list(result) if isinstance(result, Iterator) else [result]

    async def ask(self, llm: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the last chunk, or the answer."""
        return (await self.all_of(llm, method, *args, **kwargs))[-1]


WAYS = [Way("sync", ""), Way("async", "a"), Way("stream", "stream_"), Way("astream", "astream_")]
