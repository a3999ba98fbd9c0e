"""How many rows a second fine-tuning reads, beside the plain Trainer of transformers with its own padding.

Both on one thread, in seconds of CPU time, so that what else the machine does has little part in it.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.full.trained import rows_of
from hybrid_llm.labels import prob_labels
from hybrid_llm.scoring import QueryTokenizer
from hybrid_llm.table import PairTable
from hybrid_llm.training.config import FineTuneSettings
from hybrid_llm.training.full.batches import length_grouped
from hybrid_llm.training.full.devices import Devices
from hybrid_llm.training.full.finetune import TokenRows, fine_tune
from hybrid_llm.training.full.network import logit_network
from hybrid_llm.training.onnx.hub import fast_tokenizer, quiet

BATCH: Final = 32


@dataclass(frozen=True)
class Speed:
    """Rows a second of one epoch.

    Args:
        pair: Whose queries.
        max_length: Tokens read of each.
        tokens: Their mean number.
        padded_ours: Tokens computed for each of them, here.
        padded_plain: The same of batches in random order.
        ours: Rows a second here.
        plain: Rows a second of the Trainer.
    """

    pair: str
    max_length: int
    tokens: float
    padded_ours: float
    padded_plain: float
    ours: float
    plain: float


def speeds(data: Path, model: Path, pairs: Sequence[str], lengths: Sequence[int], rows: int) -> list[Speed]:
    """Measure one epoch of each, one after the other."""
    import torch

    torch.set_num_threads(1)
    found = []
    for pair in pairs:
        fit, _ = rows_of(data, pair, rows)
        for length in lengths:
            settings = FineTuneSettings(epochs=1, batch_size=BATCH, device_batch_size=BATCH, max_length=length)
            with quiet():
                tokenizer = QueryTokenizer(fast_tokenizer(model), length)
            ids = [tokenizer.ids(query)[0] for query in fit.queries]
            seconds = _ours(model, fit, ids, settings), _plain(model, fit, ids, settings)
            ours, plain = (len(fit) / one for one in seconds)
            sizes = np.array([len(some) for some in ids])
            grouped = length_grouped(sizes.tolist(), BATCH, [0])
            mixed = np.array_split(np.random.default_rng(0).permutation(len(ids)), range(BATCH, len(ids), BATCH))
            padded = (sum(sizes[some].max() * len(some) for some in parts) / sizes.sum() for parts in (grouped, mixed))
            found.append(Speed(pair, length, float(sizes.mean()), *map(float, padded), ours, plain))
            print(found[-1], flush=True)
    return found


def _ours(model: Path, fit: PairTable, ids: list[list[int]], settings: FineTuneSettings) -> float:
    rows = TokenRows(ids, prob_labels(fit.q_small, fit.q_large), fit.mean_small, fit.mean_large)
    devices = Devices(settings)
    with quiet():
        network = logit_network(model, settings, 0.5, seed=0)
    few = replace(rows, ids=ids[:BATCH], labels=rows.labels[:BATCH])
    fine_tune(network, few, None, settings, 0, devices=devices)  # what a first step costs once is not speed
    started = time.process_time()
    fine_tune(network, rows, None, settings, 0, devices=devices)
    return time.process_time() - started


def _plain(model: Path, fit: PairTable, ids: list[list[int]], settings: FineTuneSettings) -> float:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

    class Rows(torch.utils.data.Dataset[Any]):  # type: ignore[misc]
        def __init__(self, some: list[list[int]]) -> None:
            self.some = some

        def __len__(self) -> int:
            return len(self.some)

        def __getitem__(self, i: int) -> dict[str, Any]:
            return {"input_ids": self.some[i], "labels": float(labels[i])}

    labels = prob_labels(fit.q_small, fit.q_large)
    logging.disable(logging.WARNING)
    with quiet(), tempfile.TemporaryDirectory() as scratch:
        network = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
        arguments = TrainingArguments(
            output_dir=scratch,
            num_train_epochs=1,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(model)  # gives the Trainer its own padding, to the longest of a batch
        Trainer(network, arguments, train_dataset=Rows(ids[:BATCH]), processing_class=tokenizer).train()
        trainer = Trainer(network, arguments, train_dataset=Rows(ids), processing_class=tokenizer)
        started = time.process_time()
        trainer.train()
        return time.process_time() - started
