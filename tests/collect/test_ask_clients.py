"""The clients: what Ollama and OpenAI are sent, and what is made of their answers."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from hybrid_llm.collect import AskSettings, ModelName, Reply, client_of, what_went_wrong
from hybrid_llm.dispatch import is_outage
from hybrid_llm.errors import ConfigError, NoAnswerError
from tests.collect.stub_server import Stub, stub_server

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def stub():
    with stub_server() as served:
        yield served


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_llm.collect.clients.PAUSE", 0.001)


async def ask(name: str, messages: Any = HELLO, **settings: Any) -> Reply:
    client = client_of(ModelName.read(name))
    try:
        return await client.ask(messages, AskSettings(**settings))
    finally:
        await client.close()


TOKENS = [{"token": "Hel", "logprob": -0.5}, {"token": "lo", "logprob": -0.25}]


async def test_an_answer_of_ollama(stub: Stub) -> None:
    stub.says = lambda text: {"content": "Hello", "logprobs": TOKENS, "done_reason": "length"}
    reply = await ask(stub.ollama(), temperature=0.5, max_tokens=7, think=False, system="Be brief.")
    assert (reply.text, reply.logprobs, reply.finish) == ("Hello", (-0.5, -0.25), "length")
    assert (reply.input_tokens, reply.output_tokens, reply.digest, reply.load_seconds) == (10, 5, "sha-tiny", 1.0)
    assert reply.seconds > 0
    (sent,) = stub.asked
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, *HELLO]
    assert sent["options"] == {"temperature": 0.5, "num_predict": 7}
    assert (sent["think"], sent["logprobs"]) == (False, True)


async def test_an_answer_of_openai(stub: Stub) -> None:
    stub.says = lambda text: {"content": "Hello", "logprobs": TOKENS, "finish": "length"}
    reply = await ask(stub.openai(), temperature=0.5, max_tokens=7, think=False, system="Be brief.")
    assert (reply.text, reply.logprobs, reply.finish) == ("Hello", (-0.5, -0.25), "length")
    assert (reply.input_tokens, reply.output_tokens, reply.digest) == (10, 5, "big-2026")
    (sent,) = stub.asked
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, *HELLO]
    assert (sent["temperature"], sent["max_tokens"], sent["logprobs"]) == (0.5, 7, True)
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}


async def test_the_system_prompt_takes_the_place_of_one_that_is_there(stub: Stub) -> None:
    await ask(stub.openai(), [{"role": "system", "content": "old"}, *HELLO], system="new")
    assert stub.asked[0]["messages"][0] == {"role": "system", "content": "new"}


async def test_a_server_without_log_probabilities_leaves_none(stub: Stub) -> None:
    assert (await ask(stub.ollama())).logprobs is None
    assert (await ask(stub.openai())).logprobs is None


async def test_thinking_is_no_part_of_the_answer(stub: Stub) -> None:
    tokens = [{"token": word, "logprob": -9.0} for word in ("Hm", "</think>")] + TOKENS
    stub.says = lambda text: {"content": "Hello", "thinking": "Hm", "logprobs": tokens}
    reply = await ask(stub.ollama())
    assert (reply.text, reply.thought, reply.logprobs) == ("Hello", True, (-0.5, -0.25))
    stub.says = lambda text: {"content": "<think>Hm</think>Hello", "logprobs": tokens}
    reply = await ask(stub.openai())
    assert (reply.text, reply.thought, reply.logprobs) == ("Hello", True, (-0.5, -0.25))


async def test_a_chat_with_pictures_and_tools_is_said_in_ollamas_words(stub: Stub) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}}
    await ask(
        stub.ollama(),
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "this?"}, picture],
            },
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "a cat", "tool_call_id": "1"},
            *HELLO,
        ],
    )
    first, second = stub.asked[0]["messages"][:2]
    assert (first["content"], first["images"]) == ("What is\nthis?", ["iVBORw0KGgo="])
    assert second["tool_calls"][0]["function"] == {"name": "look", "arguments": {"at": "it"}}


# what servers refuse


def refusing(*names: str):
    """Return what answers 400 to a request with one of these settings."""

    def handler(stub: Stub) -> Any:
        def says(text: str) -> Any:
            wrong = next((name for name in names if name in stub.asked[-1]), None)
            said = {"message": f"Unsupported parameter: '{wrong}' is not supported with this model.", "param": wrong}
            return (400, {"error": said}) if wrong else "Hello"

        return says

    return handler


@pytest.mark.parametrize("names", [("logprobs",), ("max_tokens",), ("temperature", "logprobs", "max_tokens")])
async def test_what_a_hosted_model_does_not_take_is_left_out(stub: Stub, names: tuple[str, ...]) -> None:
    stub.says = refusing(*names)(stub)
    client = client_of(ModelName.read(stub.openai()))
    for _ in range(2):
        assert (await client.ask(HELLO, AskSettings())).text == "Hello"
    await client.close()
    assert len(stub.asked) == len(names) + 2  # and the second time it is known
    if "max_tokens" in names:
        assert stub.asked[-1]["max_completion_tokens"] == 1024


async def test_a_temperature_that_the_user_asked_for_is_not_left_out(stub: Stub) -> None:
    stub.says = refusing("temperature")(stub)
    with pytest.raises(Exception, match="temperature"):
        await ask(stub.openai(), temperature=0.7)


async def test_a_prompt_that_is_too_long_is_no_setting_that_is_refused(stub: Stub) -> None:
    said = {"message": "max_tokens is too large: the prompt has 5000 tokens", "param": "messages"}
    stub.says = lambda text: (400, {"error": said})
    with pytest.raises(Exception, match="too large"):
        await ask(stub.openai())
    assert len(stub.asked) == 1


@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_a_model_that_cannot_think_is_an_error_that_says_so(stub: Stub, kind: str) -> None:
    stub.says = lambda text: (400, {"error": '"tiny" does not support thinking'})
    model = ModelName.read(getattr(stub, kind)())
    with pytest.raises(Exception, match="thinking") as caught:
        await ask(str(model), think=True)
    assert not is_outage(caught.value)
    assert "does not support thinking" in what_went_wrong(caught.value, model)
    assert len(stub.asked) == 1


# servers that are down


@pytest.mark.slow
@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_a_busy_server_is_asked_again(stub: Stub, kind: str) -> None:
    says = itertools.chain([(503, {"error": "busy"})] * 2, itertools.repeat("Hello"))
    stub.says = lambda text: next(says)
    assert (await ask(getattr(stub, kind)())).text == "Hello"
    assert len(stub.asked) == 3


@pytest.mark.usefixtures("_no_pauses")
async def test_a_local_server_that_stays_down_is_an_outage(stub: Stub) -> None:
    stub.says = lambda text: (500, {"error": "broken"})
    model = ModelName.read(stub.ollama())
    with pytest.raises(Exception, match="broken") as caught:
        await ask(str(model))
    assert len(stub.asked) == 6
    assert what_went_wrong(caught.value, model) == "the server of model 'tiny' failed (HTTP status 500)"


@pytest.mark.usefixtures("_no_pauses")
async def test_a_model_that_is_not_there_is_not_waited_for(stub: Stub) -> None:
    stub.says = lambda text: (404, {"error": 'model "tiny" not found, try pulling it first'})
    model = ModelName.read(stub.ollama())
    with pytest.raises(Exception, match="not found") as caught:
        await ask(str(model))
    assert len(stub.asked) == 1
    assert what_went_wrong(caught.value, model) == "model 'tiny' not found: ollama pull tiny"


@pytest.mark.usefixtures("_no_pauses")
async def test_a_model_that_was_only_loaded_is_asked_again(stub: Stub) -> None:
    says = itertools.chain([{"content": "", "done_reason": "load"}], itertools.repeat("Hello"))
    stub.says = lambda text: next(says)
    assert (await ask(stub.ollama())).text == "Hello"


@pytest.mark.usefixtures("_no_pauses")
async def test_rubbish_is_no_answer(stub: Stub) -> None:
    stub.says = lambda text: (200, {"choices": []})
    with pytest.raises(NoAnswerError, match="no choices"):
        await ask(stub.openai())


async def test_a_cold_model_is_waited_for(stub: Stub) -> None:
    stub.seconds = 0.3
    began = time.monotonic()
    assert (await ask(stub.ollama())).seconds >= 0.3
    assert time.monotonic() - began < 10
    assert len(stub.asked) == 1


# keys


def test_a_hosted_model_needs_a_key() -> None:
    with pytest.raises(ConfigError, match="openai:gpt-4o needs a key, and OPENAI_API_KEY is not set"):
        client_of(ModelName.read("openai:gpt-4o"))


async def test_a_local_server_needs_no_key(stub: Stub) -> None:
    await ask(stub.openai())
    assert stub.keys == ["Bearer none"]


async def test_the_key_comes_from_the_environment_and_is_not_shown(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    stub.says = lambda text: (401, {"error": {"message": "Incorrect API key provided: sk-se***et"}})
    model = ModelName.read(stub.openai())
    with pytest.raises(Exception, match="Incorrect") as caught:
        await ask(str(model))
    assert stub.keys == ["Bearer sk-secret"]
    assert what_went_wrong(caught.value, model).endswith("refuses the key (HTTP status 401); check OPENAI_API_KEY")
