"""Around a private request in LangChain: where small runs, what the cache keeps, and who traces."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import BaseOutputParser, StrOutputParser
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    PromptTemplate,
)
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import BaseTracer

from hybrid_llm.errors import PrivateError
from hybrid_llm.personal import holds_personal_data
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, RunnableHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._agents import Changing, agent_of
from tests.langchain._to_large import HARD, SECRET, both, chat
from tests.langchain._ways import Way, every_way
from tests.langchain.test_chat_held import ChatOllama
from tests.looks import LEVEL, router_with, untrained

pytestmark = pytest.mark.usefixtures("nothing_is_traced")


# --- where small runs ----------------------------------------------------------------------------------------------


def small_of(kind: str, url: str) -> Any:
    if kind == "ollama":
        from langchain_ollama import ChatOllama

        return ChatOllama(model="qwen3:4b", base_url=url)
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="qwen3:4b", base_url=url, api_key="none")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["ollama", "openai"])
def test_small_on_another_host_is_refused(kind: str) -> None:
    llm = ChatHybrid(small_of(kind, "http://gpu.lan:8080/v1"), FakeChatModel(), FixedScorer(0.9), threshold=0.5)
    with pytest.raises(PrivateError, match=r"runs at gpu.lan, .* local_hosts=\['gpu.lan'\]"):
        llm.invoke(SECRET, private=True)


@pytest.mark.parametrize("kind", ["ollama", "openai"])
def test_a_cloud_model_of_a_local_ollama_is_refused_and_the_server_is_asked_once(kind: str) -> None:
    asked: list[str] = []
    remote = {"remote_host": "https://ollama.com:443"}

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.url} {request.content.decode()}")
        return httpx.Response(200, json=remote)

    small = small_of(kind, "http://127.0.0.1:11434" + ("/v1" if kind == "openai" else ""))
    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://127.0.0.1:11434")
    if kind == "ollama":
        small._client._client = client
    else:
        small.root_client._client = client
    llm = ChatHybrid(small, FakeChatModel(), FixedScorer(0.9), threshold=0.5)
    with pytest.raises(PrivateError, match="is a cloud model: the Ollama at 127"):
        llm.invoke(SECRET, private=True)
    remote.clear()
    for _ in range(2):
        assert llm._pair.decide(llm._request(SECRET, {}, {"private": True})).decision.private
    assert len(asked) == 2
    assert asked[0].startswith("http://127.0.0.1:11434/api/show ")
    assert "qwen3:4b" in asked[0]
    assert "4111" not in str(asked)


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("kind", ["ollama", "openai"])
def test_a_proxy_that_a_client_was_made_with_reads_along_and_is_refused(kind: str, sync: bool) -> None:
    if kind == "ollama":
        from langchain_ollama import ChatOllama

        settings = {"sync_client_kwargs" if sync else "async_client_kwargs": {"proxy": "http://proxy.example.com:3128"}}
        small: Any = ChatOllama(model="qwen3:4b", base_url="http://127.0.0.1:11434", **settings)
    else:
        from langchain_openai import ChatOpenAI

        made: Any = httpx.Client if sync else httpx.AsyncClient
        settings = {"http_client" if sync else "http_async_client": made(proxy="http://proxy.example.com:3128")}
        small = ChatOpenAI(model="qwen3:4b", base_url="http://127.0.0.1:8080/v1", api_key="none", **settings)  # type: ignore[arg-type]
    llm = ChatHybrid(small, FakeChatModel(), FixedScorer(0.9), threshold=0.5, private=True)
    with pytest.raises(PrivateError, match=r"A proxy at proxy.example.com stands between"):
        llm.invoke(SECRET)


def test_another_model_of_smalls_server_is_looked_at_too_where_it_is_bound_and_refused_where_a_call_names_it() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.content.decode())
        return httpx.Response(200, json={"remote_host": "https://ollama.com:443"} if "cloud" in asked[-1] else {})

    small = small_of("ollama", "http://127.0.0.1:11434")
    small._client._client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://127.0.0.1:11434")
    large, cloud = FakeChatModel(), "gpt-oss:120b-cloud"
    bound = RunnableHybrid(small.bind(model=cloud), large, FixedScorer(0.9), threshold=0.5, private=True)
    with pytest.raises(PrivateError, match="is a cloud model"):
        bound.invoke(SECRET)
    for llm in (
        ChatHybrid(small, large, FixedScorer(0.9), threshold=0.5),
        RunnableHybrid(small, large, FixedScorer(0.9), threshold=0.5),
    ):
        with pytest.raises(PrivateError, match=r"of this call is not .*, to which a private request goes"):
            llm.invoke(SECRET, private=True, model=cloud)
        with pytest.raises(PrivateError, match=r"of this call is not .*, to which a private request goes"):
            llm.invoke(SECRET, private=True, extra_body={"model": cloud})
    names = Changing(lambda request: request.override(model_settings={"model": cloud}))
    agent = agent_of(small, large, FixedScorer(0.9), private=True, agent={"before": [names]})
    with pytest.raises(PrivateError, match=r"of this call is not .*, to which a private request goes"):
        agent.invoke({"messages": [HumanMessage(SECRET)]})
    assert "4111" not in str(asked)


def test_a_function_as_small_needs_the_callers_word() -> None:
    arms = RunnableLambda(lambda _: "from small"), RunnableLambda(lambda _: "from large")
    with pytest.raises(PrivateError, match="Nothing tells where small runs"):
        RunnableHybrid(*arms, FixedScorer(0.1), threshold=0.5, private=True).invoke(SECRET)
    vouched = RunnableHybrid(*arms, FixedScorer(0.1), threshold=0.5, private=True, local_hosts=["*"])
    assert vouched.invoke(SECRET) == "from small"


def test_a_chain_runs_where_its_model_does() -> None:
    prompt = ChatPromptTemplate([("human", "{question}")])
    arms = [prompt | FakeChatModel(model=name) | StrOutputParser() for name in ("small", "large")]
    hybrid = RunnableHybrid(*arms, FixedScorer(0.1), threshold=0.5, private=True, query="question")
    assert hybrid.invoke({"question": SECRET}) == "from small"
    hiding = RunnableHybrid(
        prompt | RunnableLambda(lambda x: x) | arms[0].steps[1],
        arms[1],
        FixedScorer(0.1),
        threshold=0.5,
        private=True,
        query="question",
    )
    with pytest.raises(PrivateError, match="Nothing tells"):
        hiding.invoke({"question": SECRET})


class Mending(BaseOutputParser[str]):
    """A parser that asks a model of its own, as those do which mend what does not parse."""

    llm: Any

    def parse(self, text: str) -> str:
        return str(self.llm.invoke(text).text)


class Choosing(BaseExampleSelector):
    """Chooses examples, as those do which embed the question."""

    def add_example(self, example: Any) -> None:
        pass

    def select_examples(self, input_variables: Any) -> list[dict[str, str]]:
        raise AssertionError("it was asked")


def test_a_prompt_or_a_parser_that_may_call_somebody_needs_the_callers_word() -> None:
    hosted, small, of = FakeChatModel(model="hosted"), FakeChatModel(model="small"), PromptTemplate.from_template
    chooses = FewShotPromptTemplate(
        example_selector=Choosing(), example_prompt=of("{a}"), suffix="{question}", input_variables=["question"]
    )
    chooses_in_a_chat = ChatPromptTemplate(
        [
            FewShotChatMessagePromptTemplate(
                example_selector=Choosing(), example_prompt=ChatPromptTemplate([("ai", "{a}")])
            ),
            ("human", "{q}"),
        ]
    )
    for chain in (small | Mending(llm=hosted), chooses | small, chooses_in_a_chat | small):
        hybrid = RunnableHybrid(chain, small, FixedScorer(0.1), threshold=0.5, private=True, query=lambda _: SECRET)
        with pytest.raises(PrivateError, match="Nothing tells where"):
            hybrid.invoke({"question": SECRET, "q": SECRET} if chain.first is not small else SECRET)
    assert hosted.asked == small.asked == []


# --- caches and tracers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "generate", "batch"])
@both
async def test_nothing_private_is_in_langchains_cache(made: Any, way: str, cache: InMemoryCache) -> None:
    llm = made(private=holds_personal_data)

    async def ask(text: str) -> None:
        if way == "batch":
            llm.batch([text])
        elif way == "generate" and made is chat:
            llm.generate([[HumanMessage(text)]])
        elif way == "ainvoke":
            await llm.ainvoke(text)
        else:
            llm.invoke(text)

    await ask(SECRET)
    await ask(SECRET)
    assert cache._cache == {}
    assert len(llm.small.asked) == 2
    await ask(HARD)
    await ask(HARD)
    assert len(cache._cache) == len(llm.large.asked) == 1


def test_no_model_of_a_chain_uses_the_cache_either(cache: InMemoryCache) -> None:
    prompt = ChatPromptTemplate([("human", "{question}")])
    small, large = FakeChatModel(model="small"), FakeChatModel(model="large")
    arms = [prompt | model.bind(stop=["!"]) | StrOutputParser() for model in (small, large)]
    hybrid = RunnableHybrid(*arms, FixedScorer(0.1), threshold=0.5, private=True, query="question")
    assert hybrid.invoke({"question": SECRET}) == "from small"
    agent_of(small, large, FixedScorer(0.1), private=True).invoke({"messages": [HumanMessage(SECRET)]})
    llm = ChatHybrid(small, large, FixedScorer(0.1), threshold=0.5, private=True, cache=cache)
    llm.invoke(SECRET)
    llm.with_structured_output({"title": "A", "type": "object", "properties": {}}).invoke("'x'")
    assert cache._cache == {}
    assert llm.cache is cache


@pytest.mark.parametrize("include_raw", [False, True])
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("verb", ["invoke", "ainvoke"])
async def test_nothing_private_that_follows_a_schema_is_in_the_cache(
    verb: str, held: bool, include_raw: bool, cache: InMemoryCache
) -> None:
    look: dict[str, Any] = {"second_look": "logprobs", **LEVEL} if held else {"threshold": 0.5}
    llm = ChatHybrid(ChatOllama(), FakeChatModel(), router_with(untrained()), private=True, **look)
    structured = llm.with_structured_output(
        {"title": "A", "type": "object", "properties": {"b": {"type": "string"}}}, include_raw=include_raw
    )
    answer = structured.invoke(SECRET) if verb == "invoke" else await structured.ainvoke(SECRET)
    assert answer
    assert cache._cache == {}


class Client:
    api_url = "https://api.smith.langchain.com"


class Tracer(BaseTracer):
    """Stands for LangSmith's, and sends nothing."""

    client = Client()

    def _persist_run(self, run: Any) -> None:
        pass


