"""What the router adds to a call in LangChain: over the bare model, and before the first token.

Run: ``python -m benchmarks.langchain_overhead.run [--calls 2000] [--out docs/measured/overhead.md]``. The model answers
inside the process, so that nothing but the framework and the router takes time. What is compared runs in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from benchmarks.common.doc_tables import shared
from benchmarks.common.machine import processor
from benchmarks.common.results import file_of, keep
from benchmarks.common.turns import first_token, in_turns, row
from benchmarks.langchain_overhead.page import PAGE, write_page
from hybrid_llm import Router
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, RunnableHybrid

QUESTION = "What is the capital of the country that Lake Titicaca lies in?"
FIRST_TOKEN = 0.03
"""Seconds that the streaming model thinks."""


class Instant(BaseChatModel):
    """Answers at once, and streams after a while."""

    @property
    def _llm_type(self) -> str:
        return "instant"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Lima and La Paz."))])

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return self._generate()

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        time.sleep(FIRST_TOKEN)
        for word in ("Lima ", "and ", "La Paz."):
            yield ChatGenerationChunk(message=AIMessageChunk(word))

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        await asyncio.sleep(FIRST_TOKEN)
        for word in ("Lima ", "and ", "La Paz."):
            yield ChatGenerationChunk(message=AIMessageChunk(word))


def calls(repeats: int) -> Iterator[list[str]]:
    """Compare whole calls whose score is known."""
    bare = Instant()
    known = FixedScorer(0.9)
    shapes: dict[str, Any] = {
        "ChatHybrid": ChatHybrid(small=Instant(), large=Instant(), router=known, threshold=0.5),
        "RunnableHybrid": RunnableHybrid(Instant(), Instant(), known, threshold=0.5),
        "ChatHybrid, shipped router": ChatHybrid(small=Instant(), large=Instant(), router=Router.load(), threshold=0.5),
    }
    loop = asyncio.new_event_loop()
    ways: dict[str, Callable[[Any], object]] = {
        "invoke": lambda model: model.invoke(QUESTION),
        "ainvoke": lambda model: loop.run_until_complete(model.ainvoke(QUESTION)),
    }
    for way, ask in ways.items():
        found = in_turns({name: partial(ask, shape) for name, shape in {"bare": bare, **shapes}.items()}, repeats)
        for name in shapes:
            added = found[name] - found["bare"]
            goal, met = ("0.5 ms", added < 0.0005) if name.startswith("ChatHybrid") else ("", None)
            figure = f"+{1e3 * added:.2f} ms (bare model {1e3 * found['bare']:.2f} ms)"
            yield row(f"`{way}`, score known: {name}", figure, goal, met)
    loop.close()


def first_tokens(repeats: int) -> Iterator[list[str]]:
    """Compare the time to the first token with that of the arm, plus a score."""
    router = Router.load()
    bare = Instant()
    hybrid = ChatHybrid(small=Instant(), large=Instant(), router=router, threshold=0.5)
    yield first_token(
        QUESTION,
        lambda text: next(iter(bare.stream(text))),
        lambda text: next(iter(hybrid.stream(text))),
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
    rows = [*calls(options.calls), *first_tokens(max(20, options.calls // 20))]
    setting = (
        f"`python -m benchmarks.langchain_overhead.run --calls {options.calls}`, {day}; {processor()}; "
        f"{shared(load)}; Python {platform.python_version()}, langchain-core "
        f"{version('langchain-core')}."
    )
    write_page(options.out, keep(file_of("langchain_overhead"), {"setting": setting, "rows": rows}))


if __name__ == "__main__":
    main()
