"""LangChain's standard tests of a chat model: all to small, all to large, routed freely, and with a second look.

The arms are fakes in this process. The standard settings of a model (``temperature`` ...), which the suites pass to
every class, belong to the arms: the pair says so in a warning, which is not what these suites test.
"""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from hybrid_llm import Router
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._held import message_of
from tests.langchain._pair import EVERYTHING
from tests.looks import LEVEL, SURE, UNSURE, Said, router_with, untrained
from tests.scenarios import FAILURES

pytestmark = [
    pytest.mark.filterwarnings("ignore:.* is for a model to know:hybrid_llm.errors.HybridLLMWarning"),
    pytest.mark.filterwarnings("ignore:.*is in beta:langchain_core._api.beta_decorator.LangChainBetaWarning"),
]


class _Pair:
    """What both suites are told of the model."""

    threshold = 0.5
    broken: tuple[str, ...] = ()
    """The arms that must not be called: they fail when they are."""
    sure: float | None = None
    """How sure small is of each of its tokens, with a second look; ``None`` without one."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatHybrid

    @property
    def chat_model_params(self) -> dict[str, Any]:
        arms = {"small": self._arm("small", "ollama", sure=self.sure), "large": self._arm("large", "openai")}
        if self.sure is not None:
            return {**arms, "router": router_with(untrained()), "second_look": "logprobs", **LEVEL}
        return {**arms, "router": Router(FixedScorer({"Hello": 0.9}, default=0.4)), "threshold": self.threshold}

    def _arm(self, name: str, provider: str, **more: Any) -> FakeChatModel:
        error = FAILURES["bug"] if name in self.broken else None
        return SureChatModel(model=name, provider=provider, profile=EVERYTHING, error=error, **more)

    @property
    def model_override_value(self) -> str:
        return "another-model"

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True


class SureChatModel(FakeChatModel):
    """A fake that says how sure it was of each word, as a server of OpenAI's API does."""

    sure: float | None = None

    def _answer(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> AIMessage:
        answer = super()._answer(messages, stop, kwargs)
        if self.sure is None or answer.tool_calls:
            return answer
        metadata = {**message_of(Said(str(answer.text), self.sure)).response_metadata, **answer.response_metadata}
        return answer.model_copy(update={"response_metadata": metadata})


class TestUnitRouted(_Pair, ChatModelUnitTests):
    pass


class TestIntegrationSmall(_Pair, ChatModelIntegrationTests):
    threshold, broken = 0.0, ("large",)


class TestIntegrationLarge(_Pair, ChatModelIntegrationTests):
    threshold, broken = 2.0, ("small",)


class TestIntegrationRouted(_Pair, ChatModelIntegrationTests):
    pass


class TestUnitLookedAt(_Pair, ChatModelUnitTests):
    sure = SURE


class TestIntegrationKept(_Pair, ChatModelIntegrationTests):
    sure, broken = SURE, ("large",)

    def test_small_answers(self, model: BaseChatModel) -> None:
        assert model.invoke("Hello").response_metadata["hybrid"]["reason"] == "kept"


class TestIntegrationEscalated(_Pair, ChatModelIntegrationTests):
    sure = UNSURE

    def test_large_answers(self, model: BaseChatModel) -> None:
        assert model.invoke("Hello").response_metadata["hybrid"]["reason"] == "escalated"
