"""What routers call unfamiliar: their own test rows, everyday prompts, other scripts, and subjects left out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.robustness.figures import Figure, share
from benchmarks.robustness.routers import Reader, ours
from hybrid_llm import Router
from hybrid_llm.scoring import VERSION, EmbeddingScorer, Head, features_of
from hybrid_llm.table import PairTable, hash_fraction
from hybrid_llm.training import TrainConfig
from hybrid_llm.training.head.regression import Scaling, familiarity_of

PROMPTS: Final = Path(__file__).with_name("prompts.json")
EVERYDAY, SCRIPTS = "everyday prompts", "prompts in other scripts"
OWN: Final = "own test rows"
SUBJECTS: Final[Mapping[str, tuple[str, ...]]] = {
    "law": ("law", "jurisprudence"),
    "medicine and biology": ("medicine", "biology", "anatomy", "clinical", "genetics", "nutrition", "virology"),
    "mathematics": ("mathematics", "algebra", "statistics"),
    "history and religion": ("history", "religion"),
}
"""Blocks of subjects -> words in the names of their tasks. A router is made without each block in turn."""
LEFT_OUT: Final = "left-out subjects"
KEPT: Final = "other subjects"
JUDGED: Final = 200
"""Rows of each kind that judge a block."""
_OPTIONS: Final = re.compile(r"\n\(?A[).:] .*", re.DOTALL)


def prompts() -> dict[str, list[str]]:
    """Return prompts like none of a benchmark, written for this page."""
    found = json.loads(PROMPTS.read_text(encoding="utf-8"))
    by_script: dict[str, list[str]] = found["other scripts"]
    return {EVERYDAY: found["everyday"], SCRIPTS: [prompt for group in by_script.values() for prompt in group]}


def flagged(read: Reader, own: Sequence[str]) -> dict[str, Figure]:
    """Return which share of its own test rows and of each kind of prompt a router calls unfamiliar."""
    return {name: share(read(texts).unfamiliar) for name, texts in {OWN: own, **prompts()}.items()}


def without_options(query: str) -> str:
    r"""Return a multiple-choice question alone.

    Example:
        >>> without_options("What is 2 + 2?\nA. 3\nB. 4\nAnswer:")
        'What is 2 + 2?'
    """
    return _OPTIONS.sub("", query)


def left_out(pair: PairTable, encoder: Any) -> dict[str, Any]:
    """Leave out each block of subjects and judge on it, with and without options, beside the test rows of the rest.

    No row of a left-out block was fitted, so all of them may judge.
    """
    features = features_of(pair.queries, encoder)[0]
    splits = np.array(pair.row_splits)
    pooled: dict[str, list[NDArray[np.bool_]]] = {}
    blocks = {}
    for block, words in SUBJECTS.items():
        inside = np.array([any(word in task for word in words) for task in pair.tasks])
        if not inside.any():
            continue
        read = _measured(features[~inside & (splits == "train")], encoder)
        kinds = {LEFT_OUT: inside, KEPT: ~inside & (splits == "test")}
        found = {}
        for kind, which in kinds.items():
            queries = _some(pair, which)
            for form, texts in (("with", queries), ("without", [without_options(query) for query in queries])):
                name = f"{kind}, {form} options"
                found[name] = read(texts).unfamiliar
                pooled.setdefault(name, []).append(found[name])
        blocks[block] = {name: share(which) for name, which in found.items()}
    return {"blocks": blocks, "pooled": {name: share(np.concatenate(each)) for name, each in pooled.items()}}


def _some(pair: PairTable, which: NDArray[np.bool_]) -> list[str]:
    rows = pair.rows(which)
    order = np.argsort([hash_fraction(f"judge {i}") for i in rows.ids])[:JUDGED]
    return [rows.queries[i] for i in order]


def _measured(features: NDArray[np.float32], encoder: Any) -> Reader:
    """Return a router of rows (n, d) that knows what is familiar and nothing else, which takes no labels."""
    config = TrainConfig()
    scaling = Scaling.of(features, config.embedding_gammas[0], config.text_gammas[0])
    inputs = scaling(features)
    chosen = np.sort(np.random.default_rng(config.seed).permutation(len(inputs))[: config.landmarks])
    landmarks = inputs[chosen].astype(np.float16).astype(np.float32)
    head = Head(
        scaling.shift,
        scaling.scale,
        landmarks,
        weights=np.zeros(len(landmarks), dtype=np.float32),
        bias=0.0,
        slope=1.0,
        offset=0.0,
        version=VERSION,
        limit=scaling.limit,
        familiarity=familiarity_of(inputs, landmarks, chosen, scaling),
    )
    return ours(Router(EmbeddingScorer(encoder, head)))(encoder)
