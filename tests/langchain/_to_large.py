"""A chat model and a chain whose router sends everything to large, for what overrides the score."""

from __future__ import annotations

from typing import Any

import pytest

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, RunnableHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._pair import pair

HARD = "Prove that there are infinitely many primes."
SECRET = "My card is 4111 1111 1111 1111. What is its bank?"
DOWN = ConnectionRefusedError("refused")


def chat(**options: Any) -> ChatHybrid:
    return pair(FixedScorer(0.1), **{"threshold": 0.5, **options})


def chain(**options: Any) -> RunnableHybrid[Any, Any]:
    arms = (FakeChatModel(model="small"), FakeChatModel(model="large"))
    return RunnableHybrid(*arms, FixedScorer(0.1), **{"threshold": 0.5, **options})


def record(message: Any) -> dict[str, Any]:
    return message.response_metadata["hybrid"]


both = pytest.mark.parametrize("made", [chat, chain])
