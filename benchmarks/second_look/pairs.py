"""One pair at a time: on tasks that were trained on, as it is served, and on tasks that no fit saw."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from benchmarks.common.judge import compare
from benchmarks.second_look.data import GROUPS, Fits, Floats, LookSpec, Mask, Material
from benchmarks.second_look.forms import tasks_of
from benchmarks.second_look.judge import (
    AGREEMENT_UNTRAINED,
    LOGPROBS_UNTRAINED,
    LOOK,
    QUERY_ONLY,
    Paths,
    Result,
    all_scores,
    decided,
    drawn,
    judged,
    look_figures,
    one,
    seen_scores,
)
from hybrid_llm import HybridLLMWarning, Level
from hybrid_llm.calibration import calibrate
from hybrid_llm.look import Bound, PathCalibration, SecondLook
from hybrid_llm.router.looking import measured
from hybrid_llm.training.second_look import fit_paths

QUALITIES: Final = (0.99, 0.98, 0.95)
SHIPPED: Final = "shipped router"
GATED, FREE_RUN = "with a gate", "without a gate"
_JUDGED: Final = ("validation", "test")


def paths_of(material: Material, fit: Mask | None = None, *, gate: bool = True) -> Paths:
    """Fit the paths of a second look to the rows of a material that fits may see.

    Args:
        material: The rows.
        fit: Shape (n,), which of them; by default all.
        gate: Whether queries that are surely too hard are not looked at.
    """
    fit = material.fitted if fit is None else fit
    ids = [material.pair.ids[row] for row in np.flatnonzero(fit)]
    return fit_paths(material.looks().take(fit), ids, material.spec.checkers, gate=gate)


def pair_study(fits: Fits, spec: LookSpec, repetitions: int, shipped: Floats | None = None) -> Result:
    """Fit to ``train``, judge on validation and test rows with the cut chosen there, and as it is served on ``test``.

    Args:
        fits: Fits the query's scores.
        spec: The pair.
        repetitions: Resamples of the rows.
        shipped: Scores of all rows by the shipped router.
    """
    material = fits.material(spec)
    pair, judge = material.pair, material.split(*_JUDGED)
    rows = material.looks().take(judge)
    paths = paths_of(material)
    scores = all_scores(paths, rows, spec.checkers)
    if shipped is not None:
        scores[SHIPPED] = shipped[judge]
    ids = [pair.ids[row] for row in np.flatnonzero(judge)]
    base = [name for name in (LOGPROBS_UNTRAINED, AGREEMENT_UNTRAINED) if name in scores]
    differences = [(LOOK, QUERY_ONLY), *((LOOK, name) for name in base), *((name, QUERY_ONLY) for name in base)]
    fullest = max(paths.values(), key=lambda path: len(path.head.columns))
    return {
        "name": spec.name,
        "files": list(spec.files),
        "small": spec.small,
        "large": spec.large,
        "checkers": list(spec.checkers),
        "rows": {name: int(material.split(name).sum()) for name in ("train", *_JUDGED)},
        "head": fullest.head.as_dict(),
        "answered": {name: int(np.isfinite(rows.columns[f"agreement:{name}"]).sum()) for name in spec.checkers},
        **judged(ids, rows.small, rows.large, scores, differences, repetitions),
        "gates": {name: _on_judged(paths_of(material, gate=gate), material, judge) for name, gate in _GATES},
        "served": served(material, material.split("test"), repetitions),
        "curves": drawn(rows.small, rows.large, {name: scores[name] for name in (QUERY_ONLY, LOOK, *base)}),
    }


_GATES: Final = ((GATED, True), (FREE_RUN, False))


def _on_judged(paths: Paths, material: Material, judge: Mask) -> dict[str, dict[str, float]]:
    """Return the share that stays local and on which both run, with the rung chosen on the judged rows."""
    path = max(paths.values(), key=lambda path: len(path.head.columns))
    rows = material.looks().take(judge)
    there = rows.having(path.head.columns)
    rows = rows.take(there)
    found = PathCalibration.of(
        path.ladder,
        rows.p,
        seen_scores({path.head.columns: path}, rows),
        rows.usable,
        rows.weights,
        rows.small,
        rows.large,
    )
    cuts = {f"{quality:g}": found.cut(Level("quality", quality)) for quality in QUALITIES}
    return {level: {"local": cut.cost_advantage, "both run": cut.both_run} for level, cut in cuts.items()}


def served(material: Material, judge: Mask, repetitions: int) -> dict[str, Any]:
    """Choose rungs and thresholds on validation rows and say what they do to others, as the library serves them.

    Args:
        material: The rows; validation rows of tasks that no fit may see are left out.
        judge: Shape (n,), the rows to judge.
        repetitions: Resamples of the rows.
    """
    ids = [material.pair.ids[row] for row in np.flatnonzero(judge)]
    small, large = material.pair.mean_small[judge], material.pair.mean_large[judge]
    return {
        name: {
            level: decided(ids, kept, looked, small, large, repetitions) for level, (kept, looked) in decisions.items()
        }
        for name, decisions in decisions_of(material, judge).items()
    }


def decisions_of(material: Material, judge: Mask) -> dict[str, dict[str, tuple[Mask, Mask]]]:
    """Return for each way and quality level which of the judged rows are kept, and which are looked at."""
    pair, rows = material.pair, material.as_served()
    trained = set(np.array(pair.tasks, dtype=str)[material.fitted])
    choose = material.split("validation") & np.isin(np.array(pair.tasks, dtype=str), sorted(trained))
    limits = calibrate(
        material.p[choose], pair.mean_small[choose], pair.mean_large[choose], small=pair.small, large=pair.large
    )
    found: dict[str, dict[str, tuple[Mask, Mask]]] = {QUERY_ONLY: {}}
    for quality in QUALITIES:
        kept = (material.p >= limits.cut(Level("quality", quality)).threshold) & material.known
        found[QUERY_ONLY][f"{quality:g}"] = kept[judge], kept[judge]
    for name, gate in _GATES:
        bound = Bound(pair.small, pair.large, material.spec.checkers)
        look = measured(SecondLook("trained", bound, paths_of(material, gate=gate)), rows.take(choose))
        plans = {f"{quality:g}": look.plan(Level("quality", quality)) for quality in QUALITIES}
        decisions = {level: look.served(rows.take(judge), plan) for level, plan in plans.items()}
        found[f"{LOOK}, {name}"] = {level: (kept, looked) for level, (looked, kept) in decisions.items()}
    return found


def served_on_new_tasks(fits: Fits, spec: LookSpec, repetitions: int) -> Result:
    """Leave each task out of fits and thresholds, serve it, and put the decisions of all tasks together."""
    parts: dict[str, dict[str, list[tuple[Mask, Mask]]]] = {}
    order: list[int] = []
    for task in tasks_of(fits.pair(spec)):
        material = fits.material(spec, [task])
        inside = np.array(material.pair.tasks, dtype=str) == task
        order += np.flatnonzero(inside).tolist()
        for name, levels in decisions_of(material, inside).items():
            for level, decisions in levels.items():
                parts.setdefault(name, {}).setdefault(level, []).append(decisions)
    pair = fits.pair(spec)
    ids, small, large = [pair.ids[row] for row in order], pair.mean_small[order], pair.mean_large[order]
    found: Result = {}
    for name, levels in parts.items():
        found[name] = {}
        for level, decisions in levels.items():
            kept, looked = (np.concatenate(masks) for masks in zip(*decisions, strict=True))
            found[name][level] = decided(ids, kept, looked, small, large, repetitions)
    return found


def groups_study(fits: Fits, spec: LookSpec, repetitions: int) -> Result:
    """Fit to two kinds of tasks and judge the third, each in turn; figures are means over the three."""
    parts = []
    for tasks in GROUPS.values():
        material = fits.material(spec, tasks)
        inside = np.isin(np.array(material.pair.tasks, dtype=str), tasks)
        rows = material.looks().take(inside)
        scores = all_scores(paths_of(material), rows, spec.checkers)
        parts.append(one([material.pair.ids[row] for row in np.flatnonzero(inside)], rows.small, rows.large, scores))
    differences = [(LOOK, QUERY_ONLY), (LOOK, LOGPROBS_UNTRAINED)]
    each = {group: compare([part], [], repetitions, look_figures) for group, part in zip(GROUPS, parts, strict=True)}
    return {
        "name": spec.name,
        "n": [len(part.ids) for part in parts],
        "mean": compare(parts, differences, repetitions, look_figures),
        "each": each,
    }


def grades_study(fits: Fits, spec: LookSpec, sizes: Sequence[int], draws: int, repetitions: int) -> dict[str, Any]:
    """Train on a few graded rows: query router and look alike; figures are means over draws of the rows.

    Args:
        fits: Fits the query's scores.
        spec: The pair.
        sizes: Numbers of graded rows.
        draws: Draws of each size.
        repetitions: Resamples of the judged rows.
    """
    whole = fits.material(spec)
    rows = whole.looks()
    there = rows.seen & rows.having([f"agreement:{name}" for name in spec.checkers])
    judge = whole.split(*_JUDGED)
    found: dict[str, Any] = {}
    for size in sizes:
        drawn_scores: dict[str, list[Floats]] = {}
        for draw in range(draws):
            rng = np.random.default_rng([size, draw])
            chosen = rng.permutation(np.flatnonzero(whole.fitted & there))[:size]
            if len(chosen) < size:
                break
            keep = np.sort(np.concatenate([chosen, np.flatnonzero(judge)]))
            part = whole.pair.rows(keep)
            fit = np.isin(keep, chosen)
            p, familiarity = fits.scores(part, fit)
            material = replace(whole, pair=part, p=p, familiarity=familiarity, fitted=fit, kept={})
            material.kept[spec.checkers] = rows.take(keep)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", HybridLLMWarning)
                scores = all_scores(paths_of(material), material.looks().take(~fit), spec.checkers)
            for name, column in scores.items():
                drawn_scores.setdefault(name, []).append(column)
        if drawn_scores:
            judged_pair = whole.pair.rows(judge)
            table = one(judged_pair.ids, judged_pair.mean_small, judged_pair.mean_large, {})
            order = np.argsort(np.array(judged_pair.ids))
            stacked = {name: np.stack(columns)[:, order] for name, columns in drawn_scores.items()}
            found[str(size)] = compare(
                [replace(table, scores=stacked)], [(LOOK, QUERY_ONLY)], repetitions, look_figures
            )
    return {"name": spec.name, "draws": draws, "sizes": found}
