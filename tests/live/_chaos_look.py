"""Held answers while the small server is killed and stopped in the middle of them, checked word by word.

Small is llama.cpp with a model of word salad: at temperature 0 it says the same to the same question each time, and is
surer of some answers than of others. So what it says is asked first, in peace; in the chaos each text that is shown is
then one of these or large's, and each note on it can be checked.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import numpy as np
from langchain_core.output_parsers import StrOutputParser
from langchain_openai import ChatOpenAI
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

from hybrid_llm import Router
from hybrid_llm.level import Level
from hybrid_llm.look import LOGPROBS, Bound, Ladder, PathCalibration, SecondLook, logprobs_head
from hybrid_llm.look import Path as LookPath
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, RunnableHybrid
from llamaindex_hybrid import HybridLLM
from tests.live._chaos import quick_state, threads_left
from tests.live._llama_server import Busy, LlamaServer

LARGE_SAYS: Final = "This answer comes from the large hosted model."
QUESTIONS: Final = [f"What is question {place} about, and who asked it?" for place in range(24)]
TOKENS: Final = 96
"""Of an answer: long enough to be killed in the middle of it."""
LOOK_TIMEOUT: Final = 3.0
PAUSE: Final = 0.5
"""Seconds that a caller waits after an answer that small had no part in: else most calls fall into its absence."""
THREADS: Final = 3
TASKS: Final = 3
NEAR: Final = 0.002
"""How far a score may be from the one that the server itself gave, and how near to the threshold either way."""


@dataclass(frozen=True)
class Truth:
    """What small says to a question in peace.

    Args:
        text: Its text.
        score: Geometric mean of the probabilities of its tokens: what an untrained look makes of it.
    """

    text: str
    score: float


def asked(server: LlamaServer, question: str) -> Truth:
    """Ask small itself."""
    body = {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": TOKENS}
    more = {"logprobs": True, "cache_prompt": False}
    answer = httpx.post(f"{server.url}/chat/completions", json={**body, **more}, timeout=60, trust_env=False)
    choice = answer.raise_for_status().json()["choices"][0]
    logprobs = [token["logprob"] for token in choice["logprobs"]["content"]]
    return Truth(choice["message"]["content"], math.exp(statistics.fmean(logprobs)))


@dataclass
class LookTally:
    """What became of the calls.

    Args:
        calls: How many were made.
        reasons: Of the answers that say who they are, by the decision's reason.
        unseen: Escalations of answers that came without log-probabilities.
        texts: Answers of chains, which are a text and no more.
        lost: What was raised; nothing is what is promised.
        wrong: What was shown and is none of the two answers, or says something else than what is true.
        kills: How often small was killed.
        stops: How often it was stopped.
        in_the_middle: How many of both came while answers of small were on their way.
        threads_left: Threads of the library that still ran a few seconds after the last call.
        seconds: How long it took.
    """

    calls: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unseen: int = 0
    texts: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    kills: int = 0
    stops: int = 0
    in_the_middle: int = 0
    threads_left: int = 0
    seconds: float = 0.0


Told = tuple[str, dict[str, Any] | None]
"""What was shown, and the notes on it, where there are any."""


class Callers:
    """The ways to ask a pair with a look.

    Args:
        small: The small server.
        large: The large server.
        router: Has the look.
    """

    def __init__(self, small: LlamaServer, large: LlamaServer, router: Router) -> None:
        self.busy = Busy()
        self._clients = (httpx.Client(transport=self.busy), httpx.Client())
        self._aclients = (httpx.AsyncClient(transport=self.busy), httpx.AsyncClient())
        options: dict[str, Any] = {
            "second_look": "logprobs",
            "cost_advantage": 0.5,
            "look_timeout": LOOK_TIMEOUT,
        }
        chats = [self._chat(server, place) for place, server in enumerate((small, large))]
        self.chat = ChatHybrid(*chats, router, state=quick_state(), **options)
        chains = [chat | StrOutputParser() for chat in chats]
        self.chain = RunnableHybrid(*chains, router, state=quick_state(), **options)
        llms = [self._llm(server, place) for place, server in enumerate((small, large))]
        self.llm = HybridLLM(*llms, router, state=quick_state(), **options)

    def _chat(self, server: LlamaServer, place: int) -> ChatOpenAI:
        return ChatOpenAI(
            model=server.model,
            base_url=server.url,
            api_key="none",
            temperature=0,
            max_retries=0,
            stream_usage=True,
            extra_body={"max_tokens": TOKENS, "cache_prompt": False},
            http_client=self._clients[place],
            http_async_client=self._aclients[place],
        )

    def _llm(self, server: LlamaServer, place: int) -> OpenAILike:
        return OpenAILike(
            model=server.model,
            api_base=server.url,
            api_key="none",
            is_chat_model=True,
            context_window=2048,
            temperature=0,
            max_tokens=TOKENS,
            max_retries=0,
            additional_kwargs={"extra_body": {"cache_prompt": False}},
            http_client=self._clients[place],
            async_http_client=self._aclients[place],
        )

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.close()
        for aclient in self._aclients:
            await aclient.aclose()

    def sync(self) -> list[Callable[[str], Told]]:
        """Return the ways of a thread."""
        return [
            lambda q: _message(self.chat.invoke(q, max_tokens=TOKENS)),
            lambda q: _message(_added(list(self.chat.stream(q, max_tokens=TOKENS)))),
            lambda q: _message(self.chat.batch([q], max_tokens=TOKENS)[0]),
            lambda q: (self.chain.invoke(q), None),
            lambda q: ("".join(self.chain.stream(q)), None),
            lambda q: _response(self.llm.chat([ChatMessage(q)])),
            lambda q: _streamed(list(self.llm.stream_chat([ChatMessage(q)]))),
        ]

    def asynchronous(self) -> list[Callable[[str], Awaitable[Told]]]:
        """Return the ways of a task."""

        async def invoke(q: str) -> Told:
            return _message(await self.chat.ainvoke(q, max_tokens=TOKENS))

        async def stream(q: str) -> Told:
            return _message(_added([chunk async for chunk in self.chat.astream(q, max_tokens=TOKENS)]))

        async def chain(q: str) -> Told:
            return "".join([text async for text in self.chain.astream(q)]), None

        async def chat(q: str) -> Told:
            return _response(await self.llm.achat([ChatMessage(q)]))

        async def chat_stream(q: str) -> Told:
            return _streamed([chunk async for chunk in await self.llm.astream_chat([ChatMessage(q)])])

        return [invoke, stream, chain, chat, chat_stream]


def run(small: LlamaServer, large: LlamaServer, calls: int, kills: int, stops: int) -> LookTally:
    """Make the calls, half from threads and half from an event loop, at the same time.

    Args:
        small: The server that is killed and stopped meanwhile.
        large: The one that is not.
        calls: How many.
        kills: How often small is killed.
        stops: How often it is stopped.
    """
    truth = {question: asked(small, question) for question in QUESTIONS}
    router, threshold = _router([each.score for each in truth.values()])
    tally, over, begun = LookTally(), threading.Event(), time.monotonic()
    callers = Callers(small, large, router)
    judge = Judge(truth, threshold, tally)
    breaking = threading.Thread(target=_break, args=(small, callers.busy, tally, over, calls, kills, stops))
    breaking.start()
    try:
        asyncio.run(_ask(callers, judge, calls))
    finally:
        over.set()
        breaking.join()
    tally.seconds = round(time.monotonic() - begun, 1)
    tally.threads_left = threads_left()
    return tally


class Judge:
    """Compares what was shown with what is true.

    Args:
        truth: By question what small says.
        threshold: The score from which on its answer is kept.
        tally: Where it is noted.
    """

    def __init__(self, truth: dict[str, Truth], threshold: float, tally: LookTally) -> None:
        self._truth, self._threshold, self.tally = truth, threshold, tally
        self._lock = threading.Lock()

    def note(self, way: int, question: str, told: Told | None, error: BaseException | None) -> float:
        """Note one call, by the number of its way; return how long to wait before the next."""
        with self._lock:
            self.tally.calls += 1
            if told is None:
                self.tally.lost[f"{type(error).__name__}: {str(error)[:160]}"] += 1
                return PAUSE
            wrong = self._wrong(question, *told)
            if wrong:
                self.tally.wrong.append(f"{way}: {question}: {wrong}")
            if told[1] is None:
                self.tally.texts += 1
            else:
                self.tally.reasons[told[1]["reason"]] += 1
            return PAUSE if told[1] and told[1]["reason"] in ("fallback", "cooldown") else 0.0

    def _wrong(self, question: str, text: str, record: dict[str, Any] | None) -> str:
        truth = self._truth[question]
        says = {"small": truth.text.strip(), "large": LARGE_SAYS}
        text = text.strip()
        if record is None:
            return "" if text in says.values() else f"is the text of neither: {text!r}"
        route, reason, look = record["route"], record["reason"], record["look"] or {}
        if text != says[route]:
            return f"{route} is named, and the text is {text!r}"
        if (route == "small") != (reason == "kept"):
            return f"{route} answers, and the reason is {reason}"
        known = {
            "kept": [("small", True, False)],
            "escalated": [("small", False, False), ("large", True, False)],
            "rejected": [("small", False, False), ("large", True, False)],
            "fallback": [("small", False, True), ("large", True, False)],
            "cooldown": [("large", True, False)],
        }
        made = [(each["route"], each["kept"], each["error"] is not None) for each in record["attempts"]]
        if made != known.get(reason):
            return f"{reason}, and the calls are {made}"
        if reason in ("kept", "escalated"):
            mean = look["signals"].get("mean_logprob")
            if mean is None:  # true of an answer to a second try, after a server that is being stopped said 400
                self.tally.unseen += 1
                return "" if reason == "escalated" else f"{reason}, and no log-probabilities were seen"
            if abs(math.exp(mean) - truth.score) > NEAR:
                return f"its mean log-probability is {mean}, and the server's {math.log(truth.score)}"
            if abs(truth.score - self._threshold) > NEAR and (truth.score > self._threshold) != (reason == "kept"):
                return f"{reason} at {truth.score}, and the threshold is {self._threshold}"
        return ""


async def _ask(callers: Callers, judge: Judge, calls: int) -> None:
    in_threads = [
        asyncio.to_thread(_many, callers.sync(), judge, range(first, calls // 2, THREADS)) for first in range(THREADS)
    ]
    in_tasks = [
        _amany(callers.asynchronous(), judge, range(calls // 2 + first, calls, TASKS)) for first in range(TASKS)
    ]
    await asyncio.gather(*in_threads, *in_tasks)
    await callers.close()


def _many(ways: list[Callable[[str], Told]], judge: Judge, numbers: range) -> None:
    for turn, number in enumerate(numbers):
        question, told, error = QUESTIONS[number % len(QUESTIONS)], None, None
        try:
            told = ways[turn % len(ways)](question)
        except Exception as raised:  # noqa: BLE001 - whatever it is, it is counted
            error = raised
        time.sleep(judge.note(turn % len(ways), question, told, error))


async def _amany(ways: list[Callable[[str], Awaitable[Told]]], judge: Judge, numbers: range) -> None:
    for turn, number in enumerate(numbers):
        question, told, error = QUESTIONS[number % len(QUESTIONS)], None, None
        try:
            told = await ways[turn % len(ways)](question)
        except Exception as raised:  # noqa: BLE001 - as above
            error = raised
        await asyncio.sleep(judge.note(turn % len(ways), question, told, error))


def _break(
    small: LlamaServer, busy: Busy, tally: LookTally, over: threading.Event, calls: int, kills: int, stops: int
) -> None:
    """Kill or stop the small server, and start it again, spread over the run."""
    while (done := tally.kills + tally.stops) < kills + stops and not over.is_set():
        if tally.calls < (done + 0.5) * calls / (kills + stops + 1):
            over.wait(0.02)
            continue
        for _ in range(100):  # in the middle of an answer, if there is one soon
            if busy.n:
                over.wait(0.03)
            if busy.n:
                break
            over.wait(0.01)
        tally.in_the_middle += busy.n > 0
        if tally.kills < kills and (done % 2 == 0 or tally.stops == stops):
            small.kill()
            tally.kills += 1
        else:
            small.stop()
            tally.stops += 1
        over.wait(0.2)
        small.start()


def _router(scores: list[float]) -> tuple[Router, float]:
    """Return a router whose look keeps the surer half of the answers, and the threshold of that."""
    found = np.array(scores)
    ladder, ones = Ladder.level(found), np.ones(len(found))
    measured = PathCalibration.of(ladder, None, found, ones.astype(bool), ones)
    look = SecondLook("logprobs", Bound("tiny-random"), {(LOGPROBS,): LookPath(logprobs_head(), ladder, measured)})
    router = Router(FixedScorer(0.9), looks={"logprobs": look})
    return router, look.plan(Level("cost_advantage", 0.5)).cuts[look.columns][0]


def _message(message: Any) -> Told:
    return str(message.text), message.response_metadata["hybrid"]


def _added(chunks: list[Any]) -> Any:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def _response(response: Any) -> Told:
    return str(response.message.content), response.additional_kwargs["hybrid"]


def _streamed(chunks: list[Any]) -> Told:
    return "".join(chunk.delta or "" for chunk in chunks), chunks[-1].additional_kwargs["hybrid"]
