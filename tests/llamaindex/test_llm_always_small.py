"""``threshold=0`` means small: also where the framework asks for itself, and where a prompt is long."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import CondensePlusContextChatEngine, CondenseQuestionChatEngine
from llama_index.core.extractors import KeywordExtractor, SummaryExtractor
from llama_index.core.ingestion import run_transformations
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.postprocessor import LLMRerank
from llama_index.core.prompts import PromptTemplate
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from llamaindex_hybrid import HybridLLM, HybridRoutingEvent, hybrid_quality
from llamaindex_hybrid._requests import LONGEST_QUESTION
from llamaindex_hybrid.testing import FakeLLM
from tests.covering import covering
from tests.llamaindex._arms import WAYS, Events, Way, hybrid

every_way = pytest.mark.parametrize("way", WAYS, ids=str)
LONG = "long " * LONGEST_QUESTION
NODES = [NodeWithScore(node=TextNode(text="Lima is the capital of Peru."))]
INDEX = SummaryIndex([TextNode(text="Lima is the capital of Peru.")])
TALK = [ChatMessage("hard"), ChatMessage("Lima.", role="assistant")]


def large_reader(**options: Any) -> HybridLLM:
    """A hybrid whose arms read long prompts."""
    windows = {"context_window": 100_000}
    return hybrid(FakeLLM(model="small", **windows), FakeLLM(model="large", **windows), **options)


PLACES = {
    "the constructor": lambda: large_reader(threshold=0),
    "with_quality": lambda: large_reader(threshold=0.5).with_quality(threshold=0),
    "a background of its own": lambda: large_reader(threshold=0, background="large"),
}
every_place = pytest.mark.parametrize("make", PLACES.values(), ids=PLACES)


def memory() -> ChatMemoryBuffer:
    return ChatMemoryBuffer.from_defaults(token_limit=4000)


def condense(kind: Any, llm: HybridLLM) -> None:
    made_of = {"query_engine": INDEX.as_query_engine(llm=llm)} if "Question" in kind.__name__ else {}
    made_of = made_of or {"retriever": INDEX.as_retriever()}
    engine = kind.from_defaults(**made_of, llm=llm, memory=memory())
    engine.chat("What is the capital of Peru called?", chat_history=TALK)


ERRANDS: dict[str, Any] = {
    "condensing a question": lambda llm: condense(CondenseQuestionChatEngine, llm),
    "condensing, with the documents": lambda llm: condense(CondensePlusContextChatEngine, llm),
    "keywords": lambda llm: run_transformations(
        [NODES[0].node], [KeywordExtractor(llm=llm, show_progress=False), SummaryExtractor(llm=llm)]
    ),
    "reranking": lambda llm: LLMRerank(
        llm=llm, parse_choice_select_answer_fn=lambda *args: ([1], [1.0])
    ).postprocess_nodes(NODES, QueryBundle("hard")),
    "more queries": lambda llm: QueryFusionRetriever(
        [INDEX.as_retriever()], llm=llm, num_queries=2, use_async=False
    ).retrieve("hard"),
}
every_errand = pytest.mark.parametrize("errand", ERRANDS.values(), ids=ERRANDS)


@covering(every_place, every_errand, times=2)
async def test_what_the_framework_asks_for_itself_goes_to_small(make: Any, errand: Any) -> None:
    llm = make()
    with Events() as events:
        errand(llm)
    routes = [event.decision["route"] for event in events.of(HybridRoutingEvent)]
    assert routes
    assert set(routes) == {"small"}
    assert not llm.large.asked


@every_errand
def test_so_it_does_inside_hybrid_quality(errand: Any) -> None:
    llm = large_reader(threshold=0.5)
    with hybrid_quality(threshold=0):
        errand(llm)
    assert not llm.large.asked


@covering(every_way, every_place, times=2)
async def test_a_long_completion_goes_to_small(way: Way, make: Any) -> None:
    answer = await way.ask(make(), "complete", LONG)
    assert (answer.text, answer.additional_kwargs["hybrid"]["reason"]) == ("from small", "no_text")


@every_way
async def test_the_level_of_the_call_counts_too(way: Way) -> None:
    llm = large_reader(threshold=0.5)
    assert (await way.ask(llm, "complete", LONG, threshold=0)).text == "from small"
    assert (await way.ask(llm, "complete", LONG)).text == "from large"
    talk = [ChatMessage("system only", role="system")]
    assert (await way.ask(llm, "chat", talk, threshold=0)).message.content == "from small"


@every_way
async def test_what_small_cannot_read_is_still_larges(way: Way) -> None:
    llm = hybrid(FakeLLM(model="small", context_window=500), FakeLLM(model="large", context_window=9**9), threshold=0)
    answer = await way.ask(llm, "complete", LONG)
    assert (answer.text, answer.additional_kwargs["hybrid"]["reason"]) == ("from large", "context")


@every_way
async def test_threshold_2_means_large_although_small_has_the_background(way: Way) -> None:
    llm = large_reader(threshold=2, background="small")
    assert (await way.ask(llm, "complete", LONG)).text == "from large"
    template = PromptTemplate("Keywords of: {text}")
    assert "".join(await way.all_of(llm, "predict", template, text="Lima")) == "from large"
