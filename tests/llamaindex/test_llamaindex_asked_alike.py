"""A promise of a second look holds where small is asked as it was measured: by its own settings and by a call's."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike

from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid._capabilities import Arm
from llamaindex_hybrid.testing import FakeLLM
from tests.llamaindex._held import small_of
from tests.looks import LookScenario, proved, router_with
from tests.scenarios import EASY

SERVER: dict[str, Any] = {"context_window": 2048}
USER, SYSTEM = ChatMessage(EASY), ChatMessage("Answer like a pirate.", role=MessageRole.SYSTEM)


@pytest.mark.parametrize(
    ("llm", "asked"),
    [
        (lambda: Ollama(model="m", **SERVER), {"temperature": None, "max_tokens": None, "think": None}),
        (
            lambda: Ollama(model="m", temperature=0, additional_kwargs={"num_predict": 8}, thinking=False, **SERVER),
            {"temperature": 0, "max_tokens": 8, "think": False},
        ),
        (
            lambda: OpenAILike(model="m", api_key="x", temperature=0, max_tokens=8, is_chat_model=True),
            {"temperature": 0, "max_tokens": 8},
        ),
        (lambda: FakeLLM(model="m"), {}),
    ],
)
def test_what_a_model_is_made_with_says_how_it_is_asked(llm: Any, asked: dict[str, Any]) -> None:
    assert Arm("small", llm()).capabilities.asked == asked


@pytest.mark.parametrize(
    ("messages", "settings", "says"),
    [
        ([USER], {"temperature": 0.0, "max_tokens": 64}, None),
        ([USER], {"temperature": 0.7}, "temperature is 0.7, and was 0.0"),
        ([SYSTEM, USER], {}, "another system prompt"),
    ],
)
def test_a_call_that_asks_otherwise_is_promised_nothing_and_says_so(
    messages: list[ChatMessage], settings: dict[str, Any], says: str | None
) -> None:
    llm = HybridLLM(
        small_of(LookScenario("")), FakeLLM(model="large"), router_with(proved({})), second_look=True, quality=0.9
    )
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        answer = llm.chat(messages, **settings)
    assert answer.additional_kwargs["hybrid"]["certified"] == (says is None)
    assert [says in str(each.message) for each in given] == ([True] if says else [])
