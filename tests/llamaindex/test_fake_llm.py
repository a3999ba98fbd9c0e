"""The public fake LLM does what a provider's class does, and what it is told to do."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ToolCallBlock
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import TextNode
from llama_index.core.tools import FunctionTool

from llamaindex_hybrid.testing import FakeLLM
from tests.covering import covering
from tests.llamaindex._arms import WAYS, Said, Way

DOWN = ConnectionRefusedError("not running")
QUESTION = [ChatMessage("What is the weather like?")]
every_way = pytest.mark.parametrize("way", WAYS, ids=str)


def get_weather(city: str) -> str:
    """Say what the weather is like."""
    return f"sunny in {city}"


def get_time(city: str) -> str:
    """Say what time it is."""
    return "noon"


TOOLS = [FunctionTool.from_defaults(get_weather), FunctionTool.from_defaults(get_time)]


@every_way
async def test_it_says_its_name_and_counts_its_words(way: Way) -> None:
    llm = FakeLLM(model="small")
    chat = await way.ask(llm, "chat", QUESTION)
    text = await way.ask(llm, "complete", "What is the weather like?")
    assert (chat.message.content, chat.message.role, text.text) == ("from small", "assistant", "from small")
    assert chat.raw == text.raw
    assert chat.raw["usage"] == {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    assert [asked.method for asked in llm.asked] == [f"{way.prefix}chat", f"{way.prefix}complete"]
    assert [message.content for asked in llm.asked for message in asked.messages] == [QUESTION[0].content] * 2


@pytest.mark.parametrize("way", [way for way in WAYS if "stream" in way.prefix], ids=str)
async def test_each_chunk_of_a_stream_has_what_was_said_so_far(way: Way) -> None:
    chunks = await way.all_of(FakeLLM(says="one two\nthree"), "chat", QUESTION)
    assert [chunk.delta for chunk in chunks] == ["", "one ", "two\n", "three"]
    assert [chunk.message.content for chunk in chunks] == ["", "one ", "one two\n", "one two\nthree"]


@every_way
async def test_its_replies_come_first_and_then_what_it_says(way: Way) -> None:
    llm = FakeLLM(replies=["one", ChatMessage("two", role="assistant"), DOWN], says="three")
    assert [(await way.ask(llm, "chat", QUESTION)).message.content for _ in range(2)] == ["one", "two"]
    with pytest.raises(ConnectionRefusedError):
        await way.ask(llm, "chat", QUESTION)
    assert (await way.ask(llm, "chat", QUESTION)).message.content == "three"
    assert len(llm.asked) == 4


def test_a_function_may_say_it_of_the_messages() -> None:
    llm = FakeLLM(says=lambda messages: f"you said: {messages[-1].content}")
    assert llm.complete("hello").text == "you said: hello"


@covering(
    every_way,
    pytest.mark.parametrize(
        ("choice", "called"),
        [
            (None, ["get_weather"]),
            ("required", ["get_weather"]),
            ("get_time", ["get_time"]),
            ({"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
            ("none", []),
        ],
    ),
    times=2,
)
async def test_it_calls_the_tool_that_is_chosen(way: Way, choice: Any, called: list[str]) -> None:
    llm = FakeLLM()
    answer = await way.ask(llm, "chat_with_tools", TOOLS, user_msg="In 'Lima'?", tool_choice=choice)
    calls = llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False)
    assert [(call.tool_name, call.tool_kwargs) for call in calls] == [(name, {"city": "Lima"}) for name in called]


async def test_it_may_be_told_to_call_none_and_no_call_where_one_is_needed_is_an_error() -> None:
    llm = FakeLLM(calls_tools=False)
    answer = llm.chat_with_tools(TOOLS, user_msg="?", tool_required=True)
    assert answer.message.content == "from fake"
    assert llm.asked[0].kwargs["tool_choice"] == "required"
    with pytest.raises(ValueError, match="calls no tool"):
        llm.get_tool_calls_from_response(answer)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the framework reads deprecated attributes
async def test_an_agent_calls_its_tool_and_answers_from_the_result() -> None:
    llm = FakeLLM(says="It is sunny.")
    agent = FunctionAgent(tools=TOOLS, llm=llm)
    output = await agent.run("The weather in 'Lima'?", memory=ChatMemoryBuffer.from_defaults(token_limit=4000))
    assert str(output) == "It is sunny."
    assert [call.tool_output.content for call in output.tool_calls] == ["sunny in Lima"]


@every_way
async def test_it_fills_a_form(way: Way) -> None:
    filled = await way.ask(FakeLLM(model="small"), "structured_predict", Said, PromptTemplate("Say something."))
    assert filled == Said(text="from small")


@covering(
    every_way,
    pytest.mark.parametrize("method", ["chat", "complete"]),
    pytest.mark.parametrize("after", [0, 1, 9]),
    times=2,
)
async def test_it_fails_after_as_many_words_as_it_is_told_to(way: Way, method: str, after: int) -> None:
    llm = FakeLLM(says="one two three", error=DOWN, fails_after=after)
    request: Any = QUESTION if method == "chat" else "?"
    shown: list[str] = []
    with pytest.raises(ConnectionRefusedError):
        await read(llm, way, method, request, shown)
    assert [word for word in shown if word] == (["one ", "two ", "three"][:after] if "stream" in way.prefix else [])
    llm.error = None
    await read(llm, way, method, request, shown)
    assert len(llm.asked) == 2


async def read(llm: FakeLLM, way: Way, method: str, request: Any, shown: list[str]) -> None:
    """Note each word as it comes, so that those before an error are kept."""
    result = getattr(llm, way.prefix + method)(request)
    if way.prefix.startswith("a"):
        result = await result
    if way.prefix == "stream_":
        shown.extend(chunk.delta for chunk in result)
    elif way.prefix == "astream_":
        async for chunk in result:
            shown.append(chunk.delta)  # noqa: PERF401 - what came before an error is to stay


@every_way
async def test_a_message_that_is_more_than_text_comes_whole(way: Way) -> None:
    call = ToolCallBlock(tool_call_id="1", tool_name="get_time", tool_kwargs={"city": "Lima"})
    said = ChatMessage(role="assistant", blocks=[TextBlock(text="Let me look."), call])
    answer: ChatResponse = await way.ask(FakeLLM(replies=[said]), "chat", QUESTION)
    assert answer.message == said


def test_it_answers_in_a_query_engine() -> None:
    engine = SummaryIndex([TextNode(text="Lima")]).as_query_engine(llm=FakeLLM(says="Lima."))
    assert str(engine.query("What is the capital of Peru?")) == "Lima."


def test_what_it_was_asked_is_in_no_dump() -> None:
    llm = FakeLLM(replies=["a secret answer", "a secret that is left"])
    llm.complete("a secret")
    assert "secret" not in repr(llm) + str(llm.to_dict()) + llm.model_dump_json()
