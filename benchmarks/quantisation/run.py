"""What 8-bit weights do to the encoder: size, speed, and above all routing.

Run: ``python -m benchmarks.quantisation.run DATA_DIR MODEL_DIR [--out docs/measured/quantisation.md]``. DATA_DIR holds
``routellm_mmlu.jsonl.gz``; MODEL_DIR is a folder with all-MiniLM-L6-v2. Needs the extras ``train`` and ``finetune``.

Every variant embeds the same rows of the split ``train``; two quick heads are fitted to the variant's own embeddings
and judged on a held-out fifth of that split, chosen by a hash of the id. Validation and test are not touched.
Without VNNI instructions, processors add two products of 8-bit numbers in 16 bits, which can overflow. That is
emulated here, so that the table says what such a machine would compute.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression

from benchmarks.common.doc_tables import percent
from benchmarks.common.machine import processor
from benchmarks.common.results import file_of, keep
from benchmarks.quantisation.page import PAGE, write_page
from hybrid_llm.metrics import bootstrap, tradeoff_curve
from hybrid_llm.scoring import Encoder, EncoderInfo
from hybrid_llm.table import QualityTable, hash_fraction
from hybrid_llm.training.onnx.export import export_encoder
from hybrid_llm.training.onnx.graph import quantised

SMALL, LARGE = "Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
SHARE_TO_SMALL = 0.3
EMULATED_TEXTS = 40
VARIANTS: dict[str, dict[str, Any] | None] = {
    "float32": None,
    "int8, per tensor": {"kind": "int8", "per_channel": False, "reduce_range": False},
    "int8, per tensor, reduced range": {"kind": "int8", "per_channel": False, "reduce_range": True},
    "int8, per channel": {"kind": "int8", "per_channel": True, "reduce_range": False},
    "int8, per channel, reduced range": {"kind": "int8", "per_channel": True, "reduce_range": True},
    "uint8, per tensor": {"kind": "uint8", "per_channel": False, "reduce_range": False},
    "uint8, per channel": {"kind": "uint8", "per_channel": True, "reduce_range": False},
}
HEADS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: LogisticRegression(C=1.0, max_iter=1000),
    "kernel ridge": lambda: KernelRidge(kernel="rbf", gamma=1.0, alpha=1.0),
}


class Rows(NamedTuple):
    """Texts and qualities, one row a query, and which rows are held out."""

    queries: list[str]
    q_small: np.ndarray
    q_large: np.ndarray
    held_out: np.ndarray


class MatMulInteger(OpRun):
    """The matrix product as a processor with AVX2 and without VNNI does it: pairs are added in 16 bits."""

    op_domain = ""
    pairs = overflows = 0

    def _run(self, a: np.ndarray, b: np.ndarray, a_zero: Any = 0, b_zero: Any = 0) -> tuple[np.ndarray]:
        left, right = a.reshape(-1, a.shape[-1]).astype(np.int32), b.astype(np.int32)
        sums = np.zeros((len(left), right.shape[1]), dtype=np.int32)
        for i, row in enumerate(left):
            products = row[:, None] * right
            pair = products[0::2] + products[1::2]
            held = np.clip(pair, -(2**15), 2**15 - 1)
            MatMulInteger.pairs += pair.size
            MatMulInteger.overflows += int((held != pair).sum())
            sums[i] = held.sum(axis=0)
        a_zero, b_zero = np.asarray(a_zero, dtype=np.int32), np.asarray(b_zero, dtype=np.int32)
        sums -= a_zero * right.sum(axis=0) + left.sum(axis=1)[:, None] * b_zero - len(right) * a_zero * b_zero
        return (sums.reshape(*a.shape[:-1], -1),)


class GatherElements(OpRun):
    """The operator of the standard; the reference evaluator's own stops at 64 elements."""

    op_domain = ""

    def _run(self, data: np.ndarray, indices: np.ndarray, axis: int = 0) -> tuple[np.ndarray]:
        return (np.take_along_axis(data, indices, axis),)


def read_rows(data: Path, fit_rows: int) -> Rows:
    """Return the held-out fifth of ``train`` and, of the rest, as many rows as asked for."""
    pair = QualityTable.read(data / "routellm_mmlu.jsonl.gz").split("train").pair(SMALL, LARGE)
    held_out = np.array([hash_fraction(f"held-out {i}") < 0.2 for i in pair.ids])
    order = sorted(np.flatnonzero(~held_out), key=lambda row: hash_fraction(f"fit {pair.ids[row]}"))
    keep = np.sort(np.concatenate([np.flatnonzero(held_out), order[:fit_rows]]).astype(int))
    quality = [np.array([np.mean(q[row]) for row in keep]) for q in (pair.q_small, pair.q_large)]
    return Rows([pair.queries[row] for row in keep], *quality, held_out[keep])


def make_variant(float32: Path, out: Path, settings: dict[str, Any] | None) -> Encoder:
    """Write an encoder folder with the weights quantised in this way."""
    if settings is None:
        return Encoder.load(float32)
    out.mkdir()
    graph = quantised(onnx.load(float32 / "encoder.onnx"), **settings).SerializeToString(deterministic=True)
    vocabulary = (float32 / "tokenizer.json").read_bytes()
    (out / "encoder.onnx").write_bytes(graph)
    (out / "tokenizer.json").write_bytes(vocabulary)
    files = {"encoder.onnx": graph, "tokenizer.json": vocabulary}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    dataclasses.replace(EncoderInfo.read(float32), name=out.name, files=hashes).write(out)
    return Encoder.load(out)


