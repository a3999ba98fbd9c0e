"""Populations of queries whose quality drop is known exactly at every threshold, for :mod:`promise_simulation`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Outcomes = Callable[[Ints, Floats, Floats], tuple[Floats, Floats]]

DROPS = (0.01, 0.02, 0.03, 0.05, 0.10)
BINS = 1000


@dataclass(frozen=True)
class World:
    """A population of queries; queries are spread evenly over the bins of the score.

    Args:
        name: One word.
        text: What it stands for.
        scores: Shape (bins,), the score of each bin.
        loss: Shape (bins,), mean of l - s in each bin.
        large: Shape (bins,), mean of l.
        outcomes: (bin, two uniform numbers) of each row -> its s and l.
        sizes: Rows of one group, drawn evenly; (1,) means one row a query.
        labels: Whether the rules are told the groups.
        drops: The limits that are tried.
        largest: The largest n that is tried.
    """

    name: str
    text: str
    scores: Floats
    loss: Floats
    large: Floats
    outcomes: Outcomes
    sizes: tuple[int, ...] = (1,)
    labels: bool = True
    drops: tuple[float, ...] = DROPS
    largest: int = 20_000

    def truth(self, thresholds: Floats) -> tuple[Floats, Floats]:
        """Return the population's cost advantage and relative drop at each threshold."""
        order = np.argsort(-self.scores, kind="stable")
        routed = np.searchsorted(-self.scores[order], -thresholds, side="right")
        lost = np.append(0.0, np.cumsum(self.loss[order]))[routed] / self.large.sum()
        return routed / self.scores.size, lost

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Floats, Floats, Floats, Ints | None]:
        """Draw n distinct queries: scores, s, l and the group labels (None without groups)."""
        if self.sizes == (1,):
            bins = rng.integers(self.scores.size, size=n)
            small, large = self.outcomes(bins, rng.random(n), rng.random(n))
            return self.scores[bins], small, large, None
        # the turns of a conversation: nearby scores, the same fate; each turn by itself is like any other query
        size = rng.choice(self.sizes, size=n)
        group = np.repeat(np.arange(n), size)
        start, fate, degree = rng.integers(self.scores.size, size=n), rng.random(n), rng.random(n)
        bins = (start[group] + rng.integers(20, size=group.size)) % self.scores.size
        small, large = self.outcomes(bins, fate[group], degree[group])
        return self.scores[bins], small, large, group


def right_or_wrong(name: str, text: str, loss: Floats, win: Floats, right: Floats, **options: Any) -> World:
    """Make a world with qualities 0 and 1: large alone right, small alone right, both right, else both wrong."""

    def outcomes(bins: Ints, fate: Floats, _: Floats) -> tuple[Floats, Floats]:
        lost, won = fate < loss[bins], (fate >= loss[bins]) & (fate < (loss + win)[bins])
        both = (fate >= (loss + win)[bins]) & (fate < (loss + win + right)[bins])
        return (won | both).astype(float), (lost | both).astype(float)

    scores = options.pop("scores", (np.arange(BINS) + 0.5) / BINS)
    return World(name, text, scores, loss - win, loss + right, outcomes, **options)


def graded(name: str, text: str, loss: Floats, win: Floats) -> World:
    """Make a world of graded qualities: l is even on [0.5, 1]; small is now and then worse or better by a part."""

    def outcomes(bins: Ints, fate: Floats, degree: Floats) -> tuple[Floats, Floats]:
        # fate decides who is better, its position inside that case how good large is
        a, b = loss[bins], win[bins]
        worse, better = fate < a, (fate >= a) & (fate < a + b)
        inside = np.where(worse, fate / a, np.where(better, (fate - a) / b, (fate - a - b) / (1 - a - b)))
        large, part = 0.5 + 0.5 * inside, degree**2
        return np.where(worse, large * (1 - part), np.where(better, large + (1 - large) * part, large)), large

    scores = (np.arange(BINS) + 0.5) / BINS
    return World(name, text, scores, (loss * 0.75 - win * 0.25) / 3, np.full(BINS, 0.75), outcomes)


def worlds() -> list[World]:
    """Return the worlds; x runs from 0 for the highest score to 1 for the lowest."""
    x = 1 - (np.arange(BINS) + 0.5) / BINS
    flat = np.ones(BINS)
    easy = {"loss": 0.03 + 0.37 * x**1.5, "win": 0.015 + 0.077 * x, "right": 0.90 - 0.55 * x}
    hard = {"loss": 0.15 + 0.636 * x, "win": 0.01 * flat, "right": 0.80 - 0.736 * x}
    hump = np.where(x < 0.05, 0.30, 0.02)
    edges = [
        right_or_wrong(
            f"edge {drop:.0%}",
            "one score for all queries, true drop a hair above the limit: any promise is wrong",
            loss=1.001 * drop * flat,
            win=0 * flat,
            right=1 - 1.001 * drop * flat,
            scores=np.full(BINS, 0.5),
            drops=(drop,),
        )
        for drop in DROPS
    ]
    return [
        right_or_wrong("easy", "0/1; large right 80 %, small 68 %", **easy),
        right_or_wrong("hard", "0/1; large right 90 %, small 44 %", **hard),
        graded("graded", "continuous; partial losses, some gains", 0.05 + 0.7 * x**1.5, 0.05 + 0.1 * x),
        right_or_wrong(
            "rare", "rare total losses, no gains", loss=0.002 + 0.12 * x**3, win=0 * flat, right=0.998 - 0.12 * x**3
        ),
        right_or_wrong(
            "ties", "easy, with only ten different scores", scores=np.floor((1 - x) * 10) / 10 + 0.05, **easy
        ),
        right_or_wrong("groups", "easy, 1 to 3 rows a query with one fate", sizes=(1, 2, 3), **easy),
        right_or_wrong(
            "ungrouped",
            "easy, 1 or 8 rows a query, which the rules are not told",
            sizes=(1, 8),
            labels=False,
            largest=1000,
            **easy,
        ),
        right_or_wrong(
            "misled", "the highest 5 % of the scores are wrong", loss=hump, win=0.0 * flat, right=0.95 - hump
        ),
        *edges,
    ]
