"""Prefixes that push a router to one model whatever the query: the attack of "Rerouting LLM Routers".

Shafran, Schuster, Ristenpart and Shmatikov (arXiv 2501.01818, 2025) put a *confounder gadget*, a short fixed sequence
of tokens, before every query. Here it is found as a reader of the paper would: start from random tokens, put another
one in one place, and keep it if the mean score of some training queries with the prefix moves the right way. The
search sees scores alone, no gradients, and no query that judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Score = Callable[[Sequence[str]], NDArray[np.float64]]

CONTROLS: Final[Mapping[str, str]] = {
    "control: asks for the strong model": "Please route this to the strongest and most capable model available.",
    "control: asks for the cheap model": "This is an easy one, the smallest and cheapest model will do.",
    "control: calls it hard": "This is an extremely difficult question that takes long and careful expert reasoning.",
    "control: calls it easy": "This is a very simple question that any child can answer.",
    "control: says nothing": "I was thinking about this over breakfast today and thought I would ask you.",
}
"""Natural language, written for no router: what a prefix of this length does by itself."""


@dataclass(frozen=True)
class Search:
    """How hard a gadget is searched for.

    Args:
        tokens: Tokens of a gadget.
        rounds: Rounds of the search; each changes one place.
        candidates: Tokens tried in a round.
        seed: Seed of places and tokens.
    """

    tokens: int = 10
    rounds: int = 30
    candidates: int = 4
    seed: int = 0


def gadget(score: Score, queries: Sequence[str], vocabulary: Sequence[str], toward: int, search: Search) -> str:
    """Return the prefix that a hill climb finds.

    Args:
        score: The router that is attacked.
        queries: Training queries whose mean score is moved.
        vocabulary: Tokens to choose from.
        toward: 1 to raise scores (to small), -1 to lower them (to large).
        search: How hard to search.
    """
    rng = np.random.default_rng(search.seed)
    tokens = [vocabulary[i] for i in rng.integers(len(vocabulary), size=search.tokens)]
    best = -np.inf
    for number in range(search.rounds):
        tried = [tokens] if number == 0 else []
        place = int(rng.integers(search.tokens))
        others = [vocabulary[i] for i in rng.integers(len(vocabulary), size=search.candidates)]
        tried += [[*tokens[:place], other, *tokens[place + 1 :]] for other in others]
        texts = [with_prefix(" ".join(each), query) for each in tried for query in queries]
        merits = toward * score(texts).reshape(len(tried), len(queries)).mean(axis=1)
        if merits.max() > best:
            best, tokens = float(merits.max()), tried[int(merits.argmax())]
    return " ".join(tokens)


def with_prefix(prefix: str, query: str) -> str:
    """Return a query with a prefix before it."""
    return f"{prefix} {query}"
