"""HybridLLM as a LlamaIndex component: what the framework, its callbacks and its serialisation expect of it."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Settings, SummaryIndex
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler, TokenCountingHandler
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMChatStartEvent, LLMPredictStartEvent
from llama_index.core.llms import LLM, MockLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.rate_limiter import BaseRateLimiter
from llama_index.core.schema import TextNode

from hybrid_llm import Router
from hybrid_llm.errors import RouterFolderError
from llamaindex_hybrid import HybridLLM, HybridRoutingEvent
from llamaindex_hybrid.testing import FakeLLM
from tests.covering import covering
from tests.llamaindex._arms import SCORES, WAYS, Events, Way, arms, hybrid

pytestmark = pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")
every_way = pytest.mark.parametrize("way", WAYS, ids=str)


class TestWhatItIs:
    def test_it_is_an_llm_that_calls_functions(self) -> None:
        names = [base.__name__ for base in HybridLLM.__mro__]
        assert BaseLLM.__name__ in names
        assert issubclass(HybridLLM, LLM)
        assert issubclass(HybridLLM, FunctionCallingLLM)
        assert HybridLLM.class_name() == "hybrid_llm"

    def test_it_takes_three_arguments_by_place_or_by_name(self, router: Router) -> None:
        small, large = arms()
        for llm in (HybridLLM(small, large, router), HybridLLM(router=router, large=large, small=small)):
            assert (llm.small, llm.large, llm.router) == (small, large, router)

    async def test_it_becomes_the_llm_of_everything(self) -> None:
        before = (Settings._llm, Settings._callback_manager)
        counter = TokenCountingHandler()
        try:
            Settings.callback_manager = CallbackManager([counter])
            Settings.llm = hybrid()
            engine = SummaryIndex([TextNode(text="Lima")]).as_query_engine()
            assert str(engine.query("easy")) == "from small"
            assert str(engine.query("hard")) == "from large"
            assert len(counter.llm_token_counts) == 2
        finally:
            Settings._llm, Settings._callback_manager = before

    async def test_fifty_queries_at_once_do_not_mix(self) -> None:
        engine = SummaryIndex([TextNode(text="Lima")]).as_query_engine(hybrid())
        answers = await asyncio.gather(*(engine.aquery(query) for query in ["easy", "hard"] * 25))
        assert [str(answer) for answer in answers] == ["from small", "from large"] * 25

    @every_way
    async def test_models_that_only_complete_are_arms_too(self, way: Way) -> None:
        llm = hybrid(MockLLM(max_tokens=2), MockLLM(max_tokens=4))
        for query, side in (("easy", "small"), ("hard", "large")):
            for method, request in (("chat", [ChatMessage(query)]), ("complete", query)):
                response = await way.ask(llm, method, request)
                assert response.additional_kwargs["hybrid"]["route"] == side
            words = await way.all_of(llm, "predict", PromptTemplate("{query_str}"), query_str=query)
            assert len("".join(words).split()) == (2 if side == "small" else 4)


class TestMetadata:
    def test_it_promises_what_both_keep(self) -> None:
        small, large = arms(context_window=100)
        metadata = hybrid(small, large).metadata
        assert (metadata.context_window, metadata.num_output, metadata.is_chat_model) == (100, 256, True)
        assert metadata.model_name == "hybrid(small, large)"
        assert hybrid(small, large, context_policy="large").metadata.context_window == 4096
        assert not hybrid(MockLLM(), large).metadata.is_chat_model

    @pytest.mark.parametrize(("one", "other"), [(True, True), (True, False), (False, True), (False, False)])
    def test_it_promises_tools_when_one_arm_calls_them(self, one: bool, other: bool) -> None:
        llm = hybrid(
            FakeLLM(model="small", is_function_calling_model=one),
            FakeLLM(model="large", is_function_calling_model=other),
        )
        assert llm.metadata.is_function_calling_model == (one or other)

    def test_a_server_that_is_down_is_no_error_and_asked_once(self) -> None:
        asked = []

        class AsksItsServer(FakeLLM):
            context_window: int = -1

            @property
            def metadata(self) -> Any:
                if self.context_window == -1:
                    asked.append(1)
                    raise ConnectionError("Ollama is down")
                return super().metadata

        small = AsksItsServer(model="small")
        llm = hybrid(small)
        for _ in range(3):
            assert (llm.metadata.context_window, llm.metadata.is_function_calling_model) == (3900, True)
        assert len(asked) == 1
        assert llm.chat([ChatMessage("hard")]).message.content == "from large"
        assert len(asked) == 1
        small.context_window = 50
        assert llm.metadata.context_window == 50

    def test_an_error_of_another_kind_is_raised(self) -> None:
        class Broken(FakeLLM):
            context_window: int = -1

            @property
            def metadata(self) -> Any:
                raise KeyError("a bug")

        with pytest.raises(KeyError):
            _ = hybrid(Broken(model="small")).metadata


class TestCopies:
    def test_no_dump_holds_a_secret(self, router: Router) -> None:
        class Keyed(FakeLLM):
            api_key: str = "sk-secret"

        llm = hybrid(Keyed(model="small"), Keyed(model="large"), router=router)
        shown = [
            json.dumps(llm.to_dict()),
            llm.to_json(),
            llm.model_dump_json(),
            json.dumps(llm.dict()),
            json.dumps(llm.to_payload()),
            repr(llm),
            str(llm),
        ]
        assert not [text for text in shown if "sk-secret" in text]
        assert llm.to_dict()["class_name"] == "hybrid_llm"
        assert llm.to_dict()["small"] == {"class_name": "fake_llm", "model": "small"}
        with pytest.raises(NotImplementedError, match="holds no models"):
            HybridLLM.from_dict(llm.to_dict())

    def test_a_copy_shares_the_models_and_decides_alike(self, router: Router) -> None:
        llm = hybrid(router=router, threshold=2.0).with_quality(threshold=0.05)
        llm.chat([ChatMessage("hard")])
        for other in (copy.copy(llm), copy.deepcopy(llm), llm.model_copy(), llm.model_copy(deep=True)):
            assert other is not llm
            assert other.router is llm.router
            assert other.small is llm.small
            assert other.chat([ChatMessage("hard")]).additional_kwargs["hybrid"]["route"] == "small"

    @pytest.mark.filterwarnings("ignore:A query is unlike")
    def test_a_pickle_holds_the_path_of_the_router(self, tmp_path: Path) -> None:
        folder = tmp_path / "router"
        Router.load().save(folder)
        llm = HybridLLM(*arms(), folder, cost_advantage=0.4, allowed=(0.0, 1.0), query_vars=["q"]).with_quality(
            cost_advantage=1.0
        )
        again = pickle.loads(pickle.dumps(llm))
        assert again.router.id == llm.router.id
        assert again.to_dict() == llm.to_dict()
        assert again.chat([ChatMessage("hard")]).additional_kwargs["hybrid"]["level"] == {"cost_advantage": 1.0}

    def test_a_router_without_a_folder_says_so(self, router: Router) -> None:
        with pytest.raises(RouterFolderError, match="path of its folder"):
            pickle.dumps(hybrid(router=router))

    def test_the_models_cannot_be_exchanged_behind_its_back(self) -> None:
        llm = hybrid()
        with pytest.raises(ValueError, match="frozen"):
            llm.small = llm.large

    @pytest.mark.parametrize("name", ["system_prompt", "output_parser", "pydantic_program_mode"])
    def test_what_belongs_to_a_model_is_set_there(self, name: str) -> None:
        with pytest.raises(AttributeError, match=rf"set llm\.small\.{name} and llm\.large\.{name}"):
            setattr(hybrid(), name, "x")


class Limiter(BaseRateLimiter):
    """Counts."""

    taken: int = 0

    def acquire(self) -> None:
        self.taken += 1

    async def async_acquire(self) -> None:
        self.taken += 1


class TestWhatIsObserved:
    @covering(every_way, pytest.mark.parametrize("method", ["chat", "complete", "predict"]), times=2)
    async def test_tokens_and_callbacks_are_those_of_the_bare_model(self, way: Way, method: str) -> None:
        def arguments(query: str) -> Any:
            template = {"args": [PromptTemplate("{query_str}")], "kwargs": {"query_str": query}}
            return {
                "chat": {"args": [[ChatMessage(query)]], "kwargs": {}},
                "complete": {"args": [query], "kwargs": {}},
                "predict": template,
            }[method]

        seen = []
        for llm in (hybrid(), *arms()):
            counter, debug = TokenCountingHandler(), LlamaDebugHandler(print_trace_on_end=False)
            llm.callback_manager = CallbackManager([counter, debug])
            for query in ["easy", "hard"] if isinstance(llm, HybridLLM) else ["easy"]:
                await way.all_of(llm, method, *arguments(query)["args"], **arguments(query)["kwargs"])
            pairs = [start.event_type.value for start, *_ in debug.get_event_pairs()]
            seen.append((counter.total_llm_token_count, sorted(pairs)))
        (both, pairs), (one, small_pairs), (other, large_pairs) = seen
        assert both == one + other > 0
        assert pairs == sorted(small_pairs + large_pairs)

    @every_way
    async def test_each_event_comes_once_and_names_the_model(self, way: Way) -> None:
        for query, side in (("easy", "small"), ("hard", "large")):
            with Events() as events:
                await way.all_of(hybrid(), "predict", PromptTemplate("{query_str}"), query_str=query)
            (start,) = events.of(LLMChatStartEvent)
            assert start.model_dict["model_name"] == side
            assert len(events.of(LLMChatEndEvent)) == len(events.of(LLMPredictStartEvent)) == 1

    @every_way
    async def test_the_routing_event_says_why_and_holds_no_text(self, way: Way) -> None:
        with Events() as events:
            response = await way.ask(hybrid(), "chat", [ChatMessage("easy")])
        (event,) = events.of(HybridRoutingEvent)
        assert event.decision.items() <= response.additional_kwargs["hybrid"].items()
        assert (event.model, event.method) == ("small", f"{way.prefix}chat")
        assert (len(event.query_hash), event.latency_ms >= 0) == (16, True)
        assert "easy" not in event.model_dump_json()
        assert events.seen.index(event) < events.seen.index(events.of(LLMChatStartEvent)[0])

    @every_way
    async def test_what_the_provider_sent_is_untouched(self, way: Way) -> None:
        mine, bare = (
            await way.ask(hybrid(), "chat", [ChatMessage("easy")]),
            await way.ask(arms()[0], "chat", [ChatMessage("easy")]),
        )
        assert mine.raw == bare.raw
        assert bare.additional_kwargs == bare.message.additional_kwargs == {}
        assert mine.message.content == bare.message.content

    @every_way
    async def test_every_chunk_of_a_stream_carries_the_decision(self, way: Way) -> None:
        for method, request in (("chat", [ChatMessage("easy")]), ("complete", "easy")):
            chunks = await way.all_of(hybrid(), method, request)
            assert len(chunks) == (3 if "stream" in way.prefix else 1)
            assert {chunk.additional_kwargs["hybrid"]["score"] for chunk in chunks} == {SCORES["easy"]}

    @every_way
    async def test_a_rate_limiter_is_asked_once_a_call(self, way: Way) -> None:
        llm = hybrid()
        llm.rate_limiter = limiter = Limiter()
        for query in ("easy", "hard"):
            await way.ask(llm, "chat", [ChatMessage(query)])
        assert limiter.taken == 2

    def test_a_callback_manager_of_the_constructor_is_set_on_both(self) -> None:
        manager = CallbackManager([])
        llm = hybrid(callback_manager=manager)
        assert llm.callback_manager is llm.small.callback_manager is llm.large.callback_manager is manager
