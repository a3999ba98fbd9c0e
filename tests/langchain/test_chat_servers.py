"""ChatHybrid between ChatOllama and ChatOpenAI whose servers are down or refuse: what comes out, without a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from ollama import ResponseError

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from tests.covering import covering
from tests.langchain._ways import Way, every_way


@dataclass
class Server:
    """Answers every request with a status, or does not answer at all."""

    status: int | None
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.status is None:
            raise httpx.ConnectError("connection refused", request=request)
        if self.status == 200:
            message = {"role": "assistant", "content": "from large"}
            choice = {"index": 0, "finish_reason": "stop"}
            if b'"stream":true' in request.content:
                chunk = {"id": "1", "choices": [{**choice, "delta": message}], "object": "chat.completion.chunk"}
                return httpx.Response(200, text=f"data: {httpx.Response(200, json=chunk).text}\n\ndata: [DONE]\n\n")
            return httpx.Response(200, json={"id": "1", "choices": [{**choice, "message": message}]})
        return httpx.Response(self.status, json={"error": {"message": "no"}} if self.status == 400 else {"error": "no"})


@pytest.fixture
async def make() -> Any:
    """Makes a pair of the two integrations between two servers, and closes it."""
    closing: list[Any] = []

    def pair(small: int | None, large: int | None = 200, **options: Any) -> tuple[ChatHybrid, Server, Server]:
        ollama, hosted = Server(small), Server(large)
        sync = httpx.Client(transport=httpx.MockTransport(hosted))
        asynchronous = httpx.AsyncClient(transport=httpx.MockTransport(hosted))
        arms = (
            ChatOllama(
                model="m", base_url="http://ollama.test", client_kwargs={"transport": httpx.MockTransport(ollama)}
            ),
            ChatOpenAI(
                model="m",
                api_key="none",
                base_url="http://hosted.test/v1",
                max_retries=0,
                http_client=sync,
                http_async_client=asynchronous,
            ),
        )
        closing.extend([sync, arms[0]._client, asynchronous, arms[0]._async_client])
        return ChatHybrid(*arms, FixedScorer({"easy": 0.9}, default=0.1), threshold=0.5, **options), ollama, hosted

    yield pair
    for client in closing:
        if hasattr(client, "aclose"):
            await client.aclose()
        else:
            done = client.close()
            if done is not None:
                await done


@covering(every_way, pytest.mark.parametrize("status", [None, 404, 500, 503]), times=2)
async def test_ollama_that_is_down_or_does_not_have_the_model_is_replaced(way: Way, status: int, make: Any) -> None:
    hybrid, ollama, hosted = make(status)
    (answer,) = await way(hybrid, ["easy"])
    decision = answer.response_metadata["hybrid"]
    assert (answer.text, decision["route"], decision["reason"]) == ("from large", "large", "fallback")
    assert (len(ollama.asked), len(hosted.asked)) == (1, 1)


@covering(every_way, pytest.mark.parametrize("status", [400, 401, 403]), times=2)
async def test_a_wrong_parameter_or_a_refused_key_is_raised(way: Way, status: int, make: Any) -> None:
    hybrid, _, hosted = make(status)
    with pytest.raises(ResponseError) as failure:
        await way(hybrid, ["easy"])
    assert failure.value.status_code == status
    assert hosted.asked == []


@covering(
    every_way,
    pytest.mark.parametrize(
        ("status", "error"),
        [
            (None, openai.APIConnectionError),
            (400, openai.BadRequestError),
            (401, openai.AuthenticationError),
            (404, openai.NotFoundError),
            (500, openai.InternalServerError),
        ],
    ),
    times=2,
)
async def test_a_failure_of_the_hosted_model_is_raised(
    way: Way, status: int | None, error: type[Exception], make: Any
) -> None:
    hybrid, ollama, _ = make(200, status)
    with pytest.raises(error):
        await way(hybrid, ["hard"])
    assert ollama.asked == []


@every_way
async def test_a_forced_route_to_a_server_that_is_down_is_raised(way: Way, make: Any) -> None:
    hybrid, _, hosted = make(None)
    with pytest.raises((ConnectionError, httpx.ConnectError)):
        await way(hybrid, ["easy"], route="small")
    assert hosted.asked == []
