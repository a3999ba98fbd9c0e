"""An ONNX graph, looked at before ONNX Runtime opens it: it is whole in itself, and does what an encoder does.

The onnx package is not needed: of the file's wire format only the parts matter that could reach outside of the file
(external data), hide a program (functions, graphs inside of operators), or name an operator. Where a field stands
twice, each of the two is looked at, so it does not matter which of them ONNX Runtime takes.
"""

from __future__ import annotations

import math
from typing import Final

from hybrid_llm.untrusted.files import BadFileError
from hybrid_llm.untrusted.json_text import printable
from hybrid_llm.untrusted.wire import LENGTH, Field, Wire

NODES: Final = 20_000
"""Operators that a graph may have; the shipped encoder has 370."""
_OPERATORS: Final = """
    Abs Add And Cast Ceil Clip Concat Constant ConstantOfShape Conv Cos CumSum DequantizeLinear Div
    DynamicQuantizeLinear Equal Erf Exp Expand Floor Gather GatherElements GatherND Gelu Gemm Greater GreaterOrEqual
    Identity IsInf IsNaN LayerNormalization Less LessOrEqual Log LogSoftmax LpNormalization MatMul MatMulInteger Max
    Min Mod Mul Neg Not Or Pad Pow QuantizeLinear RMSNormalization Range Reciprocal ReduceL2 ReduceMax ReduceMean
    ReduceMin ReduceSum Relu Reshape Round Shape Sigmoid Sign Sin Slice Softmax Softplus Split Sqrt Squeeze Sub Tanh
    Tile Transpose Trilu Unsqueeze Where Xor
"""
OPERATORS: Final = frozenset(_OPERATORS.split())
"""Operators of exported text encoders. None of them loops, branches, draws numbers, or deals with strings or sequences.

A few unfold (Expand, Range, Tile), and every exported encoder has one of these; so does any Add of a row and a column.
What all of them together may take is bounded where the graph runs.
"""

# Numbers of the fields in onnx.proto; the names after "model", "node" and so on are those of that file.
_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 20, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_OP_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS: Final = (5, 10)
_ATTRIBUTE_GRAPHS: Final = (6, 11)
_ATTRIBUTE_SPARSE: Final = (22, 23)
_TENSOR_DIMS, _TENSOR_SEGMENT, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 1, 3, 13, 14
_ORT_FORMAT: Final = b"ORTM"


def check_graph(content: bytes) -> None:
    """Refuse a graph that reads other files, holds a program, or has an operator that encoders do not need.

    Args:
        content: The ONNX file.

    Raises:
        BadFileError: It does, it is too large to look at, or it is no ONNX graph.
    """
    if content[4:8] == _ORT_FORMAT:  # ONNX Runtime would take it for its own format, which is not looked at
        raise BadFileError("is no ONNX graph")
    wire = Wire(content)
    graphs = 0
    for field in wire.fields(0, len(content)):
        if field.number in (_MODEL_TRAINING, _MODEL_FUNCTIONS):
            raise BadFileError("holds functions of its own")
        if field.number == _MODEL_GRAPH:
            graphs += 1
            _check_nodes(wire, _message(field))
    if not graphs:
        raise BadFileError("is no ONNX graph")


def _check_nodes(wire: Wire, graph: Field) -> None:
    nodes = 0
    for field in wire.fields(graph.start, graph.end):
        if field.number == _GRAPH_SPARSE:
            raise BadFileError("holds sparse weights")
        if field.number == _GRAPH_INITIALIZER:
            _check_tensor(wire, _message(field))
        if field.number == _GRAPH_NODE:
            nodes += 1
            if nodes > NODES:
                raise BadFileError(f"has more than {NODES:,} operators")
            _check_node(wire, _message(field))


def _check_node(wire: Wire, node: Field) -> None:
    for field in wire.fields(node.start, node.end):
        if field.number == _NODE_OP_TYPE and (name := wire.text(_message(field))) not in OPERATORS:
            raise BadFileError(f"has the operator {printable(name, 40)}, which text encoders do not need")
        if field.number == _NODE_DOMAIN and (domain := wire.text(_message(field))) not in ("", "ai.onnx"):
            raise BadFileError(f"has an operator of the domain {printable(domain, 40)}; only those of ONNX are run")
        if field.number == _NODE_ATTRIBUTE:
            _check_attribute(wire, _message(field))


def _check_attribute(wire: Wire, attribute: Field) -> None:
    for field in wire.fields(attribute.start, attribute.end):
        if field.number in _ATTRIBUTE_GRAPHS:
            raise BadFileError("has an operator with a graph inside")
        if field.number in _ATTRIBUTE_SPARSE:
            raise BadFileError("holds sparse weights")
        if field.number in _ATTRIBUTE_TENSORS:
            _check_tensor(wire, _message(field))


def _check_tensor(wire: Wire, tensor: Field) -> None:
    """Refuse numbers that lie in another file, and fewer of them than the shape says."""
    sizes: list[int] = []
    for field in wire.fields(tensor.start, tensor.end):
        if field.number == _TENSOR_EXTERNAL or (field.number == _TENSOR_LOCATION and field.value != 0):
            raise BadFileError("keeps weights in other files (external data), which are not read")
        if field.number == _TENSOR_SEGMENT:
            raise BadFileError("holds weights in pieces")
        if field.number == _TENSOR_DIMS:
            sizes += wire.varints(field)
    # a number takes half a byte at least, so a shape that promises more would only be memory for nothing
    if math.prod(sizes) > 2 * (tensor.end - tensor.start):
        raise BadFileError("holds fewer weights than their shape says")


def _message(field: Field) -> Field:
    """Return a field that must have a content; as a bare number no parser of ONNX would take it either."""
    if field.kind != LENGTH:
        raise BadFileError("is no ONNX graph")
    return field
