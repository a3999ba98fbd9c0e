"""The second look of HybridLLM on two real language models: what is shown is one model's, whole, as its server said it.

Each request goes through a transport that keeps what was asked and answered, so that the answer can be compared.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

from hybrid_llm import Router
from hybrid_llm.look import LOGPROBS, Bound, Ladder, PathCalibration, SecondLook, logprobs_head
from hybrid_llm.look import Path as LookPath
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM
from tests.live._real import REAL, Hears, base_url, skip_without_real_models
from tests.llamaindex._arms import WAYS, Way
from tests.llamaindex._held import Seen, text_of

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]

QUESTIONS: Final = [
    json.loads(line)["query"]
    for line in (Path(__file__).parent / "plain_questions.jsonl").read_text().splitlines()[:48:8]
]


class Both:
    """A hybrid of both real models, and what their servers heard."""

    def __init__(self, **options: Any) -> None:
        self.hears = {name: Hears() for name in REAL}
        self.seen = Seen()
        small, large = (self._model(name) for name in REAL)
        router = Router(FixedScorer(0.5), looks={"logprobs": look()})
        given = {"second_look": "logprobs", "cost_advantage": 0.5, "observers": [self.seen], **options}
        self.llm = HybridLLM(small, large, router, **given)

    def _model(self, name: str) -> OpenAILike:
        hears = self.hears[name]
        return OpenAILike(
            model=name,
            api_base=base_url(name),
            api_key="none",
            is_chat_model=True,
            is_function_calling_model=True,
            context_window=2048,
            temperature=0,
            max_tokens=24,
            timeout=300,
            max_retries=2,
            http_client=httpx.Client(transport=hears),
            async_http_client=httpx.AsyncClient(transport=hears),
        )


def look() -> SecondLook:
    """Return a look at log-probabilities that keeps an answer whose tokens had a mean probability of .6 and more."""
    import numpy as np

    scores = np.linspace(0.21, 0.99, 99)
    ladder, ones = Ladder.level(scores), np.ones(99)
    measured = PathCalibration.of(ladder, None, scores, ones.astype(bool), ones)
    return SecondLook("logprobs", Bound("real-small"), {(LOGPROBS,): LookPath(logprobs_head(), ladder, measured)})


@pytest.fixture(scope="module", autouse=True)
def _both_run() -> None:
    skip_without_real_models()


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    made = Both()
    yield made
    for hears in made.hears.values():
        await hears.aclose()


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_what_is_shown_is_exactly_what_one_server_said(way: Way, both: Both) -> None:
    reasons = []
    for question in QUESTIONS:
        answers = await way.all_of(both.llm, "chat", [ChatMessage(question)])
        decision, small, large = both.seen.decision, both.hears["real-small"], both.hears["real-large"]
        reasons.append(decision.reason)
        body, _ = small.heard[-1]
        assert body["logprobs"] is True
        assert not body.get("stream")
        assert text_of(answers) == (small if decision.route == "small" else large).text
        assert decision.look is not None
        if decision.reason != "rejected":  # a check came before the look
            told = dict(decision.look.signals)
            assert any(told["lowest_logprob"] == pytest.approx(low, abs=1e-6) for low in small.logprobs)
            assert told["tokens"] <= len(small.logprobs)
        assert all(answer.logprobs is None for answer in answers)
    assert len(both.hears["real-small"].heard) == len(QUESTIONS)
    assert len(both.hears["real-large"].heard) == sum(reason != "kept" for reason in reasons)
    assert "kept" in reasons
    assert set(reasons) & {"escalated", "rejected"}


async def test_a_counter_of_tokens_counts_both_calls_as_the_servers_did(both: Both) -> None:
    counter = TokenCountingHandler(tokenizer=str.split)
    both.llm.callback_manager = CallbackManager([counter])
    for question in QUESTIONS[:3]:
        await both.llm.achat([ChatMessage(question)])
    attempts = [attempt for event in both.seen.events for attempt in event.attempts]
    counted = [hears.counted for hears in both.hears.values()]
    assert counter.total_llm_token_count == sum(read + written for read, written in counted)
    assert sum(attempt.output_tokens or 0 for attempt in attempts) == sum(written for _, written in counted)


async def test_a_call_with_tools_is_asked_without_a_stream_and_answered_once(both: Both) -> None:
    def look_up(city: str) -> str:
        """Look up a city.

        Args:
            city: The city.
        """
        return city

    chunks = [
        chunk
        async for chunk in await both.llm.astream_chat_with_tools(
            [FunctionTool.from_defaults(look_up)], "What is the capital of France called?"
        )
    ]
    decision = both.seen.decision
    assert not both.hears["real-small"].heard[-1][0].get("stream")
    calls = both.llm.get_tool_calls_from_response(chunks[-1], error_on_no_tool_call=False)
    if decision.route == "small" and not calls:
        assert text_of(chunks) == both.hears["real-small"].text
    assert len(both.hears["real-large"].heard) == (decision.route == "large")
