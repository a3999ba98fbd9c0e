"""What the sizes of DeBERTa-v3 cost in fine-tuning, on the device that is there: rows a second, and memory.

    python -m benchmarks.full_sizes.run [--sizes xsmall base large] [--batch 8] [--out docs/measured/fine_tuning.md]

The models are made from a configuration, with random weights, and read random tokens: this says nothing about quality,
and needs no download. Each size runs in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from benchmarks.common.results import file_of, keep
from benchmarks.full_sizes.page import LENGTH, PAGE, write_page
from hybrid_llm.training.config import FineTuneSettings, Precision
from hybrid_llm.training.full.devices import Devices
from hybrid_llm.training.full.finetune import TokenRows, fine_tune
from hybrid_llm.training.full.network import logit_network
from hybrid_llm.training.onnx.hub import quiet

TOKENS: Final = 128_100
SIZES: Final = {"xsmall": (12, 384, 6), "small": (6, 768, 12), "base": (12, 768, 12), "large": (24, 1024, 16)}
"""Layers, width and attention heads of microsoft/deberta-v3-*."""


@dataclass(frozen=True)
class Cost:
    """What training one size costs.

    Args:
        size: One of :data:`SIZES`.
        device: Where it ran.
        precision: In which numbers.
        checkpointing: Whether activations were computed twice.
        millions: Weights.
        rows_per_second: Rows of :data:`LENGTH` tokens.
        gigabytes: Most memory held, on the device where it has memory of its own.
    """

    size: str
    device: str
    precision: str
    checkpointing: bool
    millions: float
    rows_per_second: float
    gigabytes: float


def cost(
    size: str, precision: Precision, batch: int, steps: int, *, checkpointing: bool = False, vocabulary: int = TOKENS
) -> Cost:
    """Fine-tune one size for a few steps."""
    import torch

    settings = FineTuneSettings(
        epochs=1,
        batch_size=batch,
        device_batch_size=batch,
        max_length=LENGTH,
        precision=precision,
        gradient_checkpointing=checkpointing,
    )
    devices = Devices(settings)
    with TemporaryDirectory() as folder, quiet():
        _model(size, vocabulary).save_pretrained(folder)
        network = logit_network(Path(folder), settings, 0.5, seed=0)
    rng = np.random.default_rng(0)
    ids = rng.integers(4, vocabulary, size=(batch * steps, LENGTH)).tolist()
    labels = rng.random(len(ids))
    rows = TokenRows(ids, labels, labels, labels)
    first = replace(rows, ids=ids[:batch], labels=labels[:batch])
    fine_tune(network, first, None, settings, 0, devices=devices)  # what a first step costs once is not speed
    seconds = _seconds(lambda: fine_tune(network, rows, None, settings, 0, devices=devices))
    if devices.gpu:
        name, held = torch.cuda.get_device_name(), torch.cuda.max_memory_allocated()
    else:
        name, held = (
            f"CPU, {torch.get_num_threads()} threads",
            1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        )
    numbers = "bf16" if devices.bf16 else "float32"
    weights = sum(one.numel() for one in network.parameters()) / 1e6
    return Cost(size, name, numbers, checkpointing, weights, len(ids) / seconds, held / 1e9)


def _model(size: str, vocabulary: int) -> Any:
    from transformers import DebertaV2Config, DebertaV2Model

    layers, width, heads = SIZES[size]
    config = DebertaV2Config(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        relative_attention=True,
        position_buckets=256,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        type_vocab_size=0,
    )
    return DebertaV2Model(config)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(arguments: list[str] | None = None) -> None:
    """Measure what is asked for, and write the table of the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["xsmall", "base", "large"])
    parser.add_argument("--precisions", nargs="+", choices=("float32", "bf16"), default=["float32", "bf16"])
    parser.add_argument("--batch", type=int, default=8, help="rows at a time (default: 8)")
    parser.add_argument("--steps", type=int, default=4, help="steps that are timed (default: 4)")
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    found = []
    for size in options.sizes:
        for precision, checkpointing in [*((one, False) for one in options.precisions), (options.precisions[-1], True)]:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                work = alone.submit(cost, size, precision, options.batch, options.steps, checkpointing=checkpointing)
                found.append(work.result())
            print(found[-1], flush=True)
    results = {"batch": options.batch, "costs": [asdict(one) for one in found]}
    write_page(options.out, keep(file_of("full_sizes"), results))
    print(f"wrote a table of {options.out}")


if __name__ == "__main__":
    main()
