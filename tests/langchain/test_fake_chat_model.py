"""The public fake chat model does what a provider's model does, and what it is told to do."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import BaseModel

from langchain_hybrid.testing import FakeChatModel

DOWN = ConnectionRefusedError("not running")
QUESTION = [HumanMessage("What is the weather like?")]


def get_weather(city: str) -> str:
    """Look up the weather in a city."""
    return f"sunny in {city}"


def get_time(city: str) -> str:
    """Look up the time in a city."""
    return "noon"


class Person(BaseModel):
    """A person."""

    name: str
    age: int


class _Fake:
    """What both suites are told of the model."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return FakeChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "fake"}

    @property
    def model_override_value(self) -> str:
        return "another-model"


@pytest.mark.filterwarnings("ignore:.*is in beta:langchain_core._api.beta_decorator.LangChainBetaWarning")
class TestUnit(_Fake, ChatModelUnitTests):
    pass


@pytest.mark.filterwarnings("ignore:.*is in beta:langchain_core._api.beta_decorator.LangChainBetaWarning")
class TestIntegration(_Fake, ChatModelIntegrationTests):
    pass


async def answers(llm: FakeChatModel, **options: Any) -> list[AIMessage]:
    """Return the answers of the four ways to ask."""
    return [
        llm.invoke(QUESTION, **options),
        await llm.ainvoke(QUESTION, **options),
        reduce(add, llm.stream(QUESTION, **options)),
        reduce(add, [chunk async for chunk in llm.astream(QUESTION, **options)]),
    ]


async def test_it_says_its_name_and_who_it_is_of_in_every_way() -> None:
    llm = FakeChatModel(model="small", provider="ollama")
    for answer in await answers(llm):
        assert answer.text == "from small"
        assert answer.response_metadata["model_name"] == "small"
        assert answer.response_metadata["model_provider"] == "ollama"
        assert answer.usage_metadata == {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    assert [asked.messages for asked in llm.asked] == [QUESTION] * 4


async def test_its_replies_come_first_and_then_what_it_says() -> None:
    llm = FakeChatModel(replies=["one", AIMessage("two"), DOWN], says="three")
    assert (llm.invoke("?").text, "".join(chunk.text for chunk in llm.stream("?"))) == ("one", "two")
    with pytest.raises(ConnectionRefusedError):
        await llm.ainvoke("?")
    assert (llm.invoke("?").text, len(llm.asked)) == ("three", 4)


def test_a_function_may_say_it_of_the_messages() -> None:
    llm = FakeChatModel(says=lambda messages: f"you said: {messages[-1].text}")
    assert llm.invoke("hello").text == "you said: hello"


async def test_stop_words_end_the_answer_and_settings_are_remembered() -> None:
    llm = FakeChatModel(says="one two three")
    assert {answer.text for answer in await answers(llm, stop=["two"], seed=7)} == {"one "}
    assert {(*asked.stop, asked.kwargs["seed"]) for asked in llm.asked} == {("two", 7)}


async def test_it_calls_a_tool_and_answers_from_its_result() -> None:
    llm = FakeChatModel(says="It is sunny.")
    agent = create_agent(llm, tools=[get_weather])
    talk = (await agent.ainvoke({"messages": [("user", "The weather in 'Lima'?")]}))["messages"]
    assert [message.text for message in talk[1:]] == ["", "sunny in Lima", "It is sunny."]
    assert llm.invoke("no tools").text == "It is sunny."


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        (None, ["get_weather"]),
        ("any", ["get_weather"]),
        ("get_time", ["get_time"]),
        ({"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
        ("none", []),
    ],
)
async def test_it_calls_the_tool_that_is_chosen(choice: Any, called: list[str]) -> None:
    tools = FakeChatModel().bind_tools([get_weather, get_time, {"type": "web_search"}], tool_choice=choice)
    for answer in (tools.invoke("?"), reduce(add, tools.stream("?"))):
        assert [call["name"] for call in answer.tool_calls] == called


def test_it_may_be_told_to_call_none() -> None:
    assert FakeChatModel(calls_tools=False).bind_tools([get_weather]).invoke("?").text == "from fake"


def test_it_follows_a_schema() -> None:
    structured = FakeChatModel(model="small").with_structured_output(Person)
    assert structured.invoke("Who is 36?") == Person(name="from small", age=36)


class Reader(BaseCallbackHandler):
    """Reads tokens."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(str(token))


@pytest.mark.parametrize("after", [0, 1, 2, 9])
async def test_it_fails_after_as_many_words_as_it_is_told_to(after: int) -> None:
    llm = FakeChatModel(says="one two three", error=DOWN, fails_after=after)
    shown = ["one ", "two ", "three"][:after]
    reader, heard = Reader(), Reader()
    with pytest.raises(ConnectionRefusedError):
        list(llm.stream("?", {"callbacks": [reader]}))
    with pytest.raises(ConnectionRefusedError):
        [chunk async for chunk in llm.astream("?")]
    with pytest.raises(ConnectionRefusedError):
        llm.invoke("?", {"callbacks": [heard]})
    with pytest.raises(ConnectionRefusedError):
        await llm.ainvoke("?")
    assert [token for token in reader.tokens if token] == heard.tokens == shown
    llm.error = None
    assert llm.invoke("?").text == "one two three"
    assert len(llm.asked) == 5


def test_content_blocks_and_extras_survive_a_stream() -> None:
    blocks = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "4"}]
    said = AIMessage(blocks, additional_kwargs={"own": 1}, response_metadata={"finish_reason": "stop"})
    llm = FakeChatModel(replies=[said, said])
    for answer in (llm.invoke("?"), reduce(add, llm.stream("?"))):
        assert answer.text == "4"
        assert [block["type"] for block in answer.content] == ["reasoning", "text"]
        assert (answer.additional_kwargs["own"], answer.response_metadata["finish_reason"]) == (1, "stop")
    assert isinstance(answer, AIMessageChunk)


def test_what_it_was_asked_is_in_no_dump() -> None:
    llm = FakeChatModel(replies=["a secret answer", "a secret that is left"])
    llm.invoke("a secret")
    assert "secret" not in repr(llm) + str(llm.model_dump())
