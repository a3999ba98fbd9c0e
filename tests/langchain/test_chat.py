"""ChatHybrid: one chat model that a small or a large one answers."""

from __future__ import annotations

import asyncio
import threading
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.rate_limiters import InMemoryRateLimiter

from hybrid_llm import HybridLLMWarning, Router
from hybrid_llm.errors import LevelError
from hybrid_llm.testing import FailingScorer, FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._pair import pair
from tests.langchain._ways import Way, both_batches, every_way, routes
from tests.scenarios import FAILURES

pytestmark = pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")


class TestRouting:
    @every_way
    async def test_the_score_decides_which_model_answers(self, way: Way, router: Router) -> None:
        hybrid = pair(router, threshold=0.5)
        assert routes(await way(hybrid, ["easy", "hard", "middling"])) == ["small", "large", "small"]
        assert [len(arm.asked) for arm in (hybrid.small, hybrid.large)] == [2, 1]

    @every_way
    async def test_the_decision_is_on_the_answer_as_plain_values(self, way: Way, router: Router) -> None:
        (answer,) = await way(pair(router, threshold=0.6), ["easy"])
        assert router.decide("easy", threshold=0.6).as_dict().items() <= answer.response_metadata["hybrid"].items()

    @every_way
    async def test_the_answer_is_otherwise_the_models_own(self, way: Way, router: Router) -> None:
        for query, arm in (("easy", "small"), ("hard", "large")):
            hybrid = pair(router, threshold=0.5)
            (bare,) = await way(getattr(hybrid, arm), [query])
            (answer,) = await way(hybrid, [query])
            del answer.response_metadata["hybrid"]
            assert answer.model_copy(update={"id": bare.id}) == bare

    @every_way
    async def test_a_forced_route_is_not_scored(self, way: Way, router: Router, scorer: FixedScorer) -> None:
        hybrid = pair(router, threshold=0.5)
        for route in ("small", "large"):
            for options in ({"route": route}, {"config": {"configurable": {"hybrid_route": route}}}):
                (answer,) = await way(hybrid, ["hard"], **options)
                assert routes([answer]) == [route]
                assert answer.response_metadata["hybrid"]["reason"] == "forced"
        assert scorer.calls == []

    @covering(
        every_way,
        pytest.mark.parametrize("messages", [[SystemMessage("be brief")], [HumanMessage("  ")], [AIMessage("4")]]),
        times=2,
    )
    async def test_no_text_goes_to_large(self, way: Way, messages: list[Any], router: Router) -> None:
        (answer,) = await way(pair(router, threshold=0.0), [messages])
        assert routes([answer]) == ["large"]
        assert answer.response_metadata["hybrid"]["reason"] == "no_text"

    @every_way
    async def test_a_failing_scorer_costs_money_not_answers(self, way: Way) -> None:
        with pytest.warns(HybridLLMWarning, match="scorer failed"):
            (answer,) = await way(pair(FailingScorer(), threshold=0.0), ["easy"])
        assert answer.response_metadata["hybrid"]["reason"] == "scorer_error"

    @every_way
    async def test_the_text_to_score_may_come_with_the_request(
        self, way: Way, router: Router, scorer: FixedScorer
    ) -> None:
        config = {"configurable": {"hybrid_query": "easy"}}
        assert routes(await way(pair(router, threshold=0.6), ["a stuffed prompt"], config)) == ["small"]
        assert scorer.calls == [["easy"]]

    def test_the_text_to_score_may_be_the_conversation_or_any_function(self, scorer: FixedScorer) -> None:
        talk = [HumanMessage("easy"), AIMessage("4"), HumanMessage("And 3+3?")]
        pair(scorer, threshold=0.5, query="conversation").invoke(talk)
        pair(scorer, threshold=0.5, query=lambda messages: messages[0].text).invoke(talk)
        assert scorer.calls == [["easy\n\n4\n\nAnd 3+3?"], ["easy"]]

    def test_a_pair_may_be_an_arm_of_a_pair(self, router: Router) -> None:
        inner = pair(router, threshold=0.5, small={"model": "middle"})
        cascade = ChatHybrid(FakeChatModel(model="small"), inner, router, threshold=0.9)
        answers = [cascade.invoke(query).text for query in ("easy", "middling", "hard")]
        assert answers == ["from small", "from middle", "from large"]


