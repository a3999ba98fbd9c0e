"""What judgements are worth: do they agree with what was measured, and what do judged rows teach the shipped router?

Every score here comes from a fit that did not see the row: of a training question by the fits without its fold or
without its benchmark, of an everyday prompt by the fit without a fifth of the domains, its own among them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.judge import apgr_only, compare
from hybrid_llm.metrics import auc, bootstrap
from hybrid_llm.scoring import UNFAMILIAR
from hybrid_llm.training.head.ridge import LINEAR
from tools.shipped_router.fit import SHIPPED, Kernel, Problem, Variant, targets
from tools.shipped_router.judged import APART, Prompt, combined
from tools.shipped_router.rows import FOLDS, Material
from tools.shipped_router.study import ALONE, LANDMARKS, SOLID, by_kernel, judged_on, left_out_scores, scores_of

Floats = NDArray[np.float64]

BEFORE: Final = "measured rows alone"
OURS: Final = "with judged rows"
LENGTH: Final = "minus the length"
JUDGEMENT: Final = "the judgement"
BOTH: Final = "mean of judgement and router, by rank"
FIRST: Final = "the fit of the first trial"
VARIANTS: Final[Mapping[str, Variant]] = {
    BEFORE: ALONE,
    OURS: SHIPPED,
    "judged rows weigh half": replace(SHIPPED, judged_weight=SHIPPED.judged_weight / 2),
    "judged rows weigh double": replace(SHIPPED, judged_weight=2 * SHIPPED.judged_weight),
    "the judged probability alone": replace(SHIPPED, judged_gap=0.0),
    "the judged gap counts as a measured one": replace(SHIPPED, judged_gap=SHIPPED.gap_weight),
    "levels pulled less (300)": replace(SHIPPED, level_penalty=300.0),
    "narrower kernel of the text features (3)": replace(SHIPPED, text_gamma=3.0),
    "wider kernel of the text features (2)": replace(SHIPPED, text_gamma=2.0),
    "with the linear part that measured rows have": replace(SHIPPED, linear=LINEAR),
    FIRST: replace(ALONE, text_gamma=4.0, judged_weight=24.0, judged_landmarks=0.7, strange_landmarks=0.0),
}
DECILES: Final = 10


def judged_study(
    measured: Material,
    everyday: Material,
    prompts: Sequence[Prompt],
    judgements: Mapping[str, Sequence[float]],
    repetitions: int,
) -> dict[str, Any]:
    """Fit with and without judged rows, and compare; return plain JSON values.

    Args:
        measured: Training rows that were measured.
        everyday: The everyday prompts as rows.
        prompts: The same prompts.
        judgements: Judgements of some measured rows, by their id.
        repetitions: Bootstrap resamples.
    """
    n, material = len(measured), measured.beside(everyday)
    alone = [replace(ALONE, landmarks=LANDMARKS)]
    problem = Problem(measured, targets(measured, alone), alone)
    scores = {BEFORE: (*(part[:, 0] for part in scores_of(measured, alone)), problem.raw(everyday)[:, 0])}
    for names in by_kernel({name: variant for name, variant in VARIANTS.items() if name != BEFORE}):
        start = time.perf_counter()
        inside, outside = scores_of(material, [replace(VARIANTS[name], landmarks=LANDMARKS) for name in names])
        for column, name in enumerate(names):
            scores[name] = inside[:n, column], outside[:n, column], inside[n:, column]
        print(f"{len(names)} fits: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    scores = {name: scores[name] for name in VARIANTS}
    files, counts = np.unique(measured.files, return_counts=True)
    solid = [str(file) for file in files[counts >= SOLID]]
    differences = [(name, BEFORE) for name in VARIANTS if name != BEFORE]
    masks = {
        "in domain": (0, [measured.files == file for file in solid]),
        "left out": (1, [measured.files == file for file in solid]),
        "pooled": (0, [np.ones(len(measured), dtype=bool)]),
    }
    compared = {
        what: compare(
            [judged_on(measured, {name: each[part] for name, each in scores.items()}, mask) for mask in some],
            differences,
            repetitions,
            apgr_only,
        )
        for what, (part, some) in masks.items()
    }
    by_prompt = {name: each[2] for name, each in scores.items()}
    return {
        "rows": len(measured),
        "benchmarks": solid,
        "repetitions": repetitions,
        **compared,
        "as shipped": as_shipped(measured, everyday, solid, repetitions),
        "everyday": everyday_figures(prompts, by_prompt, repetitions),
        "unfamiliar": unfamiliar(material, everyday, prompts),
        "judgements": agreement(prompts, judgements),
        "measured": against_measured(measured, judgements, {n: s[:2] for n, s in scores.items()}, repetitions),
    }


def as_shipped(measured: Material, everyday: Material, solid: Sequence[str], repetitions: int) -> dict[str, Any]:
    """Judge the two fits that count on each benchmark left out, with all the landmarks they have, not the study's."""
    n, scores = len(measured), {}
    for name, material, variant in ((BEFORE, measured, ALONE), (OURS, measured.beside(everyday), SHIPPED)):
        scores[name] = left_out_scores(material, [variant])[:n, 0]
    masks = [measured.files == file for file in solid]
    judged = [judged_on(measured, scores, mask) for mask in masks]
    return compare(judged, [(OURS, BEFORE)], repetitions, apgr_only)


