"""What LlamaIndex's clients of real servers make of an empty, unreadable or broken answer, and what becomes of it."""

from __future__ import annotations

from typing import Any

import httpx
import ollama as client
import pytest
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike

from hybrid_llm.errors import CutAnswerError
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM
from tests.covering import covering
from tests.servers import Says, ollama_lines, openai_answer, openai_events

pytestmark = pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning")
ASKED = [ChatMessage("2+2?")]

NOTHING = {
    "loaded only": ollama_lines(why="load"),
    "no text": ollama_lines(why="stop"),
    "window full": ollama_lines(why="length"),
    "an empty stream": b"",
    "HTML": b"<html>Welcome</html>",
    "broken JSON": b'{"model": "m", "mess',
    "a list": b"[]\n",
    "other JSON": b'{"ok": true}\n',
}
nothing = pytest.mark.parametrize("body", NOTHING.values(), ids=NOTHING)
verbs = pytest.mark.parametrize("verb", ["chat", "complete", "predict", "chat_with_tools"])
forms = pytest.mark.parametrize("form", ["{}", "a{}", "stream_{}", "astream_{}"])


def ollama(body: bytes) -> Ollama:
    transport = Says(body)
    clients = {"client": client.Client(transport=transport), "async_client": client.AsyncClient(transport=transport)}
    return Ollama(model="m", context_window=4096, **clients)


def openai(body: bytes, kind: str) -> OpenAILike:
    transport = Says(body, kind)
    clients = {
        "http_client": httpx.Client(transport=transport),
        "async_http_client": httpx.AsyncClient(transport=transport),
    }
    settings = {"is_chat_model": True, "is_function_calling_model": True, "max_retries": 0, "context_window": 4096}
    return OpenAILike(model="m", api_base="http://small/v1", api_key="none", **settings, **clients)


def hybrid(small: Any, **options: Any) -> HybridLLM:
    large = ollama(ollama_lines(content="large"))
    return HybridLLM(small, large, FixedScorer(0.9), threshold=0.5, **options)


async def ask(llm: HybridLLM, form: str, verb: str) -> Any:
    """Ask by a method; return the answer, of a stream its last chunk (of a stream of texts all of it)."""
    name = {"stream_predict": "stream", "astream_predict": "astream"}.get(form.format(verb), form.format(verb))
    if verb == "chat_with_tools":
        name = form.format("chat") + "_with_tools"
    arguments: Any = {
        "chat": (ASKED,),
        "complete": ("2+2?",),
        "predict": (PromptTemplate("{query_str}"),),
        "chat_with_tools": ([FunctionTool.from_defaults(lambda: "", name="look", description="Looks.")], "2+2?"),
    }[verb]
    answer = getattr(llm, name)(*arguments, **({"query_str": "2+2?"} if verb == "predict" else {}))
    if form == "{}":
        return answer
    if form == "a{}":
        return await answer
    chunks = list(answer) if form == "stream_{}" else [chunk async for chunk in await answer]
    return "".join(chunks) if verb == "predict" else chunks[-1]


def said(answer: Any) -> str:
    return str(answer if isinstance(answer, str) else getattr(answer, "text", None) or answer.message.content)


@covering(verbs, forms, nothing)
async def test_an_ollama_that_gives_nothing_is_down(verb: str, form: str, body: bytes) -> None:
    answer = await ask(hybrid(ollama(body)), form, verb)
    assert said(answer) == "large"
    assert isinstance(answer, str) or answer.additional_kwargs["hybrid"]["reason"] == "fallback"


@covering(
    verbs,
    pytest.mark.parametrize("form", ["{}", "a{}"]),
    pytest.mark.parametrize(
        "body",
        [b"<html>", b'{"id": "c", "choices": null}', b'{"id": "c", "choices": []}', openai_answer(" \n")],
        ids=["HTML", "null", "no choices", "white space"],
    ),
    times=2,
)
async def test_an_openai_server_that_gives_nothing_is_down(verb: str, form: str, body: bytes) -> None:
    kind = "text/html" if body == b"<html>" else "application/json"
    assert said(await ask(hybrid(openai(body, kind)), form, verb)) == "large"


@covering(
    verbs,
    pytest.mark.parametrize("form", ["stream_{}", "astream_{}"]),
    pytest.mark.parametrize(
        "body", [b"<html>", b"data: <html>\n\n", openai_events()], ids=["HTML", "event", "no text"]
    ),
    times=2,
)
async def test_nor_does_a_stream_of_one(verb: str, form: str, body: bytes) -> None:
    assert said(await ask(hybrid(openai(body, "text/event-stream")), form, verb)) == "large"


