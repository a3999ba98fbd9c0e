"""HybridSelector: private queries and rules."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.schema import QueryBundle

from hybrid_llm import private
from hybrid_llm.errors import ConfigError
from hybrid_llm.personal import holds_personal_data
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridQueryBundle, HybridSelector

HARD = "Prove that there are infinitely many primes."
SECRET = "My card is 4111 1111 1111 1111."
CHOICES = ["the small engine", "the large engine"]
sync_and_async = pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])


async def select(selector: HybridSelector, query: Any, *, sync: bool) -> Any:
    result = selector.select(CHOICES, query) if sync else await selector.aselect(CHOICES, query)
    return result.selections[0]


def selector_of(**options: Any) -> HybridSelector:
    return HybridSelector(FixedScorer(0.1), threshold=0.5, **options)


@sync_and_async
async def test_a_private_query_goes_to_the_small_engine(sync: bool) -> None:
    assert (await select(selector_of(private=True), HARD, sync=sync)).decision["reason"] == "private"
    judging = selector_of(private=holds_personal_data)
    assert (await select(judging, SECRET, sync=sync)).reason == "private -> small"
    assert (await select(judging, HARD, sync=sync)).index == 1
    assert (await select(selector_of(), HybridQueryBundle(HARD, private=True), sync=sync)).index == 0
    embedded = QueryBundle(HARD, custom_embedding_strs=[SECRET])
    assert (await select(judging, embedded, sync=sync)).decision["private"]
    with private():
        assert (await select(selector_of(), QueryBundle(HARD), sync=sync)).index == 0


@sync_and_async
async def test_a_rule_comes_before_the_score_and_after_privacy(sync: bool) -> None:
    selector = selector_of(rules=[("primes", "small"), ("card", "large")], private=holds_personal_data)
    assert (await select(selector, HARD, sync=sync)).reason == "a rule -> small"
    assert (await select(selector, SECRET, sync=sync)).decision["private"]


def test_what_makes_no_sense_is_an_error_at_once() -> None:
    for options in ({"rules": ["x"]}, {"private": "yes"}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            selector_of(**options)
    with pytest.raises(ConfigError, match="private"):
        HybridQueryBundle(HARD, private="yes")  # type: ignore[arg-type]
