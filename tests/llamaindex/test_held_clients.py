"""Held answers through LlamaIndex's own clients: what their servers are asked for, and what the user sees of it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import ollama as client
import openai
import pytest
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike

from llamaindex_hybrid.testing import FakeLLM
from tests.covering import covering
from tests.llamaindex._arms import WAYS, Events, Way
from tests.llamaindex._held import TOOL, Seen, choice_of, held_llm, text_of
from tests.looks import CHECKER, SURE, UNSURE, LookScenario, Said, trained
from tests.scenarios import EASY
from tests.servers import Says, ollama_lines

KEPT, ESCALATED = LookScenario(""), LookScenario("", Said(sure=UNSURE))
every_way = pytest.mark.parametrize("way", WAYS, ids=str)
quietly = pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning")
SHAPES = ("chat", "complete", "predict", "chat_with_tools")
every_shape = pytest.mark.parametrize("shape", SHAPES)


class Server(httpx.MockTransport):
    """A server of OpenAI's API that says how sure it was to whoever asks, and refuses that where it is told to."""

    def __init__(self, said: Said, *, refuses: bool = False, calls: bool = False) -> None:
        self.said, self.refuses, self.calls = said, refuses, calls
        self.bodies: list[dict[str, Any]] = []
        super().__init__(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        if body.get("stream"):
            return httpx.Response(500, json={"error": "a held answer is no stream"})
        if body.get("logprobs") and self.refuses:
            return httpx.Response(400, json={"error": {"message": "logprobs are not supported"}})
        choice = choice_of(self.said)
        if not body.get("logprobs"):
            choice.pop("logprobs", None)
        if request.url.path.endswith("/chat/completions"):
            message: dict[str, Any] = {"role": "assistant", "content": self.said.text}
            if self.calls:
                function = {"name": "look_up", "arguments": '{"city": "Lima"}'}
                message["tool_calls"] = [{"id": "1", "type": "function", "function": function}]
            choice["message"] = message
        else:
            choice["text"] = self.said.text
        usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
        kind = "chat.completion" if "message" in choice else "text_completion"
        answer = {"id": "c", "object": kind, "created": 1, "model": "m", "choices": [choice], "usage": usage}
        return httpx.Response(200, json=answer)


def small_at(server: Server, **settings: Any) -> OpenAILike:
    """Return a small model whose server this is."""
    how = {"is_chat_model": True, "is_function_calling_model": True, "max_retries": 0, "context_window": 4096}
    clients = {
        "http_client": httpx.Client(transport=server),
        "async_http_client": httpx.AsyncClient(transport=server),
    }
    fixed = {"model": "small", "api_base": "http://small/v1", "api_key": "none"}
    return OpenAILike(**{**fixed, **how, **clients, **settings})


async def ask(llm: Any, way: Way, shape: str, **settings: Any) -> list[Any]:
    if shape == "predict":
        return await way.all_of(llm, "predict", PromptTemplate("{query_str}"), query_str=EASY)
    if shape == "complete":
        return await way.all_of(llm, "complete", EASY, **settings)
    if shape == "chat":
        return await way.all_of(llm, "chat", [ChatMessage(EASY)], **settings)
    return await way.all_of(llm, "chat_with_tools", [TOOL], EASY, **settings)


@covering(every_way, every_shape, times=2)
async def test_small_is_asked_once_without_a_stream_and_for_log_probabilities(way: Way, shape: str) -> None:
    server, seen = Server(KEPT.small), Seen()
    llm = held_llm(KEPT, small=small_at(server), observers=[seen])
    answers = await ask(llm, way, shape)
    (body,) = server.bodies
    assert (body["logprobs"], body["top_logprobs"]) == (True, 1)
    assert text_of(answers) == "Lima."
    assert seen.decision.look is not None
    assert seen.decision.look.score == pytest.approx(SURE, abs=1e-6)
    (attempt,) = seen.events[0].attempts
    assert (attempt.input_tokens, attempt.output_tokens, attempt.kept) == (3, 1, True)


@every_way
async def test_a_model_that_only_completes_prompts_is_asked_in_its_own_words(way: Way) -> None:
    server = Server(KEPT.small)
    llm = held_llm(KEPT, small=small_at(server, is_chat_model=False, is_function_calling_model=False))
    (answer,) = await ask(llm, way, "complete")
    assert server.bodies[0]["logprobs"] == 1
    assert answer.additional_kwargs["hybrid"]["reason"] == "kept"


@every_way
@pytest.mark.parametrize("shape", ["chat", "complete"])
async def test_what_only_the_look_asked_for_is_not_on_the_answer(way: Way, shape: str) -> None:
    llm = held_llm(KEPT, small=small_at(Server(KEPT.small)))
    (answer,) = await ask(llm, way, shape)
    assert answer.logprobs is None
    assert answer.raw.choices[0].logprobs is None


@every_way
@pytest.mark.parametrize("asked_by", ["the model", "the call"])
async def test_whoever_asked_for_log_probabilities_keeps_them(way: Way, asked_by: str) -> None:
    by_model = {"logprobs": True, "top_logprobs": 1} if asked_by == "the model" else {}
    by_call = {"logprobs": True} if asked_by == "the call" else {}
    llm = held_llm(KEPT, small=small_at(Server(KEPT.small), **by_model))
    (answer,) = await ask(llm, way, "chat", **by_call)
    assert answer.additional_kwargs["hybrid"]["reason"] == "kept"
    assert answer.raw.choices[0].logprobs.content


@covering(every_way, every_shape, times=2)
@quietly
async def test_a_server_that_refuses_them_is_asked_once_without_and_never_again(way: Way, shape: str) -> None:
    server, seen = Server(KEPT.small, refuses=True), Seen()
    llm = held_llm(KEPT, small=small_at(server), observers=[seen])
    for n in (2, 3):
        await ask(llm, way, shape)
        assert seen.decision.reason == "escalated"
        assert len(server.bodies) == n
    assert [attempt.route for attempt in seen.events[0].attempts] == ["small", "large"]


@every_way
async def test_a_request_that_is_refused_for_itself_is_an_error(way: Way) -> None:
    class Refuses(Server):
        def _answer(self, request: httpx.Request) -> httpx.Response:
            self.bodies.append({})
            return httpx.Response(400, json={"error": {"message": "no"}})

    server = Refuses(KEPT.small)
    with pytest.raises(openai.BadRequestError):
        await ask(held_llm(KEPT, small=small_at(server)), way, "chat")
    assert len(server.bodies) == 2


@every_way
async def test_a_check_alone_asks_for_nothing_more(way: Way) -> None:
    server = Server(KEPT.small)
    llm = held_llm(LookScenario("", form=False, options=(("check", lambda *_: True),)), small=small_at(server))
    await ask(llm, way, "chat")
    assert "logprobs" not in server.bodies[0]


@every_way
async def test_calls_of_tools_come_with_tools_in_one_piece_and_are_kept(way: Way) -> None:
    server = Server(Said("", finish="tool_calls"), calls=True)
    llm = held_llm(KEPT, small=small_at(server))
    (answer,) = await ask(llm, way, "chat_with_tools")
    assert [call.tool_kwargs for call in llm.get_tool_calls_from_response(answer)] == [{"city": "Lima"}]
    assert server.bodies[0]["tools"]
    record = answer.additional_kwargs["hybrid"]
    assert (record["reason"], record["certified"]) == ("kept", False)


@every_way
async def test_thoughts_are_not_counted(way: Way) -> None:
    class Thinks(Server):
        def _answer(self, request: httpx.Request) -> httpx.Response:
            answer = json.loads(super()._answer(request).content)
            tokens = [{"token": "hm</think>", "logprob": -9.0, "top_logprobs": []}]
            answer["choices"][0]["logprobs"]["content"][:0] = tokens
            answer["choices"][0]["message"]["reasoning_content"] = "hm"
            return httpx.Response(200, json=answer)

    llm = held_llm(KEPT, small=small_at(Thinks(KEPT.small)))
    (answer,) = await ask(llm, way, "chat")
    record = answer.additional_kwargs["hybrid"]
    assert (record["reason"], record["look"]["signals"]["tokens"]) == ("kept", 1)
    assert answer.message.content == "Lima."


# --- Ollama --------------------------------------------------------------------------------------------------------


@covering(every_way, pytest.mark.parametrize("shape", ["chat", "complete", "predict"]), times=2)
async def test_ollamas_class_drops_them_which_is_said_once_with_the_way_out(way: Way, shape: str) -> None:
    lines = ollama_lines(content="Lima.")
    transport = Says(lines)
    clients = {"client": client.Client(transport=transport), "async_client": client.AsyncClient(transport=transport)}
    small = Ollama(model="qwen3:4b", base_url="http://127.0.0.1:11434", context_window=4096, **clients)
    seen = Seen()
    llm = held_llm(KEPT, small=small, observers=[seen])
    with pytest.warns(match=r"OpenAILike\(model='qwen3:4b', api_base='http://127\.0\.0\.1:11434/v1'.*checker") as given:
        await ask(llm, way, shape)
    assert len(given) == 1
    answers = await ask(llm, way, shape)  # and no second warning, which would be an error
    assert text_of(answers) == "from large"
    assert seen.decision.reason == "escalated"


# --- forms ---------------------------------------------------------------------------------------------------------


class City(BaseModel):
    """A city."""

    city: str


@covering(
    every_way,
    pytest.mark.parametrize("by_schema", [True, False], ids=["a schema of the server", "a prompt"]),
    pytest.mark.parametrize(
        ("text", "sure", "reason", "rejected"),
        [
            ('{"city": "Lima"}', SURE, "kept", None),
            ('{"city": "Lima"}', UNSURE, "escalated", None),
            ("Lima, of course.", SURE, "rejected", "json"),
            ('{"town": "Lima"}', SURE, "rejected", "schema"),
        ],
    ),
    times=2,
)
async def test_a_form_is_looked_at_and_what_does_not_parse_is_asked_of_large(
    way: Way, by_schema: bool, text: str, sure: float, reason: str, rejected: str | None
) -> None:
    how = {"should_use_structured_outputs": by_schema, "is_function_calling_model": False}
    seen = Seen()
    llm = held_llm(KEPT, small=small_at(Server(Said(text, sure)), **how), large=FakeLLM(), observers=[seen])
    answers = await way.all_of(llm, "structured_predict", City, PromptTemplate("{query_str}"), query_str=EASY)
    decision = seen.decision
    assert (decision.reason, decision.look.rejected if decision.look else None) == (reason, rejected)
    assert answers[-1].city == ("Lima" if reason == "kept" else "from fake")
    assert [answer.city for answer in answers].count("Lima") == (reason == "kept")


@every_way
@pytest.mark.parametrize(("says", "reason"), [("Lima", "kept"), ("Cusco", "escalated")])
async def test_a_checker_fills_in_the_same_form_and_is_compared(way: Way, says: str, reason: str) -> None:
    seen, scenario = Seen(), LookScenario("", look=lambda: trained(checker=True), form=True, checker="")
    how = {"should_use_structured_outputs": True, "is_function_calling_model": False}
    small = small_at(Server(Said('{"city": "Lima"}', 0.4)), **how)
    checker = small_at(Server(Said(json.dumps({"city": says}))), model=CHECKER, **how)
    llm = held_llm(scenario, small=small, large=FakeLLM(), checker=checker, observers=[seen])
    await way.all_of(llm, "structured_predict", City, PromptTemplate("{query_str}"), query_str=EASY)
    assert seen.decision.reason == reason
    assert [each.output_tokens for each in seen.events[0].attempts if each.model == CHECKER] == [1]


@every_way
async def test_a_form_in_an_answer_of_prose_is_an_answer_where_the_framework_finds_it(way: Way) -> None:
    seen = Seen()
    small = small_at(Server(Said('Here it is: {"city": "Lima"}')), is_function_calling_model=False)
    llm = held_llm(KEPT, small=small, observers=[seen])
    answers = await way.all_of(llm, "structured_predict", City, PromptTemplate("{query_str}"), query_str=EASY)
    assert (seen.decision.reason, answers[-1].city) == ("kept", "Lima")


@pytest.mark.parametrize(("text", "reason"), [('{"city": "Lima"}', "kept"), ("no", "rejected")])
async def test_as_structured_llm_is_held_too(text: str, reason: str) -> None:
    seen = Seen()
    small = small_at(Server(Said(text)), should_use_structured_outputs=True)
    llm = held_llm(KEPT, small=small, large=FakeLLM(), observers=[seen]).as_structured_llm(City)
    for answer in (llm.chat([ChatMessage(EASY)]), await llm.achat([ChatMessage(EASY)])):
        assert seen.decision.reason == reason
        assert (answer.raw.city == "Lima") == (reason == "kept")


# --- events --------------------------------------------------------------------------------------------------------


@every_way
async def test_nothing_of_small_is_told_word_by_word(way: Way) -> None:
    with Events() as events:
        await ask(held_llm(ESCALATED, small=small_at(Server(ESCALATED.small))), way, "chat")
    told = [event for event in events.seen if "InProgress" in type(event).__name__]
    assert all("Lima" not in str(event.response) for event in told)
