"""How the shipped router is fitted: one kernel ridge regression over many benchmarks, each with a level of its own.

A router that learns which benchmark a question comes from is of no use to a user whose questions come from none. So
the regression gives each benchmark its own level, drawn from a normal distribution as in a mixed model (Henderson,
*Biometrics* 1975), and only what is left is put down to the text::

    target_i = level_benchmark(i) + k(u_i, landmarks) . weights + linear . u_i + bias + noise

Scores leave the levels out. Benchmarks weigh less than their size says, so that the largest does not decide alone.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm import Router
from hybrid_llm.metrics import tradeoff_curve
from hybrid_llm.router import SeenRows, TrainingRecord
from hybrid_llm.scoring import (
    NAMES,
    VERSION,
    EmbeddingScorer,
    Familiarity,
    Head,
    gaussian_kernel,
    squared_distances,
)
from hybrid_llm.training.head.regression import Scaling, familiarity_of
from hybrid_llm.training.probability import platt
from tools.shipped_router.item_response import denoised
from tools.shipped_router.judged import Prompt, everyday_material, read_everyday
from tools.shipped_router.rows import FOLDS, LARGE, SMALL, Answered, Material, pair_table, without

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
Bools = NDArray[np.bool_]

JITTER: Final = 1e-4
QUANTILES: Final = 1000
LIBRARIES: Final = ("hybrid-llm", "numpy", "onnxruntime", "tokenizers", "scikit-learn")
CALIBRATION_NOTE: Final = (
    "measured on the shipped router's own training domain, over many pairs; calibrate it for yours"
)
RECOVERABLE: Final = (
    "The landmarks of the head are features of 4,000 training queries: published benchmark questions, and prompts of "
    "tools/shipped_router/everyday.jsonl."
)


@dataclass(frozen=True)
class Variant:
    """One way to fit the shipped router; the defaults are the one that ships.

    Args:
        rank: Latent numbers a question in the item-response model of the targets; 0 takes the targets as measured.
        share: How much of the target comes from that model, 0 to 1; the rest is as measured.
        gap_weight: How much of the quality gap is added to the label.
        level_penalty: Pulls the benchmarks' levels towards 0, in rows: a small one takes each benchmark's mean out,
            a huge one leaves everything to the text.
        weight_power: A benchmark of n rows weighs n to the power of one minus this.
        judged_weight: What a judged row weighs beside a measured one of a source as large; 0 leaves judged rows out.
        judged_gap: How much of the judged gap (what small lacks) is added to the judged probability.
        judged_landmarks: Share of the kernel centres that are judged rows in English.
        strange_landmarks: Share of the kernel centres that are judged rows in other languages: a query that is nearer
            to them than to the others is unfamiliar.
        embedding_gamma: Kernel width of the embedding.
        text_gamma: Kernel width of the text features.
        ridge: Regularisation strength.
        linear: Prior variance of the linear part beside the kernel's 1.
        landmarks: Kernel centres.
    """

    rank: int = 2
    share: float = 1.0
    gap_weight: float = 4.0
    level_penalty: float = 500.0
    weight_power: float = 0.5
    judged_weight: float = 24.0
    judged_gap: float = 1.0
    judged_landmarks: float = 0.55
    strange_landmarks: float = 0.05
    embedding_gamma: float = 1.0
    text_gamma: float = 2.5
    ridge: float = 3.0
    linear: float = 0.0
    landmarks: int = 4000


SHIPPED: Final = Variant()
LEAST_COUNT: Final = 100
"""Benchmarks of fewer rows weigh no more a row than one of this many."""


def fit_shipped(
    rows: Sequence[Answered],
    encoder: Any,
    leave_out: str | Sequence[str] | None = None,
    variant: Variant = SHIPPED,
    prompts: Sequence[Prompt] | None = None,
) -> Router:
    """Fit the shipped router, or what it would be without a benchmark; the same rows give the same router.

    Args:
        rows: From :func:`read_rows`. Those of the split ``train`` are fitted, ``validation`` gives the thresholds.
        encoder: The shipped encoder, or a :class:`CachedEncoder` around it.
        leave_out: Name of a file (or several) whose rows, and whose questions in other files, take no part.
        variant: How to fit.
        prompts: Judged prompts that are fitted as well; ``None`` takes those of ``everyday.jsonl``.
    """
    files = () if leave_out is None else (leave_out,) if isinstance(leave_out, str) else tuple(leave_out)
    known = without(rows, files)
    measured = Material.of([row for row in known if row.split == "train"], encoder)
    judged = (read_everyday() if prompts is None else prompts) if variant.judged_weight else []
    material = measured.beside(everyday_material(judged, encoder)) if judged else measured
    problem = Problem(material, targets(material, [variant]), [variant])
    left_out = problem.left_out()[: len(measured), 0]
    head = problem.head(left_out)
    scores = 1 / (1 + np.exp(-(head.slope * left_out + head.offset)))
    router = Router(EmbeddingScorer(encoder, head), record=_record(material, variant, left_out, scores))
    router = router.calibrate(pair_table([row for row in known if row.split == "validation"]))
    assert router.calibration is not None
    return router.override(calibration=replace(router.calibration, note=CALIBRATION_NOTE))


@dataclass(frozen=True, eq=False)
class Kernel:
    """What the regression is made of: the units of its inputs and the centres of its kernels.

    Args:
        scaling: From features to the units of the kernel.
        landmarks: Shape (m, d), the centres; those of strange rows come last.
        chosen: Shape (m,), which rows they are.
        strangers: How many of them are strange.
        linear: Prior variance of the linear part.
    """

    scaling: Scaling
    landmarks: Float32s
    chosen: NDArray[np.intp]
    strangers: int
    linear: float

    @classmethod
    def of(cls, material: Material, variant: Variant, seed: int = 0) -> Kernel:
        """Draw the centres of a variant from rows."""
        scaling = Scaling.of(material.features, variant.embedding_gamma, variant.text_gamma)
        chosen = _chosen(material, variant, np.random.default_rng(seed))
        # in half precision, as they are stored: the fit makes up for the rounding
        landmarks = scaling(material.features[chosen]).astype(np.float16).astype(np.float32)
        return cls(scaling, landmarks, chosen, int(material.strange[chosen].sum()), variant.linear)

    def parts(self, features: Float32s) -> Float32s:
        """Return what the weights multiply, shape (n, m), then the scaled inputs where there is a linear part."""
        inputs = self.scaling(features)
        kernels = gaussian_kernel(inputs, self.landmarks)
        return np.concatenate([kernels, np.float32(np.sqrt(self.linear)) * inputs], axis=1) if self.linear else kernels

    def roughness(self) -> Floats:
        """Return the matrix of the penalty of the weights, of as many rows as there are weights."""
        count = len(self.landmarks)
        found = np.eye(count + (self.landmarks.shape[1] if self.linear else 0))
        found[:count, :count] = gaussian_kernel(self.landmarks, self.landmarks) + JITTER * np.eye(count)
        return found

    def apart(self, features: Float32s) -> tuple[Float32s, Float32s]:
        """Return squared distances of rows to the centres, of the embeddings and of the text features, both (n, m)."""
        inputs, parts = self.scaling(features), (slice(None, -len(NAMES)), slice(-len(NAMES), None))
        embedding, text = (squared_distances(inputs[:, part], self.landmarks[:, part]) for part in parts)
        return embedding, text

    def familiarity(self, material: Material) -> Familiarity | None:
        """Measure what is familiar by those of the rows it was drawn from that are not strange."""
        rows, known = np.flatnonzero(~material.strange), len(self.chosen) - self.strangers
        places = np.searchsorted(rows, self.chosen[:known])
        found = familiarity_of(self.scaling(material.features[rows]), self.landmarks[:known], places, self.scaling)
        return replace(found, strangers=self.strangers) if found else None


class Problem:
    """One or several regressions on one kernel, prepared so that any set of folds can be left out.

    Args:
        material: The n rows to fit.
        goals: Shape (n, k), what to fit to them; see :func:`targets`.
        variants: The k ways to fit them; kernel and weights are those of the first.
        seed: Seed of the landmarks.
    """

    def __init__(self, material: Material, goals: Floats, variants: Sequence[Variant], seed: int = 0) -> None:
        first = variants[0]
        self._material, self._variants = material, variants
        self._kernel = Kernel.of(material, first, seed)
        files, codes, counts = np.unique(material.files, return_inverse=True, return_counts=True)
        weights = np.maximum(counts, LEAST_COUNT)[codes] ** -first.weight_power
        weights /= weights[~material.judged].mean()
        self._moments = {}
        for judged, fold in product((False, True), range(FOLDS)):
            some = (material.judged == judged) & (material.folds == fold)
            levels = np.column_stack([np.eye(len(files))[codes[some]], np.ones(some.sum())])
            root = np.sqrt(weights[some, None])
            design = np.concatenate([self._kernel.parts(material.features[some]), levels], axis=1, dtype=np.float32)
            design *= root.astype(np.float32)  # a product with itself takes half the time
            self._moments[judged, fold] = (design.T @ design).astype(np.float64), design.T @ (root * goals[some])
        self._roughness = self._kernel.roughness()

    def raw(self, material: Material, folds: Sequence[int] = range(FOLDS)) -> Floats:
        """Return the raw scores of rows by fits to some of the folds, shape (n, k)."""
        weights, bias = self._solve(folds)
        return self._kernel.parts(material.features) @ weights + bias

    def left_out(self) -> Floats:
        """Return the raw scores of each row of the material by the fits that leave its fold out, shape (n, k)."""
        scores = np.zeros((len(self._material), len(self._variants)))
        for fold in range(FOLDS):
            some = self._material.folds == fold
            scores[some] = self.raw(self._material.at(some), [other for other in range(FOLDS) if other != fold])
        return scores

    def head(self, left_out: Floats) -> Head:
        """Return the head of the first variant fitted to all rows, mapped to the measured labels by Platt's step.

        Args:
            left_out: Scores of the measured rows by fits that leave their fold out.
        """
        kernel = self._kernel
        weights, bias = self._solve(range(FOLDS))
        slope, offset = platt(left_out, self._material.labels[~self._material.judged])
        narrow, count = weights[:, 0].astype(np.float32), len(kernel.landmarks)
        return Head(
            kernel.scaling.shift,
            kernel.scaling.scale,
            kernel.landmarks,
            narrow[:count],
            float(bias[0]),
            slope,
            offset,
            version=VERSION,
            linear=np.float32(np.sqrt(kernel.linear)) * narrow[count:] if kernel.linear else None,
            limit=kernel.scaling.limit,
            familiarity=kernel.familiarity(self._material),
        )

    def _solve(self, folds: Sequence[int]) -> tuple[Floats, Floats]:
        (gram, goals), (judged_gram, judged_goals) = (
            [sum(self._moments[judged, fold][part] for fold in folds) for part in (0, 1)] for judged in (False, True)
        )
        size = len(self._roughness)
        solutions = []
        for column, variant in enumerate(self._variants):
            penalised = gram + variant.judged_weight * judged_gram
            goal = goals[:, column] + variant.judged_weight * judged_goals[:, column]
            penalised[:size, :size] += variant.ridge * self._roughness
            levels = np.arange(size, len(penalised) - 1)
            penalised[levels, levels] += variant.level_penalty
            solutions.append(np.linalg.solve(penalised, goal))
        columns = np.column_stack(solutions)
        return columns[:size], columns[-1]


def _chosen(material: Material, variant: Variant, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return which rows are kernel centres: of measured, judged and strange ones what each is given, in this order."""
    strange, judged = material.strange, material.judged & ~material.strange
    shares = (judged, variant.judged_landmarks), (strange, variant.strange_landmarks)
    counts = [round(share * variant.landmarks) if rows.any() else 0 for rows, share in shares]
    kinds = (~material.judged, variant.landmarks - sum(counts)), (judged, counts[0]), (strange, counts[1])
    return np.concatenate([np.sort(rng.permutation(np.flatnonzero(rows))[:count]) for rows, count in kinds])


