"""Any Hugging Face text encoder to an encoder folder: ONNX, pooling and normalisation inside, 8-bit weights.

Run as a command::

    python -m hybrid_llm.training.onnx.export MODEL --out DIR

Needs the extra ``finetune``. What it writes is read by ``hybrid_llm.scoring.encoder`` without torch.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

from hybrid_llm.errors import EncoderError, HybridLLMError
from hybrid_llm.scoring import EncoderInfo, QueryTokenizer
from hybrid_llm.training.onnx.graph import Pooling, Quantise, check_length, compare, pooled_module, quantised, to_onnx
from hybrid_llm.training.onnx.hub import (
    fast_tokenizer,
    folder_of,
    hash_of_weights,
    licence_of,
    quiet,
    reason,
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
    made_with = versions("Exporting an encoder", *LIBRARIES)
    with quiet(), tempfile.TemporaryDirectory() as scratch:
        folder = folder_of(source)
        weights_sha256 = hash_of_weights(folder)
        tokenizer = fast_tokenizer(folder)
        QueryTokenizer(tokenizer, max_tokens)  # checks the budget, and switches padding and truncation off
        module = pooled_module(folder, pooling)
        check_length(module, max_tokens, "max_tokens")
        model = to_onnx(module)
        compare(model, module, max_tokens)
        if quantise is not None:
            model = quantised(model, quantise, per_channel=per_channel, reduce_range=reduce_range)
        graph, vocabulary = Path(scratch, "encoder.onnx"), Path(scratch, "tokenizer.json")
        graph.write_bytes(model.SerializeToString(deterministic=True))
        vocabulary.write_text(tokenizer.to_str(pretty=False), encoding="utf-8")
        info = EncoderInfo(
            name=name or _name(origin or str(source), quantise),
            dim=module.dim,
            max_tokens=max_tokens,
            pooling=pooling,
            quantisation=_describe(quantise, per_channel=per_channel, reduce_range=reduce_range),
            files={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (graph, vocabulary)},
            weights_sha256=weights_sha256,
            made_with=made_with,
        )
        info.write(Path(scratch))
        command = _options(info, quantise, per_channel=per_channel, reduce_range=reduce_range)
        notice = _notice(info, origin or shown(source), licence or licence_of(folder), command)
        Path(scratch, "NOTICE").write_text(notice, encoding="utf-8")
        try:
            Path(out).mkdir(parents=True, exist_ok=True)
            for file in sorted(Path(scratch).iterdir()):
                shutil.copyfile(file, Path(out, file.name))
        except OSError as error:
            raise EncoderError(f"{out} cannot be written: {reason(error)}") from error
    return Path(out)


def _check_arguments(quantise: str | None, pooling: str) -> None:
    """Refuse words that are not known."""
    if pooling not in get_args(Pooling):
        raise EncoderError(f"pooling={pooling!r} is not known; use one of {', '.join(get_args(Pooling))}.")
    if quantise is not None and quantise not in get_args(Quantise):
        raise EncoderError(f"quantise={quantise!r} is not known; use one of {', '.join(get_args(Quantise))}, or None.")


def _describe(quantise: Quantise | None, *, per_channel: bool, reduce_range: bool) -> str:
    """Say in words how the weights were quantised."""
    if quantise is None:
        return "none"
    return f"{quantise} dynamic, per {'channel' if per_channel else 'tensor'}, {7 if reduce_range else 8} bits"


def _name(origin: str, quantise: Quantise | None) -> str:
    """Make a name of the last part of an id or path."""
    last = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(origin).name) or "encoder"
    return f"{last}-{quantise}" if quantise else last


def _notice(info: EncoderInfo, origin: str, licence: str, options: str) -> str:
    """Write what the licence of a model asks to be kept with it."""
    return (
        f"encoder.onnx and tokenizer.json are derived from the model {origin}.\n"
        f"Licence of the model: {licence}\n"
        f"sha256 of its weights (safetensors): {info.weights_sha256}\n"
        "\n"
        "What was changed: exported to ONNX, with pooling and normalisation to length 1 inside the graph\n"
        f"(pooling: {info.pooling}; weights: {info.weights}); tokenizer without padding and truncation.\n"
        f"Made by: python -m hybrid_llm.training.onnx.export {origin} {options}\n"
    )


def _options(info: EncoderInfo, quantise: Quantise | None, *, per_channel: bool, reduce_range: bool) -> str:
    """Return the options of the command that makes the same files."""
    channel, bits = (
        f"--{'' if on else 'no-'}{what}" for on, what in ((per_channel, "per-channel"), (reduce_range, "reduce-range"))
    )
    weights = f"--quantise {quantise} {channel} {bits}" if quantise else "--quantise none"
    return f"--max-tokens {info.max_tokens} --pooling {info.pooling} {weights} --name {info.name}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m hybrid_llm.training.onnx.export",
        description="Export a Hugging Face text encoder to a folder that hybrid-llm reads without torch.",
        epilog="example: ... sentence-transformers/all-MiniLM-L6-v2 --out encoder/",
    )
    parser.add_argument("source", metavar="MODEL", help="a folder with the model, or its id on the Hugging Face hub")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--max-tokens", type=int, default=256, help="tokens to read of a text (default: 256)")
    parser.add_argument("--quantise", choices=[*get_args(Quantise), "none"], default="int8", help="default: int8")
    parser.add_argument("--per-channel", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--reduce-range", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--pooling", choices=get_args(Pooling), default="mean", help="default: mean")
    parser.add_argument("--name", help="what to call the encoder (default: made from MODEL)")
    parser.add_argument("--origin", help="where the model comes from, for NOTICE (default: MODEL)")
    parser.add_argument("--licence", help="licence of the model, for NOTICE (default: read from its model card)")
    options = vars(parser.parse_args(argv))
    options["quantise"] = None if options["quantise"] == "none" else options["quantise"]
    try:
        folder = export_encoder(**options)
    except HybridLLMError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    size = (folder / "encoder.onnx").stat().st_size / 1e6
    sys.stdout.write(f"Wrote {folder} ({size:.1f} MB).\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
