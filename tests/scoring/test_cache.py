"""Scores that were given before are remembered, within bounds."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.scoring.cache import ScoreCache


def known(cache, texts):
    return [scored is not None for scored in cache.get(texts)]


def test_the_text_not_asked_for_the_longest_is_forgotten_first():
    cache = ScoreCache(entries=2)
    cache.put([("a", (0.1, False)), ("b", (0.2, True))])
    assert cache.get(["a"]) == [(0.1, False)]
    cache.put([("c", (0.3, False))])
    assert known(cache, ["a", "b", "c"]) == [True, False, True]


def test_characters_are_bounded_too():
    cache = ScoreCache(characters=10)
    cache.put([("abcdef", (0.1, False)), ("ghij", (0.2, False))])
    assert (len(cache), cache.characters) == (2, 10)
    cache.put([("k", (0.3, False))])
    assert known(cache, ["abcdef", "ghij", "k"]) == [False, True, True]
    assert cache.characters == 5


def test_a_long_text_is_held_as_a_hash():
    cache = ScoreCache()
    cache.put([("x" * 1_000_000, (0.5, True)), ("x" * 999_999 + "\ud800", (0.25, True))])
    assert cache.characters == 64
    assert cache.get(["x" * 1_000_000, "x" * 999_999 + "\ud800", "x" * 999_999]) == [(0.5, True), (0.25, True), None]


def test_putting_a_text_again_counts_it_once():
    cache = ScoreCache()
    for score in (0.1, 0.2):
        cache.put([("abc", (score, False))])
    assert (len(cache), cache.characters, cache.get(["abc"])) == (1, 3, [(0.2, False)])


@given(st.lists(st.text(max_size=6)), st.integers(1, 5), st.integers(1, 12))
def test_the_bounds_hold_whatever_comes(texts, entries, characters):
    cache = ScoreCache(entries, characters)
    for text in texts:
        cache.put([(text, (float(len(text)), False))])
        assert len(cache) <= entries
        assert cache.characters <= characters
    assert all(scored in (None, (len(text), False)) for text, scored in zip(texts, cache.get(texts), strict=True))


def test_threads_share_a_cache():
    cache = ScoreCache(entries=50)

    def work(seed):
        for i in range(500):
            text = str((seed * i) % 200)
            scored = cache.get([text])[0]
            assert scored in (None, (float(text), False))
            cache.put([(text, (float(text), False))])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(1, 9)))
    assert len(cache) == 50
    assert cache.characters == sum(len(str(i)) for i in range(200) if cache.get([str(i)])[0])


@pytest.mark.parametrize("texts", [[], ["never seen"]])
def test_what_was_never_scored_is_not_known(texts):
    assert ScoreCache().get(texts) == [None] * len(texts)
