"""The export of a fine-tuned network: an ONNX graph that gives one logit, and how near it is to torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import EncoderError
from hybrid_llm.training.onnx.folder import Source, write_encoder
from hybrid_llm.training.onnx.graph import compare, described, quantised, to_onnx

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from hybrid_llm.training.config import FineTuneSettings

FloatArray = NDArray[np.float64]

TOLERANCE: Final = 1e-3
"""How far a score of the exported network may be from torch's."""
LEAST_AGREEMENT: Final = 0.99
"""Share of decisions that 8-bit weights should leave as they are."""


def write_network(
    network: Any,
    tokenizer: Tokenizer,
    out: Path,
    source: Source,
    settings: FineTuneSettings,
    made_with: dict[str, str],
) -> None:
    """Write a fine-tuned network as an encoder folder whose one output is the logit.

    Args:
        network: See :func:`hybrid_llm.training.full.network.logit_network`; it stays on the CPU, for eager attention.
        tokenizer: Its tokenizer.
        out: The folder; made, or its files replaced.
        source: What was fine-tuned, with the hash of the weights before.
        settings: Length and weights.
        made_with: Versions of the libraries.

    Raises:
        EncoderError: torch cannot export the architecture, the graph differs from the network, or the folder cannot
            be written.
    """
    network.eval().cpu()
    network.encoder.set_attn_implementation("eager")  # plain operators, which ONNX Runtime knows how to speed up
    model = to_onnx(network, output="logit")
    compare(model, network, settings.max_length, tolerance=TOLERANCE)
    if settings.int8:
        model = quantised(model, "int8")
    write_encoder(
        out,
        model,
        tokenizer,
        source,
        name=f"{Path(source.name).name}-tuned",
        dim=1,
        max_tokens=settings.max_length,
        pooling=settings.pooling,
        quantisation=described("int8" if settings.int8 else None),
        made_with=made_with,
        changes="fine-tuned as a router (hybrid-llm train --recipe full), with one logit on top",
    )


def check_scores(ours: FloatArray, torchs: FloatArray) -> float:
    """Return the largest difference between scores of the exported network and torch's.

    Raises:
        EncoderError: It is beyond the tolerance.
    """
    worst = float(np.abs(ours - torchs).max(initial=0.0))
    if worst > TOLERANCE:
        raise EncoderError(f"Scores of the exported network differ from torch's by {worst:.1e}; it cannot be used.")
    return worst


def agreement(ours: FloatArray, torchs: FloatArray) -> float:
    """Return the share of decisions that are the same, at thresholds that send 10 %, 20 % ... 90 % to small.

    Example:
        >>> agreement(np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.2, 0.3]))
        1.0
    """
    thresholds = np.quantile(torchs, np.linspace(0.1, 0.9, 9))
    return float(np.mean((ours[:, None] >= thresholds) == (torchs[:, None] >= thresholds)))