class TestLevels:
    @covering(
        every_way,
        pytest.mark.parametrize(
            ("option", "values"),
            [("quality", (1.0, 0.9, 0.7)), ("cost_advantage", (0.4, 0.8, 1.0)), ("threshold", (0.9, 0.5, 0.1))],
        ),
        times=2,
    )
    async def test_a_request_chooses_its_level(
        self, way: Way, router: Router, option: str, values: tuple[float, ...]
    ) -> None:
        queries = ["easy", "middling", "hard"]
        expected = [["small", "large", "large"], ["small", "small", "large"], ["small", "small", "small"]]
        hybrid = pair(router, threshold=2)
        for value, answers in zip(values, expected, strict=True):
            config = {"configurable": {f"hybrid_{option}": value}}
            assert routes(await way(hybrid, queries, **{option: value})) == answers
            assert routes(await way(hybrid.bind(**{option: value}), queries)) == answers
            assert routes(await way(hybrid, queries, config)) == answers
            assert routes(await way(hybrid.with_config(config), queries)) == answers
            assert routes(await way(pair(router, **{option: value}), queries)) == answers

    @every_way
    async def test_each_input_of_a_batch_has_its_own_level(self, way: Way, router: Router) -> None:
        configs = [{"configurable": {"hybrid_quality": quality}} for quality in (1.0, 0.9, 0.7)]
        assert routes(await way(pair(router, threshold=2), ["middling"] * 3, configs)) == ["large", "small", "small"]

    @every_way
    async def test_the_keyword_comes_before_the_config_and_the_config_before_the_constructor(
        self, way: Way, router: Router
    ) -> None:
        hybrid, config = pair(router, threshold=2), {"configurable": {"hybrid_quality": 0.7}}
        assert routes(await way(hybrid, ["hard"], config)) == ["small"]
        assert routes(await way(hybrid, ["hard"], config, threshold=0.2)) == ["large"]

    @every_way
    async def test_a_level_that_makes_no_sense_is_an_error_before_any_model_is_asked(
        self, way: Way, router: Router
    ) -> None:
        hybrid = pair(router, threshold=0.5)
        for options, match in (
            ({"quality": 1.5}, "out of range"),
            ({"config": {"configurable": {"hybrid_quality": "high"}}}, "out of range"),
            ({"quality": 0.9, "threshold": 0.5}, "together"),
            ({"route": "medium"}, "'small' or 'large'"),
        ):
            with pytest.raises(LevelError, match=match):
                await way(hybrid, ["easy"], **options)
        assert hybrid.small.asked == hybrid.large.asked == []

    @every_way
    async def test_requests_choose_only_within_the_allowed_range(self, way: Way, router: Router) -> None:
        hybrid = pair(router, quality=0.9, allowed=(0.7, 0.9))
        assert routes(await way(hybrid, ["middling"], quality=0.8)) == ["small"]
        for options in ({"quality": 1.0}, {"route": "large"}, {"threshold": 0.99}):
            with pytest.raises(LevelError, match=r"quality 0.7 to 0.9"):
                await way(hybrid, ["middling"], **options)


class TestBatches:
    @both_batches
    async def test_a_batch_is_scored_in_one_pass_and_keeps_its_order(
        self, way: Way, router: Router, scorer: FixedScorer
    ) -> None:
        queries = ["easy", "hard", "middling"] * 4
        assert routes(await way(pair(router, threshold=0.5), queries)) == ["small", "large", "small"] * 4
        assert len(scorer.calls) == 1

    @both_batches
    async def test_an_input_that_makes_no_sense_stops_the_batch_before_a_model_is_asked(
        self, way: Way, router: Router
    ) -> None:
        hybrid = pair(router, threshold=0.5)
        with pytest.raises(ValueError, match="Invalid input type"):
            await way(hybrid, ["easy", 7])
        configs = [{}, {"configurable": {"hybrid_quality": 2}}]
        with pytest.raises(LevelError):
            await way(hybrid, ["easy", "easy"], configs)
        assert hybrid.small.asked == []

    @both_batches
    async def test_with_return_exceptions_an_error_takes_the_place_of_its_answer(
        self, way: Way, router: Router
    ) -> None:
        hybrid = pair(router, threshold=0.5, large={"error": FAILURES["bad request"]})
        outcomes = await way(hybrid, ["easy", 7, "hard", "middling"], return_exceptions=True)
        assert [type(outcome).__name__ for outcome in outcomes] == [
            "AIMessage",
            "ValueError",
            "StatusError",
            "AIMessage",
        ]

    @both_batches
    async def test_max_concurrency_of_the_config_is_kept(self, way: Way, router: Router) -> None:
        running, most, lock = 0, 0, threading.Lock()

        class Busy(FakeListChatModel):
            def _call(self, *args: Any, **kwargs: Any) -> str:
                nonlocal running, most
                with lock:
                    running += 1
                    most = max(most, running)
                threading.Event().wait(0.01)
                with lock:
                    running -= 1
                return "done"

        arm = Busy(responses=["done"])
        await way(ChatHybrid(arm, arm, router, threshold=0.5), ["easy", "hard"] * 4, {"max_concurrency": 2})
        assert most <= 2

    @both_batches
    async def test_an_empty_batch_is_an_empty_list(self, way: Way, router: Router) -> None:
        assert await way(pair(router, threshold=0.5), []) == []


