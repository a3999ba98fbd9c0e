"""Each request may choose its level: by keyword, by context, by a clone."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import CustomQueryEngine, RouterQueryEngine
from llama_index.core.schema import TextNode
from llama_index.core.tools import FunctionTool, QueryEngineTool

from hybrid_llm import Router
from hybrid_llm.errors import LevelError
from llamaindex_hybrid import HybridLLM, HybridQueryBundle, HybridSelector, hybrid_quality
from llamaindex_hybrid.testing import FakeLLM
from tests.covering import covering
from tests.llamaindex._arms import WAYS, Said, Way, arms, hybrid

pytestmark = pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")
every_way = pytest.mark.parametrize("way", WAYS, ids=str)
TOOL = FunctionTool.from_defaults(lambda city: "sunny", name="weather", description="the weather of a city")
QUERIES = ["easy", "middling", "hard"]
LEVELS = [("quality", (1.0, 0.9, 0.7)), ("cost_advantage", (0.4, 0.8, 1.0)), ("threshold", (0.9, 0.5, 0.1))]
EXPECTED = [["small", "large", "large"], ["small", "small", "large"], ["small", "small", "small"]]


async def routes(way: Way, llm: HybridLLM, **options: Any) -> list[str]:
    answers = [await way.ask(llm, "chat", [ChatMessage(query)], **options) for query in QUERIES]
    return [answer.additional_kwargs["hybrid"]["route"] for answer in answers]


@covering(every_way, pytest.mark.parametrize(("kind", "values"), LEVELS), times=2)
async def test_every_place_of_a_level_counts(way: Way, kind: str, values: tuple[float, ...], router: Router) -> None:
    always_large = hybrid(router=router, threshold=2.0)
    for value, expected in zip(values, EXPECTED, strict=True):
        level: dict[str, Any] = {kind: value}
        assert await routes(way, hybrid(router=router, **level)) == expected
        assert await routes(way, always_large.with_quality(**level)) == expected
        assert await routes(way, always_large, **level) == expected
        with hybrid_quality(**level):
            assert await routes(way, always_large) == expected


@every_way
async def test_the_nearest_place_wins(way: Way, router: Router) -> None:
    llm = hybrid(router=router, threshold=2.0)
    clone = llm.with_quality(threshold=0.05)
    assert await routes(way, clone) == ["small"] * 3
    with hybrid_quality(threshold=2.0):
        assert await routes(way, clone) == ["large"] * 3
        assert await routes(way, clone, threshold=0.5) == ["small", "small", "large"]
        with hybrid_quality(0.7):
            assert await routes(way, clone) == ["small"] * 3
        assert await routes(way, clone) == ["large"] * 3
    assert await routes(way, llm) == ["large"] * 3


@covering(
    every_way,
    pytest.mark.parametrize("method", ["chat", "complete", "predict", "structured_predict", "chat_with_tools"]),
    times=2,
)
async def test_no_option_of_the_router_reaches_a_model(way: Way, method: str, router: Router) -> None:
    small, large = FakeLLM(model="small"), FakeLLM(model="large")
    llm = hybrid(small, large, router=router, threshold=2.0)
    template = PromptTemplate("{query_str}")
    arguments: Any = {
        "chat": ([[ChatMessage("easy")]], {}),
        "complete": (["easy"], {}),
        "predict": ([template], {"query_str": "easy"}),
        "structured_predict": ([Said, template], {"query_str": "easy"}),
        "chat_with_tools": ([[TOOL]], {"user_msg": "easy"}),
    }[method]
    for options in ({"quality": 0.9}, {"cost_advantage": 0.8}, {"threshold": 0.5}, {"route": "small"}):
        await way.all_of(llm, method, *arguments[0], **arguments[1], **options)
    assert (len(small.asked), len(large.asked)) == (4, 0)
    assert not any({"quality", "cost_advantage", "threshold", "route"} & kwargs.keys() for *_, kwargs in small.asked)


async def test_a_variable_of_the_template_is_no_option(router: Router) -> None:
    small, _ = arms()
    llm = hybrid(small, router=router)
    llm.predict(PromptTemplate("{query_str} in {quality} words"), query_str="easy", quality="few")
    assert small.asked[0][1][0].content == "easy in few words"


async def test_structured_calls_take_it_among_the_models_arguments_too(router: Router) -> None:
    llm, given = (
        hybrid(FakeLLM(model="small"), FakeLLM(model="large"), router=router, threshold=2.0),
        {"threshold": 0.5},
    )
    answer = llm.structured_predict(Said, PromptTemplate("{query_str}"), given, query_str="easy")
    assert (answer.text, given) == ("from small", {"threshold": 0.5})


class TestTheContext:
    @pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
    async def test_it_reaches_through_a_query_engine(self, asynchronous: bool, router: Router) -> None:
        engine = SummaryIndex([TextNode(text="Lima")]).as_query_engine(hybrid(router=router, threshold=0.9))
        with hybrid_quality(0.9):
            answer = await engine.aquery("middling") if asynchronous else engine.query("middling")
        assert str(answer) == "from small"
        assert str(engine.query("middling")) == "from large"

    async def test_a_lazy_stream_misses_it_when_read_outside(self, router: Router) -> None:
        llm = hybrid(router=router, threshold=0.9)
        index = SummaryIndex([TextNode(text="Lima")])
        engine = index.as_query_engine(llm, streaming=True)
        with hybrid_quality(0.9):
            late, early = engine.query("middling"), "".join(engine.query("middling").response_gen)
        assert ("".join(late.response_gen), early) == ("from large", "from small")
        clone = index.as_query_engine(llm.with_quality(0.9), streaming=True)
        assert "".join(clone.query("middling").response_gen) == "from small"

    def test_the_models_own_streams_decide_at_once(self, router: Router) -> None:
        llm = hybrid(router=router, threshold=0.9)
        with hybrid_quality(0.9):
            stream = llm.stream_chat([ChatMessage("middling")])
        assert {chunk.additional_kwargs["hybrid"]["route"] for chunk in stream} == {"small"}

    async def test_tasks_and_threads_do_not_see_each_others(self, router: Router) -> None:
        llm = hybrid(router=router, threshold=0.9)

        async def ask(threshold: float) -> str:
            with hybrid_quality(threshold=threshold):
                await asyncio.sleep(0.01)
                response = await llm.achat([ChatMessage("middling")])
                return str(response.additional_kwargs["hybrid"]["route"])

        assert await asyncio.gather(*(ask(t) for t in (0.5, 0.9) * 10)) == ["small", "large"] * 10
        seen: list[str] = []
        with hybrid_quality(threshold=0.0):
            other = threading.Thread(
                target=lambda: seen.append(llm.chat([ChatMessage("middling")]).additional_kwargs["hybrid"]["route"])
            )
            other.start()
            other.join()
        assert seen == ["large"]

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    async def test_an_agent_takes_it_when_it_is_run(self, router: Router) -> None:
        agent = FunctionAgent(tools=[TOOL], llm=hybrid(router=router, threshold=0.9))
        with hybrid_quality(0.9):
            run = agent.run("middling", memory=ChatMemoryBuffer.from_defaults(token_limit=4000))
        assert str(await run) == "from small"

    async def test_it_reaches_a_selector_whose_query_has_none(self, router: Router) -> None:
        class Says(CustomQueryEngine):
            answer: str

            def custom_query(self, query_str: str) -> str:
                return self.answer

        tools = [QueryEngineTool.from_defaults(Says(answer=n), name=n, description=n) for n in ("small", "large")]
        engine = RouterQueryEngine(HybridSelector(router, threshold=0.9), tools, llm=arms()[1])
        with hybrid_quality(0.9):
            assert str(engine.query("middling")) == "small"
            assert str(engine.query(HybridQueryBundle("middling", threshold=0.9))) == "large"
        assert str(engine.query("middling")) == "large"

    @pytest.mark.parametrize("level", [{}, {"quality": 0.0}, {"quality": 0.9, "threshold": 0.5}])
    def test_it_has_exactly_one_level(self, level: dict[str, float]) -> None:
        with pytest.raises(LevelError), hybrid_quality(**level):
            pass


class TestWhatRequestsMayChoose:
    @every_way
    async def test_a_level_out_of_range_is_an_error_where_it_is_given(self, way: Way, router: Router) -> None:
        llm = hybrid(router=router)
        for options in ({"quality": 1.5}, {"quality": 0.9, "threshold": 0.5}, {"route": "medium"}):
            with pytest.raises(LevelError):
                await way.ask(llm, "chat", [ChatMessage("easy")], **options)
        with pytest.raises(LevelError):
            llm.with_quality(1.5)

    async def test_the_range_can_be_locked(self, router: Router) -> None:
        llm = hybrid(router=router, quality=0.9, allowed=(0.7, 0.9))
        assert llm.chat([ChatMessage("hard")], quality=0.7).additional_kwargs["hybrid"]["route"] == "small"
        talk = [ChatMessage("hard")]
        with pytest.raises(LevelError, match=r"quality 1 is not for requests to choose here; .* quality 0.7 to 0.9"):
            llm.chat(talk, quality=1.0)
        with pytest.raises(LevelError, match="route='large' is not for requests"):
            await llm.achat(talk, route="large")
        with pytest.raises(LevelError, match="not for requests"):
            llm.with_quality(1.0)
        with hybrid_quality(1.0), pytest.raises(LevelError, match="not for requests"):
            await llm.achat(talk)
        assert llm.complete("long " * 1000).additional_kwargs["hybrid"]["route"] == "large"