Tracer.__name__ = "LangChainTracer"


class OfAService(BaseCallbackHandler):
    """Stands for a handler of a service."""


OfAService.__module__ = "langfuse.langchain.CallbackHandler"


@covering(every_way, both, times=2)
async def test_a_hosted_tracer_is_noticed_and_refused_unless_allowed(made: Any, way: Way) -> None:
    handlers = {"https://api.smith": Tracer(), "langfuse.OfAService": OfAService()}
    for name, handler in handlers.items():
        llm, config = made(private=True), {"callbacks": [handler]}
        with pytest.raises(PrivateError, match=f"sends its text to {name}"):
            await way(llm, [SECRET], config)
        assert llm.small.asked == llm.large.asked == []
        (allowed,) = await way(made(private=True, trace_private=True), [SECRET], config)
        assert allowed.text == "from small"
    (own,) = await way(made(private=True, local_hosts=["api.smith.langchain.com"]), [SECRET], {"callbacks": [Tracer()]})
    assert own.text == "from small"


def test_a_hosted_tracer_that_small_or_the_checker_brings_is_noticed_too() -> None:
    bound = FakeChatModel(model="small").with_config(callbacks=[OfAService()])
    own = FakeChatModel(model="small", callbacks=[OfAService()])
    options: dict[str, Any] = {"threshold": 0.5, "private": True}
    schema = {"title": "A", "type": "object", "properties": {}}
    arms = FakeChatModel(model="large"), FixedScorer(0.1)
    for llm in (
        RunnableHybrid(bound | StrOutputParser(), *arms, **options),
        RunnableHybrid(FakeChatModel(model="small"), *arms, checker=bound, **options),
        ChatHybrid(own, *arms, **options).with_structured_output(schema),
    ):
        with pytest.raises(PrivateError, match=r"sends its text to langfuse.OfAService"):
            llm.invoke(SECRET)
    assert own.asked == arms[0].asked == []


def test_tracing_by_the_environment_is_noticed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setattr("langchain_hybrid._private.CallbackManager.configure", lambda *a, **k: _Managed())
    with pytest.raises(PrivateError, match="trace_private=True"):
        chat(private=True)._pair.decide(chat()._request(SECRET, {}, {}))


class _Managed:
    handlers = (type("LangChainTracer", (), {"client": Client()})(),)
