"""What a call costs: declared prices first, then where the arm runs, then the list of hosted models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hybrid_llm import Pair
from hybrid_llm.dispatch import Answers, Attempts, Capabilities, Place, Request
from hybrid_llm.dispatch.rates import Rates
from hybrid_llm.errors import ConfigError
from hybrid_llm.event import RequestEvent, Usage
from hybrid_llm.prices import Price
from hybrid_llm.testing import FixedScorer
from tests.dispatch.pairs import DOWN, Way, arms_of, every_way, pair_of
from tests.scenarios import EASY

OPENAI = Place("https://api.openai.com/v1")
MILLION = Usage(1_000_000, 1_000_000)


def cost(rates: Rates, model: str, place: Place | None, usage: Usage | None = MILLION) -> float | None:
    arm = Capabilities(model=model, place=place)
    rates.look_up(arm)
    return rates.cost(arm, usage)


@pytest.mark.parametrize("place", [OPENAI, Place("http://127.0.0.1:11434"), Place(), None])
def test_a_declared_price_goes_before_everything(place: Place | None) -> None:
    assert cost(Rates({"gpt-4o": (1, 2)}), "gpt-4o", place) == 3
    assert cost(Rates({"gpt-4o": Price(1, 2)}), "gpt-4o", place) == 3


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:11434", "http://localhost:8080/v1", "http://[::1]:1", "http://gpu.lan"]
)
def test_a_model_on_a_machine_of_the_users_costs_nothing_whatever_it_says(url: str) -> None:
    rates = Rates(local_hosts=("gpu.lan",))
    assert cost(rates, "qwen3:4b", Place(url)) == 0
    assert cost(rates, "qwen3:4b", Place(url), None) == 0


def test_a_hosted_model_has_the_listed_price_and_cached_tokens_theirs() -> None:
    assert cost(Rates(), "gpt-4o", OPENAI) == pytest.approx(12.5)
    assert cost(Rates(), "gpt-4o", OPENAI, Usage(1_000_000, 0, 1_000_000)) == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("model", "place", "usage"),
    [
        ("gpt-99", OPENAI, MILLION),
        ("gpt-4o", Place("https://llm.example.com"), MILLION),
        ("gpt-4o", None, MILLION),
        ("gpt-4o", OPENAI, None),
        ("gpt-4o", OPENAI, Usage(5)),
    ],
    ids=["unknown model", "unknown host", "nobody knows where", "no tokens told", "only half of them told"],
)
def test_what_is_unknown_stays_unknown(model: str, place: Place | None, usage: Usage | None) -> None:
    assert cost(Rates(), model, place, usage) is None


@pytest.mark.parametrize("prices", [{"gpt-4o": "2.5:10"}, {"gpt-4o": (1,)}, {"gpt-4o": (-1, 2)}, ["gpt-4o"], {"m": 3}])
def test_prices_that_are_none_are_refused_where_the_pair_is_made(prices: Any) -> None:
    with pytest.raises(ConfigError, match=r"prices=|price of"):
        pair_of(prices=prices)


def read(value: Any, before: Usage | None) -> Usage | None:
    return Usage(output_tokens=1).plus(before) if value else before


@every_way
@pytest.mark.filterwarnings("ignore:small is down:hybrid_llm.errors.HybridLLMWarning")
async def test_what_the_answers_say_was_used_stands_on_the_attempts(way: Way) -> None:
    events: list[RequestEvent] = []
    pair = pair_of(answers=Answers(used=read), prices={"gpt-4o": (0, 1e6)}, observers=[events.append])
    await way(pair, Request(EASY), arms_of(small=DOWN))
    small, large = events[0].attempts
    assert (small.output_tokens, small.cost_usd, small.error) == (None, None, "ConnectionRefusedError")
    assert large.output_tokens is not None
    assert large.output_tokens >= 1
    assert (large.input_tokens, large.cost_usd) == (None, None)
    assert "cached_tokens" not in large.as_dict()


def test_a_caller_may_hand_in_where_the_calls_are_noted_and_tell_what_they_used() -> None:
    attempts = Attempts()

    def ask(decision: Any) -> str:
        attempts.tell(Usage(3, 2))
        attempts.tell(Usage(4, 1, 4))
        return "two models answered together"

    arms = {"large": Capabilities(model="gpt-4o", provider="openai")}
    Pair(FixedScorer(0.1), threshold=0.5, prices={"gpt-4o": (1e6, 0)}, **arms).call(Request(EASY), ask, attempts)
    (made,) = attempts.as_dicts()
    del made["seconds"]
    assert made == {
        "route": "large",
        "model": "gpt-4o",
        "input_tokens": 7,
        "output_tokens": 3,
        "cached_tokens": 4,
        "cost_usd": 7.0,
        "kept": True,
        "error": None,
        "provider": "openai",
    }
    json.dumps(made)