def unfamiliar(material: Material, everyday: Material, prompts: Sequence[Prompt]) -> dict[str, float]:
    """Return which share of the everyday prompts of each language is unlike what the other domains' fits have seen."""
    found = np.zeros(len(everyday), dtype=bool)
    for fold in range(FOLDS):
        others, mine = material.at(material.folds != fold), everyday.folds == fold
        kernel = Kernel.of(others, SHIPPED)
        familiarity = kernel.familiarity(others)
        assert familiarity is not None
        found[mine] = familiarity.of(*kernel.apart(everyday.features[mine])) < UNFAMILIAR
    languages = np.array([prompt.language for prompt in prompts])
    return {str(each): float(found[languages == each].mean()) for each in np.unique(languages)}


def everyday_figures(
    prompts: Sequence[Prompt], scores: Mapping[str, Floats], repetitions: int
) -> dict[str, dict[str, Any]]:
    """Return of each router, and of length: AUC over all, and the means within domains, languages and lengths.

    A prompt counts as one for small if its judgement is at least the median. *Within* means that only prompts of the
    same domain (or language, or tenth of the lengths) are compared with each other.
    """
    judged = np.array([prompt.probability for prompt in prompts])
    length = np.array([float(len(prompt.query)) for prompt in prompts])
    good = judged >= np.median(judged)
    tenths = np.searchsorted(np.quantile(length, np.linspace(0, 1, DECILES + 1)[1:-1]), length)
    language = np.array([prompt.language for prompt in prompts])
    domain = np.array([prompt.domain for prompt in prompts])

    def within(score: Floats, groups: NDArray[Any], weights: Floats) -> float:
        kinds = [groups == kind for kind in np.unique(groups)]
        areas = [auc(score[some], good[some], weights[some]) for some in kinds]
        return float(np.average(areas, weights=[some.sum() for some in kinds]))

    found = {}
    for name, score in {**scores, LENGTH: -length}.items():

        def statistic(weights: Floats | None, score: Floats = score) -> dict[str, float]:
            w = np.ones(len(judged)) if weights is None else weights
            return {
                "auc": auc(score, good, w),
                "within domains": within(score, domain, w),
                "within lengths": within(score, tenths, w),
                **{
                    f"language {each}": auc(score[language == each], good[language == each], w[language == each])
                    for each in np.unique(language)
                },
                **{
                    f"domain {each}": auc(score[domain == each], good[domain == each], w[domain == each])
                    for each in np.unique(domain)
                },
            }

        found[name] = _with_intervals(statistic, len(judged), repetitions)
        found[name]["rank correlation"] = {"value": _rank_correlation(score, judged), "ci": None}
    return found


def _with_intervals(statistic: Callable[[Floats | None], dict[str, float]], n: int, repetitions: int) -> dict[str, Any]:
    intervals = bootstrap(statistic, n, repetitions)
    return {key: {"value": value, "ci": intervals[key]} for key, value in statistic(None).items()}


def _rank_correlation(a: Floats, b: Floats) -> float:
    """Return Spearman's rank correlation."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: Floats) -> Floats:
    """Return ranks from 0 to 1, ties sharing theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2
    ranks: Floats = middle[place] / max(len(values) - 1, 1)
    return ranks


def agreement(prompts: Sequence[Prompt], judgements: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Say how far two judgements of a prompt agree, everyday and measured ones."""
    found = {}
    kinds = {"everyday": [p.judgements for p in prompts], "training": list(judgements.values())}
    for kind, each in kinds.items():
        first, second = np.array([pair[:2] for pair in each]).T
        apart = np.abs(first - second)
        found[kind] = {
            "n": len(each),
            "correlation": float(np.corrcoef(first, second)[0, 1]),
            "mean_difference": float(apart.mean()),
            "third": int((apart > APART).sum()),
        }
    return found


def against_measured(
    measured: Material,
    judgements: Mapping[str, Sequence[float]],
    scores: Mapping[str, tuple[Floats, Floats]],
    repetitions: int,
) -> dict[str, Any]:
    """Judge the judgement, the router and the length by what was measured, each benchmark and all of them together."""
    known = np.array([row.id in judgements for row in measured.rows])
    some = measured.at(known)
    judged = np.array([combined(judgements[row.id]) for row in some.rows])
    inside, outside = (each[known] for each in scores[BEFORE])
    routers = {
        JUDGEMENT: judged,
        "the router of measured rows, in domain": inside,
        "the same, left out": outside,
        BOTH: _ranks(judged) + _ranks(outside),
        LENGTH: -np.array([float(len(row.query)) for row in some.rows]),
    }
    masks = {str(file): some.files == file for file in np.unique(some.files)}
    masks = {file: mask for file, mask in masks.items() if mask.sum() >= 50} | {
        "all together": np.ones(len(some), dtype=bool)
    }
    return {
        where: {
            "n": int(mask.sum()),
            **compare([judged_on(some, routers, mask)], [(JUDGEMENT, LENGTH)], repetitions, apgr_only),
        }
        for where, mask in masks.items()
    }
