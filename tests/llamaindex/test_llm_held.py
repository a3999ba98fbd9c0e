"""HybridLLM holds small's answer back, and makes of it what every adapter must."""

from __future__ import annotations

import json
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ToolCallBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool

from hybrid_llm.errors import LookError
from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid.testing import FakeLLM
from tests.llamaindex._arms import WAYS, Way
from tests.llamaindex._arms import Said as Form
from tests.looks import CHECKER, LOOK_SCENARIOS, UNSURE, LookScenario, Said, trained
from tests.scenarios import EASY, FAILURES, StatusError

KEPT, ESCALATED = LookScenario(""), LookScenario("", Said(sure=UNSURE))
every_way = pytest.mark.parametrize("way", WAYS, ids=str)
every_stream = pytest.mark.parametrize("way", WAYS[2:], ids=str)
TEMPLATE = PromptTemplate("{query_str}")


class Sure(FakeLLM):
    """A fake that says how sure it was of each word, and how it ended, as a server of OpenAI's API does."""

    said: Any = None

    def _chunks(self, messages: Any, kwargs: Any) -> Any:
        chunks = list(super()._chunks(messages, kwargs))
        for chunk in chunks:
            entry = {"token": chunk.delta, "logprob": (self.said.logprobs or [0])[0]}
            told = {"content": [entry] if chunk.delta else []} if self.said.logprobs else None
            why = self.said.finish if chunk is chunks[-1] else None
            yield chunk.model_copy(update={"raw": {**chunk.raw, "choices": [{"logprobs": told, "finish_reason": why}]}})

    def _whole(self, method: str, messages: Any, kwargs: Any) -> Any:
        *_, last = chunks = list(self._stream(method, messages, kwargs))
        entries = [entry for chunk in chunks for entry in (_told(chunk) or {}).get("content", ())]
        told = {"content": entries} if self.said.logprobs else None
        choices = [{"logprobs": told, "finish_reason": self.said.finish}]
        return last.model_copy(update={"raw": {**last.raw, "choices": choices}})


def _told(chunk: Any) -> Any:
    return chunk.raw["choices"][0]["logprobs"]


def small_of(scenario: LookScenario, kind: type[Sure] = Sure, **more: Any) -> Sure:
    said = scenario.small
    blocks: list[Any] = [TextBlock(text=said.text)] if said.text else []
    blocks += [
        ToolCallBlock(tool_call_id=f"call_{place}", tool_name=name, tool_kwargs=json.dumps(arguments))
        for place, (name, arguments) in enumerate(said.calls)
    ]
    answer = ChatMessage(role="assistant", blocks=blocks)
    error = FAILURES.get(scenario.small_fails or "")
    return kind(model="small", says=lambda _: answer, calls_tools=False, said=said, error=error, **more)


def held_llm(scenario: LookScenario, *, small: FakeLLM | None = None, **options: Any) -> HybridLLM:
    checker = None
    if scenario.checker is not None:
        down = isinstance(scenario.checker, BaseException)
        checker = FakeLLM(model=CHECKER, **({"error": scenario.checker} if down else {"says": scenario.checker}))
    given = {"second_look": scenario.form, "checker": checker, **scenario.level(), **dict(scenario.options), **options}
    large = FakeLLM(model="large", calls_tools=False, error=FAILURES.get(scenario.large_fails or ""))
    return HybridLLM(small or small_of(scenario), large, scenario.router(), **given)


def look_up(city: str) -> str:
    """Look up a city."""
    return city


TOOL = FunctionTool.from_defaults(look_up)


async def answer(way: Way, llm: HybridLLM, scenario: LookScenario) -> Any:
    options = dict(scenario.of_call)
    if scenario.tools:
        return await way.ask(llm, "chat_with_tools", [TOOL], chat_history=[ChatMessage(scenario.text)], **options)
    if scenario.json:
        options["response_format"] = {"type": "json_object"}
    if scenario.limited:
        options["max_tokens"] = 5
    return await way.ask(llm, "chat", [ChatMessage(scenario.text)], **options)


@every_way
@pytest.mark.parametrize("scenario", LOOK_SCENARIOS, ids=lambda scenario: scenario.name)
async def test_the_scenarios_of_every_adapter(way: Way, scenario: LookScenario) -> None:
    llm = held_llm(scenario)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        if scenario.raises:
            with pytest.raises(type(FAILURES[scenario.raises])):
                await answer(way, llm, scenario)
            return
        response = await answer(way, llm, scenario)
    record = response.additional_kwargs["hybrid"]
    assert (record["route"], record["reason"]) == (scenario.route, scenario.reason)
    assert (record["look"] or {}).get("rejected") == scenario.rejected
    small = scenario.small.text if scenario.small.text else None
    assert response.message.content == (small if scenario.route == "small" else "from large")
    assert [len(arm.asked) for arm in (llm.small, llm.large)] == [
        scenario.asked.count("small"),
        scenario.asked.count("large"),
    ]
    assert [one["route"] for one in record["attempts"] if one["kept"]] == [scenario.route]
    ours = [str(each.message) for each in given if "is down" not in str(each.message) and "unlike" not in str(each)]
    assert len(ours) == (scenario.warns is not None)
    assert scenario.warns is None or scenario.warns in ours[0]


@every_stream
async def test_a_stream_shows_one_answer(way: Way) -> None:
    for scenario, text in ((KEPT, "Lima."), (ESCALATED, "from large")):
        chunks = await way.all_of(held_llm(scenario), "chat", [ChatMessage(EASY)])
        assert "".join(chunk.delta or "" for chunk in chunks) == text
        assert {chunk.additional_kwargs["hybrid"]["route"] for chunk in chunks} == {
            "small" if scenario is KEPT else "large"
        }


