"""HybridRouterMiddleware: who answers each step of an agent, and what it remembers of the run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

import langchain_hybrid
from hybrid_llm import Router
from hybrid_llm.decision import Decision
from hybrid_llm.errors import ConfigError, LevelError, MissingExtraError
from hybrid_llm.testing import FailingScorer, FixedScorer
from langchain_hybrid import HybridRouterMiddleware
from tests.langchain._agents import (
    Fake,
    Way,
    agent_of,
    answers,
    by_ainvoke,
    call,
    every_way,
    fakes,
    reasons,
    routes,
)

pytestmark = pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")

REFUSED = ConnectionRefusedError("connection refused")


@every_way
@pytest.mark.parametrize(("text", "route"), [("easy", "small"), ("hard", "large")])
async def test_each_query_goes_to_the_arm_that_the_score_says(
    way: Way, text: str, route: str, scorer: FixedScorer
) -> None:
    state = await way(agent_of(*fakes(), scorer), text)
    assert routes(state) == [route]
    decision = answers(state)[0].response_metadata["hybrid"]
    assert state["hybrid"] == decision
    assert Decision.from_dict(decision).threshold == 0.5


@every_way
async def test_one_decision_is_taken_for_the_whole_tool_loop(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call(), call(city="Cusco")]
    state = await way(agent_of(small, large, scorer), "easy")
    assert routes(state) == ["small"] * 3
    assert reasons(state) == ["score"] * 3
    assert scorer.calls == [["easy"]]
    assert [each["tools"][0]["function"]["name"] for each in small.bound] == ["get_weather"] * 3


@every_way
async def test_a_decision_at_each_step_follows_what_is_scored(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call()]
    large.replies = [call()]
    texts = iter(["easy", "hard", "easy"])
    agent = agent_of(small, large, scorer, scope="step", sticky=False, query=lambda messages: next(texts))
    state = await way(agent, "whatever")
    assert routes(state) == ["small", "large", "small"]
    assert scorer.calls == [["easy"], ["hard"], ["easy"]]


@every_way
async def test_decided_at_each_step_a_sticky_agent_never_comes_back_from_large(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call()]
    large.replies = [call()]
    texts = iter(["easy", "hard", "easy"])
    agent = agent_of(small, large, scorer, scope="step", query=lambda messages: next(texts))
    state = await way(agent, "whatever")
    assert routes(state) == ["small", "large", "large"]
    assert len(scorer.calls) == 2


@every_way
@pytest.mark.parametrize("scope", ["run", "step"])
async def test_when_small_dies_between_two_steps_large_finishes_the_run(
    way: Way, scope: str, scorer: FixedScorer
) -> None:
    small, large = fakes()
    small.replies = [call(), REFUSED]
    large.replies = [call()]
    state = await way(agent_of(small, large, scorer, scope=scope), "easy")
    assert routes(state) == ["small", "large", "large"]
    assert reasons(state) == ["score", "fallback", "follow_up"]
    assert state["hybrid"]["route"] == "large"
    assert len(small.asked) == 2  # and not a third time: once large, always large


@every_way
@pytest.mark.parametrize("scope", ["run", "step"])
async def test_an_agent_that_is_not_sticky_tries_small_again(way: Way, scope: str, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call(), REFUSED, "back"]
    large.replies = [call()]
    state = await way(agent_of(small, large, scorer, scope=scope, sticky=False), "easy")
    assert routes(state) == ["small", "large", "small"]
    assert reasons(state) == ["score", "fallback", "score"]
    assert len(scorer.calls) == (1 if scope == "run" else 3)


@every_way
async def test_after_three_failures_small_is_left_alone_by_every_run(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [REFUSED] * 3
    agent = agent_of(small, large, scorer)
    states = [await way(agent, "easy") for _ in range(4)]
    assert [reasons(state) for state in states] == [["fallback"]] * 3 + [["cooldown"]]
    assert len(small.asked) == 3


@every_way
async def test_when_the_scorer_dies_the_agent_goes_on_with_large(way: Way) -> None:
    scorer = FixedScorer(0.9)
    small, large = fakes()
    small.replies = [call()]
    agent = agent_of(small, large, Router(scorer), scope="step")
    scorer.score, works = FailingScorer().score, scorer.score  # type: ignore[method-assign]

    def die_after_one(queries: Any) -> Any:
        scorer.score = FailingScorer().score  # type: ignore[method-assign]
        return works(queries)

    scorer.score = die_after_one  # type: ignore[method-assign]
    with pytest.warns(UserWarning, match="The scorer failed"):
        state = await way(agent, "easy")
    assert routes(state) == ["small", "large"]
    assert reasons(state) == ["score", "scorer_error"]


@every_way
@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("bug")])
async def test_a_bug_is_raised_and_not_answered_by_large(way: Way, error: Exception, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [error]
    with pytest.raises(type(error)):
        await way(agent_of(small, large, scorer), "easy")
    assert large.asked == []


@every_way
async def test_without_failover_the_error_of_small_is_raised(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [REFUSED]
    with pytest.raises(ConnectionRefusedError):
        await way(agent_of(small, large, scorer, fallback_to_large=False), "easy")


@every_way
async def test_small_may_answer_when_large_is_down_and_large_is_tried_again(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    large.replies = [REFUSED]
    small.replies = [call()]
    state = await way(agent_of(small, large, scorer, fallback_to_small=True), "hard")
    assert routes(state) == ["small", "large"]
    assert reasons(state) == ["fallback", "score"]


@every_way
async def test_a_small_arm_that_hangs_is_given_up_on(way: Way, scorer: FixedScorer) -> None:
    hang = threading.Event()

    class Hanging(Fake):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            hang.wait(5)
            return super()._generate(*args, **kwargs)

    small, large = Hanging(name="small"), fakes()[1]
    state = await way(agent_of(small, large, scorer, small_timeout=0.05), "easy")
    hang.set()
    assert (routes(state), reasons(state)) == (["large"], ["fallback"])


@every_way
async def test_a_new_run_on_the_same_thread_is_decided_anew(way: Way, scorer: FixedScorer) -> None:
    long = "This is an easy one again, isn't it?"
    scorer.scores = {"hard": 0.1, long: 0.9}
    agent = agent_of(*fakes(), scorer, agent={"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": "1"}}
    await way(agent, "hard", config)
    state = await way(agent, long, config)
    assert routes(state) == ["large", "small"]
    assert reasons(state) == ["score", "score"]


@every_way
async def test_a_follow_up_keeps_the_arm_of_the_run_before(way: Way, scorer: FixedScorer) -> None:
    agent = agent_of(*fakes(), scorer, agent={"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": "1"}}
    await way(agent, "easy", config, context={"route": "large"})
    state = await way(agent, "yes, do it", config)
    assert routes(state) == ["large", "large"]
    assert reasons(state) == ["forced", "follow_up"]


@dataclass
class Wishes:
    quality: float | None = None
    cost_advantage: float | None = None
    threshold: float | None = None
    route: str | None = None
    user: str = "Ana"


class Model(BaseModel):
    quality: float | None = None


def in_config(**wishes: Any) -> dict[str, Any]:
    return {"config": {"configurable": {f"hybrid_{name}": value for name, value in wishes.items()}}}


@every_way
@pytest.mark.parametrize(
    ("wish", "route"),
    [
        ({}, "large"),
        ({"context": {"quality": 0.9}}, "small"),
        ({"context": {"quality": 1.0}}, "large"),
        ({"context": {"cost_advantage": 0.8}}, "small"),
        ({"context": {"threshold": 0.4, "user": "Ana"}}, "small"),
        ({"context": {"route": "small"}}, "small"),
        ({"context": Wishes(quality=0.9)}, "small"),
        ({"context": Wishes()}, "large"),
        ({"context": Model(quality=0.9)}, "small"),
        (in_config(quality=0.9), "small"),
        (in_config(cost_advantage=0.8), "small"),
        (in_config(threshold=0.4), "small"),
        (in_config(route="small"), "small"),
        (in_config(query="easy"), "small"),
        ({"context": {"quality": 1.0}, **in_config(quality=0.9)}, "large"),
        ({"context": {"quality": 0.9}, **in_config(threshold=2.0)}, "small"),
    ],
)
async def test_each_request_may_choose_its_level_by_context_or_config(
    way: Way, wish: dict[str, Any], route: str, router: Router
) -> None:
    small, large = fakes()
    (small if route == "small" else large).replies = [call()]
    agent = agent_of(small, large, router, threshold=None, quality=1.0)
    state = await way(agent, "middling", **wish)
    assert routes(state) == [route] * 2


@every_way
@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"context": {"quality": 1.5}}, "out of range"),
        ({"context": {"threshold": "high"}}, "out of range"),
        ({"context": Wishes(quality=0.9, threshold=0.5)}, "quality and threshold were given together"),
        ({"context": {"quality": 0.9, "cost_advantage": 0.5}}, "were given together"),
        ({"context": {"route": "medium"}}, "'small' or 'large'"),
        (in_config(quality=0.9, threshold=0.5), "were given together"),
        (in_config(cost_advantage=-1), "out of range"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_a_clear_error(
    way: Way, wish: dict[str, Any], says: str, router: Router
) -> None:
    with pytest.raises(LevelError, match=says):
        await way(agent_of(*fakes(), router), "easy", **wish)


@every_way
@pytest.mark.parametrize("wish", [{"quality": 0.7}, {"route": "large"}, {"threshold": 0.9}])
async def test_requests_choose_only_within_the_allowed_range(way: Way, wish: dict[str, Any], router: Router) -> None:
    agent = agent_of(*fakes(), router, threshold=None, quality=1.0, allowed=(0.9, 1.0))
    assert routes(await way(agent, "middling", context={"quality": 0.95})) == ["large"]
    assert routes(await way(agent, "middling", context={"quality": 0.9})) == ["small"]
    with pytest.raises(LevelError, match=r"may ask for quality 0.9 to 1"):
        await way(agent, "middling", context=wish)


@every_way
async def test_within_an_allowed_range_a_run_still_has_one_decision_and_stays_with_large(
    way: Way, scorer: FixedScorer
) -> None:
    small, large = fakes()
    small.replies = [call(), REFUSED]
    large.replies = [call()]
    state = await way(agent_of(small, large, scorer, allowed=(0.4, 0.6)), "easy")
    assert routes(state) == ["small", "large", "large"]
    assert scorer.calls == [["easy"]]


@every_way
async def test_a_caller_cannot_write_the_decision_into_the_state(way: Way, scorer: FixedScorer) -> None:
    wish = Decision("large", reason="score", router_id="fixed").as_dict()
    state = await way(agent_of(*fakes(), scorer), {"messages": [HumanMessage("easy")], "hybrid": wish})
    assert routes(state) == ["small"]


@every_way
@pytest.mark.parametrize("kept", [None, "nonsense", {"route": "medium"}, {"route": "large", "reason": "score"}])
async def test_a_state_that_another_version_left_is_decided_anew(way: Way, kept: Any, scorer: FixedScorer) -> None:
    agent = agent_of(*fakes(), scorer, agent={"checkpointer": InMemorySaver(), "interrupt_before": ["model"]})
    config = {"configurable": {"thread_id": "1"}}
    await way(agent, "easy", config)
    agent.update_state(config, {"hybrid": kept})
    state = agent.invoke(None, config) if way is not by_ainvoke else await agent.ainvoke(None, config)
    assert routes(state) == ["small"]


@every_way
@pytest.mark.parametrize("messages", [[], [HumanMessage("  ")], [SystemMessage("hi")], [AIMessage("hello")]])
async def test_without_any_text_large_answers(way: Way, messages: list[Any], scorer: FixedScorer) -> None:
    state = await way(agent_of(*fakes(), scorer), messages)
    assert answers(state)[-1].response_metadata["hybrid"]["reason"] == "no_text"
    assert answers(state)[-1].text == "from large"


async def test_the_whole_conversation_can_be_scored(scorer: FixedScorer) -> None:
    agent = agent_of(*fakes(), scorer, query="conversation")
    await by_ainvoke(agent, [HumanMessage("Hello there!"), AIMessage("Hi."), HumanMessage("What now?")])
    assert scorer.calls == [["Hello there!\n\nHi.\n\nWhat now?"]]


async def test_a_tool_loop_that_is_taken_up_again_keeps_its_arm(scorer: FixedScorer) -> None:
    small, large = fakes()
    large.replies = [call()]
    first = await by_ainvoke(agent_of(small, large, scorer), "easy", context={"route": "large"})
    state = await by_ainvoke(agent_of(small, large, scorer), first["messages"][:-1])
    assert routes(state)[-1] == "large"


def test_a_missing_arm_is_refused() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'router'"):
        HybridRouterMiddleware(*fakes())  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="small= takes a chat model; got nothing"):
        HybridRouterMiddleware(None, fakes()[1], FixedScorer())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda model: "qwen3:4b", r"large='qwen3:4b' is a name; pass the model itself"),
        (lambda model: model.bind_tools([]), "large= is already bound"),
        (lambda model: model.bind(stop=["x"]), "large= is already bound"),
        (lambda model: RunnableLambda(str), "large= takes a chat model; got RunnableLambda"),
        (lambda model: model.with_fallbacks([model]), "large= takes a chat model; got RunnableWithFallbacks"),
    ],
)
def test_an_arm_that_is_no_unbound_chat_model_is_refused(make: Callable[[Fake], Any], says: str) -> None:
    small, large = fakes()
    with pytest.raises(TypeError, match=says):
        HybridRouterMiddleware(small, make(large), FixedScorer())


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"scope": "turn"}, ConfigError, "scope='turn' is unknown; use 'run'"),
        ({"query": "question"}, ConfigError, "query='question' is unknown"),
        ({"small_timeout": 0}, ConfigError, "small_timeout=0 must be"),
        ({"quality": 0.9, "threshold": 0.5}, LevelError, "given together"),
        ({"quality": 1.2}, LevelError, "out of range"),
        ({"quality": 0.9}, LevelError, "no thresholds for quality 0.9"),
        ({"threshold": 0.5, "allowed": (0.1,)}, LevelError, "must be two numbers"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any], error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        HybridRouterMiddleware(*fakes(), FixedScorer(), **options)


def test_something_that_does_not_score_is_no_router() -> None:
    with pytest.raises(TypeError, match="router= takes a Router"):
        HybridRouterMiddleware(*fakes(), object())


def test_a_function_that_gives_no_text_is_refused(scorer: FixedScorer) -> None:
    agent = agent_of(*fakes(), scorer, query=lambda messages: messages)
    with pytest.raises(TypeError, match="must return the text to score; got list"):
        agent.invoke({"messages": [HumanMessage("easy")]})


def test_without_langchain_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("langchain.agents")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "langchain", None)
    for name in ("_agent", "_cache_marks", "middleware"):
        monkeypatch.delitem(sys.modules, f"langchain_hybrid.{name}", raising=False)
    monkeypatch.delitem(vars(langchain_hybrid), "HybridRouterMiddleware", raising=False)
    with pytest.raises(MissingExtraError, match=r"hybrid-llm\[agents\]"):
        _ = langchain_hybrid.HybridRouterMiddleware


async def test_arms_without_tools_answer_an_agent_without_tools(scorer: FixedScorer) -> None:
    small, large = FakeListChatModel(responses=["a"]), FakeListChatModel(responses=["b"])
    agent = create_agent(large, middleware=[HybridRouterMiddleware(small, large, scorer, threshold=0.5)])
    state = await agent.ainvoke({"messages": [("user", "easy")]})
    assert state["messages"][-1].text == "a"


async def test_a_tool_result_does_not_become_the_query(scorer: FixedScorer) -> None:
    small, large = fakes()
    asked = call()
    history = [HumanMessage("easy"), asked, ToolMessage("hard", tool_call_id=asked.tool_calls[0]["id"])]
    state = await by_ainvoke(agent_of(small, large, scorer), history)
    assert answers(state)[-1].text == "from small"
    assert scorer.calls == [["easy"]]
