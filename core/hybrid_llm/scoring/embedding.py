"""Trained scorers: a text goes through the encoder alone and is remembered; the head makes its score of it."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.scoring.cache import ScoreCache, Scored
from hybrid_llm.scoring.features import VERSION, feature_names, read_as, text_features
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

    @property
    def features(self) -> int:
        """Version of the text features that the scores are made of; 1 for a network, which reads none."""
        return 1

    def prepare(self) -> None:
        """Open the network now, not at the first query."""
        self.encoder.encode([])

    def score(self, queries: Sequence[str]) -> FloatArray:
        """Return p(x), shape (n,), inside (0, 1)."""
        return self.score_in_full(queries)[0]

    def score_in_full(self, queries: Sequence[str]) -> tuple[FloatArray, BoolArray, FloatArray]:
        """Return p(x), whether each query was longer than the encoder reads, and how familiar it is.

        All are of shape (n,). Familiarity is the share of training queries that were less like the others; NaN where
        nobody measured it.
        """
        scores, truncated, familiar = np.zeros(len(queries)), np.zeros(len(queries), dtype=bool), np.zeros(len(queries))
        for start in range(0, len(queries), CHUNK):
            some = queries[start : start + CHUNK]
            known = dict(zip(some, self.cache.get(some), strict=True))
            new = [text for text, scored in known.items() if scored is None]
            if new:
                fresh = list(zip(new, self._pass(new), strict=True))
                self.cache.put(fresh)
                known.update(fresh)
            part = slice(start, start + len(some))
            scores[part], truncated[part], familiar[part] = _columns([known[text] for text in some])
        return scores, truncated, familiar

    def recall(self, queries: Sequence[str]) -> tuple[FloatArray, BoolArray, FloatArray] | None:
        """Return what :meth:`score_in_full` would, if it can be had at once from memory."""
        if sum(map(len, queries)) > AT_ONCE:
            return None
        scored = self.cache.get(queries)
        return None if None in scored else _columns(scored)

    @abstractmethod
    def _pass(self, texts: list[str]) -> list[Scored]:
        """Return of each text the score, whether it was longer than the encoder reads, and its familiarity."""


@dataclass(frozen=True, eq=False)
class EmbeddingScorer(RememberingScorer):
    """Scores a query by a head on its frozen embedding and on cheap features of its text.

    Args:
        encoder: Text to embeddings of length 1.
        head: Features to p(x).

    Raises:
        DamagedFolderError: The head is one for embeddings of another length.
    """

    encoder: Encoder
    head: Head
    cache: ScoreCache = field(default_factory=ScoreCache, repr=False)
    id: str = field(init=False)
    """Content hash of all that a score depends on: encoder, head, names of the text features."""
    _norms: NDArray[np.float32] = field(init=False, repr=False)
    _of_text: NDArray[np.float32] = field(init=False, repr=False)
    """The landmarks' text features, shape (number of features, m): so laid out, their distances cost microseconds."""

    def __post_init__(self) -> None:
        """Check that head and encoder fit; prepare what each score needs: the id, the landmarks' squared lengths."""
        if self.encoder.dim + self.head.texts != len(self.head.shift):
            raise DamagedFolderError(f"The head does not fit the encoder {self.encoder.id}; train the router again.")
        names = feature_names(self.head.version)
        digest = hashlib.sha256(f"{self.encoder.sha256}\n{' '.join(names)}\n".encode())
        for name, values in sorted(self.head.tensors().items()):
            digest.update(f"{name} {values.shape}\n".encode())
            digest.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
        object.__setattr__(self, "id", digest.hexdigest()[:16])
        object.__setattr__(self, "_norms", np.einsum("ij,ij->i", self.head.landmarks, self.head.landmarks))
        of_text = np.ascontiguousarray(self.head.landmarks[:, -self.head.texts :].T)
        object.__setattr__(self, "_of_text", of_text)

    @property
    def features(self) -> int:
        """Version of the text features that the scores are made of."""
        return self.head.version

    def _pass(self, texts: list[str]) -> list[Scored]:
        features, truncated = features_of(texts, self.encoder, self.head.version)
        scored = map(self._apply_head, features)
        return [(score, cut, familiar) for (score, familiar), cut in zip(scored, truncated.tolist(), strict=True)]

    def _apply_head(self, features: NDArray[np.float32]) -> tuple[float, float]:
        """Return what ``head.score`` returns for one row of features, and the row's familiarity.

        One row at a time, because a product of matrices rounds differently with each number of rows. By einsum,
        which has no threads: OpenBLAS shares this small product out, and on a busy machine then waits milliseconds
        for its threads.
        """
        head = self.head
        u = head.inputs(features)
        squared = self._norms + np.float32(u @ u) - 2 * np.einsum("ij,j->i", head.landmarks, u)
        squared = np.maximum(squared, np.float32(0))
        raw = float(np.exp(-squared) @ head.weights) + head.bias
        if head.linear is not None:
            raw += float(np.einsum("i,i->", u, head.linear))
        score = float(squash(np.array(head.slope * raw + head.offset)))
        if head.familiarity is None:
            return score, math.nan
        text = np.square(self._of_text - u[-head.texts :, None]).sum(axis=0)
        return score, float(head.familiarity.of((squared - text)[None], text[None])[0])


def features_of(
    queries: Sequence[str], encoder: Encoder, version: int = VERSION
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the features that a head reads, and whether each query was longer than the encoder reads.

    Args:
        queries: n texts.
        encoder: What embeds them.
        version: Of the text features.

    Returns:
        Features of shape (n, d), embeddings beside text features; whether the text was cut, shape (n,).
    """
    texts = read_as(queries, version)
    encoded = encoder.encode(texts)
    return np.concatenate([encoded.embeddings, text_features(texts, version)], axis=1), encoded.truncated


def _columns(scored: Sequence[Scored | None]) -> tuple[FloatArray, BoolArray, FloatArray]:
    table = [row for row in scored if row is not None]
    scores, cut, familiar = (np.array([row[part] for row in table]) for part in range(3))
    return scores, cut.astype(bool), familiar
