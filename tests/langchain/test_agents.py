"""Agents of LangChain between two arms: the scenarios of every adapter, checkpoints, and the other middlewares."""

from __future__ import annotations

import asyncio
import json
import typing
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    LLMToolSelectorMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
)
from langchain.agents.structured_output import ProviderStrategy
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command
from pydantic import BaseModel

from hybrid_llm.errors import LevelError
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, HybridRouterMiddleware
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._agents import (
    Changing,
    Way,
    agent_of,
    answers,
    by_ainvoke,
    by_invoke,
    call,
    every_way,
    fake,
    fakes,
    get_weather,
    reasons,
    routes,
)
from tests.langchain._pair import EVERYTHING
from tests.scenarios import FAILURES, SCENARIOS, THRESHOLD, WINDOW, Scenario

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)

THREAD: dict[str, Any] = {"configurable": {"thread_id": "1"}}
NEW_QUESTION = "What is the largest lake of Peru called?"


class Answer(BaseModel):
    """The answer."""

    value: int


def messages_of(scenario: Scenario) -> list[Any]:
    kinds = {"user": HumanMessage, "assistant": AIMessage}
    history = [kinds[role](text) for role, text in scenario.history]
    text = scenario.text + (" and" * WINDOW * 5 if scenario.long else "")
    picture = [{"type": "image", "url": "https://example.org/lima.png"}] if scenario.image else []
    return [*history, HumanMessage([{"type": "text", "text": text}, *picture] if picture else text)]


def agent_for(scenario: Scenario) -> Any:
    small = fake("small", profile={"max_input_tokens": WINDOW, "structured_output": False})
    large = fake("large", profile={**EVERYTHING, "max_input_tokens": 100 * WINDOW})
    for arm, fails in ((small, scenario.small_fails), (large, scenario.large_fails)):
        arm.error = FAILURES.get(fails or "")
        if scenario.structured:
            arm.replies = ['{"value": 4}']
    force = Changing(lambda request: request.override(tool_choice="any"))
    hosted_tools = [{"type": "web_search"}] if scenario.provider_tool else []
    return agent_of(
        small,
        large,
        scenario.router(),
        threshold=THRESHOLD,
        fallback_to_small=scenario.to_small,
        tools=[get_weather, *hosted_tools] if scenario.tools else hosted_tools,
        agent={
            "response_format": ProviderStrategy(Answer) if scenario.structured else None,
            "before": [force] if scenario.forced_tool else [],
        },
    )


@covering(every_scenario, every_way)
@pytest.mark.filterwarnings("ignore:The scorer failed:hybrid_llm.errors.HybridLLMWarning")
async def test_the_scenarios_of_every_adapter(way: Way, scenario: Scenario) -> None:
    agent, context = agent_for(scenario), dict(scenario.options)
    if scenario.raises:
        with pytest.raises(type(FAILURES[scenario.raises])):
            await way(agent, messages_of(scenario), context=context)
        return
    state = await way(agent, messages_of(scenario), context=context)
    answer = answers(state)[-1]
    decision = answer.response_metadata["hybrid"]
    assert (decision["route"], decision["reason"]) == (scenario.route, scenario.reason)
    assert answer.response_metadata["model_name"] == scenario.route


@every_way
async def test_a_checkpoint_is_written_and_read_without_a_warning(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call(), ConnectionRefusedError()]
    saver = InMemorySaver(serde=JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None))
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("error")
        said: list[str] = []
        patch.setattr("langgraph.checkpoint.serde.jsonplus.logger.warning", lambda *args: said.append(str(args)))
        state = await way(agent_of(small, large, scorer, agent={"checkpointer": saver}), "easy", THREAD)
        again = agent_of(*fakes(), scorer, agent={"checkpointer": saver})  # as after a restart
        kept = again.get_state(THREAD).values
        await way(again, NEW_QUESTION, THREAD)
    assert said == []
    assert kept["hybrid"] == state["hybrid"] == json.loads(json.dumps(state["hybrid"]))
    assert type(kept["hybrid"]) is dict
    assert [m.response_metadata["hybrid"] for m in answers(kept)] == [
        m.response_metadata["hybrid"] for m in answers(state)
    ]


