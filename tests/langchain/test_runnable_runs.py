"""RunnableHybrid as a runnable: batches, streams, traces, async, and what LangChain wraps around it."""

from __future__ import annotations

import asyncio
import threading
import typing
from collections.abc import AsyncIterator, Iterator
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
)

from hybrid_llm import Router
from hybrid_llm.errors import LevelError
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import RunnableHybrid
from tests.langchain._ways import (
    Recorder,
    Way,
    both_batches,
    chat_arms,
    every_way,
    hybrid_of,
    routes,
)

pytestmark = pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")


class TestBatch:
    @both_batches
    async def test_all_inputs_are_scored_in_one_pass(self, way: Way, router: Router, scorer: FixedScorer) -> None:
        chain = ChatPromptTemplate.from_messages([("human", "{q}")]) | hybrid_of(router, threshold=0.5)
        queries = ["easy", "hard"] * 8
        answers = await way(chain, [{"q": query} for query in queries])
        assert routes(answers) == ["small", "large"] * 8
        assert scorer.calls == [queries]

    @both_batches
    async def test_each_item_has_the_level_of_its_own_config(
        self, way: Way, router: Router, scorer: FixedScorer
    ) -> None:
        options = [{"hybrid_quality": 1.0}, {"hybrid_quality": 0.9}, {"hybrid_threshold": 0.1}, {}]
        configs = [{"configurable": option} for option in options]
        answers = await way(hybrid_of(router, threshold=2), ["middling"] * 4, configs)
        assert routes(answers) == ["large", "small", "small", "large"]
        assert scorer.calls == [["middling"] * 4]

    @both_batches
    async def test_an_error_takes_the_place_of_its_own_answer_only(self, way: Way, router: Router) -> None:
        def fail(value: str) -> str:
            raise ConnectionError(value)

        hybrid = RunnableHybrid(lambda value: f"small {value}", fail, router, threshold=0.5)
        configs = [{}, {}, {"configurable": {"hybrid_quality": 7}}, {}]
        answers = await way(hybrid, ["easy", "hard", "easy", 17], configs, return_exceptions=True)
        assert answers[0] == "small easy"
        assert [type(answer) for answer in answers[1:]] == [ConnectionError, LevelError, TypeError]

    @both_batches
    async def test_a_level_that_the_router_does_not_know_is_the_error_of_its_own_item(
        self, way: Way, scorer: FixedScorer
    ) -> None:
        configs = [{"configurable": {"hybrid_quality": 0.9}}, {}]
        answers = await way(hybrid_of(scorer, threshold=0.5), ["easy", "easy"], configs, return_exceptions=True)
        assert isinstance(answers[0], LevelError)
        assert answers[1].text == "from small"

    @both_batches
    async def test_without_return_exceptions_a_failing_arm_fails_the_batch(self, way: Way, router: Router) -> None:
        def fail(value: str) -> str:
            raise ConnectionError(value)

        with pytest.raises(ConnectionError, match="hard"):
            await way(RunnableHybrid(lambda x: x, fail, router, threshold=0.5), ["easy", "hard"])

    @both_batches
    async def test_an_input_that_makes_no_sense_stops_the_batch_before_any_arm_is_called(
        self, way: Way, router: Router
    ) -> None:
        called: list[Any] = []
        hybrid = RunnableHybrid(called.append, called.append, router, threshold=0.5)
        with pytest.raises(TypeError, match="no text to score"):
            await way(hybrid, ["easy", 17])
        assert called == []

    @both_batches
    async def test_no_more_calls_run_at_once_than_the_config_allows(self, way: Way, router: Router) -> None:
        running, most, lock = 0, 0, threading.Lock()

        def enter(by: int) -> None:
            nonlocal running, most
            with lock:
                running += by
                most = max(most, running)

        def arm(_: str) -> None:
            enter(1)
            threading.Event().wait(0.01)
            enter(-1)

        async def async_arm(_: str) -> None:
            enter(1)
            await asyncio.sleep(0.01)
            enter(-1)

        either = RunnableLambda(arm, afunc=async_arm)
        hybrid = RunnableHybrid(either, either, router, threshold=0.5)
        await way(hybrid, ["easy", "hard"] * 4, {"max_concurrency": 2})
        assert most == 2

    @both_batches
    async def test_an_empty_batch_is_an_empty_list(self, way: Way, router: Router, scorer: FixedScorer) -> None:
        assert await way(hybrid_of(router, threshold=0.5), []) == []
        assert scorer.calls == []


