"""Tokens are counted here: no vocabulary is downloaded and no server asked."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage, trim_messages
from langchain_core.tools import tool

from hybrid_llm import Router
from hybrid_llm.errors import ConfigError
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel


class Downloading(FakeChatModel):
    """A model that counts as most do: with a vocabulary that it has to fetch."""

    def get_token_ids(self, text: str) -> list[int]:
        raise ConnectionError("the network was used")

    def get_num_tokens(self, text: str) -> int:
        raise ConnectionError("the network was used")

    def get_num_tokens_from_messages(self, messages: Any, tools: Any = None) -> int:
        raise ConnectionError("the network was used")


def hybrid(**settings: Any) -> ChatHybrid:
    large = Downloading(model="large", custom_get_token_ids=settings.pop("of_large", None))
    return ChatHybrid(Downloading(model="small"), large, Router(FixedScorer(0.9)), threshold=0.5, **settings)


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return city


def test_a_count_is_an_estimate_that_needs_no_vocabulary() -> None:
    assert hybrid().get_num_tokens("The capital of Peru is Lima.") == 8
    messages = [HumanMessage("The capital of Peru is Lima.")]
    alone = hybrid().get_num_tokens_from_messages(messages)
    assert 8 <= alone <= 16
    assert hybrid().get_num_tokens_from_messages(messages, [weather]) > alone


def test_a_history_is_trimmed_by_it() -> None:
    history = [HumanMessage("word " * 100), HumanMessage("What is 2 + 2?")]
    assert trim_messages(history, max_tokens=50, token_counter=hybrid()) == history[1:]


@pytest.mark.parametrize("settings", [{"custom_get_token_ids": lambda _: [7]}, {"of_large": lambda _: [7]}])
def test_a_counter_of_the_users_own_counts(settings: dict[str, Any]) -> None:
    own = hybrid(**settings)
    assert (own.get_token_ids("ab"), own.get_num_tokens("four")) == ([7], 1)
    assert own.get_num_tokens_from_messages([HumanMessage("four")]) == 1


def test_token_ids_without_a_vocabulary_are_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"custom_get_token_ids=large\.get_token_ids"):
        hybrid().get_token_ids("ab")


def test_the_models_of_openai_count_without_their_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    openai = pytest.importorskip("langchain_openai")
    monkeypatch.setattr("tiktoken.encoding_for_model", lambda _: pytest.fail("a vocabulary was looked for"))
    arms = [openai.ChatOpenAI(model=name, api_key="none") for name in ("gpt-4o-mini", "gpt-4o")]
    assert ChatHybrid(*arms, Router(FixedScorer(0.9)), threshold=0.5).get_num_tokens("one two") == 2
