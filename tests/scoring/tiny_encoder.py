"""An encoder folder of a few kB, made in the test."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_llm.scoring import EncoderInfo

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "zero", "one", "two", "three"]


def write_tiny(folder: Path, seed: int) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    table = np.random.default_rng(seed).normal(size=(len(WORDS), 4)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("ReduceMean", ["rows", "axes"], ["mean"], keepdims=0),
        helper.make_node("LpNormalization", ["mean"], ["sentence_embedding"], axis=-1, p=2),
    ]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "s"]) for n in ("input_ids", "attention_mask")]
    output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["b", 4])
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "axes")]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=9)
    folder.mkdir()
    files = {"encoder.onnx": model.SerializeToString(), "tokenizer.json": tokenizer.to_str().encode()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    EncoderInfo("tiny", 4, 16, "mean", "none", hashes, "0" * 64).write(folder)
    onnx.checker.check_model(model)
    return folder


def change(folder: Path, **fields: Any) -> None:
    path = folder / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