class TestStreams:
    async def test_chunks_are_not_held_back(self, router: Router) -> None:
        made: list[int] = []

        def chunks(_: Iterator[Any]) -> Iterator[AIMessageChunk]:
            for i in range(3):
                made.append(i)
                yield AIMessageChunk(str(i))

        async def achunks(_: AsyncIterator[Any]) -> AsyncIterator[AIMessageChunk]:
            for chunk in chunks(iter(())):
                yield chunk

        arm = RunnableGenerator(chunks, achunks)
        chain = RunnablePassthrough() | RunnableHybrid(arm, arm, router, threshold=0.5) | StrOutputParser()
        for text in chain.stream("easy"):
            assert made[-1] == int(text)
        made.clear()
        async for text in chain.astream("easy"):
            assert made[-1] == int(text)

    async def test_only_the_first_chunk_has_the_decision(self, router: Router) -> None:
        hybrid = hybrid_of(router, threshold=0.5)
        for chunks in (list(hybrid.stream("easy")), [chunk async for chunk in hybrid.astream("easy")]):
            assert len(chunks) == len("from small")
            assert ["hybrid" in chunk.response_metadata for chunk in chunks] == [True] + [False] * (len(chunks) - 1)

    async def test_leaving_a_stream_early_closes_that_of_the_arm(self, router: Router) -> None:
        closed: list[str] = []

        async def achunks(_: AsyncIterator[Any]) -> AsyncIterator[str]:
            try:
                for letter in "abc":
                    yield letter
            finally:
                closed.append("closed")

        arm = RunnableGenerator(achunks)
        stream = RunnableHybrid(arm, arm, router, threshold=0.5).astream("easy")
        assert await anext(stream) == "a"
        await stream.aclose()
        assert closed == ["closed"]

    async def test_a_failure_after_the_first_chunk_is_raised(self, router: Router) -> None:
        small = FakeListChatModel(responses=["from small"], error_on_chunk_number=3)
        hybrid = RunnableHybrid(small, chat_arms()[1], router, threshold=0.5)
        seen = []
        with pytest.raises(Exception) as failure:  # noqa: PT012 - the fake raises a class of its own
            for chunk in hybrid.stream("easy"):
                seen.append(chunk.text)  # noqa: PERF401 - what came before the failure counts
        assert type(failure.value).__name__ == "FakeListChatModelError"
        assert "".join(seen) == "fro"

    async def test_a_stream_of_input_is_scored_as_a_whole(self, router: Router, scorer: FixedScorer) -> None:
        def words(_: Iterator[Any]) -> Iterator[str]:
            yield from ("ea", "sy")

        chain = RunnableGenerator(words) | hybrid_of(router, threshold=0.5)
        assert routes([reduce(add, chain.stream("anything"))]) == ["small"]
        assert scorer.calls == [["easy"]]


