"""Quality tables: queries with the measured quality of several models' responses.

``QualityTable.read`` checks every row, ``.pair(small, large)`` keeps the rows with both models, ``.split("train")``
keeps one split. A query that stands in two splits would let a router be judged on what it was trained on: equal text
is an error, an equal ``stem_key`` is counted, and ``drop_leaks`` removes the training rows of both kinds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from hybrid_llm.errors import TableError, UnknownNameError
from hybrid_llm.table.files import rows_of_file
from hybrid_llm.table.ids import with_ids
from hybrid_llm.table.pairs import PairTable, content_hash, read_only, split_sizes, take
from hybrid_llm.table.responses import Response
from hybrid_llm.table.rows import Row, check_rows
from hybrid_llm.table.scores import Scale, check_scale
from hybrid_llm.table.splits import TRAIN, in_two_splits, normal_text, refuse_equal_text, rows_of_split, splits_of

_COLUMNS: Final = (
    "ids", "queries", "row_splits", "tasks", "stem_keys", "quality", "references", "responses", "extras",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LeakReport:
    """Queries that stand in more than one split.

    Args:
        equal_text: Number of texts in more than one split (zero in a table that was read: it is an error there).
        equal_stem: Number of ``stem_key`` values in more than one split.
        rows: Number of training rows whose text or ``stem_key`` also stands in another split.
    """

    equal_text: int
    equal_stem: int
    rows: int


@dataclass(frozen=True, eq=False, repr=False)
class QualityTable:
    """Queries with the measured quality of several models' responses, one row a query, held in columns.

    Make one with :meth:`read` or :meth:`from_rows`, which check the rows.

    Args:
        ids: Row ids, each once; n of them, as in all columns below.
        queries: The texts.
        row_splits: The split of each row.
        tasks: The task of each row, or None.
        stem_keys: The ``stem_key`` of each row, or None; rows with the same key ask the same question.
        quality: For each row {model: (score, ...)}, scores in [0, 1], one for each sampled response.
        references: For each row the accepted texts, none where there is no reference.
        responses: For each row {model: (Response, ...)} of the models whose responses are known, one for each of
            their scores; a model may have been answered for and not graded.
        extras: For each row the fields that this library does not read (``messages``, ``response_tokens``, ...).
        skipped: What was wrong with each row that ``skip_bad`` left out.
        leaks_dropped: How many training rows were dropped because another split has the same question.

    Example:
        >>> table = QualityTable.from_rows(
        ...     [
        ...         {"id": 1, "query": "2+2?", "quality": {"tiny": [1, 1], "big": [1]}},
        ...         {"id": 2, "query": "Prove it.", "quality": {"tiny": [0, 1], "big": [1]}},
        ...     ]
        ... )
        >>> table.models
        ('big', 'tiny')
        >>> table.pair("tiny", "big").mean_small
        array([1. , 0.5])
    """

    ids: tuple[str, ...]
    queries: tuple[str, ...]
    row_splits: tuple[str, ...]
    tasks: tuple[str | None, ...]
    stem_keys: tuple[str | None, ...]
    quality: tuple[Mapping[str, tuple[float, ...]], ...]
    references: tuple[tuple[str, ...], ...]
    responses: tuple[Mapping[str, tuple[Response, ...]], ...]
    extras: tuple[Mapping[str, Any], ...]
    skipped: tuple[str, ...] = ()
    leaks_dropped: int = 0

    @classmethod
    def read(
        cls,
        *paths: str | os.PathLike[str],
        skip_bad: bool = False,
        drop_leaks: bool = False,
        scale: Scale | None = None,
    ) -> QualityTable:
        """Read one or many files as one table: JSON Lines, JSON arrays, CSV or Parquet, also packed by gzip.

        Rows need ``query`` and ``quality`` {model: [score, ...]} with scores in [0, 1]; a bare number is one score,
        true is 1, false 0, null none. A query may be a list of messages: the user's last text is read, and the list
        kept. ``id`` may occur once over all files; a row without one gets a hash of its query. When no row has a
        ``split``, 70 % become ``train``, 15 % ``validation`` and 15 % ``test``, by a hash of the id (rows with equal
        text or an equal ``stem_key`` stay together). In CSV and Parquet the scores may stand in columns called
        ``quality.MODEL`` or ``MODEL``.

        Args:
            paths: The files.
            skip_bad: Leave bad rows out (see ``skipped``) instead of raising at the first one.
            drop_leaks: Drop the training rows whose text or ``stem_key`` also stands in another split.
            scale: The lowest and the highest score that could be given, when that is not 0 and 1.

        Raises:
            TableError: A file cannot be read, a row is bad (the message names file, line and field), only some rows
                have a split, or two splits have a text in common.
            MissingExtraError: A file is Parquet and pyarrow is not installed.
        """
        if not paths:
            raise TableError("No file was given; name at least one .jsonl, .json, .csv or .parquet file.")
        scale = scale and check_scale(scale)
        found = (row for path in paths for row in rows_of_file(Path(path)))
        return cls._of(*check_rows(found, skip_bad=skip_bad, scale=scale), drop_leaks=drop_leaks)

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        source: str = "rows",
        skip_bad: bool = False,
        drop_leaks: bool = False,
        scale: Scale | None = None,
    ) -> QualityTable:
        """Make a table of mappings with the fields that :meth:`read` expects.

        Args:
            rows: The rows.
            source: What error messages call them: ``rows[3]: field 'query' is missing``.
            skip_bad: As in :meth:`read`.
            drop_leaks: As in :meth:`read`.
            scale: As in :meth:`read`.

        Raises:
            TableError: As in :meth:`read`.
        """
        scale = scale and check_scale(scale)
        found = ((f"{source}[{number}]", row) for number, row in enumerate(rows))
        return cls._of(*check_rows(found, skip_bad=skip_bad, scale=scale), drop_leaks=drop_leaks)

    @classmethod
    def _of(cls, rows: Sequence[Row], skipped: Sequence[str], *, drop_leaks: bool) -> QualityTable:
        """Make a table of checked rows."""
        rows = with_ids(rows)
        table = cls(
            ids=tuple(row.id for row in rows),
            queries=tuple(row.query for row in rows),
            row_splits=splits_of(rows),
            tasks=tuple(row.task for row in rows),
            stem_keys=tuple(row.stem_key for row in rows),
            quality=tuple(row.quality for row in rows),
            references=tuple(row.references for row in rows),
            responses=tuple(row.responses for row in rows),
            extras=tuple(row.extra for row in rows),
            skipped=tuple(skipped),
        )
        if drop_leaks:
            table = table.drop_leaks()
        refuse_equal_text(table.ids, table._texts, table.row_splits)
        return table

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<QualityTable: {len(self)} rows, {len(self.models)} models; {split_sizes(self.row_splits)}>"

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Names of the models that have a score in some row, sorted."""
        return tuple(sorted(set().union(*self.quality)))

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, sorted (``row_splits`` has the split of each row)."""
        return tuple(sorted(set(self.row_splits)))

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 (hex) of the ids, queries and scores, whatever the order of the rows and their files."""
        return content_hash(self.ids, self.queries, self.quality)

    @cached_property
    def leaks(self) -> LeakReport:
        """How many questions stand in more than one split."""
        texts = in_two_splits(self._texts, self.row_splits)
        stems = in_two_splits(self.stem_keys, self.row_splits)
        return LeakReport(len(texts), len(stems), len(self._train_rows_in(texts, stems)))

    def drop_leaks(self) -> QualityTable:
        """Return the table without the training rows whose text or ``stem_key`` also stands in another split.

        Raises:
            TableError: No row is left.
        """
        texts = in_two_splits(self._texts, self.row_splits)
        stems = in_two_splits(self.stem_keys, self.row_splits)
        return self._without(self._train_rows_in(texts, stems))

    def without_stems_of(self, other: QualityTable | AbstractSet[str]) -> QualityTable:
        """Return the table without the training rows whose question another table holds back.

        Use it before training on this table and judging on another one.

        Args:
            other: The table to be judged on; its rows outside ``train`` count, by ``stem_key`` and by text.
                Or a set of ``stem_key`` values.

        Raises:
            TableError: No row is left.
        """
        if not isinstance(other, QualityTable):
            return self._without(self._train_rows_in(frozenset(), other))
        held = [row for row, split in enumerate(other.row_splits) if split != TRAIN]
        texts = {other._texts[row] for row in held}
        stems = {key for row in held if (key := other.stem_keys[row]) is not None}
        return self._without(self._train_rows_in(texts, stems))

    def split(self, name: str) -> QualityTable:
        """Return the rows of one split.

        Raises:
            UnknownNameError: The table has no row of that split.
        """
        return self._rows(rows_of_split(name, self.row_splits))

    def pair(self, small: str, large: str) -> PairTable:
        """Return the rows that have scores of both models.

        Raises:
            UnknownNameError: No row has a score of one of the models.
            TableError: Both names are the same, or no row has both models.
        """
        for model in (small, large):
            if model not in self.models:
                raise UnknownNameError.of("model", model, self.models)
        if small == large:
            raise TableError(f"small and large are both {small!r}; a pair needs two models.")
        keep = [row for row, quality in enumerate(self.quality) if small in quality and large in quality]
        if not keep:
            raise TableError(f"No row has scores of both {small!r} and {large!r}; a pair needs the same queries.")
        return PairTable(
            small=small,
            large=large,
            ids=take(self.ids, keep),
            queries=take(self.queries, keep),
            row_splits=take(self.row_splits, keep),
            tasks=take(self.tasks, keep),
            stem_keys=take(self.stem_keys, keep),
            q_small=tuple(read_only(self.quality[row][small]) for row in keep),
            q_large=tuple(read_only(self.quality[row][large]) for row in keep),
            references=take(self.references, keep),
            responses=take(self.responses, keep),
            dropped=len(self) - len(keep),
        )

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        return tuple(map(normal_text, self.queries))

    def _train_rows_in(self, texts: AbstractSet[str], stems: AbstractSet[str]) -> set[int]:
        columns = zip(self.row_splits, self._texts, self.stem_keys, strict=True)
        return {
            row
            for row, (split, text, stem) in enumerate(columns)
            if split == TRAIN and (text in texts or stem in stems)
        }

    def _without(self, rows: AbstractSet[int]) -> QualityTable:
        keep = [row for row in range(len(self)) if row not in rows]
        if not keep:
            raise TableError("Every row is a training row whose question is held back elsewhere; no row is left.")
        return replace(self._rows(keep), leaks_dropped=self.leaks_dropped + len(rows))

    def _rows(self, keep: Sequence[int]) -> QualityTable:
        columns: dict[str, Any] = {name: take(getattr(self, name), keep) for name in _COLUMNS}
        return replace(self, **columns)
