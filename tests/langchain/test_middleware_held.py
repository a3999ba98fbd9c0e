"""An agent whose model calls are looked at: steps, tools, streams, checkpoints, schemas."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain.agents.structured_output import ProviderStrategy, StructuredOutputError, ToolStrategy
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel

from hybrid_llm.errors import ConfigError, LookError
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import HybridRouterMiddleware
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._agents import Way, agent_of, answers, call, every_way, fake, reasons, routes
from tests.langchain._held import held_pair, message_of
from tests.langchain._ways import Recorder
from tests.looks import CHECKER, LEVEL, UNSURE, LookScenario, Said, router_with, trained, untrained
from tests.scenarios import EASY

SURE, NOT_SURE = message_of(Said()), message_of(Said(sure=UNSURE))
CALL = call().model_copy(update={"response_metadata": {"finish_reason": "tool_calls"}})
HELD: dict[str, Any] = {"threshold": None, "second_look": "logprobs", **LEVEL}


def looking_agent(*replies: Any, large: Any = None, look: Any = untrained, **options: Any) -> Any:
    """Return an agent whose small model gives these answers, one for each call."""
    small = fake("small", "local", replies=list(replies))
    agent = agent_of(small, large or fake("large", "hosted"), router_with(look()), **{**HELD, **options})
    return agent, small


@every_way
async def test_a_kept_tool_call_is_made_and_the_answer_after_it_is_looked_at_anew(way: Way) -> None:
    agent, small = looking_agent(CALL, SURE)
    state = await way(agent, EASY)
    assert routes(state) == ["small", "small"]
    assert reasons(state) == ["kept", "kept"]
    assert state["messages"][2].content == "sunny in Lima"
    agent, small = looking_agent(CALL, NOT_SURE)
    state = await way(agent, EASY)
    assert routes(state) == ["small", "large"]
    assert reasons(state) == ["kept", "escalated"]
    assert len(small.asked) == 2


@every_way
@pytest.mark.parametrize(
    ("bad", "why"), [(call("call_home"), "unknown_tool"), (call(city=7), "tool_arguments")], ids=["tool", "arguments"]
)
async def test_nothing_of_an_answer_that_was_not_kept_is_ever_run(way: Way, bad: Any, why: str) -> None:
    agent, _ = looking_agent(bad)
    state = await way(agent, EASY)
    assert [type(message).__name__ for message in state["messages"]] == ["HumanMessage", "AIMessage"]
    record = answers(state)[0].response_metadata["hybrid"]
    assert (record["reason"], record["look"]["rejected"], record["certified"]) == ("rejected", why, False)


@every_way
async def test_after_an_escalation_the_rest_of_the_run_stays_with_large(way: Way) -> None:
    large = fake("large", "hosted", replies=[call(), "It is sunny."])
    agent, small = looking_agent(call(city=7), SURE, large=large)
    state = await way(agent, EASY)
    assert routes(state) == ["large", "large"]
    assert len(small.asked) == 1


@every_way
async def test_the_next_turn_of_a_conversation_is_looked_at_anew(way: Way) -> None:
    agent, small = looking_agent(NOT_SURE, SURE, agent={"checkpointer": InMemorySaver()})
    config = {"configurable": {"thread_id": "1"}}
    await way(agent, EASY, config)
    state = await way(agent, "and then?", config)
    assert routes(state) == ["large", "small"]
    assert len(small.asked) == 2


@every_way
async def test_a_person_is_asked_of_kept_calls_alone_and_the_run_goes_on_after_it(way: Way) -> None:
    asks = HumanInTheLoopMiddleware(interrupt_on={"get_weather": True})
    options = {"agent": {"checkpointer": InMemorySaver(), "after": [asks]}}
    config = {"configurable": {"thread_id": "1"}}
    agent, small = looking_agent(CALL, NOT_SURE, **options)
    (interrupt,) = (await way(agent, EASY, config))["__interrupt__"]
    assert interrupt.value["action_requests"][0]["name"] == "get_weather"
    state = await way(agent, Command(resume={"decisions": [{"type": "approve"}]}), config)
    assert (routes(state), reasons(state)) == (["small", "large"], ["kept", "escalated"])
    assert (state["messages"][2].content, len(small.asked)) == ("sunny in Lima", 2)
    agent, _ = looking_agent(call("get_weather", city=7), **options)
    state = await way(agent, EASY, {"configurable": {"thread_id": "2"}})
    assert "__interrupt__" not in state
    assert reasons(state) == ["rejected"]


@pytest.mark.parametrize(("reply", "shown"), [(SURE, "Lima."), (NOT_SURE, "from large")], ids=["kept", "escalated"])
async def test_a_stream_of_messages_holds_one_answer(reply: AIMessage, shown: str) -> None:
    agent, _ = looking_agent(reply)
    chunks = [chunk for chunk, _ in agent.stream({"messages": [("user", EASY)]}, stream_mode="messages")]
    assert "".join(str(chunk.text) for chunk in chunks) == shown
    agent, _ = looking_agent(reply)
    stream = agent.astream({"messages": [("user", EASY)]}, stream_mode="messages")
    assert "".join([str(chunk.text) async for chunk, _ in stream]) == shown


@every_way
async def test_both_calls_are_runs_of_their_own_and_their_tokens_add_up(way: Way) -> None:
    recorder, usage = Recorder(), UsageMetadataCallbackHandler()
    agent, _ = looking_agent(NOT_SURE)
    await way(agent, EASY, {"callbacks": [recorder, usage]})
    tags = [set(run["tags"]) for _, run in recorder.of("model")]
    assert {"route:look", "nostream"} <= tags[0]
    assert "route:large" in tags[1]
    assert {name: used["output_tokens"] for name, used in usage.usage_metadata.items()} == {"small": 1, "large": 2}


@every_way
@pytest.mark.parametrize(("says", "route"), [("18", "small"), ("19", "large")])
async def test_a_checker_is_asked_as_the_agent_asks_its_models(way: Way, says: str, route: str) -> None:
    checker = fake(CHECKER, "local", says=says)
    agent, _ = looking_agent(
        message_of(Said("It is 18.", 0.55)),
        look=lambda: trained(checker=True),
        second_look=True,
        checker=checker,
    )
    assert routes(await way(agent, EASY)) == [route]
    assert len(checker.asked) == 1


class Place(BaseModel):
    """A place."""

    city: str


@every_way
async def test_a_schema_that_is_followed_by_a_call_is_the_agents_to_check(way: Way) -> None:
    small = fake("small", "local", replies=[call("Place", city="Lima")], profile={"tool_choice": True})
    schema = {"response_format": ToolStrategy(Place)}
    agent = agent_of(small, fake("large", "hosted"), router_with(untrained()), tools=[], agent=schema, **HELD)
    state = await way(agent, EASY)
    assert state["structured_response"] == Place(city="Lima")


def place(text: str) -> AIMessage:
    return AIMessage(text, response_metadata={"finish_reason": "stop"})


STRATEGIES = [
    (ToolStrategy(Place), call("Place", city="Lima"), call("Place", town="Lima"), "tool_arguments"),
    (ToolStrategy(Place, handle_errors=False), call("Place", city="Lima"), call("Place", town=1), "tool_arguments"),
    (ProviderStrategy(Place), place('{"city": "Lima"}'), place("Lima, I guess."), "json"),
    (ProviderStrategy(Place), place('{"city": "Lima"}'), place('{"town": "Lima"}'), "schema"),
]
CAN = {"tool_choice": True, "structured_output": True, "tool_calling": True}


@every_way
@pytest.mark.parametrize(("strategy", "good", "bad", "why"), STRATEGIES, ids=["call", "raised", "no json", "schema"])
async def test_what_is_not_of_the_agents_schema_is_answered_by_large(
    strategy: Any, good: AIMessage, bad: AIMessage, why: str, way: Way
) -> None:
    for reply, route, rejected in ((good, "small", None), (bad, "large", why)):
        small = fake("small", "local", replies=[reply], profile=CAN)
        large = fake("large", "hosted", replies=[good], profile=CAN)
        checks: dict[str, Any] = {"check": lambda *_: True, "agent": {"response_format": strategy}}
        state = await way(agent_of(small, large, FixedScorer(0.9), tools=[], **checks), EASY)
        assert state["structured_response"] == Place(city="Lima")
        assert routes(state) == [route]
        assert answers(state)[0].response_metadata["hybrid"]["look"]["rejected"] == rejected


@every_way
async def test_a_private_answer_that_is_not_of_the_schema_is_the_agents_error(way: Way) -> None:
    small = fake("small", "local", replies=[place("Lima, I guess.")], profile=CAN)
    large = fake("large", "hosted", profile=CAN)
    schema = {"response_format": ProviderStrategy(Place)}
    agent = agent_of(small, large, FixedScorer(0.9), tools=[], check=lambda *_: True, private=True, agent=schema)
    with pytest.raises(StructuredOutputError):
        await way(agent, EASY)
    assert large.asked == []


@every_way
async def test_a_check_alone_holds_the_answers_of_an_agent_too(way: Way) -> None:
    agent, _ = looking_agent("no", second_look=False, threshold=0.5, cost_advantage=None, check=lambda q, a: a != "no")
    state = await way(agent, EASY)
    assert (routes(state), reasons(state)) == (["large"], ["rejected"])


def test_what_cannot_be_looked_at_is_an_error_at_once() -> None:
    inner = held_pair(LookScenario(""))
    router = router_with(untrained())
    with pytest.raises(ConfigError, match="is a pair itself"):
        HybridRouterMiddleware(inner, FakeChatModel(), router, second_look="logprobs", **LEVEL)
    with pytest.raises(LookError, match="train TABLE --second-look"):
        HybridRouterMiddleware(fake("small"), FakeChatModel(), router, second_look=True, **LEVEL)
    with pytest.raises(TypeError, match="checker="):
        HybridRouterMiddleware(fake("small"), FakeChatModel(), router, checker="qwen3:4b", threshold=0.5)  # type: ignore[arg-type]
