"""Private requests between real servers: the small one is asked whether it is at home, then it answers alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike

from hybrid_llm import private
from hybrid_llm.errors import PrivateError
from hybrid_llm.personal import holds_personal_data
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid.testing import FakeLLM

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]
SECRET = "My card is 4111 1111 1111 1111. What is its bank?"


@pytest.fixture(params=["Ollama", "Ollama as OpenAI", "llama-server"])
async def small(request: pytest.FixtureRequest, servers: Any, http: dict[str, Any]) -> AsyncIterator[Any]:
    if request.param == "Ollama":
        ollama = ChatOllama(model="tiny-small", base_url=servers.ollama)
        yield ollama
        await close(ollama)
        return
    name, url = ("tiny-small", f"{servers.ollama}/v1") if "Ollama" in request.param else ("tiny-large", servers.openai)
    clients = {"http_client": http["sync"], "http_async_client": http["async"]}
    yield ChatOpenAI(model=name, base_url=url, api_key="none", **clients)


async def close(ollama: ChatOllama) -> None:
    ollama._client._client.close()
    await ollama._async_client._client.aclose()


async def test_small_at_home_answers_a_private_request(small: Any, servers: Any) -> None:
    llm = ChatHybrid(small, FakeChatModel(), FixedScorer(0.1), threshold=0.5, private=holds_personal_data)
    said = (
        servers.large_says if small.__class__ is ChatOpenAI and small.model_name == "tiny-large" else servers.small_says
    )
    answer = llm.invoke(SECRET)
    assert said in answer.text
    assert answer.response_metadata["hybrid"]["private"]
    with private():
        assert said in (await llm.ainvoke("Hello there, how are you today?")).text
    assert llm.large.asked == []  # type: ignore[attr-defined]


async def test_a_model_that_is_not_there_or_a_server_that_is_off_is_said_and_large_is_not_asked(servers: Any) -> None:
    for model, url in (("no-such-model", servers.ollama), ("tiny-small", "http://127.0.0.1:9")):
        large = FakeChatModel()
        small = ChatOllama(model=model, base_url=url)
        llm = ChatHybrid(small, large, FixedScorer(0.1), threshold=0.5, private=True)
        with pytest.raises(PrivateError, match="small is down") as caught:
            llm.invoke(SECRET)
        assert "4111" not in f"{caught.value!r} {caught.value.__context__!r}"
        assert large.asked == []
        await close(small)


def test_a_llamaindex_small_at_home_answers_too(servers: Any) -> None:
    smalls = [
        Ollama(model="tiny-small", base_url=servers.ollama, context_window=2048),
        OpenAILike(model="tiny-small", api_base=f"{servers.ollama}/v1", api_key="none", is_chat_model=True),
    ]
    for small in smalls:
        llm = HybridLLM(small, FakeLLM(), FixedScorer(0.1), threshold=0.5)
        answer = llm.chat([ChatMessage(SECRET)], private=True)
        assert servers.small_says in str(answer.message.content)
        assert answer.message.additional_kwargs["hybrid"]["private"]
    smalls[0].client._client.close()
    smalls[1]._get_client().close()
