"""Which head on the frozen encoder? Linear, kernel, neighbours, network, trees and averages, on held-out training rows.

    python -m benchmarks.heads.run DATA_DIR [--cache DIR] [--out docs/measured/benchmarks.md]    # minutes on two cores

Only the split ``train`` is read. Heads are fitted to four fifths of it and judged on the fifth that
``hybrid_llm.training.train`` holds out. That fifth is halved by a hash: what has settings chooses them on one half and
is judged on the other, both ways, so that a head with many settings has no advantage.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.common.baselines import standardised
from benchmarks.common.cache import CachedEncoder
from benchmarks.common.doc_tables import markdown, write_between
from benchmarks.common.judge import APGR, Judged, apgr_only, compare
from benchmarks.common.numbers import clear, listed, signed
from benchmarks.common.pairs import PAIRS, PairSpec, Tables
from benchmarks.heads.candidates import HEADS, OURS, WEIGHTS, Candidates, Problem
from benchmarks.paper_figures.skeleton import prepare
from hybrid_llm.labels import prob_labels
from hybrid_llm.metrics import tradeoff_curve
from hybrid_llm.scoring import Encoder, features_of
from hybrid_llm.table import hash_fraction
from hybrid_llm.training import TrainConfig

Floats = NDArray[np.float64]

SKIPPED: Final = ("mixed, qwen2.5-7b", "mixed, llama-3.1-8b")
"""Both models are nearly equal there, so that a share of the gap means little."""


AVERAGES: Final = {
    "ours + nearest neighbours": (OURS, "nearest neighbours"),
    "ours + linear": (OURS, "linear (ridge)"),
    "ours + boosted trees": (OURS, "boosted trees"),
    "ours + neighbours + network + trees": (OURS, "nearest neighbours", "small network", "boosted trees"),
}


def problem_of(spec: PairSpec, tables: Tables, encoder: CachedEncoder) -> tuple[Problem, Judged]:
    """Return what heads are fitted to and judged on: the split ``train``, a fifth of it held out."""
    rows = tables.of(spec).split("train")
    held = np.array([hash_fraction(f"held-out {i}") < TrainConfig().heldout for i in rows.ids])
    features = features_of(rows.queries, encoder)[0]
    gaps, labels = rows.mean_small - rows.mean_large, prob_labels(rows.q_small, rows.q_large)
    targets = np.stack([labels + weight * gaps for weight in WEIGHTS], axis=1)
    judged = rows.rows(held)
    return (
        Problem(features[~held], features[held], targets[~held], encoder.dim),
        Judged(judged.ids, judged.mean_small, judged.mean_large, {}),
    )


def halves(judged: Judged, found: dict[str, Candidates]) -> list[Judged]:
    """Judge each half of the held-out rows with what the other half chose: every head, weight and average."""
    first = np.array([hash_fraction(f"half {i}") < 0.5 for i in judged.ids])
    results = []
    for choosing, judging in ((first, ~first), (~first, first)):
        scores: dict[str, Floats] = {}
        for head, candidates in found.items():
            for weight in WEIGHTS:
                some = {key: value for key, value in candidates.items() if key[1] == weight}
                if some:
                    scores[f"{head} @ {weight:g}"] = _best(some, judged, choosing)
            scores[head] = _best(candidates, judged, choosing)
        for name, members in AVERAGES.items():
            scores[name] = np.sum([standardised(scores[member]) for member in members], axis=0)
        results.append(
            Judged(
                [i for i, mine in zip(judged.ids, judging, strict=True) if mine],
                judged.small[judging],
                judged.large[judging],
                {name: value[None, judging] for name, value in scores.items()},
            )
        )
    return results


def _best(candidates: Candidates, judged: Judged, choosing: NDArray[np.bool_]) -> Floats:
    def merit(scores: Floats) -> float:
        return tradeoff_curve(scores[choosing], judged.small[choosing], judged.large[choosing]).apgr

    return max(candidates.values(), key=lambda scores: float(np.nan_to_num(merit(scores))))


def report(judged: dict[str, list[Judged]], settings: dict[str, int], repetitions: int) -> str:
    """Return the two tables: means over the pairs with differences to ours, and each pair."""
    names = [*HEADS, *AVERAGES]
    everything = [half for each in judged.values() for half in each]
    found = compare(everything, [(OURS, name) for name in names[1:]], repetitions, apgr_only)
    rows = []
    for name in names:
        weights = [found.get(f"{name} @ {weight:g}") for weight in WEIGHTS]
        difference = found.get(f"{OURS} - {name}")
        rows.append(
            [
                name,
                str(settings.get(name, "")),
                *(f"{one[APGR]['value']:.4f}" if one else "" for one in weights),
                f"{found[name][APGR]['value']:.4f}",
                signed(difference[APGR], 4) if difference else "",
            ]
        )
    columns = ["settings", *(f"gap weight {weight:g}" for weight in WEIGHTS), "chosen", "ours minus it"]
    each = [
        [name, *(f"{np.mean([_apgr(half, name) for half in pair]):.3f}" for pair in judged.values())] for name in names
    ]
    return "\n\n".join([verdict(found), markdown(["head", *columns], rows), markdown(["head", *judged], each)])


def verdict(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Say which heads ours clearly beats, and whether an average beats ours."""
    minus = {name: found[f"{OURS} - {name}"][APGR] for name in (*HEADS, *AVERAGES) if name != OURS}
    behind = [name for name in HEADS if name != OURS and clear(minus[name]) and minus[name]["value"] > 0]
    ahead = [name for name in minus if clear(minus[name]) and minus[name]["value"] < 0]
    best = max(AVERAGES, key=lambda name: float(found[name][APGR]["value"]))
    return (
        f"Ours clearly beats {len(behind)} of the {len(HEADS) - 1} other heads. Clearly better than ours: "
        f"{listed(ahead)}; the best average, *{best}*, gains {-minus[best]['value']:+.4f}."
    )


def _apgr(half: Judged, name: str) -> float:
    return apgr_only(half.scores[name], half.small, half.large)[APGR]


def main(arguments: list[str] | None = None) -> None:
    """Compare the heads and write the section of the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="folder with the quality tables")
    parser.add_argument("--out", type=Path, default=Path("docs/measured/benchmarks.md"))
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings between runs")
    parser.add_argument("--repetitions", type=int, default=1000, help="bootstrap resamples")
    options = parser.parse_args(arguments)
    tables, encoder = Tables(options.data_dir), CachedEncoder(Encoder.load(), options.cache)
    judged, settings = {}, {}
    for spec in PAIRS:
        if spec.name in SKIPPED or not tables.has(spec.files):
            continue
        problem, held = problem_of(spec, tables, encoder)
        if len(held.ids) < 2 * TrainConfig().min_heldout:
            continue
        print(f"{spec.name}: {len(problem.fit)} rows to fit, {len(held.ids)} held out", flush=True)
        with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="blas"):
            warnings.simplefilter("ignore")  # a network that is stopped before it converges
            found = {name: learn(problem) for name, learn in HEADS.items()}
        settings = {name: len(candidates) for name, candidates in found.items()}
        judged[spec.name] = halves(held, found)
    prepare(options.out)
    write_between(options.out, "heads", report(judged, settings, options.repetitions))
    print(f"wrote the section on heads of {options.out}")


if __name__ == "__main__":
    main()
