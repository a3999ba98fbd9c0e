"""Many calls through a proxy that breaks the small server's answers, while the server is killed and comes back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import httpx
import ollama
from langchain_core.output_parsers import StrOutputParser
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, RunnableHybrid
from llamaindex_hybrid import HybridLLM
from tests.live._chaos import ChaosServers, quick_state, threads_left
from tests.live._proxy import Proxy

SAYS: Final = {
    "This answer comes from the small local model.": "small",
    "This answer comes from the large hosted model.": "large",
}
SOON: Final = 1.0
"""Seconds that small has until its first token."""
LATE: Final = 2.0
"""Seconds that its client waits for a word more."""
THREADS: Final = 4
TASKS: Final = 4


@dataclass
class Tally:
    """What became of the calls.

    Args:
        calls: How many were made.
        small: Whole answers of small.
        large: Whole answers of large.
        raised_before: Errors before a first token, by type and text; none is what is promised.
        raised_after: Errors after the first token of a stream, by type.
        cut: Answers that were passed on as whole and are not; none is what is promised.
        kills: How often the small server was killed.
        proxied: What the proxy did with the requests.
        threads_left: Threads of the library that still ran a few seconds after the last call.
        seconds: How long it took.
    """

    calls: int = 0
    small: int = 0
    large: int = 0
    raised_before: Counter[str] = field(default_factory=Counter)
    raised_after: Counter[str] = field(default_factory=Counter)
    cut: list[str] = field(default_factory=list)
    kills: int = 0
    proxied: dict[str, int] = field(default_factory=dict)
    threads_left: int = 0
    seconds: float = 0.0

    def note(self, shown: list[str], error: BaseException | None) -> None:
        """Note one call: the texts that were shown, and what was raised in the end."""
        self.calls += 1
        text = "".join(shown).strip()
        if error is not None:
            if text:
                self.raised_after[type(error).__name__] += 1
            else:
                self.raised_before[f"{type(error).__name__}: {str(error)[:120]}"] += 1
        elif text not in SAYS:
            self.cut.append(text)
        elif SAYS[text] == "small":
            self.small += 1
        else:
            self.large += 1

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON has them."""
        return asdict(self)


Call = Callable[[str, list[str]], None]
ACall = Callable[[str, list[str]], Awaitable[None]]


class Callers:
    """The ways to ask, each of which puts what is shown into a list.

    Args:
        small: Address of the proxy.
        large: Address of the large server.
        holds: Whether small's answers are held back for a check, which rejects every second one.
    """

    def __init__(self, small: str, large: str, *, holds: bool = False) -> None:
        self._sync, self._async = httpx.Client(), httpx.AsyncClient()
        router = FixedScorer(0.9)
        chat_small = ChatOllama(model="tiny-small", base_url=small, num_ctx=2048, client_kwargs={"timeout": LATE})
        chat_large = ChatOpenAI(
            model="tiny-large",
            base_url=large,
            api_key="none",
            http_client=self._sync,
            http_async_client=self._async,
        )
        options: dict[str, Any] = {"threshold": 0.5, "small_timeout": SOON}
        if holds:
            options["check"] = _says_no_to_every_second
        self._chat = ChatHybrid(chat_small, chat_large, router, state=quick_state(), **options)
        text = StrOutputParser()
        self._chain = RunnableHybrid(chat_small | text, chat_large | text, router, state=quick_state(), **options)
        self._ollamas = (ollama.Client(small, timeout=LATE), ollama.AsyncClient(small, timeout=LATE))
        index_small = Ollama(
            model="tiny-small", context_window=2048, client=self._ollamas[0], async_client=self._ollamas[1]
        )
        index_large = OpenAILike(
            model="tiny-large",
            api_base=large,
            api_key="none",
            is_chat_model=True,
            context_window=2048,
            http_client=self._sync,
            async_http_client=self._async,
        )
        self._llm = HybridLLM(index_small, index_large, router, state=quick_state(), **options)
        self._clients = (chat_small._client, chat_small._async_client, *self._ollamas)

    async def close(self) -> None:
        """Close the connections."""
        self._sync.close()
        await self._async.aclose()
        for client in self._clients:
            closed = client.close()
            if closed is not None:
                await closed

    def sync(self) -> list[Call]:
        """Return the ways of a thread."""
        template = PromptTemplate("{query_str}")
        return [
            lambda q, shown: shown.append(self._chat.invoke(q).text),
            lambda q, shown: _hear(shown, (chunk.text for chunk in self._chat.stream(q))),
            lambda q, shown: shown.append(self._chain.invoke(q)),
            lambda q, shown: _hear(shown, self._chain.stream(q)),
            lambda q, shown: shown.append(str(self._llm.chat([ChatMessage(q)]).message.content)),
            lambda q, shown: _hear(shown, (chunk.delta or "" for chunk in self._llm.stream_complete(q))),
            lambda q, shown: shown.append(self._llm.predict(template, query_str=q)),
            lambda q, shown: _hear(shown, self._llm.stream(template, query_str=q)),
        ]

    def asynchronous(self) -> list[ACall]:
        """Return the ways of a task."""
        template = PromptTemplate("{query_str}")

        async def chat(query: str, shown: list[str]) -> None:
            shown.append((await self._chat.ainvoke(query)).text)

        async def chat_stream(query: str, shown: list[str]) -> None:
            async for chunk in self._chat.astream(query):
                shown.append(chunk.text)  # noqa: PERF401 - as it comes, see _hear

        async def chain(query: str, shown: list[str]) -> None:
            shown.append(await self._chain.ainvoke(query))

        async def chain_stream(query: str, shown: list[str]) -> None:
            async for text in self._chain.astream(query):
                shown.append(text)  # noqa: PERF401 - as it comes

        async def complete(query: str, shown: list[str]) -> None:
            shown.append((await self._llm.acomplete(query)).text)

        async def llm_stream(query: str, shown: list[str]) -> None:
            async for chunk in await self._llm.astream_chat([ChatMessage(query)]):
                shown.append(chunk.delta or "")  # noqa: PERF401 - as it comes

        async def text_stream(query: str, shown: list[str]) -> None:
            async for text in await self._llm.astream(template, query_str=query):
                shown.append(text)  # noqa: PERF401 - as it comes

        return [chat, chat_stream, chain, chain_stream, complete, llm_stream, text_stream]


