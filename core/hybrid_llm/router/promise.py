"""What the rows of a pair give a router: measured thresholds, or thresholds with a promise."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import CertificateError
from hybrid_llm.router.judging import count_seen

if TYPE_CHECKING:
    from hybrid_llm.certify import Menu
    from hybrid_llm.router.parts import RouterParts
    from hybrid_llm.table import PairTable

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

ENOUGH_ROWS: Final = 200
"""Graded rows from which on some of them are better kept for a certificate than fitted to."""


def calibrated(parts: RouterParts, pair: PairTable, scores: FloatArray, familiar: BoolArray) -> RouterParts:
    """Return the router with thresholds measured on these rows; a certificate stays if it is of this pair.

    Args:
        parts: The router.
        pair: n rows.
        scores: Shape (n,), their scores by this router.
        familiar: Shape (n,), false where a quality level sends the query to large whatever its score.
    """
    from hybrid_llm.calibration import calibrate

    measured = calibrate(
        scores,
        pair.mean_small,
        pair.mean_large,
        small=pair.small,
        large=pair.large,
        data_hash=pair.data_hash,
        features=parts.features,
        familiar=familiar,
    )
    return replace(parts.before_calibrating(pair.small, pair.large), calibration=measured)


def told_data(data: str, pair: PairTable) -> str:
    """Say where the rows come from, and how many were left out since a model had no grade there."""
    left = f"; {pair.dropped:,} rows without grades of both models were left out" if pair.dropped else ""
    return f"{data}{left}"


def _told_unfamiliar(familiar: BoolArray) -> str:
    """Say how many rows go to large whatever their score."""
    odd = int((~familiar).sum())
    return f"; {odd:,} of {familiar.size:,} are unfamiliar and go to large" if odd else ""


def certified(parts: RouterParts, pair: PairTable, scores: FloatArray, familiar: BoolArray, menu: Menu) -> RouterParts:
    """Return the router with a certificate, and with thresholds of its pair, so that no router speaks of two pairs."""
    kept = parts.before_certifying(pair.small, pair.large)
    return replace(kept if kept.calibration else calibrated(parts, pair, scores, familiar), certificate=menu)


def why_void(parts: RouterParts, pair: PairTable, *, allow_leak: bool) -> str:
    """Return why a certificate from these rows is void, or nothing when training saw none of them.

    Raises:
        CertificateError: Training saw some, or all that there were then, and that is not allowed.
    """
    if parts.record is not None and parts.record.all_rows:
        why = (
            f"This router was fitted to all {parts.record.n_fit:,} rows that there were, so none was left to certify it"
        )
        if not allow_leak:
            raise CertificateError(
                f"{why}. Train again with a split (without --all-rows): from about {ENOUGH_ROWS} graded rows on, half "
                "of those that are not test rows can certify a level."
            )
        return f"{why}."
    seen = count_seen(parts, pair)
    if seen and not allow_leak:
        raise CertificateError(
            f"{seen:,} of {len(pair):,} rows were seen by fitting or choosing and prove nothing: take others (--split "
            "validation), or have a certificate that is marked void (--allow-leak; in Python allow_leak=True)."
        )
    return f"Fitting or choosing saw {seen:,} of the {len(pair):,} rows that it rests on." if seen else ""


def prove(
    parts: RouterParts,
    pair: PairTable,
    scores: FloatArray,
    familiar: BoolArray,
    *,
    max_drop: float,
    confidence: float,
    data: str,
    measured_by: str,
    void_reason: str,
    menu: bool = True,
    families: int = 1,
) -> Menu:
    """Certify the quality levels of a pair, as far as the rows allow.

    The thresholds are those that training fixed (without training an even grid), never quantiles of these scores.
    Rows that ask the same question (equal text, or an equal ``stem_key``) count once. What is proved is what is
    served: an unfamiliar query counts as large's.

    Args:
        parts: The router.
        pair: n rows.
        scores: Shape (n,), their scores by this router.
        familiar: Shape (n,), false where a quality level sends the query to large whatever its score.
        max_drop: The largest quality drop to promise, in (0, 1).
        confidence: Probability that the promise holds, in (0, 1).
        data: Where the rows come from, in words.
        measured_by: What scored the responses, in words.
        void_reason: Why the certificate is void; empty when it stands.
        menu: Whether the usual levels are tested beside ``max_drop``; alone it needs fewer rows.
        families: How many families of thresholds these rows test.

    Raises:
        CertificateError: A value is out of range, or large scores 0 everywhere.
    """
    from hybrid_llm.certify import LEVELS, Provenance, certify_menu

    return certify_menu(
        scores,
        pair.mean_small,
        pair.mean_large,
        max_drop,
        confidence,
        thresholds=parts.record.thresholds if parts.record else None,
        groups=pair.questions,
        eligible=familiar,
        levels=LEVELS if menu else (),
        families=families,
        provenance=Provenance(
            small=pair.small,
            large=pair.large,
            measured_by=measured_by,
            data=told_data(data, pair) + _told_unfamiliar(familiar),
            data_hash=pair.data_hash,
            router_id=parts.id,
            created=datetime.datetime.now(datetime.UTC).date().isoformat(),
            void_reason=void_reason,
        ),
    )
