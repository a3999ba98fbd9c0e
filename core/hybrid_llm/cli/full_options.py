"""The options of ``train`` that only the recipe ``full`` reads; what is not given keeps the recipe's default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _option(name: str, metavar: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(name, metavar=metavar, help=f"full: {text}")
    return option


def _switch(name: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(name, help=f"full: {text}")
    return option


Epochs = Annotated[int | None, _option("--epochs", "N", "passes over the rows, at most.")]
LearningRate = Annotated[float | None, _option("--learning-rate", "R", "the highest one; small models want more.")]
BatchSize = Annotated[int | None, _option("--batch-size", "N", "rows of a step.")]
DeviceBatchSize = Annotated[
    int | None, _option("--device-batch-size", "N", "rows at a time on a device; lower it when memory is out.")
]
MaxLength = Annotated[int | None, _option("--max-length", "N", "tokens to read of a query.")]
FrozenLayers = Annotated[int | None, _option("--frozen-layers", "N", "lower layers to leave as they are.")]
LayerDecay = Annotated[float | None, _option("--layer-decay", "D", "a layer's rate, as a share of the next one's.")]
EarlyStop = Annotated[int | None, _option("--early-stop", "N", "epochs without gain to end after; 0 goes on.")]
GradientCheckpointing = Annotated[bool, _switch("--gradient-checkpointing", "less memory, more time.")]
Precision = Annotated[
    str | None, _option("--precision", "auto|bf16|float32", "auto takes bf16 on a GPU; try it on a recent CPU too.")
]
Int8 = Annotated[bool, _switch("--int8", "8-bit weights in the router.")]
Checkpoints = Annotated[
    Path | None,
    _option("--checkpoints", "DIR", "from where an interrupted run goes on; without it OUT.checkpoints."),
]
