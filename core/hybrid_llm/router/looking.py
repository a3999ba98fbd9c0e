"""What the rows of a pair give a second look: levels of each path, and rungs with a promise."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.look import QUERY, LookRows, Path, PathCalibration, SecondLook
from hybrid_llm.router.once import warn_user
from hybrid_llm.router.promise import told_data
from hybrid_llm.scoring import UNFAMILIAR

if TYPE_CHECKING:
    from hybrid_llm.certify import Menu
    from hybrid_llm.router.decider import Decider
    from hybrid_llm.router.parts import RouterParts
    from hybrid_llm.table import PairTable

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LEAST_ANSWERS: Final = 30
"""Answers without which a path gets no levels."""


def look_rows(router: Decider, pair: PairTable, look: SecondLook, scores: FloatArray | None = None) -> LookRows:
    """Return the answers of a pair's rows as a look sees them.

    Args:
        router: Scores the queries.
        pair: m rows.
        look: Says whose answers are compared.
        scores: Shape (m,), where they are known already.

    Raises:
        LookError: A checker answered no row.
    """
    given = router.score(pair.queries) if scores is None else scores
    return LookRows.of(pair, given, ~(router.familiarity(pair.queries) < UNFAMILIAR), look.checkers, look.final)


def judges(look: SecondLook | None, pair: PairTable) -> bool:
    """Return whether a look can be judged on rows: it is of their pair, and they say what small answered."""
    if look is None or (look.bound.small, look.bound.large) != (pair.small, pair.large):
        return False
    there = {model for models in pair.responses for model in models}
    return pair.small in there and there.issuperset(look.checkers)


def measured(look: SecondLook, rows: LookRows) -> SecondLook:
    """Return the look with levels of each path, measured on the answers that have what it sees.

    Args:
        look: The look.
        rows: Answers that neither fitted it nor made its rungs.
    """
    return look.with_parts(paths={columns: _measured(path, rows) for columns, path in look.paths.items()})


def _measured(path: Path, rows: LookRows) -> Path:
    there = rows.having(path.head.columns) & rows.seen
    if int(there.sum()) < LEAST_ANSWERS:
        return replace(path, calibration=None)
    mine = rows.take(there)
    s = path.head.scores({name: mine.column(name) for name in path.head.columns})
    p = mine.p if QUERY in path.head.columns else None
    found = PathCalibration.of(
        path.ladder, p, np.asarray(s), mine.usable, mine.weights, small=mine.small, large=mine.large
    )
    return replace(path, calibration=found)


def shows(look: SecondLook, rows: LookRows) -> BoolArray:
    """Return of which of n answers a proof can speak, shape (n,): those that show all that a look reads of an answer.

    Of two kinds the fate is known without: an unfamiliar query has no score, and what a check rejects goes to large.
    """
    return rows.seen & (rows.having(_signals(look)) | ~rows.usable)


def prove_look(
    parts: RouterParts,
    look: SecondLook,
    rows: LookRows,
    pair: PairTable,
    *,
    max_drop: float,
    confidence: float,
    data: str,
    measured_by: str,
    void_reason: str,
    menu: bool = True,
    families: int = 1,
) -> Menu | None:
    """Certify quality levels of the whole path, as far as the rows allow.

    A row is one answer, and rows of one question share its weight. It counts as small's if all holds: the query is
    familiar, its score passes the gate, no check rejects the answer, and s reaches the rung's threshold. The rungs come
    from training rows alone.

    Answers that do not show all that the look reads are left out, and the certificate says how many. To count them as
    large's would prove too much: where a table lacks signals that the traffic has, they would lower the drop of all.
    Without them the promise holds whether the traffic has such answers or not, since it is of the others alone.

    Args:
        parts: The router.
        look: The look.
        rows: n answers.
        pair: The rows that they answer.
        max_drop: The largest quality drop to promise, in (0, 1).
        confidence: Probability that the promise holds, in (0, 1).
        data: Where the rows come from, in words.
        measured_by: What scored the responses, in words.
        void_reason: Why the certificate is void; empty when it stands.
        menu: Whether the usual levels are tested beside ``max_drop``.
        families: How many families of thresholds these rows test.

    Returns:
        The certificates; ``None``, with a warning, when no answer shows all that the look reads.

    Raises:
        CertificateError: A value is out of range, or large scores 0 everywhere.
    """
    from hybrid_llm.certify import LEVELS, Provenance, certify_menu

    there = shows(look, rows)
    proving = rows.take(there)
    if not len(proving):
        warn_user(
            f"None of the {len(rows):,} answers shows all that the second look reads ({', '.join(_signals(look))}), so "
            "it gets no certificate: collect them (hybrid-llm collect), or train it for what is there."
        )
        return None
    left = len(rows) - len(proving)
    heights = look.heights(proving)
    return certify_menu(
        heights,
        proving.small,
        proving.large,
        max_drop,
        confidence,
        thresholds=look.paths[look.columns].ladder.heights,
        groups=[pair.questions[row] for row in proving.query],
        eligible=(heights > 0) & proving.known,
        levels=LEVELS if menu else (),
        families=families,
        provenance=Provenance(
            small=pair.small,
            large=pair.large,
            measured_by=measured_by,
            data=told_data(data, pair) + _told_gaps(left, len(rows)),
            data_hash=pair.data_hash,
            router_id=parts.id,
            look_id=look.id,
            created=datetime.datetime.now(datetime.UTC).date().isoformat(),
            void_reason=void_reason,
        ),
    )


def _signals(look: SecondLook) -> list[str]:
    return [name for name in look.columns if name != QUERY]


def _told_gaps(left: int, of: int) -> str:
    """Say how many answers a proof left out, since they do not show all that the look reads."""
    return f"; {left:,} of {of:,} answers that do not show all that the look reads were left out" if left else ""
