"""A second look on two real models: what is shown is the text of exactly one, and its numbers are the server's."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_openai import ChatOpenAI

from hybrid_llm import Router
from hybrid_llm.look import LOGPROBS, Bound, Ladder, PathCalibration, SecondLook, logprobs_head
from hybrid_llm.look import Path as LookPath
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.live._real import REAL, Hears, base_url, skip_without_real_models

pytestmark = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
QUESTIONS: Final = [
    json.loads(line)["query"]
    for line in (Path(__file__).parent / "plain_questions.jsonl").read_text(encoding="utf-8").splitlines()[:6]
]
MOST: Final = 12
"""Tokens of an answer: the models here are slow."""
LEVEL: Final = {"cost_advantage": 0.5}


def asked(model: str, question: str) -> tuple[str, list[float]]:
    """Return what a server itself says, and how sure it is of each token."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": MOST,
        "logprobs": True,
    }
    choice = httpx.post(f"{base_url(model)}/chat/completions", json=body, timeout=300).json()["choices"][0]
    content = [token["logprob"] for token in choice["logprobs"]["content"] if token["token"]]  # not that of the end
    return choice["message"]["content"], content


Answered = dict[str, dict[str, tuple[str, list[float]]]]


@pytest.fixture(scope="module")
def answers() -> Answered:
    """What both models answer to each question."""
    skip_without_real_models()
    return {model: {question: asked(model, question) for question in QUESTIONS} for model in REAL}


def looking(model: str, answers: Answered) -> Router:
    """Return a router with an untrained look, whose levels come from a small model's own answers."""
    scores = np.exp([np.mean(logprobs) for _, logprobs in answers[model].values()])
    ladder, ones = Ladder.level(scores), np.ones(len(scores))
    measured = PathCalibration.of(ladder, None, scores, ones.astype(bool), ones)
    look = SecondLook("logprobs", Bound(model), {(LOGPROBS,): LookPath(logprobs_head(), ladder, measured)})
    return Router(FixedScorer(0.5), looks={"logprobs": look})


@dataclass
class Two:
    """A small and a large model behind a second look.

    Args:
        small: Name of the small one.
        large: Name of the large one: a real one, or a stand-in that is hosted nowhere.
        pair: Both.
        hears: By name what the servers of the real ones heard and answered.
    """

    small: str
    large: str
    pair: ChatHybrid
    hears: dict[str, Hears]


@pytest.fixture(params=[("real-small", "real-large"), ("real-large", "stand-in")], ids=" and ".join)
async def two(request: pytest.FixtureRequest, answers: Answered) -> AsyncIterator[Two]:
    """The pairs: real-small with real-large as hosted, and real-large as small with a stand-in."""
    hears = {name: Hears() for name in request.param if name in REAL}
    small, large = (model(name, hears[name]) if name in REAL else FakeChatModel(model=name) for name in request.param)
    options: dict[str, Any] = {"second_look": "logprobs", **LEVEL}
    yield Two(*request.param, ChatHybrid(small, large, looking(request.param[0], answers), **options), hears)
    for each in hears.values():
        await each.aclose()


def model(name: str, hears: Hears) -> ChatOpenAI:
    """Return a model on its server."""
    asks = {"base_url": base_url(name), "api_key": "none", "temperature": 0, "max_retries": 2}
    clients = {"http_client": httpx.Client(transport=hears), "http_async_client": httpx.AsyncClient(transport=hears)}
    limit = {"max_tokens": MOST}  # llama-server does not know the newer word that the class sends
    return ChatOpenAI(model=name, stream_usage=True, extra_body=limit, **asks, **clients)


def by_invoke(pair: Any, question: str, config: Any) -> tuple[str, dict[str, Any]]:
    message = pair.invoke(question, config, max_tokens=MOST)
    return message.text, message.response_metadata


def by_stream(pair: Any, question: str, config: Any) -> tuple[str, dict[str, Any]]:
    chunks = list(pair.stream(question, config, max_tokens=MOST))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole.text, whole.response_metadata


async def by_ainvoke(pair: Any, question: str, config: Any) -> tuple[str, dict[str, Any]]:
    message = await pair.ainvoke(question, config, max_tokens=MOST)
    return message.text, message.response_metadata


@pytest.mark.parametrize("ask", [by_invoke, by_stream, by_ainvoke])
async def test_what_is_shown_is_the_text_of_one_and_both_answer_somewhere(
    two: Two, answers: Answered, ask: Callable[..., Any]
) -> None:
    reasons, usage, attempts = [], UsageMetadataCallbackHandler(), []
    for question in QUESTIONS:
        told = ask(two.pair, question, {"callbacks": [usage]})
        text, metadata = await told if inspect.isawaitable(told) else told
        record = metadata["hybrid"]
        reasons.append(record["reason"])
        name = two.small if record["route"] == "small" else two.large
        assert text == (answers[name][question][0] if name in REAL else f"from {name}")
        assert not metadata.get("logprobs")
        said = answers[two.small][question][1]
        assert record["look"]["signals"]["mean_logprob"] == pytest.approx(np.mean(said), abs=0.03)
        attempts += record["attempts"]
    assert set(reasons) == {"kept", "escalated"}
    for name, used in usage.usage_metadata.items():
        real = next((each for each in REAL if each in name), None)
        if real is not None:  # what counts tokens counts what the server did
            assert (used["input_tokens"], used["output_tokens"]) == two.hears[real].counted
    assert len(usage.usage_metadata) == 2
    noted = sum(attempt["output_tokens"] for attempt in attempts)
    assert noted == sum(used["output_tokens"] for used in usage.usage_metadata.values())


def test_an_ollama_that_is_too_old_for_them_is_noticed(answers: Answered, servers: Any) -> None:
    from langchain_ollama import ChatOllama

    small = ChatOllama(model="tiny-small", base_url=servers.ollama)
    router = looking("real-small", answers)
    pair = ChatHybrid(small, FakeChatModel(model="large"), router, second_look="logprobs", **LEVEL)
    with pytest.warns(UserWarning, match=r"0\.12\.11"):
        message = pair.invoke(QUESTIONS[0], max_tokens=MOST)
    small._client.close()
    assert message.response_metadata["hybrid"]["reason"] == "escalated"
