"""Every setting of training, in one frozen and checked place."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, get_args

from hybrid_llm.errors import ConfigError
from hybrid_llm.training.onnx.graph import Pooling

Label = Literal["det", "prob", "trans"]
Recipe = Literal["auto", "head", "full"]
Precision = Literal["auto", "bf16", "float32"]
_OF_HEAD: Final = {"landmarks", "landmark_rows", "embedding_gammas", "text_gammas", "ridges", "gap_weights"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneSettings:
    """Settings of the recipe ``full``; the recipe ``head`` reads none of them.

    Sources: [paper] section 4.1 of arXiv 2404.14618, which states model and epochs only; [code] the defaults of
    ``train_router.py`` in github.com/microsoft/best-route-llm, which the authors released later.

    Args:
        epochs: Passes over the training rows. [paper] 5, the best on the validation set is kept.
        learning_rate: Highest rate of AdamW; it falls linearly to 0. [code] 1e-5, with Adafactor, for 300M weights;
            small encoders on few rows want more.
        batch_size: Rows of one step of the optimiser, over all devices. [code] 128.
        device_batch_size: Rows that a device works on at a time; the rest of the batch is accumulated. [code] 8.
        max_length: Tokens to read of a query, special tokens included; of longer ones head and tail. [code] 128.
        warmup: Share of the steps in which the learning rate rises. [code] 0.05.
        weight_decay: Pull on matrices towards 0, not on biases and norms. [code] 0.1.
        layer_decay: Each layer learns at this times the rate of the layer above it. [code] 1, all alike.
        dropout: Share of the pooled vector that is dropped before the logit; inside, the encoder keeps its own.
            [code] 0.05.
        max_grad_norm: Longer gradients are shortened to this. [code] 1e11, which never happens; here the usual 1.
        pooling: How token vectors become one: ``"mean"``, or the first (``"cls"``). [code] an added token.
        frozen_layers: Lower layers, and the embeddings with them, that stay as they are. [code] 0.
        early_stop: Epochs without a lower validation loss after which training ends; 0 goes on to the last.
            [code] 0.
        gradient_checkpointing: Compute activations twice instead of keeping them: less memory, about 1.3 x the time.
        precision: ``"bf16"``, ``"float32"``, or ``"auto"``: bf16 on a GPU that has it. [code] fp16.
        int8: Whether the exported network gets 8-bit weights.
        checkpoints: Folder from which an interrupted run goes on; ``None`` keeps nothing.
        checkpoint_minutes: Time between checkpoints within an epoch; there is one after each epoch as well.

    Raises:
        ConfigError: A setting is out of its range.
    """

    epochs: int = 5
    learning_rate: float = 1e-5
    batch_size: int = 128
    device_batch_size: int = 8
    max_length: int = 128
    warmup: float = 0.05
    weight_decay: float = 0.1
    layer_decay: float = 1.0
    dropout: float = 0.05
    max_grad_norm: float = 1.0
    pooling: Pooling = "mean"
    frozen_layers: int = 0
    early_stop: int = 2
    gradient_checkpointing: bool = False
    precision: Precision = "auto"
    int8: bool = False
    checkpoints: str | None = None
    checkpoint_minutes: float = 10.0

    def __post_init__(self) -> None:
        """Refuse settings that fine-tuning could not follow."""
        for name, least in (
            ("epochs", 1),
            ("batch_size", 1),
            ("device_batch_size", 1),
            ("max_length", 8),
            ("frozen_layers", 0),
            ("early_stop", 0),
        ):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least {least}.")
        if self.device_batch_size > self.batch_size:
            raise ConfigError(
                f"device_batch_size={self.device_batch_size} is more than batch_size={self.batch_size}; lower it."
            )
        for name, low, high in (
            ("warmup", 0.0, 0.9),
            ("weight_decay", 0.0, 10.0),
            ("dropout", 0.0, 0.9),
            ("checkpoint_minutes", 0.0, math.inf),
        ):
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name}={getattr(self, name)} must lie in [{low:g}, {high:g}].")
        for name, high in (("learning_rate", 1.0), ("layer_decay", 1.0), ("max_grad_norm", math.inf)):
            if not 0.0 < getattr(self, name) <= high:
                raise ConfigError(f"{name}={getattr(self, name)} must lie in (0, {high:g}].")
        for name, words in (("pooling", get_args(Pooling)), ("precision", get_args(Precision))):
            if getattr(self, name) not in words:
                raise ConfigError(f"{name} is {' or '.join(words)}, not {getattr(self, name)!r}.")

    @property
    def parts(self) -> int:
        """Batches of a device that make one batch of a step."""
        return -(-self.batch_size // self.device_batch_size)


@dataclass(frozen=True, slots=True)
class TrainConfig(FineTuneSettings):
    """Settings of training; the tuples are what the held-out fifth chooses from.

    Those of the recipe ``full`` are :class:`FineTuneSettings`.

    Args:
        label: ``"det"``, ``"prob"`` or ``"trans"`` (section 3 of arXiv 2404.14618). On 0/1 scores of one response
            the three are the same.
        recipe: ``"head"``: a head on the frozen encoder, in seconds. ``"full"``: the paper's, an encoder fine-tuned
            with a one-logit head. ``"auto"``: ``head``, as long as fine-tuning has paid nowhere
            (docs/measured/fine_tuning.md).
        all_rows: Fit to every row, whatever its split, and take the thresholds from the score of each row by a fit that
            leaves it out: the best that under 200 rows give (docs/measured/calibration.md). No row is left that could
            judge or certify such a router. Only for ``head``.
        t: The t of ``trans`` labels, in units of quality; ``None`` finds t* (Eq. 3).
        encoder: For ``head``: folder of an exported encoder, ``None`` is the shipped one. For ``full``: folder or hub
            id of the model to fine-tune. [paper] microsoft/deberta-v3-large.
        seed: Seed of the landmarks; for ``full`` of the order of the rows and of dropout. [code] 42.
        heldout: Share of ``train`` that chooses; the paper's validation set in its role of choosing.
        min_heldout: With fewer held-out rows than this nothing is chosen, since the choice would be noise: the
            first value of each tuple is taken.
        landmarks: Kernel centres at most; 2,000 keep the head under 2 MB.
        landmark_rows: Whether the kernel centres are training rows. Otherwise each is the mean of ten or more that are
            alike: nobody can read a row off the head, which routes slightly worse (docs/guide/training.md).
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
    all_rows: bool = False
    t: float | None = None
    encoder: str | None = None
    seed: int = 0
    heldout: float = 0.2
    min_heldout: int = 100
    landmarks: int = 2000
    landmark_rows: bool = True
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
        if self.recipe == "full" and self.all_rows:
            raise ConfigError("all_rows belongs to the recipe head: the recipe full scores no row by a fit without it.")
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
