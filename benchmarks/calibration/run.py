"""How far do n rows of a user's own go: thresholds for the shipped router, a head of their own, or both combined?

    python -m benchmarks.calibration.run DATA_DIR [--cache DIR] [--write]    # half an hour on two cores

Rows of a pair are drawn again and again, and every way to use them is judged on rows that it has not seen. A prior that
was trained on the benchmark itself would flatter, so the honest one is the shipped router fitted without it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.calibration.page import DIFFERENCES, PAGE, page, write_page
from benchmarks.calibration.study import Drawn, draw, summarise
from benchmarks.calibration.ways import CONFIG, KNOWN_WAYS, WAYS, Own, Way
from benchmarks.common.cache import CachedEncoder
from benchmarks.common.pairs import PAIRS, PairSpec, Tables
from benchmarks.common.results import file_of, keep
from hybrid_llm import Router
from hybrid_llm.labels import make_labels
from hybrid_llm.scoring import EmbeddingScorer, Encoder, Head, features_of
from hybrid_llm.table import PairTable, hash_fraction
from hybrid_llm.training.head.regression import Rows
from tools.shipped_router.run import fit_shipped, read_rows

Results = dict[str, Any]
Found = dict[int, dict[str, tuple[Own, dict[str, Drawn]]]]

NAMES: Final = ("mmlu", "zeroeval, gemma-2-9b", "zeroeval, Llama-3.1-8B", "mmlu_pro, Llama-3.1-8B")
DRAWS: Final = {50: 20, 100: 20, 300: 15, 1000: 10}
"""n -> how often n rows are drawn; few rows differ more from draw to draw."""
OTHERS: Final = 2500
"""Rows at most that judge besides the test rows; more take longer and say little more."""


def own_rows(pair: PairTable, encoder: CachedEncoder, priors: Iterable[Head]) -> list[Own]:
    """Return the rows of a pair once for each prior, with the logit of its score."""
    features = features_of(pair.queries, encoder)[0]
    labels, _ = make_labels(CONFIG.label, pair.q_small, pair.q_large)
    rows = Rows(features, labels, pair.mean_small - pair.mean_large, pair.mean_small, pair.mean_large)
    return [Own(np.array(pair.ids), rows, prior.slope * prior.raw(features) + prior.offset) for prior in priors]


def parts(own: Own, known: Own, splits: tuple[str, ...]) -> Iterator[tuple[str, Own, Own, Mapping[str, Way]]]:
    """Yield the three parts of the study: name, rows to draw from, rows to judge on, ways.

    Args:
        own: All rows of a pair, with a prior that has not seen the benchmark.
        known: The same with the router that ships.
        splits: The split of each row.
    """
    split = np.array(splits)
    mixed = np.argsort([hash_fraction(f"half {i}") for i in own.ids])
    rest = mixed[split[mixed] != "test"]
    half = len(rest) // 2
    yield "honest", own.at(split != "test"), own.at(split == "test"), WAYS
    yield "elsewhere", own.at(rest[:half]), own.at(rest[half:][:OTHERS]), WAYS
    yield "known", known.at(split == "validation"), known.at(split == "test"), KNOWN_WAYS


def study(data_dir: Path, encoder: CachedEncoder, draws: int, repetitions: int) -> Results:
    """Do all draws; return plain JSON values."""
    tables, answered = Tables(data_dir), read_rows(data_dir)
    specs = [spec for spec in PAIRS if spec.name in NAMES and tables.has(spec.files)]
    shipped = _head(Router.load().scorer)
    without = {
        files: _head(fit_shipped(answered, encoder, files).scorer) for files in dict.fromkeys(s.files for s in specs)
    }
    found: dict[str, Found] = {part: {size: {} for size in DRAWS} for part in ("honest", "elsewhere", "known")}
    described = []
    for spec in specs:
        start, pair = time.perf_counter(), tables.of(spec)
        own, known = own_rows(pair, encoder, (without[spec.files], shipped))
        judging = {}
        for part, pool, judged, ways in parts(own, known, pair.row_splits):
            judging[part] = len(judged)
            for size, often in DRAWS.items():
                if len(pool) >= size:
                    found[part][size][spec.name] = (judged, draw(pool, judged, size, min(often, draws), ways))
        described.append(_described(spec, pair, judging))
        print(f"{spec.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return {
        "draws": [min(often, draws) for often in DRAWS.values()],
        "repetitions": repetitions,
        "pairs": described,
        **{
            part: {
                str(size): summarise(pairs, () if part == "known" else DIFFERENCES, repetitions)
                for size, pairs in of_part.items()
                if pairs
            }
            for part, of_part in found.items()
        },
    }


def _head(scorer: object) -> Head:
    assert isinstance(scorer, EmbeddingScorer)
    return scorer.head


def _described(spec: PairSpec, pair: PairTable, judging: Mapping[str, int]) -> dict[str, Any]:
    test = pair.split("test")
    return {
        "name": spec.name,
        "models": f"{spec.small} -> {spec.large}",
        "small": float(test.mean_small.mean()),
        "large": float(test.mean_large.mean()),
        "test": judging["honest"],
        "other": judging["elsewhere"],
    }


def main(arguments: list[str] | None = None) -> None:
    """Do the study, and show or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="folder with the quality tables")
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings between runs")
    parser.add_argument("--draws", type=int, default=max(DRAWS.values()), help="draws at most")
    parser.add_argument("--repetitions", type=int, default=100, help="bootstrap resamples")
    parser.add_argument("--write", action="store_true", help="write docs/measured/calibration.md instead of showing it")
    options = parser.parse_args(arguments)
    with threadpool_limits(limits=1, user_api="blas"):
        encoder = CachedEncoder(Encoder.load(), options.cache)
        results = study(options.data_dir, encoder, options.draws, options.repetitions)
    if not options.write:
        print(page(results))
        return
    write_page(PAGE, keep(file_of("calibration"), results))
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
