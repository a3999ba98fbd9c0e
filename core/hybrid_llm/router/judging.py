"""The rows that calibrate, judge or certify a router: which rows they are, and what makes them worth less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hybrid_llm.errors import TableError
from hybrid_llm.router.once import warn_user
from hybrid_llm.table import PairTable

if TYPE_CHECKING:
    from hybrid_llm.router.parts import RouterParts
    from hybrid_llm.table import QualityTable

FEW_ROWS: Final = 100
"""Below this, figures are mostly noise."""
LEAST_CALIBRATION_ROWS: Final = 30


def pair_of(table: QualityTable | PairTable, small: str | None, large: str | None, verb: str) -> PairTable:
    """Return the rows of a pair.

    Args:
        table: A quality table, or a pair taken from one.
        small: Name of the small model; not needed for a pair.
        large: Name of the large model.
        verb: What the rows are for, for the message.

    Raises:
        TypeError: A quality table without both names.
        TableError: A model is not in the table, or no row has both.
    """
    if isinstance(table, PairTable):
        return table
    if small is None or large is None:
        raise TypeError(f"{verb}() needs the names of both models in the table: small=..., large=...")
    return table.pair(small, large)


def count_seen(parts: RouterParts, pair: PairTable) -> int:
    """Return how many of the rows fitting or choosing saw."""
    return parts.record.count_seen(pair.ids, pair.queries) if parts.record else 0


def warn_of_another_pair(parts: RouterParts, pair: PairTable) -> None:
    """Warn when a router meets a pair that it was neither trained nor calibrated for."""
    known = parts.pairs
    if known and (pair.small, pair.large) not in known:
        warn_user(
            f"This router is for {known[0][0]} -> {known[0][1]}; its scores may suit {pair.small} -> {pair.large} "
            "less well: evaluate shows how well, train makes a router for that pair."
        )


def warn_before_judging(parts: RouterParts, pair: PairTable) -> int:
    """Warn of what makes figures worth less than they look: another pair, rows that training saw, few rows.

    Returns:
        How many rows training saw.
    """
    warn_of_another_pair(parts, pair)
    seen = count_seen(parts, pair)
    if seen and parts.record is not None and parts.record.all_rows:
        warn_user(
            f"{seen:,} of {len(pair):,} rows were seen in training, so the figures look better than they are: this "
            "router was fitted to all rows that there were, and only new ones can judge it."
        )
    elif seen:
        warn_user(
            f"{seen:,} of {len(pair):,} rows were seen in training, so the figures look better than they are; use "
            "rows that training did not see (--split test)."
        )
    if len(pair) < FEW_ROWS:
        warn_user(f"{len(pair)} rows say little: figures of fewer than {FEW_ROWS} rows are mostly noise.")
    return seen


def refuse_few_rows(pair: PairTable) -> None:
    """Refuse to calibrate with a handful of rows.

    Raises:
        TableError: There are fewer than :data:`LEAST_CALIBRATION_ROWS`.
    """
    if len(pair) < LEAST_CALIBRATION_ROWS:
        raise TableError(
            f"{len(pair)} rows are too few to calibrate with: collect at least {LEAST_CALIBRATION_ROWS}, better 300."
        )
