"""Encoder folders made to hurt: nothing outside of the folder is read, and neither memory nor time runs out."""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from hybrid_llm.errors import EncoderError, RouterFolderError
from hybrid_llm.scoring import EmbeddingScorer, Encoder, Head, network
from hybrid_llm.scoring.cache import ScoreCache
from tests.scoring.tiny_encoder import change, write_tiny

NODE = helper.make_node


def put(folder: Path, name: str, content: bytes) -> Path:
    """Put a file in the place of the encoder's own, hash and all."""
    (folder / name).write_bytes(content)
    files = json.loads((folder / "encoder.json").read_text())["files"]
    change(folder, files=files | {name: hashlib.sha256(content).hexdigest()})
    return folder


def graph(*nodes: onnx.NodeProto, output: list[int | str] | None = None, **constants: Any) -> bytes:
    """Return a graph whose constants are of the types of these values."""
    made = helper.make_graph(
        nodes,
        "made to hurt",
        [helper.make_tensor_value_info(name, 7, ["b", "s"]) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("o", 1, output or ["b", 4])],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


def then(name: str) -> list[onnx.NodeProto]:
    """Return what makes four numbers of anything."""
    return [NODE("ReduceMean", [name], ["mean"], keepdims=0), NODE("Expand", ["mean", "four"], ["o"])]


ONES = np.ones((100_000, 1), dtype=np.float32)
UNFOLDING = {
    "a constant of a given shape": graph(
        NODE("ConstantOfShape", ["big"], ["x"]), *then("x"), big=[10**6] * 2, four=[1, 4]
    ),
    "a repeated one": graph(NODE("Tile", ["c", "times"], ["x"]), *then("x"), c=ONES, times=[10**4, 10**4], four=[1, 4]),
    "a long range": graph(
        NODE("Range", ["zero", "many", "one"], ["x"]),
        *then("x"),
        zero=np.float32(0),
        many=np.float32(1e12),
        one=np.float32(1),
        four=[1, 4],
    ),
    "a sum of a row and a column": graph(NODE("Add", ["c", "row"], ["x"]), *then("x"), c=ONES, row=ONES.T, four=[1, 4]),
    "a product of a column and a row": graph(
        NODE("MatMul", ["c", "row"], ["x"]), *then("x"), c=ONES, row=ONES.T, four=[1, 4]
    ),
}


@pytest.mark.parametrize("kind", UNFOLDING)
def test_what_unfolds_ends_at_the_limit_of_memory_in_an_error_that_names_the_file(tiny: Path, kind: str) -> None:
    put(tiny, "encoder.onnx", UNFOLDING[kind])
    began = time.process_time()
    with pytest.raises(RouterFolderError, match=r"encoder.onnx fails on a text.*export MODEL"):
        Encoder.load(tiny).encode([])
    assert time.process_time() - began < 10


def test_a_text_that_takes_too_long_ends_in_an_error(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "SECONDS", 0.2)
    square = np.ones((700, 700), dtype=np.float32)
    names = ["c", *(f"x{i}" for i in range(2_000))]
    slow = [NODE("MatMul", ["c", one], [other]) for one, other in pairwise(names)]
    put(tiny, "encoder.onnx", graph(*slow, *then(names[-1]), c=square / 700, four=[1, 4]))
    with pytest.raises(RouterFolderError, match=r"encoder.onnx fails on a text.*terminate"):
        Encoder.load(tiny).encode([])


def test_watches_of_texts_that_were_in_time_are_gone(tiny: Path) -> None:
    Encoder.load(tiny).encode(["one", "two"] * 10)
    watches = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for watch in watches:
        watch.join(timeout=5)
    assert not any(watch.is_alive() for watch in watches)


def test_weights_in_other_files_are_not_read(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(np.arange(32, dtype=np.float32).tobytes())
    model = onnx.load(tiny / "encoder.onnx")
    table = model.graph.initializer[0]
    table.ClearField("raw_data")
    table.external_data.add(key="location", value="secret")
    table.data_location = onnx.TensorProto.EXTERNAL
    put(tiny, "encoder.onnx", model.SerializeToString())
    with pytest.raises(RouterFolderError, match=r"encoder.onnx keeps weights in other files \(external data\)"):
        Encoder.load(tiny)


@pytest.mark.parametrize("name", ["encoder.json", "encoder.onnx", "tokenizer.json"])
def test_links_are_not_followed(tiny: Path, tmp_path: Path, name: str) -> None:
    (tiny / name).rename(tmp_path / "elsewhere")
    (tiny / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RouterFolderError, match=rf"{name}.*is a link"):
        Encoder.load(tiny)


@pytest.mark.parametrize(
    ("nodes", "constants", "wrong"),
    [
        ([NODE("Expand", ["c", "four"], ["o"])], {"c": np.float32(np.nan), "four": [1, 4]}, "not finite"),
        ([NODE("Expand", ["c", "four"], ["o"])], {"c": np.float32(1), "four": [3, 4]}, "something else than 4 numbers"),
    ],
)
def test_a_network_is_tried_when_it_is_opened(
    tiny: Path, nodes: list[onnx.NodeProto], constants: dict[str, Any], wrong: str
) -> None:
    put(tiny, "encoder.onnx", graph(*nodes, **constants))
    with pytest.raises(RouterFolderError, match=wrong):
        Encoder.load(tiny).encode([])


def test_a_graph_without_the_inputs_of_an_encoder_is_refused(tiny: Path) -> None:
    content = (tiny / "encoder.onnx").read_bytes().replace(b"attention_mask", b"attention_mass")
    put(tiny, "encoder.onnx", content)
    with pytest.raises(RouterFolderError, match=r"encoder.onnx fails on a text"):
        Encoder.load(tiny).encode([])


@pytest.mark.parametrize(
    "wrong",
    [
        {"dim": "4"},
        {"dim": 10**9},
        {"max_tokens": 10**12},
        {"max_tokens": True},
        {"files": ["encoder.onnx"]},
        {"files": {"encoder.onnx": 1, "tokenizer.json": 2}},
        {"name": None},
        {"made_with": {"onnx": [1]}},
        {"format": "1"},
    ],
)
def test_a_description_with_fields_of_the_wrong_kind_is_refused(tiny: Path, wrong: dict[str, Any]) -> None:
    change(tiny, **wrong)
    with pytest.raises(RouterFolderError, match=r"encoder.json cannot be read"):
        Encoder.load(tiny)


class PanicException(BaseException):
    """What tokenizers raises where its own code gives up."""


def test_a_panic_of_the_tokenizer_is_an_error_of_ours(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.load(tiny)

    class Panics:
        def encode(self, text: str, add_special_tokens: bool) -> None:
            raise PanicException("called `Option::unwrap()` on a `None` value")

    monkeypatch.setattr(encoder.tokenizer, "_tokenizer", Panics())
    with pytest.raises(EncoderError, match="tokenizer fails on a text: called `Option"):
        encoder.encode(["one"])


def test_an_interruption_is_no_panic(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.load(tiny)

    class Interrupted:
        def encode(self, text: str, add_special_tokens: bool) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(encoder.tokenizer, "_tokenizer", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        encoder.tokenizer.ids("one")


def test_a_vocabulary_beyond_the_table_fails_on_the_text_alone(tmp_path: Path) -> None:
    folder = write_tiny(tmp_path / "more", seed=0)
    data = json.loads((folder / "tokenizer.json").read_text())
    data["model"]["vocab"]["four"] = 4_000
    put(folder, "tokenizer.json", json.dumps(data).encode())
    encoder = Encoder.load(folder)
    assert encoder.encode(["one"]).embeddings.shape == (1, 4)
    with pytest.raises(EncoderError, match="fails on a text"):
        encoder.encode(["four"])


def test_a_pickled_scorer_holds_no_query(tiny: Path) -> None:
    ones = np.ones(16, dtype=np.float32)
    head = Head(ones, ones, np.ones((2, 16), np.float32), np.ones(2, np.float32), 0.0, 1.0, 0.0, version=2)
    scorer = EmbeddingScorer(Encoder.load(tiny), head)
    scorer.score(["one two three secret"])
    again = pickle.loads(pickle.dumps(scorer))
    assert len(scorer.cache) == 1
    assert len(again.cache) == 0
    assert b"secret" not in pickle.dumps(scorer)
    assert again.score(["one"]) == scorer.score(["one"])


def test_a_pickled_memory_keeps_its_bounds() -> None:
    cache = pickle.loads(pickle.dumps(ScoreCache(entries=1)))
    cache.put([("a", (0.5, False, 1.0)), ("b", (0.5, False, 1.0))])
    assert len(cache) == 1
