"""Prices: what the user declares goes first, what is local is free, the rest is looked up offline or asked for."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import ConfigError, MissingExtraError
from hybrid_llm.prices import FREE, Price, Prices


def test_a_declared_price_goes_before_everything_else() -> None:
    prices = Prices.read(["gpt-4o=1:2"])
    assert prices.of("gpt-4o") == Price(1, 2)
    assert prices.of("gpt-4o", local=True) == Price(1, 2)


def test_a_local_model_without_a_price_costs_nothing() -> None:
    assert Prices().of("qwen3:4b", "http://127.0.0.1:11434", local=True) == FREE


def test_a_hosted_model_has_the_listed_price_without_a_network() -> None:
    assert Prices().of("gpt-4o") == Price(2.5, 10.0, cached=1.25)


@pytest.mark.parametrize(
    ("name", "url"), [("gpt-99", "https://api.openai.com/v1"), ("gpt-4o", "https://llm.example.com/v1")]
)
def test_an_unknown_price_names_the_option(name: str, url: str) -> None:
    with pytest.raises(ConfigError, match=f"--price {name}=IN:OUT"):
        Prices().of(name, url)


def test_without_the_list_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(MissingExtraError, match=r"hybrid-llm\[collect\]"):
        Prices().of("gpt-4o")


@pytest.mark.parametrize(
    "text", ["gpt-4o", "gpt-4o=1", "=1:2", "gpt-4o=1:", "gpt-4o=a:b", "m=-1:2", "m=nan:1", "m=1:inf"]
)
def test_a_price_that_is_none_says_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError, match=r"IN:OUT|makes no sense"):
        Prices.read([text])


names = st.text(st.characters(codec="ascii", exclude_characters="=", categories=("L", "N", "P")), min_size=1)
dollars = st.floats(0, 1000)


@given(names, dollars, dollars)
def test_what_is_declared_is_what_is_charged(name: str, read: float, written: float) -> None:
    price = Prices.read([f"{name}={read}:{written}"]).of(name)
    assert price.of(1_000_000, 0) == pytest.approx(read)
    assert price.of(0, 1_000_000) == pytest.approx(written)
