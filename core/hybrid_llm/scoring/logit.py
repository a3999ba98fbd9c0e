"""The scorer of the recipe ``full``: a fine-tuned network that gives one logit, and Platt's step.

The network is an encoder folder like any other, read and run by :mod:`hybrid_llm.scoring.encoder`; what it gives of a
text is one number, the logit, in place of an embedding.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.scoring.cache import ScoreCache, Scored
from hybrid_llm.scoring.embedding import RememberingScorer
from hybrid_llm.scoring.head import squash

if TYPE_CHECKING:
    from hybrid_llm.scoring.encoder import Encoder


@dataclass(frozen=True, slots=True)
class LogitHead:
    """Platt's step on a logit: p(x) = 1 / (1 + exp(-(slope * logit + offset))).

    Args:
        slope: Finite, > 0.
        offset: Finite.

    Raises:
        DamagedFolderError: A number is not as it should be.
    """

    NAMES: ClassVar = ("slope", "offset")

    slope: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers; others cannot come from training."""
        if not (np.isfinite(self.slope) and np.isfinite(self.offset) and self.slope > 0):
            raise DamagedFolderError("The network's last step is damaged; train the router again.")

    def score(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return p(x) for logits, both of shape (n,).

        Example:
            >>> LogitHead(slope=2.0, offset=1.0).score(np.array([-0.5])).round(3)
            array([0.5])
        """
        return squash(self.slope * np.asarray(logits, dtype=np.float64) + self.offset)

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Return the numbers as named arrays, for safetensors."""
        return {"slope": np.array(self.slope), "offset": np.array(self.offset)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> LogitHead:
        """Read what :meth:`tensors` wrote.

        Raises:
            DamagedFolderError: A number is missing or not as it should be.
        """
        if missing := sorted({"slope", "offset"} - set(tensors)):
            raise DamagedFolderError(f"The network's last step lacks {', '.join(missing)}; train the router again.")
        return cls(float(tensors["slope"]), float(tensors["offset"]))


@dataclass(frozen=True, eq=False)
class NetworkScorer(RememberingScorer):
    """Scores a query by the logit of a fine-tuned network.

    Args:
        encoder: The network: an encoder whose ``dim`` is 1.
        head: Logit to p(x).

    Raises:
        DamagedFolderError: The encoder gives embeddings.
    """

    encoder: Encoder
    head: LogitHead
    cache: ScoreCache = field(default_factory=ScoreCache, repr=False)
    id: str = field(init=False)
    """Content hash of all that a score depends on: network and head."""

    def __post_init__(self) -> None:
        """Check the network and make the id."""
        if self.encoder.dim != 1:
            raise DamagedFolderError(f"{self.encoder.id} gives embeddings, no logit; train the router again.")
        content = f"{self.encoder.sha256}\nlogit {float(self.head.slope)!r} {float(self.head.offset)!r}\n"
        object.__setattr__(self, "id", hashlib.sha256(content.encode()).hexdigest()[:16])

    def _pass(self, texts: list[str]) -> list[Scored]:
        encoded = self.encoder.encode(texts)
        scores = self.head.score(encoded.embeddings[:, 0])
        unknown = [math.nan] * len(texts)  # there are no landmarks to compare with
        return list(zip(scores.tolist(), encoded.truncated.tolist(), unknown, strict=True))
