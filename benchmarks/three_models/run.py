"""Does a third model pay? Two models against three at the same quality, by what the middle one costs.

    python -m benchmarks.three_models.run DATA_DIR [--cache DIR] [--out docs/measured/three_models.md]

The rows of ZeroEval with gemma-2-2b, gemma-2-9b and gpt-4o. A router is trained for each small model against gpt-4o;
the two thresholds of a way are those that cost least on ``validation`` and keep the quality there, and are judged on
``test``. What an answer of gpt-4o costs is 1; the smallest model is free.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.cache import CachedEncoder
from hybrid_llm.scoring import Encoder
from hybrid_llm.table import QualityTable
from hybrid_llm.training import train

FILES: Final = ("gsm8k", "math_l5", "crux", "mmlu_redux", "zebra")
SMALL, MIDDLE, LARGE = "gemma-2-2b-it", "gemma-2-9b-it", "gpt-4o-2024-08-06"
KEPT: Final = (0.95, 0.9)
PRICES: Final = (0.0, 0.1, 0.25, 0.5)
"""What an answer of the middle model costs, as a share of one of the large model."""
BOOTSTRAPS: Final = 1000
Floats = NDArray[np.float64]
Rows = tuple[Floats, Floats]
"""Scores of both routers (2, n), and the quality of the three models (3, n)."""


def rows_of(folder: Path, cache: Path | None) -> dict[str, Rows]:
    """Return the scores and the qualities of ``validation`` and ``test``."""
    encoder: Any = CachedEncoder(Encoder.load(), cache)
    table = QualityTable.read(*(folder / f"zeroeval_{name}.jsonl.gz" for name in FILES), drop_leaks=True)
    pairs = [table.pair(name, LARGE) for name in (SMALL, MIDDLE)]
    routers = [train(pair, encoder=encoder) for pair in pairs]
    common = set(pairs[0].ids) & set(pairs[1].ids)
    found = {}
    for split in ("validation", "test"):
        parts = [pair.split(split) for pair in pairs]
        parts = [part.rows(np.array([name in common for name in part.ids])) for part in parts]
        assert parts[0].ids == parts[1].ids
        scores = np.array([router.score(part.queries) for router, part in zip(routers, parts, strict=True)])
        found[split] = scores, np.array([parts[0].mean_small, parts[1].mean_small, parts[1].mean_large])
    return found


def answered_by(scores: Floats, thresholds: tuple[float, float]) -> NDArray[np.int64]:
    """Return who answers each query: 0 the smallest, 1 the middle, 2 the large model."""
    return np.where(scores[0] >= thresholds[0], 0, np.where(scores[1] >= thresholds[1], 1, 2))


def cost_and_kept(rows: Rows, thresholds: tuple[float, float], price: float) -> tuple[float, float]:
    """Return what a query costs, and the share of the large model's quality that is kept."""
    scores, quality = rows
    who = answered_by(scores, thresholds)
    return float(np.array([0.0, price, 1.0])[who].mean()), float(
        quality[who, np.arange(len(who))].mean() / quality[2].mean()
    )


def cheapest(rows: Rows, price: float, kept: float, *, small: bool, middle: bool) -> tuple[float, float]:
    """Return the thresholds that cost least and keep the quality."""
    grids = [np.append(np.quantile(scores, np.linspace(0, 1, 60)), 2.0) for scores in rows[0]]
    first, second = (grid if used else [2.0] for grid, used in zip(grids, (small, middle), strict=True))
    fine = [(cost_and_kept(rows, (a, b), price), (a, b)) for a in first for b in second]
    return min(((found[0], thresholds) for found, thresholds in fine if found[1] >= kept))[1]


def interval(rows: Rows, one: tuple[float, float], other: tuple[float, float], price: float) -> tuple[float, float]:
    """Return the 95 % interval of what the one way costs less than the other."""
    rng = np.random.default_rng(0)
    costs = np.array([0.0, price, 1.0])
    less = costs[answered_by(rows[0], other)] - costs[answered_by(rows[0], one)]
    means = [less[rng.integers(0, len(less), len(less))].mean() for _ in range(BOOTSTRAPS)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def table_of(found: dict[str, Rows]) -> list[str]:
    """Return the lines of the table."""
    head = ["keep at least", "the middle costs", "small + large", "middle + large", "all three"]
    head += ["answered by (small, middle, large)", "saved by the third"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for kept in KEPT:
        for price in PRICES:
            ways = [
                cheapest(found["validation"], price, kept, small=small, middle=middle)
                for small, middle in ((True, False), (False, True), (True, True))
            ]
            test = found["test"]
            cells = [cost_and_kept(test, way, price) for way in ways]
            who = answered_by(test[0], ways[2])
            best = min((0, 1), key=lambda i: cells[i][0])
            low, high = interval(test, ways[2], ways[best], price)
            shares = " / ".join(f"{(who == i).mean():.2f}" for i in range(3))
            costs = " | ".join(f"{cost:.3f} (keeps {share:.3f})" for cost, share in cells)
            saved = cells[best][0] - cells[2][0]
            lines.append(f"| {kept} | {price} | {costs} | {shares} | {saved:+.3f} [{low:+.3f}, {high:+.3f}] |")
    return lines


def main() -> None:
    """Print the table, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, help="keeps embeddings between runs")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found = rows_of(asked.data, asked.cache)
    rows, scores = found["test"][1].shape[1], found["test"][1].mean(axis=1)
    qualities = ", ".join(f"{name} {score:.3f}" for name, score in zip((SMALL, MIDDLE, LARGE), scores, strict=True))
    text = "\n".join(
        [
            "# Two models or three",
            "",
            f"{rows} test rows of ZeroEval; the quality of the models alone: {qualities}.",
            f"Costs are per query, in answers of {LARGE}; the smallest model is free. The thresholds are those",
            "that cost least on the validation rows and keep the share there. The last column: what three cost less",
            "than the cheaper of the two pairs, with a 95 % interval over the test rows.",
            "",
            *table_of(found),
            "",
            "Made by `python -m benchmarks.three_models.run DATA_DIR --out docs/measured/three_models.md`.",
            "",
        ]
    )
    print(text)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