@covering(
    verbs,
    pytest.mark.parametrize("form", ["stream_{}", "astream_{}"]),
    pytest.mark.parametrize(
        "small",
        [
            ollama(ollama_lines("This", " answer", why=None)),
            openai(openai_events("This", " answer", why=None), "text/event-stream"),
        ],
        ids=["ollama", "openai"],
    ),
    times=2,
)
async def test_a_stream_that_breaks_off_is_never_passed_on_as_whole(verb: str, form: str, small: Any) -> None:
    with pytest.raises(CutAnswerError):
        await ask(hybrid(small), form, verb)


@covering(
    verbs,
    pytest.mark.parametrize("form", ["stream_{}", "astream_{}"]),
    pytest.mark.parametrize(
        "small",
        [ollama(ollama_lines("4")), openai(openai_events("4"), "text/event-stream")],
        ids=["ollama", "openai"],
    ),
    times=2,
)
async def test_a_whole_stream_is_smalls(verb: str, form: str, small: Any) -> None:
    assert said(await ask(hybrid(small), form, verb)) == "4"


@verbs
@pytest.mark.parametrize("form", ["{}", "a{}"])
async def test_half_an_answer_in_one_piece_is_an_outage(verb: str, form: str) -> None:
    assert said(await ask(hybrid(ollama(ollama_lines("This", why=None))), form, verb)) == "large"


class Number(BaseModel):
    """A number."""

    value: int


async def fill(small: Any, form: str) -> Any:
    """Ask for a number by a method; return it, of a stream its last state."""
    llm = HybridLLM(small, ollama(ollama_lines(content='{"value": 5}')), FixedScorer(0.9), threshold=0.5)
    answer = getattr(llm, form.format("structured_predict"))(Number, PromptTemplate("{query_str}"), query_str="2+2?")
    if form == "{}":
        return answer
    if form == "a{}":
        return await answer
    return (list(answer) if form == "stream_{}" else [state async for state in await answer])[-1]


@covering(forms, nothing, times=2)
async def test_nothing_in_a_form_is_an_outage(form: str, body: bytes) -> None:
    assert (await fill(ollama(body), form)).value == 5


@pytest.mark.parametrize("form", ["{}", "a{}"])
@pytest.mark.parametrize("rest", [": 4", ": 4}"], ids=["half", "all but its end"])
async def test_half_a_form_is_an_outage(form: str, rest: str) -> None:
    assert (await fill(ollama(ollama_lines('{"value"' + rest, why=None)), form)).value == 5


@pytest.mark.parametrize("form", ["stream_{}", "astream_{}"])
@pytest.mark.parametrize("rest", [": 4", ": 4}"], ids=["half", "all but its end"])
async def test_a_form_whose_stream_breaks_off_is_never_passed_on_as_whole(form: str, rest: str) -> None:
    with pytest.raises(CutAnswerError):
        await fill(ollama(ollama_lines('{"value"', rest, why=None)), form)


@forms
async def test_a_whole_form_is_smalls(form: str) -> None:
    words = ['{"value": 4}'] if "stream" not in form else ['{"value"', ": 4}"]
    body = ollama_lines(*words) if "stream" in form else ollama_lines(content='{"value": 4}')
    assert (await fill(ollama(body), form)).value == 4


async def test_what_cannot_be_read_of_a_whole_answer_is_its_own_error() -> None:
    with pytest.raises(ValueError, match="Number"):
        await fill(ollama(ollama_lines(content="four")), "{}")


@pytest.mark.parametrize("form", ["stream_{}", "astream_{}"])
async def test_two_streams_that_are_read_by_turns_are_told_apart(form: str) -> None:
    cut, whole = hybrid(ollama(ollama_lines("a", "b", why=None))), hybrid(ollama(ollama_lines("c", "d")))
    template, heard = PromptTemplate("{query_str}"), []
    if form == "stream_{}":
        one, other = (llm.stream(template, query_str="2+2?") for llm in (cut, whole))
        heard += [next(one), next(other), next(one), next(other)]
        assert "".join(other) == ""
        with pytest.raises(CutAnswerError):
            next(one)
    else:
        first, second = [await llm.astream(template, query_str="2+2?") for llm in (cut, whole)]
        heard += [await anext(first), await anext(second), await anext(first), await anext(second)]
        assert "".join([text async for text in second]) == ""
        with pytest.raises(CutAnswerError):
            await anext(first)
    assert heard == ["a", "c", "b", "d"]


@pytest.mark.parametrize("form", ["{}", "a{}", "stream_{}", "astream_{}"])
async def test_a_model_that_never_says_why_it_ends_is_left_in_peace(form: str) -> None:
    assert said(await ask(hybrid(MockLLM()), form, "complete")) == "2+2?"


def test_where_nobody_steps_in_an_empty_answer_is_handed_on() -> None:
    answer = hybrid(ollama(ollama_lines()), fallback_to_large=False).complete("2+2?")
    assert (answer.text, answer.additional_kwargs["hybrid"]["reason"]) == ("", "score")
