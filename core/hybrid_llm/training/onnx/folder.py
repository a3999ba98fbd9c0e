"""The writing of an encoder folder: graph, tokenizer, what they are, and what a model's licence asks to be kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_llm.disk import whole_folder
from hybrid_llm.errors import EncoderError
from hybrid_llm.scoring import ENCODER_FOLDER, NOTICE, EncoderInfo
from hybrid_llm.training.onnx.graph import Pooling
from hybrid_llm.untrusted import check_graph, check_tokenizer

if TYPE_CHECKING:
    from onnx import ModelProto
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Source:
    """The model that an encoder is made from.

    Args:
        name: As others may see it.
        licence: As its model card names it.
        weights_sha256: Hash of its weights.
    """

    name: str
    licence: str
    weights_sha256: str


def write_encoder(
    out: Path,
    graph: ModelProto,
    tokenizer: Tokenizer,
    source: Source,
    *,
    name: str,
    dim: int,
    max_tokens: int,
    pooling: Pooling,
    quantisation: str,
    made_with: dict[str, str],
    changes: str,
    command: str | None = None,
) -> EncoderInfo:
    """Write an encoder folder: encoder.onnx, tokenizer.json, NOTICE and encoder.json. It appears whole.

    Args:
        out: The folder; made, or an encoder folder that is replaced as a whole.
        graph: What becomes encoder.onnx, checked already.
        tokenizer: Its tokenizer.
        source: The model that both are made from.
        name: See :class:`~hybrid_llm.scoring.EncoderInfo`, like the next five.
        dim: Length of what the graph gives for a text.
        max_tokens: Tokens to read of a text.
        pooling: How token vectors become one.
        quantisation: How the weights were made 8 bits wide, in words, or ``"none"``.
        made_with: Versions of the libraries.
        changes: What was done to the model before its export, for NOTICE.
        command: The command that makes the same files, for NOTICE.

    Returns:
        What encoder.json says.

    Raises:
        EncoderError: The folder cannot be written, or holds something else, or the model has operators or a tokenizer
            that no encoder may have.
    """
    files = {
        "encoder.onnx": graph.SerializeToString(deterministic=True),
        "tokenizer.json": tokenizer.to_str(pretty=False).encode(),
    }
    try:  # what could not be loaded again need not be written
        check_graph(files["encoder.onnx"])
        check_tokenizer(files["tokenizer.json"])
        info = EncoderInfo(
            name=name,
            dim=dim,
            max_tokens=max_tokens,
            pooling=pooling,
            quantisation=quantisation,
            files={file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
            weights_sha256=source.weights_sha256,
            made_with=made_with,
        )
    except ValueError as error:
        raise EncoderError(f"{source.name} cannot become an encoder: what was made of it {error}.") from error
    notice = (
        f"encoder.onnx and tokenizer.json are derived from the model {source.name}.\n"
        f"Licence of the model: {source.licence}\n"
        f"sha256 of its weights (safetensors): {source.weights_sha256}\n"
        "\n"
        f"What was changed: {changes};\n"
        f"exported to ONNX (weights: {info.weights}); tokenizer without padding and truncation.\n"
    )
    if command is not None:
        notice += f"Made by: {command}\n"
    with whole_folder(out, ENCODER_FOLDER) as fresh:
        for file, content in {**files, NOTICE: notice.encode()}.items():
            (fresh / file).write_bytes(content)
        info.write(fresh)
    return info
