"""The three labels on simulated tables: 10 x 10 sampled responses and a truth that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.judge import APGR, SHARES
from benchmarks.paper_figures.labels import DIFFERENCES, LABELS, TARGETS, LabelEffort, fit_and_score
from benchmarks.paper_figures.simulate import LARGE, SMALL, Gap, simulate_table
from hybrid_llm.metrics import random_curve, tradeoff_curve
from hybrid_llm.table import PairTable, QualityTable

Floats = NDArray[np.float64]

GAPS: Final[tuple[Gap, ...]] = ("small", "medium", "large")
TRUTH: Final = "rank correlation with the truth"
GRID: Final = np.linspace(0.0, 1.0, 101)


def simulated(encoder: CachedEncoder, effort: LabelEffort) -> list[dict[str, Any]]:
    """Compare the labels on simulated tables, several seeds a gap; return plain JSON values."""
    return [result for gap in GAPS for result in _of_gap(gap, encoder, effort)]


def _of_gap(gap: Gap, encoder: CachedEncoder, effort: LabelEffort) -> list[dict[str, Any]]:
    found: dict[str, list[dict[str, dict[str, Any]]]] = {target: [] for target in TARGETS}
    facts, chance = [], []
    for seed in range(effort.seeds):
        pair, truth = _table(gap, seed, effort)
        judged = np.array([split == "test" for split in pair.row_splits])
        small, large = pair.mean_small[judged], pair.mean_large[judged]
        facts.append([(small - large).mean(), truth[judged].mean()])
        chance.append(np.interp(GRID, random_curve(small, large).cost_advantage, random_curve(small, large).drop))
        for target, changes in TARGETS.items():
            each = {label: fit_and_score(pair, encoder, label, changes) for label in LABELS}
            found[target].append(
                {label: _figures(scores[judged], t, small, large, truth[judged]) for label, (scores, t) in each.items()}
            )
    mean_gap, good = np.mean(facts, axis=0).tolist()
    return [
        {
            "group": f"simulated, {gap} gap",
            "target": target,
            "labels": list(LABELS),
            "rows": effort.test_rows,
            "train": effort.train_rows,
            "seeds": effort.seeds,
            "gap": mean_gap,
            "good": good,
            "t": float(np.mean([one["trans"]["t"] for one in seeds])),
            "figures": across_seeds(seeds),
            "curves": {
                "random": np.mean(chance, axis=0).tolist(),
                **{label: np.mean([one[label]["curve"] for one in seeds], axis=0).tolist() for label in LABELS},
            },
        }
        for target, seeds in found.items()
    ]


def across_seeds(found: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return means over the seeds, of labels and of paired differences, with 95 % intervals (Student's t).

    Args:
        found: One a seed: label -> {figure: value}; ``t`` and ``curve`` are left out.
    """
    from scipy.stats import t as student

    keys = [key for key in found[0][LABELS[0]] if key not in ("t", "curve")]
    columns = {label: {key: np.array([one[label][key] for one in found]) for key in keys} for label in LABELS}
    columns |= {f"{a} - {b}": {key: columns[a][key] - columns[b][key] for key in keys} for a, b in DIFFERENCES}
    quantile = float(student.ppf(0.975, max(len(found) - 1, 1)))

    def summary(values: Floats) -> dict[str, Any]:
        mean, n = float(values.mean()), len(values)
        error = quantile * float(values.std(ddof=1)) / n**0.5 if n > 1 else 0.0
        return {"value": mean, "ci": [mean - error, mean + error] if n > 1 else None}

    return {name: {key: summary(values) for key, values in each.items()} for name, each in columns.items()}


def _table(gap: Gap, seed: int, effort: LabelEffort) -> tuple[PairTable, Floats]:
    rows, truth = simulate_table(effort.train_rows + effort.test_rows, gap, seed=seed)
    split = [{"split": "train" if number < effort.train_rows else "test"} for number in range(len(rows))]
    table = QualityTable.from_rows([{**row, **one} for row, one in zip(rows, split, strict=True)])
    return table.pair(SMALL, LARGE), truth


def _figures(scores: Floats, t: float, small: Floats, large: Floats, truth: Floats) -> dict[str, Any]:
    from scipy.stats import spearmanr

    curve = tradeoff_curve(scores, small, large)
    return {
        APGR: curve.apgr,
        **{f"drop at {share:g}": curve.drop_at(share) for share in SHARES},
        TRUTH: float(spearmanr(scores, truth).statistic),
        "t": t,
        "curve": np.interp(GRID, curve.cost_advantage, curve.drop),
    }
