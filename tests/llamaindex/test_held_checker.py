"""The checker beside small, what a hybrid that looks is made with, and what a user may get wrong with it."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import time
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.llms import MockLLM

from hybrid_llm.errors import ConfigError, LevelError, LookError
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM, hybrid_quality
from llamaindex_hybrid.testing import FakeLLM
from tests.covering import covering
from tests.llamaindex._arms import WAYS, Events, Way, hybrid
from tests.llamaindex._held import TEMPLATE, TOOL, Says, Seen, ask, asked, held_llm, small_of, text_of
from tests.looks import CHECKER, LEVEL, UNSURE, LookScenario, Said, router_with, trained, untrained
from tests.scenarios import EASY, FAILURES

every_way = pytest.mark.parametrize("way", WAYS, ids=str)
quietly = pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning")


def compared(checker: str, sure: float = 0.4, text: str = "It is 18.") -> LookScenario:
    """Return a scenario whose look compares with a checker."""
    return LookScenario("", Said(text, sure), look=lambda: trained(checker=True), form=True, checker=checker)


# --- the checker ---------------------------------------------------------------------------------------------------


@covering(
    every_way,
    pytest.mark.parametrize("shape", ["chat", "complete", "predict"]),
    pytest.mark.parametrize(("says", "reason"), [("18", "kept"), ("I get 19.", "escalated")]),
    times=2,
)
async def test_another_model_is_asked_the_same_and_compared(way: Way, shape: str, says: str, reason: str) -> None:
    seen, scenario = Seen(), compared(says)
    llm = held_llm(scenario, observers=[seen])
    answers = await ask(llm, way, shape, scenario)
    assert seen.decision.reason == reason
    assert text_of(answers) == ("It is 18." if reason == "kept" else "from large")
    assert isinstance(llm.checker, FakeLLM)
    (compared_with,) = llm.checker.asked
    assert EASY in (compared_with.messages[-1].content or "")
    told = {attempt.model: (attempt.kept, attempt.output_tokens) for attempt in seen.events[0].attempts}
    assert told[CHECKER] == (False, len(says.split()))
    assert told["small"] == (reason == "kept", 3)


@every_way
async def test_it_is_asked_in_words_where_small_has_tools(way: Way) -> None:
    scenario = compared("18")
    llm = held_llm(scenario)
    answers = await way.all_of(llm, "chat_with_tools", [TOOL], EASY, tool_choice="auto", temperature=0)
    assert answers[-1].additional_kwargs["hybrid"]["reason"] == "kept"
    assert isinstance(llm.checker, FakeLLM)
    assert llm.checker.asked[0].kwargs == {"temperature": 0}


@every_way
async def test_small_and_checker_answer_side_by_side(way: Way) -> None:
    meet = threading.Barrier(2, timeout=10)

    class Meets(Says):
        def _chunks(self, messages: Any, kwargs: Any) -> Any:
            meet.wait()
            return super()._chunks(messages, kwargs)

        async def achat(self, messages: Any, **kwargs: Any) -> ChatResponse:
            return await asyncio.to_thread(super().chat, messages, **kwargs)

    scenario = compared("18")
    checker = Meets(model=CHECKER, said=Said("18"))
    llm = held_llm(scenario, small=small_of(scenario, Meets), checker=checker)
    (answer,) = await ask(llm, way, "chat", scenario)
    assert answer.additional_kwargs["hybrid"]["reason"] == "kept"


@every_way
async def test_the_checkers_call_is_told_as_one_that_was_not_shown(way: Way) -> None:
    with Events() as events:
        await ask(held_llm(compared("18")), way, "chat", compared("18"))
    discarded = [event for event in events.seen if type(event).__name__ == "HybridDiscardedEvent"]
    assert [event.attempt["model"] for event in discarded] == [CHECKER]


@pytest.mark.slow
@every_way
async def test_a_whole_answer_has_its_own_time(way: Way) -> None:
    class Slow(Says):
        def _chunks(self, messages: Any, kwargs: Any) -> Any:
            time.sleep(0.3)
            return super()._chunks(messages, kwargs)

        async def achat(self, messages: Any, **kwargs: Any) -> ChatResponse:
            return await asyncio.to_thread(super().chat, messages, **kwargs)

    scenario = LookScenario("")
    llm = held_llm(scenario, small=small_of(scenario, Slow), look_timeout=30, small_timeout=0.1)
    answers = await ask(llm, way, "chat", scenario)
    assert answers[-1].additional_kwargs["hybrid"]["reason"] == "kept"  # small_timeout is for a first token
    llm = held_llm(scenario, small=small_of(scenario, Slow), look_timeout=0.05)
    with pytest.warns(match="gave no answer in time"):
        answers = await ask(llm, way, "chat", scenario)
    assert (text_of(answers), answers[-1].additional_kwargs["hybrid"]["reason"]) == ("from large", "fallback")


async def test_a_call_that_is_cancelled_never_reaches_large() -> None:
    class Hangs(Says):
        async def achat(self, messages: Any, **kwargs: Any) -> ChatResponse:
            await asyncio.sleep(60)
            raise AssertionError

    llm = held_llm(LookScenario(""), small=small_of(LookScenario(""), Hangs))
    call = asyncio.create_task(llm.achat([ChatMessage(EASY)]))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert asked(llm)[1] == 0


# --- levels --------------------------------------------------------------------------------------------------------


@every_way
async def test_a_threshold_is_about_the_question_alone_wherever_it_comes_from(way: Way) -> None:
    scenario = LookScenario("", Said(sure=UNSURE))
    llm = held_llm(scenario)
    answers = await way.all_of(llm.with_quality(threshold=0.5), "chat", [ChatMessage(EASY)])
    assert answers[-1].additional_kwargs["hybrid"]["reason"] == "score"
    with hybrid_quality(threshold=0.5):
        answers = await way.all_of(llm, "chat", [ChatMessage(EASY)])
    assert answers[-1].additional_kwargs["hybrid"]["reason"] == "score"
    answers = await way.all_of(llm.with_quality(cost_advantage=1.0), "chat", [ChatMessage(EASY)])
    assert answers[-1].additional_kwargs["hybrid"]["reason"] == "kept"


# --- made, dumped, copied ------------------------------------------------------------------------------------------


def long_enough(query: str, answer: str) -> bool:
    return len(answer) > 2


def test_dumps_say_what_it_is_made_of_and_hold_no_models_or_functions() -> None:
    llm = held_llm(compared("18"), check=long_enough, checks=[long_enough], look_timeout=5)
    shown = json.loads(json.dumps(llm.to_payload()))
    assert shown["checker"] == {"class_name": "fake_llm", "model": CHECKER}
    assert (shown["second_look"], shown["check"], shown["checks"], shown["look_timeout"]) == (True, "function", 1, 5)
    assert json.loads(llm.model_dump_json())["checker"] == shown["checker"]
    assert "look_timeout=5" in repr(llm)


@quietly
def test_a_pickle_keeps_its_checks_and_its_checker(tmp_path: Any) -> None:
    router = hybrid().router
    options = {"check": long_enough, "checks": [long_enough], "checker": FakeLLM(model=CHECKER), "look_timeout": 3}
    llm = HybridLLM(FakeLLM(model="small"), FakeLLM(model="large"), router, threshold=0.5, **options)
    _, arguments = llm.__reduce__()
    made = arguments[4]
    assert (made["check"], made["checks"], made["look_timeout"]) == (long_enough, (long_enough,), 3)
    assert pickle.loads(pickle.dumps(made["checker"])).model == CHECKER


def test_what_is_set_on_it_is_set_on_the_checker_too() -> None:
    from llama_index.core.callbacks import CallbackManager

    manager = CallbackManager()
    llm = held_llm(compared("18"), callback_manager=manager)
    assert llm.checker is not None
    assert llm.checker.callback_manager is manager


# --- what may be wrong ---------------------------------------------------------------------------------------------


def test_a_router_without_a_look_names_the_command() -> None:
    with pytest.raises(LookError, match="hybrid-llm train TABLE --second-look"):
        hybrid(second_look=True)
    with pytest.raises(LevelError, match="hybrid-llm calibrate --unlabelled"):
        hybrid(second_look="logprobs")
    with pytest.raises(LookError, match="second_look"):
        hybrid(second_look="sometimes")


def test_an_untrained_look_knows_no_quality() -> None:
    with pytest.raises(LevelError, match="cost_advantage="):
        held_llm(LookScenario(""), cost_advantage=None, quality=0.95)


def test_a_checker_is_another_llm() -> None:
    with pytest.raises(LookError, match="is the small model itself"):
        held_llm(compared("18"), checker=FakeLLM(model="small"))
    with pytest.raises(TypeError, match=r"checker='qwen3:4b' is a name; pass the LLM itself"):
        held_llm(compared("18"), checker="qwen3:4b")
    with pytest.warns(match="checker= is not asked"):
        held_llm(LookScenario(""), checker=FakeLLM(model=CHECKER))


def test_a_check_is_a_plain_function() -> None:
    async def later(query: str, answer: str) -> bool:
        return False

    with pytest.raises(ConfigError, match="check= takes a plain function"):
        hybrid(check=later)
    with pytest.raises(ConfigError, match="must be a function"):
        hybrid(checks=["no"])
    with pytest.raises(ConfigError, match="look_timeout"):
        hybrid(look_timeout=0)


@every_way
async def test_every_check_has_its_say(way: Way) -> None:
    never = LookScenario("", form=False, options=(("check", long_enough), ("checks", [lambda *_: False])))
    (*_, answer) = await ask(held_llm(never), way, "chat", never)
    assert (answer.additional_kwargs["hybrid"]["look"]["rejected"], answer.message.content) == ("check", "from large")


def test_a_check_sees_the_question_and_not_the_prompt() -> None:
    asked_about: list[tuple[str, str]] = []

    def check(query: str, answer: str) -> None:
        asked_about.append((query, answer))

    held_llm(LookScenario("", form=False), check=check).predict(TEMPLATE, query_str=EASY)
    assert asked_about == [(EASY, "Lima.")]


def test_a_model_that_says_nothing_of_its_tokens_is_named_once() -> None:
    llm = HybridLLM(
        MockLLM(max_tokens=3), FakeLLM(model="large"), router_with(untrained()), second_look="logprobs", **LEVEL
    )
    with pytest.warns(match="log-probabilities of MockLLM") as given:
        assert llm.complete(EASY).text == "from large"
    assert len(given) == 1
    assert llm.complete(EASY).text == "from large"


async def test_a_bug_in_a_checker_costs_no_request() -> None:
    scenario = compared("18", 0.6)
    llm = held_llm(scenario, checker=FakeLLM(model=CHECKER, error=FAILURES["bug"]))
    with pytest.warns(match=f"compares with {CHECKER}"):
        assert llm.chat([ChatMessage(EASY)]).message.content == "It is 18."


def test_without_a_look_nothing_changes() -> None:
    llm = hybrid(scorer=FixedScorer(0.9))
    chunks = [chunk.delta for chunk in llm.stream_chat([ChatMessage(EASY)]) if chunk.delta]
    assert chunks == ["from ", "small"]
