"""Pairs of fake chat models whose small one says what a scenario of held answers wants."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, ToolCall

from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.looks import CHECKER, LookScenario, Said
from tests.scenarios import FAILURES


def message_of(said: Said) -> AIMessage:
    """Return the message of a server that speaks OpenAI's API."""
    calls = [ToolCall(name=name, args=args, id=f"call_{place}") for place, (name, args) in enumerate(said.calls)]
    metadata: dict[str, Any] = {"finish_reason": said.finish}
    if said.logprobs is not None:
        words = [f"{' ' if place else ''}{word}" for place, word in enumerate(said.text.split(" "))]
        tokens = [{"token": word, "logprob": said.logprobs[0], "bytes": list(word.encode())} for word in words]
        metadata["logprobs"] = {"content": tokens, "refusal": None}
    return AIMessage(said.text, tool_calls=calls, response_metadata=metadata)


def small_of(scenario: LookScenario, kind: type[FakeChatModel] = FakeChatModel, **more: Any) -> FakeChatModel:
    """Return a small model that always answers as the scenario says."""
    return kind(
        model="small",
        provider="ollama",
        says=lambda _: message_of(scenario.small),
        calls_tools=False,
        error=FAILURES.get(scenario.small_fails or ""),
        **more,
    )


def checker_of(scenario: LookScenario) -> FakeChatModel | None:
    """Return the checker, if there is one."""
    if scenario.checker is None:
        return None
    if isinstance(scenario.checker, BaseException):
        return FakeChatModel(model=CHECKER, error=scenario.checker)
    return FakeChatModel(model=CHECKER, says=scenario.checker)


def held_pair(scenario: LookScenario, *, small: FakeChatModel | None = None, **options: Any) -> ChatHybrid:
    """Return the pair of a scenario."""
    return ChatHybrid(
        small or small_of(scenario),
        FakeChatModel(
            model="large",
            provider="openai",
            calls_tools=False,
            error=FAILURES.get(scenario.large_fails or ""),
            profile={"tool_choice": True},
        ),
        scenario.router(),
        checker=checker_of(scenario),
        **{"second_look": scenario.form, **scenario.level(), **dict(scenario.options), **options},
    )


def look_up(city: str) -> str:
    """Look up a city."""
    return city


def step_of(scenario: LookScenario, pair: ChatHybrid) -> Any:
    """Return the pair as the scenario uses it."""
    step: Any = pair.bind_tools([look_up]) if scenario.tools else pair
    settings: dict[str, Any] = {"response_format": {"type": "json_object"}} if scenario.json else {}
    if scenario.limited:
        settings["max_tokens"] = 5
    return step.bind(**settings) if settings else step
