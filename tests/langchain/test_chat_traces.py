"""ChatHybrid in traces, in caches and in the parts of LangChain that count: everything is seen once, by its name."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph

from hybrid_llm import Router
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from tests.langchain._pair import pair
from tests.langchain._ways import Recorder, Way, by_ainvoke, by_invoke, every_way
from tests.scenarios import FAILURES

pytestmark = pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")
both = pytest.mark.parametrize("way", [by_invoke, by_ainvoke])
beta = pytest.mark.filterwarnings("ignore:.*is in beta:langchain_core._api.beta_decorator.LangChainBetaWarning")


@tool
def look_up(city: str) -> str:
    """Look up a city."""
    return city


class Counter(BaseCallbackHandler):
    """Counts runs, tokens and costs, in whatever thread they happen."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.output_tokens = 0

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.runs.append(kwargs)

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(str(token))

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.output_tokens += response.generations[0][0].message.usage_metadata["output_tokens"]


class State(TypedDict):
    """The state of a graph: messages."""

    messages: Annotated[list[BaseMessage], operator.add]


def graph_of(hybrid: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("model", lambda state: {"messages": [hybrid.invoke(state["messages"])]})
    graph.add_edge(START, "model")
    return graph.compile()


class TestEachThingIsSeenOnce:
    @every_way
    async def test_alone_and_in_a_chain(self, way: Way, router: Router) -> None:
        for wrap in (lambda model: model, lambda model: RunnableLambda(str) | model | StrOutputParser()):
            counter, usage = Counter(), UsageMetadataCallbackHandler()
            await way(wrap(pair(router, threshold=0.5)), ["easy"], {"callbacks": [counter, usage]})
            assert len(counter.runs) == 1
            assert "".join(counter.tokens) in ("", "from small")
            assert counter.output_tokens == usage.usage_metadata["small"]["output_tokens"] == 2

    @pytest.mark.parametrize(("query", "name"), [("easy", "small"), ("hard", "large")])
    def test_in_the_messages_of_a_graph(self, query: str, name: str, router: Router) -> None:
        counter = Counter()
        graph = graph_of(pair(router, threshold=0.5))
        config = {"callbacks": [counter]}
        pieces = list(graph.stream({"messages": [HumanMessage(query)]}, config, stream_mode="messages"))
        assert "".join(chunk.text for chunk, _ in pieces) == f"from {name}" == "".join(counter.tokens)
        assert (len(counter.runs), counter.output_tokens) == (1, 2)
        assert {about["ls_model_name"] for _, about in pieces} == {name}

    async def test_in_an_agent_and_its_stream(self, router: Router) -> None:
        hybrid = pair(router, threshold=0.5)
        agent = create_agent(hybrid, tools=[look_up])
        counter = Counter()
        out = await agent.ainvoke({"messages": [("user", "easy")]}, {"callbacks": [counter]})
        assert [len(counter.runs), counter.output_tokens, len(hybrid.small.asked)] == [2, 4, 2]
        answers = [message for message in out["messages"] if isinstance(message, AIMessage)]
        assert [answer.response_metadata["hybrid"]["route"] for answer in answers] == ["small", "small"]
        texts = [
            chunk.text
            async for chunk, _ in agent.astream({"messages": [("user", "hard")]}, stream_mode="messages")
            if isinstance(chunk, AIMessageChunk)
        ]
        assert "".join(texts) == "from large"

    @beta
    async def test_in_the_events_of_both_versions(self, router: Router) -> None:
        hybrid = pair(router, threshold=0.5)
        events = [event async for event in hybrid.astream_events("easy", version="v2")]
        assert [event["event"] for event in events].count("on_chat_model_start") == 1
        assert "".join(e["data"]["chunk"].text for e in events if e["event"] == "on_chat_model_stream") == "from small"
        config: Any = {"configurable": {"hybrid_threshold": 0.05}}
        stream = hybrid.stream_events("hard", config, version="v3")
        assert stream.output.text == "from small"
        counter = Counter()
        astream = await hybrid.astream_events("hard", {"callbacks": [counter]}, version="v3")
        assert (await astream.output).text == "from large"
        assert [run["metadata"]["ls_model_name"] for run in counter.runs] == ["large"]

    def test_by_generate_without_a_decision_beforehand(self, router: Router) -> None:
        counter = Counter()
        result = pair(router, threshold=0.5).generate(
            [[HumanMessage("easy")], [HumanMessage("hard")]], callbacks=[counter]
        )
        assert [one[0].message.response_metadata["hybrid"]["route"] for one in result.generations] == ["small", "large"]
        assert [run["metadata"]["ls_model_name"] for run in counter.runs] == ["small or large"] * 2


class TestNames:
    @every_way
    async def test_the_trace_names_the_model_the_route_and_the_decision(self, way: Way, router: Router) -> None:
        recorder = Recorder()
        hybrid = pair(router, threshold=0.5, name="my pair")
        await way(hybrid, ["easy", "hard"], {"callbacks": [recorder], "tags": ["mine"], "metadata": {"user": 7}})
        runs = sorted((run for _, run in recorder.of("model")), key=lambda run: -run["metadata"]["hybrid"]["score"])
        for run, route, provider in zip(runs, ("small", "large"), ("ollama", "openai"), strict=True):
            assert (run["metadata"]["ls_model_name"], run["metadata"]["ls_provider"]) == (route, provider)
            assert run["invocation_params"]["model"] == route
            assert run["tags"] == ["mine", f"route:{route}"]
            assert (run["metadata"]["user"], run["metadata"]["hybrid"]["route"]) == (7, route)
            assert run["name"] == "my pair"

    def test_another_name_for_one_call_is_traced(self, router: Router) -> None:
        recorder = Recorder()
        hybrid = pair(router, threshold=0.5)
        hybrid.invoke("easy", {"callbacks": [recorder], "run_name": "one call"}, model="other")
        ((_, run),) = recorder.of("model")
        assert (run["metadata"]["ls_model_name"], run["name"]) == ("other", "one call")
        assert hybrid._get_ls_params(model="other")["ls_model_name"] == "other"

    def test_after_a_fallback_the_answer_tells_the_truth(self, router: Router) -> None:
        usage, recorder = UsageMetadataCallbackHandler(), Recorder()
        hybrid = pair(router, threshold=0.5, small={"error": FAILURES["refused"]})
        answer = hybrid.invoke("easy", {"callbacks": [usage, recorder]})
        assert answer.response_metadata["model_name"] == "large"
        assert answer.response_metadata["hybrid"]["route"] == "large"
        assert set(usage.usage_metadata) == {"large"}
        ((_, run),) = recorder.of("model")
        assert run["metadata"]["ls_model_name"] == "small"  # the run began before small was known to be down

    def test_no_secret_and_no_network_is_in_what_a_trace_shows(self, router: Router) -> None:
        hybrid = pair(router, threshold=0.5)
        assert "Router" not in repr(hybrid)
        assert "Router" not in str(hybrid._serialized)
        assert not {"router", "state"} & set(hybrid.model_dump())


class TestCache:
    @both
    async def test_an_answer_is_kept_for_its_level_and_its_models(self, way: Way, scorer: FixedScorer) -> None:
        cache = InMemoryCache()

        def asked(hybrid: ChatHybrid) -> int:
            return len(hybrid.small.asked) + len(hybrid.large.asked)

        first = pair(scorer, threshold=0.5, cache=cache)
        for _ in range(2):
            (answer,) = await way(first, ["easy"])
            assert answer.text == "from small"
        assert asked(first) == 1
        await way(first, ["easy"], threshold=0.6)
        await way(first, ["easy"], {"configurable": {"hybrid_threshold": 0.7}})
        await way(first, ["easy"], threshold=2)
        assert asked(first) == 4
        for other in (
            pair(scorer, threshold=0.5, cache=cache, small={"model": "another"}),
            pair(scorer, threshold=0.5, cache=cache, large={"model": "another"}),
            pair(FixedScorer(0.9, id="another"), threshold=0.5, cache=cache),
        ):
            await way(other, ["easy"])
            assert asked(other) == 1

    def test_generate_keeps_answers_by_level_too(self, scorer: FixedScorer) -> None:
        hybrid = pair(scorer, threshold=0.5, cache=InMemoryCache())
        for options, n in (({}, 1), ({}, 1), ({"threshold": 2}, 2), ({"threshold": 2}, 2), ({"route": "small"}, 3)):
            hybrid.generate([[HumanMessage("easy")]], **options)
            assert len(hybrid.small.asked) + len(hybrid.large.asked) == n

    def test_tools_are_part_of_the_key(self, scorer: FixedScorer) -> None:
        hybrid = pair(scorer, threshold=0.5, cache=InMemoryCache())
        for _ in range(2):
            hybrid.bind_tools([look_up]).invoke("easy")
        hybrid.invoke("easy")
        assert len(hybrid.small.asked) == 2


class TestInLangChain:
    async def test_a_chain_streams_and_batches_through(self, router: Router, scorer: FixedScorer) -> None:
        prompt = ChatPromptTemplate.from_messages([("system", "brief"), ("human", "{q}")])
        chain = prompt | pair(router, threshold=0.5) | StrOutputParser()
        assert chain.batch([{"q": "easy"}, {"q": "hard"}]) == ["from small", "from large"]
        assert scorer.calls == [["easy", "hard"]]
        assert [piece for piece in chain.stream({"q": "hard"}) if piece] == ["from ", "large"]

    async def test_an_agent_passes_the_level_on(self, router: Router) -> None:
        hybrid = pair(router, threshold=2)
        agent = create_agent(hybrid, tools=[])
        await agent.ainvoke({"messages": [("user", "middling")]}, {"configurable": {"hybrid_quality": 0.9}})
        agent.invoke({"messages": [("user", "middling")]}, {"configurable": {"hybrid_quality": 0.9}})
        assert (len(hybrid.small.asked), len(hybrid.large.asked)) == (2, 0)

    def test_retries_and_fallbacks_work(self, router: Router) -> None:
        broken = pair(router, threshold=0.5, large={"error": FAILURES["500"]})
        safe = broken.with_fallbacks([FakeListChatModel(responses=["rescued"])])
        assert safe.invoke("hard").text == "rescued"
        assert "".join(chunk.text for chunk in safe.stream("hard")) == "rescued"
        with pytest.raises(Exception, match="500"):
            broken.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).invoke("hard")
        assert len(broken.large.asked) == 4

    def test_what_a_request_may_configure_is_listed(self, router: Router) -> None:
        names = [spec.id for spec in (pair(router, threshold=0.5) | StrOutputParser()).config_specs]
        wanted = [
            "hybrid_cost_advantage",
            "hybrid_private",
            "hybrid_quality",
            "hybrid_query",
            "hybrid_route",
            "hybrid_threshold",
        ]
        assert names == wanted


@pytest.mark.parametrize("streams", [True, False])
async def test_a_stream_is_tagged_once_whether_its_models_stream_or_not(streams: bool) -> None:
    counter, llm = Counter(), pair(Router.load(), disable_streaming=not streams)
    list(llm.stream("easy", config={"callbacks": [counter]}))
    [_ async for _ in llm.astream("easy", config={"callbacks": [counter]})]
    assert [len(run["tags"]) for run in counter.runs] == [1, 1]
