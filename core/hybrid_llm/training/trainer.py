"""Training, from a quality table to a router: labels, features, choice, fit, thresholds."""

from __future__ import annotations

import datetime
import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import ConfigError, EncoderError, LabelError, MissingExtraError, TableError
from hybrid_llm.labels import make_labels
from hybrid_llm.level import ALWAYS_SMALL
from hybrid_llm.router import Router, SeenRows, TrainingRecord
from hybrid_llm.scoring import EmbeddingScorer, Encoder, features_of
from hybrid_llm.table import PairTable, hash_fraction
from hybrid_llm.training.config import TrainConfig
from hybrid_llm.training.fitted import Fitted
from hybrid_llm.training.head import Rows, choose, fit_head
from hybrid_llm.training.recipe import recipe_of

if TYPE_CHECKING:
    from hybrid_llm.table import QualityTable

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Progress = Callable[[str, int, int], None]

LEAST_ROWS: Final = 30
QUANTILES: Final = 1000
"""Points of the fixed sequence that a certificate tests."""
CHUNK: Final = 256
SMALL_PROBLEM: Final = 2000
"""Rows below which one thread fits in a second or two."""
_LIBRARIES: Final = ("hybrid-llm", "numpy", "onnxruntime", "tokenizers", "scikit-learn")
_RECOVERABLE: Final = (
    "The landmarks of the head are features of up to {n} training queries. Whoever has the folder can check whether a "
    "query that they guess is among them, and could approximately reconstruct texts from the embeddings: treat the "
    "folder as you treat the training queries."
)


