"""How should measured rows be fitted? Variants judged by what was measured, on training rows alone.

Each variant is judged twice on every benchmark: *in domain*, each fifth of its training rows by a fit to the other
four fifths of everything, and *left out*, all its training rows by a fit to the other benchmarks. The targets may come
from a model of the answers; the judge takes the mean measured quality of both sides.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.judge import APGR, Judged, apgr_only, compare
from hybrid_llm import Router
from hybrid_llm.level import Level
from hybrid_llm.metrics import evaluate
from hybrid_llm.table import normal_text
from hybrid_llm.training.head.ridge import LINEAR
from tools.shipped_router.fit import SHIPPED, Problem, Variant, targets
from tools.shipped_router.rows import Answered, Material, without

Floats = NDArray[np.float64]

NONE: Final = 1e12
"""A penalty that leaves no levels."""
ALONE: Final = replace(SHIPPED, judged_weight=0.0, level_penalty=300.0, text_gamma=2.0, linear=LINEAR, landmarks=2000)
"""The fit to measured rows alone, around which this study compares."""
PLAIN: Final = replace(ALONE, rank=0, level_penalty=NONE, weight_power=0.0)
MEASURED: Final = "a level for each benchmark, small ones weigh more"
OURS: Final = "**the one taken on**"
VARIANTS: Final[Mapping[str, Variant]] = {
    "labels and gaps as measured, one regression": PLAIN,
    "the same, labels alone": replace(PLAIN, gap_weight=0.0),
    "item response, rank 1": replace(PLAIN, rank=1),
    "item response, rank 2": replace(PLAIN, rank=2),
    "item response, rank 3": replace(PLAIN, rank=3),
    "as measured, a level for each benchmark": replace(PLAIN, level_penalty=300.0),
    MEASURED: replace(PLAIN, level_penalty=300.0, weight_power=0.5),
    OURS: ALONE,
    "it, rank 1": replace(ALONE, rank=1),
    "it, rank 3": replace(ALONE, rank=3),
    "it, half as measured": replace(ALONE, share=0.5),
    "it, labels alone": replace(ALONE, gap_weight=0.0),
    "it, benchmarks centred": replace(ALONE, level_penalty=1.0),
    "it, levels pulled less (100)": replace(ALONE, level_penalty=100.0),
    "it, levels pulled more (1,000)": replace(ALONE, level_penalty=1000.0),
    "it, all benchmarks weigh alike": replace(ALONE, weight_power=1.0),
    "it, narrower kernel": replace(ALONE, embedding_gamma=2.0),
    "it, wider kernel of the text features": replace(ALONE, text_gamma=0.5),
    "it, ridge 10": replace(ALONE, ridge=10.0),
    "it, no linear part": replace(ALONE, linear=0.0),
    "it, more of the linear part (0.2)": replace(ALONE, linear=0.2),
}
LANDMARKS: Final = 1000
"""Enough to compare variants."""
SOLID: Final = 250
"""Training rows of a benchmark that counts in the means."""


def study(rows: Sequence[Answered], encoder: Any, repetitions: int) -> dict[str, Any]:
    """Judge every variant; return plain JSON values.

    Returns:
        ``benchmarks`` that count; ``in domain``, ``left out`` and ``pooled`` (in domain, all benchmarks as one): name
        of the variant -> APGR with its interval, and paired differences to the shipped variant.
    """
    material = Material.of([row for row in rows if row.split == "train"], encoder)
    inside: dict[str, Floats] = {}
    outside: dict[str, Floats] = {}
    for names in by_kernel(VARIANTS):
        start = time.perf_counter()
        columns = scores_of(material, [replace(VARIANTS[name], landmarks=LANDMARKS) for name in names])
        for found, scores in zip((inside, outside), columns, strict=True):
            found |= dict(zip(names, scores.T, strict=True))
        print(f"{len(names)} variants: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    files, counts = np.unique(material.files, return_counts=True)
    solid = [str(file) for file in files[counts >= SOLID]]
    by_file = [material.files == file for file in solid]
    whole = [np.ones(len(material), dtype=bool)]
    differences = [(OURS, name) for name in VARIANTS if name != OURS]
    compared = {
        what: compare([judged_on(material, scores, mask) for mask in masks], differences, repetitions, apgr_only)
        for what, scores, masks in (
            ("in domain", inside, by_file),
            ("left out", outside, by_file),
            ("pooled", inside, whole),
        )
    }
    return {"benchmarks": solid, "rows": len(material), "repetitions": repetitions, **compared}


def by_kernel(variants: Mapping[str, Variant]) -> list[list[str]]:
    """Return the names of the variants, those that share kernel and weights together."""
    own = ("level_penalty", "ridge", "rank", "share", "gap_weight", "judged_weight", "judged_gap")
    groups: dict[Variant, list[str]] = {}
    for name, variant in variants.items():
        groups.setdefault(replace(variant, **{part: getattr(SHIPPED, part) for part in own}), []).append(name)
    return list(groups.values())


def scores_of(material: Material, variants: Sequence[Variant]) -> tuple[Floats, Floats]:
    """Return the in-domain and the left-out scores of each training row, both of shape (n, variants)."""
    return Problem(material, targets(material, variants), variants).left_out(), left_out_scores(material, variants)


def left_out_scores(material: Material, variants: Sequence[Variant]) -> Floats:
    """Return the scores of each row by fits without its benchmark, shape (n, variants).

    Rows that were judged have none: they are no benchmark.
    """
    goals = targets(material, variants)
    outside = np.full_like(goals, np.nan)
    for file in np.unique(material.files[~material.judged]):
        ids = {row.id for row in without(material.rows, {str(file)})}
        fit = np.array([row.id in ids for row in material.rows])
        mine = material.files == file
        outside[mine] = Problem(material.at(fit), goals[fit], variants).raw(material.at(mine))
    return outside


def judged_on(material: Material, scores: Mapping[str, Floats], mask: NDArray[np.bool_]) -> Judged:
    """Return some of the rows with the scores that routers gave them, a row of scores each."""
    some = material.at(mask)
    stems = [row.stem for row in some.rows]
    return Judged(stems, some.small, some.large, {name: each[None, mask] for name, each in scores.items()})


def on_test(router: Router, rows: Sequence[Answered], encoder: Any, repetitions: int) -> dict[str, Any]:
    """Judge a router on the test rows of every file, and on all of them together, each question text once."""
    test = [row for row in rows if row.split == "test"]
    found = {file: judge(router, test, file, encoder, repetitions) for file in sorted({row.file for row in test})}
    once = {normal_text(row.query): row for row in test}
    return {**found, "all together": _figures(router, list(once.values()), encoder, repetitions)}


def left_out_on_test(
    fits: Mapping[str, Callable[[str], Router]], rows: Sequence[Answered], encoder: Any, repetitions: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Judge, on the test rows of every file, what was fitted without the file and its questions.

    Args:
        fits: Name -> what fits a router without a file; the first is judged on every file, the others are compared.
        rows: Rows of every split.
        encoder: Remembers embeddings.
        repetitions: Bootstrap resamples.

    Returns:
        The figures of the first on each file; means over the benchmarks with enough training rows, and paired
        differences of the first to the others.
    """
    first, *others = fits
    found, pairs = {}, []
    for file in sorted({row.file for row in rows}):
        start = time.perf_counter()
        mine = [row for row in rows if row.file == file]
        test = Material.of([row for row in mine if row.split == "test"], encoder)
        router = fits[first](file)
        found[file] = judge(router, test.rows, file, encoder, repetitions)
        if sum(row.split == "train" for row in mine) >= SOLID:
            routers = {first: router} | {name: fits[name](file) for name in others}
            scores = {name: each.score([row.query for row in test.rows]) for name, each in routers.items()}
            pairs.append(judged_on(test, scores, np.ones(len(test), dtype=bool)))
        print(f"without {file}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return found, compare(pairs, [(first, name) for name in others], repetitions, apgr_only)


def judge(router: Router, test: Sequence[Answered], file: str, encoder: Any, repetitions: int) -> dict[str, Any]:
    """Return the figures of one file's test rows, with intervals."""
    return _figures(router, [row for row in test if row.file == file], encoder, repetitions)


def _figures(router: Router, rows: Sequence[Answered], encoder: Any, repetitions: int) -> dict[str, Any]:
    material = Material.of(rows, encoder)
    scores = router.score([row.query for row in rows])
    found = evaluate(scores, material.small, material.large, repetitions=repetitions)
    assert router.calibration is not None
    to_small = scores >= router.calibration.cut(Level("quality", 0.95)).threshold
    lost = float((to_small * (material.large - material.small)).mean())
    keys = ("n", "small_quality", "large_quality", APGR)
    return {
        **{key: found[key] for key in keys},
        "ci": found["ci"][APGR],
        "saved": found["cost_advantage_at_drop"]["0.01"],
        "saved_ci": found["ci"]["cost_advantage_at_drop"]["0.01"],
        "oracle_saved": found["oracle"]["cost_advantage_at_drop"]["0.01"],
        "at_95": {"cost_advantage": float(to_small.mean()), "drop": lost / found["large_quality"]},
    }
