"""A second look on two real models: what is shown is the text of exactly one, and its numbers are the server's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler

from hybrid_llm import Router
from hybrid_llm.look import LOGPROBS, Bound, Ladder, PathCalibration, SecondLook, logprobs_head
from hybrid_llm.look import Path as LookPath
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid

pytestmark = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
QUESTIONS: Final = [
    json.loads(line)["query"]
    for line in (Path(__file__).parent / "plain_questions.jsonl").read_text(encoding="utf-8").splitlines()[:6]
]
REAL: Final = {"real-small": os.environ.get("SPORT", "18082"), "real-large": os.environ.get("BPORT", "18083")}
MOST: Final = 12
"""Tokens of an answer: the models here are slow."""
LEVEL: Final = {"cost_advantage": 0.5}


def base_url(model: str) -> str:
    return f"http://127.0.0.1:{REAL[model]}/v1"


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


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, dict[str, tuple[str, list[float]]]]]:
    """What both models answer to each question."""
    try:
        yield {model: {question: asked(model, question) for question in QUESTIONS} for model in REAL}
    except httpx.TransportError:
        pytest.skip("the real models need setup-real and start-real")


@pytest.fixture(scope="module")
def router(answers: Any) -> Router:
    """A router with an untrained look, whose levels come from the small model's own answers."""
    scores = np.exp([np.mean(logprobs) for _, logprobs in answers["real-small"].values()])
    ladder, ones = Ladder.level(scores), np.ones(len(scores))
    measured = PathCalibration.of(ladder, None, scores, ones.astype(bool), ones)
    look = SecondLook("logprobs", Bound("real-small"), {(LOGPROBS,): LookPath(logprobs_head(), ladder, measured)})
    return Router(FixedScorer(0.5), looks={"logprobs": look})


def langchain_pair(router: Router) -> ChatHybrid:
    from langchain_openai import ChatOpenAI

    def model(name: str) -> Any:
        asked = {"base_url": base_url(name), "api_key": "none", "temperature": 0, "max_retries": 0}
        limit = {"max_tokens": MOST}  # llama-server does not know the newer word that the class sends
        return ChatOpenAI(model=name, stream_usage=True, extra_body=limit, **asked)

    return ChatHybrid(model("real-small"), model("real-large"), router, second_look="logprobs", **LEVEL)


def by_invoke(pair: Any, question: str, config: Any) -> tuple[str, dict[str, Any]]:
    message = pair.invoke(question, config, max_tokens=MOST)
    return message.text, message.response_metadata


def by_stream(pair: Any, question: str, config: Any) -> tuple[str, dict[str, Any]]:
    chunks = list(pair.stream(question, config, max_tokens=MOST))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole.text, whole.response_metadata


@pytest.mark.parametrize("ask", [by_invoke, by_stream])
def test_what_is_shown_is_the_text_of_one_and_both_answer_somewhere(
    router: Router, answers: Any, ask: Callable[..., tuple[str, dict[str, Any]]]
) -> None:
    pair, routes, usage = langchain_pair(router), [], UsageMetadataCallbackHandler()
    counted: dict[str, int] = {}
    for question in QUESTIONS:
        text, metadata = ask(pair, question, {"callbacks": [usage]})
        record = metadata["hybrid"]
        model = f"real-{record['route']}"
        routes.append(record["reason"])
        assert text == answers[model][question][0]
        assert not metadata.get("logprobs")
        said = answers["real-small"][question][1]
        assert record["look"]["signals"]["mean_logprob"] == pytest.approx(np.mean(said), abs=0.03)
        for attempt in record["attempts"]:
            counted[attempt["model"]] = counted.get(attempt["model"], 0) + attempt["output_tokens"]
    assert set(routes) == {"kept", "escalated"}
    told = {name: used["output_tokens"] for name, used in usage.usage_metadata.items()}
    assert sorted(told.values()) == sorted(counted.values())


def test_an_ollama_that_is_too_old_for_them_is_noticed(router: Router, servers: Any) -> None:
    from langchain_ollama import ChatOllama

    large = langchain_pair(router).large
    small = ChatOllama(model="tiny-small", base_url=servers.ollama)
    pair = ChatHybrid(small, large, router, second_look="logprobs", **LEVEL)
    with pytest.warns(UserWarning, match=r"0\.12\.11"):
        message = pair.invoke(QUESTIONS[0], max_tokens=MOST)
    small._client.close()
    assert message.response_metadata["hybrid"]["reason"] == "escalated"