def train(
    table: QualityTable | PairTable,
    small: str | None = None,
    large: str | None = None,
    config: TrainConfig | None = None,
    *,
    encoder: Encoder | None = None,
    data: str = "a quality table",
    fingerprint: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Router:
    """Train a router for one pair of models on the split ``train`` and calibrate it on ``validation``.

    A fifth of ``train``, taken by the hash of the id, chooses the settings; the final weights of the recipe ``head``
    are fitted to all of it, those of ``full`` to the other four fifths. ``validation`` gives the thresholds, ``test``
    is not touched. Without a split ``validation`` the router has no thresholds until it is calibrated.

    Args:
        table: Rows with the quality of both models.
        small: Name of the small model in the table (not needed for a pair taken from one).
        large: Name of the large model in the table.
        config: Settings; the defaults are good.
        encoder: The encoder to use instead of ``config.encoder``.
        data: Where the rows come from, for the model card.
        fingerprint: What else identifies the pair (a model's digest, a system prompt's hash), for the model card.
        progress: Called with (what, done, total) now and then.

    Raises:
        TableError: Too few rows, an unknown model or no split ``train``.
        LabelError: All labels are equal, so there is nothing to learn.
        MissingExtraError: scikit-learn is not installed (``pip install 'hybrid-llm[train]'``).

    Example::

        table = QualityTable.read("support.jsonl")
        router = train(table, small="qwen3:4b", large="gpt-4o")
        router.save("my-router/")
    """
    config = config or TrainConfig()
    if importlib.util.find_spec("sklearn") is None:  # said now, not after minutes of reading queries
        raise MissingExtraError.of("Training", "train")
    pair = table if isinstance(table, PairTable) else table.pair(*_named(small, large))
    rows = pair.split("train")
    if len(rows) < LEAST_ROWS:
        raise TableError(
            f"{len(rows)} training rows are too few to learn from: collect at least {LEAST_ROWS}, better 300, or "
            "calibrate the shipped router instead (hybrid-llm calibrate)."
        )
    recipe = recipe_of(config, len(rows))
    if recipe == "full" and encoder is not None:
        raise ConfigError(
            "encoder= is one to serve with; the recipe full fine-tunes a model: TrainConfig(encoder=...)."
        )
    heldout = np.array([hash_fraction(f"held-out {i}") < config.heldout for i in rows.ids])
    labels, t = _labels(rows, heldout, config)
    if recipe == "full":
        from hybrid_llm.training.full import fit_network

        fitted = fit_network(rows, labels, heldout, config, progress)
    else:
        fitted = _fit_head(rows, labels, heldout, config, encoder or Encoder.load(config.encoder), progress)
    record = TrainingRecord(
        small=pair.small,
        large=pair.large,
        recipe=recipe,
        label=config.label,
        t=t,
        settings={**fitted.settings, "chosen": dict(fitted.chosen), "signal": fitted.found_signal},
        data=data,
        data_hash=rows.data_hash,
        n_fit=fitted.n_fit,
        heldout=fitted.heldout,
        score_quantiles=_quantiles(fitted.scores),
        recoverable=fitted.recoverable,
        versions={**{name: _version(name) for name in _LIBRARIES}, **fitted.versions},
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        fingerprint=dict(fingerprint or {}),
        seen=SeenRows.of(rows.ids, rows.queries),
    )
    router = Router(fitted.scorer, record=record)
    return router.calibrate(pair.split("validation")) if "validation" in pair.splits else router


def _fit_head(
    rows: PairTable,
    labels: FloatArray,
    heldout: BoolArray,
    config: TrainConfig,
    encoder: Encoder,
    progress: Progress | None,
) -> Fitted:
    if encoder.dim == 1:
        raise EncoderError(f"{encoder.id} is the fine-tuned network of a router; choose an exported encoder.")
    features = _features(encoder, rows, progress)
    material = Rows(features, labels, rows.mean_small - rows.mean_large, rows.mean_small, rows.mean_large)
    with _calm_threads(len(rows)):
        setting, figures = choose(material, heldout, config)
        fitted = fit_head(material, setting, config)
    return Fitted(
        scorer=EmbeddingScorer(encoder, fitted.head),
        scores=fitted.left_out_scores,
        found_signal=fitted.found_signal,
        chosen=setting.as_dict(),
        heldout=figures,
        n_fit=len(rows),
        recoverable=_RECOVERABLE.format(n=f"{len(fitted.head.landmarks):,}"),
        settings=config.as_dict(),
    )


def _calm_threads(rows: int) -> AbstractContextManager[object]:
    """Keep small problems on one thread: on a busy machine BLAS threads wait for each other more than they work."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas") if rows < SMALL_PROBLEM else nullcontext()


def _named(small: str | None, large: str | None) -> tuple[str, str]:
    if small is None or large is None:
        raise TypeError("train() needs the names of both models in the table: small=..., large=...")
    return small, large


def _labels(rows: PairTable, heldout: BoolArray, config: TrainConfig) -> tuple[FloatArray, float]:
    t = config.t
    if config.label == "trans" and t is None and heldout.sum() >= config.min_heldout:
        choosing = rows.rows(heldout)
        t = make_labels("trans", choosing.q_small, choosing.q_large)[1]
    labels, t = make_labels(config.label, rows.q_small, rows.q_large, t)
    if np.ptp(labels) == 0:
        verdict = "as good as" if labels[0] > 0 else "worse than"
        raise LabelError(
            f"{rows.small} is {verdict} {rows.large} on every training query ({config.label} labels are all "
            f"{labels[0]:g}), so there is nothing to learn: send everything to "
            f"{'small' if labels[0] > 0 else 'large'}, or measure quality on a finer scale."
        )
    return labels, t


def _features(encoder: Encoder, rows: PairTable, progress: Progress | None) -> NDArray[np.float32]:
    parts = []
    for start in range(0, len(rows), CHUNK):
        queries = rows.queries[start : start + CHUNK]
        parts.append(features_of(queries, encoder)[0])
        if progress:
            progress("Reading queries", start + len(queries), len(rows))
    return np.concatenate(parts)


def _quantiles(scores: FloatArray) -> tuple[float, ...]:
    points = np.quantile(scores, np.linspace(0, 1, QUANTILES)).astype(np.float32)
    return tuple(float(q) for q in np.unique([ALWAYS_SMALL, *points]))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
