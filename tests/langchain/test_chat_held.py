"""ChatHybrid holds small's answer back, and makes of it what every adapter must."""

from __future__ import annotations

import warnings
from typing import Any

import httpx
import pytest
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tracers._streaming import _StreamingCallbackHandler

from hybrid_llm.dispatch import Breaker, PairState
from hybrid_llm.errors import LookError
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._held import held_pair, message_of, small_of, step_of
from tests.langchain._ways import Recorder, Way, by_ainvoke, by_astream, by_invoke, by_stream, every_way
from tests.looks import LOOK_SCENARIOS, UNSURE, LookScenario, Said, trained
from tests.scenarios import EASY, FAILURES, StatusError

every_scenario = pytest.mark.parametrize("scenario", LOOK_SCENARIOS, ids=lambda scenario: scenario.name)

KEPT, ESCALATED = LookScenario(""), LookScenario("", Said(sure=UNSURE))
every_call = pytest.mark.parametrize("way", [by_invoke, by_ainvoke, by_stream, by_astream])
quietly = pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning")


@covering(every_scenario, every_way, times=2)
async def test_the_scenarios_of_every_adapter(way: Way, scenario: LookScenario) -> None:
    pair = held_pair(scenario)
    step, options = step_of(scenario, pair), dict(scenario.of_call)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        if scenario.raises:
            with pytest.raises(type(FAILURES[scenario.raises])):
                await way(step, [scenario.text], **options)
            return
        (answer,) = await way(step, [scenario.text], **options)
    record = answer.response_metadata["hybrid"]
    assert (record["route"], record["reason"]) == (scenario.route, scenario.reason)
    assert ((record["look"] or {}).get("rejected")) == scenario.rejected
    assert answer.response_metadata["model_name"] == scenario.route
    assert answer.text == (scenario.small.text if scenario.route == "small" else "from large")
    assert len(answer.tool_calls) == (len(scenario.small.calls) if scenario.route == "small" else 0)
    assert [len(arm.asked) for arm in (pair.small, pair.large)] == [
        scenario.asked.count("small"),
        scenario.asked.count("large"),
    ]
    ours = [str(each.message) for each in given if "is down" not in str(each.message) and "unlike" not in str(each)]
    assert len(ours) == (scenario.warns is not None)
    assert scenario.warns is None or scenario.warns in ours[0]


@every_way
async def test_the_answer_tells_of_every_call_and_shows_what_its_own_used(way: Way) -> None:
    for scenario in (KEPT, ESCALATED):
        pair = held_pair(scenario)
        (answer,) = await way(pair, [EASY])
        attempts = answer.response_metadata["hybrid"]["attempts"]
        assert [attempt["route"] for attempt in attempts] == (["small"] if scenario is KEPT else ["small", "large"])
        assert [attempt["route"] for attempt in attempts if attempt["kept"]] == [answer.response_metadata["model_name"]]
        shown = next(attempt for attempt in attempts if attempt["kept"])
        assert answer.usage_metadata["output_tokens"] == shown["output_tokens"]


# --- callbacks -----------------------------------------------------------------------------------------------------


class Tokens(BaseCallbackHandler, _StreamingCallbackHandler):
    """A reader of tokens, for whose sake a model streams in ``invoke`` too."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def on_llm_new_token(self, token: Any, **_: Any) -> None:
        if token:
            self.tokens.append(str(token))

    def tap_output_iter(self, run_id: Any, output: Any) -> Any:
        return output

    def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
        return output


@every_way
async def test_a_reader_of_tokens_sees_one_answer(way: Way) -> None:
    for scenario, shown in ((KEPT, "Lima."), (ESCALATED, "from large")):
        tokens = Tokens()
        await way(held_pair(scenario), [EASY], {"callbacks": [tokens]})
        assert "".join(tokens.tokens) == shown


@every_call
async def test_the_call_that_was_not_shown_is_a_run_below_the_pairs(way: Way) -> None:
    recorder = Recorder()
    await way(held_pair(ESCALATED), [EASY], {"callbacks": [recorder]})
    (own_id, own), (_, child) = recorder.of("model")
    assert "route:look" in own["tags"]
    assert own["metadata"]["hybrid"]["look"]["score"] is None
    assert child["parent_run_id"] == own_id
    assert {"route:small", "nostream"} <= set(child["tags"])
    assert child["metadata"]["ls_model_name"] == "small"
    recorder = Recorder()
    await way(held_pair(KEPT), [EASY], {"callbacks": [recorder]})
    assert len(recorder.of("model")) == 1


@covering(every_call, pytest.mark.parametrize("made_with_it", [False, True]), times=4)
@quietly
async def test_what_counts_tokens_counts_those_of_every_model_once(way: Way, made_with_it: bool) -> None:
    scenario = LookScenario("", Said("It is 18.", 0.6), look=lambda: trained(checker=True), form=True, checker="19")
    usage = UsageMetadataCallbackHandler()
    if made_with_it:
        (answer,) = await way(held_pair(scenario, callbacks=[usage]), [EASY])
    else:
        (answer,) = await way(held_pair(scenario), [EASY], {"callbacks": [usage]})
    counted = {name: used["output_tokens"] for name, used in usage.usage_metadata.items()}
    told = {one["model"]: one["output_tokens"] for one in answer.response_metadata["hybrid"]["attempts"]}
    assert counted == told == {"small": 3, "checker": 1, "large": 2}


# --- what small is asked for ---------------------------------------------------------------------------------------


class ChatOllama(FakeChatModel):
    """A fake that is asked as Ollama's class is: it says how sure it was when it is asked to."""

    logprobs: bool | None = None
    refuses: bool = False

    def _answer(self, messages: Any, stop: Any, kwargs: Any) -> AIMessage:
        if kwargs.get("logprobs") and self.refuses:
            self.asked.append((messages, stop, kwargs))  # type: ignore[arg-type]
            raise StatusError(400)
        answer = super()._answer(messages, stop, kwargs)
        if not (kwargs.get("logprobs") or self.logprobs):
            kept = {key: said for key, said in answer.response_metadata.items() if key != "logprobs"}
            answer = answer.model_copy(update={"response_metadata": kept})
        return answer


