"""RunnableHybrid: one step of a chain that the small or the large arm answers."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    RunnableLambda,
    RunnablePassthrough,
)

from hybrid_llm import HybridLLMWarning, Router
from hybrid_llm.errors import LevelError, RouterFolderError
from hybrid_llm.testing import FailingScorer, FixedScorer
from langchain_hybrid import RunnableHybrid
from tests.covering import covering
from tests.langchain._ways import (
    Way,
    chat_arms,
    every_way,
    hybrid_of,
    routes,
)

pytestmark = pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")


class TestRouting:
    @every_way
    async def test_the_score_decides_which_arm_answers(self, way: Way, router: Router) -> None:
        hybrid = hybrid_of(router, threshold=0.5)
        assert routes(await way(hybrid, ["easy", "hard", "middling"])) == ["small", "large", "small"]

    @every_way
    async def test_the_decision_is_on_the_message(self, way: Way, router: Router) -> None:
        (message,) = await way(hybrid_of(router, threshold=0.6), ["easy"])
        assert router.decide("easy", threshold=0.6).as_dict().items() <= message.response_metadata["hybrid"].items()

    @every_way
    async def test_a_forced_route_is_not_scored(self, way: Way, router: Router, scorer: FixedScorer) -> None:
        hybrid = hybrid_of(router, threshold=0.5)
        for route in ("small", "large"):
            (message,) = await way(hybrid, ["hard"], route=route)
            assert routes([message]) == [route]
            assert message.response_metadata["hybrid"]["reason"] == "forced"
            assert message.response_metadata["hybrid"]["router_id"] == router.id
        assert scorer.calls == []

    @every_way
    async def test_no_text_goes_to_large(self, way: Way, router: Router) -> None:
        for empty in ("  ", [SystemMessage("be brief")]):
            (message,) = await way(hybrid_of(router, threshold=0.0), [empty])
            assert routes([message]) == ["large"]
            assert message.response_metadata["hybrid"]["reason"] == "no_text"

    @every_way
    async def test_a_failing_scorer_costs_money_not_answers(self, way: Way) -> None:
        with pytest.warns(HybridLLMWarning, match="scorer failed"):
            (message,) = await way(hybrid_of(FailingScorer(), threshold=0.0), ["easy"])
        assert routes([message]) == ["large"]
        assert message.response_metadata["hybrid"]["reason"] == "scorer_error"

    async def test_arms_may_be_functions_dicts_and_chains(self, router: Router) -> None:
        chain = RunnableLambda(str.upper) | (lambda text: text + "!")
        hybrid = RunnableHybrid({"echo": RunnablePassthrough()}, chain, router, threshold=0.5)
        assert hybrid.batch(["easy", "hard"]) == [{"echo": "easy"}, "HARD!"]

    def test_an_arm_may_be_a_router_itself(self, router: Router) -> None:
        small, large = chat_arms()
        middle = FakeListChatModel(responses=["from the middle"])
        cascade = RunnableHybrid(small, RunnableHybrid(middle, large, router, threshold=0.5), router, threshold=0.9)
        answers = [cascade.invoke(query).text for query in ("easy", "middling", "hard")]
        assert answers == ["from small", "from the middle", "from large"]

    def test_an_output_that_is_no_chat_message_is_left_alone(self, router: Router) -> None:
        hybrid = RunnableHybrid(lambda _: {"text": "4"}, lambda _: "5", router, threshold=0.5)
        assert hybrid.batch(["easy", "hard"]) == [{"text": "4"}, "5"]

    def test_the_arms_own_message_is_not_changed(self, router: Router) -> None:
        kept = AIMessage("4", response_metadata={"model_name": "m"})
        hybrid = RunnableHybrid(lambda _: kept, lambda _: kept, router, threshold=0.5)
        answer = hybrid.invoke("easy")
        assert kept.response_metadata == {"model_name": "m"}
        assert answer.response_metadata["model_name"] == "m"
        assert answer.response_metadata["hybrid"]["route"] == "small"


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
        hybrid = hybrid_of(router, threshold=2)
        for value, answers in zip(values, expected, strict=True):
            assert routes(await way(hybrid, queries, **{option: value})) == answers
            assert routes(await way(hybrid.bind(**{option: value}), queries)) == answers
            config = {"configurable": {f"hybrid_{option}": value}}
            assert routes(await way(hybrid, queries, config)) == answers
            assert routes(await way(hybrid.with_config(config), queries)) == answers
            assert routes(await way(hybrid_of(router, **{option: value}), queries)) == answers

    @every_way
    async def test_the_keyword_comes_before_the_config_and_the_config_before_the_constructor(
        self, way: Way, router: Router
    ) -> None:
        hybrid = hybrid_of(router, threshold=0.9)
        config = {"configurable": {"hybrid_threshold": 0.1}}
        assert routes(await way(hybrid, ["middling"])) == ["large"]
        assert routes(await way(hybrid, ["middling"], config)) == ["small"]
        assert routes(await way(hybrid, ["middling"], config, quality=1.0)) == ["large"]

    @every_way
    async def test_without_any_level_the_routers_default_holds(self, way: Way, router: Router) -> None:
        (message,) = await way(hybrid_of(router), ["easy"])
        assert message.response_metadata["hybrid"]["level"] == {"quality": 0.99}

    @covering(
        every_way,
        pytest.mark.parametrize(
            ("config", "kwargs", "message"),
            [
                (None, {"quality": 0}, "quality=0 is out of range"),
                (None, {"quality": 2}, "quality=2 is out of range"),
                (None, {"threshold": "high"}, "threshold='high'"),
                (None, {"quality": 0.9, "threshold": 0.5}, "quality and threshold were given together"),
                (None, {"route": "medium"}, "'small' or 'large'"),
                ({"configurable": {"hybrid_cost_advantage": 1.5}}, {}, "cost_advantage=1.5 is out of range"),
                ({"configurable": {"hybrid_quality": 0.9, "hybrid_threshold": 0.5}}, {}, "given together"),
            ],
        ),
        times=2,
    )
    async def test_a_level_that_makes_no_sense_is_an_error(
        self, way: Way, router: Router, config: Any, kwargs: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(LevelError, match=message):
            await way(hybrid_of(router, threshold=0.5), ["easy"], config, **kwargs)

    def test_a_router_without_thresholds_says_so_at_construction(self, scorer: FixedScorer) -> None:
        with pytest.raises(LevelError, match="calibrate"):
            hybrid_of(scorer, quality=0.9)

    def test_the_level_can_be_a_configurable_field(self, router: Router) -> None:
        field = ConfigurableField(id="dial")
        hybrid = hybrid_of(router, threshold=0.9).configurable_fields(threshold=field)
        assert hybrid.invoke("middling").text == "from large"
        assert hybrid.invoke("middling", {"configurable": {"dial": 0.5}}).text == "from small"


class TestQuery:
    @pytest.mark.parametrize(
        "value",
        [
            "easy",
            [("ai", "Hello."), ("human", "easy")],
            [HumanMessage("easy"), AIMessage("hard"), SystemMessage("hard")],
            [{"role": "user", "content": [{"type": "text", "text": "easy"}]}],
            HumanMessage("easy"),
            ChatPromptTemplate.from_messages([("system", "hard"), ("human", "{q}")]).invoke({"q": "easy"}),
            {"messages": [("human", "easy")]},
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_the_last_human_text_is_scored(self, value: Any, router: Router, scorer: FixedScorer) -> None:
        RunnableHybrid(lambda _: 1, lambda _: 2, router, threshold=0.5).invoke(value)
        assert scorer.calls == [["easy"]]

    @pytest.mark.parametrize("query", ["question", lambda value: value["question"]])
    def test_a_key_or_a_function_names_the_text(self, query: Any, router: Router, scorer: FixedScorer) -> None:
        hybrid = RunnableHybrid(lambda x: x["style"], lambda _: 2, router, threshold=0.5, query=query)
        assert hybrid.invoke({"question": "easy", "style": "brief"}) == "brief"
        assert scorer.calls == [["easy"]]

    def test_a_key_may_hold_messages(self, router: Router, scorer: FixedScorer) -> None:
        hybrid = RunnableHybrid(lambda _: 1, lambda _: 2, router, threshold=0.5, query="chat")
        hybrid.invoke({"chat": [("human", "easy")]})
        assert scorer.calls == [["easy"]]

    @every_way
    async def test_the_config_names_the_text_of_a_stuffed_prompt(
        self, way: Way, router: Router, scorer: FixedScorer
    ) -> None:
        config = {"configurable": {"hybrid_query": "easy"}}
        assert routes(await way(hybrid_of(router, threshold=0.5), ["hard"], config)) == ["small"]
        assert scorer.calls == [["easy"]]

    @pytest.mark.parametrize(
        ("value", "query", "error", "message"),
        [
            ({"question": "easy"}, "last_human", ValueError, "query='question'"),
            ({"question": "easy"}, "text", ValueError, "no key 'text'.*'question'"),
            ("easy", "question", TypeError, "is a key, but the input is no dict"),
            (17, "last_human", TypeError, "no text to score.*type int.*query=lambda"),
            ([object()], "last_human", TypeError, "not of messages.*query=lambda"),
            ("easy", lambda _: None, TypeError, "must return the text to score; got NoneType"),
        ],
    )
    def test_an_input_without_known_text_says_what_to_pass(
        self, value: Any, query: Any, error: type[Exception], message: str, router: Router
    ) -> None:
        hybrid = RunnableHybrid(lambda _: 1, lambda _: 2, router, threshold=0.5, query=query)
        with pytest.raises(error, match=message):
            hybrid.invoke(value)

    def test_the_text_in_the_config_is_a_string(self, router: Router) -> None:
        with pytest.raises(TypeError, match="hybrid_query"):
            hybrid_of(router, threshold=0.5).invoke("easy", {"configurable": {"hybrid_query": 7}})


class TestConstruction:
    @pytest.mark.parametrize(
        ("arms", "message"),
        [
            (("a-model", lambda x: x), "small='a-model' is a name; pass the model itself"),
            ((lambda x: x, "a-model"), "large='a-model' is a name"),
            ((None, lambda x: x), "small= takes a runnable.*got NoneType"),
        ],
    )
    def test_an_arm_that_is_no_runnable_is_an_error(self, arms: Any, message: str, router: Router) -> None:
        with pytest.raises(TypeError, match=message):
            RunnableHybrid(*arms, router, threshold=0.5)

    def test_a_router_that_is_none_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="router= takes"):
            hybrid_of(object(), threshold=0.5)

    def test_the_path_of_no_router_folder_is_an_error(self, tmp_path: Any) -> None:
        with pytest.raises(RouterFolderError):
            hybrid_of(tmp_path, threshold=0.5)

    def test_two_levels_are_an_error(self, router: Router) -> None:
        with pytest.raises(LevelError, match="together"):
            hybrid_of(router, quality=0.9, threshold=0.5)
