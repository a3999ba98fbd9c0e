"""A pair whose arm is a pair: the decision of each step, every call, levels and privacy."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from pydantic import BaseModel

from hybrid_llm import Router, private
from hybrid_llm.errors import PrivateError
from hybrid_llm.event import RequestEvent
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, HybridRouterMiddleware, RunnableHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._ways import Way, every_way

QUERIES = ["an easy one to begin with", "a middling one that is longer", "a hard one, as hard as they come"]
EASY, MIDDLING, HARD = QUERIES


def model(name: str, **options: Any) -> FakeChatModel:
    return FakeChatModel(model=name, provider=name, **options)


def inner_of(small: Any = None, large: Any = None, **options: Any) -> ChatHybrid:
    scorer = FixedScorer({EASY: 0.9, MIDDLING: 0.8}, default=0.1, id="inner")
    return ChatHybrid(small or model("b"), large or model("c"), scorer, **{"threshold": 0.5, **options})


def three(inner: ChatHybrid | None = None, **options: Any) -> ChatHybrid:
    scorer = FixedScorer({EASY: 0.9}, default=0.1, id="outer")
    return ChatHybrid(model("a"), inner or inner_of(), scorer, **{"threshold": 0.5, **options})


def steps(message: AIMessage) -> list[tuple[Any, ...]]:
    return [
        (step["route"], step["score"], step["threshold"], step["reason"], step["model"])
        for step in message.response_metadata["hybrid"]["steps"]
    ]


def attempts(message: AIMessage) -> list[tuple[str, str, bool]]:
    made = message.response_metadata["hybrid"]["attempts"]
    return [(one["route"], one["model"], one["kept"]) for one in made]


@every_way
async def test_the_decision_of_each_step_is_on_the_answer_outermost_first(way: Way) -> None:
    easy, middling, hard = await way(three(), QUERIES)
    assert [answer.text for answer in (easy, middling, hard)] == ["from a", "from b", "from c"]
    assert steps(easy) == [("small", 0.9, 0.5, "score", "a")]
    assert steps(middling) == [("large", 0.1, 0.5, "score", "b or c"), ("small", 0.8, 0.5, "score", "b")]
    assert steps(hard) == [("large", 0.1, 0.5, "score", "b or c"), ("large", 0.1, 0.5, "score", "c")]
    assert [attempts(answer) for answer in (easy, middling, hard)] == [
        [("small", "a", True)],
        [("large", "b", True)],
        [("large", "c", True)],
    ]
    assert hard.response_metadata["hybrid"]["route"] == "large"


async def test_a_pair_of_plain_models_has_no_steps() -> None:
    assert "steps" not in inner_of().invoke(HARD).response_metadata["hybrid"]


@every_way
async def test_no_call_of_the_inner_pair_is_lost_and_each_pair_tells_its_own_observers(way: Way) -> None:
    outer: list[RequestEvent] = []
    inner: list[RequestEvent] = []
    prices = dict.fromkeys("abc", (1000000.0, 1000000.0))
    below = inner_of(check=lambda query, answer: False, observers=[inner.append], prices=prices)
    (answer,) = await way(three(below, observers=[outer.append], prices=prices), [MIDDLING])
    assert answer.text == "from c"
    assert attempts(answer) == [("large", "b", False), ("large", "c", True)]
    assert [step[3] for step in steps(answer)] == ["score", "rejected"]
    (above,), (beneath,) = outer, inner
    assert [(one.route, one.model, one.kept) for one in above.attempts] == attempts(answer)
    assert [(one.route, one.model, one.kept) for one in beneath.attempts] == [
        ("small", "b", False),
        ("large", "c", True),
    ]
    for figure in ("input_tokens", "output_tokens", "cost_usd"):
        told = [[getattr(one, figure) for one in event.attempts] for event in (above, beneath)]
        assert told[0] == told[1]
        assert None not in told[0]
    assert (above.decision.router_id, beneath.decision.router_id) == ("outer", "inner")


@every_way
async def test_a_level_or_a_route_is_for_the_outermost_pair(way: Way) -> None:
    llm = three()
    assert [one.text for one in await way(llm, QUERIES, route="large")] == ["from b", "from b", "from c"]
    assert [one.text for one in await way(llm, QUERIES, threshold=2.0)] == ["from b", "from b", "from c"]
    chosen = {"configurable": {"hybrid_threshold": 2.0}}
    assert await way(RunnableLambda(lambda x: x) | llm | StrOutputParser(), QUERIES, chosen) == [
        "from b",
        "from b",
        "from c",
    ]


@every_way
async def test_a_private_request_never_reaches_the_inner_large_model(way: Way) -> None:
    nobody = FakeChatModel(model="c", error=AssertionError("c was asked"))
    llm = three(inner_of(large=nobody), private=lambda text: "hard" in text)
    (answer,) = await way(llm, [HARD])
    assert (answer.text, steps(answer)[0][3]) == ("from a", "private")
    pair_first = ChatHybrid(inner_of(large=nobody), nobody, FixedScorer(0.1), threshold=0.5, local_hosts=["*"])
    with private():
        (answer,) = await way(pair_first, [HARD])
    assert (answer.text, [step[3] for step in steps(answer)]) == ("from b", ["private", "private"])


def test_a_word_that_is_private_to_one_request_goes_down_to_the_small_of_small() -> None:
    pair_first = ChatHybrid(inner_of(), model("d"), FixedScorer(0.1), threshold=0.5, local_hosts=["*"])
    answer = pair_first.invoke(HARD, private=True)
    assert (answer.text, [step[3] for step in steps(answer)]) == ("from b", ["private", "private"])
    with pytest.raises(PrivateError, match="Nothing tells where small"):
        ChatHybrid(inner_of(), model("d"), FixedScorer(0.1), threshold=0.5).invoke(HARD, private=True)


def test_what_an_inner_step_was_private_for_stays_private_in_the_whole_conversation() -> None:
    llm = three(inner_of(private=lambda text: "hard" in text))
    first = llm.invoke(HARD)
    assert first.text == "from b"
    assert (
        llm.invoke([HumanMessage(HARD), first, HumanMessage("And what is the second hardest of them?")]).text
        == "from a"
    )


def test_each_pair_keeps_its_own_decision_in_a_follow_up() -> None:
    llm = three()
    for query, name, scores in ((MIDDLING, "from b", (0.1, 0.8)), (HARD, "from c", (0.1, 0.1))):
        first = llm.invoke(query)
        again = llm.invoke([HumanMessage(query), first, HumanMessage("yes, do it")])
        assert again.text == name
        assert [(step[1], step[3]) for step in steps(again)] == [(score, "follow_up") for score in scores]


def test_what_another_step_said_is_foreign_to_a_model_of_the_inner_pair() -> None:
    b = model("b")
    said = three().invoke(EASY)
    said.additional_kwargs["of_a"] = "its own"
    three(inner_of(b)).invoke([HumanMessage(EASY), said, HumanMessage(MIDDLING)])
    assert "of_a" not in b.asked[-1].messages[1].additional_kwargs


def test_when_the_middle_model_is_down_the_inner_pair_goes_on() -> None:
    llm = three(inner_of(model("b", error=ConnectionError("down"))))
    with pytest.warns(UserWarning, match="small is down"):
        answer = llm.invoke(MIDDLING)
    assert [step[3] for step in steps(answer)] == ["score", "fallback"]
    assert attempts(answer) == [("large", "b", False), ("large", "c", True)]


def test_tools_and_schemas_go_all_the_way_down() -> None:
    @tool
    def weather(city: str) -> str:
        """Say what the weather is like."""
        return f"sunny in {city}"

    class Topic(BaseModel):
        """A topic."""

        name: str

    called = three().bind_tools([weather]).invoke(MIDDLING)
    assert ([call["name"] for call in called.tool_calls], len(steps(called))) == (["weather"], 2)
    found = three().with_structured_output(Topic, include_raw=True).invoke(MIDDLING)
    assert isinstance(found["parsed"], Topic)
    assert [step[4] for step in steps(found["raw"])] == ["b or c", "b"]


def test_a_chain_and_an_agent_tell_the_steps_too() -> None:
    chain = RunnableHybrid(model("a"), inner_of(), FixedScorer({EASY: 0.9}, default=0.1), threshold=0.5)
    config = {"configurable": {"hybrid_threshold": 2.0}}
    assert [step[4] for step in steps(chain.invoke(EASY, config))] == ["b or c", "b"]
    middleware = HybridRouterMiddleware(model("a"), inner_of(), FixedScorer({EASY: 0.9}, default=0.1), threshold=0.5)
    agent = create_agent(model("d"), middleware=[middleware])
    last = agent.invoke({"messages": [("user", MIDDLING)]}, config)["messages"][-1]
    assert (last.text, [step[4] for step in steps(last)]) == ("from b", ["b or c", "b"])
    assert attempts(last) == [("large", "b", True)]


def test_three_pairs_make_three_steps() -> None:
    deep = three(inner_of(large=ChatHybrid(model("c"), model("d"), FixedScorer(0.7), threshold=0.5)))
    answer = deep.invoke(HARD)
    assert (answer.text, [step[4] for step in steps(answer)]) == ("from c", ["b or c or d", "c or d", "c"])
    assert attempts(answer) == [("large", "c", True)]


def test_copies_and_pickles_still_nest() -> None:
    router = Router.load()
    inner = ChatHybrid(model("b"), model("c"), router, cost_advantage=0.0)
    stored = pickle.dumps(ChatHybrid(model("a"), inner, router, cost_advantage=0.0))
    assert [step[4] for step in steps(pickle.loads(stored).invoke(HARD))] == ["b or c", "c"]
    assert three().model_copy(update={"threshold": 2.0}).invoke(EASY).text == "from b"


async def test_a_pair_beside_others_in_an_arm_is_found_and_the_arm_keeps_its_name() -> None:
    inner: Any = RunnableParallel(said=inner_of(), asked=RunnableLambda(lambda text: text))
    inner.name = "both"
    runs: list[str] = []
    outer = RunnableHybrid(model("a"), inner, FixedScorer(0.1), threshold=0.5)
    handler = {"callbacks": [_Names(runs)]}
    answer: Any = await outer.ainvoke(MIDDLING, {**handler, "configurable": {"hybrid_threshold": 1.0}})
    assert answer["said"].text == "from b"  # the level of the call is for the outer pair
    assert "both" in runs


class _Names(BaseCallbackHandler):
    def __init__(self, names: list[str]) -> None:
        self.names = names

    def on_chain_start(self, *_: Any, **options: Any) -> None:
        self.names.append(options["name"])
