"""What readers of an agent's stream and of its traces see: each token once, and no prompt in our own runs."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from langsmith import Client
from langsmith.run_helpers import tracing_context

from hybrid_llm.testing import FixedScorer
from tests.langchain._agents import Way, agent_of, call, every_way, fakes, reasons
from tests.langchain._ways import Recorder

RESET = ConnectionResetError("connection reset")
Reader = Callable[..., AsyncIterator[tuple[Any, dict[str, Any]]]]


async def by_stream(agent: Any, text: str, **kwargs: Any) -> AsyncIterator[tuple[Any, dict[str, Any]]]:
    for item in agent.stream({"messages": [HumanMessage(text)]}, stream_mode="messages", **kwargs):
        yield item


async def by_astream(agent: Any, text: str, **kwargs: Any) -> AsyncIterator[tuple[Any, dict[str, Any]]]:
    async for item in agent.astream({"messages": [HumanMessage(text)]}, stream_mode="messages", **kwargs):
        yield item


every_reader = pytest.mark.parametrize("read", [by_stream, by_astream])


def tokens(items: list[tuple[Any, dict[str, Any]]]) -> list[str]:
    return [chunk.text for chunk, _ in items if isinstance(chunk, AIMessage) and chunk.text]


@every_reader
@pytest.mark.parametrize(("text", "route"), [("easy", "small"), ("hard", "large")])
async def test_a_stream_of_messages_shows_each_token_once(
    read: Reader, text: str, route: str, scorer: FixedScorer
) -> None:
    small, large = fakes()
    small.replies, large.replies = [call()], [call()]
    items = [item async for item in read(agent_of(small, large, scorer), text)]
    assert tokens(items) == ["from ", route]
    calls = [chunk for chunk, _ in items if isinstance(chunk, AIMessageChunk) and chunk.tool_call_chunks]
    assert len(calls) == 1


@every_reader
async def test_a_reader_of_the_stream_sees_the_decision_beside_each_token(read: Reader, scorer: FixedScorer) -> None:
    items = [item async for item in read(agent_of(*fakes(), scorer), "easy")]
    about = [metadata for chunk, metadata in items if isinstance(chunk, AIMessageChunk)]
    assert about
    assert {metadata["hybrid"]["route"] for metadata in about} == {"small"}
    assert all("route:small" in metadata["tags"] for metadata in about)


@every_reader
async def test_before_the_first_token_the_reader_gets_the_answer_of_large(read: Reader, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [RESET]
    items = [item async for item in read(agent_of(small, large, scorer), "easy")]
    assert tokens(items) == ["from ", "large"]


@every_reader
async def test_after_the_first_token_the_error_is_raised_and_no_second_half_follows(
    read: Reader, scorer: FixedScorer
) -> None:
    small, large = fakes()
    small.error, small.fails_after = RESET, 1
    items: list[Any] = []

    async def read_on() -> None:
        async for item in read(agent_of(small, large, scorer), "easy"):
            items.append(item)  # noqa: PERF401 - what was read before the error counts

    with pytest.raises(ConnectionResetError, match="connection reset"):
        await read_on()
    assert tokens(items) == ["from "]
    assert large.asked == []


@every_reader
async def test_answers_that_break_halfway_open_the_breaker_of_their_own_arm(read: Reader, scorer: FixedScorer) -> None:
    small, large = fakes()
    agent = agent_of(small, large, scorer, fallback_to_small=True)
    for _ in range(3):
        small.error, small.fails_after = RESET, 1
        with pytest.raises(ConnectionResetError):
            [item async for item in read(agent, "easy")]
    assert tokens([item async for item in read(agent, "easy")]) == ["from ", "large"]
    assert len(small.asked) == 3
    assert tokens([item async for item in read(agent, "hard")]) == ["from ", "large"]


@every_way
async def test_where_nobody_reads_tokens_a_half_answer_is_thrown_away_and_large_answers(
    way: Way, scorer: FixedScorer
) -> None:
    small, large = fakes()
    small.error, small.fails_after = RESET, 1
    state = await way(agent_of(small, large, scorer), "easy", {"callbacks": [UsageMetadataCallbackHandler()]})
    assert reasons(state) == ["fallback"]


@every_way
async def test_a_callback_that_reads_tokens_gets_no_second_half_either(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.error, small.fails_after = RESET, 1
    recorder = Recorder()
    with pytest.raises(ConnectionResetError):
        await way(agent_of(small, large, scorer), "easy", {"callbacks": [recorder]})
    assert "".join(recorder.tokens) == "from "


async def test_tokens_that_come_after_small_was_given_up_on_are_not_shown(scorer: FixedScorer) -> None:
    let_go = threading.Event()

    def late(messages: Any) -> str:
        let_go.wait(5)
        return "too late"

    small, large = fakes()
    small.says, large.replies = late, [call()]
    shown: list[str] = []
    before = set(threading.enumerate())

    @tool
    def get_weather(city: str) -> str:
        """Look up the weather in a city, while the small model wakes up."""
        let_go.set()
        for thread in set(threading.enumerate()) - before:
            if thread.name == "hybrid-llm-small":
                thread.join(5)
        return city

    agent = agent_of(small, large, scorer, tools=[get_weather], small_timeout=0.05)
    for chunk, _ in agent.stream({"messages": [HumanMessage("easy")]}, stream_mode="messages"):
        if isinstance(chunk, AIMessage) and chunk.text:
            shown.append(chunk.text)
    assert let_go.is_set()
    assert shown == ["from ", "large"]


async def test_v2_events_show_each_token_once(scorer: FixedScorer) -> None:
    agent = agent_of(*fakes(), scorer)
    events = [e async for e in agent.astream_events({"messages": [HumanMessage("easy")]}, version="v2")]
    shown = [e["data"]["chunk"].text for e in events if e["event"] == "on_chat_model_stream"]
    assert [text for text in shown if text] == ["from ", "small"]


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol")
async def test_v3_events_show_each_token_once_and_no_second_half(scorer: FixedScorer) -> None:
    small, large = fakes()
    agent = agent_of(small, large, scorer)
    run = agent.stream_events({"messages": [HumanMessage("easy")]}, version="v3")
    assert [token for message in run.messages for token in message.text] == ["from ", "small"]
    assert run.output["hybrid"]["route"] == "small"
    small.error, small.fails_after = RESET, 1
    broken = agent.stream_events({"messages": [HumanMessage("easy")]}, version="v3")
    with pytest.raises(ConnectionResetError):
        _ = broken.output
    assert large.asked == []


@every_way
async def test_the_run_of_the_arm_is_tagged_with_its_route_and_counted_once(way: Way, scorer: FixedScorer) -> None:
    small, large = fakes()
    small.replies = [call(), RESET]
    recorder = Recorder()
    await way(agent_of(small, large, scorer), "easy", {"callbacks": [recorder]})
    runs = [run for _, run in recorder.of("model")]
    assert [[tag for tag in run["tags"] if tag.startswith("route:")] for run in runs] == [
        ["route:small"],
        ["route:small"],
        ["route:large"],
    ]
    assert [run["metadata"]["hybrid"]["reason"] for run in runs] == ["score", "score", "fallback"]


class Recording(Client):
    """A tracing client that keeps the runs to itself."""

    def __init__(self) -> None:
        super().__init__(api_url="http://localhost:1", api_key="none", auto_batch_tracing=False)
        self.recorded: dict[Any, dict[str, Any]] = {}

    def create_run(self, name: str, inputs: Any, run_type: Any, **run: Any) -> None:
        self.recorded.setdefault(run["id"], {}).update(run, name=name, inputs=inputs)

    def update_run(self, run_id: Any, **run: Any) -> None:
        self.recorded.setdefault(run_id, {}).update(run)


@every_way
async def test_our_own_runs_in_a_trace_hold_the_decision_and_no_prompt(way: Way, scorer: FixedScorer) -> None:
    client = Recording()
    scorer.scores = {"my secret": 0.9}
    with tracing_context(enabled=True, client=client):
        await way(agent_of(*fakes(), scorer), "my secret")
    ours = [run for run in client.recorded.values() if run["name"].startswith("HybridRouterMiddleware")]
    assert {run["name"].rpartition(".")[2] for run in ours} >= {"before_agent"}
    calls = [run for run in ours if run["name"].endswith("wrap_model_call")]
    assert len(calls) == 1
    assert "secret" not in str([(run.get("inputs"), run.get("outputs")) for run in ours])
    assert "from small" not in str([run.get("outputs") for run in ours])
    assert calls[0]["outputs"]["hybrid"]["route"] == "small"
