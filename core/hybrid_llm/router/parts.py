"""The parts of a router: what a folder holds, a card describes and a :class:`Router` is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_llm.scoring import TrainedScorer

if TYPE_CHECKING:
    from hybrid_llm.calibration import Calibration
    from hybrid_llm.certify import Menu
    from hybrid_llm.look import SecondLook
    from hybrid_llm.router.record import TrainingRecord
    from hybrid_llm.scoring import Scorer


@dataclass(frozen=True, eq=False)
class RouterParts:
    """The parts of a router.

    Args:
        scorer: What scores.
        calibration: Thresholds measured for one pair of models.
        certificate: Thresholds with a proof, for the same pair.
        record: What training did, for a trained router.
        path: The folder that all this was read from.
        seal: The hash of all that the folder held, when it was read; empty for one of before.
        looks: The second looks, by their form: ``"trained"``, ``"logprobs"``, ``"agreement"``.
    """

    scorer: Scorer
    calibration: Calibration | None = None
    certificate: Menu | None = None
    record: TrainingRecord | None = None
    path: Path | None = None
    seal: str = ""
    looks: Mapping[str, SecondLook] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Content hash of all that the scores depend on."""
        return self.scorer.id

    @property
    def features(self) -> int:
        """Version of the text features that the scorer reads; 1 for one that reads none of them."""
        return self.scorer.features if isinstance(self.scorer, TrainedScorer) else 1

    @property
    def proves(self) -> bool:
        """Whether the certificate promises anything: it is not void, and some level is feasible."""
        menu = self.certificate
        return menu is not None and not menu.provenance.void and any(c.feasible for c in menu.certificates)

    @property
    def promises(self) -> bool:
        """Whether a certificate stands that promises something, of queries or of a second look."""
        proved = (look.certificate for look in self.looks.values())
        looks = (any(c.feasible for c in menu.certificates) for menu in proved if menu and not menu.provenance.void)
        return self.proves or any(looks)

    @property
    def void_reason(self) -> str:
        """Why nothing is promised any more: all certificates are void; empty where one stands, or there is none."""
        menus = (self.certificate, *(look.certificate for look in self.looks.values()))
        return why_all_void(menu for menu in menus if menu is not None)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs (small, large) of the calibration and of training, in this order."""
        return tuple((origin.small, origin.large) for origin in (self.calibration, self.record) if origin is not None)

    def before_calibrating(self, small: str, large: str) -> RouterParts:
        """Return what stays when thresholds of a pair are measured: a certificate only if it is of this pair."""
        proved = self.certificate.provenance if self.certificate else None
        same = proved is not None and (proved.small, proved.large) == (small, large)
        kept = self.certificate if same else None
        return replace(self, calibration=None, certificate=kept, path=None, seal="", looks=self._looks_of(small, large))

    def before_certifying(self, small: str, large: str) -> RouterParts:
        """Return what stays when a pair gets a certificate: the measured thresholds only if they are of this pair."""
        measured = self.calibration
        same = measured is not None and (measured.small, measured.large) == (small, large)
        kept = measured if same else None
        return replace(self, calibration=kept, certificate=None, path=None, seal="", looks=self._looks_of(small, large))

    def _looks_of(self, small: str, large: str) -> dict[str, SecondLook]:
        """Return the looks of a pair: an untrained one knows no large model."""
        names = {small, ""}, {large, ""}
        return {
            form: look
            for form, look in self.looks.items()
            if look.bound.small in names[0] and look.bound.large in names[1]
        }


def why_all_void(menus: Iterable[Menu]) -> str:
    """Return why none of these certificates promises anything any more; empty where one stands, or there is none."""
    reasons = [menu.provenance.void_reason for menu in menus]
    return reasons[0] if all(reasons) and reasons else ""
