"""HybridRouterMiddleware: what a user may get wrong, and what is said then."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda

import langchain_hybrid
from hybrid_llm.errors import ConfigError, LevelError, MissingExtraError
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import HybridRouterMiddleware
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._agents import agent_of, fakes


def test_a_missing_arm_is_refused() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'router'"):
        HybridRouterMiddleware(*fakes())  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="small= takes a chat model; got nothing"):
        HybridRouterMiddleware(None, fakes()[1], FixedScorer())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda model: "qwen3:4b", r"large='qwen3:4b' is a name; pass the model itself"),
        (lambda model: model.bind_tools([]), "large= is already bound"),
        (lambda model: model.bind(stop=["x"]), "large= is already bound"),
        (lambda model: RunnableLambda(str), "large= takes a chat model; got RunnableLambda"),
        (lambda model: model.with_fallbacks([model]), "large= takes a chat model; got RunnableWithFallbacks"),
    ],
)
def test_an_arm_that_is_no_unbound_chat_model_is_refused(make: Callable[[FakeChatModel], Any], says: str) -> None:
    small, large = fakes()
    with pytest.raises(TypeError, match=says):
        HybridRouterMiddleware(small, make(large), FixedScorer())


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"scope": "turn"}, ConfigError, "scope='turn' is unknown; use 'run'"),
        ({"query": "question"}, ConfigError, "query='question' is unknown"),
        ({"small_timeout": 0}, ConfigError, "small_timeout=0 must be"),
        ({"quality": 0.9, "threshold": 0.5}, LevelError, "given together"),
        ({"quality": 1.2}, LevelError, "out of range"),
        ({"quality": 0.9}, LevelError, "no thresholds for quality 0.9"),
        ({"threshold": 0.5, "allowed": (0.1,)}, LevelError, "must be two numbers"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any], error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        HybridRouterMiddleware(*fakes(), FixedScorer(), **options)


def test_something_that_does_not_score_is_no_router() -> None:
    with pytest.raises(TypeError, match="router= takes a Router"):
        HybridRouterMiddleware(*fakes(), object())


def test_a_function_that_gives_no_text_is_refused(scorer: FixedScorer) -> None:
    agent = agent_of(*fakes(), scorer, query=lambda messages: messages)
    with pytest.raises(TypeError, match="must return the text to score; got list"):
        agent.invoke({"messages": [HumanMessage("easy")]})


def test_without_langchain_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("langchain.agents")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "langchain", None)
    for name in ("_agent", "_cache_marks", "middleware"):
        monkeypatch.delitem(sys.modules, f"langchain_hybrid.{name}", raising=False)
    monkeypatch.delitem(vars(langchain_hybrid), "HybridRouterMiddleware", raising=False)
    with pytest.raises(MissingExtraError, match=r"hybrid-llm\[agents\]"):
        _ = langchain_hybrid.HybridRouterMiddleware