class TestStreams:
    async def test_the_first_chunk_has_the_decision_and_the_last_one_the_calls(self, router: Router) -> None:
        hybrid = pair(router, threshold=0.5)
        for chunks in (list(hybrid.stream("easy")), [chunk async for chunk in hybrid.astream("easy")]):
            assert [chunk.text for chunk in chunks if chunk.text] == ["from ", "small"]
            noted = [sorted(chunk.response_metadata.get("hybrid", ())) for chunk in chunks]
            assert noted == [
                sorted(router.decide("easy", threshold=0.5).as_dict()),
                *[[]] * (len(chunks) - 2),
                ["attempts"],
            ]

    async def test_a_model_that_does_not_stream_gives_one_chunk(self, router: Router) -> None:
        class Whole(FakeChatModel):
            _stream = BaseChatModel._stream

        hybrid = ChatHybrid(Whole(model="small"), FakeChatModel(model="large"), router, threshold=0.5)
        for chunks in (list(hybrid.stream("easy")), [chunk async for chunk in hybrid.astream("easy")]):
            assert [chunk.text for chunk in chunks] == ["from small"]
            assert chunks[0].usage_metadata
            assert chunks[0].response_metadata["model_name"] == "small"

    @pytest.mark.parametrize(
        ("disabled", "options"),
        [
            (True, {}),
            (
                "tool_calling",
                {"tools": [{"type": "function", "function": {"name": "f", "description": "", "parameters": {}}}]},
            ),
        ],
    )
    async def test_a_model_told_not_to_stream_gives_one_chunk_and_the_other_streams(
        self, router: Router, disabled: Any, options: dict[str, Any]
    ) -> None:
        hybrid = pair(router, threshold=0.5, small={"disable_streaming": disabled})
        for query, n in (("easy", 1), ("hard", 2)):
            for chunks in (
                list(hybrid.stream(query, **options)),
                [chunk async for chunk in hybrid.astream(query, **options)],
            ):
                assert len([chunk for chunk in chunks if chunk.content or chunk.tool_call_chunks]) == (
                    1 if options else n
                )
                assert bool(reduce(add, chunks).tool_calls) == bool(options)

    async def test_the_pair_itself_may_be_told_not_to_stream(self, router: Router) -> None:
        hybrid = pair(router, threshold=0.5, disable_streaming=True)
        assert len(list(hybrid.stream("easy"))) == 1
        assert len([chunk async for chunk in hybrid.astream("easy")]) == 1

    async def test_leaving_a_stream_early_closes_that_of_the_model(self, router: Router) -> None:
        closed: list[str] = []

        class Watched(FakeChatModel):
            def _stream(self, *args: Any, **kwargs: Any) -> Any:
                try:
                    yield from super()._stream(*args, **kwargs)
                finally:
                    closed.append("closed")

            async def _astream(self, *args: Any, **kwargs: Any) -> Any:
                for chunk in self._stream(*args, **kwargs):
                    yield chunk

        hybrid = ChatHybrid(Watched(model="small"), FakeChatModel(model="large"), router, threshold=0.5)
        stream = hybrid.stream("easy")
        next(stream)
        stream.close()
        astream = hybrid.astream("easy")
        await anext(astream)
        await astream.aclose()
        assert closed == ["closed"] * 2


class TestArms:
    @every_way
    async def test_the_limiter_of_the_model_that_answers_is_asked(self, way: Way, router: Router) -> None:
        asked: list[str] = []

        class Limiter(InMemoryRateLimiter):
            def acquire(self, *, blocking: bool = True) -> bool:
                asked.append("asked")
                return True

            async def aacquire(self, *, blocking: bool = True) -> bool:
                return self.acquire()

        await way(pair(router, threshold=0.5, small={"rate_limiter": Limiter()}), ["easy", "hard"])
        assert asked == ["asked"]

    @every_way
    async def test_stop_words_and_keywords_reach_the_model_and_the_level_does_not(
        self, way: Way, router: Router
    ) -> None:
        hybrid = pair(router, threshold=0.5)
        (answer,) = await way(hybrid, ["easy"], stop=["small"], seed=7, threshold=0.4)
        assert answer.text == "from "
        ((_, stop, kwargs),) = hybrid.small.asked
        assert (stop, {**kwargs, "run_manager": None}) == (["small"], {"seed": 7, "run_manager": None})

    @every_way
    async def test_another_model_may_be_named_for_one_call(self, way: Way, router: Router) -> None:
        (answer,) = await way(pair(router, threshold=0.5), ["easy"], model="other")
        assert answer.response_metadata["model_name"] == "other"

    async def test_scoring_does_not_block_the_event_loop(self) -> None:
        threads: list[int] = []

        class Slow:
            id = "slow"

            def score(self, queries: list[str]) -> list[float]:
                threads.append(threading.get_ident())
                return [0.9] * len(queries)

        hybrid = pair(Slow(), threshold=0.5)
        await hybrid.ainvoke("easy")
        await hybrid.abatch(["easy", "hard"])
        _ = [chunk async for chunk in hybrid.astream("easy")]
        await hybrid.agenerate([[HumanMessage("easy")]])
        assert len(threads) == 4
        assert threading.get_ident() not in threads

    async def test_many_calls_at_once_do_not_mix(self, router: Router) -> None:
        queries = ["easy", "hard", "middling"] * 10
        hybrid = pair(router, threshold=0.5)
        answers = await asyncio.gather(*(hybrid.ainvoke(query) for query in queries))
        assert routes(list(answers)) == ["small", "large", "small"] * 10
