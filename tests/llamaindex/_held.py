"""Hybrids of fake LLMs whose small one says what a scenario of held answers wants."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock, ToolCallBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool

from hybrid_llm import Decision
from hybrid_llm.event import RequestEvent
from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid.testing import FakeLLM
from tests.llamaindex._arms import Way
from tests.looks import CHECKER, LookScenario, Said
from tests.scenarios import FAILURES


def look_up(city: str) -> str:
    """Look up a city."""
    return f"{city} is a city"


TOOL = FunctionTool.from_defaults(look_up)
TEMPLATE = PromptTemplate("Answer: {query_str}")


def choice_of(said: Said) -> dict[str, Any]:
    """Return the choice of a server's answer, without its message."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": said.finish}
    if said.logprobs is not None:
        words = [f"{' ' if place else ''}{word}" for place, word in enumerate(said.text.split(" "))]
        tokens = [
            {"token": word, "logprob": said.logprobs[0], "bytes": list(word.encode()), "top_logprobs": []}
            for word in words
        ]
        choice["logprobs"] = {"content": tokens}
    return choice


class Says(FakeLLM):
    """A fake that answers as it was told, and says in its last chunk how sure it was, as a server of OpenAI's API."""

    said: Any = None

    def _chunks(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> Iterator[ChatResponse]:
        said: Said = self.said
        blocks: list[Any] = [] if said.calls else [TextBlock(text=said.text)]
        for place, (name, args) in enumerate(said.calls):
            arguments = args if isinstance(args, str) else json.dumps(args)
            blocks.append(ToolCallBlock(tool_call_id=f"c{place}", tool_name=name, tool_kwargs=arguments))
        self.replies = [ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)]
        *chunks, last = super()._chunks(messages, kwargs)
        last.raw = {**last.raw, "choices": [choice_of(said)]}
        yield from (*chunks, last)


def small_of(scenario: LookScenario, kind: type[Says] = Says, **more: Any) -> Says:
    """Return a small model that always answers as the scenario says."""
    error = FAILURES.get(scenario.small_fails or "")
    return kind(model="small", said=scenario.small, calls_tools=False, error=error, **more)


def checker_of(scenario: LookScenario) -> FakeLLM | None:
    """Return the checker, if there is one."""
    if scenario.checker is None:
        return None
    if isinstance(scenario.checker, BaseException):
        return FakeLLM(model=CHECKER, error=scenario.checker)
    return FakeLLM(model=CHECKER, says=scenario.checker, calls_tools=False)


def held_llm(scenario: LookScenario, *, small: Any = None, large: Any = None, **options: Any) -> HybridLLM:
    """Return the hybrid of a scenario."""
    large_error = FAILURES.get(scenario.large_fails or "")
    return HybridLLM(
        small or small_of(scenario),
        large or FakeLLM(model="large", calls_tools=False, error=large_error),
        scenario.router(),
        **{
            "second_look": scenario.form,
            "checker": checker_of(scenario),
            **scenario.level(),
            **dict(scenario.options),
            **options,
        },
    )


async def ask(llm: HybridLLM, way: Way, shape: str, scenario: LookScenario) -> list[Any]:
    """Ask as the scenario does, by a method; return all that comes."""
    settings: dict[str, Any] = dict(scenario.of_call)
    if shape == "predict":
        return await way.all_of(llm, "predict", TEMPLATE, query_str=scenario.text, **settings)
    if scenario.json:
        settings["response_format"] = {"type": "json_object"}
    if scenario.limited:
        settings["max_tokens"] = 5
    if shape == "complete":
        return await way.all_of(llm, "complete", scenario.text, **settings)
    messages = [ChatMessage(scenario.text)]
    if scenario.tools:
        return await way.all_of(llm, "chat_with_tools", [TOOL], chat_history=messages, **settings)
    return await way.all_of(llm, "chat", messages, **settings)


def text_of(answers: list[Any]) -> str:
    """Return the text of an answer, or of the chunks of one as a reader of deltas sees it."""
    if all(isinstance(each, str) for each in answers):
        return "".join(answers)
    if len(answers) > 1:
        return "".join(each.delta or "" for each in answers)
    last = answers[-1]
    return (last.message.content if isinstance(last, ChatResponse) else last.text) or ""


class Seen:
    """An observer that remembers the requests."""

    def __init__(self) -> None:
        self.events: list[RequestEvent] = []

    def __call__(self, event: RequestEvent) -> None:
        self.events.append(event)

    @property
    def decision(self) -> Decision:
        return self.events[-1].decision


def asked(llm: HybridLLM) -> tuple[int, int]:
    """Return how often small and large were asked."""
    small, large = llm.small, llm.large
    assert isinstance(small, FakeLLM)
    assert isinstance(large, FakeLLM)
    return len(small.asked), len(large.asked)
