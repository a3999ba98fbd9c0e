"""How a level becomes a threshold.

In this order: a certified threshold, if this level or a stricter one is certified for the pair; else the measured
one of the calibration. Whoever insists on a proof gets "always large" instead of the measured one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_llm.errors import LevelError
from hybrid_llm.level import ALWAYS_LARGE, Level

if TYPE_CHECKING:
    from hybrid_llm.calibration import Calibration
    from hybrid_llm.certify import Menu


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a level came to.

    Args:
        value: A query goes to small if and only if its score is at least this.
        certified: Whether it comes from a certificate.
        measured: Whether it is the calibration's, for a quality that nobody proved: worth a warning.
    """

    value: float
    certified: bool = False
    measured: bool = False


def resolve(
    level: Level, calibration: Calibration | None, certificate: Menu | None, *, require_certified: bool = False
) -> Threshold:
    """Return the threshold of a level.

    Args:
        level: What the caller asks for.
        calibration: Measured thresholds, if there are any.
        certificate: Proved thresholds, if there are any.
        require_certified: Whether only a proved threshold will do.

    Raises:
        LevelError: The level needs a calibration and there is none.
    """
    if level.kind == "quality" and certificate is not None:
        proved = certificate.for_quality(level.value)
        if proved is not None:
            return Threshold(proved.threshold, certified=True)
    if require_certified:
        return Threshold(ALWAYS_LARGE)
    if level.kind == "threshold":
        return Threshold(level.value)
    if calibration is None:
        raise LevelError(
            f"This router has no thresholds for {level}: pass threshold=, or calibrate it for your pair "
            "(router.calibrate(table, small=..., large=...) or: hybrid-llm calibrate)."
        )
    return Threshold(calibration.cut(level).threshold, measured=level.kind == "quality")


def features_read_by(scorer: Any) -> int:
    """Return the version of the text features that a scorer reads; 1 for one that reads none of them."""
    return int(getattr(scorer, "features", 1))


def refuse_other_features(scorer: Any, calibration: Calibration | None) -> None:
    """Refuse thresholds for scores that were made of another version of the text features.

    Raises:
        LevelError: The versions differ.
    """
    read = features_read_by(scorer)
    if calibration is not None and calibration.features != read:
        raise LevelError(
            f"The thresholds were measured on scores of text features of version {calibration.features}, and this "
            f"router reads version {read}; measure them again: hybrid-llm calibrate ROWS --router DIR "
            f"--small {calibration.small} --large {calibration.large} --out DIR"
        )
