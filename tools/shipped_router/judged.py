"""What a language model judged: everyday prompts, and some training questions whose answers were measured as well.

Each prompt was judged from its text alone: how likely is the answer of a local model of 4 to 8 B of today as good as
that of a hosted one of the GPT-4.1 class? Twice, blind to the other judgement, in another order and in other words (the
probability itself; in how many of a hundred blind pairs). Where the two differ by more than .3 there is a third.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from hybrid_llm.scoring import features_of
from hybrid_llm.table import normal_text
from tools.shipped_router.rows import EVERYDAY, FOLDS, Answered, Material

EVERYDAY_FILE: Final = Path(__file__).with_name("everyday.jsonl")
TRAINING_FILE: Final = Path(__file__).with_name("judged_training.jsonl")
APART: Final = 0.3
"""Two judgements that differ by more than this asked for a third."""
READ: Final = "en"
"""The language that the encoder reads: in none of the others does a score order prompts better than their length."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One everyday prompt and what was thought of it.

    Args:
        id: Its id.
        query: The prompt, as somebody would type it.
        domain: What it is about, one of 27.
        language: Two letters.
        judgements: Two probabilities that small is good enough, or three.
    """

    id: str
    query: str
    domain: str
    language: str
    judgements: tuple[float, ...]

    @property
    def probability(self) -> float:
        """What the judgements come to."""
        return combined(self.judgements)


def combined(judgements: Sequence[float]) -> float:
    """Return the mean of two judgements, the median of three.

    Example:
        >>> combined([0.5, 0.7]), combined([0.3, 0.9, 0.8])
        (0.6, 0.8)
    """
    return statistics.fmean(judgements) if len(judgements) < 3 else statistics.median(judgements)


def read_everyday(file: Path = EVERYDAY_FILE) -> list[Prompt]:
    """Read the everyday prompts, in the order of the file."""
    return [Prompt(**{**line, "judgements": tuple(line["judgements"])}) for line in _lines(file)]


def read_judged_training(file: Path = TRAINING_FILE) -> dict[str, tuple[float, ...]]:
    """Return the judgements of measured questions by their id (``FILE/ID``)."""
    return {line["id"]: tuple(line["judgements"]) for line in _lines(file)}


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def everyday_material(prompts: Sequence[Prompt], encoder: Any) -> Material:
    """Return prompts as rows to fit: as if large were always right, and small as often as it was judged to be.

    A fold is a fifth of the domains, so that a score by the fits to the other folds is one of a domain never seen.
    """
    domains = sorted({prompt.domain for prompt in prompts})
    queries = [prompt.query for prompt in prompts]
    probability = np.array([prompt.probability for prompt in prompts])
    return Material(
        [
            Answered(
                EVERYDAY, f"{EVERYDAY}/{prompt.id}", prompt.query, f"text {normal_text(prompt.query)}", "train", {}
            )
            for prompt in prompts
        ],
        features_of(queries, encoder)[0],
        np.full(len(prompts), EVERYDAY),
        np.array([domains.index(prompt.domain) % FOLDS for prompt in prompts], dtype=int),
        probability,
        np.ones(len(prompts)),
        probability,
        np.array([prompt.language != READ for prompt in prompts]),
    )
