"""HybridLLM as the model of an agent: tools, the steps of a run, memory, and engines behind a selector as tools."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import CustomQueryEngine, RouterQueryEngine
from llama_index.core.tools import FunctionTool, QueryEngineTool

from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM, HybridSelector
from llamaindex_hybrid.testing import FakeLLM
from tests.llamaindex._arms import SCORES, WAYS, Way, hybrid
from tests.scenarios import EASY, HARD

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the framework reads deprecated attributes
every_way = pytest.mark.parametrize("way", WAYS, ids=str)


def get_weather(city: str) -> str:
    """Say what the weather is like."""
    return f"sunny in {city}"


TOOL = FunctionTool.from_defaults(get_weather)


def memory() -> ChatMemoryBuffer:
    return ChatMemoryBuffer.from_defaults(token_limit=4000)


class LikeOllama(FakeLLM):
    """Calls tools without ids, and with arguments that are no JSON."""

    def _call(self, name: str, args: dict[str, Any]) -> ToolCallBlock:
        return ToolCallBlock(tool_name=name, tool_kwargs=args)


def calling(**of_small: Any) -> tuple[FakeLLM, FakeLLM]:
    """Return models that call the tools they are offered, small as Ollama does."""
    return LikeOllama(model="small", **of_small), FakeLLM(model="large")


def steps(llm: Any) -> int:
    return len(llm.asked)


class TestTools:
    @every_way
    async def test_the_score_decides_also_with_tools(self, way: Way) -> None:
        for query, side in (("easy", "small"), ("hard", "large")):
            llm = hybrid(*calling())
            response = await way.ask(llm, "chat_with_tools", [TOOL], user_msg=query)
            assert response.additional_kwargs["hybrid"]["route"] == side
            (call,) = llm.get_tool_calls_from_response(response)
            assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"city": f"from {side}"})
            assert call.tool_id == "get_weather" if side == "small" else call.tool_id.startswith("call_")

    @every_way
    async def test_they_stay_away_from_a_small_model_that_calls_none(self, way: Way) -> None:
        llm = hybrid(MockLLM(), calling()[1])
        response = await way.ask(llm, "chat_with_tools", [TOOL], user_msg="easy")
        assert response.additional_kwargs["hybrid"]["reason"] == "tools"
        assert response.additional_kwargs["hybrid"]["route"] == "large"

    @every_way
    async def test_they_go_to_the_small_model_when_only_that_one_calls_them(self, way: Way) -> None:
        llm = hybrid(calling()[0], FakeLLM(model="large", is_function_calling_model=False))
        response = await way.ask(llm, "chat_with_tools", [TOOL], user_msg="hard")
        assert response.additional_kwargs["hybrid"]["route"] == "small"

    @every_way
    async def test_without_any_model_that_calls_them_there_is_a_clear_error(self, way: Way) -> None:
        llm = hybrid(MockLLM(), FakeLLM(model="big", is_function_calling_model=False))
        with pytest.raises(ValueError, match=r"large \(big\) is none.*is_function_calling_model=True"):
            await way.ask(llm, "chat_with_tools", [TOOL], user_msg="easy")
        with pytest.raises(ValueError, match=r"small \(MockLLM\) is none"):
            await way.ask(llm, "chat_with_tools", [TOOL], user_msg="easy", route="small")

    def test_no_tool_call_where_one_is_required_is_an_error(self) -> None:
        response = ChatResponse(message=ChatMessage("Lima.", role="assistant"))
        llm = hybrid()
        assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
        with pytest.raises(ValueError, match="at least one tool call"):
            llm.get_tool_calls_from_response(response)

    async def test_predict_and_call_calls_the_tool(self) -> None:
        for query, side in (("easy", "small"), ("hard", "large")):
            pair = calling()
            llm = hybrid(*pair)
            assert str(llm.predict_and_call([TOOL], user_msg=query)) == f"sunny in from {side}"
            assert str(await llm.apredict_and_call([TOOL], user_msg=query)) == f"sunny in from {side}"
            assert [steps(arm) for arm in pair] == ([2, 0] if side == "small" else [0, 2])

    def test_the_prepared_arguments_are_the_providers_common_form(self) -> None:
        prepared = hybrid()._prepare_chat_with_tools([TOOL], user_msg="easy", tool_required=True, seed=1)
        assert [message.content for message in prepared["messages"]] == ["easy"]
        assert prepared["tools"][0]["function"]["name"] == "get_weather"
        assert (prepared["tool_choice"], prepared["seed"]) == ("required", 1)


class TestAgents:
    @pytest.mark.parametrize("streaming", [False, True])
    @pytest.mark.parametrize(("query", "side"), [("easy", "small"), ("hard", "large")])
    async def test_a_function_agent_stays_on_one_model_for_a_run(self, streaming: bool, query: str, side: str) -> None:
        scorer = FixedScorer(SCORES, default=0.0)
        pair = calling()
        agent = FunctionAgent(tools=[TOOL], llm=hybrid(*pair, scorer=scorer), streaming=streaming)
        assert str(await agent.run(query, memory=memory())) == f"from {side}"
        assert {arm.model: steps(arm) for arm in pair} == {"small": 0, "large": 0} | {side: 2}
        assert scorer.calls == [[query]]  # the second step keeps the decision of the first

    @pytest.mark.parametrize("streaming", [False, True])
    async def test_a_conversation_changes_the_model_in_the_middle(self, streaming: bool) -> None:
        pair = calling()
        agent = FunctionAgent(tools=[TOOL], llm=hybrid(*pair), streaming=streaming)
        talk = memory()
        for query, side in ((EASY, "small"), (HARD, "large"), (EASY, "small")):
            assert str(await agent.run(query, memory=talk)) == f"from {side}"
        last_of_large, last_of_small = pair[1].asked[-1][1], pair[0].asked[-1][1]
        for messages in (last_of_large, last_of_small):
            blocks = [block for message in messages for block in message.blocks if isinstance(block, ToolCallBlock)]
            assert blocks
            assert all(isinstance(block.tool_kwargs, dict) and block.tool_call_id for block in blocks)
            results = [m.additional_kwargs["tool_call_id"] for m in messages if m.role == "tool"]
            assert results == [block.tool_call_id for block in blocks]

    async def test_it_finishes_when_small_dies_between_two_steps(self) -> None:
        pair = calling()

        def breaks(city: str) -> str:
            """Say what the weather is like, and take small down."""
            pair[0].error = ConnectionRefusedError()
            return "sunny"

        agent = FunctionAgent(tools=[FunctionTool.from_defaults(breaks)], llm=hybrid(*pair))
        assert str(await agent.run("easy", memory=memory())) == "from large"
        assert (steps(pair[0]), steps(pair[1])) == (2, 1)

    @pytest.mark.parametrize("streaming", [False, True])
    async def test_a_react_agent_is_scored_by_the_users_words(self, streaming: bool) -> None:
        needs = 'Thought: I need a tool.\nAction: get_weather\nAction Input: {"city": "Lima"}'
        scorer = FixedScorer(SCORES, default=0.0)
        for query, side in (("easy", "small"), ("hard", "large")):
            pair = tuple(
                FakeLLM(model=name, replies=[needs], says=f"Thought: I can answer.\nAnswer: {name} knows")
                for name in ("small", "large")
            )
            agent = ReActAgent(tools=[TOOL], llm=hybrid(*pair, scorer=scorer), streaming=streaming)
            assert str(await agent.run(query, memory=memory())) == f"{side} knows"
            assert {arm.model: steps(arm) for arm in pair} == {"small": 0, "large": 0} | {side: 2}
        assert scorer.calls == [["easy"], ["easy"], ["hard"], ["hard"]]

    async def test_a_workflow_of_agents(self) -> None:
        pair = calling()
        llm = hybrid(*pair)
        agents = [FunctionAgent(name="weather", description="knows the weather", tools=[TOOL], llm=llm)]
        workflow = AgentWorkflow(agents=agents, root_agent="weather")
        for query, side in (("easy", "small"), ("hard", "large")):
            assert str(await workflow.run(query, memory=memory())) == f"from {side}"

    async def test_engines_of_different_strength_are_one_tool(self, router: Any) -> None:
        class Says(CustomQueryEngine):
            answer: str

            def custom_query(self, query_str: str) -> str:
                return f"{self.answer} engine"

        sides = [QueryEngineTool.from_defaults(Says(answer=n), name=n, description=n) for n in ("small", "large")]
        engine = RouterQueryEngine(HybridSelector(router, threshold=0.5), sides, llm=MockLLM())
        search = QueryEngineTool.from_defaults(engine, name="search", description="searches")

        def searches(messages: Any) -> Any:
            if messages[-1].role == "tool":
                return f"found by the {messages[-1].content}"
            call = ToolCallBlock(tool_call_id="1", tool_name="search", tool_kwargs={"input": messages[-1].content})
            return ChatMessage(role="assistant", blocks=[call])

        llm = hybrid(*(FakeLLM(model=name, says=searches, calls_tools=False) for name in ("small", "large")))
        for query, side in (("easy", "small"), ("hard", "large")):
            agent = FunctionAgent(tools=[search], llm=llm)
            assert str(await agent.run(query, memory=memory())) == f"found by the {side} engine"


async def test_an_agent_needs_a_model_that_calls_functions() -> None:
    llm: HybridLLM = hybrid(MockLLM(), MockLLM())
    with pytest.raises(ValueError, match="LLM must be a FunctionCallingLLM"):
        await FunctionAgent(tools=[TOOL], llm=llm).run("easy", memory=memory())
