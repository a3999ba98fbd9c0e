"""Which text HybridLLM scores: the user's question, wherever the framework has put it."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import SummaryIndex, get_response_synthesizer
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.extractors import KeywordExtractor, SummaryExtractor
from llama_index.core.ingestion import run_transformations
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.postprocessor import LLMRerank
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate, RichPromptTemplate
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM, HybridRoutingEvent
from llamaindex_hybrid._requests import LONGEST_QUESTION, chat_request
from llamaindex_hybrid.testing import FakeLLM
from tests.covering import covering
from tests.llamaindex._arms import SCORES, WAYS, Events, Said, Way, arms, hybrid
from tests.scenarios import EASY

every_way = pytest.mark.parametrize("way", WAYS, ids=str)
NODES = [NodeWithScore(node=TextNode(text=f"Part {i}. " + "Lima is the capital of Peru. " * 20)) for i in range(3)]
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


@pytest.fixture
def scorer() -> FixedScorer:
    return FixedScorer(SCORES, default=0.0)


@pytest.fixture
def llm(scorer: FixedScorer) -> HybridLLM:
    return hybrid(scorer=scorer)


def memory() -> ChatMemoryBuffer:
    return ChatMemoryBuffer.from_defaults(token_limit=4000)  # the default one opens a database


def asked(llm: HybridLLM) -> dict[str, int]:
    """Return how often each arm was called."""
    return {arm.model: len(arm.asked) for arm in (llm.small, llm.large) if isinstance(arm, FakeLLM)}


class TestInAQueryEngine:
    @pytest.mark.slow
    @covering(
        pytest.mark.parametrize(("mode", "streaming"), WAYS_TO_ANSWER),
        pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"]),
        times=2,
    )
    async def test_every_way_of_answering_scores_the_question_alone(
        self, mode: ResponseMode, streaming: bool, asynchronous: bool, llm: HybridLLM, scorer: FixedScorer
    ) -> None:
        synthesizer = get_response_synthesizer(llm=llm, response_mode=mode, streaming=streaming, use_async=False)
        for query, side in (("easy", "small"), ("hard", "large")):
            if asynchronous:
                response = await synthesizer.asynthesize(query, NODES)
                text = "".join([t async for t in response.async_response_gen()]) if streaming else str(response)
            else:
                response = synthesizer.synthesize(query, NODES)
                text = "".join(response.response_gen) if streaming else str(response)
            assert f"from {side}" in text
            assert {text for call in scorer.calls for text in call} == {query}
            scorer.calls.clear()

    def test_a_long_context_is_not_scored_but_counted(self, scorer: FixedScorer) -> None:
        small, large = arms(context_window=100)
        llm = hybrid(small, large, scorer=scorer)
        llm.predict(PromptTemplate("{context_str}{query_str}"), context_str="x " * 1000, query_str="easy")
        assert (scorer.calls, len(small.asked), len(large.asked)) == ([], 0, 1)

    @every_way
    async def test_templates_of_all_kinds_hold_the_question(
        self, way: Way, llm: HybridLLM, scorer: FixedScorer
    ) -> None:
        chat = ChatPromptTemplate.from_messages([("system", "brief"), ("user", "{context_str} {query_str}")])
        for template in (
            PromptTemplate("{context_str} {query_str}"),
            PromptTemplate("{context_str} {question}", template_var_mappings={"query_str": "question"}),
            PromptTemplate("{context_str} {query_str}").partial_format(query_str="easy"),
            RichPromptTemplate("{{ context_str }} {{ query_str }}"),
            chat,
        ):
            fixed = template.kwargs.get("query_str")
            values = {"context_str": "Lima is a city."} | ({} if fixed else {"query_str": "easy"})
            words = await way.all_of(llm, "predict", template, **values)
            assert "".join(words) == "from small"
        assert scorer.calls == [["easy"]] * 5

    @every_way
    async def test_the_arm_formats_the_prompt_its_own_way(self, way: Way, scorer: FixedScorer) -> None:
        small, _ = arms(system_prompt="You are small.")
        await way.ask(hybrid(small, scorer=scorer), "predict", PromptTemplate("{query_str}"), query_str="easy")
        _, messages, _ = small.asked[0]
        assert [message.content for message in messages] == ["You are small.", "easy"]


class TestInAChat:
    @every_way
    async def test_it_is_the_last_message_of_the_user(self, way: Way, llm: HybridLLM, scorer: FixedScorer) -> None:
        talk = [
            ChatMessage("You are helpful.", role="system"),
            ChatMessage("hard"),
            ChatMessage("No.", role="assistant"),
            ChatMessage("What is the capital of Peru called?"),
        ]
        assert (await way.ask(llm, "chat", talk)).message.content == "from small"
        assert scorer.calls == [[EASY]]

    @every_way
    async def test_a_prompt_is_scored_whole(self, way: Way, llm: HybridLLM, scorer: FixedScorer) -> None:
        assert (await way.ask(llm, "complete", "easy")).text == "from small"
        assert scorer.calls == [["easy"]]

    def test_a_react_agents_observations_are_not_the_user(self) -> None:
        talk = [ChatMessage(EASY), ChatMessage("Thought: look it up", role="assistant")]
        for text in ("Observation: Lima", "Error while parsing the output: x", "FAILURE: Your previous response was"):
            request = chat_request([*talk, ChatMessage(text + " empty.")], {})
            assert (request.text, request.same_turn, request.turns) == (EASY, True, ())

    def test_but_a_user_may_well_make_an_observation(self) -> None:
        assert chat_request([ChatMessage("Observation: it rains.")], {}).text == "Observation: it rains."

    def test_turns_are_the_users_texts_that_were_answered(self) -> None:
        talk = [
            ChatMessage("one"),
            ChatMessage("two"),
            ChatMessage("answer", role="assistant"),
            ChatMessage("three"),
            ChatMessage("four"),
        ]
        assert chat_request(talk, {}).turns == ("one", "two")

    @every_way
    async def test_a_follow_up_keeps_the_decision_that_the_answer_carries(self, way: Way, llm: HybridLLM) -> None:
        first = await way.ask(llm, "chat", [ChatMessage("easy")], route="large")
        talk = [ChatMessage("easy"), first.message, ChatMessage("yes, do it")]
        second = await way.ask(llm, "chat", talk)
        assert second.additional_kwargs["hybrid"]["route"] == "large"
        assert second.additional_kwargs["hybrid"]["reason"] == "follow_up"

    async def test_somebody_elses_record_is_ignored(self, llm: HybridLLM, scorer: FixedScorer) -> None:
        for record in ({"route": "large"}, "large", {"route": "moon", "level": None}, None):
            answer = ChatMessage("Lima.", role="assistant", additional_kwargs={"hybrid": record})
            response = llm.chat([ChatMessage(EASY), answer, ChatMessage("and then?")])
            assert response.additional_kwargs["hybrid"]["route"] == "small"

    async def test_a_chat_engine_keeps_the_decision_in_its_memory(self, llm: HybridLLM, scorer: FixedScorer) -> None:
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory())
        assert str(engine.chat(EASY)) == "from small"
        assert str(engine.chat("and then?")) == "from small"
        assert scorer.calls == [[EASY]]


class TestInAChatEngine:
    @pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
    @pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
    @pytest.mark.parametrize("kind", [ContextChatEngine, CondensePlusContextChatEngine])
    async def test_with_context_it_is_the_question(
        self, kind: Any, streaming: bool, asynchronous: bool, llm: HybridLLM, scorer: FixedScorer
    ) -> None:
        retriever = SummaryIndex([TextNode(text="Lima is the capital of Peru.")]).as_retriever()
        engine = kind.from_defaults(retriever, llm=llm, memory=memory())
        if streaming:
            if asynchronous:
                response = await engine.astream_chat("easy")
                answer = "".join([token async for token in response.async_response_gen()])
            else:
                answer = "".join(engine.stream_chat("easy").response_gen)
        else:
            answer = str(await engine.achat("easy") if asynchronous else engine.chat("easy"))
        assert answer == "from small"
        assert scorer.calls == [["easy"]]

    async def test_a_follow_up_is_scored_by_the_question_before(self, llm: HybridLLM, scorer: FixedScorer) -> None:
        retriever = SummaryIndex([TextNode(text="Lima is the capital of Peru.")]).as_retriever()
        engine = ContextChatEngine.from_defaults(retriever, llm=llm, memory=memory())
        with Events() as events:
            assert str(engine.chat(EASY)) == str(engine.chat("and then?")) == "from small"
        assert [event.decision["reason"] for event in events.of(HybridRoutingEvent)] == ["score", "follow_up"]
        assert scorer.calls == [[EASY], [EASY]]

    @pytest.mark.parametrize("kind", [CondenseQuestionChatEngine, CondensePlusContextChatEngine])
    async def test_condensing_the_question_is_a_background_call(self, kind: Any, llm: HybridLLM) -> None:
        index = SummaryIndex([TextNode(text="Lima is the capital of Peru.")])
        made_of = {"query_engine": index.as_query_engine(llm=llm)} if "Question" in kind.__name__ else {}
        made_of = made_of or {"retriever": index.as_retriever()}
        engine = kind.from_defaults(**made_of, llm=llm, memory=memory())
        history = [ChatMessage("easy"), ChatMessage("Lima.", role="assistant")]
        with Events() as events:
            engine.chat("What is the capital of Peru called?", chat_history=history)
        first = events.of(HybridRoutingEvent)[0]
        assert (first.decision["route"], first.decision["reason"], first.query_hash) == ("large", "no_text", "")


class TestInTheBackground:
    async def test_extractors_ask_the_large_model(self, llm: HybridLLM, scorer: FixedScorer) -> None:
        nodes = [TextNode(text="Lima is the capital of Peru.")]
        extractors: list[Any] = [KeywordExtractor(llm=llm, show_progress=False)]
        extractors.append(SummaryExtractor(llm=llm, show_progress=False))
        run_transformations(nodes, extractors)
        assert (asked(llm), scorer.calls) == ({"small": 0, "large": 2}, [])

    async def test_a_reranker_asks_the_large_model_although_it_knows_the_query(
        self, llm: HybridLLM, scorer: FixedScorer
    ) -> None:
        reranker = LLMRerank(llm=llm, parse_choice_select_answer_fn=lambda *args: ([1], [1.0]))
        reranker.postprocess_nodes(NODES, QueryBundle("easy"))
        assert (asked(llm), scorer.calls) == ({"small": 0, "large": 1}, [])

    async def test_so_does_whoever_writes_more_queries(self, llm: HybridLLM, scorer: FixedScorer) -> None:
        retriever = SummaryIndex([TextNode(text="Lima")]).as_retriever()
        QueryFusionRetriever([retriever], llm=llm, num_queries=2, use_async=False).retrieve("easy")
        assert (asked(llm), scorer.calls) == ({"small": 0, "large": 1}, [])

    @every_way
    async def test_the_small_model_may_do_it(self, way: Way, scorer: FixedScorer) -> None:
        llm = hybrid(scorer=scorer, background="small")
        assert (await way.ask(llm, "complete", "long " * LONGEST_QUESTION)).text == "from small"
        down = hybrid(arms(error=ConnectionRefusedError())[0], scorer=scorer, background="small")
        response = await way.ask(down, "complete", "long " * LONGEST_QUESTION)
        assert response.additional_kwargs["hybrid"]["reason"] == "fallback"
        assert scorer.calls == []

    @every_way
    async def test_or_the_prompt_is_scored(self, way: Way, scorer: FixedScorer) -> None:
        llm = hybrid(scorer=scorer, background="route")
        await way.ask(llm, "predict", PromptTemplate("Keywords of: {text}"), text="Lima")
        long = "long " * LONGEST_QUESTION
        await way.ask(llm, "complete", long)
        await way.ask(llm, "chat", [ChatMessage("system only", role="system")])
        assert scorer.calls == [["Keywords of: Lima"], [long], ["system only"]]

    def test_an_agents_transcript_is_no_question(self, llm: HybridLLM, scorer: FixedScorer) -> None:
        assert chat_request([ChatMessage("<current_conversation>\n easy")], {}).text == ""

    def test_a_structured_llm_is_asked_the_users_words(self, scorer: FixedScorer) -> None:
        llm = hybrid(FakeLLM(model="small"), FakeLLM(model="large"), scorer=scorer)
        for query in ("easy", "hard {not_a_variable}"):
            response = llm.as_structured_llm(Said).chat([ChatMessage(query)])
            assert response.raw.text == ("from small" if query == "easy" else "from large")
        assert scorer.calls == [["easy"], ["hard {not_a_variable}"]]

    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_so_it_is_in_a_query_engine_with_documents(self, asynchronous: bool, scorer: FixedScorer) -> None:
        llm = hybrid(FakeLLM(model="small"), FakeLLM(model="large"), scorer=scorer)
        engine = SummaryIndex([TextNode(text="hard")]).as_query_engine(llm=llm.as_structured_llm(Said))
        answer = await engine.aquery("easy") if asynchronous else engine.query("easy")
        assert answer.response == Said(text="from small")
        assert scorer.calls == [["easy"]]

    def test_the_variables_that_hold_the_question_can_be_named(self, scorer: FixedScorer) -> None:
        llm = hybrid(scorer=scorer, query_vars=["frage"])
        assert llm.predict(PromptTemplate("{frage}"), frage="easy") == "from small"
        assert llm.predict(PromptTemplate("{query_str}"), query_str="easy") == "from large"
