"""The settings of the recipe ``full``: fine-tuning an encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from hybrid_llm.errors import ConfigError
from hybrid_llm.training.onnx.graph import Pooling

Precision = Literal["auto", "bf16", "float32"]


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
