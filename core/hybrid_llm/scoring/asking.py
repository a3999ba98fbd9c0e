"""What a scorer is, and how it is asked: input and answers checked, in one pass, in a stream, or by tasks of a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hybrid_llm.scoring.encoder import Encoder
    from hybrid_llm.scoring.microbatch import MicroBatch

Scores = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]
"""Scores, whether each text was cut, and familiarity (NaN where the scorer cannot tell), all of shape (n,)."""

Progress = Callable[[str, int, int], None]
"""Told (what, done, total) now and then; total 0 when nobody knows how long it takes."""

CHUNK: Final = 256
"""Queries that a stream reads ahead."""
STEP: Final = 128
"""Queries of a pass where somebody is told how far it is."""
_ROUNDING: Final = 1e-6
"""How far beyond 0 and 1 a score may be that was computed in single precision."""


@runtime_checkable
class Scorer(Protocol):
    """Anything that scores queries: the network of a trained router, or an object of your own."""

    @property
    def id(self) -> str:
        """A name that changes when the scores do (it becomes ``Decision.router_id``)."""
        ...

    def score(self, queries: Sequence[str]) -> NDArray[np.float64]:
        """Return p(x) in [0, 1] for each query, shape (n,)."""
        ...


class Weights(Protocol):
    """The last step of a trained scorer, as a router folder keeps it."""

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the weights as named arrays."""
        ...


@runtime_checkable
class TrainedScorer(Scorer, Protocol):
    """A scorer that training made: an encoder, a head on top, and a memory of scores.

    Whoever has all of this is taken for one: its scores must depend on the text alone, so that they may be remembered
    and texts of several callers scored together.
    """

    @property
    def encoder(self) -> Encoder:
        """What reads the text."""
        ...

    @property
    def head(self) -> Weights:
        """What makes a score of what the encoder gives."""
        ...

    @property
    def features(self) -> int:
        """Version of the text features that the scores are made of; 1 for a network, which reads none."""
        ...

    def prepare(self) -> None:
        """Open the network now, not at the first query."""
        ...

    def score_in_full(self, queries: Sequence[str]) -> Scores:
        """Return p(x), whether each query was longer than the encoder reads, and how familiar it is."""
        ...

    def recall(self, queries: Sequence[str]) -> Scores | None:
        """Return what :meth:`score_in_full` would, if it can be had at once from memory."""
        ...


class Scoring:
    """Asks one scorer and checks its answers.

    Args:
        scorer: What scores.
        progress: Told how many texts are scored, a hundred or so at a time; without it texts are one pass.
    """

    def __init__(self, scorer: Scorer, progress: Progress | None = None) -> None:
        self._scorer = scorer
        self._trained = scorer if isinstance(scorer, TrainedScorer) else None
        self.progress = progress
        self._joint: MicroBatch | None = None

    def score(self, texts: Sequence[str]) -> Scores:
        """Score texts in one pass, or step by step where somebody is told how far it is.

        Raises:
            ValueError: The scorer returned something else than a number in [0, 1] for each text.
        """
        if self.progress is None:
            return self._pass(texts)
        scores, truncated, familiar = np.zeros(len(texts)), np.zeros(len(texts), dtype=bool), np.zeros(len(texts))
        for start in range(0, len(texts), STEP):
            part = slice(start, start + STEP)
            self.progress("Scoring queries", start, len(texts))
            scores[part], truncated[part], familiar[part] = self._pass(texts[part])
        return scores, truncated, familiar

    def tell(self, what: str) -> None:
        """Tell whoever watches that something begins of which nobody knows how long it takes."""
        if self.progress is not None:
            self.progress(what, 0, 0)

    def _pass(self, texts: Sequence[str]) -> Scores:
        if self._trained is not None:
            scores, truncated, familiar = self._trained.score_in_full(texts)
        else:
            scores, truncated, familiar = self._scorer.score(texts), np.zeros(len(texts), dtype=bool), _unknown(texts)
        scores = np.asarray(scores, dtype=np.float64)
        if scores.shape != (len(texts),):
            raise ValueError(f"a scorer must return {len(texts)} numbers, got shape {scores.shape}")
        beyond = scores[~((scores >= -_ROUNDING) & (scores <= 1 + _ROUNDING))]  # NaN is beyond too
        if beyond.size:  # 2.0 means always large: a logit above it would go to small
            raise ValueError(f"a scorer must return numbers in [0, 1], got {beyond[0]:g}")
        return scores.clip(0.0, 1.0), truncated, familiar

    def familiarity(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return how like the training queries texts are, shape (n,); a scorer of your own is not asked."""
        return self.score(texts)[2] if self._trained else _unknown(texts)

    async def ascore(self, texts: list[str]) -> Scores:
        """Do what :meth:`score` does in a worker thread, together with concurrent calls where that is known to work."""
        if self._joint is None:
            from hybrid_llm.scoring.microbatch import MicroBatch

            self._joint = MicroBatch(self.score, self._trained.recall if self._trained else None)
        return await self._joint.score(texts)

    def stream(self, queries: Iterable[str]) -> Iterator[float]:
        """Score texts as they come, a few hundred at a time.

        Raises:
            TypeError: When it is reached, an item that is not a string.
        """
        source, done = iter(queries), 0
        while chunk := list(islice(source, CHUNK)):
            yield from self.score(checked(chunk, done))[0].tolist()
            done += len(chunk)


def _unknown(texts: Sequence[str]) -> NDArray[np.float64]:
    return np.full(len(texts), np.nan)


def checked(queries: Sequence[str], first: int = 0) -> list[str]:
    """Return queries as a list of strings.

    Args:
        queries: What was passed as queries.
        first: Index of the first of them, for the message.

    Raises:
        TypeError: A single string, or an item that is not a string.
    """
    if isinstance(queries, (str, bytes)):
        raise TypeError("A list of queries is expected; for one query use decide(query) or score([query]).")
    texts = list(queries)
    for i, text in enumerate(texts, first):
        if not isinstance(text, str):
            raise TypeError(f"Query {i} is {type(text).__name__}, not a string.")
    return texts


def single(query: str) -> list[str]:
    """Return one query as a list.

    Raises:
        TypeError: It is not a string.
    """
    if not isinstance(query, str):
        raise TypeError(f"decide() takes one query as a string, not {type(query).__name__}; see decide_many().")
    return [query]