class TestTrace:
    @every_way
    async def test_the_hybrid_has_a_run_and_the_arms_run_below_it_names_the_route(
        self, way: Way, router: Router
    ) -> None:
        recorder = Recorder()
        hybrid = hybrid_of(router, threshold=0.5, name="my router")
        await way(hybrid, ["easy", "hard"], {"callbacks": [recorder], "tags": ["mine"], "metadata": {"user": 7}})
        chains, models = dict(recorder.of("chain")), [run for _, run in recorder.of("model")]
        assert [run["name"] for run in chains.values()] == ["my router"] * 2
        assert [run["parent_run_id"] for run in chains.values()] == [None] * 2
        assert {run["parent_run_id"] for run in models} == set(chains)
        assert sorted(sorted(run["tags"]) for run in models) == [["mine", "route:large"], ["mine", "route:small"]]
        for run in models:
            assert run["metadata"]["user"] == 7
            assert f"route:{run['metadata']['hybrid']['route']}" in run["tags"]
        assert all(run["outputs"].response_metadata["hybrid"] for run in chains.values())

    async def test_only_the_arms_own_run_has_the_decision_not_those_inside_it(self, router: Router) -> None:
        small, large = chat_arms()
        hybrid = RunnableHybrid(ChatPromptTemplate.from_template("{q}") | small, large, router, threshold=0, query="q")
        recorder = Recorder()
        hybrid.invoke({"q": "easy"}, {"callbacks": [recorder]})
        (_, model), (_, own), (_, arm), *_ = [*recorder.of("model"), *recorder.of("chain")]
        assert ["hybrid" in run["metadata"] for run in (own, arm, model)] == [False, True, False]
        assert [any(tag.startswith("route:") for tag in run["tags"]) for run in (own, arm, model)] == [
            False,
            True,
            False,
        ]

    @every_way
    async def test_a_model_and_its_tokens_are_seen_once_inside_a_chain(self, way: Way, router: Router) -> None:
        recorder = Recorder()
        chain = RunnablePassthrough() | hybrid_of(router, threshold=0.5) | StrOutputParser()
        assert await way(chain, ["easy"], {"callbacks": [recorder]}) == ["from small"]
        assert len(recorder.of("model")) == 1
        assert "".join(recorder.tokens) in ("", "from small")

    @every_way
    async def test_an_error_is_recorded_on_the_run(self, way: Way, router: Router) -> None:
        def fail(_: Any) -> None:
            raise KeyError("a bug")

        recorder = Recorder()
        with pytest.raises(KeyError):
            await way(RunnableHybrid(fail, fail, router, threshold=0.5), ["easy"], {"callbacks": [recorder]})
        assert [type(run["error"]) for _, run in recorder.of("chain")] == [KeyError] * 2

    @every_way
    async def test_config_and_keywords_reach_the_arm_and_the_level_does_not(self, way: Way, router: Router) -> None:
        seen: list[tuple[dict[str, Any], dict[str, Any]]] = []

        def arm(_: Any, config: RunnableConfig, **kwargs: Any) -> str:
            seen.append((dict(config["configurable"]), kwargs))
            return "done"

        config = {"configurable": {"session": "s1"}}
        await way(RunnableHybrid(arm, arm, router), ["easy"], config, threshold=0.5, stop=["END"])
        assert seen == [({"session": "s1"}, {"stop": ["END"]})]

    async def test_events_carry_the_route(self, router: Router) -> None:
        chain = RunnablePassthrough() | hybrid_of(router, threshold=0.5)
        events = [event async for event in chain.astream_events("easy", version="v2")]
        (start,) = [event for event in events if event["event"] == "on_chat_model_start"]
        assert "route:small" in start["tags"]
        assert start["metadata"]["hybrid"]["score"] == 0.9
        streamed = [event for event in events if event["event"] == "on_chat_model_stream"]
        assert "".join(event["data"]["chunk"].text for event in streamed) == "from small"


class TestAsync:
    async def test_scoring_does_not_block_the_event_loop(self) -> None:
        threads: list[int] = []

        class Slow:
            id = "slow"

            def score(self, queries: list[str]) -> list[float]:
                threads.append(threading.get_ident())
                return [0.9] * len(queries)

        hybrid = hybrid_of(Slow(), threshold=0.5)
        await hybrid.ainvoke("easy")
        await hybrid.abatch(["easy", "hard"])
        _ = [chunk async for chunk in hybrid.astream("easy")]
        assert len(threads) == 3
        assert threading.get_ident() not in threads

    async def test_many_calls_at_once_do_not_mix(self, router: Router) -> None:
        hybrid = hybrid_of(router, threshold=0.5)
        queries = ["easy", "hard", "middling"] * 10
        answers = await asyncio.gather(*(hybrid.ainvoke(query) for query in queries))
        assert routes(list(answers)) == ["small", "large", "small"] * 10


