"""The runs that ``run`` compares: each in a process of its own, for its memory, and kept for the next time."""

from __future__ import annotations

import json
import resource
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.common.pairs import PAIRS, Tables
from hybrid_llm.errors import HybridLLMWarning
from hybrid_llm.table import PairTable, hash64
from hybrid_llm.training import TrainConfig, train

HEAD: Final = "head"
TRIED: Final[Mapping[str, Any]] = {
    "recipe": "full",
    "learning_rate": 1e-4,
    "batch_size": 32,
    "device_batch_size": 32,
    "early_stop": 0,
    "precision": "bf16",
}
"""A small encoder on few rows: with the defaults, meant for 300M weights, it would take a few dozen tiny steps."""


@dataclass(frozen=True)
class RunSpec:
    """One training run.

    Args:
        pair: The name of a pair of :data:`PAIRS`.
        rows: Training rows to use at most.
        name: What the page calls it.
        settings: Those of ``TrainConfig`` beside :data:`TRIED`; none is the recipe ``head``.
    """

    pair: str
    rows: int
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def config(self, model: Path) -> TrainConfig:
        """Return all settings."""
        return TrainConfig(encoder=str(model), **{**TRIED, **self.settings}) if self.settings else TrainConfig()


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Args:
        rows: Training rows that there were.
        cpu_seconds: Time of all threads of training.
        megabytes: Most memory that its process held.
        heldout: Figures on the held-out fifth of the training rows.
        scores: Scores of the test rows.
    """

    rows: int
    cpu_seconds: float
    megabytes: float
    heldout: dict[str, Any]
    scores: list[float]


def rows_of(data: Path, pair: str, rows: int) -> tuple[PairTable, PairTable]:
    """Return so many training rows of a pair, drawn by a hash of their ids, and all of its test rows."""
    table = Tables(data).of(next(spec for spec in PAIRS if spec.name == pair))
    fit = table.split("train")
    drawn = np.argsort(np.array([hash64(f"subset {i}") for i in fit.ids], dtype=np.uint64))[:rows]
    return fit.rows(np.sort(drawn)), table.split("test")


def outcomes(specs: Sequence[RunSpec], data: Path, model: Path, cache: Path, workers: int) -> list[Outcome]:
    """Return what came of each run, from the cache if it was made before, else so many at a time."""
    cache.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        kept = [_kept(spec, cache, model) for spec in specs]
        running = [pool.submit(_run, spec, data, model, file) for spec, file in zip(specs, kept, strict=True)]
        for one in running:
            one.result()
    return [Outcome(**json.loads(file.read_text(encoding="utf-8"))) for file in kept]


def _kept(spec: RunSpec, cache: Path, model: Path) -> Path:
    key = [spec.pair, spec.rows, {**spec.config(model).as_dict(), "encoder": None}]
    return cache / f"full-{hash64(json.dumps(key, sort_keys=True)):016x}.json"


def _run(spec: RunSpec, data: Path, model: Path, kept: Path) -> None:
    if kept.exists():
        return
    fit, test = rows_of(data, spec.pair, spec.rows)
    config = spec.config(model)
    if config.recipe == "full":
        import torch

        torch.set_num_threads(1)
    worked = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HybridLLMWarning)
        router = train(fit, config=config)
    cpu_seconds = time.process_time() - worked
    assert router.record is not None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = Outcome(len(fit), cpu_seconds, peak, dict(router.record.heldout), router.score(test.queries).tolist())
    scratch = kept.with_suffix(".part")
    scratch.write_text(json.dumps(asdict(found)), encoding="utf-8")
    scratch.replace(kept)
    print(f"{spec.pair}, {len(fit):,} rows, {spec.name}: {cpu_seconds:,.0f} s", flush=True)
