"""Does a query resemble what a router was trained on? Far from its landmarks a score says little.

Two things are compared with the landmarks, which are training queries, and both are distances that the head computes
anyway: the embedding alone (what the query is about), and the embedding together with the text features (what it looks
like). Neither will do alone: a question of another subject in the usual format is near in the second, and a plain chat
about a usual subject is near in the first. A query is as familiar as the worse of the two says.

Some landmarks may be *strangers*: queries that are known, but of a kind that the scores are no good for, such as those
in another language. A query that is nearer to them than to the others is not familiar, however near it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import DamagedFolderError

Float32Array = NDArray[np.float32]

UNFAMILIAR: Final = 0.01
"""A query is unfamiliar if a smaller share of the training queries was less like the others than it is."""
NEAREST: Final = 10
"""Landmarks whose mean distance counts: one of them alone may be an odd one."""
POINTS: Final = 2001
"""Quantiles that are kept of each kind."""
_PREFIX: Final = "familiar_"
_ALWAYS: Final = ("content", "whole", "worse", "units")


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What training queries, each left out in turn, are like to the others; all arrays rise.

    Args:
        content: Quantiles of the distance of embeddings, see :func:`nearest`.
        whole: Quantiles of the distance of embeddings and text features.
        worse: Quantiles of the smaller of the two shares that these two give.
        units: What squared distances of embeddings and of text features, in the units of the kernel, are multiplied by,
            so that familiarity does not depend on the kernel that the held-out rows chose.
        strangers: How many of the landmarks are strangers, the last ones.

    Raises:
        DamagedFolderError: An array is empty, not finite or does not rise.
    """

    NAMES: ClassVar = tuple(_PREFIX + name for name in (*_ALWAYS, "strangers"))

    content: Float32Array
    whole: Float32Array
    worse: Float32Array
    units: tuple[float, float] = (1.0, 1.0)
    strangers: int = 0

    def __post_init__(self) -> None:
        """Check that the arrays are quantiles."""
        for each in (self.content, self.whole, self.worse):
            if each.ndim != 1 or not each.size or not np.isfinite(each).all() or (np.diff(each) < 0).any():
                raise DamagedFolderError("The head's measure of familiarity is damaged; train the router again.")

    @classmethod
    def measured(
        cls, content: Float32Array, whole: Float32Array, units: tuple[float, float] = (1.0, 1.0)
    ) -> Familiarity:
        """Return what the distances of training queries come to, both of shape (n,), each query left out in turn."""
        kept = _quantiles(content), _quantiles(whole)
        return cls(*kept, _quantiles(_worse(content, whole, *kept)), units)

    def of(self, embedding: Float32Array, text: Float32Array) -> NDArray[np.float64]:
        """Return the familiarity of queries by their squared distances to m landmarks, two parts of shape (n, m).

        It is 0 where the strangers are nearer in content than the others.
        """
        known = embedding.shape[1] - self.strangers
        content, whole = distances(embedding[:, :known], text[:, :known], self.units)
        share = self.share(content, whole)
        if self.strangers:
            share[nearest(embedding[:, known:] * np.float32(self.units[0])) < content] = 0
        return share

    def share(self, content: Float32Array, whole: Float32Array) -> NDArray[np.float64]:
        """Return the share of training queries that were less like the others than these are, shape (n,).

        Args:
            content: Shape (n,), distances of the embeddings.
            whole: Shape (n,), distances of the embeddings and the text features.

        Example:
            >>> near, far = np.float32([0.1, 0.2]), np.float32([0.1, 9.0])
            >>> Familiarity.measured(near, near).share(far, far).tolist()
            [0.5, 0.0]
        """
        worse = _worse(content, whole, self.content, self.whole)
        return np.searchsorted(self.worse, worse, side="left") / len(self.worse)

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Return the quantiles as named arrays, for safetensors."""
        named = {name: np.asarray(getattr(self, name), dtype=np.float32) for name in _ALWAYS}
        if self.strangers:
            named["strangers"] = np.array(self.strangers)
        return {_PREFIX + name: values for name, values in named.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> Familiarity | None:
        """Read what :meth:`tensors` wrote; ``None`` if it is not there, as in a router of before."""
        if not all(_PREFIX + name in tensors for name in _ALWAYS):
            return None
        content, whole, worse, units = (tensors[_PREFIX + name].astype(np.float32) for name in _ALWAYS)
        if units.shape != (2,) or not (np.isfinite(units) & (units >= 0)).all():
            raise DamagedFolderError("The head's measure of familiarity is damaged; train the router again.")
        strangers = tensors.get(_PREFIX + "strangers", np.array(0))
        if strangers.shape or strangers.dtype.kind not in "iu":
            raise DamagedFolderError("The head's measure of familiarity is damaged; train the router again.")
        return cls(content, whole, worse, (float(units[0]), float(units[1])), int(strangers))


def distances(
    embedding: Float32Array, text: Float32Array, units: tuple[float, float]
) -> tuple[Float32Array, Float32Array]:
    """Return how far queries are from the nearest landmarks, by content and as a whole, both of shape (n,).

    Args:
        embedding: Shape (n, m), squared distances of the embeddings, in the units of the kernel.
        text: Shape (n, m), of the text features.
        units: See :class:`Familiarity`.
    """
    content = embedding * np.float32(units[0])
    return nearest(content), nearest(content + text * np.float32(units[1]))


def nearest(squared: Float32Array) -> Float32Array:
    """Return the mean of the smallest squared distances of each row, shape (n,) for (n, m)."""
    count = min(NEAREST, squared.shape[1])
    smallest: Float32Array = np.partition(squared, count - 1, axis=1)[:, :count].mean(axis=1)
    return smallest


def _quantiles(values: NDArray[np.floating]) -> Float32Array:
    if len(values) <= POINTS:
        return np.sort(values).astype(np.float32)
    quantiles: Float32Array = np.quantile(values, np.linspace(0, 1, POINTS)).astype(np.float32)
    return quantiles


def _worse(
    content: Float32Array, whole: Float32Array, contents: Float32Array, wholes: Float32Array
) -> NDArray[np.float32]:
    """Return the smaller of the shares of training queries that are farther off, by content and as a whole."""
    pairs = (contents, content), (wholes, whole)
    shares = [1 - np.searchsorted(known, value, side="right") / len(known) for known, value in pairs]
    return np.minimum(*shares).astype(np.float32)
