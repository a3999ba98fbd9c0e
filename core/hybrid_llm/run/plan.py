"""What the rows of a pair are for: below some 200 all of them train, above they train, certify or report."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar

from hybrid_llm.router import ENOUGH_ROWS
from hybrid_llm.table import TRAIN, PairTable, QualityTable, hash_fraction, same_question

TEST: Final = 0.15
"""Share of the rows that only report."""
CERTIFY: Final = (1 - TEST) / 2
"""Share of the rows that certify: half of those that do not report."""
VALIDATION: Final = "validation"
REPORT: Final = "test"

Rows = TypeVar("Rows", PairTable, QualityTable)


def with_splits(table: Rows) -> Rows:
    """Return rows with a split by the hash of what they ask, so that it stays when more rows come.

    15 % only report; half of the others train, and half give thresholds and certify. Rows that ask the same question
    stay together.

    Example:
        >>> from hybrid_llm import QualityTable
        >>> rows = [{"query": f"What is {i} + {i}?", "quality": {"tiny": i % 2, "big": 1}} for i in range(1000)]
        >>> pair = with_splits(QualityTable.from_rows(rows).pair("tiny", "big"))
        >>> [pair.row_splits.count(split) for split in ("train", "validation", "test")]
        [428, 438, 134]
    """
    questions = same_question(table.queries, table.stem_keys)
    keys = [question.partition(" ")[2] for question in questions]  # the stem_key or the text alone
    return replace(table, row_splits=tuple(map(_split, keys)))


def few(pair: PairTable) -> bool:
    """Return whether so few rows are better all trained on than kept for a certificate."""
    return len(pair) < ENOUGH_ROWS


def _split(key: str) -> str:
    if hash_fraction(f"report {key}") < TEST:
        return REPORT
    return VALIDATION if hash_fraction(f"certify {key}") < 0.5 else TRAIN
