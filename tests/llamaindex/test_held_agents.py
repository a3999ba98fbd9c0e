"""Held answers in what is built on an LLM: tools, forms, agents, query and chat engines, conversations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ToolCallBlock
from llama_index.core.chat_engine import CondensePlusContextChatEngine, ContextChatEngine, SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import TextNode
from llama_index.core.tools import FunctionTool

from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid.testing import FakeLLM
from tests.covering import covering
from tests.llamaindex._arms import WAYS, Events, Way
from tests.llamaindex._arms import Said as Form
from tests.llamaindex._held import TOOL, Says, Seen, asked, held_llm, small_of
from tests.looks import BROKEN, UNKNOWN, UNSURE, WEATHER, LookScenario, Said
from tests.scenarios import EASY

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the framework reads deprecated attributes
every_way = pytest.mark.parametrize("way", WAYS, ids=str)
both = pytest.mark.parametrize(("sure", "shown"), [(0.9, "small"), (UNSURE, "large")], ids=["kept", "escalated"])


class Steps(Says):
    """Calls a tool first, and says something after its result; how sure it is of that is ``said``."""

    calls: Any = (WEATHER,)

    def _chunks(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> Any:
        last: Said = self.said
        if kwargs.get("tools") and messages[-1].role != MessageRole.TOOL:
            self.said = Said("", calls=self.calls, finish="tool_calls")
        yield from super()._chunks(messages, kwargs)
        self.said = last


def loop(said: Said, calls: Any = (WEATHER,), seen: Seen | None = None) -> HybridLLM:
    """Return a hybrid of two models that call a tool and then say something, small as it is told."""
    small = Steps(model="small", said=said, calls=calls)
    return held_llm(LookScenario(""), small=small, large=FakeLLM(model="large"), observers=[seen] if seen else [])


def memory() -> ChatMemoryBuffer:
    return ChatMemoryBuffer.from_defaults(token_limit=4000)


# --- tools ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("calls", "ran"),
    [((WEATHER,), ["Lima"]), ((BROKEN,), ["from large"]), ((WEATHER, UNKNOWN), ["from large"])],
    ids=["kept", "broken arguments", "one of two unknown"],
)
async def test_no_tool_runs_of_an_answer_that_was_not_kept(calls: Any, ran: list[str], asynchronous: bool) -> None:
    looked_up: list[Any] = []

    def look_up(city: str) -> str:
        """Look up a city."""
        looked_up.append(city)
        return f"{city} is a city"

    llm, tool = loop(Said(), calls), FunctionTool.from_defaults(look_up)
    if asynchronous:
        await llm.apredict_and_call([tool], user_msg=EASY)
    else:
        llm.predict_and_call([tool], user_msg=EASY)
    assert looked_up == ran


@every_way
async def test_arguments_that_break_off_are_no_call(way: Way) -> None:
    scenario = LookScenario("", Said("", calls=(("look_up", '{"city": "Li'),)))
    answers = await way.all_of(held_llm(scenario), "chat_with_tools", [TOOL], EASY)
    record = answers[-1].additional_kwargs["hybrid"]
    assert (record["reason"], record["look"]["rejected"]) == ("rejected", "tool_arguments")


# --- forms ---------------------------------------------------------------------------------------------------------


@covering(
    every_way,
    pytest.mark.parametrize(
        ("small", "reason", "rejected"),
        [
            (Said("", calls=(("Said", {"text": "Lima"}),)), "kept", None),
            (Said("", calls=(("Said", {"txt": "Lima"}),)), "rejected", "tool_arguments"),
            (Said("", calls=(("Said", '{"text": "Li'),)), "rejected", "tool_arguments"),
            (Said("Lima."), "rejected", "json"),
            (Said("", calls=(("Said", {"text": "Lima"}),), finish="length"), "rejected", "cut_off"),
        ],
        ids=["kept", "another field", "broken off", "no call", "cut off"],
    ),
    times=2,
)
async def test_a_form_that_is_filled_in_by_calling_it_is_checked(
    way: Way, small: Said, reason: str, rejected: str | None
) -> None:
    seen, scenario = Seen(), LookScenario("", small)
    llm = held_llm(scenario, large=FakeLLM(model="large"), observers=[seen])
    answers = await way.all_of(llm, "structured_predict", Form, PromptTemplate("{query_str}"), query_str=EASY)
    assert (seen.decision.reason, seen.decision.look and seen.decision.look.rejected) == (reason, rejected)
    texts = [answer.text for answer in answers]
    assert (texts == ["Lima"]) if reason == "kept" else (texts[-1] == "from large" and "Lima" not in texts)


@every_way
async def test_an_outage_while_a_form_is_held_is_an_outage(way: Way) -> None:
    seen = Seen()
    llm = held_llm(LookScenario("", small_fails="refused"), large=FakeLLM(model="large"), observers=[seen])
    with pytest.warns(match="small is down"):
        await way.all_of(llm, "structured_predict", Form, PromptTemplate("{query_str}"), query_str=EASY)
    assert seen.decision.reason == "fallback"


# --- agents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
@both
async def test_a_function_agent_shows_one_answer_at_each_step(sure: float, shown: str, streaming: bool) -> None:
    seen = Seen()
    llm = loop(Said("It is Lima.", sure), seen=seen)
    agent = FunctionAgent(tools=[TOOL], llm=llm, streaming=streaming)
    run = agent.run(EASY, memory=memory())
    told = [event.delta async for event in run.stream_events() if isinstance(event, AgentStream)]
    text = "It is Lima." if shown == "small" else "from large"
    assert str(await run) == text
    assert [event.decision.reason for event in seen.events] == ["kept", "kept" if shown == "small" else "escalated"]
    assert asked(llm) == ((2, 0) if shown == "small" else (2, 1))
    if streaming:
        assert "".join(told) == text


@pytest.mark.parametrize("streaming", [False, True])
async def test_once_large_has_answered_in_a_run_the_rest_of_it_stays_there(streaming: bool) -> None:
    seen = Seen()
    llm = loop(Said("It is Lima."), calls=(BROKEN,), seen=seen)
    agent = FunctionAgent(tools=[TOOL], llm=llm, streaming=streaming)
    assert str(await agent.run(EASY, memory=memory())) == "from large"
    assert [event.decision.reason for event in seen.events] == ["rejected", "follow_up"]
    assert asked(llm) == (1, 2)


@both
async def test_a_workflow_of_agents(sure: float, shown: str) -> None:
    llm = loop(Said("It is Lima.", sure))
    workflow = AgentWorkflow([FunctionAgent(name="a", description="looks up", tools=[TOOL], llm=llm)], root_agent="a")
    assert str(await workflow.run(EASY, memory=memory())) == ("It is Lima." if shown == "small" else "from large")


@pytest.mark.parametrize("streaming", [False, True])
@both
async def test_a_react_agent(sure: float, shown: str, streaming: bool) -> None:
    said = Said("Thought: I can answer.\nAnswer: small knows", sure)
    large = FakeLLM(model="large", says="Thought: I can answer.\nAnswer: large knows")
    agent = ReActAgent(tools=[TOOL], llm=held_llm(LookScenario("", said), large=large), streaming=streaming)
    assert str(await agent.run(EASY, memory=memory())) == f"{shown} knows"


# --- engines -------------------------------------------------------------------------------------------------------

NODES = [TextNode(text="Lima is the capital of Peru."), TextNode(text="Cusco is not.")]


@covering(
    pytest.mark.parametrize("streaming", [False, True]),
    pytest.mark.parametrize(
        "mode", [ResponseMode.COMPACT, ResponseMode.REFINE, ResponseMode.TREE_SUMMARIZE, ResponseMode.SIMPLE_SUMMARIZE]
    ),
    both,
    times=2,
)
async def test_a_query_engine_answers_in_one_voice(sure: float, shown: str, mode: Any, streaming: bool) -> None:
    llm = held_llm(LookScenario("", Said("Lima.", sure)))
    engine = SummaryIndex(NODES).as_query_engine(llm=llm, response_mode=mode, streaming=streaming)
    text = "Lima." if shown == "small" else "from large"
    assert str(engine.query(EASY)) == text
    answer = await engine.aquery(EASY)
    whole = "".join([token async for token in answer.response_gen]) if streaming else str(answer)
    assert whole == text


@pytest.mark.parametrize("kind", [SimpleChatEngine, ContextChatEngine, CondensePlusContextChatEngine])
@both
async def test_a_chat_engine_answers_in_one_voice(sure: float, shown: str, kind: Any) -> None:
    llm = held_llm(LookScenario("", Said("Lima.", sure)))
    made_of = {} if kind is SimpleChatEngine else {"retriever": SummaryIndex(NODES).as_retriever()}
    engine = kind.from_defaults(llm=llm, memory=memory(), **made_of)
    text = "Lima." if shown == "small" else "from large"
    assert str(engine.chat(EASY)) == text
    engine.reset()
    assert "".join(engine.stream_chat(EASY).response_gen) == text
    engine.reset()
    assert str(await engine.achat(EASY)) == text
    engine.reset()
    stream = await engine.astream_chat(EASY)
    assert "".join([token async for token in stream.async_response_gen()]) == text


# --- conversations -------------------------------------------------------------------------------------------------


@every_way
@both
async def test_a_follow_up_is_looked_at_anew(sure: float, shown: str, way: Way) -> None:
    first = (await way.ask(held_llm(LookScenario("", Said(sure=sure))), "chat", [ChatMessage(EASY)])).message
    assert first.additional_kwargs["hybrid"]["route"] == shown
    talk = [ChatMessage(EASY), first, ChatMessage("and then?")]
    second = await way.ask(held_llm(LookScenario("")), "chat", talk)
    assert (second.message.content, second.additional_kwargs["hybrid"]["reason"]) == ("Lima.", "kept")


@every_way
async def test_a_record_survives_json_and_is_not_sent_to_a_model(way: Way) -> None:
    llm = held_llm(LookScenario("", Said(sure=UNSURE)))
    first = (await way.ask(llm, "chat", [ChatMessage(EASY)])).message
    again = ChatMessage.model_validate(json.loads(first.model_dump_json()))
    await way.ask(llm, "chat", [ChatMessage(EASY), again, ChatMessage(EASY)])
    assert isinstance(llm.small, FakeLLM)
    assert "hybrid" not in llm.small.asked[-1].messages[1].additional_kwargs


# --- what a stream is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS[2:], ids=str)
async def test_what_was_held_comes_as_one_chunk_with_all_in_it(way: Way) -> None:
    (chunk,) = await way.all_of(held_llm(LookScenario("", Said("It is Lima."))), "chat", [ChatMessage(EASY)])
    assert (chunk.delta, chunk.message.content) == ("It is Lima.", "It is Lima.")
    (chunk,) = await way.all_of(held_llm(LookScenario("", Said("It is Lima."))), "complete", EASY)
    assert (chunk.delta, chunk.text) == ("It is Lima.", "It is Lima.")
    chunks = await way.all_of(held_llm(LookScenario("", Said(sure=UNSURE))), "chat", [ChatMessage(EASY)])
    assert [chunk.delta for chunk in chunks if chunk.delta] == ["from ", "large"]
    assert {chunk.additional_kwargs["hybrid"]["reason"] for chunk in chunks} == {"escalated"}


@pytest.mark.parametrize("way", WAYS[2:], ids=str)
async def test_thoughts_of_a_kept_answer_are_shown_as_thoughts(way: Way) -> None:
    from llama_index.core.base.llms.types import ThinkingBlock

    class Thinks(Says):
        def _chunks(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> Any:
            for chunk in super()._chunks(messages, kwargs):
                chunk.message.blocks = [ThinkingBlock(content="hm"), TextBlock(text="Lima.")]
                yield chunk

    llm = held_llm(LookScenario(""), small=small_of(LookScenario(""), Thinks))
    (chunk,) = await way.all_of(llm, "chat", [ChatMessage(EASY)])
    assert (chunk.delta, chunk.additional_kwargs["thinking_delta"]) == ("Lima.", "hm")


# --- what is told --------------------------------------------------------------------------------------------------


def names(events: Events) -> list[tuple[str, str]]:
    """Return what was told of the models, in order: which event, of which model."""
    told = []
    for event in events.seen:
        kind = type(event).__name__
        if kind in ("LLMChatStartEvent", "HybridRoutingEvent"):
            told.append((kind, event.model if kind[0] == "H" else event.model_dict["model_name"]))
        elif kind == "LLMChatEndEvent":
            told.append((kind, event.response.raw["model"]))
        elif kind == "HybridDiscardedEvent":
            told.append((kind, event.attempt["model"]))
    return told


@every_way
async def test_events_tell_of_both_calls_and_of_the_one_that_was_not_shown(way: Way) -> None:
    small = [("HybridRoutingEvent", "small"), ("LLMChatStartEvent", "small"), ("LLMChatEndEvent", "small")]
    large = [(kind, "large") for kind, _ in small]
    with Events() as events:
        await way.all_of(held_llm(LookScenario("")), "chat", [ChatMessage(EASY)])
    assert names(events) == small
    with Events() as events:
        await way.all_of(held_llm(LookScenario("", Said(sure=UNSURE))), "chat", [ChatMessage(EASY)])
    assert names(events) == [*small, *large, ("HybridDiscardedEvent", "small")]
    routing = [event.decision for event in events.seen if type(event).__name__ == "HybridRoutingEvent"]
    assert [(one["reason"], one["look"]["score"] is None) for one in routing] == [("score", True), ("escalated", False)]
    (discarded,) = [event for event in events.seen if type(event).__name__ == "HybridDiscardedEvent"]
    assert discarded.decision["reason"] == "escalated"
    assert discarded.attempt["output_tokens"] == 1
    assert "Lima" not in discarded.model_dump_json()


async def test_tool_calls_of_small_stay_out_of_a_stream_that_large_answers() -> None:
    llm = loop(Said(), calls=(WEATHER, BROKEN))
    chunks = list(llm.stream_chat_with_tools([TOOL], EASY))
    blocks = [block for chunk in chunks for block in chunk.message.blocks if isinstance(block, ToolCallBlock)]
    assert [json.loads(str(block.tool_kwargs)) for block in blocks] == [{"city": "from large"}]
