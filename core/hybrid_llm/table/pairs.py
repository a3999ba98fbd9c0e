"""The rows of a quality table that have scores of both models of a pair."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid_llm.errors import TableError
from hybrid_llm.table.responses import Response
from hybrid_llm.table.splits import rows_of_split, same_question

FloatArray = NDArray[np.float64]

_COLUMNS: Final = (
    "ids", "queries", "row_splits", "tasks", "stem_keys", "q_small", "q_large", "references", "responses",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class PairTable:
    """The rows that have scores of both models of a pair.

    Args:
        small: Name of the small model.
        large: Name of the large model.
        ids: Row ids, n of them, as in all columns below.
        queries: The texts.
        row_splits: The split of each row.
        tasks: The task of each row, or None.
        stem_keys: The ``stem_key`` of each row, or None.
        q_small: For each row the scores of the small model's sampled responses, a read-only float array (m_i,).
        q_large: The same of the large model.
        references: For each row the accepted texts, none where there is no reference.
        responses: For each row {model: (Response, ...)}, not only of the two models: a checker may be among them.
        dropped: How many rows of the quality table lacked one of the two models.

    Raises:
        TableError: There is no row.
    """

    small: str
    large: str
    ids: tuple[str, ...]
    queries: tuple[str, ...]
    row_splits: tuple[str, ...]
    tasks: tuple[str | None, ...]
    stem_keys: tuple[str | None, ...]
    q_small: tuple[FloatArray, ...]
    q_large: tuple[FloatArray, ...]
    references: tuple[tuple[str, ...], ...]
    responses: tuple[Mapping[str, tuple[Response, ...]], ...]
    dropped: int = 0

    def __post_init__(self) -> None:
        """Refuse to be empty."""
        if not self.ids:
            raise TableError(f"No row with both {self.small!r} and {self.large!r} is left.")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<PairTable {self.small} -> {self.large}: {len(self)} rows; {split_sizes(self.row_splits)}>"

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, sorted (``row_splits`` has the split of each row)."""
        return tuple(sorted(set(self.row_splits)))

    @cached_property
    def mean_small(self) -> FloatArray:
        """Mean score of the small model's responses to each query, shape (n,)."""
        return _means(self.q_small)

    @cached_property
    def mean_large(self) -> FloatArray:
        """Mean score of the large model's responses to each query, shape (n,)."""
        return _means(self.q_large)

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """A label for each row; rows with equal text or an equal ``stem_key`` ask one question and share theirs."""
        return same_question(self.queries, self.stem_keys)

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 (hex) of the ids, queries and scores, whatever the order of the rows."""
        pairs = zip(self.q_small, self.q_large, strict=True)
        return content_hash(self.ids, self.queries, ({self.small: [*s], self.large: [*large]} for s, large in pairs))

    def rows(self, which: ArrayLike) -> PairTable:
        """Return some of the rows.

        Args:
            which: A boolean mask of shape (n,), or row numbers in the order wanted.

        Raises:
            TableError: The mask has another length, or no row is left.
        """
        index = np.asarray(which)
        if index.dtype == bool:
            if index.shape != (len(self),):
                raise TableError(f"The mask has shape {index.shape}; this table has {len(self)} rows.")
            index = np.flatnonzero(index)
        keep = index.astype(np.intp, casting="safe").tolist() if index.size else []
        columns: dict[str, Any] = {name: take(getattr(self, name), keep) for name in _COLUMNS}
        return replace(self, **columns)

    def split(self, name: str) -> PairTable:
        """Return the rows of one split.

        Raises:
            UnknownNameError: The table has no row of that split.
        """
        return self.rows(rows_of_split(name, self.row_splits))


def take(column: Sequence[Any], keep: Sequence[int]) -> tuple[Any, ...]:
    """Return some entries of a column."""
    return tuple(column[row] for row in keep)


def read_only(scores: Iterable[float]) -> FloatArray:
    """Return the scores as an array that nobody can change."""
    array = np.array(tuple(scores), dtype=np.float64)
    array.flags.writeable = False
    return array


def _means(samples: Sequence[FloatArray]) -> FloatArray:
    counts = np.array([len(scores) for scores in samples])
    sums = np.add.reduceat(np.concatenate(samples), np.cumsum(counts) - counts)
    return read_only(sums / counts)


def split_sizes(splits: Iterable[str]) -> str:
    """Say how many rows each split has."""
    return ", ".join(f"{count} {split}" for split, count in sorted(Counter(splits).items()))


def content_hash(ids: Iterable[str], queries: Iterable[str], quality: Iterable[Mapping[str, Sequence[float]]]) -> str:
    """Hash rows in canonical form (sorted keys, sorted row hashes), so that order and files do not matter."""
    rows = (json.dumps(row, sort_keys=True).encode() for row in zip(ids, queries, quality, strict=True))
    return hashlib.sha256(b"".join(sorted(hashlib.sha256(row).digest() for row in rows))).hexdigest()
