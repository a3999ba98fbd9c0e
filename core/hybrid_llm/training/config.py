"""Every setting of training, in one frozen and checked place."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, get_args

from hybrid_llm.errors import ConfigError
from hybrid_llm.training.full_settings import FineTuneSettings

Label = Literal["det", "prob", "trans"]
Recipe = Literal["auto", "head", "full"]
_OF_HEAD: Final = {"landmarks", "embedding_gammas", "text_gammas", "ridges", "gap_weights"}


@dataclass(frozen=True, slots=True)
class TrainConfig(FineTuneSettings):
    """Settings of training; the tuples are what the held-out fifth chooses from.

    Those of the recipe ``full`` are :class:`~hybrid_llm.training.full_settings.FineTuneSettings`.

    Args:
        label: ``"det"``, ``"prob"`` or ``"trans"`` (section 3 of arXiv 2404.14618). On 0/1 scores of one response
            the three are the same.
        recipe: ``"head"``: a head on the frozen encoder, in seconds. ``"full"``: the paper's, an encoder fine-tuned
            with a one-logit head. ``"auto"``: ``head``, as long as fine-tuning has paid nowhere (docs/training.md).
        t: The t of ``trans`` labels, in units of quality; ``None`` finds t* (Eq. 3).
        encoder: For ``head``: folder of an exported encoder, ``None`` is the shipped one. For ``full``: folder or hub
            id of the model to fine-tune. [paper] microsoft/deberta-v3-large.
        seed: Seed of the landmarks; for ``full`` of the order of the rows and of dropout. [code] 42.
        heldout: Share of ``train`` that chooses; the paper's validation set in its role of choosing.
        min_heldout: With fewer held-out rows than this nothing is chosen, since the choice would be noise: the
            first value of each tuple is taken.
        landmarks: Kernel centres at most; 2,000 keep the head under 2 MB.
        embedding_gammas: Kernel widths for the embedding.
        text_gammas: Kernel widths for the text features.
        ridges: Regularisation strengths, in units of squared target.
        gap_weights: How much of the quality gap H is added to the label as a target. The label says whether small
            is good enough, the gap also by how much it is worth it; the scores are mapped back to the label.

    Raises:
        ConfigError: A setting is out of its range.
    """

    label: Label = "prob"
    recipe: Recipe = "auto"
    t: float | None = None
    encoder: str | None = None
    seed: int = 0
    heldout: float = 0.2
    min_heldout: int = 100
    landmarks: int = 2000
    embedding_gammas: tuple[float, ...] = (1.0, 2.0)
    text_gammas: tuple[float, ...] = (2.0, 0.5)
    ridges: tuple[float, ...] = (3.0, 10.0)
    gap_weights: tuple[float, ...] = (1.0, 0.0, 4.0)

    def __post_init__(self) -> None:
        """Refuse settings that training could not follow."""
        FineTuneSettings.__post_init__(self)
        if self.label not in get_args(Label):
            raise ConfigError(f"label is {' or '.join(get_args(Label))}, not {self.label!r}.")
        if self.recipe not in get_args(Recipe):
            raise ConfigError(f"recipe is {' or '.join(get_args(Recipe))}, not {self.recipe!r}.")
        if self.recipe == "full" and not self.encoder:
            raise ConfigError(
                "The recipe full needs a model to fine-tune: set encoder to a folder or a hub id "
                "(the paper's is microsoft/deberta-v3-large)."
            )
        if self.t is not None and not (math.isfinite(self.t) and self.t >= 0):
            raise ConfigError(f"t={self.t} must be a number >= 0; leave it out to find the best one (Eq. 3).")
        if self.t is not None and self.label != "trans":
            raise ConfigError("t belongs to the label trans; pass label='trans' or leave t out.")
        if not 0 < self.heldout < 1:
            raise ConfigError(f"heldout={self.heldout} must be between 0 and 1; 0.2 is usual.")
        if self.landmarks < 1 or self.min_heldout < 1:
            raise ConfigError("landmarks and min_heldout must be at least 1.")
        _check_grid("embedding_gammas", self.embedding_gammas, least=0.0)
        _check_grid("text_gammas", self.text_gammas, least=0.0)
        _check_grid("gap_weights", self.gap_weights, least=0.0)
        _check_grid("ridges", self.ridges, least=1e-9)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values: what decides the result of the recipe."""
        everything = asdict(self)
        of_full = {field.name for field in fields(FineTuneSettings)}
        left_out = {"checkpoints", "checkpoint_minutes"} | (_OF_HEAD if self.recipe == "full" else of_full)
        return {name: value for name, value in everything.items() if name not in left_out}


def _check_grid(name: str, values: Iterable[float], least: float) -> None:
    numbers = tuple(values)
    if not numbers or any(not math.isfinite(value) or value < least for value in numbers):
        raise ConfigError(f"{name}={numbers} needs one or more numbers >= {least:g}.")
