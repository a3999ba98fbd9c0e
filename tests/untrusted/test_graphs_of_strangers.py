"""ONNX graphs of strangers: whole in themselves, and made of what text encoders are made of."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from hybrid_llm.untrusted import BadFileError, check_graph
from tests.scoring.tiny_encoder import write_tiny

Change = Callable[[onnx.ModelProto], object]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return (write_tiny(tmp_path_factory.mktemp("graph") / "tiny", seed=0) / "encoder.onnx").read_bytes()


def changed(content: bytes, change: Change) -> bytes:
    model = onnx.ModelProto.FromString(content)
    change(model)
    return model.SerializeToString()


def outside(tensor: onnx.TensorProto) -> None:
    tensor.external_data.add(key="location", value="../../etc/passwd")
    tensor.data_location = onnx.TensorProto.EXTERNAL


def in_a_constant(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(3, dtype=np.float32))
    outside(tensor)
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def in_a_list_of_tensors(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(3, dtype=np.float32))
    tensor.external_data.add(key="location", value="weights.bin")
    model.graph.node[0].attribute.add(name="many", type=onnx.AttributeProto.TENSORS).tensors.append(tensor)


def with_a_branch(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.add(name="body", type=onnx.AttributeProto.GRAPH).g.name = "inside"


def with_branches(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.add(name="bodies", type=onnx.AttributeProto.GRAPHS).graphs.add(name="inside")


def with_a_function(model: onnx.ModelProto) -> None:
    model.functions.add(name="f", domain="here")


def with_a_shape_beyond_its_weights(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [1 << 31, 1 << 31]


BAD: dict[str, tuple[Change, str]] = {
    "weights outside": (lambda model: outside(model.graph.initializer[0]), "external data"),
    "weights outside, told only by the place": (
        lambda model: model.graph.initializer[0].external_data.add(key="location", value="x"),
        "external data",
    ),
    "weights outside, in a constant": (in_a_constant, "external data"),
    "weights outside, in a list of tensors": (in_a_list_of_tensors, "external data"),
    "sparse weights": (lambda model: model.graph.sparse_initializer.add(), "sparse"),
    "a branch": (with_a_branch, "graph inside"),
    "branches": (with_branches, "graph inside"),
    "a function": (with_a_function, "functions"),
    "a training step": (lambda model: model.training_info.add(), "functions"),
    "an operator that loops": (lambda model: setattr(model.graph.node[0], "op_type", "Loop"), "operator Loop"),
    "an unknown operator": (lambda model: setattr(model.graph.node[0], "op_type", "A\x1b[31m"), r"A\\x1b"),
    "a foreign domain": (lambda model: setattr(model.graph.node[0], "domain", "com.microsoft"), "domain com.microsoft"),
    "a shape beyond its weights": (with_a_shape_beyond_its_weights, "fewer weights"),
}


def test_a_good_graph_passes_and_so_does_the_shipped_one(good: bytes) -> None:
    import hybrid_llm

    check_graph(good)
    check_graph((Path(hybrid_llm.__file__).parent / "pretrained" / "encoder.onnx").read_bytes())


@pytest.mark.parametrize("name", BAD)
def test_a_graph_that_reaches_outside_or_holds_a_program_is_refused(good: bytes, name: str) -> None:
    change, wrong = BAD[name]
    with pytest.raises(BadFileError, match=wrong):
        check_graph(changed(good, change))


def test_a_second_graph_in_the_file_is_looked_at_too(good: bytes) -> None:
    hidden = onnx.ModelProto()
    hidden.graph.node.add(op_type="Scan")
    for content in (good + hidden.SerializeToString(), hidden.SerializeToString() + good):
        with pytest.raises(BadFileError, match="operator Scan"):
            check_graph(content)


def test_onnx_runtimes_own_format_is_no_graph_even_where_it_reads_as_one(good: bytes) -> None:
    hidden = b"\x3a\x00\x42\x06ORTM\x00\x00" + good  # two fields whose bytes spell the other format's mark
    with pytest.raises(BadFileError, match="no ONNX graph"):
        check_graph(hidden)


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"\x3a\xff\xff\xff\xff\x7f", b"\x3b", b"\x00", b"\x80" * 20, b"\x38\x01"]
)
def test_what_is_no_graph_is_refused(content: bytes) -> None:
    with pytest.raises(BadFileError, match="ONNX graph"):
        check_graph(content)


@pytest.mark.slow
def test_a_file_of_tiny_fields_is_given_up_in_a_second_or_two() -> None:
    began = time.process_time()
    with pytest.raises(BadFileError, match="more than 1,000,000 fields"):
        check_graph(b"\x08\x01" * 5_000_000)
    assert time.process_time() - began < 5.0


@given(st.data())
def test_changed_bytes_are_refused_or_pass_and_nothing_else(good: bytes, data: st.DataObject) -> None:
    changed_bytes = bytearray(good)
    for at in data.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=5)):
        changed_bytes[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadFileError):
        check_graph(bytes(changed_bytes[: data.draw(st.integers(0, len(good)))]))
