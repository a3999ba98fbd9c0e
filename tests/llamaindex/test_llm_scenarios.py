"""HybridLLM decides what every adapter must decide, and keeps working when an arm breaks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool

from hybrid_llm.errors import ConfigError
from llamaindex_hybrid import HybridLLM, HybridRoutingEvent
from llamaindex_hybrid.testing import FakeLLM
from tests.covering import covering
from tests.llamaindex._arms import WAYS, Events, Said, Way, arms, hybrid
from tests.scenarios import EASY, FAILURES, HARD, SCENARIOS, THRESHOLD, WINDOW, Scenario

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)

pytestmark = pytest.mark.filterwarnings("ignore:The scorer failed:hybrid_llm.errors.HybridLLMWarning")
every_stream = pytest.mark.parametrize("way", WAYS[2:], ids=str)
every_way = pytest.mark.parametrize("way", WAYS, ids=str)
LEVEL: dict[str, Any] = {"threshold": THRESHOLD}


def get_weather(city: str) -> str:
    """Say what the weather is like."""
    return f"sunny in {city}"


TOOL = FunctionTool.from_defaults(get_weather)
PIXEL = b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def conversation(scenario: Scenario) -> list[ChatMessage]:
    """Return the messages of a scenario."""
    system = [ChatMessage(role="system", content="Be brief. " * WINDOW)] if scenario.long else []
    history = [ChatMessage(role=role, content=text) for role, text in scenario.history]
    blocks: list[Any] = [TextBlock(text=scenario.text)]
    if scenario.image:
        blocks.append(ImageBlock(image=PIXEL))
    return [*system, *history, ChatMessage(role="user", blocks=blocks)]


async def answer(way: Way, llm: HybridLLM, scenario: Scenario) -> Any:
    """Ask as the scenario does."""
    messages, options = conversation(scenario), dict(scenario.options)
    if scenario.tools:
        required = {"tool_required": True} if scenario.forced_tool else {}
        return await way.ask(llm, "chat_with_tools", [TOOL], chat_history=messages, **required, **options)
    if scenario.provider_tool:
        options["tools"] = [{"type": "web_search"}]
    if scenario.structured:
        options["response_format"] = {"type": "json_object"}
    return await way.ask(llm, "chat", messages, **options)


@covering(every_scenario, every_way, times=2)
async def test_the_scenarios_of_every_adapter(way: Way, scenario: Scenario) -> None:
    error, large_error = FAILURES.get(scenario.small_fails or ""), FAILURES.get(scenario.large_fails or "")
    small = FakeLLM(model="small", error=error, context_window=WINDOW, calls_tools=False)
    small.is_function_calling_model = not scenario.structured
    large = FakeLLM(model="large", error=large_error, context_window=100 * WINDOW, calls_tools=False)
    llm = HybridLLM(small, large, scenario.router(), **LEVEL, fallback_to_small=scenario.to_small)
    if scenario.raises:
        with pytest.raises(type(FAILURES[scenario.raises])) as caught:
            await answer(way, llm, scenario)
        assert caught.value is FAILURES[scenario.raises]
        return
    response = await answer(way, llm, scenario)
    decision = response.additional_kwargs["hybrid"]
    assert (decision["route"], decision["reason"]) == (scenario.route, scenario.reason)
    assert response.message.content == f"from {scenario.route}"
    assert response.message.additional_kwargs["hybrid"] == decision


@covering(every_way, pytest.mark.parametrize("method", ["complete", "predict", "structured_predict"]), times=2)
async def test_every_kind_of_call_falls_back(way: Way, method: str) -> None:
    llm = hybrid(FakeLLM(model="small", error=ConnectionRefusedError()), FakeLLM(model="large"))
    template = PromptTemplate("{context_str} {query_str}")
    arguments: Any = {
        "complete": ((EASY,), {}),
        "predict": ((template,), {"query_str": EASY}),
        "structured_predict": ((Said, template), {"query_str": EASY}),
    }[method]
    with Events() as events:
        answers = await way.all_of(llm, method, *arguments[0], **arguments[1])
    assert ("".join(answers) if method == "predict" else answers[-1].text) == "from large"
    tried = [(event.model, event.decision["reason"]) for event in events.of(HybridRoutingEvent)]
    assert tried == [("small", "score"), ("large", "fallback")]


@every_way
async def test_after_three_failures_small_is_left_alone(way: Way) -> None:
    small, large = arms(error=ConnectionRefusedError())
    llm = hybrid(small, large)
    answers = [await way.ask(llm, "chat", [ChatMessage(EASY)]) for _ in range(5)]
    reasons = [answer.additional_kwargs["hybrid"]["reason"] for answer in answers]
    assert reasons == ["fallback"] * 3 + ["cooldown"] * 2
    assert (len(small.asked), len(large.asked)) == (3, 5)


async def read(llm: HybridLLM, way: Way, words: list[str]) -> None:
    if way.prefix == "stream_":
        for chunk in llm.stream_chat([ChatMessage(EASY)]):
            words.append(chunk.delta or "")  # noqa: PERF401 - what came before an error is to stay
    else:
        async for chunk in await llm.astream_chat([ChatMessage(EASY)]):
            words.append(chunk.delta or "")  # noqa: PERF401 - what came before an error is to stay


@every_stream
async def test_after_the_first_token_an_error_is_raised(way: Way) -> None:
    small, large = arms(error=ConnectionResetError("in the middle"), fails_after=1)
    words: list[str] = []
    with pytest.raises(ConnectionResetError):
        await read(hybrid(small, large), way, words)
    assert [word for word in words if word] == ["from "]
    assert large.asked == []


@every_stream
@pytest.mark.parametrize("shown", [None, "thinking_delta", "tool call"])
async def test_only_what_shows_something_is_a_first_token(way: Way, shown: str | None) -> None:
    class Dies(FakeLLM):
        def _chunks(self, messages: Any, kwargs: Any) -> Any:
            blocks: Any = [ToolCallBlock(tool_name="get_weather")] if shown == "tool call" else [TextBlock(text="")]
            extras = {shown: "hm"} if shown == "thinking_delta" else {}
            yield ChatResponse(message=ChatMessage(role="assistant", blocks=blocks), delta="", additional_kwargs=extras)
            raise ConnectionResetError

    llm = hybrid(Dies(model="small"))
    if shown is None:
        chunks = await way.all_of(llm, "chat", [ChatMessage(EASY)])
        assert chunks[-1].message.content == "from large"
        assert {chunk.additional_kwargs["hybrid"]["reason"] for chunk in chunks} == {"fallback"}
    else:
        with pytest.raises(ConnectionResetError):
            await way.all_of(llm, "chat", [ChatMessage(EASY)])


@every_way
async def test_fallback_can_be_switched_off(way: Way) -> None:
    llm = hybrid(arms(error=ConnectionRefusedError())[0], fallback_to_large=False)
    with pytest.raises(ConnectionRefusedError):
        await way.ask(llm, "chat", [ChatMessage(EASY)])


async def test_small_has_only_so_much_time() -> None:
    class Slow(FakeLLM):
        async def achat(self, messages: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(5)

    response = await hybrid(Slow(model="small"), small_timeout=0.05).achat([ChatMessage(EASY)])
    assert response.additional_kwargs["hybrid"]["reason"] == "fallback"
    with pytest.raises(ConfigError, match="small_timeout"):
        hybrid(small_timeout=0)


@every_stream
async def test_a_stream_that_is_left_is_no_failure(way: Way) -> None:
    small, large = arms()
    llm = hybrid(small, large)
    for _ in range(4):
        if way.prefix == "stream_":
            stream = llm.stream_chat([ChatMessage(EASY)])
            next(stream)
            stream.close()
        else:
            astream = await llm.astream_chat([ChatMessage(EASY)])
            await anext(astream)
            await astream.aclose()
    assert not llm._routing.pair.state.breakers["small"].open


async def test_a_clone_knows_that_small_is_down() -> None:
    small, large = arms(error=ConnectionRefusedError())
    llm = hybrid(small, large)
    for _ in range(3):
        llm.chat([ChatMessage(EASY)])
    assert llm.with_quality(threshold=0.4).chat([ChatMessage(EASY)]).additional_kwargs["hybrid"]["reason"] == "cooldown"
    assert llm.chat([ChatMessage(HARD)]).additional_kwargs["hybrid"]["reason"] == "score"
