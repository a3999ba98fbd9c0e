"""Trained scorers: a text goes through the encoder alone and is remembered; the head makes its score of it."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.scoring.cache import ScoreCache, Scored
from hybrid_llm.scoring.features import NAMES, text_features
from hybrid_llm.scoring.head import Head, squash

if TYPE_CHECKING:
    from hybrid_llm.scoring.encoder import Encoder

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CHUNK: Final = 512
"""Texts whose embeddings are held at a time."""
AT_ONCE: Final = 65_536
"""Characters that :meth:`RememberingScorer.recall` looks up at most: well under a millisecond."""


class RememberingScorer(ABC):
    """Scores texts by one pass of an encoder; a scorer below says what becomes of what the encoder gives.

    A score depends on its text alone, to the last bit: not on the texts beside it, nor on the thread. So it is
    remembered (see :class:`ScoreCache`), and a text that occurs several times in a call is scored once.
    """

    encoder: Encoder
    cache: ScoreCache
    id: str

    def prepare(self) -> None:
        """Open the network now, not at the first query."""
        self.encoder.encode([])

    def score(self, queries: Sequence[str]) -> FloatArray:
        """Return p(x), shape (n,), inside (0, 1)."""
        return self.score_with_truncation(queries)[0]

    def score_with_truncation(self, queries: Sequence[str]) -> tuple[FloatArray, BoolArray]:
        """Return p(x) and whether each query was longer than the encoder reads, both of shape (n,)."""
        scores, truncated = np.zeros(len(queries)), np.zeros(len(queries), dtype=bool)
        for start in range(0, len(queries), CHUNK):
            some = queries[start : start + CHUNK]
            known = dict(zip(some, self.cache.get(some), strict=True))
            new = [text for text, scored in known.items() if scored is None]
            if new:
                fresh = list(zip(new, self._pass(new), strict=True))
                self.cache.put(fresh)
                known.update(fresh)
            part = slice(start, start + len(some))
            scores[part], truncated[part] = _columns([known[text] for text in some])
        return scores, truncated

    def recall(self, queries: Sequence[str]) -> tuple[FloatArray, BoolArray] | None:
        """Return what :meth:`score_with_truncation` would, if it can be had at once from memory."""
        if sum(map(len, queries)) > AT_ONCE:
            return None
        scored = self.cache.get(queries)
        return None if None in scored else _columns(scored)

    @abstractmethod
    def _pass(self, texts: list[str]) -> list[Scored]:
        """Return the score of each text, and whether it was longer than the encoder reads."""


@dataclass(frozen=True, eq=False)
class EmbeddingScorer(RememberingScorer):
    """Scores a query by a head on its frozen embedding and on cheap features of its text.

    Args:
        encoder: Text to embeddings of length 1.
        head: Features to p(x).
    """

    encoder: Encoder
    head: Head
    cache: ScoreCache = field(default_factory=ScoreCache, repr=False)
    id: str = field(init=False)
    """Content hash of all that a score depends on: encoder, head, names of the text features."""
    _norms: NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Prepare what each score needs: the id and the landmarks' squared lengths."""
        digest = hashlib.sha256(f"{self.encoder.sha256}\n{' '.join(NAMES)}\n".encode())
        for name, values in sorted(self.head.tensors().items()):
            digest.update(f"{name} {values.shape}\n".encode())
            digest.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
        object.__setattr__(self, "id", digest.hexdigest()[:16])
        object.__setattr__(self, "_norms", np.einsum("ij,ij->i", self.head.landmarks, self.head.landmarks))

    def _pass(self, texts: list[str]) -> list[Scored]:
        encoded = self.encoder.encode(texts)
        scores = [self._apply_head(features) for features in joined(encoded.embeddings, texts)]
        return list(zip(scores, encoded.truncated.tolist(), strict=True))

    def _apply_head(self, features: NDArray[np.float32]) -> float:
        """Return what ``head.score`` returns for one row of features.

        One row at a time, because a product of matrices rounds differently with each number of rows. By einsum,
        which has no threads: OpenBLAS shares this small product out, and on a busy machine then waits milliseconds
        for its threads.
        """
        head = self.head
        u = (features - head.shift) * head.scale
        squared = self._norms + np.float32(u @ u) - 2 * np.einsum("ij,j->i", head.landmarks, u)
        raw = float(np.exp(-np.maximum(squared, np.float32(0))) @ head.weights) + head.bias
        return float(squash(np.array(head.slope * raw + head.offset)))


def joined(embeddings: NDArray[np.float32], queries: Sequence[str]) -> NDArray[np.float32]:
    """Return the features that a head reads, shape (n, d): embeddings beside text features."""
    return np.concatenate([embeddings, text_features(queries)], axis=1, dtype=np.float32)


def _columns(scored: Sequence[Scored | None]) -> tuple[FloatArray, BoolArray]:
    table = [row for row in scored if row is not None]
    return np.array([score for score, _ in table]), np.array([cut for _, cut in table], dtype=bool)
