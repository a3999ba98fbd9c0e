"""What a user may get wrong with HybridLLM, and what is said then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.query_engine import CustomQueryEngine, RouterQueryEngine
from llama_index.core.tools import QueryEngineTool
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike

from hybrid_llm import HybridLLMWarning
from hybrid_llm.errors import LevelError, RouterFolderError
from hybrid_llm.testing import FailingScorer, FixedScorer
from llamaindex_hybrid import HybridLLM, HybridSelector
from tests.llamaindex._arms import WAYS, Way, arms, hybrid
from tests.scenarios import StatusError


@pytest.mark.parametrize("arm", ["small", "large"])
def test_an_arm_that_is_no_llm_is_named(arm: str) -> None:
    for wrong, message in (
        ("qwen3:4b", r"is a name; pass the LLM itself, such as Ollama\(model='qwen3:4b'\)"),
        (None, "takes"),
    ):
        pair: dict[str, Any] = dict(zip(("small", "large"), arms(), strict=True)) | {arm: wrong}
        with pytest.raises(TypeError, match=f"{arm}=.*{message}"):
            HybridLLM(**pair, router=FixedScorer(0.5), threshold=0.5)


def test_a_router_that_is_none_is_an_error(tmp_path: Path) -> None:
    nothing: Any = object()
    with pytest.raises(TypeError, match="router= takes"):
        HybridLLM(*arms(), nothing)
    with pytest.raises(RouterFolderError):
        HybridLLM(*arms(), tmp_path)


@pytest.mark.parametrize(
    "options",
    [{"quality": 2.0}, {"quality": 0.9, "threshold": 0.5}, {"quality": 0.9}, {"threshold": 0.5, "allowed": [0.1]}],
)
def test_a_level_that_makes_no_sense_is_an_error_at_construction(options: Any) -> None:
    with pytest.raises(LevelError):
        HybridLLM(*arms(), FixedScorer(0.5), **options)


@pytest.mark.parametrize("options", [{"context_policy": "max"}, {"background": "medium"}])
def test_an_unknown_word_is_an_error_that_names_the_known_ones(options: Any) -> None:
    with pytest.raises(ValueError, match=r"is one of '(min|large)'.*not '(max|medium)'"):
        hybrid(**options)


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_a_broken_scorer_costs_money_not_answers(way: Way) -> None:
    llm = HybridLLM(*arms(), FailingScorer(), threshold=0.0)
    with pytest.warns(HybridLLMWarning, match="scorer failed") as caught:
        response = await way.ask(llm, "chat", [ChatMessage("easy")])
    assert response.additional_kwargs["hybrid"]["reason"] == "scorer_error"
    assert response.message.content == "from large"
    assert {Path(warning.filename).name for warning in caught} <= {"_arms.py", "test_llm_wrong_input.py"}


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_messages_without_a_text_go_to_large(way: Way) -> None:
    for talk in ([], [ChatMessage("Be brief.", role="system")], [ChatMessage(None)]):
        response = await way.ask(hybrid(), "chat", talk)
        assert response.additional_kwargs["hybrid"]["reason"] == "no_text"


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_a_wrong_parameter_is_the_models_own_error(way: Way) -> None:
    small, large = arms(error=StatusError(400))
    llm = hybrid(small, large)
    for _ in range(4):
        with pytest.raises(StatusError, match="400"):
            await way.ask(llm, "chat", [ChatMessage("easy")], temperature=7)
    assert large.asked == []


@pytest.mark.allow_hosts(["127.0.0.1"])
async def test_ollama_may_be_down_from_the_start() -> None:
    nowhere = "http://127.0.0.1:1"
    llm = hybrid(Ollama(model="qwen3:4b", base_url=nowhere))
    assert (llm.metadata.context_window, llm.metadata.is_function_calling_model) == (3900, True)
    assert "qwen3:4b" in llm.metadata.model_name
    for reason in ("fallback", "fallback", "fallback", "cooldown"):
        response = llm.chat([ChatMessage("easy")])
        assert (response.message.content, response.additional_kwargs["hybrid"]["reason"]) == ("from large", reason)


def test_openai_like_says_of_itself_what_it_was_told() -> None:
    llm = hybrid(None, OpenAILike(model="big", api_key="none", context_window=1000))
    assert not llm.metadata.is_chat_model
    assert llm.metadata.context_window == 1000


class Says(CustomQueryEngine):
    """A query engine."""

    def custom_query(self, query_str: str) -> str:
        return query_str


def test_a_router_query_engine_wants_an_llm_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    tools = [QueryEngineTool.from_defaults(Says(), name=name, description=name) for name in ("small", "large")]
    selector = HybridSelector(FixedScorer(0.5), threshold=0.5)
    with pytest.raises(ValueError, match="Could not load OpenAI model"):
        RouterQueryEngine(selector, tools)
    RouterQueryEngine(selector, tools, llm=hybrid())
