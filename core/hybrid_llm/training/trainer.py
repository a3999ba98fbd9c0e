"""From a quality table to a router: which rows do what, their labels, the recipe, the record, the thresholds."""

from __future__ import annotations

import datetime
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from hybrid_llm.calibration import Calibration, calibrate
from hybrid_llm.errors import LabelError, MissingExtraError, TableError
from hybrid_llm.labels import make_labels
from hybrid_llm.level import ALWAYS_SMALL
from hybrid_llm.router import Router, SeenRows, TrainingRecord, warn_user
from hybrid_llm.scoring import Encoder, Progress
from hybrid_llm.table import PairTable, hash_fraction
from hybrid_llm.training import full, head
from hybrid_llm.training.config import TrainConfig
from hybrid_llm.training.fitted import BoolArray, FitRecipe, FloatArray

if TYPE_CHECKING:
    from hybrid_llm.table import QualityTable

RECIPES: Final[Mapping[str, FitRecipe]] = {"head": head.fit, "full": full.fit}

LEAST_ROWS: Final = 30
QUANTILES: Final = 1000
"""Points of the fixed sequence that a certificate tests."""
TRIED_ROWS: Final = 8287
"""Training rows up to which ``benchmarks/full`` compared both recipes; ``full`` was clearly better on none."""
_LIBRARIES: Final = ("hybrid-llm", "numpy", "onnxruntime", "tokenizers", "scikit-learn")


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

    With ``config.all_rows`` every row is fitted to, and the thresholds come from the score of each by a fit that leaves
    it out: the best use of under 200 rows, but nothing is left to judge such a router by, and it is never certified.

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
    return train_and_score(
        table, small, large, config, encoder=encoder, data=data, fingerprint=fingerprint, progress=progress
    )[0]


def train_and_score(
    table: QualityTable | PairTable,
    small: str | None = None,
    large: str | None = None,
    config: TrainConfig | None = None,
    *,
    encoder: Encoder | None = None,
    data: str = "a quality table",
    fingerprint: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> tuple[Router, FloatArray]:
    """Train as :func:`train` does, and return the scores of training rows by fits that leave them out too.

    With ``config.all_rows`` there is one for each row of the pair, in order, and they are all that can judge the
    router.

    Args:
        table: As in :func:`train`, and so are the others.
        small: Name of the small model.
        large: Name of the large model.
        config: Settings.
        encoder: The encoder to use.
        data: Where the rows come from.
        fingerprint: What else identifies the pair.
        progress: Called with (what, done, total) now and then.

    Raises:
        TableError: As in :func:`train`.
        LabelError: As in :func:`train`.
        MissingExtraError: As in :func:`train`.
    """
    config = config or TrainConfig()
    if importlib.util.find_spec("sklearn") is None:  # said now, not after minutes of reading queries
        raise MissingExtraError.of("Training", "train")
    pair = table if isinstance(table, PairTable) else table.pair(*_named(small, large))
    rows = pair if config.all_rows else pair.split("train")
    if len(rows) < LEAST_ROWS:
        raise TableError(
            f"{len(rows)} training rows are too few to learn from: collect at least {LEAST_ROWS}, better 300, or "
            "calibrate the shipped router instead (hybrid-llm calibrate)."
        )
    recipe = recipe_of(config, len(rows))
    heldout = np.array([hash_fraction(f"held-out {i}") < config.heldout for i in rows.ids])
    labels, t = _labels(rows, heldout, config)
    fitted = RECIPES[recipe](rows, labels, heldout, config, encoder=encoder, progress=progress)
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
    if config.all_rows:
        router = router.override(calibration=_calibration_of_left_out(router, rows, fitted.scores))
    elif "validation" in pair.splits:
        router = router.calibrate(pair.split("validation"))
    return router, fitted.scores


def _calibration_of_left_out(router: Router, rows: PairTable, left_out: FloatArray) -> Calibration:
    return calibrate(
        left_out,
        rows.mean_small,
        rows.mean_large,
        small=rows.small,
        large=rows.large,
        data_hash=rows.data_hash,
        note="each row was scored by a fit that leaves it out",
        features=router.parts.features,
    )


def _named(small: str | None, large: str | None) -> tuple[str, str]:
    if small is None or large is None:
        raise TypeError("train() needs the names of both models in the table: small=..., large=...")
    return small, large


def recipe_of(config: TrainConfig, rows: int) -> Literal["head", "full"]:
    """Return the recipe to follow; ``auto`` is ``head``, since fine-tuning has not paid where it was measured.

    Args:
        config: The settings.
        rows: Training rows.
    """
    if config.recipe != "full":
        return "head"
    if rows <= TRIED_ROWS:
        warn_user(
            f"With {rows:,} training rows the recipe full is likely no better than head: on no pair measured was it "
            f"clearly better, with up to {TRIED_ROWS:,} rows and a small encoder (docs/guide/training.md). Train both, "
            "and "
            "compare: hybrid-llm evaluate"
        )
    return "full"


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


def _quantiles(scores: FloatArray) -> tuple[float, ...]:
    points = np.quantile(scores, np.linspace(0, 1, QUANTILES)).astype(np.float32)
    return tuple(float(q) for q in np.unique([ALWAYS_SMALL, *points]))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