@every_way
async def test_small_is_asked_for_log_probabilities_and_they_do_not_stay_on_the_answer(way: Way) -> None:
    pair = held_pair(KEPT, small=small_of(KEPT, ChatOllama))
    (answer,) = await way(pair, [EASY])
    assert pair.small.asked[0].kwargs["logprobs"] is True
    assert answer.response_metadata["hybrid"]["look"]["score"] == pytest.approx(0.9, abs=1e-6)
    assert "logprobs" not in answer.response_metadata


@every_way
async def test_whoever_asked_for_log_probabilities_keeps_them(way: Way) -> None:
    pair = held_pair(KEPT, small=small_of(KEPT, ChatOllama))
    (answer,) = await way(pair.bind(logprobs=True), [EASY])
    assert answer.response_metadata["logprobs"]["content"]
    pair = held_pair(KEPT, small=small_of(KEPT, ChatOllama, logprobs=True))
    (answer,) = await way(pair, [EASY])
    assert answer.response_metadata["logprobs"]["content"]


@every_call
@quietly
async def test_a_server_that_refuses_them_is_asked_once_without_and_never_again(way: Way) -> None:
    pair = held_pair(KEPT, small=small_of(KEPT, ChatOllama, refuses=True))
    for n in (2, 3):
        (answer,) = await way(pair, [EASY])
        assert answer.response_metadata["hybrid"]["reason"] == "escalated"
        assert len(pair.small.asked) == n
    assert pair.state.breakers["small"].admit()


@every_way
@quietly
async def test_a_server_that_refuses_without_a_word_is_down_and_is_asked_the_same_when_it_is_back(way: Way) -> None:
    request = httpx.Request("POST", "http://127.0.0.1")
    wordless = httpx.HTTPStatusError("400", request=request, response=httpx.Response(400))  # llama.cpp, while it stops
    pair = held_pair(KEPT, small=small_of(KEPT, ChatOllama, replies=[wordless, wordless]))
    reasons = [(await way(pair, [EASY]))[0].response_metadata["hybrid"]["reason"] for _ in range(2)]
    assert reasons == ["fallback", "kept"]
    assert [asked.kwargs.get("logprobs") for asked in pair.small.asked] == [True, None, True]


@every_call
async def test_a_request_that_is_refused_for_itself_is_an_error(way: Way) -> None:
    pair = held_pair(LookScenario("", small_fails="bad request"))
    with pytest.raises(StatusError):
        await way(pair, [EASY])


@every_way
async def test_thoughts_are_not_counted(way: Way) -> None:
    thinks = message_of(Said("Lima."))
    tokens = [{"token": token, "logprob": logprob} for token, logprob in (("<think>hm</think>", -9.0), ("Lima.", -0.1))]
    thinks = thinks.model_copy(
        update={"content": "<think>hm</think>Lima.", "response_metadata": {"logprobs": {"content": tokens}}}
    )
    small = FakeChatModel(model="small", says=lambda _: thinks)
    (answer,) = await way(held_pair(KEPT, small=small), [EASY])
    look = answer.response_metadata["hybrid"]["look"]
    assert look["signals"]["mean_logprob"] == pytest.approx(-0.1)


@every_call
@pytest.mark.filterwarnings("ignore:The second look cannot see")
async def test_tokens_that_cannot_be_told_from_thoughts_are_not_looked_at(way: Way) -> None:
    tokens = [{"token": "Li", "logprob": -0.1}]
    muddled = AIMessage("Lima.", response_metadata={"logprobs": {"content": tokens}})
    small = FakeChatModel(model="small", says=lambda _: muddled)
    (answer,) = await way(held_pair(KEPT, small=small), [EASY])
    assert answer.response_metadata["hybrid"]["reason"] == "escalated"
    assert answer.response_metadata["hybrid"]["look"]["score"] is None


