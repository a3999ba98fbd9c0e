"""A small server that is killed, hangs and comes back, under query engines and agents: nothing is lost or glued."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.schema import TextNode
from llama_index.core.tools import FunctionTool
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike
from ollama import AsyncClient, Client

from hybrid_llm.dispatch import Breaker, PairState
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM, HybridRoutingEvent
from tests.live._chaos import ChaosServers
from tests.live.conftest import LARGE_SAYS, SMALL_SAYS
from tests.llamaindex._arms import Events

pytestmark = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the framework's agents read deprecated attributes
]
COOLDOWN = 0.5
PATIENCE = 5.0
INDEX = SummaryIndex([TextNode(text="Toronto lies on Lake Ontario.")])
Make = Callable[..., HybridLLM]


@pytest.fixture
async def make(chaos: ChaosServers, http: dict[str, Any]) -> AsyncIterator[Make]:
    """Makes hybrids of both servers' models, with a breaker that tests can wait for, and closes their connections."""
    async with AsyncClient(chaos.ollama) as async_client:
        with Client(chaos.ollama) as client:

            def hybrid(**of_small: Any) -> HybridLLM:
                settings = {"model": "tiny-small", "context_window": 2048, **of_small}
                large = OpenAILike(
                    model="tiny-large",
                    api_base=chaos.openai,
                    api_key="none",
                    is_chat_model=True,
                    is_function_calling_model=True,
                    context_window=2048,
                    http_client=http["sync"],
                    async_http_client=http["async"],
                )
                small = Ollama(client=client, async_client=async_client, **settings)
                state = PairState({"small": Breaker(cooldown=COOLDOWN), "large": Breaker()})
                return HybridLLM(small, large, FixedScorer(0.9), threshold=0.5, small_timeout=PATIENCE, state=state)

            yield hybrid


def reasons(events: Events) -> list[str]:
    return [event.decision["reason"] for event in events.of(HybridRoutingEvent)]


def memory() -> ChatMemoryBuffer:
    return ChatMemoryBuffer.from_defaults(token_limit=2000)


async def test_query_engines_go_on_when_small_is_killed(chaos: ChaosServers, make: Make) -> None:
    llm = make()
    engine, streaming = INDEX.as_query_engine(llm), INDEX.as_query_engine(llm, streaming=True)
    assert str(engine.query("one")).strip() == SMALL_SAYS
    chaos.kill_small()
    with Events() as events:
        answers = [str(engine.query("two")), str(await engine.aquery("two"))]
        answers.append("".join(streaming.query("two").response_gen))
        answers.append(str(engine.query("two")))
    chaos.bring_small_back()
    assert [answer.strip() for answer in answers] == [LARGE_SAYS] * 4
    assert reasons(events) == ["score", "fallback"] * 3 + ["cooldown"]
    time.sleep(COOLDOWN)
    assert str(engine.query("three")).strip() == SMALL_SAYS
    assert not llm._routing.pair.state.breakers["small"].open


