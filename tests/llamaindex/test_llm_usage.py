"""What the calls behind an answer used and cost, as the answer and the observers say it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.prompts import PromptTemplate

from hybrid_llm.event import RequestEvent, Usage
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid._answers import used
from llamaindex_hybrid.testing import FakeLLM
from tests.llamaindex._arms import WAYS, Way

every_way = pytest.mark.parametrize("way", WAYS, ids=str)
PRICES = {"small": (0, 0), "large": (2, 10)}


def hybrid(**options: Any) -> HybridLLM:
    scorer = FixedScorer({"easy": 0.9}, default=0.1)
    return HybridLLM(FakeLLM(model="small"), FakeLLM(model="large"), scorer, threshold=0.5, prices=PRICES, **options)


@every_way
async def test_an_answer_says_what_each_call_for_it_used_and_cost(way: Way) -> None:
    events: list[RequestEvent] = []
    response = await way.ask(hybrid(observers=[events.append]), "chat", [ChatMessage("a hard one")])
    for notes in (response.additional_kwargs, response.message.additional_kwargs):
        (attempt,) = notes["hybrid"]["attempts"]
        assert (attempt["model"], attempt["input_tokens"], attempt["output_tokens"]) == ("large", 3, 2)
        assert attempt["cost_usd"] == pytest.approx((3 * 2 + 2 * 10) / 1e6)
        assert attempt == events[0].attempts[0].as_dict()


@every_way
async def test_a_method_that_returns_a_text_tells_its_observers_what_it_used(way: Way) -> None:
    events: list[RequestEvent] = []
    await way.ask(hybrid(observers=[events.append]), "predict", PromptTemplate("{query_str}"), query_str="easy")
    ((attempt,),) = [event.attempts for event in events]
    assert (attempt.model, attempt.input_tokens, attempt.output_tokens, attempt.cost_usd) == ("small", 1, 2, 0.0)


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"prompt_eval_count": 9, "eval_count": 4, "model": "q"}, Usage(9, 4, model="q")),
        (
            SimpleNamespace(
                model="gpt-4o",
                usage=SimpleNamespace(
                    prompt_tokens=9, completion_tokens=4, prompt_tokens_details=SimpleNamespace(cached_tokens=8)
                ),
            ),
            Usage(9, 4, 8, model="gpt-4o"),
        ),
        ({"usage": {"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": 7}}, Usage(9, 4, 7)),
        ({}, Usage()),
    ],
    ids=["Ollama", "OpenAI", "Anthropic", "says nothing"],
)
def test_the_words_of_each_provider_are_read(raw: Any, usage: Usage) -> None:
    assert used(ChatResponse(message=ChatMessage("4"), raw=raw)) == usage


def test_the_newest_word_of_a_stream_counts() -> None:
    first = used(ChatResponse(message=ChatMessage(""), raw={"usage": {"input_tokens": 9, "output_tokens": 1}}))
    last = used(ChatResponse(message=ChatMessage("4"), raw={"usage": {"output_tokens": 15}}), first)
    assert last == Usage(9, 15)


def test_an_answer_without_the_servers_own_is_unknown() -> None:
    assert used(ChatResponse(message=ChatMessage("4"))) is None
