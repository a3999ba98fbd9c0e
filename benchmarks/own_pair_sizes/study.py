"""Rows drawn out of a pair's table and used as ``hybrid-llm run`` uses graded prompts; the others judge the level."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.pairs import PAIRS, Tables
from hybrid_llm.level import Level
from hybrid_llm.run import confidence_of, with_splits
from hybrid_llm.run.plan import VALIDATION, few
from hybrid_llm.table import PairTable
from hybrid_llm.training import TrainConfig, train

WANTED = ("zeroeval, gemma-2-9b", "mmlu", "mixed, mistral-7b")
SIZES = (100, 300, 1000)
QUALITY = 0.95
POOL = 3000
"""Rows of a pair that are drawn from and judge, at most."""


def run(data: Path, draws: int, encoder: CachedEncoder) -> Iterator[dict[str, Any]]:
    """Yield what comes of each size on each pair whose files are there."""
    tables = Tables(data)
    for spec in (spec for spec in PAIRS if spec.name in WANTED and tables.has(spec.files)):
        pair = tables.of(spec)
        pool = pair.rows(np.random.default_rng(0).permutation(len(pair))[:POOL])
        for size in SIZES:
            drawn = [
                _one(pool, np.random.default_rng(draw + 1).permutation(len(pool)), size, encoder)
                for draw in range(draws)
            ]
            yield {"pair": spec.name, "prompts": size, "draws": drawn}


def _one(pool: PairTable, order: np.ndarray[Any, Any], size: int, encoder: CachedEncoder) -> dict[str, Any]:
    """Train on the first rows of an order, and judge the level on the rest."""
    drawn, rest = with_splits(pool.rows(order[:size])), pool.rows(order[size:])
    router = train(drawn, config=TrainConfig(all_rows=few(drawn)), encoder=encoder)
    certified, threshold = None, None
    if not few(drawn):
        sure = confidence_of(1, 0.95)
        router = router.certify(drawn.split(VALIDATION), max_drop=1 - QUALITY, confidence=sure, menu=False)
        asked = router.certificate.asked
        certified = asked.feasible
        threshold = asked.threshold if certified else None
    if threshold is None:
        threshold = router.calibration.cut(Level("quality", QUALITY)).threshold
    kept = router.score(rest.queries) >= threshold
    lost = float(np.where(kept, rest.mean_large - rest.mean_small, 0.0).mean())
    return {"certified": certified, "to_small": float(kept.mean()), "drop": lost / float(rest.mean_large.mean())}
