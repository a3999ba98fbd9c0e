"""The routers whose decisions are moved: what each reads out of a query, and the thresholds of its user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.routers import Material, many_neighbours
from hybrid_llm import Level, Router
from hybrid_llm.calibration import calibrate
from hybrid_llm.scoring import UNFAMILIAR, EmbeddingScorer
from hybrid_llm.table import PairTable
from hybrid_llm.training import train

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HEAD: Final = "ours, trained for the pair"
SHIPPED: Final = "ours, as shipped"
NEIGHBOURS: Final = "kNN-100"
OURS: Final = (HEAD, SHIPPED)
QUALITIES: Final = (0.95, 0.99)
ASKED: Final = QUALITIES[0]
"""The level at which flips and quality are counted."""


@dataclass(frozen=True, eq=False)
class Read:
    """What a router reads out of n queries.

    Args:
        scores: Shape (n,), in [0, 1].
        unfamiliar: Shape (n,); never where a router cannot tell.
    """

    scores: Floats
    unfamiliar: Bools

    def at(self, which: Any) -> Read:
        """Return some of the rows."""
        return Read(self.scores[which], self.unfamiliar[which])


Reader = Callable[[Sequence[str]], Read]
Bind = Callable[[Any], Reader]
"""An encoder -> the router with it."""


@dataclass(frozen=True, eq=False)
class Known:
    """A router with the thresholds that the validation rows of the pair give.

    Args:
        bind: The router, not yet bound to an encoder.
        read: The router with the encoder that remembers.
        thresholds: Quality level -> threshold, as ``Router.calibrate`` measures it.
        median: Half of the validation rows score at least this.
    """

    bind: Bind
    read: Reader
    thresholds: Mapping[float, float]
    median: float

    @classmethod
    def of(cls, bind: Bind, encoder: Any, validation: PairTable) -> Known:
        """Measure the thresholds of a router."""
        read = bind(encoder)
        scores = read(validation.queries).scores
        measured = calibrate(scores, validation.mean_small, validation.mean_large)
        thresholds = {quality: measured.cut(Level("quality", quality)).threshold for quality in QUALITIES}
        return cls(bind, read, thresholds, float(np.median(scores)))

    def small(self, read: Read, quality: float = ASKED) -> Bools:
        """Return which queries go to small at a quality level, as ``Router.decide`` sends them: (n,)."""
        return self.by_score(read, quality) & ~read.unfamiliar

    def by_score(self, read: Read, quality: float = ASKED) -> Bools:
        """Return which would without the rule for unfamiliar queries."""
        chosen: Bools = read.scores >= self.thresholds[quality]
        return chosen

    def upper_half(self, read: Read) -> Bools:
        """Return which score at least the median: what ``threshold=`` does, where the score alone decides."""
        chosen: Bools = read.scores >= self.median
        return chosen


def head(material: Material) -> Bind:
    """Train our recipe ``head`` for the pair."""
    return ours(train(material.pair, encoder=material.encoder))  # type: ignore[arg-type]


def shipped(material: Material) -> Bind:
    """Load the router that comes with the library."""
    del material
    return ours(Router.load())


def ours(router: Router) -> Bind:
    """Read scores and familiarity of one of ours."""
    scorer = router.scorer
    assert isinstance(scorer, EmbeddingScorer)

    def bind(encoder: Any) -> Reader:
        bound = EmbeddingScorer(encoder, scorer.head)

        def read(queries: Sequence[str]) -> Read:
            scores, _, familiar = bound.score_in_full(queries)
            return Read(scores, familiar < UNFAMILIAR)  # NaN, where nobody can tell, is not less

        return read

    return bind


def neighbours(material: Material) -> Bind:
    """Take the mean quality gap of the 100 nearest training queries, from [-1, 1] to [0, 1]; it reads texts as is."""
    bound = many_neighbours(material, 0)

    def bind(encoder: Any) -> Reader:
        gaps = bound(encoder)
        return lambda queries: Read((gaps(queries) + 1) / 2, np.zeros(len(queries), dtype=bool))

    return bind


ROUTERS: Final[Mapping[str, Callable[[Material], Bind]]] = {HEAD: head, SHIPPED: shipped, NEIGHBOURS: neighbours}