def held_out_scores(embeddings: np.ndarray, rows: Rows) -> dict[str, np.ndarray]:
    """Fit each head to embeddings of the other rows, and score the held-out ones."""
    label, fit = (rows.q_small >= rows.q_large).astype(int), ~rows.held_out
    scores = {}
    for name, make in HEADS.items():
        head = make().fit(embeddings[fit], label[fit])
        judged = embeddings[rows.held_out]
        scores[name] = head.decision_function(judged) if hasattr(head, "decision_function") else head.predict(judged)
    return scores


def apgr(scores: np.ndarray, rows: Rows, weights: np.ndarray | None = None) -> float:
    """Return the exact area under the share of the quality gap that is recovered."""
    return tradeoff_curve(scores, rows.q_small[rows.held_out], rows.q_large[rows.held_out], weights).apgr


def compare(scores: np.ndarray, reference: np.ndarray, rows: Rows) -> tuple[str, str, str]:
    """Return APGR, its paired difference to the reference with interval, and the share of other decisions."""
    difference = apgr(scores, rows) - apgr(reference, rows)
    low, high = bootstrap(lambda w: apgr(scores, rows, w) - apgr(reference, rows, w), len(scores))
    ours, theirs = (s >= np.quantile(s, 1 - SHARE_TO_SMALL) for s in (scores, reference))
    return (
        f"{apgr(scores, rows):.3f}",
        f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]",
        percent(float(np.mean(ours != theirs))),
    )


def cpu_milliseconds(encoder: Encoder, words: int) -> float:
    """Return the least CPU time of one text; CPU time, because other programs stretch the clock on the wall."""
    text = ["what is the capital of a small country near the sea and its river " * 30][0].split()[:words]
    times = []
    for _ in range(60):
        start = time.process_time()
        encoder.encode([" ".join(text)])
        times.append(time.process_time() - start)
    return 1000 * min(times)


def without_vnni(encoder: Encoder, queries: list[str]) -> tuple[float, float]:
    """Emulate overflow: return the mean cosine to what this machine computes, and the share of overflows."""
    tokenizer, graph = (
        encoder.tokenizer,
        ReferenceEvaluator(str(encoder.path / "encoder.onnx"), new_ops=[MatMulInteger, GatherElements]),
    )
    MatMulInteger.pairs = MatMulInteger.overflows = 0
    here = encoder.encode(queries).embeddings
    cosines = []
    for query, embedding in zip(queries, here, strict=True):
        ids = np.array([tokenizer.ids(query)[0]])
        emulated = graph.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
        cosines.append(float(emulated @ embedding))
    return float(np.mean(cosines)), MatMulInteger.overflows / MatMulInteger.pairs


def main() -> None:
    """Run the comparison and write the two tables into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--fit-rows", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    rows = read_rows(options.data, options.fit_rows)
    held = [q for q, h in zip(rows.queries, rows.held_out, strict=True) if h]
    short = [q for q in held if len(q) < 250][:EMULATED_TEXTS]
    routing, cost, reference, origin = [], [], {}, np.empty(0)
    with tempfile.TemporaryDirectory() as scratch:
        float32 = export_encoder(options.model, Path(scratch, "float32"), quantise=None)
        for number, (name, settings) in enumerate(VARIANTS.items()):
            encoder = make_variant(float32, Path(scratch, f"variant-{number}"), settings)
            embeddings = encoder.encode(rows.queries).embeddings
            scores = held_out_scores(embeddings, rows)
            if settings is None:
                reference, origin = scores, embeddings
            cosines = (embeddings * origin).sum(axis=1)
            figures = [figure for head in HEADS for figure in compare(scores[head], reference[head], rows)]
            routing.append([name, *figures])
            overflow = ("", "")
            if settings is not None and settings["kind"] == "int8":
                cosine, share = without_vnni(encoder, short)
                overflow = (f"{cosine:.4f}", f"{1e6 * share:.0f}")
            size = (encoder.path / "encoder.onnx").stat().st_size / 1e6
            speed = [f"{cpu_milliseconds(encoder, words):.1f}" for words in (18, 126)]
            quality = [f"{cosines.mean():.4f}", f"{np.quantile(cosines, 0.01):.4f}"]
            cost.append([name, f"{size:.1f}", *quality, *speed, *overflow])
            print(" | ".join([*routing[-1], *cost[-1][1:]]), flush=True)
    setting = (
        f"{processor()}; ONNX Runtime {onnxruntime.__version__}. {int((~rows.held_out).sum())} rows to fit, "
        f"{int(rows.held_out.sum())} held out; {len(short)} texts emulated without VNNI."
    )
    results = {"setting": setting, "heads": list(HEADS), "routing": routing, "cost": cost}
    write_page(options.out, keep(file_of("quantisation"), results))


if __name__ == "__main__":
    main()
