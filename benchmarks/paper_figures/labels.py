"""Do det, prob and trans labels make different routers on real pairs? Only where scores are graded or sampled they can.

Such rows are few, so they are cross-validated: every row is scored by routers that did not see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.judge import Judged, compare
from benchmarks.common.pairs import CHAT, Tables
from hybrid_llm.errors import LabelError
from hybrid_llm.table import PairTable, hash_fraction
from hybrid_llm.training import TrainConfig, train

Floats = NDArray[np.float64]

LABELS: Final = ("det", "prob", "trans")
DIFFERENCES: Final = (("prob", "det"), ("trans", "prob"), ("trans", "det"))
TARGETS: Final[dict[str, dict[str, Any]]] = {"label alone": {"gap_weights": (0.0,)}, "label and gap": {}}
"""The paper fits the label alone; the recipe adds the quality gap to it (see ``TrainConfig.gap_weights``)."""


@dataclass(frozen=True)
class Group:
    """Pairs of models with graded or sampled scores, judged together.

    Args:
        name: What the table calls it.
        pairs: (files, small, large) of each.
        task: Only the rows of this task.
    """

    name: str
    pairs: tuple[tuple[tuple[str, ...], str, str], ...]
    task: str | None = None


_GPT4, _NEMOTRON = "gpt-4-1106-preview", "llama-3.1-nemotron-51b-instruct"


def _chat(size: str, *pairs: tuple[tuple[str, ...], str]) -> Group:
    return Group(f"chat, {size} gap", tuple((files, small, _GPT4) for files, small in pairs))


def _graded(size: str, *models: str) -> Group:
    pairs = tuple((("llmrouter_mixed",), model, _NEMOTRON) for model in models)
    return Group(f"mixed, graded task, {size} gap", pairs, "commongen")


GROUPS: Final = (
    _chat("large", (CHAT[:1], "Mistral-7B-Instruct-v0.1"), (CHAT[:1], "Llama-2-70b-chat")),
    _chat(
        "medium",
        *((CHAT, model) for model in ("openchat_3.5", "Starling-LM-7B-alpha", "vicuna-33b-v1.3", "gpt-3.5-turbo-1106")),
        (CHAT[1:], "Mistral-7B-Instruct-v0.2-GGUF"),
    ),
    _chat("small", (CHAT, "gpt-4-0314")),
    _graded("large", "codegemma-7b", "llama3-chatqa-1.5-8b", "mistral-7b-instruct-v0.3"),
    _graded("medium", "qwen2.5-7b-instruct", "gemma-2-9b-it"),
    _graded("small", "llama-3.1-8b-instruct"),
    Group("samples", ((("zeroeval_crux",), "codellama-7b@T0.2", "gpt-4o-2024-08-06"),)),
)


@dataclass(frozen=True)
class LabelEffort:
    """How much work the comparison does."""

    bootstrap: int = 1000
    folds: int = 5
    repetitions: int = 5
    seeds: int = 10
    train_rows: int = 1000
    test_rows: int = 2000


@dataclass
class _OutOfFold:
    scores: dict[str, list[Floats]]
    found_t: list[float] = field(default_factory=list)


def real_groups(tables: Tables, encoder: CachedEncoder, effort: LabelEffort) -> list[dict[str, Any]]:
    """Compare the labels on every group whose files are there; return plain JSON values.

    With one response of each model det and prob are the same label, so that only prob is trained.
    """
    results = []
    for group in GROUPS:
        if not all(tables.has(files) for files, *_ in group.pairs):
            continue
        pairs = [_of_task(tables.pair(*pair), group.task) for pair in group.pairs]
        sampled = any(len(scores) > 1 for pair in pairs for scores in (*pair.q_small, *pair.q_large))
        labels = LABELS if sampled else LABELS[1:]
        for target, changes in TARGETS.items():
            folded = [_out_of_fold(pair, encoder, labels, changes, effort) for pair in pairs]
            judged = [
                Judged(pair.ids, pair.mean_small, pair.mean_large, {k: np.array(v) for k, v in one.scores.items()})
                for pair, one in zip(pairs, folded, strict=True)
            ]
            results.append(
                {
                    "group": group.name,
                    "target": target,
                    "labels": list(labels),
                    "models": [pair.small for pair in pairs],
                    "rows": len(set().union(*(pair.ids for pair in pairs))),
                    "gap": float(np.mean([(pair.mean_small - pair.mean_large).mean() for pair in pairs])),
                    "good": float(np.mean([(pair.mean_small >= pair.mean_large - 1e-9).mean() for pair in pairs])),
                    "t": float(np.mean([t for one in folded for t in one.found_t])),
                    "figures": compare(
                        judged, [(a, b) for a, b in DIFFERENCES if {a, b} <= {*labels}], effort.bootstrap
                    ),
                }
            )
    return results


def fit_and_score(
    pair: PairTable, encoder: CachedEncoder, label: str, changes: Mapping[str, Any]
) -> tuple[Floats, float]:
    """Train on the split ``train``; return the scores of all rows, and the t of the labels."""
    config = TrainConfig(label=label, **changes)  # type: ignore[arg-type]
    try:
        router = train(pair, config=config, encoder=encoder)  # type: ignore[arg-type]
    except LabelError:  # all labels are equal: nothing to learn, so that every query scores the same
        return np.full(len(pair), 0.5), 0.0
    assert router.record is not None
    return router.score(pair.queries), router.record.t


def _of_task(pair: PairTable, task: str | None) -> PairTable:
    return pair if task is None else pair.rows(np.array([one == task for one in pair.tasks]))


def _out_of_fold(
    pair: PairTable, encoder: CachedEncoder, labels: tuple[str, ...], changes: Mapping[str, Any], effort: LabelEffort
) -> _OutOfFold:
    """Score every row by routers that did not see it, once a repetition and label."""
    out = _OutOfFold({label: [] for label in labels})
    for repetition in range(effort.repetitions):
        fold = np.array([int(hash_fraction(f"fold {repetition} {i}") * effort.folds) for i in pair.ids])
        for label in labels:
            scores = np.zeros(len(pair))
            for number in np.unique(fold):
                splits = tuple("test" if one == number else "train" for one in fold)
                everyone, t = fit_and_score(replace(pair, row_splits=splits), encoder, label, changes)
                scores[fold == number] = everyone[fold == number]
                if label == "trans":
                    out.found_t.append(t)
            out.scores[label].append(scores)
    return out
