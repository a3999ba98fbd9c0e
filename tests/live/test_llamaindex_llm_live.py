"""HybridLLM between a real Ollama and a real OpenAI-compatible server: chats, query engines, agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.tools import FunctionTool, QueryEngineTool
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike
from ollama import AsyncClient, Client

from hybrid_llm.scoring import Encoder
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM, HybridRoutingEvent, HybridSelector, hybrid_quality
from tests.live.conftest import LARGE_SAYS, SMALL_SAYS
from tests.llamaindex._arms import WAYS, Events, Way

pytestmark = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the framework's agents read deprecated attributes
]
every_way = pytest.mark.parametrize("way", WAYS, ids=str)
EASY = "What is the weather like in Toronto today?"
HARD = "Will the weather in Toronto change by the end of the week?"
SIDES = {EASY: ("small", SMALL_SAYS), HARD: ("large", LARGE_SAYS)}
MODES = [
    ResponseMode.REFINE,
    ResponseMode.COMPACT,
    ResponseMode.TREE_SUMMARIZE,
    ResponseMode.SIMPLE_SUMMARIZE,
    ResponseMode.GENERATION,
    ResponseMode.ACCUMULATE,
]
WAYS_TO_ANSWER = [(mode, False) for mode in MODES] + [(mode, True) for mode in MODES[:-1]]
"""Each with and without streaming; LlamaIndex has none for accumulate."""


class EncoderEmbedding(BaseEmbedding):
    """The router's own encoder as the embedding of an index: one model in memory for both."""

    _encoder: Encoder = PrivateAttr(default_factory=Encoder.load)

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(value) for value in self._encoder.encode([text]).embeddings[0]]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def get_current_weather(city: str) -> str:
    """Look up the weather in a city."""
    return f"sunny in {city}"


TOOL = FunctionTool.from_defaults(get_current_weather)


@pytest.fixture
async def llm(servers: Any, http: dict[str, Any]) -> AsyncIterator[HybridLLM]:
    """A hybrid of both servers' models."""
    async with AsyncClient(servers.ollama) as async_client:
        with Client(servers.ollama) as client:
            small = Ollama(model="tiny-small", context_window=2048, client=client, async_client=async_client)
            large = OpenAILike(
                model="tiny-large",
                api_base=servers.openai,
                api_key="none",
                is_chat_model=True,
                is_function_calling_model=True,
                context_window=2048,
                http_client=http["sync"],
                async_http_client=http["async"],
            )
            yield HybridLLM(small, large, FixedScorer({EASY: 0.9, HARD: 0.1}, default=0.9), threshold=0.5)


@pytest.fixture(scope="module")
def index() -> VectorStoreIndex:
    texts = ["Toronto lies on Lake Ontario.", "Lima is the capital of Peru.", "The week has seven days."]
    return VectorStoreIndex.from_documents([Document(text=text) for text in texts], embed_model=EncoderEmbedding())


def memory() -> ChatMemoryBuffer:
    return ChatMemoryBuffer.from_defaults(token_limit=2000)


@every_way
@pytest.mark.parametrize("query", SIDES)
async def test_the_server_that_was_decided_answers(way: Way, query: str, llm: HybridLLM) -> None:
    side, says = SIDES[query]
    chunks = await way.all_of(llm, "chat", [ChatMessage(query)])
    assert chunks[-1].message.content.strip() == says
    assert {chunk.additional_kwargs["hybrid"]["route"] for chunk in chunks} == {side}
    assert (len(chunks) > 3) == ("stream" in way.prefix)
    completion = await way.ask(llm, "complete", query)
    assert (completion.text.strip(), completion.additional_kwargs["hybrid"]["route"]) == (says, side)
    words = await way.all_of(llm, "predict", PromptTemplate("{query_str}"), query_str=query)
    assert "".join(words).strip() == says


@every_way
async def test_tokens_are_counted_once_from_what_the_server_says(way: Way, llm: HybridLLM) -> None:
    for query in SIDES:
        counts = []
        for asked in (llm, llm.small if query == EASY else llm.large):
            counter = TokenCountingHandler()
            asked.callback_manager = CallbackManager([counter])
            await way.all_of(asked, "chat", [ChatMessage(query)])
            counts.append(counter.total_llm_token_count)
            asked.callback_manager = CallbackManager([])
        assert counts[0] == counts[1] > 0


async def test_options_of_one_provider_do_not_break_the_other(llm: HybridLLM) -> None:
    options = {"temperature": 0.0, "response_format": None, "tool_choice": None, "think": False, "format": None}
    for query, (_, says) in SIDES.items():
        assert llm.chat([ChatMessage(query)], **options).message.content.strip() == says
        assert (await llm.achat([ChatMessage(query)], threshold=0.5, **options)).message.content.strip() == says


