"""HybridRouterMiddleware: who answers each step of an agent, and what it remembers of the run."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from hybrid_llm import Router
from hybrid_llm.decision import Decision
from hybrid_llm.testing import FailingScorer, FixedScorer
from langchain_hybrid import HybridRouterMiddleware
from tests.langchain._agents import Way, agent_of, answers, by_ainvoke, call, every_way, fakes, reasons, routes

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
    assert state["hybrid"].items() <= decision.items()
    (attempt,) = decision["attempts"]
    assert (attempt["route"], attempt["kept"], attempt["output_tokens"]) == (route, True, 2)
    assert Decision.from_dict(decision).threshold == 0.5


@every_way
async def test_one_decision_is_taken_for_the_whole_tool_loop(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call(), call(city="Cusco")]
    state = await way(agent_of(small, large, scorer), "easy")
    assert routes(state) == ["small"] * 3
    assert reasons(state) == ["score"] * 3
    assert scorer.calls == [["easy"]]
    assert [kwargs["tools"][0]["function"]["name"] for _, _, kwargs in small.asked] == ["get_weather"] * 3


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

    def late(messages: Any) -> str:
        hang.wait(5)
        return "too late"

    small, large = fakes()
    small.says = late
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