@every_way
async def test_after_an_interrupt_the_run_goes_on_with_its_decision(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [ConnectionRefusedError()]
    large.replies = [call()]
    asking = HumanInTheLoopMiddleware(interrupt_on={"get_weather": True})
    settings = {"checkpointer": InMemorySaver(), "before": [asking]}
    stopped = await way(agent_of(small, large, scorer, agent=settings), "easy", THREAD)
    assert stopped["__interrupt__"]
    agent = agent_of(*fakes(), FixedScorer(0.9), agent=settings)  # small is up again, in a new process
    state = await way(agent, Command(resume={"decisions": [{"type": "approve"}]}), THREAD)
    assert routes(state) == ["large", "large"]
    assert reasons(state) == ["fallback", "follow_up"]
    assert isinstance(state["messages"][-2], ToolMessage)


@every_way
async def test_an_edited_or_refused_tool_call_does_not_change_the_arm(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call(), call()]
    asking = HumanInTheLoopMiddleware(interrupt_on={"get_weather": True})
    agent = agent_of(small, large, scorer, agent={"checkpointer": InMemorySaver(), "after": [asking]})
    await way(agent, "easy", THREAD)
    edited = {"type": "edit", "edited_action": {"name": "get_weather", "args": {"city": "Cusco"}}}
    await way(agent, Command(resume={"decisions": [edited]}), THREAD)
    state = await way(agent, Command(resume={"decisions": [{"type": "reject", "message": "no"}]}), THREAD)
    assert routes(state) == ["small"] * 3
    assert scorer.calls == [["easy"]]


@every_way
async def test_who_resumes_a_run_chooses_within_the_allowed_range_too(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call()]
    asking = HumanInTheLoopMiddleware(interrupt_on={"get_weather": True})
    settings = {"checkpointer": InMemorySaver(), "after": [asking]}
    agent = agent_of(small, large, scorer, allowed=(0.4, 0.6), agent=settings)
    await way(agent, "easy", THREAD)
    with pytest.raises(LevelError, match=r"may ask for threshold 0.4 to 0.6"):
        await way(agent, Command(resume={"decisions": [{"type": "approve"}]}), THREAD, context={"route": "large"})


@every_way
async def test_a_fallback_middleware_after_ours_catches_what_the_arm_raises(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [ValueError("400: no such parameter")]
    third = fake("third")
    agent = agent_of(small, large, scorer, agent={"after": [ModelFallbackMiddleware(third)]})
    state = await way(agent, "easy")
    (answer,) = answers(state)
    assert (answer.text, answer.response_metadata["hybrid"]["route"]) == ("from third", "small")


@every_way
@pytest.mark.parametrize("place", ["before", "after"])
async def test_with_a_fallback_middleware_on_either_side_an_outage_ends_in_an_answer(
    way: Way, place: str, scorer: FixedScorer
) -> None:
    small, large = fakes()
    small.replies = [ConnectionRefusedError()]
    large.replies = [ConnectionRefusedError()]
    agent = agent_of(small, large, scorer, agent={place: [ModelFallbackMiddleware(large)]})
    assert answers(await way(agent, "easy"))[-1].text.startswith("from ")


@every_way
async def test_a_retry_around_ours_leaves_one_answer_and_one_decision(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    large.replies = [TimeoutError()]
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0, jitter=False)
    state = await way(agent_of(small, large, scorer, agent={"before": [retry]}), "hard")
    assert (routes(state), reasons(state)) == (["large"], ["score"])


@every_way
async def test_a_call_limit_ends_the_run_as_ever(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call(), call()]
    limit = ModelCallLimitMiddleware(run_limit=1, exit_behavior="end")
    state = await way(agent_of(small, large, scorer, agent={"before": [limit]}), "easy")
    assert len(small.asked) == 1
    assert state["hybrid"]["route"] == "small"


class Choosing(FakeChatModel):
    """Picks tools by name, as the selector asks for it."""

    picks: list[str]

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        return RunnableLambda(lambda messages: {"tools": self.picks})


@tool
def get_time(city: str) -> str:
    """Look up the time in a city."""
    return "noon"


@every_way
@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(("text", "route"), [("easy", "small"), ("hard", "large")])
async def test_the_selector_picks_the_tools_and_ours_picks_the_model(
    way: Way, place: str, text: str, route: str, scorer: FixedScorer
) -> None:
    small, large = fakes()
    small.replies, large.replies = [call("get_time")], [call("get_time")]
    selector = LLMToolSelectorMiddleware(model=Choosing(model="selector", picks=["get_time"]), max_tools=1)
    agent = agent_of(small, large, scorer, tools=[get_weather, get_time], agent={place: [selector]})
    state = await way(agent, text)
    assert routes(state) == [route] * 2
    chosen = {"small": small, "large": large}[route]
    assert [[each["function"]["name"] for each in bound["tools"]] for _, _, bound in chosen.asked] == [["get_time"]] * 2


@every_way
@pytest.mark.parametrize("scope", ["run", "step"])
async def test_a_summary_in_the_users_name_is_not_taken_for_the_query(
    way: Way, scope: str, scorer: FixedScorer
) -> None:
    small, large = fakes()
    small.replies = [call(), call(), call()]
    summing = SummarizationMiddleware(fake("summing"), trigger=("messages", 4), keep=("messages", 2))
    state = await way(agent_of(small, large, scorer, scope=scope, agent={"before": [summing]}), "easy")
    assert {text for batch in scorer.calls for text in batch} == {"easy"}
    summary = state["messages"][0]
    assert isinstance(summary, HumanMessage)
    assert "summary" in summary.text
    if scope == "run":
        assert routes(state)[-1] == "small"
        assert len(scorer.calls) == 1


@every_way
async def test_system_prompts_stay_with_the_program(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    await way(agent_of(small, large, scorer, agent={"system_prompt": "hard"}), "easy")
    assert small.asked[0].messages[0] == SystemMessage("hard")
    assert scorer.calls == [["easy"]]


@every_way
async def test_the_name_of_an_agent_is_on_its_answers(way: Way, scorer: FixedScorer) -> None:
    state = await way(agent_of(*fakes(), scorer, agent={"name": "clerk"}), "easy")
    assert answers(state)[0].name == "clerk"


@every_way
async def test_an_agent_as_a_tool_of_another_decides_for_itself(way: Way, scorer: FixedScorer) -> None:
    inner_arms = fakes()
    inner = agent_of(*inner_arms, FixedScorer(0.1))

    @tool
    async def aask(text: str) -> str:
        """Ask the expert."""
        return str((await by_ainvoke(inner, text))["messages"][-1].text)

    @tool
    def ask(text: str) -> str:
        """Ask the expert."""
        return str(inner.invoke({"messages": [HumanMessage(text)]})["messages"][-1].text)

    chosen = ask if way is by_invoke else aask
    small, large = fakes()
    small.replies = [call(chosen.name, text="a hard one")]
    state = await way(agent_of(small, large, scorer, tools=[chosen]), "easy")
    assert routes(state) == ["small", "small"]
    assert state["messages"][2].text == "from large"


@every_way
async def test_an_agent_of_a_hybrid_chat_model_needs_no_middleware(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call()]
    large.replies = [call()]
    agent = create_agent(ChatHybrid(small=small, large=large, router=scorer, threshold=0.5), tools=[get_weather])
    for text, route in (("easy", "small"), ("hard", "large")):
        assert routes(await way(agent, text)) == [route] * 2
    assert routes(await way(agent, "hard", {"configurable": {"hybrid_threshold": 0.05}})) == ["small"]


@every_way
async def test_in_an_agent_of_a_hybrid_chat_model_large_goes_on_when_small_dies(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call(), ConnectionRefusedError()]
    agent = create_agent(ChatHybrid(small=small, large=large, router=scorer, threshold=0.5), tools=[get_weather])
    assert routes(await way(agent, "easy")) == ["small", "large"]


async def test_runs_at_the_same_time_do_not_mix_their_decisions(scorer: FixedScorer) -> None:
    agent = agent_of(*fakes(), scorer, agent={"checkpointer": InMemorySaver()})
    texts = ["easy", "hard"] * 20
    configs = [{"configurable": {"thread_id": str(i)}} for i in range(len(texts))]

    def in_threads() -> list[dict[str, Any]]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(agent.invoke, [{"messages": [HumanMessage(text)]} for text in texts], configs))

    other = [{"configurable": {"thread_id": f"loop {i}"}} for i in range(len(texts))]
    threads = asyncio.create_task(asyncio.to_thread(in_threads))
    states = await asyncio.gather(*(by_ainvoke(agent, text, config) for text, config in zip(texts, other, strict=True)))
    for state, text in zip([*states, *await threads], texts * 2, strict=True):
        assert routes(state) == [{"easy": "small", "hard": "large"}[text]]


def test_the_hints_of_the_hooks_can_be_read_at_run_time() -> None:
    for hook in ("before_agent", "abefore_agent", "wrap_model_call", "awrap_model_call", "__init__"):
        assert "return" in typing.get_type_hints(getattr(HybridRouterMiddleware, hook))
