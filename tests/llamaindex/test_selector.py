"""HybridSelector: the small or the large query engine, by the router's score."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.base.base_selector import BaseSelector
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import CustomQueryEngine, RouterQueryEngine
from llama_index.core.retrievers import RouterRetriever
from llama_index.core.schema import QueryBundle, TextNode
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.tools import QueryEngineTool, RetrieverTool, ToolMetadata

from hybrid_llm import HybridLLMWarning, Router
from hybrid_llm.errors import LevelError, RouterFolderError
from hybrid_llm.testing import FailingScorer, FixedScorer
from llamaindex_hybrid import HybridQueryBundle, HybridSelection, HybridSelector
from tests.covering import covering

pytestmark = pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")


class Says(CustomQueryEngine):
    """A query engine with one answer."""

    answer: str

    def custom_query(self, query_str: str) -> str:
        return f"{self.answer}: {query_str}"


def tools(*names: str) -> list[QueryEngineTool]:
    return [QueryEngineTool.from_defaults(Says(answer=name), name=name, description=name) for name in names]


def engine_of(selector: BaseSelector, *names: str) -> RouterQueryEngine:
    return RouterQueryEngine(selector, tools(*(names or ("small", "large"))), llm=MockLLM())


def selection_of(response: Any) -> HybridSelection:
    (selection,) = response.metadata["selector_result"].selections
    assert isinstance(selection, HybridSelection)
    return selection


async def select(selector: HybridSelector, choices: Any, query: Any, *, sync: bool) -> HybridSelection:
    result = selector.select(choices, query) if sync else await selector.aselect(choices, query)
    (selection,) = result.selections
    assert isinstance(selection, HybridSelection)
    return selection


sync_and_async = pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])


class TestInAQueryEngine:
    @sync_and_async
    async def test_the_score_decides_which_engine_answers(self, sync: bool, router: Router) -> None:
        engine = engine_of(HybridSelector(router, threshold=0.5))
        for query, side in (("easy", "small"), ("hard", "large"), ("middling", "small")):
            response = engine.query(query) if sync else await engine.aquery(query)
            assert str(response) == f"{side}: {query}"
            assert selection_of(response).decision == router.decide(query, threshold=0.5).as_dict()

    @sync_and_async
    async def test_a_stream_passes_through(self, sync: bool, router: Router) -> None:
        index = SummaryIndex([TextNode(text="Lima is the capital of Peru.")])
        sides = [
            QueryEngineTool.from_defaults(
                index.as_query_engine(llm=MockLLM(max_tokens=n), streaming=True, use_async=not sync),
                name=name,
                description=name,
            )
            for name, n in (("small", 2), ("large", 4))
        ]
        engine = RouterQueryEngine(HybridSelector(router, threshold=0.5), sides, llm=MockLLM())
        for query, words in (("easy", 2), ("hard", 4)):
            if sync:
                response: Any = engine.query(query)
                tokens = list(response.response_gen)
            else:
                response = await engine.aquery(query)
                tokens = [token async for token in response.async_response_gen()]
            assert len([token for token in tokens if token.strip()]) == words
            assert selection_of(response).index == (0 if words == 2 else 1)

    @sync_and_async
    async def test_it_selects_retrievers_as_well(self, sync: bool, router: Router) -> None:
        retrievers = [
            RetrieverTool.from_defaults(SummaryIndex([TextNode(text=name)]).as_retriever(), name=name, description=name)
            for name in ("small", "large")
        ]
        retriever = RouterRetriever(HybridSelector(router, threshold=0.5), retrievers, llm=MockLLM())
        for query, side in (("easy", "small"), ("hard", "large")):
            nodes = retriever.retrieve(query) if sync else await retriever.aretrieve(query)
            assert [node.text for node in nodes] == [side]

    def test_it_composes_with_a_selector_by_topic(self, router: Router) -> None:
        pair = QueryEngineTool.from_defaults(engine_of(HybridSelector(router, threshold=0.5)), name="pair")
        other = QueryEngineTool.from_defaults(Says(answer="other"), name="other", description="something else")
        answer = '[{"choice": 1, "reason": "topic"}]'

        class Topic(MockLLM):
            def complete(self, *args: Any, **kwargs: Any) -> Any:
                from llama_index.core.llms import CompletionResponse

                return CompletionResponse(text=answer)

        outer = RouterQueryEngine(LLMSingleSelector.from_defaults(llm=Topic()), [pair, other], llm=MockLLM())
        assert str(outer.query("hard")) == "large: hard"

    async def test_fifty_queries_at_once_do_not_mix(self, router: Router) -> None:
        engine = engine_of(HybridSelector(router, threshold=0.5))
        queries = ["easy", "hard"] * 25
        answers = await asyncio.gather(*(engine.aquery(query) for query in queries))
        assert [str(answer) for answer in answers] == ["small: easy", "large: hard"] * 25


class TestLevels:
    @sync_and_async
    @pytest.mark.parametrize(
        ("option", "values"),
        [("quality", (1.0, 0.9, 0.7)), ("cost_advantage", (0.4, 0.8, 1.0)), ("threshold", (0.9, 0.5, 0.1))],
    )
    async def test_a_request_chooses_its_level(
        self, sync: bool, router: Router, option: str, values: tuple[float, ...]
    ) -> None:
        expected = [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
        for value, positions in zip(values, expected, strict=True):
            for selector, level in (
                (HybridSelector(router, **{option: value}), {}),
                (HybridSelector(router, threshold=2), {option: value}),
            ):
                bundles = [HybridQueryBundle(query, **level) for query in ("easy", "middling", "hard")]
                chosen = [await select(selector, ["a", "b"], bundle, sync=sync) for bundle in bundles]
                assert [selection.index for selection in chosen] == positions

    def test_the_level_of_a_bundle_reaches_the_selector_of_an_engine(self, router: Router) -> None:
        engine = engine_of(HybridSelector(router, threshold=0.9))
        assert str(engine.query("middling")).startswith("large")
        assert str(engine.query(HybridQueryBundle("middling", quality=0.9))).startswith("small")

    def test_without_any_level_the_routers_default_holds(self, router: Router) -> None:
        (selection,) = HybridSelector(router).select(["a", "b"], "easy").selections
        assert isinstance(selection, HybridSelection)
        assert selection.decision["level"] == {"quality": 0.99}

    def test_a_level_that_makes_no_sense_is_an_error_where_it_is_given(self, router: Router) -> None:
        for options in ({"quality": 0.0}, {"quality": 2}, {"quality": 0.9, "threshold": 0.5}):
            with pytest.raises(LevelError):
                HybridSelector(router, **options)
            with pytest.raises(LevelError):
                HybridQueryBundle("easy", **options)

    def test_a_router_without_thresholds_says_so_at_construction(self, scorer: FixedScorer) -> None:
        with pytest.raises(LevelError, match="calibrate"):
            HybridSelector(scorer, quality=0.9)


class TestReason:
    @pytest.mark.parametrize(
        ("score", "options", "reason"),
        [
            (0.83, {"threshold": 0.6}, "p(small is good enough)=0.83 >= 0.60 (threshold 0.6) -> small"),
            (0.3, {"threshold": 0.6}, "p(small is good enough)=0.30 < 0.60 (threshold 0.6) -> large"),
            (0.5996, {"threshold": 0.6}, "p(small is good enough)=0.5996 < 0.6000 (threshold 0.6) -> large"),
            (0.6, {"threshold": 0.6}, "p(small is good enough)=0.60 >= 0.60 (threshold 0.6) -> small"),
        ],
    )
    def test_it_says_the_numbers(self, score: float, options: dict[str, float], reason: str) -> None:
        assert HybridSelector(FixedScorer(score), **options).select(["a", "b"], "anything").reason == reason

    def test_it_says_the_level_as_it_was_asked_for(self, router: Router) -> None:
        reason = HybridSelector(router, quality=0.99).select(["a", "b"], "easy").reason
        assert reason == "p(small is good enough)=0.90 >= 0.70 (quality 0.99) -> small"

    @sync_and_async
    async def test_no_text_goes_to_large(self, sync: bool, router: Router) -> None:
        selection = await select(HybridSelector(router, threshold=0.0), ["a", "b"], " ", sync=sync)
        assert selection.index == 1
        assert selection.reason == "no text to score (threshold 0) -> large"
        assert selection.decision["reason"] == "no_text"

    @sync_and_async
    async def test_a_failing_scorer_goes_to_large(self, sync: bool) -> None:
        selector = HybridSelector(FailingScorer(), threshold=0.0)
        with pytest.warns(HybridLLMWarning, match="scorer failed"):
            selection = await select(selector, ["a", "b"], "easy", sync=sync)
        assert selection.index == 1
        assert selection.reason == "the scorer failed (threshold 0) -> large"
        assert selection.decision["score"] is None


class TestEngines:
    @pytest.mark.parametrize(
        ("names", "options", "answers"),
        [
            (("a", "b"), {}, ("a", "b")),
            (("a", "b"), {"small": 1, "large": 0}, ("b", "a")),
            (("a", "b"), {"small": "b", "large": "a"}, ("b", "a")),
            (("a", "b", "c"), {"small": "c", "large": "a"}, ("c", "a")),
            (("a", "b", "c"), {"small": 2, "large": "b"}, ("c", "b")),
        ],
    )
    def test_they_are_found_by_position_or_name(
        self, names: tuple[str, ...], options: dict[str, Any], answers: tuple[str, str], router: Router
    ) -> None:
        engine = engine_of(HybridSelector(router, threshold=0.5, **options), *names)
        assert (str(engine.query("easy")), str(engine.query("hard"))) == (f"{answers[0]}: easy", f"{answers[1]}: hard")

    @covering(
        sync_and_async,
        pytest.mark.parametrize(
            ("names", "options", "message"),
            [
                (("a", "b"), {"small": "c"}, "small='c' is none of the tools; they are 0: 'a', 1: 'b'"),
                (("a", "b"), {"large": 2}, "large=2 is none of the tools"),
                (("a", "b"), {"large": -1}, "large=-1 is none of the tools"),
                (("a",), {}, "large=1 is none of the tools; they are 0: 'a'"),
                (("a", None), {"large": "b"}, r"large='b' is none of the tools; they are 0: 'a', 1 \(no name\)"),
                (("a", "b"), {"large": "a"}, "small= and large= are the same engine"),
                (("t", "t"), {"small": "t"}, "the name of 2 tools; give each its own name"),
                (("a", "b", "c"), {}, "between two engines, and there are 3: 0: 'a', 1: 'b', 2: 'c'"),
            ],
        ),
        times=2,
    )
    async def test_those_that_are_not_there_are_an_error_that_names_the_tools(
        self, sync: bool, names: tuple[str | None, ...], options: dict[str, Any], message: str, router: Router
    ) -> None:
        choices = [ToolMetadata(description="an engine", name=name) for name in names]
        with pytest.raises(ValueError, match=message):
            await select(HybridSelector(router, threshold=0.5, **options), choices, "easy", sync=sync)

    def test_they_are_checked_before_anything_is_scored(self, router: Router, scorer: FixedScorer) -> None:
        with pytest.raises(ValueError, match="none of the tools"):
            HybridSelector(router, threshold=0.5, small="x").select(["a", "b"], "easy")
        assert scorer.calls == []

    @pytest.mark.parametrize("engine", [None, True, 0.5])
    def test_what_is_neither_a_position_nor_a_name_is_an_error(self, engine: Any, router: Router) -> None:
        with pytest.raises(TypeError, match="small= takes"):
            HybridSelector(router, threshold=0.5, small=engine)

    def test_a_router_that_is_none_is_an_error(self, tmp_path: Any) -> None:
        not_a_router: Any = object()
        with pytest.raises(TypeError, match="router= takes"):
            HybridSelector(not_a_router)
        with pytest.raises(RouterFolderError):
            HybridSelector(tmp_path)


class TestAsASelector:
    def test_it_is_a_base_selector_without_prompts(self, router: Router) -> None:
        selector = HybridSelector(router)
        assert isinstance(selector, BaseSelector)
        assert selector.get_prompts() == {}
        selector.update_prompts({})

    def test_the_result_dumps_as_the_framework_expects(self, router: Router) -> None:
        result = HybridSelector(router, threshold=0.5).select(["a", "b"], "easy")
        assert result.model_dump()["selections"][0].keys() >= {"index", "reason"}
        assert result.selections[0].model_dump()["decision"]["route"] == "small"

    def test_a_bundle_stays_a_query_bundle(self) -> None:
        bundle = HybridQueryBundle("easy", quality=0.9)
        assert isinstance(bundle, QueryBundle)
        assert str(bundle) == "easy"
        assert bundle.embedding_strs == ["easy"]

    async def test_scoring_does_not_block_the_event_loop(self) -> None:
        threads: list[int] = []

        class Slow:
            id = "slow"

            def score(self, queries: Any) -> Any:
                threads.append(threading.get_ident())
                return [0.9] * len(queries)

        await HybridSelector(Slow(), threshold=0.5).aselect(["a", "b"], "easy")
        assert len(threads) == 1
        assert threading.get_ident() not in threads
