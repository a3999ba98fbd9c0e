"""A certified router whose LLMs are asked otherwise than it was certified: no promise, and the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.prompts import PromptTemplate

from hybrid_llm import Router
from hybrid_llm.event import RequestEvent
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid.testing import FakeLLM
from tests.dispatch.test_weights import MENU, RECORD

QUESTION, TEMPLATE = "What is the capital of France?", PromptTemplate("{query_str}")
ASKED = {"asked with": json.dumps({"system": None, "temperature": 0.0, "max_tokens": 100})}


@pytest.mark.parametrize(
    ("prompt", "settings", "why"),
    [
        ("", {}, ""),
        ("Be long.", {}, "another system prompt is sent"),
        ("", {"temperature": 0.7}, "temperature is 0.7, and was 0.0"),
    ],
)
@pytest.mark.filterwarnings("ignore:The router was certified with answers to other settings")
def test_a_chat_is_promised_what_was_certified_and_nothing_else(
    prompt: str, settings: dict[str, Any], why: str
) -> None:
    router = Router(FixedScorer(0.9), certificate=MENU, record=replace(RECORD, fingerprint=ASKED))
    llm = HybridLLM(FakeLLM(), FakeLLM(), router, quality=0.9)
    messages = [ChatMessage(prompt, role=MessageRole.SYSTEM)] if prompt else []
    answer = llm.chat([*messages, ChatMessage("What is the capital of France?")], **settings)
    decision = answer.message.additional_kwargs["hybrid"]
    assert (decision["route"], decision["certified"]) == ("small", not why)
    assert why in decision["void_reason"]
    assert bool(decision["void_reason"]) is bool(why)


@pytest.mark.parametrize(
    ("certified_with", "own", "ask", "promised"),
    [
        (None, None, lambda llm: llm.predict(TEMPLATE, query_str=QUESTION), True),
        (None, "Be long.", lambda llm: llm.predict(TEMPLATE, query_str=QUESTION), False),
        ("Be long.", "Be long.", lambda llm: llm.predict(TEMPLATE, query_str=QUESTION), True),
        (None, "Be long.", lambda llm: llm.chat([ChatMessage(QUESTION)]), True),
        (None, None, lambda llm: llm.chat([ChatMessage("Be long.", role="developer"), ChatMessage(QUESTION)]), False),
        ("Be long.", None, lambda llm: llm.complete(QUESTION), False),
        (None, None, lambda llm: llm.complete(QUESTION, model="fake"), True),
        (None, None, lambda llm: llm.complete(QUESTION, model="other"), False),
    ],
)
@pytest.mark.filterwarnings("ignore:The router was certified with answers to other settings")
def test_a_system_prompt_counts_wherever_it_comes_from_and_so_does_another_model(
    certified_with: str | None, own: str | None, ask: Any, promised: bool
) -> None:
    noted = {"asked with": json.dumps({"system": certified_with})}
    router = Router(FixedScorer(0.9), certificate=MENU, record=replace(RECORD, fingerprint=noted))
    seen: list[RequestEvent] = []
    ask(HybridLLM(FakeLLM(system_prompt=own), FakeLLM(), router, quality=0.9, observers=[seen.append]))
    assert seen[-1].decision.certified is promised