# --- conversations -------------------------------------------------------------------------------------------------


@every_way
async def test_the_rest_of_a_tool_loop_stays_with_large_after_an_escalation(way: Way) -> None:
    step = step_of(LookScenario("", tools=True), held_pair(ESCALATED))
    (first,) = await way(step, [EASY])
    call = AIMessage("", tool_calls=[{"name": "look_up", "args": {"city": "Lima"}, "id": "1"}])
    call.response_metadata.update(first.response_metadata)
    (last,) = await way(step, [[HumanMessage(EASY), call, ToolMessage("Lima", tool_call_id="1")]])
    assert (last.text, last.response_metadata["hybrid"]["reason"]) == ("from large", "follow_up")


@every_way
async def test_a_follow_up_after_an_escalation_is_looked_at_anew(way: Way) -> None:
    (first,) = await way(held_pair(ESCALATED), [EASY])
    (second,) = await way(held_pair(KEPT), [[HumanMessage(EASY), first, HumanMessage("and then?")]])
    assert (second.text, second.response_metadata["hybrid"]["reason"]) == ("Lima.", "kept")


# --- construction, cache -------------------------------------------------------------------------------------------


def test_a_checker_has_to_be_another_chat_model() -> None:
    scenario = LookScenario("", look=lambda: trained(checker=True), form=True)
    with pytest.raises(LookError, match="is the small model itself"):
        held_pair(scenario).model_copy(update={"checker": FakeChatModel(model="small")}).invoke(EASY)
    with pytest.raises(TypeError, match="checker="):
        held_pair(scenario).__class__(
            small_of(KEPT), FakeChatModel(), scenario.router(), checker="qwen3:4b", threshold=0.5
        )


def shorter_than(n: int) -> Any:
    return lambda query, text: len(text) < n


class Rule:
    def __init__(self, n: int) -> None:
        self.n = n

    def __repr__(self) -> str:
        return f"Rule({self.n})"

    def holds(self, query: str, text: str) -> bool:
        return len(text) < self.n


def test_a_cache_tells_pairs_with_another_look_check_or_checker_apart() -> None:
    keys = [
        held_pair(scenario, **more)._get_llm_string()
        for scenario, more in (
            (KEPT, {}),
            (KEPT, {"check": lambda query, text: True}),
            (KEPT, {"check": lambda query, text: False}),
            (KEPT, {"check": lambda query, text: text.islower()}),
            (KEPT, {"check": lambda query, text: text.isupper()}),
            (KEPT, {"check": lambda query, text: any(part.isupper() for part in text)}),
            (KEPT, {"check": lambda query, text: any(part.islower() for part in text)}),
            *((KEPT, {"check": check}) for n in (3, 300) for check in (shorter_than(n), Rule(n).holds)),
            (KEPT, {"second_look": False, "threshold": 0.5, "cost_advantage": None}),
            (LookScenario("", look=trained, form=True), {}),
            (LookScenario("", look=lambda: trained(checker=True), form=True, checker="1"), {}),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert held_pair(KEPT)._get_llm_string() == keys[0]
    assert held_pair(KEPT, check=shorter_than(3))._get_llm_string() in keys


@pytest.mark.parametrize("way", [by_invoke, by_ainvoke])
async def test_an_answer_from_the_cache_was_called_for_by_nobody(way: Way) -> None:
    from langchain_core.caches import InMemoryCache

    pair = held_pair(KEPT, cache=InMemoryCache())
    first, second = [(await way(pair, [EASY]))[0] for _ in range(2)]
    assert len(pair.small.asked) == 1
    assert second.text == first.text
    assert "attempts" in first.response_metadata["hybrid"]
    assert "attempts" not in second.response_metadata["hybrid"]


@pytest.mark.parametrize("way", [by_invoke, by_ainvoke])
@pytest.mark.filterwarnings("ignore:small is down")
async def test_an_answer_from_the_cache_is_no_probe_of_a_small_that_was_down(way: Way) -> None:
    from langchain_core.caches import InMemoryCache

    now = [0.0]
    state = PairState(breakers={"small": Breaker(cooldown=30, clock=lambda: now[0]), "large": Breaker()})
    small = FakeChatModel(model="small")
    pair = ChatHybrid(small, FakeChatModel(), FixedScorer(0.9), threshold=0.5, cache=InMemoryCache(), state=state)
    await way(pair, [EASY])
    small.error = ConnectionRefusedError()
    await way(pair, [f"{EASY} {n}" for n in range(3)])
    small.error = None
    now[0] = 31.0
    (known,) = await way(pair, [EASY])
    (new,) = await way(pair, ["Is small back?"])
    assert "attempts" not in known.response_metadata["hybrid"]
    assert new.response_metadata["hybrid"]["reason"] == "score"
