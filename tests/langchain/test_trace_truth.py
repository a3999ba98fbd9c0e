"""What a trace says of who answered, in every shape: the tag and the metadata at the start, the message at the end."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult
from pydantic import BaseModel

from hybrid_llm import Router
from hybrid_llm.errors import LevelError
from hybrid_llm.event import RequestEvent
from langchain_hybrid import ChatHybrid, HybridRouterMiddleware, RunnableHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._ways import Way, every_way

DOWN = ConnectionRefusedError("connection refused")
HOSTED = {"tool_calling": True, "tool_choice": True, "structured_output": True}


class City(BaseModel):
    """A city."""

    name: str


class Trace(BaseCallbackHandler):
    """Remembers how each run of a model began and ended."""

    def __init__(self) -> None:
        self.began: list[tuple[list[str], Any, str]] = []
        self.ended: list[Any] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **about: Any) -> None:
        metadata = about["metadata"]
        tags = [tag for tag in about["tags"] if tag.startswith("route:")]
        self.began.append((tags, metadata.get("hybrid", {}).get("reason"), metadata["ls_model_name"]))

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        message: Any = response.generations[0][0].message  # type: ignore[union-attr]
        self.ended.append(message.response_metadata.get("hybrid", {}).get("route"))


def arms(**of_small: Any) -> tuple[FakeChatModel, FakeChatModel]:
    small = FakeChatModel(model="small", provider="ollama", profile=HOSTED, **of_small)
    return small, FakeChatModel(model="large", provider="openai", profile=HOSTED)


def step_of(shape: str, router: Router, **of_small: Any) -> Any:
    small, large = arms(**of_small)
    if shape == "chain":
        return RunnableHybrid(small, large, router, threshold=0.5)
    chat = ChatHybrid(small, large, router, threshold=0.5)
    return chat if shape == "chat" else chat.with_structured_output(City)


every_shape = pytest.mark.parametrize("shape", ["chat", "chain", "schema"])


@covering(every_way, every_shape, times=2)
async def test_callbacks_see_the_decision_at_the_start_and_at_the_end(shape: str, way: Way, router: Router) -> None:
    trace = Trace()
    await way(step_of(shape, router), ["easy", "hard"], {"callbacks": [trace]})
    assert sorted(trace.began) == [(["route:large"], "score", "large"), (["route:small"], "score", "small")]
    assert sorted(trace.ended) == ["large", "small"]


@covering(every_way, every_shape, times=2)
async def test_with_small_in_its_cooldown_the_trace_names_the_model_that_answers(
    shape: str, way: Way, router: Router
) -> None:
    step = step_of(shape, router, error=DOWN)
    for _ in range(3):
        step.invoke("easy")
    trace = Trace()
    await way(step, ["easy"], {"callbacks": [trace]})
    assert trace.began == [(["route:large"], "cooldown", "large")]
    assert trace.ended == ["large"]


@pytest.mark.parametrize("shape", ["chain", "schema"])
async def test_after_a_fallback_both_runs_are_there(shape: str, router: Router) -> None:
    trace = Trace()
    step_of(shape, router, error=DOWN).invoke("easy", {"callbacks": [trace]})
    assert trace.began == [(["route:small"], "score", "small"), (["route:large"], "fallback", "large")]
    assert trace.ended == ["large"]


async def test_after_a_fallback_the_message_of_a_chat_tells_the_truth(router: Router) -> None:
    trace = Trace()
    answer = step_of("chat", router, error=DOWN).invoke("easy", {"callbacks": [trace]})
    assert trace.began == [(["route:small"], "score", "small")]  # it had begun before anybody knew
    assert trace.ended == [answer.response_metadata["hybrid"]["route"]] == ["large"]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_an_agents_callbacks_see_the_decision_too(asynchronous: bool, router: Router) -> None:
    small, large = arms(calls_tools=False)
    agent = create_agent(large, middleware=[HybridRouterMiddleware(small, large, router, threshold=0.5)])
    trace = Trace()
    asked: Any = {"messages": [("human", "easy")]}
    if asynchronous:
        await agent.ainvoke(asked, {"callbacks": [trace]})
    else:
        agent.invoke(asked, {"callbacks": [trace]})
    assert trace.began == [(["route:small"], "score", "small")]
    assert trace.ended == ["small"]


def test_what_an_arms_own_cache_holds_stays_without_our_decision(router: Router) -> None:
    small, large = arms()
    small.cache = InMemoryCache()
    hybrid: Any = RunnableHybrid(small, large, router, threshold=0.5)
    trace = Trace()
    hybrid.invoke("easy", {"callbacks": [trace]})
    assert trace.ended == ["small"]
    assert "hybrid" not in small.invoke("easy").response_metadata


# --- misspelt options ----------------------------------------------------------------------------------------------


@covering(
    every_way,
    every_shape,
    pytest.mark.parametrize(("name", "near"), [("qualty", "quality"), ("treshold", "threshold"), ("rout", "route")]),
    times=2,
)
async def test_a_misspelt_option_is_an_error_with_the_near_name(
    shape: str, way: Way, name: str, near: str, router: Router
) -> None:
    with pytest.raises(LevelError, match=f"{name!r}; did you mean '{near}'"):
        await way(step_of(shape, router), ["easy"], **{name: 0.5})
    with pytest.raises(LevelError, match=f"'hybrid_{name}'; did you mean 'hybrid_{near}'"):
        await way(step_of(shape, router), ["easy"], {"configurable": {f"hybrid_{name}": 0.5}})


def test_an_option_of_the_arms_own_is_left_alone(router: Router) -> None:
    small, large = arms()
    hybrid = ChatHybrid(small, large, router, threshold=0.5)
    hybrid.invoke("easy", {"configurable": {"hybrid_search": True, "qualty": 1}}, temperature=0)
    assert small.asked[0].kwargs == {"temperature": 0}


# --- the switch and the observers ----------------------------------------------------------------------------------


@covering(every_way, every_shape, times=2)
async def test_the_switch_and_the_observers_work_in_every_shape(shape: str, way: Way, router: Router) -> None:
    seen: list[RequestEvent] = []
    small, large = arms()
    options: dict[str, Any] = {"threshold": 0.5, "observers": [seen.append]}
    owner: Any = (RunnableHybrid if shape == "chain" else ChatHybrid)(small, large, router, **options)
    step = owner.with_structured_output(City) if shape == "schema" else owner
    await way(step, ["easy"])
    owner.force = "large"
    await way(step, ["easy"])
    owner.force = None
    await way(step, ["easy"])
    assert [(event.decision.route, event.decision.reason) for event in seen] == [
        ("small", "score"),
        ("large", "forced"),
        ("small", "score"),
    ]
    assert [len(event.attempts) for event in seen] == [1, 1, 1]


def test_an_agent_has_the_switch_and_the_observers(router: Router) -> None:
    seen: list[RequestEvent] = []
    small, large = arms(calls_tools=False)
    middleware = HybridRouterMiddleware(small, large, router, threshold=0.5, observers=[seen.append])
    agent = create_agent(large, middleware=[middleware])
    for force in (None, "large"):
        middleware.force = force  # type: ignore[assignment]
        agent.invoke({"messages": [("human", "easy")]})
    assert [(event.decision.reason, event.attempts[0].model) for event in seen] == [
        ("score", "small"),
        ("forced", "large"),
    ]
