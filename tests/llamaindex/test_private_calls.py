"""Private calls in LlamaIndex: who is private and for how long, what is refused, who listens."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from llama_index.core import Settings
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.callbacks import CallbackManager
from llama_index.core.chat_engine import CondenseQuestionChatEngine, SimpleChatEngine
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.memory import ChatMemoryBuffer, Memory
from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.tools import FunctionTool

from hybrid_llm import Router, private
from hybrid_llm.errors import ConfigError, PrivateError
from hybrid_llm.personal import holds_personal_data
from llamaindex_hybrid import HybridLLM, HybridRoutingEvent
from llamaindex_hybrid.testing import FakeLLM
from tests.covering import covering
from tests.llamaindex._arms import WAYS, Events, Said, Way, hybrid
from tests.llamaindex._listeners import Hears, Listens

HARD = "Prove that there are infinitely many primes."
SECRET = "My card is 4111 1111 1111 1111. What is its bank?"
DOWN = ConnectionRefusedError("refused")
every_way = pytest.mark.parametrize("way", WAYS, ids=str)


def talk(*texts: str) -> list[ChatMessage]:
    return [ChatMessage(text, role="user" if i % 2 == 0 else "assistant") for i, text in enumerate(texts)]


def record(answer: Any) -> dict[str, Any]:
    return answer.additional_kwargs["hybrid"]


def asked(llm: HybridLLM) -> tuple[int, int]:
    return len(llm.small.asked), len(llm.large.asked)  # type: ignore[attr-defined]


@covering(every_way, pytest.mark.parametrize("by", ["constructor", "keyword", "block", "function"]), times=2)
async def test_a_private_chat_is_answered_by_small_and_says_so(by: str, way: Way) -> None:
    llm = hybrid(private={"constructor": True, "function": holds_personal_data}.get(by, False))
    messages = talk(SECRET if by == "function" else HARD)
    if by == "block":
        with private():
            answer = await way.ask(llm, "chat", messages)
    else:
        answer = await way.ask(llm, "chat", messages, **({"private": True} if by == "keyword" else {}))
    assert asked(llm) == (1, 0)
    assert (record(answer)["reason"], record(answer)["private"]) == ("private", True)
    assert record(answer.message)["private"]
    if by != "constructor":
        assert record(await way.ask(llm, "chat", talk(HARD)))["route"] == "large"


@every_way
async def test_every_method_keeps_a_private_call_here(way: Way) -> None:
    llm = hybrid(private=holds_personal_data)
    await way.ask(llm, "complete", SECRET)
    await way.ask(
        llm, "predict", PromptTemplate("Context: {context_str}\nQuery: {query_str}"), context_str=SECRET, query_str=HARD
    )
    await way.ask(llm, "chat_with_tools", [FunctionTool.from_defaults(lambda city: city, name="get_city")], SECRET)
    assert asked(llm) == (3, 0)
    template = PromptTemplate("{query_str}")
    if "stream" in way.prefix:
        [_ async for _ in await llm.astream_structured_predict(Said, template, query_str=SECRET)]
    else:
        await llm.astructured_predict(Said, template, query_str=SECRET)
    assert asked(llm) == (4, 0)


@every_way
async def test_it_sticks_to_every_later_turn(way: Way) -> None:
    llm = hybrid()
    with private():
        answer = await way.ask(llm, "chat", talk("Hi there."))
    stored = ChatMessage.model_validate_json(answer.message.model_dump_json())
    later = await way.ask(llm, "chat", [*talk("Hi there."), stored, *talk(HARD)])
    assert record(later)["private"]
    between = [*talk("Hi there."), stored, *talk("Again.", "Said by another program.", HARD)]
    assert record(await way.ask(llm, "chat", between))["private"]
    judged = hybrid(private=holds_personal_data)
    assert record(await way.ask(judged, "chat", talk(SECRET, "A bank.", HARD)))["private"]


MEMORIES = {
    "ChatMemoryBuffer": lambda: ChatMemoryBuffer.from_defaults(token_limit=3000),
    "Memory": lambda: Memory.from_defaults(session_id="one", token_limit=3000),
}


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("streamed", [False, True])
async def test_it_sticks_in_a_memory(memory: str, streamed: bool) -> None:
    llm = hybrid()
    kept = MEMORIES[memory]()
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=kept)

    async def ask(engine: SimpleChatEngine, text: str) -> None:
        if streamed:
            response = await engine.astream_chat(text)
            [_ async for _ in response.async_response_gen()]
        else:
            await engine.achat(text)

    with private():
        await ask(engine, "Hi there.")
    await ask(engine, HARD)
    assert asked(llm) == (2, 0)
    if isinstance(kept, Memory):
        await kept.sql_store._async_engine.dispose()  # type: ignore[attr-defined]


class Says(CustomQueryEngine):
    def custom_query(self, query_str: str) -> str:
        return f"about {query_str}"


def condensing(llm: HybridLLM, *history: ChatMessage) -> CondenseQuestionChatEngine:
    """Return an engine that has the question condensed before it asks, and nothing else of the LLM."""
    memory = ChatMemoryBuffer.from_defaults(chat_history=[*history], token_limit=3000)
    return CondenseQuestionChatEngine.from_defaults(Says(), llm=llm, memory=memory)


def test_the_engines_own_calls_stay_here_too() -> None:
    llm = hybrid()
    with private():
        condensing(llm, *talk("Hi there.", "Hello.")).chat(HARD)
    assert asked(llm) == (1, 0)
    judged = hybrid(private=holds_personal_data)
    condensing(judged, *talk(SECRET, "A bank.")).chat(HARD)
    assert asked(judged) == (1, 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_agents_tool_keeps_the_block(kind: str) -> None:
    inner = hybrid()

    def look_up(city: str) -> str:
        """Look up a city."""
        return str(inner.complete(HARD))

    async def alook_up(city: str) -> str:
        """Look up a city."""
        return str(await inner.acomplete(HARD))

    llm = hybrid()
    tool = FunctionTool.from_defaults(
        look_up if kind == "sync" else None, async_fn=alook_up if kind == "async" else None
    )
    agent = FunctionAgent(tools=[tool], llm=llm, system_prompt="You look up cities.")
    with private():
        handler = agent.run("Look up 'Lima', please, all of it.")
    await handler
    assert asked(inner) == (1, 0)
    assert asked(llm)[1] == 0
    assert asked(llm)[0] >= 2


async def test_tasks_and_threads_of_asyncio_keep_the_block() -> None:
    llm = hybrid()
    with private():
        task = asyncio.create_task(llm.achat(talk(HARD)))
        await asyncio.to_thread(llm.chat, talk(HARD))
    await task
    assert asked(llm) == (2, 0)


# --- what is refused -----------------------------------------------------------------------------------------------


@every_way
async def test_small_down_is_an_error_and_large_never_hears_of_it(way: Way) -> None:
    llm = hybrid(FakeLLM(model="qwen3:4b", error=DOWN), private=True)
    with pytest.raises(PrivateError, match="small is down: model 'qwen3:4b'") as caught:
        await way.ask(llm, "chat", talk(SECRET))
    assert asked(llm) == (1, 0)
    assert caught.value.__context__ is caught.value.__cause__ is None


@every_way
async def test_large_by_force_and_what_small_cannot_serve_are_refused(way: Way) -> None:
    llm = hybrid(private=True)
    picture = ChatMessage(blocks=[TextBlock(text="What is it?"), ImageBlock(url="https://host/cat.png")])
    with pytest.raises(PrivateError, match="route='large'"):
        await way.ask(llm, "chat", talk(SECRET), route="large")
    with pytest.raises(PrivateError, match=r"\(modality\)"):
        await way.ask(llm, "chat", [picture])
    llm.force = "large"
    with pytest.raises(PrivateError, match="force='large'"):
        await way.ask(llm, "chat", talk(SECRET))
    assert asked(llm) == (0, 0)


async def test_a_private_object_that_does_not_parse_is_the_frameworks_error() -> None:
    llm = hybrid(FakeLLM(model="small", calls_tools=False, says="no form"), check=lambda *_: True, private=True)
    template = PromptTemplate("{query_str}")
    with pytest.raises(ValueError, match="calls no tool"):
        llm.structured_predict(Said, template, query_str=SECRET)
    with pytest.raises(ValueError, match="calls no tool"):
        await llm.astructured_predict(Said, template, query_str=SECRET)
    with pytest.raises(ValueError, match="calls no tool"):
        list(llm.stream_structured_predict(Said, template, query_str=SECRET))
    assert asked(llm) == (3, 0)


@pytest.mark.parametrize("wrong", ["yes", 1])
def test_private_is_said_by_true_or_false(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="private="):
        hybrid(private=wrong)
    with pytest.raises(ConfigError, match="private= is True or False"):
        hybrid().chat(talk(HARD), private=wrong)
    for options in ({"rules": ["x"]}, {"stay": "forever"}, {"local_hosts": "gpu.lan"}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            hybrid(**options)


# --- where small runs, and who listens -----------------------------------------------------------------------------


def remote(kind: str) -> Any:
    if kind == "Ollama":
        from llama_index.llms.ollama import Ollama

        return Ollama(model="qwen3:4b", base_url="http://gpu.lan:11434", context_window=4096)
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(model="qwen3:4b", api_base="http://gpu.lan:8080/v1", api_key="none", is_chat_model=True)


@pytest.mark.parametrize("kind", ["Ollama", "OpenAILike"])
def test_small_on_another_host_is_refused(kind: str) -> None:
    with pytest.raises(PrivateError, match=r"runs at gpu\.lan, .* local_hosts=\['gpu\.lan'\]"):
        hybrid(remote(kind), private=True).chat(talk(SECRET))


@pytest.mark.parametrize("kind", ["Ollama", "OpenAILike"])
def test_a_cloud_model_of_a_local_ollama_is_refused(kind: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={"remote_host": "https://ollama.com:443"})

    small = remote(kind)
    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://127.0.0.1:11434")
    if kind == "Ollama":
        small.base_url, small.client._client = "http://127.0.0.1:11434", client
    else:
        small.api_base = "http://127.0.0.1:11434/v1"
        small._get_client()._client = client
    with pytest.raises(PrivateError, match="is a cloud model: the Ollama at 127"):
        hybrid(small, private=True).chat(talk(SECRET))
    assert asked == ["http://127.0.0.1:11434/api/show"]


@pytest.fixture(params=["instrumentation", "global handler", "model's handler"])
def listened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    before, manager = list(get_dispatcher().event_handlers), CallbackManager([Hears()])
    if request.param == "instrumentation":
        get_dispatcher().add_event_handler(Listens())
    if request.param == "global handler":
        monkeypatch.setattr(Settings, "_callback_manager", manager)
    yield {"callback_manager": manager} if request.param == "model's handler" else {}
    get_dispatcher().event_handlers[:] = before


def test_a_service_that_listens_is_noticed_and_refused_unless_allowed(listened: dict[str, Any]) -> None:
    llm = hybrid(private=holds_personal_data, **listened)
    with pytest.raises(PrivateError, match=r"sends its text to (openinference|callbacks\.langfuse)"):
        llm.chat(talk(SECRET))
    assert asked(llm) == (0, 0)
    assert record(llm.chat(talk(HARD)))["route"] == "large"
    allowed = hybrid(private=True, trace_private=True, **listened)
    assert record(allowed.chat(talk(SECRET)))["private"]


def test_the_event_of_a_private_call_has_not_even_a_hash() -> None:
    with Events() as events:
        hybrid(private=True).chat(talk(SECRET))
    (event,) = events.of(HybridRoutingEvent)
    assert (event.query_hash, event.decision["private"]) == ("", True)


# --- overrides -----------------------------------------------------------------------------------------------------


@every_way
async def test_rules_stay_and_shadow_hold_here_too(way: Way) -> None:
    ruled = await way.ask(hybrid(rules=[("primes", "small")]), "chat", talk(HARD))
    assert (record(ruled)["route"], record(ruled)["reason"]) == ("small", "rule")
    llm = hybrid(stay="conversation")
    first = await way.ask(llm, "chat", talk("easy"))
    later = await way.ask(llm, "chat", [*talk("easy"), first.message, *talk(HARD)])
    assert (record(later)["route"], record(later)["reason"]) == ("small", "follow_up")
    shadowed = await way.ask(hybrid(shadow=True), "chat", talk("easy"))
    assert (record(shadowed)["route"], record(shadowed)["reason"]) == ("large", "shadow")
    assert record(shadowed)["shadow"]["route"] == "small"


def test_a_dump_names_the_options_and_a_pickle_keeps_them() -> None:
    llm = hybrid(private=holds_personal_data, rules=[("primes", "small")], local_hosts=["gpu.lan"])
    dumped = llm.to_dict()
    assert (dumped["private"], dumped["rules"], dumped["local_hosts"]) == ("function", 1, ["gpu.lan"])
    again = pickle.loads(pickle.dumps(HybridLLM(FakeLLM(), FakeLLM(), Router.load(), threshold=2, private=True)))
    assert record(again.chat(talk(HARD)))["private"]
