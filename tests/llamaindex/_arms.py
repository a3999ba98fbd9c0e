"""Hybrids of two fake LLMs, the ways to ask one, and a recorder of events; shared by the tests of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from llama_index.core.bridge.pydantic import BaseModel, Field
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler

from hybrid_llm import Router
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid.testing import FakeLLM


class Said(BaseModel):
    """The form of an answer."""

    text: str


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