def targets(material: Material, variants: Sequence[Variant]) -> Floats:
    """Return what each variant fits, shape (n, k): labels plus a share of the gap, measured or from the model."""
    gaps = material.small - material.large
    measured = material.labels, gaps
    judged = material.judged
    sources = {rank: denoised(material, rank) if rank else measured for rank in {v.rank for v in variants}}
    columns = []
    for variant in variants:
        modelled, plain = (labels + variant.gap_weight * gaps for labels, gaps in (sources[variant.rank], measured))
        target = variant.share * modelled + (1 - variant.share) * plain
        columns.append(np.where(judged, material.labels + variant.judged_gap * gaps, target))
    return np.column_stack(columns)


def _record(material: Material, variant: Variant, left_out: Floats, scores: Floats) -> TrainingRecord:
    measured = material.at(~material.judged)
    table = pair_table(measured.rows)
    sources = "published results of many models: " + ", ".join(np.unique(measured.files))
    if len(measured) < len(material):
        sources += f"; {len(material) - len(measured):,} everyday prompts that a language model judged"
    quantiles = np.quantile(scores, np.linspace(0, 1, QUANTILES)).astype(np.float32)
    settings = asdict(variant)
    chosen = tradeoff_curve(left_out, measured.small, measured.large).apgr
    return TrainingRecord(
        small=SMALL,
        large=LARGE,
        recipe="head",
        label="prob",
        t=0.0,
        settings={"chosen": settings, "signal": True},
        data=sources,
        data_hash=_hash_of(material, table.data_hash),
        n_fit=len(material),
        heldout={"n": len(measured), "chosen": True, "apgr": chosen},  # each fifth held out in turn
        score_quantiles=(0.0, *(float(q) for q in np.unique(quantiles))),
        recoverable=RECOVERABLE,
        versions={name: importlib.metadata.version(name) for name in LIBRARIES},
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        seen=SeenRows.of((row.id for row in material.rows), (row.query for row in material.rows)),
    )


def _hash_of(material: Material, of_table: str) -> str:
    """Return the hash of the measured rows, and of the judged ones where there are any."""
    judged = material.at(material.judged)
    if not len(judged):
        return of_table
    lines = [f"{row.query}\t{label:.6f}" for row, label in zip(judged.rows, judged.labels, strict=True)]
    return hashlib.sha256("\n".join([of_table, *lines]).encode()).hexdigest()
