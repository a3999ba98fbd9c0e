"""What LangChain's clients of real servers make of an empty, unreadable or broken answer, and what becomes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from langchain.agents import create_agent
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableBranch, RunnableLambda
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from hybrid_llm.errors import CutAnswerError, HybridLLMWarning
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, HybridRouterMiddleware, RunnableHybrid
from tests.covering import covering
from tests.servers import Says, ollama_lines, openai_answer, openai_events

pytestmark = pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning")
EASY = FixedScorer(0.9)
CALL = {"function": {"name": "look", "arguments": {}}}

NOTHING = {
    "loaded only": ollama_lines(why="load"),
    "no text": ollama_lines(""),
    "white space": ollama_lines(" ", "\n"),
    "window full": ollama_lines("", why="length"),
    "an empty stream": b"",
    "HTML": b"<html>Welcome</html>",
    "broken JSON": b'{"model": "m", "mess',
    "other JSON": b'{"ok": true}\n',
}


def ollama(body: bytes) -> ChatOllama:
    return ChatOllama(model="m", base_url="http://small", client_kwargs={"transport": Says(body)}, num_ctx=4096)


def openai(body: bytes, kind: str = "text/event-stream", **settings: Any) -> ChatOpenAI:
    transport = Says(body, kind)
    clients = {
        "http_client": httpx.Client(transport=transport),
        "http_async_client": httpx.AsyncClient(transport=transport),
    }
    return ChatOpenAI(model="m", base_url="http://small/v1", api_key="none", max_retries=0, **clients, **settings)


def chat(small: Any, **options: Any) -> ChatHybrid:
    return ChatHybrid(small, FakeListChatModel(responses=["large"]), EASY, threshold=0.5, **options)


def chain(small: Any, **options: Any) -> RunnableHybrid[Any, Any]:
    large = FakeListChatModel(responses=["large"])
    return RunnableHybrid(small, large, EASY, threshold=0.5, **options)


class Agent:
    """An agent with the middleware, asked as a chat model is."""

    def __init__(self, small: Any, **options: Any) -> None:
        large = FakeListChatModel(responses=["large"])
        router = HybridRouterMiddleware(small, large, EASY, threshold=0.5, **options)
        self.agent = create_agent(large, middleware=[router])

    def invoke(self, text: str) -> AIMessage:
        return self.agent.invoke({"messages": [("user", text)]})["messages"][-1]

    async def ainvoke(self, text: str) -> AIMessage:
        return (await self.agent.ainvoke({"messages": [("user", text)]}))["messages"][-1]


async def by_invoke(model: Any) -> Any:
    return model.invoke("2+2?")


async def by_ainvoke(model: Any) -> Any:
    return await model.ainvoke("2+2?")


async def by_stream(model: Any) -> Any:
    answer: Any = None
    for chunk in model.stream("2+2?"):
        answer = chunk if answer is None or type(chunk) is dict else answer + chunk
    return answer


async def by_astream(model: Any) -> Any:
    answer: Any = None
    async for chunk in model.astream("2+2?"):
        answer = chunk if answer is None or type(chunk) is dict else answer + chunk
    return answer


async def by_batch(model: Any) -> Any:
    return model.batch(["2+2?"])[0]


Way = Callable[[Any], Awaitable[Any]]
whole_ways = pytest.mark.parametrize("way", [by_invoke, by_ainvoke])
streams = pytest.mark.parametrize("way", [by_stream, by_astream])
every_way = pytest.mark.parametrize("way", [by_invoke, by_ainvoke, by_stream, by_astream, by_batch])
pairs = pytest.mark.parametrize("pair", [chat, chain], ids=["chat", "chain"])
nothing = pytest.mark.parametrize("body", NOTHING.values(), ids=NOTHING)


def route(answer: AIMessage) -> tuple[str, str]:
    return answer.text, answer.response_metadata["hybrid"]["reason"]


@covering(every_way, pairs, nothing)
async def test_an_ollama_that_gives_nothing_is_down(way: Way, pair: Any, body: bytes) -> None:
    assert route(await way(pair(ollama(body)))) == ("large", "fallback")


@covering(
    every_way,
    pairs,
    pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"<html>Welcome</html>", "text/html"),
            (b"data: <html>\n\n", "text/event-stream"),
            (b"{", "application/json"),
            (openai_events(), "text/event-stream"),
        ],
        ids=["HTML", "HTML in an event", "broken JSON", "no text"],
    ),
    times=2,
)
async def test_an_openai_server_that_gives_nothing_is_down(way: Way, pair: Any, body: bytes, kind: str) -> None:
    assert route(await way(pair(openai(body, kind)))) == ("large", "fallback")


@whole_ways
@pairs
@pytest.mark.parametrize("text", ["", " \n"])
async def test_a_whole_answer_without_text_is_none(way: Way, pair: Any, text: str) -> None:
    assert route(await way(pair(openai(openai_answer(text), "application/json")))) == ("large", "fallback")


@every_way
@pytest.mark.parametrize("message", [{"tool_calls": [CALL]}])
async def test_a_tool_call_needs_no_text(way: Way, message: Any) -> None:
    answer = await way(chat(ollama(ollama_lines(**message))))
    assert [call["name"] for call in answer.tool_calls] == ["look"]


@every_way
async def test_the_text_of_a_chain_that_ends_in_a_model_is_judged_too(way: Way) -> None:
    small = ChatPromptTemplate.from_messages([("human", "{q}")]) | ollama(ollama_lines(" ")) | StrOutputParser()
    hybrid = chain(RunnableLambda(lambda q: {"q": q}) | small)
    answer = await way(hybrid)
    assert getattr(answer, "text", answer) == "large"


@every_way
async def test_a_function_may_return_nothing(way: Way) -> None:
    assert await way(chain(lambda q: "")) == ""


@streams
@pairs
@pytest.mark.parametrize(
    "small",
    [ollama(ollama_lines("This", " answer", why=None)), openai(openai_events("This", " answer", why=None))],
    ids=["ollama", "openai"],
)
async def test_a_stream_that_breaks_off_is_never_passed_on_as_whole(way: Way, pair: Any, small: Any) -> None:
    with pytest.raises(CutAnswerError):
        await way(pair(small))


@streams
@pairs
@pytest.mark.parametrize("small", [ollama(ollama_lines("4")), openai(openai_events("4"))], ids=["ollama", "openai"])
async def test_a_whole_stream_is_smalls(way: Way, pair: Any, small: Any) -> None:
    assert route(await way(pair(small))) == ("4", "score")


@whole_ways
@pytest.mark.parametrize("pair", [chat, chain, Agent], ids=["chat", "chain", "agent"])
async def test_half_an_answer_in_one_piece_is_an_outage(way: Way, pair: Any) -> None:
    assert route(await way(pair(ollama(ollama_lines("This", why=None))))) == ("large", "fallback")


@covering(whole_ways, nothing, times=2)
async def test_an_agent_goes_on_with_large(way: Way, body: bytes) -> None:
    assert route(await way(Agent(ollama(body)))) == ("large", "fallback")


@whole_ways
async def test_an_agents_whole_answer_is_smalls(way: Way) -> None:
    assert route(await way(Agent(ollama(ollama_lines("4"))))) == ("4", "score")


def test_where_nobody_steps_in_an_empty_answer_is_handed_on() -> None:
    answer = chat(ollama(ollama_lines("")), fallback_to_large=False).invoke("2+2?")
    assert route(answer) == ("", "score")


def test_the_warning_says_what_it_was() -> None:
    with pytest.warns(HybridLLMWarning, match=r"model 'm' answered with nothing to show \(it ended with 'length'\)"):
        chat(ollama(ollama_lines("", why="length"))).invoke("2+2?")


class Number(BaseModel):
    """A number."""

    value: int


class Structured(FakeListChatModel):
    """A large model that follows a schema."""

    def with_structured_output(self, schema: Any, *, include_raw: bool = False, **kwargs: Any) -> Any:
        answer = AIMessage('{"value": 5}')
        raw = {"raw": answer, "parsed": Number(value=5), "parsing_error": None}
        return RunnableLambda(lambda _: raw if include_raw else Number(value=5))


def numbers(body: bytes, **options: Any) -> Any:
    hybrid = ChatHybrid(ollama(body), Structured(responses=["5"]), EASY, threshold=0.5)
    return hybrid.with_structured_output(Number, **options)


@covering(every_way, nothing, times=2)
async def test_structured_output_of_nothing_is_larges(way: Way, body: bytes) -> None:
    assert await way(numbers(body)) == Number(value=5)


@covering(every_way, nothing, times=2)
async def test_so_it_is_with_the_raw_message_beside_it(way: Way, body: bytes) -> None:
    answer = await way(numbers(body, include_raw=True))
    assert answer["parsed"] == Number(value=5)
    assert answer["raw"].response_metadata["hybrid"]["reason"] == "fallback"


@every_way
async def test_a_whole_object_is_smalls(way: Way) -> None:
    assert await way(numbers(ollama_lines('{"value"', ": 4}"))) == Number(value=4)


@whole_ways
async def test_half_an_object_is_not_taken_for_a_whole_one(way: Way) -> None:
    assert await way(numbers(ollama_lines('{"value"', ": 4", why=None))) == Number(value=5)


@every_way
@pytest.mark.parametrize("rest", [": 4", ": 4}"], ids=["half", "all but its end"])
async def test_nor_is_one_with_the_raw_message_beside_it(way: Way, rest: str) -> None:
    answer = await way(numbers(ollama_lines('{"value"', rest, why=None), include_raw=True))
    assert answer["parsed"] == Number(value=5)
    assert answer["raw"].response_metadata["hybrid"]["reason"] == "fallback"


@every_way
async def test_a_whole_object_with_its_raw_message_is_smalls(way: Way) -> None:
    answer = await way(numbers(ollama_lines('{"value"', ": 4}"), include_raw=True))
    assert answer["parsed"] == Number(value=4)
    assert answer["raw"].response_metadata["hybrid"]["reason"] == "score"


TEXT, JSON = StrOutputParser(), JsonOutputParser()
PROMPT = ChatPromptTemplate.from_messages([("human", "{q}")])
JSON_CHAIN: Any = RunnableLambda(lambda q: {"q": q}) | PROMPT


def parsed(body: bytes, parser: Any, **options: Any) -> RunnableHybrid[Any, Any]:
    """A chain whose small arm hands on only what its model said."""
    large = FakeListChatModel(responses=['{"value": 5}']) | parser
    return RunnableHybrid(JSON_CHAIN | ollama(body) | parser, large, EASY, threshold=0.5, **options)


CUT = {"half": ['{"value"', ": 4"], "all but its end": ['{"value"', ": 4}"]}
cut = pytest.mark.parametrize("words", CUT.values(), ids=CUT)


@whole_ways
@cut
@pytest.mark.parametrize(("parser", "larges"), [(TEXT, '{"value": 5}'), (JSON, {"value": 5})], ids=["text", "JSON"])
async def test_half_an_answer_that_a_parser_hands_on_is_an_outage(way: Way, words: Any, parser: Any, larges: Any):
    assert await way(parsed(ollama_lines(*words, why=None), parser)) == larges


@streams
@cut
@pytest.mark.parametrize("parser", [TEXT, JSON], ids=["text", "JSON"])
async def test_a_stream_of_texts_that_breaks_off_is_never_passed_on_as_whole(way: Way, words: Any, parser: Any):
    with pytest.raises(CutAnswerError):
        await way(parsed(ollama_lines(*words, why=None), parser))


@streams
@pytest.mark.parametrize("parser", [TEXT, JSON], ids=["text", "JSON"])
async def test_so_it_is_where_the_parser_is_inside_a_model_with_settings(way: Way, parser: Any) -> None:
    small = (ollama(ollama_lines('{"value": 4}', why=None)).bind(stop=["x"]) | parser).with_config(tags=["mine"])
    with pytest.raises(CutAnswerError):
        await way(chain(small))


@covering(every_way, pytest.mark.parametrize("parser", [TEXT, JSON], ids=["text", "JSON"]), nothing)
async def test_nothing_that_a_parser_cannot_read_is_an_outage(way: Way, parser: Any, body: bytes) -> None:
    answer = await way(parsed(body, parser))
    assert answer in ('{"value": 5}', {"value": 5})


@every_way
async def test_what_a_parser_cannot_read_of_a_whole_answer_is_its_own_error(way: Way) -> None:
    if way in (by_stream, by_astream):
        return  # a JSON parser yields what it can read of a stream
    with pytest.raises(OutputParserException):
        await way(parsed(ollama_lines("four"), JSON))


@every_way
@pytest.mark.parametrize(("parser", "smalls"), [(TEXT, '{"value": 4}'), (JSON, {"value": 4})], ids=["text", "JSON"])
async def test_a_whole_answer_of_a_chain_is_smalls(way: Way, parser: Any, smalls: Any) -> None:
    assert await way(parsed(ollama_lines('{"value"', ": 4}"), parser)) == smalls


def test_a_stream_without_a_word_on_why_is_whole_where_another_model_of_the_arm_gives_one() -> None:
    arm = RunnableBranch(
        (lambda text: "first" in text, ollama(ollama_lines("from A"))), FakeListChatModel(responses=["B"])
    )
    hybrid = RunnableHybrid(arm, FakeListChatModel(responses=["large"]), EASY, threshold=0.5)
    for text, said in (("Ask the first.", "from A"), ("Ask the other one.", "B"), ("And once more the other.", "B")):
        assert "".join(str(chunk.content) for chunk in hybrid.stream(text)) == said
