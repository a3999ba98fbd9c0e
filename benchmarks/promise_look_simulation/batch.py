"""Many draws of calibration rows at once, for :mod:`promise_look_simulation`: the same test as ``certify``, in bulk.

``tests/benchmarks/test_promise_look.py`` holds it against :func:`hybrid_llm.router.looking.prove_look`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.certify.betting import bets, mixed

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Batch:
    """r draws of n queries with m answers each.

    Args:
        rung: Shape (r, n, m), the first rung that keeps each answer; ``rungs`` where none does.
        loss: Shape (r, n, m), quality of large minus that of the answer.
        large: Shape (r, n), quality of large.
        there: Shape (r, n, m), which answers enter the proof; a query without any is left out.
        rungs: How many rungs there are.
    """

    rung: Ints
    loss: Floats
    large: Floats
    there: Bools
    rungs: int

    @cached_property
    def _size(self) -> Ints:
        return self.there.sum(axis=-1)

    @cached_property
    def n(self) -> Ints:
        """Shape (r,): distinct queries of each draw."""
        return (self._size > 0).sum(axis=-1)

    @cached_property
    def _kept(self) -> tuple[Ints, Ints, Floats, Floats, Floats]:
        """Of each answer that some rung keeps: its draw and rung together, its draw, share, loss before and after."""
        rung = np.where(self.there, self.rung, self.rungs)
        order = np.argsort(rung, axis=-1, kind="stable")
        rung = np.take_along_axis(rung, order, axis=-1)
        share = np.broadcast_to(1.0 / np.maximum(self._size, 1)[..., None], rung.shape)
        after = np.cumsum(
            np.where(rung < self.rungs, np.take_along_axis(self.loss, order, axis=-1) * share, 0), axis=-1
        )
        before = np.concatenate([np.zeros_like(after[..., :1]), after[..., :-1]], axis=-1)
        place = np.nonzero(rung < self.rungs)
        return place[0] * self.rungs + rung[place], place, share[place], before[place], after[place]

    def _along(self, amount: Floats) -> Floats:
        """Return what adds up at each rung, shape (r, rungs), of amounts of the kept answers."""
        repeats = len(self.rung)
        return np.bincount(self._kept[0], amount, repeats * self.rungs).reshape(repeats, self.rungs).cumsum(axis=1)

    @cached_property
    def kept(self) -> Floats:
        """Shape (r, rungs): share of the queries whose answer each rung keeps."""
        return self._along(self._kept[2]) / self.n[:, None]

    @cached_property
    def _large_sum(self) -> Floats:
        return np.where(self._size > 0, self.large, 0.0).sum(axis=1)

    @cached_property
    def drop(self) -> Floats:
        """Shape (r, rungs): measured relative drop."""
        *_, before, after = self._kept
        return self._along(after - before) / self._large_sum[:, None]

    @cached_property
    def worth(self) -> Bools:
        """Shape (r,): whether small is worse than large; routing needs no promise otherwise."""
        mean = np.where(self.there, self.loss, 0).sum(axis=-1) / np.maximum(self._size, 1)
        return mean.sum(axis=1) > 1e-12

    def log_wealth(self, max_drop: float, stop: int) -> Floats:
        """Return the log wealth at the first rungs, shape (r, stop); see :mod:`hybrid_llm.certify.betting`."""
        flat, place, _, before, after = self._kept
        repeats, early = len(self.rung), flat % self.rungs < stop
        stakes = np.array([bets(int(n)) for n in self.n])
        allowed = max_drop * np.where(self._size > 0, self.large, 0.0)
        mine, query = place[0][early], place[1][early]
        flat, here = flat[early], allowed[mine, query]
        worst, best = after[early] - here, before[early] - here
        wealth = np.empty((repeats, stop, stakes.shape[1]))
        for j, stake in enumerate(stakes.T):
            bet = stake[mine]
            steps = np.log((1 - bet * worst) / (1 - bet * best))
            earned = np.bincount(flat, steps, repeats * self.rungs).reshape(repeats, self.rungs)[:, :stop]
            wealth[..., j] = np.log1p(stake[:, None] * allowed).sum(axis=1)[:, None] + earned.cumsum(axis=1)
        return mixed(wealth)

    def proved(self, max_drop: float, confidence: float, likely: int | None = None) -> Ints:
        """Return the rung that each draw certifies, shape (r,); -1 for always large.

        Args:
            max_drop: The limit.
            confidence: Of one promise alone.
            likely: Rungs beyond are tested only when a walk gets there.
        """
        for stop in (likely or self.rungs, self.rungs):
            passed = self.log_wealth(max_drop, stop) >= -math.log(1 - confidence)
            if not passed.all(axis=1).any():
                break
        last = np.argmin(np.pad(passed, ((0, 0), (0, 1))), axis=1) - 1
        reached = np.take_along_axis(self.kept, np.maximum(last, 0)[:, None], axis=1)[:, 0] > 0
        return np.where(self.worth & reached, last, -1)

    def empirical(self, max_drop: float) -> Ints:
        """Return the lowest rung whose measured drop is within the limit, shape (r,); -1 for none."""
        within = (self.drop <= max_drop) & (self.kept > 0)
        return np.where(within.any(axis=1), self.rungs - 1 - np.argmax(within[:, ::-1], axis=1), -1)
