"""Agents between a real Ollama and a real OpenAI-compatible server, also when the small server dies under them.

Both models call ``get_current_weather`` for Toronto when they are offered tools, and then say their sentence.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, HybridRouterMiddleware
from tests.live._chaos import ChaosServers
from tests.live.conftest import LARGE_SAYS, SMALL_SAYS

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EASY = "What is the weather like in Toronto?"
HARD = "Will the weather in Toronto change by the end of the week?"
SAYS = {"small": SMALL_SAYS, "large": LARGE_SAYS}
THREAD: dict[str, Any] = {"configurable": {"thread_id": "1"}}
Arms = Callable[..., dict[str, Any]]


@tool
def get_current_weather(city: str) -> str:
    """Look up the weather in a city."""
    return f"sunny in {city}"


def tool_that(does: Callable[[], None]) -> BaseTool:
    """Return the weather tool with something that happens while it works."""

    @tool("get_current_weather")
    def get_current_weather(city: str) -> str:
        """Look up the weather in a city."""
        does()
        return f"sunny in {city}"

    return get_current_weather


@pytest.fixture
async def arms(http: dict[str, Any]) -> AsyncIterator[Arms]:
    """Makes the two chat models on the servers given, and closes their connections."""
    made: list[ChatOllama] = []

    def make(servers: Any, **small: Any) -> dict[str, Any]:
        made.append(ChatOllama(**{"model": "tiny-small", "base_url": servers.ollama, **small}))
        clients = {"http_client": http["sync"], "http_async_client": http["async"]}
        large = ChatOpenAI(model="tiny-large", base_url=servers.openai, api_key="none", stream_usage=True, **clients)
        return {"small": made[-1], "large": large}

    yield make
    for model in made:
        model._client.close()
        await model._async_client.close()


def agent_of(arms: dict[str, Any], *tools: BaseTool, checkpointer: Any = None, **options: Any) -> Any:
    scorer = FixedScorer({EASY: 0.9, HARD: 0.1}, default=0.9)
    ours = HybridRouterMiddleware(**arms, router=scorer, threshold=0.5, **options)
    return create_agent(arms["large"], tools=list(tools), middleware=[ours], checkpointer=checkpointer)


def asking(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


async def ask(agent: Any, way: str, text: str, config: Any = None, **kwargs: Any) -> list[Any]:
    if way == "invoke":
        return agent.invoke(asking(text), config, **kwargs)["messages"]
    return (await agent.ainvoke(asking(text), config, **kwargs))["messages"]


def steps(messages: list[Any]) -> list[tuple[str, str]]:
    """Return who answered each step, and why."""
    decisions = [m.response_metadata["hybrid"] for m in messages if isinstance(m, AIMessage)]
    return [(decision["route"], decision["reason"]) for decision in decisions]


every_way = pytest.mark.parametrize("way", ["invoke", "ainvoke"])


@every_way
@pytest.mark.parametrize(("text", "route"), [(EASY, "small"), (HARD, "large")])
async def test_an_agent_calls_its_tool_and_answers_on_the_side_that_was_decided(
    way: str, text: str, route: str, servers: Any, arms: Arms
) -> None:
    messages = await ask(agent_of(arms(servers), get_current_weather), way, text)
    _, called, result, answer = messages
    assert called.tool_calls[0]["name"] == "get_current_weather"
    assert result.text == "sunny in Toronto"
    assert answer.text.strip() == SAYS[route]
    assert steps(messages) == [(route, "score")] * 2
    assert {m.response_metadata["model_name"] for m in (called, answer)} == {f"tiny-{route}"}


@every_way
async def test_a_conversation_goes_from_one_provider_to_the_other_and_back(way: str, servers: Any, arms: Arms) -> None:
    agent = agent_of(arms(servers), get_current_weather, checkpointer=InMemorySaver())
    routes = ["small", "large", "small", "large"]
    for route in routes:
        messages = await ask(agent, way, EASY, THREAD, context={"route": route})
        assert messages[-1].text.strip() == SAYS[route]
    assert steps(messages) == [(route, "forced") for route in routes for _ in range(2)]
    assert [m.text for m in messages if isinstance(m, ToolMessage)] == ["sunny in Toronto"] * 4


@pytest.mark.parametrize(("text", "route"), [(EASY, "small"), (HARD, "large")])
async def test_a_stream_of_messages_shows_each_token_once(text: str, route: str, servers: Any, arms: Arms) -> None:
    agent = agent_of(arms(servers), get_current_weather)
    for items in (
        list(agent.stream(asking(text), stream_mode="messages")),
        [item async for item in agent.astream(asking(text), stream_mode="messages")],
    ):
        chunks = [(chunk, about) for chunk, about in items if isinstance(chunk, AIMessageChunk)]
        assert "".join(chunk.text for chunk, _ in chunks).strip() == SAYS[route]
        assert len([chunk for chunk, _ in chunks if chunk.text]) > 3
        assert {about["hybrid"]["route"] for _, about in chunks} == {route}


@every_way
async def test_an_agent_of_a_hybrid_chat_model_needs_no_middleware(way: str, servers: Any, arms: Arms) -> None:
    scorer = FixedScorer({EASY: 0.9, HARD: 0.1})
    agent = create_agent(ChatHybrid(**arms(servers), router=scorer, threshold=0.5), tools=[get_current_weather])
    for text, route in ((EASY, "small"), (HARD, "large")):
        messages = await ask(agent, way, text)
        assert messages[-1].text.strip() == SAYS[route]
        assert [where for where, _ in steps(messages)] == [route] * 2


@every_way
async def test_small_is_killed_between_two_steps(way: str, chaos: ChaosServers, arms: Arms) -> None:
    agent = agent_of(arms(chaos), tool_that(chaos.kill_small))
    try:
        messages = await ask(agent, way, EASY)
    finally:
        chaos.bring_small_back()
    assert messages[-1].text.strip() == LARGE_SAYS
    assert steps(messages) == [("small", "score"), ("large", "fallback")]
    again = await ask(agent_of(arms(chaos), get_current_weather), way, EASY)
    assert again[-1].text.strip() == SMALL_SAYS


@every_way
async def test_small_hangs_between_two_steps(way: str, chaos: ChaosServers, arms: Arms) -> None:
    agent = agent_of(arms(chaos), tool_that(chaos.hang_small), small_timeout=2.0)
    try:
        messages = await ask(agent, way, EASY)
    finally:
        chaos.thaw_small()
    assert messages[-1].text.strip() == LARGE_SAYS
    assert steps(messages) == [("small", "score"), ("large", "fallback")]


async def test_small_is_killed_before_a_run_and_back_in_the_next(chaos: ChaosServers, arms: Arms) -> None:
    agent = agent_of(arms(chaos), get_current_weather)
    chaos.kill_small()
    try:
        messages = await ask(agent, "ainvoke", EASY)
    finally:
        chaos.bring_small_back()
    assert steps(messages) == [("large", "fallback"), ("large", "follow_up")]
    assert steps(await ask(agent, "ainvoke", EASY)) == [("small", "score")] * 2


TALKATIVE = {"model": "tiny-random", "temperature": 0, "repeat_penalty": 0.5, "num_predict": 20_000, "num_ctx": 8192}
"""The random model, in love with its own words, talks for many seconds, so that there is time to kill it."""


async def test_small_is_killed_while_it_speaks_and_nobody_listens(chaos: ChaosServers, arms: Arms) -> None:
    agent = agent_of(arms(chaos, **TALKATIVE))
    killer = threading.Timer(0.5, chaos.kill_small)
    killer.start()
    try:
        messages = await ask(agent, "ainvoke", "Tell me a story.")
    finally:
        killer.join()
        chaos.bring_small_back()
    assert messages[-1].text.strip() == LARGE_SAYS
    assert steps(messages) == [("large", "fallback")]


async def test_small_is_killed_while_a_reader_sees_it_speak(chaos: ChaosServers, arms: Arms) -> None:
    agent = agent_of(arms(chaos, **TALKATIVE))
    seen: list[str] = []
    stream = agent.stream(asking("Tell me a story."), stream_mode="messages")
    seen.extend(next(stream)[0].text for _ in range(3))
    chaos.kill_small()
    try:
        with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnect|reset|terminated"):
            seen.extend(chunk.text for chunk, _ in stream)
    finally:
        chaos.bring_small_back()
    assert LARGE_SAYS not in "".join(seen)


def output_of(example: str, settings: dict[str, str]) -> str:
    """Run an example on the servers, and return what it prints."""
    command = [sys.executable, str(EXAMPLES / example)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **settings}, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "stand-in" not in done.stdout
    return done.stdout


def test_the_agent_of_the_examples_asks_the_server_that_the_route_names(servers: Any) -> None:
    output = output_of("langchain_agent.py", servers.settings)
    runs = re.findall(r"^  (small|large) \(\w+\)  .+\n      get_current_weather: (.+)$", output, re.MULTILINE)
    assert len(runs) == 7
    assert {route for route, _ in runs} == {"small", "large"}
    assert all(answer.strip() == SAYS[route] for route, answer in runs)


def test_a_small_model_that_picks_tools_at_random_still_leaves_each_question_on_its_side(servers: Any) -> None:
    """What it picks is not checked: this model carries no trained weights, and the schema is all that guides it."""
    output = output_of("langchain_tool_selection.py", servers.settings)
    runs = re.findall(r"^  (small|large)  .+\n      ([\w ]+): (.*)$", output, re.MULTILINE)
    assert len(runs) == 3
    assert {route for route, *_ in runs} == {"small", "large"}
    for route, tool_name, answer in runs:
        if tool_name == "get_current_weather":  # the only one that the models can call
            assert answer.strip() == SAYS[route]


def test_the_tool_of_the_examples_asks_the_server_that_its_side_names(servers: Any) -> None:
    output = output_of("langchain_tool_routing.py", servers.settings)
    assert f"quick answer: {SMALL_SAYS}" in output
    assert f"research: {LARGE_SAYS}" in output
