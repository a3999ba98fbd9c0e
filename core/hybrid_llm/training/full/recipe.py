"""The way into the recipe ``full``: the paper's own router, an encoder fine-tuned with a one-logit head.

Four fifths of ``train`` are fitted; the held-out fifth chooses the epoch and gives Platt's step. What is served is the
exported network, by ONNX Runtime, without torch.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hybrid_llm.errors import ConfigError, EncoderError
from hybrid_llm.router import warn_user
from hybrid_llm.scoring import Encoder, LogitHead, NetworkScorer, Progress, QueryTokenizer
from hybrid_llm.training.fitted import BoolArray, Fitted, FloatArray
from hybrid_llm.training.full.batches import steps_per_epoch
from hybrid_llm.training.full.checkpoints import NETWORK, Checkpoints
from hybrid_llm.training.full.devices import Devices
from hybrid_llm.training.full.finetune import FineTuned, TokenRows, fine_tune, logits
from hybrid_llm.training.full.network import logit_network
from hybrid_llm.training.full.serving import LEAST_AGREEMENT, agreement, check_scores, write_network
from hybrid_llm.training.onnx.export import LIBRARIES
from hybrid_llm.training.onnx.folder import Source
from hybrid_llm.training.onnx.graph import check_length
from hybrid_llm.training.onnx.hub import fast_tokenizer, folder_of, hash_of_weights, licence_of, quiet, shown, versions
from hybrid_llm.training.probability import LEAST_SLOPE, platt

if TYPE_CHECKING:
    from hybrid_llm.table import PairTable
    from hybrid_llm.training.config import TrainConfig

CHECKED: Final = 500
"""Queries on which the exported network is held to torch."""
FEW_STEPS: Final = 100
"""Steps of the optimiser below which a new logit and its encoder have hardly moved."""
_NO_PART: Final = ("checkpoints", "checkpoint_minutes", "int8", "recipe", "encoder")
"""Settings that a run does not depend on: it may go on with others (the encoder is known by its weights)."""
RECOVERABLE: Final = (
    "The network was fine-tuned on the training queries. None of them is stored in it, but whoever has the folder can "
    "try whether a query that they guess was among them: treat the folder as you treat the training queries."
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
    """Fine-tune an encoder on soft labels and export it; see :class:`~hybrid_llm.training.fitted.FitRecipe`.

    ``config.encoder`` is the model to fine-tune, so there must be no ``encoder``. The held-out rows choose the epoch
    and are not fitted.

    Raises:
        EncoderError: The model cannot be had, trained or exported, or the network cannot be written.
        ConfigError: A setting does not suit the model, memory is out, or ``checkpoints`` is of another run.
        RouterFolderError: A checkpoint cannot be written.
        MissingExtraError: The extra ``finetune`` is not installed.
    """
    if encoder is not None:
        raise ConfigError(
            "encoder= is one to serve with; the recipe full fine-tunes a model: TrainConfig(encoder=...)."
        )
    made_with = versions("The recipe full", *LIBRARIES, "accelerate")
    assert config.encoder is not None
    if Path(config.encoder, "encoder.onnx").is_file():
        raise EncoderError(f"{config.encoder} is an exported encoder; fine-tuning needs the model it was made from.")
    choosing = bool(heldout.sum() >= config.min_heldout)
    fitting = labels[~heldout]
    _warn_of_few_steps(len(fitting), config)
    with quiet():
        devices = Devices(config)
        folder = folder_of(config.encoder)
        source = Source(shown(config.encoder), licence_of(folder), hash_of_weights(folder))
        tokenizer = fast_tokenizer(folder)
        network = logit_network(folder, config, float(fitting.mean()), config.seed)
        check_length(network, config.max_length, "max_length")
    ids = _token_ids(QueryTokenizer(tokenizer, config.max_length), rows.queries, progress)
    parts = [
        TokenRows([ids[i] for i in np.flatnonzero(part)], labels[part], rows.mean_small[part], rows.mean_large[part])
        for part in (~heldout, heldout)
    ]
    checkpoints = _checkpoints(config, devices, rows, labels, source)
    tuned = fine_tune(
        network,
        parts[0],
        parts[1] if choosing else None,
        config,
        config.seed,
        devices=devices,
        checkpoints=checkpoints,
        progress=progress,
    )
    unseen = heldout if choosing else np.ones(len(ids), dtype=bool)
    raw = logits(network, [ids[i] for i in np.flatnonzero(unseen)], config, devices, exact=True)
    place = Path(config.checkpoints or tempfile.mkdtemp(prefix="hybrid-llm-"), NETWORK)
    if devices.first:
        if progress:
            progress("Exporting", 0, 0)
        with quiet():
            write_network(network, tokenizer, place, source, config, made_with)
    devices.wait()
    served = Encoder.load(place)
    devices.part()  # from here on the first process may remove what all have read
    if not config.checkpoints:
        weakref.finalize(served, shutil.rmtree, place.parent, ignore_errors=True)
    slope, offset = platt(raw, labels[unseen]) if choosing else (1.0, 0.0)
    scorer = NetworkScorer(served, LogitHead(max(slope, LEAST_SLOPE), offset))
    checked = [rows.queries[i] for i in np.flatnonzero(unseen)[:CHECKED]]
    faith = _faith(scorer.head.score(raw)[: len(checked)], scorer.score(checked), int8=config.int8)
    return Fitted(
        scorer=scorer,
        scores=scorer.head.score(raw),
        found_signal=bool(slope > LEAST_SLOPE),
        chosen={"epoch": tuned.best},
        heldout={**_figures(tuned, int(heldout.sum()), choosing), **faith},
        n_fit=len(fitting),
        recoverable=RECOVERABLE,
        settings={**config.as_dict(), "encoder": source.name},
        versions={name: made_with[name] for name in ("torch", "transformers", "accelerate", "onnx")},
    )


def _warn_of_few_steps(rows: int, config: TrainConfig) -> None:
    steps = config.epochs * steps_per_epoch(rows, config.device_batch_size, config.parts)
    if steps < FEW_STEPS:
        warn_user(
            f"epochs={config.epochs} of {rows:,} rows are {steps} steps, likely too few to learn from: lower "
            f"batch_size (now {config.batch_size}), and raise learning_rate for a small encoder "
            "(docs/guide/training.md)."
        )


def _token_ids(tokenizer: QueryTokenizer, queries: Sequence[str], progress: Progress | None) -> list[list[int]]:
    ids = []
    for number, query in enumerate(queries):
        ids.append(tokenizer.ids(query)[0])
        if progress and number % 1000 == 0:
            progress("Reading queries", number, len(queries))
    return ids


def _checkpoints(
    config: TrainConfig, devices: Devices, rows: PairTable, labels: FloatArray, source: Source
) -> Checkpoints | None:
    if config.checkpoints is None:
        if devices.count > 1:
            raise ConfigError("Several processes need a folder that all of them see: set checkpoints.")
        return None
    settings = {name: value for name, value in config.as_dict().items() if name not in _NO_PART}
    run = {
        **settings,
        "data": rows.data_hash,
        "labels": hashlib.sha256(labels.astype("<f8").tobytes()).hexdigest(),
        "encoder": source.weights_sha256,
    }
    folder = Path(config.checkpoints)
    made = Checkpoints(folder, run) if devices.first else None
    devices.wait()
    return made or Checkpoints(folder, run)


def _faith(torchs: FloatArray, served: FloatArray, *, int8: bool) -> dict[str, float]:
    """Say how near the exported network is to torch; warn where 8-bit weights change decisions."""
    if not int8:
        return {"onnx_difference": check_scores(served, torchs)}
    same = agreement(served, torchs)
    if same < LEAST_AGREEMENT:
        warn_user(
            f"With 8-bit weights {same:.1%} of the decisions are those of the network itself, fewer than "
            f"{LEAST_AGREEMENT:.0%}; without int8 all are."
        )
    return {"int8_agreement": same}


def _figures(tuned: FineTuned, n: int, choosing: bool) -> dict[str, Any]:
    best = tuned.epochs[tuned.best - 1]
    figures = {"loss": best.loss, "apgr": best.apgr}
    return {
        "n": n,
        "chosen": choosing,
        **{name: value for name, value in figures.items() if value is not None},
        "epochs": [asdict(epoch) for epoch in tuned.epochs],
        "steps": tuned.steps,
    }
