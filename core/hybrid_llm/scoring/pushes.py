"""Which features of a query pushed its score, and which way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.scoring.embedding import EmbeddingScorer, features_of
from hybrid_llm.scoring.features import feature_names
from hybrid_llm.scoring.head import Head

MEANING: Final = "meaning"
"""What the text is about: the whole embedding, as one feature."""
_OTHERS: Final = 64
"""Training queries whose meaning is tried in place of the query's own."""


@dataclass(frozen=True, slots=True)
class Push:
    """How far one feature pushed the score.

    Args:
        feature: Its name; ``"meaning"`` is the whole embedding.
        value: What it is for this query; ``None`` for the meaning.
        mean: What it is on average in training; ``None`` for the meaning.
        push: The score minus what it would be with the mean in place of the value. For the meaning: minus what it is
            on average with the meaning of other training queries. Pushes do not add up to the score, since features
            work together.
    """

    feature: str
    value: float | None
    mean: float | None
    push: float


def pushes_of(scorer: object, query: str) -> tuple[Push, ...]:
    """Return the pushes of a query's features, the strongest first; none for a scorer whose features are not known.

    Args:
        scorer: What scores; a head on a frozen embedding has features, a network or an object of the user's has none.
        query: Its text.
    """
    if not isinstance(scorer, EmbeddingScorer):
        return ()
    head = scorer.head
    features, _ = features_of([query], scorer.encoder, head.version)
    row = features[0].astype(np.float64)
    score = float(head.score(features)[0])
    first = len(row) - head.texts
    swapped = np.repeat(features, head.texts, axis=0)
    for place in range(head.texts):
        swapped[place, first + place] = head.shift[first + place]
    without = head.score(swapped)
    found = [
        Push(name, float(row[first + i]), float(head.shift[first + i]), score - float(without[i]))
        for i, name in enumerate(feature_names(head.version))
    ]
    found.append(Push(MEANING, None, None, score - _with_other_meanings(head, features)))
    return tuple(sorted(found, key=lambda one: -abs(one.push)))


def _with_other_meanings(head: Head, features: NDArray[np.float32]) -> float:
    """Return the mean score of a query's text features beside the embeddings of training queries."""
    first = features.shape[1] - head.texts
    chosen = np.unique(np.linspace(0, len(head.landmarks) - 1, _OTHERS).round().astype(int))
    scale = np.where(head.scale[:first] == 0, 1, head.scale[:first])
    others = np.repeat(features, len(chosen), axis=0)
    others[:, :first] = head.landmarks[chosen, :first] / scale + head.shift[:first]
    return float(head.score(others).mean())
