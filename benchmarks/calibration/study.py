"""Draws of a user's rows, judged: what each way to use them does to rows that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration.ways import Own, Scored, Way, apgr
from hybrid_llm.metrics import SLACK, bootstrap
from hybrid_llm.training.head.regression import Rows

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Figures = dict[str, float]

LEVELS: Final = (0.98, 0.95)


@dataclass(frozen=True, eq=False)
class Drawn:
    """All draws of one way, size and pair.

    Args:
        scores: Shape (r, m), scores of the test rows; one row when every draw has the same.
        small: Level -> shape (r, m), which test rows go to small.
    """

    scores: Floats
    small: Mapping[float, Bools]

    def figures(self, test: Rows, weights: Floats | None = None, of_draws: Floats | None = None) -> Figures:
        """Return APGR, and what each level did, as means over the draws.

        Args:
            test: The m rows that judge.
            weights: Shape (m,), weights of these rows; equal ones when not given.
            of_draws: Shape (r,), weights of the draws; equal ones when not given.
        """
        w = np.ones(len(test.gaps)) if weights is None else weights
        draws = np.ones(len(self.small[LEVELS[0]])) if of_draws is None or not of_draws.any() else of_draws
        some = np.flatnonzero(draws) if len(self.scores) > 1 else np.zeros(1, dtype=int)
        areas = [apgr(self.scores[number], test, weights) for number in some]
        found = {"apgr": float(np.average(areas, weights=draws[some] if len(self.scores) > 1 else None))}
        for level, small in self.small.items():
            found[f"cost advantage at {level:g}"] = float(np.average(small @ w, weights=draws) / w.sum())
            found[f"drop at {level:g}"] = float(np.average(_drops(small, test, w), weights=draws))
        return found

    def broken(self, test: Rows) -> Figures:
        """Return for each level the share of the draws whose drop is beyond it."""
        ones = np.ones(len(test.gaps))
        return {
            f"{level:g}": float(np.mean(_drops(small, test, ones) > 1 - level + SLACK))
            for level, small in self.small.items()
        }


def _drops(small: Bools, test: Rows, weights: Floats) -> Floats:
    drops: Floats = -(small @ (weights * test.gaps)) / float(weights @ test.q_large)
    return drops


def draw(pool: Own, test: Own, size: int, draws: int, ways: Mapping[str, Way]) -> dict[str, Drawn]:
    """Draw rows of the pool again and again, and judge every way on the test rows."""
    found: dict[str, list[Scored]] = {name: [] for name in ways}
    for number in range(draws):
        rows = pool.at(np.random.default_rng([size, number]).permutation(len(pool))[:size])
        for name, way in ways.items():
            found[name].append(way(rows, test))
    result = {}
    for name, each in found.items():
        scores = np.array([one.test for one in each])
        small = {level: np.array([one.small(level) for one in each]) for level in LEVELS}
        result[name] = Drawn(scores[:1] if (scores == scores[0]).all() else scores, small)
    return result


def summarise(
    pairs: Mapping[str, tuple[Own, Mapping[str, Drawn]]],
    differences: Sequence[tuple[str, str]],
    repetitions: int,
) -> dict[str, Any]:
    """Return the figures of every way on every pair and as means over the pairs, with paired differences.

    Args:
        pairs: Name -> the rows that judge, and what each way made of them.
        differences: (a, b): the figures of a minus those of b, under the name ``"a - b"``.
        repetitions: Bootstrap resamples, of the rows and of the draws; pairs that share rows share the resample.

    Returns:
        ``mean`` {way or difference: {figure: {"value": ..., "ci": [low, high]}}}, the same for ``each`` pair, and
        ``broken`` {way: {level: share of the draws}}.
    """
    union = {i: number for number, i in enumerate(sorted(set().union(*(judged.ids for judged, _ in pairs.values()))))}
    draws = max(len(drawn.small[LEVELS[0]]) for _, of_ways in pairs.values() for drawn in of_ways.values())
    of_draws = len(union) + np.arange(draws)
    places = {name: (np.array([union[i] for i in judged.ids]), of_draws) for name, (judged, _) in pairs.items()}
    ways = list(next(iter(pairs.values()))[1])

    def statistic(weights: Floats | None) -> dict[str, dict[str, Figures]]:
        each = {
            name: {
                way: drawn.figures(judged.rows, *(weights if weights is None else weights[at] for at in places[name]))
                for way, drawn in of_ways.items()
            }
            for name, (judged, of_ways) in pairs.items()
        }
        mean = {way: _mean([of_ways[way] for of_ways in each.values()]) for way in ways}
        for a, b in differences:
            mean[f"{a} - {b}"] = {key: mean[a][key] - mean[b][key] for key in mean[a]}
        return {"mean": mean, **{f"each {name}": of_ways for name, of_ways in each.items()}}

    values, intervals = statistic(None), bootstrap(statistic, len(union) + draws, repetitions)
    found = {
        part: {
            way: {key: {"value": value, "ci": intervals[part][way][key]} for key, value in figures.items()}
            for way, figures in of_ways.items()
        }
        for part, of_ways in values.items()
    }
    return {
        "mean": found["mean"],
        "each": {name: found[f"each {name}"] for name in pairs},
        "broken": {
            way: _mean([of_ways[way].broken(judged.rows) for judged, of_ways in pairs.values()]) for way in ways
        },
    }


def _mean(rows: Sequence[Figures]) -> Figures:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
