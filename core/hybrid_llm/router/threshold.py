"""How a level becomes a threshold.

In this order: a certified threshold, if this level or a stricter one is certified for the pair; else the measured
one of the calibration. Whoever insists on a proof gets "always large" instead of the measured one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybrid_llm.errors import LevelError
from hybrid_llm.level import ALWAYS_LARGE, DEFAULT_LEVEL, Level
from hybrid_llm.router.once import warn_user

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
        void_reason: Why the certificate that spoke of this level is void; empty where there is none, or it stands.
    """

    value: float
    certified: bool = False
    measured: bool = False
    void_reason: str = ""


class Thresholds:
    """The thresholds of one router.

    Args:
        calibration: Measured thresholds, if there are any.
        certificate: Proved thresholds, if there are any.
        features: Version of the text features that the router's scores are made of.
    """

    def __init__(self, calibration: Calibration | None, certificate: Menu | None, features: int = 1) -> None:
        self._calibration = calibration
        self._certificate = certificate
        self._features = features
        self._warned = False

    def of(self, level: Level | None, *, require_certified: bool = False) -> Threshold:
        """Return the threshold of a level, with one warning when the first quality is measured and not proved.

        Args:
            level: What the caller asks for; ``None`` is the default level.
            require_certified: Whether only a proved threshold will do.

        Raises:
            LevelError: The level needs a calibration, and there is none or one of other text features.
        """
        level = level or DEFAULT_LEVEL
        if level.kind != "threshold":
            self._refuse_other_features()
        threshold = resolve(level, self._calibration, self._certificate, require_certified=require_certified)
        if threshold.measured and not self._warned:
            self._warned = True
            self._warn(level)
        return threshold

    def _refuse_other_features(self) -> None:
        measured = self._calibration
        if measured is not None and measured.features != self._features:
            raise LevelError(
                f"The thresholds were measured on scores of text features of version {measured.features}, and this "
                f"router reads version {self._features}; measure them again: hybrid-llm calibrate ROWS --router DIR "
                f"--small {measured.small} --large {measured.large} --out DIR"
            )

    def _warn(self, level: Level) -> None:
        measured = self._calibration
        assert measured is not None
        if self._certificate is not None and self._certificate.provenance.void:
            warn_user(
                f"The certificate of this router is void: {self._certificate.provenance.void_reason} The threshold for "
                f"{level} is a measured one, and promises nothing; hybrid-llm certify gives a new one with a proof."
            )
            return
        note = f"; {measured.note}" if measured.note else ""
        warn_user(
            f"The threshold for {level} was measured, not certified, for this pair ({measured.small} -> "
            f"{measured.large}, {measured.n} rows{note}); hybrid-llm certify gives one with a proof."
        )


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
    void = certificate.provenance.void_reason if level.kind == "quality" and certificate is not None else ""
    if require_certified:
        return Threshold(ALWAYS_LARGE, void_reason=void)
    if level.kind == "threshold":
        return Threshold(level.value)
    if calibration is None:
        raise LevelError(
            f"This router has no thresholds for {level}: pass threshold=, or calibrate it for your pair "
            "(router.calibrate(table, small=..., large=...) or: hybrid-llm calibrate)."
        )
    return Threshold(calibration.cut(level).threshold, measured=level.kind == "quality", void_reason=void)