class TestAsARunnable:
    def test_the_graph_shows_both_arms(self, router: Router) -> None:
        small, large = chat_arms()
        hybrid = RunnableHybrid(ChatPromptTemplate.from_template("{q}") | small, large, router, threshold=0.5)
        graph = hybrid.get_graph()
        assert {"small", "large"} <= {edge.data for edge in graph.edges if edge.conditional}
        assert [node.name for node in graph.nodes.values()].count("FakeListChatModel") == 2
        assert "ChatPromptTemplate" in hybrid.get_graph().draw_mermaid()

    def test_a_chain_with_it_has_the_prompts_of_its_arms(self, router: Router) -> None:
        small, large = chat_arms()
        prompt = ChatPromptTemplate.from_template("{q}")
        hybrid = RunnableHybrid(prompt | small, prompt | large, router, threshold=0.5, query="q")
        assert hybrid.get_prompts() == [prompt, prompt]
        assert "q" in hybrid.get_input_jsonschema()["properties"]

    def test_the_schemas_are_those_of_the_large_arm(self, router: Router) -> None:
        hybrid = hybrid_of(router, threshold=0.5)
        assert hybrid.get_input_jsonschema() == chat_arms()[1].get_input_jsonschema()
        assert hybrid.get_output_jsonschema() == chat_arms()[1].get_output_jsonschema()
        assert hybrid.InputType == chat_arms()[1].InputType
        assert hybrid.OutputType == chat_arms()[1].OutputType

    def test_what_a_request_may_configure_is_listed_once(self, router: Router) -> None:
        chain = hybrid_of(router, threshold=0.5) | StrOutputParser() | hybrid_of(router, threshold=0.5)
        names = [spec.id for spec in chain.config_specs]
        assert names == [
            "hybrid_cost_advantage",
            "hybrid_private",
            "hybrid_quality",
            "hybrid_query",
            "hybrid_route",
            "hybrid_threshold",
        ]
        assert chain.config_schema()(configurable={"hybrid_quality": 0.9})

    def test_with_retry_asks_again(self, router: Router) -> None:
        asked: list[str] = []

        def flaky(value: str) -> str:
            asked.append(value)
            if len(asked) < 2:
                raise ConnectionError("once")
            return "done"

        hybrid = RunnableHybrid(flaky, flaky, router, threshold=0.5)
        assert hybrid.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).invoke("easy") == "done"

    async def test_with_fallbacks_takes_over_before_the_first_chunk(self, router: Router) -> None:
        def fail(_: Any) -> str:
            raise ConnectionError("down")

        small, large = chat_arms()
        safe = RunnableHybrid(fail, large, router, threshold=0.5, fallback_to_large=False).with_fallbacks([small])
        assert safe.invoke("easy").text == "from small"
        assert reduce(add, safe.stream("easy")).text == "from small"
        assert reduce(add, [chunk async for chunk in safe.astream("easy")]).text == "from small"

    def test_the_router_is_neither_shown_nor_dumped_nor_copied(self, router: Router) -> None:
        hybrid = RunnableHybrid(RunnablePassthrough(), RunnablePassthrough(), router, threshold=0.5)
        assert "router" not in repr(hybrid)
        assert "router" not in hybrid.model_dump()
        assert hybrid.model_copy().router is router

    def test_public_methods_have_return_types_that_resolve(self) -> None:
        for name in ("invoke", "ainvoke", "stream", "astream", "batch", "abatch", "get_graph", "get_input_schema"):
            assert "return" in typing.get_type_hints(getattr(RunnableHybrid, name)), name
