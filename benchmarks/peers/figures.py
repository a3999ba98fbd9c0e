"""One pair of models, all routers: figures with intervals, and paired differences, from the same resamples."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.judge import APGR, Figures, Judged, apgr_only, compare
from benchmarks.peers.kept import Kept
from benchmarks.peers.menu import ORACLE, OURS, RANDOM, Peer
from benchmarks.peers.routers import Bind, Material
from hybrid_llm import Level
from hybrid_llm.calibration import calibrate
from hybrid_llm.metrics import Curve, oracle_curve, random_curve, tradeoff_curve
from hybrid_llm.table import PairTable

Floats = NDArray[np.float64]

QUALITY: Final = 0.99
"""The level whose threshold is chosen on validation."""
REALISED: Final = ("drop", "share")
"""Quality drop, and cost advantage, that the threshold chosen on validation has on test."""
FIGURES: Final = (APGR, "cpt50", "cpt80", "at 1 %", "at 2 %", *REALISED)


@dataclass(frozen=True, eq=False)
class Built:
    """A router of the comparison for one pair, made when it is first needed.

    Args:
        peer: Which.
        material: What it learns from.
    """

    peer: Peer
    material: Material

    @cached_property
    def draws(self) -> list[Bind]:
        """The router, once for each draw."""
        return [self.peer.build(self.material, draw) for draw in range(self.peer.draws)]

    def stack(self) -> Floats:
        """Score the test rows, and decide them by the threshold of the validation rows.

        Returns:
            Shape (2 r, n): r draws of scores, then r draws of decisions (1 = small).
        """
        validation, test = (self.material.pair.split(name) for name in ("validation", "test"))
        scores, decided = [], []
        for bind in self.draws:
            score = bind(self.material.encoder)
            scores.append(unit(score(test.queries)))
            decided.append(scores[-1] >= _threshold(unit(score(validation.queries)), validation))
        return np.array([*scores, *decided], dtype=np.float64)


def judge(made: Sequence[Built], kept: Kept) -> Judged:
    """Score and decide the test rows of a pair with every router, saying how long each took."""
    stacks = {}
    for one in made:
        start = time.perf_counter()
        stacks[one.peer.name] = kept.get(one.peer, one.material, one.stack)
        print(f"  {one.peer.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    test = made[0].material.pair.split("test")
    return Judged(test.ids, test.mean_small, test.mean_large, stacks)


def unit(scores: Floats) -> Floats:
    """Map scores of any scale into (0, 1), keeping their order, since thresholds lie there."""
    return np.asarray(0.5 + np.arctan(scores) / np.pi, dtype=np.float64)


def _threshold(scores: Floats, rows: PairTable) -> float:
    return calibrate(scores, rows.mean_small, rows.mean_large).cut(Level("quality", QUALITY)).threshold


def figures(stack: Floats, small: Floats, large: Floats, weights: Floats | None = None) -> Figures:
    """Return :data:`FIGURES` of one router, means over its draws.

    Args:
        stack: Shape (2 r, n), see :meth:`Built.stack`.
        small: Shape (n,), quality of the small model.
        large: Shape (n,), quality of the large model.
        weights: Shape (n,), how often each row counts.
    """
    w = np.ones_like(small) if weights is None else weights
    found = []
    for scores, decided in zip(*np.split(stack, 2), strict=True):
        lost = float(w @ (decided * (large - small)) / (w @ large))
        found.append([*of_curve(tradeoff_curve(scores, small, large, w)), lost, float(w @ decided / w.sum())])
    return dict(zip(FIGURES, np.mean(found, axis=0).tolist(), strict=True))


def apgr_alone(stack: Floats, small: Floats, large: Floats, weights: Floats | None = None) -> Figures:
    """Return the APGR of one router, mean over its draws; arguments as :func:`figures`."""
    return apgr_only(np.split(stack, 2)[0], small, large, weights)


def of_curve(curve: Curve) -> list[float]:
    """Return the figures that do not need a threshold chosen beforehand."""
    return [curve.apgr, curve.cpt(0.5), curve.cpt(0.8), curve.cost_advantage_at(0.01), curve.cost_advantage_at(0.02)]


def compared(pairs: Sequence[Judged], repetitions: int, of: Callable[..., Figures] = figures) -> dict[str, Any]:
    """Return the figures of every router and the differences to ours, as :func:`benchmarks.common.judge.compare` does.

    Random (its expectation) and the oracle stand beside them, without intervals.
    """
    names = list(pairs[0].scores)
    ours = [name for name in OURS if name in names]
    found = compare(pairs, [(name, own) for own in ours for name in names if name != own], repetitions, of)
    for bound, curve in ((RANDOM, random_curve), (ORACLE, oracle_curve)):
        means = np.mean([of_curve(curve(pair.small, pair.large)) for pair in pairs], axis=0).tolist()
        values = [*means, *[None] * len(REALISED)]
        found[bound] = {key: {"value": value, "ci": None} for key, value in zip(FIGURES, values, strict=True)}
    return found


def verdicts(found: Mapping[str, Any], own: str, figure: str) -> dict[str, list[str]]:
    """Sort the other routers by the paired difference to one of ours.

    Returns:
        ``"better"``, ``"tied"`` (the interval holds zero) and ``"worse"`` than ours -> names.
    """
    sorted_: dict[str, list[str]] = {"better": [], "tied": [], "worse": []}
    for name in found:
        difference = found.get(f"{name} - {own}")
        if difference is None:
            continue
        low, high = difference[figure]["ci"]
        sign = -1 if figure in ("cpt50", "cpt80", "drop") else 1  # of these less is better
        better, worse = (low > 0, high < 0) if sign > 0 else (high < 0, low > 0)
        sorted_["better" if better else "worse" if worse else "tied"].append(name)
    return sorted_
