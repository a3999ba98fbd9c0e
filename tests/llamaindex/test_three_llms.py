"""An LLM whose arm is a pair: the decision of each step, every call, levels and privacy."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool

from hybrid_llm.errors import PrivateError
from hybrid_llm.event import RequestEvent
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM, hybrid_quality
from llamaindex_hybrid.testing import FakeLLM
from tests.llamaindex._arms import WAYS, Way

every_way = pytest.mark.parametrize("way", WAYS, ids=str)
QUERIES = ["an easy one to begin with", "a middling one that is longer", "a hard one, as hard as they come"]
EASY, MIDDLING, HARD = QUERIES


def inner_of(small: Any = None, large: Any = None, **options: Any) -> HybridLLM:
    scorer = FixedScorer({EASY: 0.9, MIDDLING: 0.8}, default=0.1, id="inner")
    arms = small or FakeLLM(model="b"), large or FakeLLM(model="c")
    return HybridLLM(*arms, scorer, **{"threshold": 0.5, **options})


def three(inner: HybridLLM | None = None, **options: Any) -> HybridLLM:
    scorer = FixedScorer({EASY: 0.9}, default=0.1, id="outer")
    return HybridLLM(FakeLLM(model="a"), inner or inner_of(), scorer, **{"threshold": 0.5, **options})


def user(text: str) -> list[ChatMessage]:
    return [ChatMessage(text)]


def steps(answer: Any) -> list[tuple[Any, ...]]:
    found = answer.additional_kwargs["hybrid"]["steps"]
    return [(one["route"], one["score"], one["threshold"], one["reason"], one["model"]) for one in found]


def attempts(answer: Any) -> list[tuple[str, str, bool]]:
    return [(one["route"], one["model"], one["kept"]) for one in answer.additional_kwargs["hybrid"]["attempts"]]


@every_way
async def test_the_decision_of_each_step_is_on_the_answer_outermost_first(way: Way) -> None:
    easy, middling, hard = [await way.ask(three(), "chat", user(query)) for query in QUERIES]
    assert [answer.message.content for answer in (easy, middling, hard)] == ["from a", "from b", "from c"]
    assert steps(easy) == [("small", 0.9, 0.5, "score", "a")]
    assert steps(middling) == [("large", 0.1, 0.5, "score", "b or c"), ("small", 0.8, 0.5, "score", "b")]
    assert steps(hard) == [("large", 0.1, 0.5, "score", "b or c"), ("large", 0.1, 0.5, "score", "c")]
    assert [attempts(answer)[0][:2] for answer in (easy, middling, hard)] == [
        ("small", "a"),
        ("large", "b"),
        ("large", "c"),
    ]
    assert steps(await way.ask(three(), "complete", HARD)) == steps(hard)


@every_way
async def test_no_call_of_the_inner_pair_is_lost_and_each_pair_tells_its_own_observers(way: Way) -> None:
    outer: list[RequestEvent] = []
    inner: list[RequestEvent] = []
    below = inner_of(check=lambda query, answer: False, observers=[inner.append])
    answer = await way.ask(three(below, observers=[outer.append]), "chat", user(MIDDLING))
    assert attempts(answer) == [("large", "b", False), ("large", "c", True)]
    assert [step[3] for step in steps(answer)] == ["score", "rejected"]
    (above,), (beneath,) = outer, inner
    assert [(one.route, one.model, one.kept) for one in above.attempts] == attempts(answer)
    assert [(one.route, one.model, one.kept) for one in beneath.attempts] == [
        ("small", "b", False),
        ("large", "c", True),
    ]
    tokens = [[(one.input_tokens, one.output_tokens) for one in event.attempts] for event in (above, beneath)]
    assert tokens[0] == tokens[1]
    assert all(None not in pair for pair in tokens[0])


@every_way
async def test_a_level_or_a_route_is_for_the_outermost_pair(way: Way) -> None:
    llm = three()
    for options in ({"route": "large"}, {"threshold": 2.0}):
        answers = [await way.ask(llm, "chat", user(query), **options) for query in QUERIES]
        assert [answer.message.content for answer in answers] == ["from b", "from b", "from c"]
    with hybrid_quality(threshold=2.0):
        assert llm.chat(user(EASY)).message.content == "from b"
    assert llm.with_quality(threshold=2.0).chat(user(EASY)).message.content == "from b"


@every_way
async def test_a_private_call_never_reaches_the_inner_large_model(way: Way) -> None:
    nobody = FakeLLM(model="c", error=AssertionError("c was asked"))
    answer = await way.ask(three(inner_of(large=nobody)), "chat", user(HARD), private=True)
    assert (answer.message.content, steps(answer)[0][3]) == ("from a", "private")
    pair_first = HybridLLM(inner_of(large=nobody), nobody, FixedScorer(0.1), threshold=0.5, local_hosts=["*"])
    answer = await way.ask(pair_first, "chat", user(HARD), private=True)
    assert (answer.message.content, [step[3] for step in steps(answer)]) == ("from b", ["private", "private"])
    with pytest.raises(PrivateError, match="Nothing tells where small"):
        HybridLLM(inner_of(), nobody, FixedScorer(0.1), threshold=0.5).chat(user(HARD), private=True)


def test_each_pair_keeps_its_own_decision_in_a_follow_up() -> None:
    llm = three()
    for query, name in ((MIDDLING, "from b"), (HARD, "from c")):
        first = llm.chat(user(query))
        again = llm.chat([*user(query), first.message, *user("yes, do it")])
        assert again.message.content == name
        assert [step[3] for step in steps(again)] == ["follow_up", "follow_up"]


def test_when_the_middle_model_is_down_the_inner_pair_goes_on() -> None:
    llm = three(inner_of(FakeLLM(model="b", error=ConnectionError("down"))))
    with pytest.warns(UserWarning, match="small is down"):
        answer = llm.chat(user(MIDDLING))
    assert [step[3] for step in steps(answer)] == ["score", "fallback"]
    assert attempts(answer) == [("large", "b", False), ("large", "c", True)]


def test_tools_and_templates_go_all_the_way_down() -> None:
    def weather(city: str) -> str:
        """Say what the weather is like."""
        return f"sunny in {city}"

    llm = three()
    called = llm.chat_with_tools([FunctionTool.from_defaults(weather)], MIDDLING)
    assert [call.tool_name for call in llm.get_tool_calls_from_response(called)] == ["weather"]
    assert [step[4] for step in steps(called)] == ["b or c", "b"]
    answers = [llm.predict(PromptTemplate("Answer: {query_str}"), query_str=query) for query in QUERIES]
    assert answers == ["from a", "from b", "from c"]