class TestQueryEngines:
    @pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
    @pytest.mark.parametrize(("mode", "streaming"), WAYS_TO_ANSWER)
    async def test_every_way_of_answering(
        self, mode: ResponseMode, streaming: bool, asynchronous: bool, index: VectorStoreIndex, llm: HybridLLM
    ) -> None:
        engine = index.as_query_engine(llm, response_mode=mode, streaming=streaming, similarity_top_k=2)
        for query, (_, says) in SIDES.items():
            response: Any = await engine.aquery(query) if asynchronous else engine.query(query)
            if streaming and asynchronous:
                text = "".join([token async for token in response.async_response_gen()])
            else:
                text = "".join(response.response_gen) if streaming else str(response)
            assert says in text
            assert (LARGE_SAYS if says == SMALL_SAYS else SMALL_SAYS) not in text

    async def test_as_the_llm_of_everything(self, index: VectorStoreIndex, llm: HybridLLM) -> None:
        before = (Settings._llm, Settings._embed_model)
        try:
            Settings.llm, Settings.embed_model = llm, EncoderEmbedding()
            engine = index.as_query_engine()
            for query, (_, says) in SIDES.items():
                assert str(engine.query(query)).strip() == says
            with hybrid_quality(threshold=2.0):
                assert str(engine.query(EASY)).strip() == LARGE_SAYS
            streaming = index.as_query_engine(llm=llm.with_quality(threshold=2.0), streaming=True)
            assert "".join(streaming.query(EASY).response_gen).strip() == LARGE_SAYS
        finally:
            Settings._llm, Settings._embed_model = before

    async def test_a_chat_engine_with_a_memory(self, index: VectorStoreIndex, llm: HybridLLM) -> None:
        for mode in ("context", "condense_plus_context"):
            engine = index.as_chat_engine(chat_mode=mode, llm=llm, memory=memory())
            with Events() as events:
                answers = [str(await engine.achat(query)).strip() for query in (EASY, HARD, EASY)]
            assert answers == [SMALL_SAYS, LARGE_SAYS, SMALL_SAYS]
            reasons = [event.decision["reason"] for event in events.of(HybridRoutingEvent)]
            condensing = ["no_text"] if mode == "condense_plus_context" else []
            assert reasons == ["score", *condensing, "score", *condensing, "score"]


class TestAgents:
    @pytest.mark.parametrize("streaming", [False, True])
    async def test_a_function_agent_calls_the_tool_on_each_side(self, streaming: bool, llm: HybridLLM) -> None:
        for query, (side, says) in SIDES.items():
            agent = FunctionAgent(tools=[TOOL], llm=llm, streaming=streaming)
            with Events() as events:
                answer = await agent.run(query, memory=memory())
            assert str(answer).strip() == says
            assert [call.tool_name for call in answer.tool_calls] == ["get_current_weather"]
            assert str(answer.tool_calls[0].tool_output) == "sunny in Toronto"
            routed = [(event.decision["route"], event.decision["reason"]) for event in events.of(HybridRoutingEvent)]
            assert routed == [(side, "score")] * 2

    @pytest.mark.parametrize("streaming", [False, True])
    async def test_a_conversation_goes_from_one_server_to_the_other_and_back(
        self, streaming: bool, llm: HybridLLM
    ) -> None:
        agent, talk = FunctionAgent(tools=[TOOL], llm=llm, streaming=streaming), memory()
        for query in (EASY, HARD, EASY, HARD):
            answer = await agent.run(query, memory=talk)
            assert str(answer).strip() == SIDES[query][1]
            assert str(answer.tool_calls[0].tool_output) == "sunny in Toronto"
        follow_up = await agent.run("and then?", memory=talk)
        assert str(follow_up).strip() == LARGE_SAYS

    @pytest.mark.parametrize("streaming", [False, True])
    async def test_a_react_agent(self, streaming: bool, llm: HybridLLM) -> None:
        for query, (_, says) in SIDES.items():
            agent = ReActAgent(tools=[TOOL], llm=llm, streaming=streaming)
            assert str(await agent.run(query, memory=memory())).strip() == says

    async def test_a_workflow_of_two_agents(self, llm: HybridLLM) -> None:
        agents = [
            FunctionAgent(name="weather", description="knows the weather", tools=[TOOL], llm=llm),
            FunctionAgent(name="other", description="knows the rest", tools=[TOOL], llm=llm.with_quality(threshold=2)),
        ]
        for root, query, says in (
            ("weather", EASY, SMALL_SAYS),
            ("weather", HARD, LARGE_SAYS),
            ("other", EASY, LARGE_SAYS),
        ):
            workflow = AgentWorkflow(agents=agents, root_agent=root)
            assert str(await workflow.run(query, memory=memory())).strip() == says

    async def test_query_engines_behind_a_selector_are_a_tool(self, index: VectorStoreIndex, llm: HybridLLM) -> None:
        asked = []

        def get_current_weather(city: str) -> str:
            """Look up the weather in a city."""
            response = engine.query(EASY if city == "Toronto" else HARD)
            asked.append(str(response).strip())
            return asked[-1]

        engines = [("small", index.as_query_engine(llm.small)), ("large", index.as_query_engine(llm.large))]
        sides = [QueryEngineTool.from_defaults(engine, name=name, description=name) for name, engine in engines]
        engine = RouterQueryEngine(HybridSelector(llm.router, threshold=0.5), sides, llm=llm)
        agent = FunctionAgent(tools=[FunctionTool.from_defaults(get_current_weather)], llm=llm)
        assert str(await agent.run(HARD, memory=memory())).strip() == LARGE_SAYS
        assert asked == [SMALL_SAYS]
