"""The way into the recipe ``head``: the features of the rows, the choice of a setting, the fit to all rows."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import EncoderError
from hybrid_llm.scoring import EmbeddingScorer, Encoder, Progress, features_of
from hybrid_llm.training.fitted import BoolArray, Fitted, FloatArray
from hybrid_llm.training.head.landmarks import TOGETHER
from hybrid_llm.training.head.regression import Rows, choose, fit_head

if TYPE_CHECKING:
    from hybrid_llm.table import PairTable
    from hybrid_llm.training.config import TrainConfig

CHUNK: Final = 256
"""Queries between two words of progress."""
SMALL_PROBLEM: Final = 2000
"""Rows below which one thread fits in a second or two."""
RECOVERABLE: Final = (
    "The landmarks of the head are features of up to {n} training queries. Whoever has the folder can check whether a "
    "query that they guess is among them, and could approximately reconstruct texts from the embeddings: treat the "
    "folder as you treat the training queries."
)

RECOVERABLE_MEANS: Final = (
    "The head holds no training query: each of its {n} landmarks is the mean of the features of {together} or more. "
    "Whoever has the folder can check whether a query that they guess is among the training queries: treat the folder "
    "as you treat them."
)


def fit(
    rows: PairTable,
    labels: FloatArray,
    heldout: BoolArray,
    config: TrainConfig,
    *,
    encoder: Encoder | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Fit a head on the frozen encoder; see :class:`~hybrid_llm.training.fitted.FitRecipe`.

    The held-out rows choose the setting; the weights are then fitted to all rows, the held-out ones too.

    Raises:
        EncoderError: The encoder cannot be loaded, or is the fine-tuned network of a router.
    """
    encoder = encoder or Encoder.load(config.encoder)
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
        recoverable=(RECOVERABLE if config.landmark_rows else RECOVERABLE_MEANS).format(
            n=f"{len(fitted.head.landmarks):,}", together=TOGETHER
        ),
        settings=config.as_dict(),
    )


def _features(encoder: Encoder, rows: PairTable, progress: Progress | None) -> NDArray[np.float32]:
    parts = []
    for start in range(0, len(rows), CHUNK):
        queries = rows.queries[start : start + CHUNK]
        parts.append(features_of(queries, encoder)[0])
        if progress:
            progress("Reading queries", start + len(queries), len(rows))
    return np.concatenate(parts)


def _calm_threads(rows: int) -> AbstractContextManager[object]:
    """Keep small problems on one thread: on a busy machine BLAS threads wait for each other more than they work."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas") if rows < SMALL_PROBLEM else nullcontext()
