"""``hybrid-llm export``: from a Hugging Face model to an encoder folder that is read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, get_args

import typer

from hybrid_llm.cli.options import AsJson
from hybrid_llm.cli.output import print_json, progress

if TYPE_CHECKING:
    from hybrid_llm.training import Pooling, Quantise

Word = TypeVar("Word")


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", show_default=False, help="A folder with the model, or its id on the hub.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where to write the encoder folder.")],
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", metavar="N", help="Tokens to read of a text; of longer ones head and tail.")
    ] = 256,
    quantise: Annotated[
        str, typer.Option("--quantise", metavar="int8|uint8|none", help="How the weights are stored.")
    ] = "int8",
    per_channel: Annotated[
        bool, typer.Option("--per-channel/--no-per-channel", help="A scale for each channel of a matrix.")
    ] = True,
    reduce_range: Annotated[
        bool, typer.Option("--reduce-range/--no-reduce-range", help="7 bits of 8, so that no processor overflows.")
    ] = True,
    pooling: Annotated[
        str, typer.Option("--pooling", metavar="mean|cls", help="How the vectors of the tokens become one.")
    ] = "mean",
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call it; without it made from MODEL.")
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option("--origin", metavar="TEXT", help="Where the model comes from, for NOTICE; without it MODEL."),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option("--licence", metavar="TEXT", help="Its licence, for NOTICE; without it its model card's."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Export a text encoder to a folder for train --encoder.

    MODEL needs weights in safetensors and a fast tokenizer; code that comes with it is never run.
    """
    from hybrid_llm.scoring import EncoderInfo
    from hybrid_llm.training import Pooling, Quantise, export_encoder

    poolings: dict[str, Pooling] = {word: word for word in get_args(Pooling)}
    kinds: dict[str, Quantise | None] = {**{word: word for word in get_args(Quantise)}, "none": None}
    asked = _one_of("--quantise", quantise, kinds), _one_of("--pooling", pooling, poolings)
    with progress() as report:
        report("Exporting", 0, 0)
        export_encoder(
            model,
            out,
            max_tokens=max_tokens,
            quantise=asked[0],
            per_channel=per_channel,
            reduce_range=reduce_range,
            pooling=asked[1],
            name=name,
            origin=origin,
            licence=licence,
        )
    info, size = EncoderInfo.read(out), (out / "encoder.onnx").stat().st_size
    if json:
        print_json(
            {
                "out": str(out),
                "name": info.name,
                "dim": info.dim,
                "max_tokens": info.max_tokens,
                "pooling": info.pooling,
                "quantisation": info.quantisation,
                "bytes": size,
                "weights_sha256": info.weights_sha256,
            }
        )
    else:
        typer.echo(f"Encoder {info.name} ({size / 1e6:.1f} MB) is in {out}")


def _one_of(option: str, word: str, known: Mapping[str, Word]) -> Word:
    """Return what a word of an option stands for.

    Raises:
        BadParameter: The word is not known.
    """
    if word not in known:
        raise typer.BadParameter(f"{option} is {' or '.join(known)}, not {word!r}.")
    return known[word]
