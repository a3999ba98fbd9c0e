"""A pair whose answers have costs and times, a router that knows a little of it, and what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hybrid_llm import QualityTable, Router
from hybrid_llm.report import Evaluation, dial, evaluate_router
from hybrid_llm.table import PairTable
from hybrid_llm.testing import FixedScorer

TASKS = ("sums", "rivers", "proofs")


def make_pair(n: int = 300, seed: int = 0, small: str = "tiny:1b", large: str = "big", **change: Any) -> PairTable:
    """Return rows whose small model is good with the probability that :func:`make_router` scores them with."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "id": f"{seed}-{i}",
            "query": f"Secret question {seed}-{i}{' and more' * (i % 5)}?",
            "task": TASKS[i % 3],
            "split": "test",
            "quality": {small: [float(rng.random() < score_of(i))], large: [float(rng.random() < 0.9)]},
            "seconds": {small: [0.5 + i / n], large: [2.0]},
            "usage": {small: [{"input": 20, "output": 30}], large: [{"input": 22, "output": 60}]},
            "cost_usd": {small: [0.0], large: [0.004]},
        }
        | change
        for i in range(n)
    ]
    return QualityTable.from_rows(rows).pair(small, large)


def score_of(i: int) -> float:
    return 0.3 + 0.65 * (i * 37 % 100) / 100


def make_router(*pairs: PairTable) -> Router:
    return Router(FixedScorer({query: score_of(i) for pair in pairs for i, query in enumerate(pair.queries)}))


@pytest.fixture(scope="session")
def judge() -> Callable[..., Evaluation]:
    """A function that judges a router, calibrated on other rows, on rows at every level of the dial."""

    def judged(pair: PairTable | None = None, *, router: Router | None = None, **options: Any) -> Evaluation:
        pair = make_pair() if pair is None else pair
        if router is None:
            others = make_pair(seed=1, small=pair.small, large=pair.large)
            router = make_router(pair, others).calibrate(others)
        return evaluate_router(router, pair, **({"levels": dial(pair, router.parts), "repetitions": 100} | options))

    return judged


@pytest.fixture(scope="session")
def evaluation(judge) -> Evaluation:
    return judge()
