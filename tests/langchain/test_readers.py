"""Who reads tokens by callbacks sees one answer of a chat model and of a chain, also where they are not streamed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, RunnableHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._held import message_of
from tests.langchain._ways import Recorder, Way, by_abatch, by_ainvoke, by_astream, by_batch, by_invoke, by_stream
from tests.looks import LEVEL, UNSURE, Said, router_with, untrained
from tests.scenarios import EASY

whole = pytest.mark.parametrize("way", [by_invoke, by_ainvoke, by_batch, by_abatch])
RESET = ConnectionResetError("connection reset")


def chat(**options: Any) -> Any:
    small, large = FakeChatModel(model="small", error=RESET, fails_after=1), FakeChatModel(model="large")
    return ChatHybrid(small, large, FixedScorer(0.9), threshold=0.5, **options)


def chain(after: Callable[[Any], Any] = lambda message: message) -> Any:
    arms = chat()
    return RunnableHybrid(
        *(arm | RunnableLambda(after) for arm in (arms.small, arms.large)), arms.router, threshold=0.5
    )


def models() -> Any:
    arms = chat()
    return RunnableHybrid(arms.small, arms.large, arms.router, threshold=0.5)


class Tracing(BaseCallbackHandler):
    """Keeps the time of the first token, as Langfuse's handler does."""

    def on_llm_new_token(self, *_: Any, **__: Any) -> None:
        pass


Tracing.__module__ = "langfuse.langchain.CallbackHandler"


@covering(whole, pytest.mark.parametrize("made", [chat, chain, models]), times=2)
async def test_a_half_answer_that_was_read_is_an_error_and_no_second_half_follows(made: Any, way: Way) -> None:
    recorder = Recorder()
    with pytest.raises(ConnectionResetError):
        await way(made(), [EASY], {"callbacks": [recorder]})
    assert recorder.tokens == ["from "]


@covering(whole, pytest.mark.parametrize("made", [chat, chain, models]), times=1)
async def test_where_nobody_reads_tokens_a_half_answer_is_thrown_away_and_large_answers(made: Any, way: Way) -> None:
    (answer,) = await way(made(), [EASY], {"callbacks": [UsageMetadataCallbackHandler(), Tracing()]})
    assert answer.text == "from large"


@pytest.mark.parametrize("way", [by_stream, by_astream])
async def test_a_chain_that_shows_nothing_before_its_end_is_no_other_matter(way: Way) -> None:
    recorder = Recorder()
    with pytest.raises(ConnectionResetError):
        await way(chain(), [EASY], {"callbacks": [recorder]})
    assert recorder.tokens == ["", "from "]


def test_a_graph_that_streams_its_messages_shows_one_answer() -> None:
    hybrid, shown = models(), list[str]()
    graph: Any = StateGraph(MessagesState)
    graph.add_node("answer", lambda state: {"messages": [hybrid.invoke(state["messages"])]})
    stream = graph.add_edge(START, "answer").compile().stream({"messages": [("user", EASY)]}, stream_mode="messages")
    with pytest.raises(ConnectionResetError):
        shown.extend(message.content for message, _ in stream)
    assert "".join(shown) == "from "


@pytest.mark.parametrize("way", [by_invoke, by_ainvoke])
async def test_small_that_fails_before_its_first_token_is_replaced_whoever_reads(way: Way) -> None:
    recorder, hybrid = Recorder(), chat()
    hybrid.small.fails_after = 0
    (answer,) = await way(hybrid, [EASY], {"callbacks": [recorder]})
    assert answer.text == "from large"


@whole
@pytest.mark.parametrize("kind", [ChatHybrid, RunnableHybrid])
async def test_no_answer_that_was_held_back_follows_on_half_of_larges(kind: Any, way: Way) -> None:
    def hybrid() -> Any:
        small = FakeChatModel(model="small", provider="ollama", says=lambda _: message_of(Said(sure=UNSURE)))
        large = FakeChatModel(model="large", error=RESET, fails_after=1)
        look = {"second_look": "logprobs", "fallback_to_small": True, **LEVEL}
        return kind(small, large, router_with(untrained()), **look)

    recorder = Recorder()
    with pytest.raises(ConnectionResetError):
        await way(hybrid(), [EASY], {"callbacks": [recorder]})
    assert recorder.tokens == ["from "]
    (unread,) = await way(hybrid(), [EASY])
    assert (unread.text, unread.response_metadata["hybrid"]["reason"]) == ("Lima.", "fallback")
