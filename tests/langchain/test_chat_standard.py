"""LangChain's standard tests of a chat model: all to small, all to large, routed freely, and with answers held back.

The arms are fakes in this process. The standard settings of a model (``temperature`` ...), which the suites pass to
every class, belong to the arms: the pair says so in a warning, which is not what these suites test.
"""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from hybrid_llm import Router
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._pair import EVERYTHING
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
    keeps: bool | None = None
    """What a check says of each answer of small; ``None`` without one."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatHybrid

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "small": self._arm("small", "ollama"),
            "large": self._arm("large", "openai"),
            "router": Router(FixedScorer({"Hello": 0.9}, default=0.4)),
            "threshold": self.threshold,
            "check": None if self.keeps is None else (_keep if self.keeps else _reject),
        }

    def _arm(self, name: str, provider: str) -> FakeChatModel:
        error = FAILURES["bug"] if name in self.broken else None
        return FakeChatModel(model=name, provider=provider, profile=EVERYTHING, error=error)

    @property
    def model_override_value(self) -> str:
        return "another-model"

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True


def _keep(query: str, text: str) -> bool:
    return True


def _reject(query: str, text: str) -> bool:
    return False


class TestUnitSmall(_Pair, ChatModelUnitTests):
    threshold, broken = 0.0, ("large",)


class TestUnitLarge(_Pair, ChatModelUnitTests):
    threshold, broken = 2.0, ("small",)


class TestUnitRouted(_Pair, ChatModelUnitTests):
    pass


class TestIntegrationSmall(_Pair, ChatModelIntegrationTests):
    threshold, broken = 0.0, ("large",)


class TestIntegrationLarge(_Pair, ChatModelIntegrationTests):
    threshold, broken = 2.0, ("small",)


class TestIntegrationRouted(_Pair, ChatModelIntegrationTests):
    pass


class TestUnitKept(_Pair, ChatModelUnitTests):
    threshold, broken, keeps = 0.0, ("large",), True


class TestIntegrationKept(_Pair, ChatModelIntegrationTests):
    threshold, broken, keeps = 0.0, ("large",), True


class TestIntegrationRejected(_Pair, ChatModelIntegrationTests):
    threshold, keeps = 0.0, False
