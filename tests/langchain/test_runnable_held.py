"""RunnableHybrid holds small's answer back: chains, readers of tokens, what is read of an answer, the trace."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable

from hybrid_llm import Answer
from hybrid_llm.errors import LookError
from langchain_hybrid import RunnableHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._held import checker_of, small_of
from tests.langchain._ways import Recorder, Way, by_ainvoke, by_astream, by_invoke, by_stream, every_way
from tests.langchain.test_chat_held import ChatOllama, Tokens
from tests.looks import LOOK_SCENARIOS, UNSURE, LookScenario, Said, trained
from tests.scenarios import EASY, FAILURES

KEPT, ESCALATED = LookScenario(""), LookScenario("", Said(sure=UNSURE))
every_call = pytest.mark.parametrize("way", [by_invoke, by_ainvoke, by_stream, by_astream])


def hybrid_of(scenario: LookScenario, *steps: Runnable[Any, Any], small: Any = None, **options: Any) -> Any:
    """Return the pair of a scenario, as two chains of a model and these steps."""
    large: Any = FakeChatModel(model="large", error=FAILURES.get(scenario.large_fails or ""))
    small = small or small_of(scenario)
    for step in steps:
        small, large = small | step, large | step
    given = {"second_look": scenario.form, "checker": checker_of(scenario), **scenario.level()}
    return RunnableHybrid(small, large, scenario.router(), **{**given, **dict(scenario.options), **options})


CHAINS = [one for one in LOOK_SCENARIOS if not (one.tools or one.json or one.limited)]
every_scenario = pytest.mark.parametrize("scenario", CHAINS, ids=lambda scenario: scenario.name)


@covering(
    every_scenario, pytest.mark.parametrize("parses", [False, True], ids=["messages", "texts"]), every_way, times=2
)
async def test_the_scenarios_of_every_adapter(way: Way, scenario: LookScenario, parses: bool) -> None:
    hybrid = hybrid_of(scenario, *([StrOutputParser()] if parses else []))
    recorder = Recorder()
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        if scenario.raises:
            with pytest.raises(type(FAILURES[scenario.raises])):
                await way(hybrid, [scenario.text], **dict(scenario.of_call))
            return
        (answer,) = await way(hybrid, [scenario.text], {"callbacks": [recorder]}, **dict(scenario.of_call))
    text = answer if parses else answer.text
    assert text == (scenario.small.text if scenario.route == "small" else "from large")
    if not parses:
        record = answer.response_metadata["hybrid"]
        assert (record["route"], record["reason"]) == (scenario.route, scenario.reason)
        assert [one["route"] for one in record["attempts"] if one["kept"]] == [scenario.route]
    ours = [str(each.message) for each in given if "is down" not in str(each.message) and "unlike" not in str(each)]
    assert len(ours) == (scenario.warns is not None)


@every_way
async def test_a_reader_of_tokens_hears_nothing_of_a_held_answer(way: Way) -> None:
    for scenario, heard in ((KEPT, ""), (ESCALATED, "from large")):
        tokens = Tokens()
        await way(hybrid_of(scenario, StrOutputParser()), [EASY], {"callbacks": [tokens]})
        assert "".join(tokens.tokens) == heard


async def test_the_events_of_a_stream_hold_one_answer() -> None:
    hybrid = hybrid_of(ESCALATED, StrOutputParser())
    events = [event async for event in hybrid.astream_events(EASY, version="v2")]
    streamed = [event["data"]["chunk"] for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(chunk.text for chunk in streamed) == "from large"
    own = [
        event["data"]["chunk"] for event in events if event["event"] == "on_chain_stream" and not event["parent_ids"]
    ]
    assert "".join(own) == "from large"


@every_call
async def test_both_calls_are_runs_below_the_pairs_and_their_tokens_add_up(way: Way) -> None:
    recorder, usage = Recorder(), UsageMetadataCallbackHandler()
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    chain = prompt | hybrid_of(ESCALATED, StrOutputParser())
    await way(chain, [{"question": EASY}], {"callbacks": [recorder, usage]})
    tags = [set(run["tags"]) for _, run in recorder.of("model")]
    assert len(tags) == 2
    assert "nostream" in tags[0]
    assert "nostream" not in tags[1]
    assert {name: used["output_tokens"] for name, used in usage.usage_metadata.items()} == {"small": 1, "large": 2}


@every_way
async def test_the_model_of_a_chain_is_asked_for_log_probabilities(way: Way) -> None:
    hybrid = hybrid_of(KEPT, StrOutputParser(), small=small_of(KEPT, ChatOllama))
    assert await way(hybrid, [EASY]) == ["Lima."]
    hybrid = hybrid_of(KEPT, small=small_of(KEPT, ChatOllama))
    (answer,) = await way(hybrid, [EASY])
    assert answer.response_metadata["hybrid"]["reason"] == "kept"
    assert "logprobs" not in answer.response_metadata


@every_way
async def test_an_object_is_read_as_the_caller_says(way: Way) -> None:
    def boxed(text: str) -> dict[str, str]:
        return {"answer": text}

    scenario = LookScenario("", form=False)
    options = {"check": lambda query, text: text != "from small"}
    plain = RunnableHybrid(
        lambda _: boxed("from small"), lambda _: boxed("from large"), scenario.router(), threshold=0.5, **options
    )
    with pytest.raises(LookError, match="read="):
        await way(plain, [EASY])
    for read in (lambda value: value["answer"], lambda value: Answer(value["answer"])):
        reading = RunnableHybrid(
            lambda _: boxed("from small"),
            lambda _: boxed("from large"),
            scenario.router(),
            threshold=0.5,
            read=read,
            **options,
        )
        assert await way(reading, [EASY]) == [boxed("from large")]


@every_way
async def test_a_checker_may_be_a_chain_too(way: Way) -> None:
    scenario = LookScenario("", Said("It is 18.", 0.4), look=lambda: trained(checker=True), form=True, checker="18")
    hybrid = hybrid_of(scenario, StrOutputParser(), checker=checker_of(scenario) | StrOutputParser())
    assert await way(hybrid, [EASY]) == ["It is 18."]