def run(servers: ChaosServers, calls: int, kills: int, seed: int = 0, *, holds: bool = False) -> Tally:
    """Make the calls, half from threads and half from an event loop, at the same time.

    Args:
        servers: The two real servers.
        calls: How many, >= 8.
        kills: How often the small server is killed meanwhile.
        seed: Of the proxy's lot.
        holds: As of :class:`Callers`.
    """
    tally, over, begun = Tally(), threading.Event(), time.monotonic()
    with Proxy(servers.ollama_port, seed).running() as proxy:
        callers = Callers(proxy.url, servers.openai, holds=holds)
        breaking = threading.Thread(target=_kill, args=(servers, tally, over, calls, kills))
        breaking.start()
        try:
            asyncio.run(_ask(callers, tally, calls))
        finally:
            over.set()
            breaking.join()
        tally.proxied = dict(sorted(proxy.done.items()))
    tally.seconds = round(time.monotonic() - begun, 1)
    tally.threads_left = threads_left()
    return tally


async def _ask(callers: Callers, tally: Tally, calls: int) -> None:
    in_threads = [
        asyncio.to_thread(_many, callers.sync(), tally, range(first, calls // 2, THREADS)) for first in range(THREADS)
    ]
    in_tasks = [
        _amany(callers.asynchronous(), tally, range(calls // 2 + first, calls, TASKS)) for first in range(TASKS)
    ]
    await asyncio.gather(*in_threads, *in_tasks)
    await callers.close()


def _many(ways: list[Call], tally: Tally, numbers: range) -> None:
    for turn, number in enumerate(numbers):
        shown: list[str] = []
        error: Exception | None = None
        try:
            ways[turn % len(ways)](f"question {number}", shown)
        except Exception as raised:  # noqa: BLE001 - whatever it is, it is counted
            error = raised
        tally.note(shown, error)


async def _amany(ways: list[ACall], tally: Tally, numbers: range) -> None:
    for turn, number in enumerate(numbers):
        shown: list[str] = []
        error: Exception | None = None
        try:
            await ways[turn % len(ways)](f"question {number}", shown)
        except Exception as raised:  # noqa: BLE001 - as above
            error = raised
        tally.note(shown, error)


def _kill(servers: ChaosServers, tally: Tally, over: threading.Event, calls: int, kills: int) -> None:
    """Kill the small server, and bring it back, spread over the run."""
    while tally.kills < kills and not over.is_set():
        if tally.calls >= (tally.kills + 0.5) * calls / (kills + 1):
            servers.kill_small()
            tally.kills += 1
            over.wait(0.2)
            servers.bring_small_back()
        over.wait(0.02)


def _hear(shown: list[str], texts: Iterable[str]) -> None:
    """Put the texts of a stream into the list as they come: what came before an error counts."""
    for text in texts:
        shown.append(text)  # noqa: PERF402 - extend() would keep them until the end


def _says_no_to_every_second(query: str, text: str) -> bool:
    return int(query.split()[-1]) % 2 == 0
