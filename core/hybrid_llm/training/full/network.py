"""The network that is fine-tuned: a text encoder with one logit on top."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.errors import ConfigError, EncoderError
from hybrid_llm.training.config import FineTuneSettings
from hybrid_llm.training.onnx.graph import pool
from hybrid_llm.training.onnx.hub import load_model

if TYPE_CHECKING:
    import torch

LARGEST: Final = 2_000_000_000
"""Bytes of float32 weights that fit into one ONNX file, whose limit is 2 GiB."""


def logit_network(folder: Path, settings: FineTuneSettings, mean_label: float, seed: int) -> Any:
    """Load an encoder and put dropout and one linear unit on its pooled vector.

    Args:
        folder: A Hugging Face encoder with safetensors weights.
        settings: Pooling, dropout, frozen layers, checkpointing.
        mean_label: In [0, 1]; the unit starts with it for every query.
        seed: Seed of the unit's weights.

    Returns:
        A module, (ids (n, s), mask (n, s)) -> logits (n, 1); ``.vocab`` and ``.pad`` are numbers of tokens.

    Raises:
        EncoderError: The encoder cannot be loaded, or is too large for one ONNX file.
        ConfigError: It has fewer layers than are to be frozen.
    """
    import torch

    class LogitNetwork(torch.nn.Module):  # type: ignore[misc]  # torch is not analysed
        def __init__(self, encoder: Any) -> None:
            super().__init__()
            self.encoder, self.vocab = encoder, encoder.config.vocab_size
            self.pad = encoder.config.pad_token_id or 0
            self.dropout = torch.nn.Dropout(settings.dropout)
            self.logit = torch.nn.Linear(encoder.config.hidden_size, 1)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return self.logit(self.dropout(pool(hidden, attention_mask, settings.pooling)))

    encoder = load_model(folder)
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # a second head that nothing reads
    network = LogitNetwork(encoder)
    if 4 * sum(weights.numel() for weights in network.parameters()) > LARGEST:
        raise EncoderError(f"The model in {folder} is too large for one ONNX file (2 GiB); choose a smaller one.")
    with torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        network.logit.weight.normal_(0.0, 0.02, generator=generator)
        share = min(max(mean_label, 0.01), 0.99)
        network.logit.bias.fill_(math.log(share / (1 - share)))
    freeze(network, settings.frozen_layers)
    if settings.gradient_checkpointing:
        encoder.config.use_cache = False  # which encoders do not do anyway; left on, transformers says so
        again: dict[str, Any] = {"use_reentrant": False}
        if hasattr(encoder, "activation_checkpointing_enable"):  # its name from transformers 5 on
            encoder.activation_checkpointing_enable(activation_checkpointing_kwargs=again)
        else:
            encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs=again)
    return network


def freeze(network: Any, layers: int) -> None:
    """Keep the lower layers and the embeddings as they are.

    Raises:
        ConfigError: The encoder has no more layers than that.
    """
    depths, count = _depths(network.encoder)
    if layers > count:
        raise ConfigError(f"frozen_layers={layers}, and the encoder has {count} layers; freeze fewer.")
    for name, weights in network.encoder.named_parameters():
        weights.requires_grad_(layers == 0 or depths[name] > layers)


def parameter_groups(network: Any, settings: FineTuneSettings) -> list[dict[str, Any]]:
    """Return the weights that learn as groups for the optimiser, each with its share of the learning rate as ``share``.

    A layer learns at ``layer_decay`` times the rate of the one above it; the logit and what stands above the layers
    at the full rate. Biases and norms are not decayed.
    """
    found, count = _depths(network.encoder)
    depths, top = {f"encoder.{name}": depth for name, depth in found.items()}, count + 1
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, weights in network.named_parameters():
        if weights.requires_grad:
            share = settings.layer_decay ** (top - depths.get(name, top))
            decay = settings.weight_decay if weights.ndim > 1 else 0.0
            group = groups.setdefault((share, decay), {"params": [], "share": share, "weight_decay": decay})
            group["params"].append(weights)
    return list(groups.values())


def _depths(encoder: Any) -> tuple[dict[str, int], int]:
    """Return the depth of each weight of an encoder (embeddings 0, layer i of n (from 1) i, all else n + 1), and n.

    The layers are the longest list of modules: so BERT, RoBERTa, DeBERTa, MiniLM, ModernBERT and their kin have it.
    """
    import torch

    lists = [(name, part) for name, part in encoder.named_modules() if isinstance(part, torch.nn.ModuleList)]
    prefix, layers = max(lists, key=lambda named: len(named[1]))
    depths = {}
    for name, _ in encoder.named_parameters():
        if name.startswith(f"{prefix}."):
            depths[name] = int(name.removeprefix(f"{prefix}.").partition(".")[0]) + 1
        else:
            below = "embeddings" in name or name.startswith("encoder.LayerNorm.")  # DeBERTa's norm of its positions
            depths[name] = 0 if below else len(layers) + 1
    return depths, len(layers)
