"""Heads fitted to four fifths of the training rows, and judged on the halves of the fifth that was held out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.baselines import standardised
from benchmarks.common.cache import CachedEncoder
from benchmarks.common.judge import APGR, Judged, apgr_only, compare
from benchmarks.common.pairs import PairSpec, Tables
from benchmarks.heads.candidates import HEADS, OURS, WEIGHTS, Candidates, Problem
from hybrid_llm.labels import prob_labels
from hybrid_llm.metrics import tradeoff_curve
from hybrid_llm.scoring import features_of
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


def results_of(judged: dict[str, list[Judged]], settings: dict[str, int], repetitions: int) -> dict[str, Any]:
    """Return figures over all pairs with differences to ours, and the mean APGR of each pair.

    Args:
        judged: Pair -> its halves.
        settings: Head -> how many were tried.
        repetitions: Bootstrap resamples.
    """
    names = [*HEADS, *AVERAGES]
    everything = [half for each in judged.values() for half in each]
    return {
        "settings": settings,
        "found": compare(everything, [(OURS, name) for name in names[1:]], repetitions, apgr_only),
        "pairs": {
            pair: {name: float(np.mean([_apgr(half, name) for half in halved])) for name in names}
            for pair, halved in judged.items()
        },
    }


def _apgr(half: Judged, name: str) -> float:
    return apgr_only(half.scores[name], half.small, half.large)[APGR]