@every_way
@pytest.mark.parametrize("method", ["complete", "predict"])
async def test_completions_and_templates_are_looked_at_too(way: Way, method: str) -> None:
    arguments: Any = {"complete": ((EASY,), {}), "predict": ((TEMPLATE,), {"query_str": EASY})}[method]
    for scenario, text in ((KEPT, "Lima."), (ESCALATED, "from large")):
        answers = await way.all_of(held_llm(scenario), method, *arguments[0], **arguments[1])
        assert ("".join(answers) if method == "predict" else answers[-1].text) == text


@every_way
@pytest.mark.parametrize(("arguments", "text"), [({"text": "Lima"}, "Lima"), ({"town": "Lima"}, "from large")], ids=str)
async def test_an_object_that_does_not_parse_is_made_by_large(way: Way, arguments: Any, text: str) -> None:
    function = {"name": "Said", "arguments": json.dumps(arguments)}
    call = ChatMessage(
        role="assistant",
        blocks=[ToolCallBlock(tool_call_id="1", tool_name="Said", tool_kwargs=json.dumps(arguments))],
        additional_kwargs={"tool_calls": [{"type": "function", "function": function}]},
    )
    small = Sure(model="small", says=lambda _: call, calls_tools=False, said=Said("", sure=None))
    llm = held_llm(LookScenario("", form=False), small=small, check=lambda query, answer: True)
    llm.large.calls_tools = True
    made = await way.all_of(llm, "structured_predict", Form, TEMPLATE, query_str=EASY)
    assert made[-1].text == text
    assert len(llm.small.asked) == 1


# --- what small is asked for ---------------------------------------------------------------------------------------


class OpenAI(Sure):
    """A fake that is asked as OpenAI's class is."""

    logprobs: bool | None = None
    refuses: bool = False

    def _stream(self, method: str, messages: Any, kwargs: Any) -> Any:
        if kwargs.get("logprobs") and self.refuses:
            self.asked.append(SimpleNamespace(kwargs=kwargs))  # type: ignore[arg-type]
            raise StatusError(400)
        return super()._stream(method, messages, kwargs)


@every_way
@pytest.mark.parametrize("method", ["chat", "complete"])
async def test_small_is_asked_for_log_probabilities_and_they_do_not_stay_on_the_answer(way: Way, method: str) -> None:
    llm = held_llm(KEPT, small=small_of(KEPT, OpenAI))
    response = await way.ask(llm, method, [ChatMessage(EASY)] if method == "chat" else EASY)
    assert llm.small.asked[0].kwargs["logprobs"] is True
    assert response.additional_kwargs["hybrid"]["look"]["score"] == pytest.approx(0.9, abs=1e-6)
    assert response.raw["choices"][0]["logprobs"] is None


@every_way
async def test_whoever_asked_for_log_probabilities_keeps_them(way: Way) -> None:
    llm = held_llm(KEPT, small=small_of(KEPT, OpenAI))
    response = await way.ask(llm, "chat", [ChatMessage(EASY)], logprobs=True)
    assert response.raw["choices"][0]["logprobs"] is not None


@every_way
@pytest.mark.filterwarnings("ignore:The second look cannot see")
async def test_a_server_that_refuses_them_is_asked_once_without_and_never_again(way: Way) -> None:
    said = LookScenario("", Said(sure=None))
    llm = held_llm(said, small=small_of(said, OpenAI, refuses=True))
    for n in (2, 3):
        response = await way.ask(llm, "chat", [ChatMessage(EASY)])
        assert response.additional_kwargs["hybrid"]["reason"] == "escalated"
        assert len(llm.small.asked) == n


async def test_the_class_for_ollama_is_known_to_drop_them() -> None:
    from llama_index.llms.ollama import Ollama

    class Local(Ollama):
        async def achat(self, messages: Any, **kwargs: Any) -> Any:
            said = ChatMessage("Lima.", role="assistant")
            return ChatResponse(message=said, raw={"done": True, "done_reason": "stop"})

    llm = held_llm(KEPT, small=Local(model="small", context_window=4096))  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="OpenAILike"):
        response = await llm.achat([ChatMessage(EASY)])
    assert response.additional_kwargs["hybrid"]["reason"] == "escalated"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await llm.achat([ChatMessage(EASY)])


# --- conversations, construction -----------------------------------------------------------------------------------


@every_way
async def test_a_follow_up_after_an_escalation_is_looked_at_anew(way: Way) -> None:
    first = await way.ask(held_llm(ESCALATED), "chat", [ChatMessage(EASY)])
    talk = [ChatMessage(EASY), first.message, ChatMessage("and then?")]
    second = await way.ask(held_llm(KEPT), "chat", talk)
    assert (second.message.content, second.additional_kwargs["hybrid"]["reason"]) == ("Lima.", "kept")


def test_a_checker_has_to_be_another_llm() -> None:
    scenario = LookScenario("", look=lambda: trained(checker=True), form=True)
    with pytest.raises(LookError, match="is the small model itself"):
        held_llm(scenario, checker=FakeLLM(model="small"))
    with pytest.raises(TypeError, match="checker="):
        held_llm(scenario, checker="qwen3:4b")


def test_a_dump_holds_no_function() -> None:
    llm = held_llm(KEPT, check=lambda query, answer: True)
    assert llm.model_dump()["second_look"] == "logprobs"
    assert "check" not in llm.model_dump()
