"""The paper's figures of one pair: trained on ``train``, thresholds from ``validation``, judged on ``test``."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.baselines import KNN, PLAIN, Fold, baselines
from benchmarks.common.cache import CachedEncoder
from benchmarks.common.judge import Judged, apgr_only, compare
from benchmarks.common.pairs import PAIRS, PairSpec, Tables
from benchmarks.common.plots import GRID
from hybrid_llm import Level, Router
from hybrid_llm.labels import make_labels
from hybrid_llm.metrics import Curve, bootstrap, evaluate, oracle_curve, random_curve, tradeoff_curve
from hybrid_llm.table import PairTable
from hybrid_llm.training import train

Floats = NDArray[np.float64]

OURS: Final = "ours"
SOLID: Final = 500
"""Below this many judged rows a figure is mostly noise."""
GAP: Final = 0.1
"""Below this difference of both models' quality APGR divides by too little."""
QUALITIES: Final = (0.99, 0.98, 0.95)


def all_pairs(tables: Tables, encoder: CachedEncoder, repetitions: int) -> dict[str, Any]:
    """Train and judge every pair whose files are there, each by itself and the large ones together.

    Returns:
        Plain JSON values: ``each`` pair, and ``pooled``: names of the pairs that say enough (:data:`SOLID` test rows, a
        gap of :data:`GAP`) with the mean APGR over them of every router, and paired differences.
    """
    each, judged = [], {}
    for spec in PAIRS:
        if not tables.has(spec.files):
            continue
        start = time.perf_counter()
        one, rows = figures_of(spec, tables, encoder, repetitions)
        print(f"{spec.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        each.append(one)
        figures = one["figures"]
        if figures["n"] >= SOLID and figures["large_quality"] - figures["small_quality"] >= GAP:
            judged[spec.name] = rows
    pooled = {}
    if judged:
        shared = set.intersection(*(set(rows.scores) for rows in judged.values()))
        some = [replace(rows, scores={k: v for k, v in rows.scores.items() if k in shared}) for rows in judged.values()]
        differences = [(OURS, name) for name in some[0].scores if name != OURS]
        pooled = {"pairs": list(judged), "compared": compare(some, differences, repetitions, apgr_only)}
    return {"each": each, "pooled": pooled}


def figures_of(
    spec: PairSpec, tables: Tables, encoder: CachedEncoder, repetitions: int
) -> tuple[dict[str, Any], Judged]:
    """Train and judge one pair; return plain JSON values, and the scores of all routers on the test rows."""
    pair = tables.of(spec)
    rows, judged = pair.split("train"), pair.split("test")
    router = train(pair, encoder=encoder)  # type: ignore[arg-type]
    assert router.record is not None
    scores = router.score(judged.queries)
    embeddings = [encoder.encode(some.queries).embeddings for some in (rows, judged)]
    plain = train(pair, config=PLAIN, encoder=encoder)  # type: ignore[arg-type]
    others = baselines(Fold(rows, judged, *embeddings), scores, plain.score(judged.queries))
    everyone = {OURS: scores, **others}
    columns = {name: value[None, :] for name, value in everyone.items()}
    rows_judged = Judged(judged.ids, judged.mean_small, judged.mean_large, columns)
    result = {
        "name": spec.name,
        "small": spec.small,
        "large": spec.large,
        "files": list(spec.files),
        "main": spec.main,
        "rows": {name: pair.row_splits.count(name) for name in ("train", "validation", "test")},
        "labels_coincide": _coincide(rows),
        "chosen": router.record.settings["chosen"],
        "figures": evaluate(scores, judged.mean_small, judged.mean_large, repetitions=repetitions),
        "levels": levels(router, scores, judged, repetitions),
        "compared": compare([rows_judged], [(OURS, name) for name in others], repetitions, apgr_only),
        "curves": curves({name: everyone[name] for name in (OURS, KNN)}, judged) if spec.main else {},
    }
    return result, rows_judged


def levels(router: Router, scores: Floats, judged: PairTable, repetitions: int) -> dict[str, Any]:
    """Return what the thresholds chosen on ``validation`` do to the judged rows, with intervals."""
    calibration = router.calibration
    if calibration is None:
        return {}
    found = {}
    for quality in QUALITIES:
        cut = calibration.cut(Level("quality", quality))
        to_small = (scores >= cut.threshold).astype(np.float64)
        columns = (to_small, judged.mean_small, judged.mean_large)
        order = np.lexsort((*columns, np.array(judged.ids)))
        figures = _AtThreshold(*(column[order] for column in columns))
        found[f"{quality:g}"] = {
            "threshold": cut.threshold,
            "promised": 1 - quality,
            "on_validation": {"drop": cut.drop, "cost_advantage": cut.cost_advantage},
            **figures(np.ones(len(judged))),
            "ci": bootstrap(figures, len(judged), repetitions),
        }
    return found


class _AtThreshold:
    """Cost advantage and drop of fixed decisions, for any weights of the rows."""

    def __init__(self, to_small: Floats, small: Floats, large: Floats) -> None:
        self._to_small, self._lost, self._large = to_small, to_small * (large - small), large

    def __call__(self, weights: Floats) -> dict[str, float]:
        return {
            "cost_advantage": float(weights @ self._to_small / weights.sum()),
            "drop": float(weights @ self._lost / (weights @ self._large)),
        }


def curves(everyone: dict[str, Floats], judged: PairTable) -> dict[str, list[float]]:
    """Return the quality of every router's mix, of random and of the oracle, on a grid of cost advantages."""
    small, large = judged.mean_small, judged.mean_large
    drawn: dict[str, Curve] = {name: tradeoff_curve(scores, small, large) for name, scores in everyone.items()}
    drawn |= {"random": random_curve(small, large), "oracle": oracle_curve(small, large)}
    return {name: np.interp(GRID, curve.cost_advantage, curve.quality).tolist() for name, curve in drawn.items()}


def _coincide(rows: PairTable) -> bool:
    """Return whether det, prob and trans labels are the same on these rows."""
    made = [make_labels(kind, rows.q_small, rows.q_large)[0] for kind in ("det", "prob", "trans")]
    return all(np.array_equal(made[0], labels) for labels in made[1:])
