"""What the router adds to a call in LlamaIndex: over the bare model, and before the first token.

Run: ``python -m benchmarks.llamaindex_overhead.run [--calls 2000] [--out docs/measured/llamaindex_overhead.md]``. The
model answers inside the process, so that nothing but the framework and the router takes time. What is compared runs in
turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from llama_index.core import SummaryIndex
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import TextNode

from benchmarks.common.doc_tables import shared
from benchmarks.common.machine import processor
from benchmarks.common.results import file_of, keep
from benchmarks.common.turns import first_token, in_turns, row
from benchmarks.llamaindex_overhead.page import PAGE, write_page
from hybrid_llm import Router
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM

QUESTION = "What is the capital of the country that Lake Titicaca lies in?"
WORDS = ["Lima ", "and ", "La ", "Paz."]
FIRST_TOKEN = 0.03
"""Seconds that the streaming model thinks."""


class Instant(CustomLLM):
    """Answers at once, and streams after a while."""

    @property
    def metadata(self) -> LLMMetadata:
        """Say that it chats."""
        return LLMMetadata(is_chat_model=True, model_name="instant")

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer."""
        return ChatResponse(message=ChatMessage("".join(WORDS), role="assistant"))

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer."""
        return ChatResponse(message=ChatMessage("".join(WORDS), role="assistant"))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer word by word."""

        def chunks() -> ChatResponseGen:
            time.sleep(FIRST_TOKEN)
            for number, word in enumerate(WORDS):
                yield ChatResponse(message=ChatMessage("".join(WORDS[: number + 1]), role="assistant"), delta=word)

        return chunks()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Answer word by word."""

        async def chunks() -> ChatResponseAsyncGen:
            await asyncio.sleep(FIRST_TOKEN)
            for number, word in enumerate(WORDS):
                yield ChatResponse(message=ChatMessage("".join(WORDS[: number + 1]), role="assistant"), delta=word)

        return chunks()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Answer."""
        return CompletionResponse(text="".join(WORDS))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Answer at once."""
        yield CompletionResponse(text="".join(WORDS), delta="".join(WORDS))


def calls(repeats: int) -> Iterator[list[str]]:
    """Compare whole calls whose score is known."""
    bare = Instant()
    hybrids: dict[str, HybridLLM] = {
        "a scorer at once": HybridLLM(Instant(), Instant(), FixedScorer(0.9), threshold=0.5),
        "the shipped router": HybridLLM(Instant(), Instant(), Router.load(), threshold=0.5),
    }
    loop = asyncio.new_event_loop()
    messages, template = [ChatMessage(QUESTION)], PromptTemplate("{context_str}\n{query_str}")
    index = SummaryIndex([TextNode(text="La Paz is the seat of government of Bolivia.")])
    engines = {id(llm): index.as_query_engine(llm) for llm in (bare, *hybrids.values())}
    ways: dict[str, Callable[[Any], object]] = {
        "chat": lambda llm: llm.chat(messages),
        "achat": lambda llm: loop.run_until_complete(llm.achat(messages)),
        "predict": lambda llm: llm.predict(template, context_str="...", query_str=QUESTION),
        "query_engine.query": lambda llm: engines[id(llm)].query(QUESTION),
    }
    for way, ask in ways.items():
        found = in_turns({name: partial(ask, llm) for name, llm in {"bare": bare, **hybrids}.items()}, repeats)
        for name in hybrids:
            added = found[name] - found["bare"]
            figure = f"+{1e3 * added:.2f} ms (bare model {1e3 * found['bare']:.2f} ms)"
            yield row(f"`{way}`, score known: {name}", figure, "0.5 ms", added < 0.0005)
    loop.close()


def chunks(repeats: int) -> Iterator[list[str]]:
    """Compare reading a stream to its end, once its first chunk is there."""
    bare, hybrid = Instant(), HybridLLM(Instant(), Instant(), FixedScorer(0.9), threshold=0.5)
    seconds: dict[str, list[float]] = {"bare": [], "hybrid": []}
    for _ in range(repeats):
        for name, llm in (("bare", bare), ("hybrid", hybrid)):
            stream = llm.stream_chat([ChatMessage(QUESTION)])
            next(stream)
            start = time.perf_counter()
            count = sum(1 for _ in stream)
            seconds[name].append((time.perf_counter() - start) / count)
    one, other = statistics.median(seconds["bare"]), statistics.median(seconds["hybrid"])
    yield row(
        "each further chunk of a stream", f"+{1e6 * (other - one):.0f} µs (bare model {1e6 * one:.0f} µs)", "", None
    )


def first_tokens(repeats: int) -> Iterator[list[str]]:
    """Compare the time to the first token with that of the arm, plus a score."""
    router = Router.load()
    bare, hybrid = Instant(), HybridLLM(Instant(), Instant(), router, threshold=0.5)
    yield first_token(
        QUESTION,
        lambda text: next(bare.stream_chat([ChatMessage(text)])),
        lambda text: next(hybrid.stream_chat([ChatMessage(text)])),
        router.score,
        repeats,
    )


def main() -> None:
    """Measure, print the table and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    load, day = os.getloadavg()[0], datetime.now(tz=UTC).date()
    few = max(20, options.calls // 20)
    rows = [*calls(options.calls), *chunks(few), *first_tokens(few)]
    setting = (
        f"`python -m benchmarks.llamaindex_overhead.run --calls {options.calls}`, {day}; {processor()}; "
        f"{shared(load)}; Python {platform.python_version()}, llama-index-core "
        f"{version('llama-index-core')}."
    )
    write_page(options.out, keep(file_of("llamaindex_overhead"), {"setting": setting, "rows": rows}))


if __name__ == "__main__":
    main()
