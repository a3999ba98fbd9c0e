"""What 100, 300 and 1,000 graded prompts buy: the rows of ``hybrid-llm run``, on public tables.

Run: ``python -m benchmarks.own_pair_sizes.run DATA_DIR [--draws 8]``. Writes a table into
``docs/guide/your-own-pair.md``.

Rows are drawn out of a pair's table and used as ``run`` uses graded prompts: under 200 all of them train, above half of
those that are not kept for the report certify one level, at the confidence of a first attempt. What the level then does
is measured on all rows that were not drawn.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.doc_tables import markdown, percent, write_between
from benchmarks.common.pairs import PAIRS, PairSpec, Tables
from hybrid_llm.level import Level
from hybrid_llm.run import confidence_of, with_splits
from hybrid_llm.run.plan import VALIDATION, few
from hybrid_llm.scoring import Encoder
from hybrid_llm.table import PairTable
from hybrid_llm.training import TrainConfig, train

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "your-own-pair.md"
WANTED = ("zeroeval, gemma-2-9b", "mmlu", "mixed, mistral-7b")
SIZES = (100, 300, 1000)
QUALITY = 0.95


def main() -> None:
    """Draw, train, certify, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=8)
    options = parser.parse_args()
    tables, encoder = Tables(options.data), CachedEncoder(Encoder.load())
    rows = []
    for spec in (spec for spec in PAIRS if spec.name in WANTED and tables.has(spec.files)):
        pair = tables.of(spec)
        pool = pair.rows(np.random.default_rng(0).permutation(len(pair))[:3000])
        rows += [row_of(spec, pool, size, options.draws, encoder) for size in SIZES]
    columns = ("pair", "graded prompts", "certified", "to small then", "measured: to small", "real drop", "beyond 5 %")
    write_between(PAGE, "sizes", markdown(columns, rows))


def row_of(spec: PairSpec, pool: PairTable, size: int, draws: int, encoder: CachedEncoder) -> Sequence[str]:
    """Return a line of the table."""
    certified, to_small, measured, drops = [], [], [], []
    for draw in range(draws):
        order = np.random.default_rng(draw + 1).permutation(len(pool))
        drawn, rest = with_splits(pool.rows(order[:size])), pool.rows(order[size:])
        router = train(drawn, config=TrainConfig(all_rows=few(drawn)), encoder=encoder)
        threshold = None
        if not few(drawn):
            sure = confidence_of(1, 0.95)
            router = router.certify(drawn.split(VALIDATION), max_drop=1 - QUALITY, confidence=sure, menu=False)
            asked = router.certificate.asked
            certified.append(asked.feasible)
            threshold = asked.threshold if asked.feasible else None
        cut = router.calibration.cut(Level("quality", QUALITY))
        scores = router.score(rest.queries)
        kept = scores >= (cut.threshold if threshold is None else threshold)
        (measured if threshold is None else to_small).append(float(kept.mean()))
        lost = float(np.where(kept, rest.mean_large - rest.mean_small, 0.0).mean())
        drops.append(lost / float(rest.mean_large.mean()))
    beyond = sum(drop > 1 - QUALITY for drop in drops)
    return (
        spec.name,
        f"{size:,}",
        f"{sum(certified)} of {len(certified)}" if certified else "never",
        percent(np.mean(to_small), 0) if to_small else "",
        percent(np.mean(measured), 0) if measured else "",
        f"{100 * min(drops):.1f} to {100 * max(drops):.1f} %",
        f"{beyond} of {draws}",
    )


if __name__ == "__main__":
    main()
