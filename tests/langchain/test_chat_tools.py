"""ChatHybrid with tools and with structured output."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import Runnable, RunnableBinding, RunnableLambda
from langchain_core.tools import StructuredTool, tool
from pydantic import BaseModel, ValidationError
from pydantic.v1 import BaseModel as BaseModelV1

from hybrid_llm import Router
from hybrid_llm.errors import LevelError
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._pair import EVERYTHING, pair
from tests.langchain._ways import Recorder, Way, both_batches, by_ainvoke, by_invoke, every_way
from tests.scenarios import FAILURES


@tool
def look_up(city: str) -> str:
    """Look up a city."""
    return city


class Person(BaseModel):
    """A person."""

    name: str
    age: int


SCHEMA = Person.model_json_schema()


class TestTools:
    @every_way
    async def test_the_model_that_answers_binds_the_tools_itself(self, way: Way, router: Router) -> None:
        hybrid = pair(router, threshold=0.5)
        answers = await way(hybrid.bind_tools([look_up]), ["easy", "hard"])
        assert [answer.tool_calls[0]["name"] for answer in answers] == ["look_up"] * 2
        for arm in (hybrid.small, hybrid.large):
            ((_, _, kwargs),) = arm.asked
            assert kwargs["tools"] == arm.bind_tools([look_up]).kwargs["tools"]

    def test_what_is_bound_are_descriptions_and_not_objects(self, router: Router) -> None:
        def add(a: int, b: int) -> int:
            """Add."""
            return a + b

        bound = pair(router, threshold=0.5).bind_tools([look_up, add, Person, SCHEMA], tool_choice="any", strict=True)
        assert isinstance(bound, RunnableBinding)
        assert (bound.kwargs["tool_choice"], bound.kwargs["strict"]) == ("any", True)
        names = [tool.get("function", tool).get("name", tool.get("title")) for tool in bound.kwargs["tools"]]
        assert names == ["look_up", "add", "Person", "Person"]
        assert " at 0x" not in str(bound.kwargs)

    def test_the_extras_of_a_tool_reach_the_model(self, router: Router) -> None:
        class ReadsExtras(FakeChatModel):
            def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
                return super().bind_tools(tools, extras=[tool.extras for tool in tools], **kwargs)

        cached = StructuredTool.from_function(lambda city: city, name="cached", description="x", extras={"cache": 1})
        hybrid = ChatHybrid(ReadsExtras(model="small"), FakeChatModel(model="large"), router, threshold=0.5)
        hybrid.bind_tools([cached]).invoke("easy")
        assert hybrid.small.asked[0][2]["extras"] == [{"cache": 1}]

    @covering(every_way, pytest.mark.parametrize("choice", ["any", "look_up", True]), times=2)
    async def test_a_forced_call_goes_where_it_can_be_forced(self, way: Way, choice: Any, router: Router) -> None:
        for profile, route in ((None, "large"), (EVERYTHING, "small")):
            hybrid = pair(router, threshold=0.5, small={"profile": profile}, large={"profile": EVERYTHING})
            (answer,) = await way(hybrid.bind_tools([look_up], tool_choice=choice), ["easy"])
            assert answer.response_metadata["hybrid"]["route"] == route
            assert getattr(hybrid, route).asked[0][2]["tool_choice"] == choice

    @pytest.mark.parametrize("choice", ["auto", "none", None])
    def test_a_free_choice_goes_anywhere(self, choice: str | None, router: Router) -> None:
        answer = pair(router, threshold=0.5).bind_tools([look_up], tool_choice=choice).invoke("easy")
        assert answer.response_metadata["hybrid"]["route"] == "small"

    @every_way
    async def test_a_tool_that_is_built_into_a_provider_goes_to_large_as_it_is(self, way: Way, router: Router) -> None:
        search = {"type": "web_search_20250305", "name": "web_search"}
        hybrid = pair(router, threshold=0.5)
        (answer,) = await way(hybrid.bind_tools([search]), ["easy"])
        assert answer.response_metadata["hybrid"]["reason"] == "tools"
        assert hybrid.large.asked[0][2]["tools"] == [search]

    async def test_the_level_may_come_before_or_after_the_tools(self, router: Router) -> None:
        hybrid = pair(router, threshold=0.5)
        for step in (hybrid.bind_tools([look_up]).bind(threshold=0.05), hybrid.bind_tools([look_up], threshold=0.05)):
            assert step.invoke("hard").response_metadata["hybrid"]["route"] == "small"
        config = {"configurable": {"hybrid_threshold": 0.05}}
        assert hybrid.bind_tools([look_up]).invoke("hard", config).response_metadata["hybrid"]["route"] == "small"

    def test_fallbacks_keep_the_tools(self, router: Router) -> None:
        broken = pair(router, threshold=0.5, small={"error": FAILURES["refused"]}, large={"error": FAILURES["refused"]})
        answer = broken.with_fallbacks([FakeChatModel(model="third")]).bind_tools([look_up]).invoke("easy")
        assert answer.tool_calls[0]["name"] == "look_up"
        assert answer.response_metadata["model_name"] == "third"

    def test_public_methods_have_return_types_that_resolve(self) -> None:
        for name in (
            "invoke",
            "ainvoke",
            "stream",
            "astream",
            "batch",
            "abatch",
            "bind_tools",
            "with_structured_output",
        ):
            assert "return" in typing.get_type_hints(getattr(ChatHybrid, name)), name

    def test_a_model_that_hides_behind_its_tools_is_an_error(self, router: Router) -> None:
        class Odd(FakeChatModel):
            def bind_tools(self, *args: Any, **kwargs: Any) -> Any:
                return RunnableLambda(lambda _: "4")

        hybrid = ChatHybrid(Odd(model="small"), FakeChatModel(model="large"), router, threshold=0.5)
        with pytest.raises(TypeError, match="RunnableHybrid"):
            hybrid.bind_tools([look_up]).invoke("easy")


class TestStructuredOutput:
    @covering(every_way, pytest.mark.parametrize("schema", [Person, SCHEMA]), times=2)
    async def test_each_model_answers_in_the_schema(self, way: Way, schema: Any, router: Router) -> None:
        hybrid = pair(router, threshold=0.5)
        answers = await way(hybrid.with_structured_output(schema), ["easy", "hard"])
        assert [type(answer) for answer in answers] == [Person if schema is Person else dict] * 2
        assert [len(arm.asked) for arm in (hybrid.small, hybrid.large)] == [1, 1]

    @every_way
    async def test_the_raw_message_has_the_decision_and_a_level_of_the_request_counts(
        self, way: Way, router: Router
    ) -> None:
        structured = pair(router, threshold=0.5).with_structured_output(Person, include_raw=True)
        (answer,) = await way(structured, ["hard"], threshold=0.05)
        assert set(answer) == {"raw", "parsed", "parsing_error"}
        assert (
            router.decide("hard", threshold=0.05).as_dict().items() <= answer["raw"].response_metadata["hybrid"].items()
        )
        config = {"configurable": {"hybrid_threshold": 0.05}}
        (answer,) = await way(structured, ["hard"], config)
        assert answer["raw"].response_metadata["hybrid"]["route"] == "small"

    @pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
    @pytest.mark.parametrize("strict", [None, True, False])
    def test_method_and_strict_reach_both_models(self, method: str, strict: bool | None, router: Router) -> None:
        seen: list[dict[str, Any]] = []

        class Watched(FakeChatModel):
            def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
                seen.append(kwargs)
                return RunnableLambda(lambda _: self.model)

        hybrid = ChatHybrid(Watched(model="small"), Watched(model="large"), router, threshold=0.5)
        structured = hybrid.with_structured_output(Person, method=method, strict=strict)
        assert seen == [{"include_raw": False, "method": method, "strict": strict}] * 2
        assert structured.batch(["easy", "hard"]) == ["small", "large"]

    @both_batches
    async def test_a_batch_is_scored_in_one_pass(self, way: Way, router: Router, scorer: FixedScorer) -> None:
        await way(pair(router, threshold=0.5).with_structured_output(Person), ["easy", "hard", "middling"])
        assert scorer.calls == [["easy", "hard", "middling"]]

    @every_way
    async def test_a_model_that_is_down_is_replaced_and_a_wrong_answer_is_not(self, way: Way, router: Router) -> None:
        down = pair(router, threshold=0.5, small={"error": FAILURES["refused"]})
        (answer,) = await way(down.with_structured_output(Person, include_raw=True), ["easy"])
        decision = answer["raw"].response_metadata["hybrid"]
        assert (decision["route"], decision["reason"]) == ("large", "fallback")
        wrong = AIMessage("", tool_calls=[{"name": "Person", "args": {"name": "Ada"}, "id": "1"}])
        hybrid = pair(router, threshold=0.5, small={"replies": [wrong]})
        if way in (by_invoke, by_ainvoke):
            with pytest.raises(ValidationError):
                await way(hybrid.with_structured_output(Person), ["easy"])
            assert hybrid.large.asked == []

    async def test_the_breakers_are_those_of_the_pair(self, router: Router) -> None:
        hybrid = pair(router, threshold=0.5, small={"error": FAILURES["refused"]})
        structured = hybrid.with_structured_output(Person)
        for _ in range(3):
            structured.invoke("easy")
        assert hybrid.invoke("easy").response_metadata["hybrid"]["reason"] == "cooldown"

    def test_a_model_and_its_cost_are_seen_once_below_the_run_of_the_router(self, router: Router) -> None:
        recorder, usage = Recorder(), UsageMetadataCallbackHandler()
        hybrid = pair(router, threshold=0.5, tags=["mine"], metadata={"user": 7})
        chain = RunnableLambda(str) | hybrid.with_structured_output(Person)
        chain.invoke("easy", {"callbacks": [recorder, usage]})
        ((_, model),) = recorder.of("model")
        assert "route:small" in {tag for run in recorder.runs.values() for tag in run["tags"]}
        assert model["metadata"]["ls_model_name"] == "small"
        assert (model["metadata"]["user"], "mine" in model["tags"]) == (7, True)
        assert usage.usage_metadata["small"]["output_tokens"] == 2

    @every_way
    async def test_the_limiter_of_the_pair_is_asked(self, way: Way, router: Router) -> None:
        asked: list[str] = []

        class Limiter(InMemoryRateLimiter):
            def acquire(self, *, blocking: bool = True) -> bool:
                asked.append("asked")
                return True

            async def aacquire(self, *, blocking: bool = True) -> bool:
                return self.acquire()

        await way(pair(router, threshold=0.5, rate_limiter=Limiter()).with_structured_output(Person), ["easy"])
        assert asked == ["asked"]

    @every_way
    async def test_the_history_is_made_safe(self, way: Way) -> None:
        thought = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "4"}]
        said = AIMessage(thought, response_metadata={"model_provider": "openai"})
        hybrid = pair(FixedScorer(0.9), threshold=0.5)
        talk = [HumanMessage("2+2?"), said, HumanMessage("Who in the world was Ada Lovelace?")]
        await way(hybrid.with_structured_output(Person), [talk])
        assert hybrid.small.asked[0][0][1].content == "4"

    @every_way
    async def test_a_schema_that_is_bound_as_an_agent_binds_it_counts_as_one(self, way: Way, router: Router) -> None:
        schema = {"type": "json_schema", "json_schema": {"name": "Person", "schema": SCHEMA}}
        for small, route in (({"structured_output": False}, "large"), (EVERYTHING, "small")):
            hybrid = pair(router, threshold=0.5, small={"profile": small})
            (answer,) = await way(hybrid.bind_tools([look_up], strict=True, response_format=schema), ["easy"])
            assert answer.response_metadata["hybrid"]["route"] == route
            assert getattr(hybrid, route).asked[0][2]["response_format"] == schema

    def test_old_pydantic_classes_do(self, router: Router) -> None:
        class Old(BaseModelV1):
            name: str

        assert isinstance(pair(router, threshold=0.5).with_structured_output(Old).invoke("easy"), Old)

    @every_way
    async def test_a_level_that_makes_no_sense_is_an_error(self, way: Way, router: Router) -> None:
        with pytest.raises(LevelError):
            await way(pair(router, threshold=0.5).with_structured_output(Person), ["easy"], quality=7)

    def test_an_option_that_a_model_does_not_know_is_an_error(self, router: Router) -> None:
        with pytest.raises(ValueError, match="unsupported arguments"):
            pair(router, threshold=0.5).with_structured_output(Person, tools=[])