async def test_an_index_can_be_set_up_while_small_is_down(chaos: ChaosServers, make: Make) -> None:
    chaos.kill_small()
    try:
        llm = make(context_window=-1)  # Ollama would ask its server
        assert llm.metadata.is_function_calling_model
        assert str(INDEX.as_query_engine(llm).query("one")).strip() == LARGE_SAYS
    finally:
        chaos.bring_small_back()
    assert make(context_window=-1).metadata.context_window > 0


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_small_hangs_and_goes_on(asynchronous: bool, chaos: ChaosServers, make: Make) -> None:
    llm = make()
    engine = INDEX.as_query_engine(llm)
    engine.query("warm")
    chaos.hang_small()
    try:
        start = time.monotonic()
        answer = await engine.aquery("one") if asynchronous else engine.query("one")
        unknown = make(context_window=-1).metadata
        took = time.monotonic() - start
    finally:
        chaos.thaw_small()
    assert str(answer).strip() == LARGE_SAYS
    assert unknown.context_window > 0
    assert took < 2 * PATIENCE + 5
    assert str(engine.query("two")).strip() == SMALL_SAYS


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_small_is_killed_during_a_stream(asynchronous: bool, chaos: ChaosServers, make: Make) -> None:
    """The random model talks at length, so that there is time to kill it."""
    talkative = {"num_predict": 20_000, "num_ctx": 8192, "temperature": 0}
    llm = make(model="tiny-random", context_window=8192, additional_kwargs=talkative)
    texts: list[str] = []
    lost = pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnect|reset|terminated")
    try:
        if asynchronous:
            astream = await llm.astream_chat([ChatMessage("Tell me a story.")])
            texts.append((await anext(astream)).delta or "")
            chaos.kill_small()
            with lost:
                texts += [chunk.delta or "" async for chunk in astream]
        else:
            stream = llm.stream_chat([ChatMessage("Tell me a story.")])
            texts.append(next(stream).delta or "")
            chaos.kill_small()
            with lost:
                texts += [chunk.delta or "" for chunk in stream]
    finally:
        chaos.bring_small_back()
    assert LARGE_SAYS not in "".join(texts)


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_agent_finishes_its_run_when_small_dies_between_its_steps(
    streaming: bool, chaos: ChaosServers, make: Make
) -> None:
    def get_current_weather(city: str) -> str:
        """Look up the weather in a city, and take the small server down."""
        chaos.kill_small()
        return f"sunny in {city}"

    llm = make()
    agent = FunctionAgent(tools=[FunctionTool.from_defaults(get_current_weather)], llm=llm, streaming=streaming)
    talk = memory()
    try:
        with Events() as events:
            answer = await agent.run("What is the weather like in Toronto?", memory=talk)
    finally:
        chaos.bring_small_back()
    assert str(answer).strip() == LARGE_SAYS
    assert str(answer.tool_calls[0].tool_output) == "sunny in Toronto"
    assert reasons(events) == ["score", "score", "fallback"]
    agent.tools = [FunctionTool.from_defaults(lambda city: f"sunny in {city}", name="get_current_weather")]
    again = await agent.run("And what will the weather be like in Lima tomorrow?", memory=talk)
    assert str(again).strip() == SMALL_SAYS


async def test_three_hundred_calls_through_it_all(chaos: ChaosServers, make: Make) -> None:
    """Threads and an event loop ask at once while the small server dies and comes back, again and again."""
    llm = make()
    engine = INDEX.as_query_engine(llm)
    over = threading.Event()

    def trouble() -> None:
        for seconds in (0.3, 1.0, 2.0):
            over.wait(seconds)
            chaos.kill_small()
            over.wait(COOLDOWN)
            chaos.bring_small_back()

    async def four(number: int) -> list[str]:
        chats = [llm.achat([ChatMessage(f"question {number}")]), llm.acomplete(f"prompt {number}")]
        chat, completion = await asyncio.gather(*chats)
        answered = await engine.aquery(f"query {number}")
        threaded = await asyncio.to_thread(llm.chat, [ChatMessage(f"thread {number}")])
        marked = [
            (r.additional_kwargs["hybrid"]["route"], text)
            for r, text in (
                (chat, str(chat.message.content)),
                (completion, str(completion)),
                (threaded, str(threaded.message.content)),
            )
        ]
        says = {"small": SMALL_SAYS, "large": LARGE_SAYS}
        assert all(says[route] == text.strip() for route, text in marked)
        return [*(text.strip() for _, text in marked), str(answered).strip()]

    breaking = threading.Thread(target=trouble)
    breaking.start()
    with Events() as events:
        try:
            answers = [
                text
                for start in range(0, 75, 3)
                for texts in await asyncio.gather(*(four(start + i) for i in range(3)))
                for text in texts
            ]
        finally:
            over.set()
            breaking.join()
    said = Counter(answers)
    assert said.total() == 300
    assert set(said) <= {SMALL_SAYS, LARGE_SAYS}
    seen = Counter(reasons(events))
    assert set(seen) <= {"score", "fallback", "cooldown"}
    assert seen["fallback"] >= 1
    time.sleep(COOLDOWN)
    assert str(engine.query("and now")).strip() == SMALL_SAYS
