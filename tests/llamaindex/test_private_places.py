"""Where small's clients really send a private call, whatever its address says: other models, proxies, other clients."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import BaseOutputParser
from llama_index.llms.openai_like import OpenAILike

from hybrid_llm.errors import PrivateError
from llamaindex_hybrid.testing import FakeLLM
from tests.llamaindex._arms import Said, hybrid

SECRET = [ChatMessage("Is my salary fair?")]
HERE = "http://127.0.0.1:11434"
CLOUD = "gpt-oss:120b-cloud"


def answering(asked: list[str]) -> httpx.MockTransport:
    """Return a server that is an Ollama with a cloud model; it notes the models that it is asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        named = json.loads(request.content)["model"]
        if request.url.path == "/api/show":
            return httpx.Response(200, json={"remote_host": "https://ollama.com:443"} if named == CLOUD else {})
        asked.append(named)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yes."}}
        return httpx.Response(
            200, json={"id": "1", "object": "chat.completion", "created": 1, "model": named, "choices": [choice]}
        )

    return httpx.MockTransport(answer)


def small_of(asked: list[str], **settings: Any) -> Any:
    client = httpx.Client(transport=answering(asked))
    given: dict[str, Any] = {"http_client": client, "is_function_calling_model": True, **settings}
    return OpenAILike(model="qwen3:4b", api_base=f"{HERE}/v1", api_key="none", is_chat_model=True, **given)


def test_a_private_call_that_names_another_model_of_smalls_server_is_refused() -> None:
    asked: list[str] = []
    llm = hybrid(small_of(asked), private=True)
    named: list[dict[str, Any]] = [{"model": CLOUD}, {"extra_body": {"model": CLOUD}}]
    for settings in named:
        with pytest.raises(PrivateError, match=f"'{CLOUD}' of this call is not 'qwen3:4b'"):
            llm.chat(SECRET, **settings)
        with pytest.raises(PrivateError, match="of this call"):
            llm.structured_predict(Said, PromptTemplate("{query_str}"), settings, query_str="Is my salary fair?")
    assert asked == []
    assert llm.chat(SECRET, model="qwen3:4b").message.content == "Yes."
    assert hybrid(small_of(asked), threshold=0).chat(SECRET, model=CLOUD).message.content == "Yes."
    assert asked == ["qwen3:4b", CLOUD]


@pytest.mark.parametrize("extras", [{"model": CLOUD}, {"extra_body": {"model": CLOUD}}], ids=str)
def test_another_model_that_smalls_own_extras_name_is_looked_at(extras: dict[str, Any]) -> None:
    asked: list[str] = []
    with pytest.raises(PrivateError, match="is a cloud model"):
        hybrid(small_of(asked, additional_kwargs=extras), private=True).chat(SECRET)
    assert asked == []


PROXY = "http://proxy.example.com:3128"
AWAY = "http://gpu.lan:11434"


def clients(kind: str) -> dict[str, Any]:
    """Return the arguments of a model at this machine's address whose clients go elsewhere, by proxy or at once."""
    import ollama
    import openai

    made: dict[str, Any] = {
        "http_client": lambda: httpx.Client(proxy=PROXY),
        "async_http_client": lambda: httpx.AsyncClient(proxy=PROXY),
        "client": lambda: ollama.Client(HERE, proxy=PROXY),
        "openai_client": lambda: openai.OpenAI(base_url=f"{AWAY}/v1", api_key="none"),
        "async_openai_client": lambda: openai.AsyncOpenAI(base_url=f"{AWAY}/v1", api_key="none"),
        "async_client": lambda: ollama.AsyncClient(AWAY),
    }
    return {kind: made[kind]()}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        *((kind, r"A proxy at proxy\.example\.com stands between") for kind in ("http_client", "client")),
        ("async_http_client", r"A proxy at proxy\.example\.com stands between"),
        *((kind, r"runs at gpu\.lan, which is not this machine") for kind in ("openai_client", "async_openai_client")),
        ("async_client", r"runs at gpu\.lan, which is not this machine"),
    ],
)
def test_a_client_of_smalls_own_is_seen_where_it_goes(kind: str, why: str) -> None:
    from llama_index.llms.ollama import Ollama

    is_ollamas = kind in ("client", "async_client")
    small = (
        Ollama(model="qwen3:4b", base_url=HERE, context_window=4096, **clients(kind))
        if is_ollamas
        else OpenAILike(model="qwen3:4b", api_base=f"{HERE}/v1", api_key="none", is_chat_model=True, **clients(kind))
    )
    with pytest.raises(PrivateError, match=why):
        hybrid(small, private=True).chat(SECRET)


def test_two_clients_at_two_hosts_tell_nothing() -> None:
    from llamaindex_hybrid._place import place_of

    small = OpenAILike(model="m", api_base="http://other.lan/v1", api_key="none", **clients("openai_client"))
    assert place_of(small) is None
    assert place_of(OpenAILike(model="m", api_base=f"{HERE}/v1", api_key="none")).host == "127.0.0.1"  # type: ignore[union-attr]


class Mends(BaseOutputParser):
    """A parser that has a model mend what it cannot read."""

    def __init__(self, llm: FakeLLM | None) -> None:
        self.helpers = [llm]

    def parse(self, output: str) -> str:
        (llm,) = self.helpers
        return output if llm is None else llm.complete(f"Mend this: {output}").text

    def format(self, query: str) -> str:
        return query


def test_a_parser_that_asks_a_model_of_its_own_runs_who_knows_where() -> None:
    hosted, template = FakeLLM(model="hosted"), PromptTemplate("Answer: {query_str}")
    with pytest.raises(PrivateError, match="Nothing tells where small"):
        hybrid(FakeLLM(model="small", output_parser=Mends(hosted)), private=True).predict(template, query_str="Fair?")
    assert hosted.asked == []
    plain = hybrid(FakeLLM(model="small", output_parser=Mends(None)), private=True)
    assert plain.predict(template, query_str="Fair?") == "from small"
