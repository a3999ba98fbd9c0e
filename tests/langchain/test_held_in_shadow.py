"""In shadow LangChain's adapters ask small behind the answer: it is looked at, and no reader or trace sees it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._agents import Way as AgentWay
from tests.langchain._agents import agent_of, answers, call, fake
from tests.langchain._agents import every_way as every_agent_way
from tests.langchain._held import held_pair, message_of
from tests.langchain._ways import Recorder, Way, every_way
from tests.langchain.test_chat_held import Tokens
from tests.langchain.test_runnable_held import hybrid_of
from tests.langchain.test_structured_held import small_that_writes
from tests.looks import LEVEL, UNSURE, LookScenario, Said, router_with, untrained
from tests.scenarios import EASY

KEPT, ESCALATED = LookScenario("kept"), LookScenario("escalated", Said(sure=UNSURE), route="large", reason="escalated")
both = pytest.mark.parametrize("scenario", [KEPT, ESCALATED], ids=lambda one: one.name)


def a_chat(scenario: LookScenario, **options: Any) -> Any:
    return held_pair(scenario, shadow=True, **options)


def a_chain(scenario: LookScenario, **options: Any) -> Any:
    return hybrid_of(scenario, StrOutputParser(), shadow=True, **options)


made_so = pytest.mark.parametrize("made", [a_chat, a_chain])


async def heard_of(seen: list[Any], n: int) -> list[str]:
    """Wait until n requests are told; return what would have come true in each."""
    for _ in range(1000):
        if len(seen) == n:
            break
        await asyncio.sleep(0.005)
    assert len(seen) == n
    return [event.decision.shadow.reason for event in seen]


@covering(every_way, made_so, both, times=2)
async def test_small_is_looked_at_behind_the_answer_and_no_reader_hears_of_it(
    made: Any, way: Way, scenario: LookScenario
) -> None:
    seen: list[Any] = []
    recorder, tokens, usage = Recorder(), Tokens(), UsageMetadataCallbackHandler()
    hybrid = made(scenario, observers=[seen.append])
    (answer,) = await way(hybrid, [EASY], {"callbacks": [recorder, tokens, usage]})
    assert (answer if isinstance(answer, str) else answer.text) == "from large"
    assert await heard_of(seen, 1) == [scenario.reason]
    large, small = seen[0].attempts
    assert (large.route, large.kept, small.route, small.kept) == ("large", True, "small", False)
    assert small.output_tokens
    assert small.output_tokens != large.output_tokens
    assert [run for run in recorder.runs.values() if "route:small" in (run.get("tags") or ())] == []
    assert "".join(tokens.tokens) in ("", "from large")
    assert set(usage.usage_metadata) <= {"large"}
    if not isinstance(answer, str):
        assert [one["route"] for one in answer.response_metadata["hybrid"]["attempts"]] == ["large"]


async def test_a_history_that_grows_meanwhile_is_asked_as_it_was() -> None:
    seen: list[Any] = []
    history: list[Any] = [HumanMessage(EASY)]
    gate = threading.Event()
    model = FakeChatModel(model="small", says=lambda _: message_of(KEPT.small), calls_tools=False)
    small = RunnableLambda(lambda value: value if gate.wait(5) else None) | model
    hybrid_of(KEPT, StrOutputParser(), small=small, shadow=True, observers=[seen.append]).invoke(history)
    history.append(HumanMessage("Something else?"))
    gate.set()
    await heard_of(seen, 1)
    assert [len(asked.messages) for asked in model.asked] == [1]


@every_agent_way
async def test_each_step_of_an_agent_is_checked_and_nothing_of_smalls_is_run(way: AgentWay) -> None:
    seen: list[Any] = []
    small = fake("small", "local", replies=[call("call_home"), message_of(Said())])
    large = fake("large", "hosted", replies=[call(), "It is sunny."])
    options: dict[str, Any] = {"threshold": None, "second_look": "logprobs", **LEVEL, "shadow": True}
    tokens = Tokens()
    agent = agent_of(small, large, router_with(untrained()), observers=[seen.append], **options)
    state = await way(agent, EASY, {"callbacks": [tokens]})
    assert [message.text for message in answers(state)] == ["", "It is sunny."]
    assert [message.response_metadata["model_name"] for message in answers(state)] == ["large", "large"]
    assert sorted(await heard_of(seen, 2)) == ["kept", "rejected"]
    assert len(small.asked) == 2


async def test_an_object_that_small_would_not_have_made_is_rejected() -> None:
    class Place(BaseModel):
        city: str

    seen: list[Any] = []
    pair = held_pair(KEPT, small=small_that_writes("no JSON"), shadow=True, observers=[seen.append])
    pair.large.calls_tools, pair.large.says = True, "Cusco"
    assert pair.with_structured_output(Place).invoke(EASY) == Place(city="Cusco")
    assert await heard_of(seen, 1) == ["rejected"]


@every_agent_way
async def test_no_fallback_middleware_answers_in_smalls_place_where_nobody_waits(way: AgentWay) -> None:
    from langchain.agents.middleware import ModelFallbackMiddleware

    seen: list[Any] = []
    hosted, small = fake("hosted"), fake("small", error=ConnectionRefusedError())
    behind = {"shadow": True, "observers": [seen.append], "agent": {"after": [ModelFallbackMiddleware(hosted)]}}
    agent = agent_of(small, fake("large"), router_with(untrained()), check=lambda *_: True, **behind)
    await way(agent, EASY)
    assert await heard_of(seen, 1) == ["fallback"]
    assert (len(small.asked), hosted.asked) == (1, [])
