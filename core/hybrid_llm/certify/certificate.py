"""What a promise is once it has been made: kept as JSON, looked up by level, told in words.

How one is made is :mod:`hybrid_llm.certify`; the test behind it is :mod:`hybrid_llm.certify.betting`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from hybrid_llm.errors import CertificateError, DamagedFolderError, NewerFormatError
from hybrid_llm.level import ALWAYS_LARGE

FORMAT_VERSION: Final = 1
METHOD: Final = "learn-then-test, fixed sequence from the safest threshold, betting bound"
CAVEATS: Final = (
    "It speaks of the average over distinct queries, for traffic like these queries; not of each single answer, and "
    "only of quality as that scorer sees it.\n"
    "It is void when the pair, the prompts, the scorer, the router or the traffic changes: certify again."
)
SLACK: Final = 1e-9
"""Rounding that 1 - 0.95 <= 0.05 forgives."""


@dataclass(frozen=True)
class Certificate:
    """The answer to "how much may go to small at this level?", with its evidence.

    Args:
        feasible: Whether any threshold can be promised; if not, everything goes to large.
        threshold: Send a query to small if and only if score >= threshold; 2.0 (always large) when not feasible.
        cost_advantage: Share of the calibration queries that the threshold sends to small; 0 when not feasible.
        max_drop: The largest relative quality drop that was asked for, in (0, 1).
        confidence: Probability, over the draw of the calibration queries, that the promise is kept.
        together: Number of certificates that hold all at once with this confidence.
        n: Number of distinct queries.
        drop: Relative quality drop that was measured at the threshold (negative: small did better).
        drop_points: The same in units of quality: mean of always-large minus mean of the mix.
        drop_upper_bound: Upper confidence bound of the relative drop at this threshold taken alone, by the same
            test; never above ``max_drop``, which is what is promised. 0 when not feasible.
        small_quality: Mean quality of always-small.
        large_quality: Mean quality of always-large.
        reason: Why it is not feasible, in words; empty when it is.
        needed_n: Not feasible: an estimate of the distinct queries that would do; ``None`` when more of the same
            would not help, or when the certificate is feasible.
        needed_cost_advantage: The cost advantage that ``needed_n`` queries would promise at best, estimated.
        method: How it was tested.

    Raises:
        CertificateError: A value is outside its range.
    """

    feasible: bool
    threshold: float
    cost_advantage: float
    max_drop: float
    confidence: float
    n: int
    drop: float
    drop_points: float
    drop_upper_bound: float
    small_quality: float
    large_quality: float
    together: int = 1
    reason: str = ""
    needed_n: int | None = None
    needed_cost_advantage: float | None = None
    method: str = METHOD

    def __post_init__(self) -> None:
        """Check the ranges, so that a damaged file cannot promise anything."""
        shares = (self.cost_advantage, self.small_quality, self.large_quality)
        figures = (self.drop, self.drop_points, self.drop_upper_bound)
        sound = (
            self.feasible in (True, False)
            and all(math.isfinite(figure) for figure in figures)
            and all(isinstance(text, str) for text in (self.reason, self.method))
            and all(isinstance(count, int) for count in (self.n, self.together, self.needed_n or 0))
            and 0.0 < self.max_drop < 1.0
            and 0.0 < self.confidence < 1.0
            and 0.0 <= self.threshold <= ALWAYS_LARGE
            and all(0.0 <= share <= 1.0 for share in shares)
            and self.n >= 1
            and self.together >= 1
            and (self.feasible or (self.threshold == ALWAYS_LARGE and self.cost_advantage == 0.0))
        )
        if not sound:
            raise CertificateError(f"A certificate with these values makes no sense: {self!r}.")

    @property
    def quality(self) -> float:
        """The quality level: 1 - max_drop."""
        return round(1.0 - self.max_drop, 12)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, ``quality`` among them."""
        return {"quality": self.quality, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Certificate:
        """Read what :meth:`as_dict` wrote.

        Raises:
            DamagedFolderError: A field is missing, of the wrong kind or out of range.
        """
        try:
            return cls(**_known(cls, data))
        except (AttributeError, TypeError, ValueError) as error:
            raise _damaged(error) from error

    def __str__(self) -> str:
        """Return one line for a product owner."""
        return self.told()

    def told(self, *, of_a_look: bool = False) -> str:
        """Return one line for a product owner.

        Args:
            of_a_look: Whether the threshold is the height of a rung of a second look, which tells people nothing.
        """
        level = f"quality level {self.quality:g}"
        if not self.feasible:
            return f"{level}: nothing can be promised. {self.reason}"
        what = "show small's answer" if of_a_look else f"send scores >= {self.threshold:.4g} to small,"
        return (
            f"{level}: {what} {'to' if of_a_look else ''} {percent(self.cost_advantage)} of the queries; measured drop "
            f"{percent(self.drop)} ({self.drop_points:.2g} points)"
        ).replace("  ", " ")


@dataclass(frozen=True)
class Provenance:
    """Where a menu comes from; a promise without it cannot be judged.

    Args:
        small: Name of the small model.
        large: Name of the large model.
        measured_by: What scored the responses ("exact match", "judge gpt-4 1-10").
        data: Which rows, in words ("support.jsonl, split validation").
        data_hash: Content hash of the rows.
        router_id: Content hash of the router whose scores were used.
        created: Date, ISO 8601.
        void_reason: Why the certificate is void (for example rows that fitting saw); empty when it stands.
        look_id: Content hash of the second look, for a promise about the whole path; empty for one about queries alone.
    """

    small: str = "small"
    large: str = "large"
    measured_by: str = "the scores in the quality table"
    data: str = "the calibration rows"
    data_hash: str = ""
    router_id: str = ""
    created: str = ""
    void_reason: str = ""
    look_id: str = ""

    def __post_init__(self) -> None:
        """Check that all is text: a void reason that is not must not pass for "stands"."""
        if not all(isinstance(getattr(self, f.name), str) for f in fields(self)):
            raise CertificateError(f"Each field of a provenance is a text: {self!r}.")

    @property
    def void(self) -> bool:
        """Whether the certificate promises nothing."""
        return bool(self.void_reason)


@dataclass(frozen=True)
class Menu:
    """Certificates for several quality levels that hold all at once: the content of ``certificate.json``.

    Args:
        certificates: One per level, the strictest first; each with the confidence of the whole menu.
        max_drop: The level that was asked for; one of the certificates has it.
        provenance: What was measured, by what, on what.

    Raises:
        CertificateError: There is no certificate for ``max_drop``.
    """

    certificates: tuple[Certificate, ...]
    max_drop: float
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        """Check that the level asked for is on the menu."""
        if not any(abs(c.max_drop - self.max_drop) <= SLACK for c in self.certificates):
            raise CertificateError(f"The menu has no certificate for the level asked for, max_drop {self.max_drop}.")

    @property
    def asked(self) -> Certificate:
        """The certificate of the level that was asked for, as valid together with the others."""
        return next(c for c in self.certificates if abs(c.max_drop - self.max_drop) <= SLACK)

    def for_quality(self, quality: float) -> Certificate | None:
        """Return the certificate that keeps a quality level and saves most.

        A stricter level keeps a looser one too. ``None`` when nothing that keeps the level is certified, and always
        when the menu is void.

        Args:
            quality: Share of the large model's quality to keep, in (0, 1].
        """
        limit = 1.0 - quality + SLACK
        keep = [c for c in self.certificates if c.feasible and c.max_drop <= limit]
        return None if self.provenance.void else max(keep, key=lambda c: c.cost_advantage, default=None)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values: the certificate asked for, the ``menu``, and the provenance."""
        return {
            "format_version": FORMAT_VERSION,
            **self.asked.as_dict(),
            "void": self.provenance.void,
            "menu": [certificate.as_dict() for certificate in self.certificates],
            "provenance": asdict(self.provenance),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Menu:
        """Read what :meth:`as_dict` wrote.

        Raises:
            NewerFormatError: Written by a later version of the library.
            DamagedFolderError: A field is missing, of the wrong kind or out of range.
        """
        try:
            if data["format_version"] > FORMAT_VERSION:
                raise NewerFormatError("certificate.json was written by a newer version; pip install -U hybrid-llm.")
            certificates = tuple(Certificate.from_dict(entry) for entry in data["menu"])
            return cls(certificates, float(data["max_drop"]), Provenance(**_known(Provenance, data["provenance"])))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _damaged(error) from error

    def explain(self) -> str:
        """Return what the certificate says and does not say, for somebody who answers for a product."""
        p, asked = self.provenance, self.asked
        menu = "\n".join(f"  {each.told(of_a_look=bool(p.look_id))}" for each in self.certificates)
        paragraphs = [
            f"VOID: {p.void_reason} It promises nothing." if p.void else "",
            _headline(asked, p),
            f"The menu, all of it at once with {percent(asked.confidence)} confidence:\n{menu}",
            _evidence(asked, p),
            CAVEATS,
        ]
        return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _headline(asked: Certificate, p: Provenance) -> str:
    if not asked.feasible:
        return f"No promise at quality level {asked.quality:g}. {asked.reason}"
    limit = asked.max_drop * asked.large_quality
    wrong = 100 * (1 - asked.confidence)
    how = f"with scores >= {asked.threshold:.4g} sent to {p.small}"
    did = f"It sends {percent(asked.cost_advantage)} of the calibration queries to {p.small}"
    if p.look_id:
        how = f"with answers of {p.small} shown that pass the second look"
        did = f"It shows {p.small}'s answer to {percent(asked.cost_advantage)} of the calibration queries"
    return (
        f"Promise at quality level {asked.quality:g}: {how}, at most {percent(asked.max_drop)} of the quality of "
        f"{p.large} is lost on average ({limit:.2g} points of {asked.large_quality:.3f}).\n"
        f"{did}; the drop measured on them is {percent(asked.drop)} ({asked.drop_points:.2g} points).\n"
        f"Confidence {percent(asked.confidence)}: of 100 calibrations on fresh queries, at most {wrong:.3g} on average "
        "make a promise that does not hold."
    )


def _evidence(asked: Certificate, p: Provenance) -> str:
    return (
        f"Measured by {p.measured_by}, on {p.data}: {asked.n:,} distinct queries. Mean quality, on a scale from 0 to "
        f"1: {p.small} {asked.small_quality:.3f}, {p.large} {asked.large_quality:.3f}."
    )


def percent(share: float) -> str:
    """Write a fraction as a percentage: 0.0512 -> "5.1 %"; one that is not whole never as 100 %."""
    tenths = f"{100 * share:.1f}"
    if tenths == "100.0" and share < 1.0 - SLACK:
        tenths = "99.9"
    return tenths.removesuffix(".0") + " %"


def _known(cls: type[Certificate | Provenance], data: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(cls)}
    return {key: value for key, value in data.items() if key in names}


def _damaged(error: Exception) -> DamagedFolderError:
    return DamagedFolderError(f"certificate.json is damaged ({error}); run hybrid-llm certify again.")
