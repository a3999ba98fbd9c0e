"""The model classes that people have, as arms: their HTTP is answered inside the process."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, RunnableHybrid
from tests.covering import covering
from tests.langchain._ways import Way, every_way

SCORES = {"easy": 0.9, "hard": 0.1}


def ollama(request: httpx.Request) -> httpx.Response:
    """Answer as Ollama does, in lines of JSON."""
    body = json.loads(request.content)
    parts = [{"message": {"role": "assistant", "content": part}} for part in ("from ", body["model"])]
    last = {"done": True, "done_reason": "stop", "message": {"role": "assistant", "content": ""}}
    lines = [json.dumps({"model": body["model"], "done": False, **part}) for part in parts]
    return httpx.Response(200, text="\n".join([*lines, json.dumps({"model": body["model"], **last})]))


def openai(request: httpx.Request) -> httpx.Response:
    """Answer as an OpenAI-compatible server does, whole or as events."""
    body = json.loads(request.content)
    head = {"id": "1", "created": 1, "model": body["model"]}
    text = f"from {body['model']}"
    if not body.get("stream"):
        message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        return httpx.Response(200, json={**head, "object": "chat.completion", "choices": [message]})
    chunks = [
        {"delta": {"role": "assistant", "content": part}, "finish_reason": None}
        for part in ("", "from ", body["model"])
    ]
    chunks.append({"delta": {}, "finish_reason": "stop"})
    lines = [
        "data: " + json.dumps({**head, "object": "chat.completion.chunk", "choices": [{"index": 0, **chunk}]})
        for chunk in chunks
    ]
    return httpx.Response(
        200, text="\n\n".join([*lines, "data: [DONE]", ""]), headers={"content-type": "text/event-stream"}
    )


def on_ollama(name: str) -> BaseChatModel:
    transport = httpx.MockTransport(ollama)
    return ChatOllama(
        model=name, sync_client_kwargs={"transport": transport}, async_client_kwargs={"transport": transport}
    )


def clients() -> dict[str, Any]:
    transport = httpx.MockTransport(openai)
    return {
        "base_url": "http://127.0.0.1:1/v1",
        "api_key": "none",
        "http_client": httpx.Client(transport=transport),
        "http_async_client": httpx.AsyncClient(transport=transport),
    }


def on_openai(name: str) -> BaseChatModel:
    return ChatOpenAI(model=name, **clients())


def by_name(name: str) -> BaseChatModel:
    model: BaseChatModel = init_chat_model(name, model_provider="openai", **clients())
    return model


def of_the_community(name: str) -> BaseChatModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_community.chat_models import FakeListChatModel as CommunityModel
    return CommunityModel(responses=[f"from {name}"])


def fake(name: str) -> BaseChatModel:
    return FakeListChatModel(responses=[f"from {name}"])


ARMS = [on_ollama, on_openai, by_name, of_the_community, fake]
SHAPES = [RunnableHybrid, ChatHybrid]


@pytest.mark.filterwarnings("ignore:unclosed", "ignore:The default value of `allowed_objects`")
@covering(
    every_way,
    pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__),
    pytest.mark.parametrize("make", ARMS, ids=lambda make: make.__name__),
    times=2,
)
async def test_any_chat_model_is_an_arm(way: Way, shape: Any, make: Callable[[str], BaseChatModel]) -> None:
    hybrid = shape(small=make("small"), large=make("large"), router=FixedScorer(SCORES), threshold=0.5)
    answers = await way(hybrid, ["easy", "hard"])
    assert [answer.text for answer in answers] == ["from small", "from large"]
    assert [answer.response_metadata["hybrid"]["route"] for answer in answers] == ["small", "large"]


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
async def test_threads_and_an_event_loop_together(shape: Any) -> None:
    hybrid = shape(small=on_openai("small"), large=on_ollama("large"), router=FixedScorer(SCORES), threshold=0.5)
    queries = ["easy", "hard"] * 20

    def by_threads() -> list[AIMessage]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(hybrid.invoke, queries))

    threads, *awaited = await asyncio.gather(asyncio.to_thread(by_threads), *map(hybrid.ainvoke, queries))
    for answers in (threads, awaited):
        assert [answer.text for answer in answers] == ["from small", "from large"] * 20
