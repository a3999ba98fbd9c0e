"""The export of any Hugging Face text encoder to an encoder folder: ONNX, pooled inside, with 8-bit weights.

``hybrid-llm export`` is the command. Needs the extra ``finetune``; what it writes is read without torch.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_args

from hybrid_llm.errors import EncoderError
from hybrid_llm.scoring import ENCODER_FOLDER, QueryTokenizer
from hybrid_llm.training.onnx.folder import Source, write_encoder
from hybrid_llm.training.onnx.graph import (
    Pooling,
    Quantise,
    check_length,
    compare,
    described,
    pooled_module,
    quantised,
    to_onnx,
)
from hybrid_llm.training.onnx.hub import (
    fast_tokenizer,
    folder_of,
    hash_of_weights,
    licence_of,
    quiet,
    shown,
    versions,
)

LIBRARIES: Final = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")
"""What an export depends on."""


def export_encoder(
    source: str | Path,
    out: str | Path,
    *,
    max_tokens: int = 256,
    quantise: Quantise | None = "int8",
    per_channel: bool = True,
    reduce_range: bool = True,
    pooling: Pooling = "mean",
    name: str | None = None,
    origin: str | None = None,
    licence: str | None = None,
) -> Path:
    """Write an encoder folder: encoder.onnx, tokenizer.json, encoder.json and NOTICE.

    Args:
        source: A folder with a Hugging Face encoder (safetensors weights, a fast tokenizer), or the id of one on
            the hub. Code that comes with a model is never run.
        out: The folder to write; files of these names in it are replaced, when all is done and checked.
        max_tokens: Tokens to read of a text, special tokens included; of longer texts head and tail are read.
        quantise: ``"int8"`` or ``"uint8"`` weights with activations quantised as they come; ``None`` for float32.
        per_channel: A scale for each output channel of a matrix instead of one for all.
        reduce_range: 7 bits instead of 8, so that processors without VNNI instructions cannot overflow.
        pooling: ``"mean"`` over the tokens, or the vector of the first (``"cls"``).
        name: What to call it, the readable half of ``Encoder.id``; made from the source when not given.
        origin: Where the model comes from, for NOTICE; the source when not given.
        licence: The licence of the model, for NOTICE; read from its model card when not given.

    Returns:
        The folder.

    Raises:
        EncoderError: The source is no encoder that can be exported, or cannot be had; or an argument is wrong.
        MissingExtraError: The extra ``finetune`` is not installed.
    """
    _check_arguments(quantise, pooling)
    ENCODER_FOLDER.refuse(Path(out))
    made_with = versions("Exporting an encoder", *LIBRARIES)
    rounding = {"per_channel": per_channel, "reduce_range": reduce_range}
    name = name or _name(origin or str(source), quantise)
    with quiet():
        folder = folder_of(source)
        model = Source(origin or shown(source), licence or licence_of(folder), hash_of_weights(folder))
        tokenizer = fast_tokenizer(folder)
        QueryTokenizer(tokenizer, max_tokens)  # checks the budget, and switches padding and truncation off
        module = pooled_module(folder, pooling)
        check_length(module, max_tokens, "max_tokens")
        graph = to_onnx(module)
        compare(graph, module, max_tokens)
        if quantise is not None:
            graph = quantised(graph, quantise, **rounding)
    write_encoder(
        Path(out),
        graph,
        tokenizer,
        model,
        name=name,
        dim=module.dim,
        max_tokens=max_tokens,
        pooling=pooling,
        quantisation=described(quantise, **rounding),
        made_with=made_with,
        changes=f"pooling ({pooling}) and normalisation to length 1 put into the graph",
        command=_command(model.name, name, max_tokens, pooling, quantise, rounding),
    )
    return Path(out)


def _check_arguments(quantise: str | None, pooling: str) -> None:
    """Refuse words that are not known."""
    if pooling not in get_args(Pooling):
        raise EncoderError(f"pooling={pooling!r} is not known; use one of {', '.join(get_args(Pooling))}.")
    if quantise is not None and quantise not in get_args(Quantise):
        raise EncoderError(f"quantise={quantise!r} is not known; use one of {', '.join(get_args(Quantise))}, or None.")


def _name(origin: str, quantise: Quantise | None) -> str:
    """Make a name of the last part of an id or path."""
    last = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(origin).name) or "encoder"
    return f"{last}-{quantise}" if quantise else last


def _command(
    origin: str, name: str, max_tokens: int, pooling: Pooling, quantise: Quantise | None, rounding: Mapping[str, bool]
) -> str:
    """Return the command that makes the same files."""
    words = ["--max-tokens", str(max_tokens), "--pooling", pooling, "--quantise", quantise or "none"]
    if quantise is not None:
        words += [f"--{'' if on else 'no-'}{option.replace('_', '-')}" for option, on in rounding.items()]
    return shlex.join(["hybrid-llm", "export", origin, *words, "--name", name])
