"""The doctor: what each model can do, found out with one short question, and what to do about what it cannot."""

from __future__ import annotations

import json

import pytest

from hybrid_llm.collect import AskSettings, Examined, ModelName, aexamine
from hybrid_llm.errors import ConfigError
from hybrid_llm.prices import Prices
from tests.collect.stub_server import Stub, stub_server

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def stub():
    with stub_server() as served:
        yield served


async def one(name: str, role: str = "small", price: str | None = None, **settings: object) -> Examined:
    prices = Prices.read([price] if price else [])
    (found,) = await aexamine([(role, ModelName.read(name))], prices, AskSettings(**settings))
    return found


async def test_a_good_local_model_needs_nothing(stub: Stub) -> None:
    stub.shown = {
        "capabilities": ["completion", "tools", "thinking"],
        "model_info": {"llama.context_length": 32768},
        "parameters": "num_ctx    8192\nstop  x",
    }
    stub.says = lambda text: {"content": "1", "logprobs": [{"token": "1", "logprob": -1}]}
    found = await one(stub.ollama())
    assert (found.answers, found.pulled, found.local, found.tools, found.thinking) == (True, True, True, True, True)
    assert (found.logprobs, found.context, found.cold_seconds, found.digest) == (True, 8192, 1.0, "sha-tiny")
    assert (found.price, found.cost_usd, found.advice) == ((0, 0), 0, ())
    assert len(stub.asked) == 1


async def test_a_hosted_model_is_asked_one_short_question(stub: Stub) -> None:
    found = await one(stub.openai(), "large", price="big=1000:1000")
    assert (found.answers, found.context, found.price) == (True, 4096, (1000, 1000))
    assert found.cost_usd == pytest.approx(0.015)
    assert found.tokens_per_second is not None
    (sent,) = stub.asked
    assert sent["max_tokens"] == 64
    assert len(sent["messages"][0]["content"]) < 60


async def test_a_model_that_is_not_pulled_is_not_asked(stub: Stub) -> None:
    found = await one(stub.ollama("qwen3:4b"))
    assert (found.reachable, found.pulled, found.answers) == (True, False, False)
    assert found.advice == ("model not pulled: ollama pull qwen3:4b",)
    assert stub.asked == []


async def test_a_server_that_does_not_answer_is_to_be_started() -> None:
    found = await one("ollama:tiny@http://127.0.0.1:1")
    assert (found.reachable, found.answers) == (False, False)
    assert found.advice == ("http://127.0.0.1:1 does not answer: start it, ollama serve",)


async def test_a_small_model_that_answers_from_elsewhere_is_not_local(stub: Stub) -> None:
    stub.models = {"tiny": {"remote_host": "https://ollama.com", "remote_model": "tiny"}}
    found = await one(stub.ollama())
    assert found.local is False
    assert "answers come from a remote host: not local" in found.advice


async def test_log_probabilities_that_are_missing_name_the_version(stub: Stub) -> None:
    assert "no log-probabilities: Ollama 0.12.11 or later" in (await one(stub.ollama())).advice
    assert (await one(stub.openai(), "large")).advice == ()  # nobody looks at those of the large model


async def test_an_unknown_price_names_the_option(stub: Stub) -> None:
    found = await one(stub.ollama("big:1t-cloud"))
    assert found.price is None
    assert any(line.startswith("no price known: --price big:1t-cloud=IN:OUT") for line in found.advice)


async def test_a_refused_key_is_told(stub: Stub) -> None:
    stub.says = lambda text: (401, {"error": {"message": "Incorrect API key provided: sk-secret"}})
    found = await one(stub.openai(), "large")
    assert not found.answers
    assert "refuses the key (HTTP status 401); check OPENAI_API_KEY" in found.advice[0]
    assert "sk-secret" not in json.dumps(found.as_dict())
    assert len(stub.asked) == 1


async def test_a_model_that_cannot_think_is_told_with_the_settings_of_the_run(stub: Stub) -> None:
    stub.says = lambda text: (400, {"error": "tiny does not support thinking"})
    found = await one(stub.ollama(), think=True)
    assert not found.answers
    assert "it cannot think aloud: leave out --think on" in found.advice


async def test_a_slow_start_is_told(stub: Stub) -> None:
    stub.says = lambda text: {"content": "1", "load_duration": 60 * 10**9}
    assert any("60 s to load" in line for line in (await one(stub.ollama())).advice)


async def test_a_key_that_is_missing_is_told_before_anything_is_asked(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    models = [("small", ModelName.read(stub.ollama())), ("large", ModelName.read("openai:gpt-4o"))]
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        await aexamine(models, Prices())
    assert stub.asked == []


async def test_what_is_found_can_be_written_as_json(stub: Stub) -> None:
    assert json.loads(json.dumps((await one(stub.ollama())).as_dict()))["model"] == stub.ollama()
