"""A Hugging Face encoder as an ONNX graph: pooling and normalisation inside, held to torch, weights in 8 bits."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from hybrid_llm.errors import EncoderError
from hybrid_llm.training.onnx.hub import load_model, reason

if TYPE_CHECKING:
    import torch
    from onnx import GraphProto, ModelProto

Quantise = Literal["int8", "uint8"]
Pooling = Literal["mean", "cls"]

_TOLERANCE: Final = 1e-4
"""How far the exported graph may be from torch, before quantisation, in any number of an embedding."""


def pooled_module(folder: Path, pooling: Pooling) -> Any:
    """Load the model and put pooling and normalisation on top; ``.dim`` and ``.vocab`` say its sizes."""
    import torch

    class Pooled(torch.nn.Module):  # type: ignore[misc]  # torch is not analysed
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model, self.dim, self.vocab = model, model.config.hidden_size, model.config.vocab_size

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return torch.nn.functional.normalize(pool(hidden, attention_mask, pooling), dim=1)

    # eager: the plain operators, which ONNX Runtime knows how to speed up
    return Pooled(load_model(folder, attn_implementation="eager")).eval()


def pool(hidden: torch.Tensor, attention_mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Make one vector (n, d) of the vectors of all tokens (n, s, d)."""
    if pooling == "cls":
        return hidden[:, 0]
    weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-9)


def _example(module: Any, lengths: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Make random texts of these lengths in one padded batch: ids and mask."""
    import torch

    rng = np.random.default_rng(0)
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    ids = rng.integers(0, module.vocab, size=mask.shape)
    return torch.from_numpy(ids), torch.from_numpy(mask)


def check_length(module: Any, tokens: int, option: str) -> None:
    """Refuse a budget beyond what the model has positions for.

    Raises:
        EncoderError: It is; the option that set it is named.
    """
    import torch

    try:
        with torch.inference_mode():
            module(*_example(module, [tokens]))
    except (IndexError, RuntimeError) as error:
        raise EncoderError(f"The model cannot read {tokens:,} tokens at a time: lower {option}.") from error


def to_onnx(module: Any, output: str = "sentence_embedding") -> ModelProto:
    """Trace the model to ONNX with free batch and sequence sizes, and drop the notes of the exporter."""
    import torch
    from torch.onnx import OnnxExporterError

    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    try:
        program = torch.onnx.export(
            module,
            _example(module, [9, 7]),
            dynamo=True,
            input_names=["input_ids", "attention_mask"],
            output_names=[output],
            dynamic_shapes={"input_ids": sizes, "attention_mask": sizes},
            verbose=False,
        )
    except OnnxExporterError as error:
        raise EncoderError(f"torch {torch.__version__} cannot export this architecture: {reason(error)}") from error
    assert program is not None
    return _stripped(program.model_proto)


def _stripped(model: ModelProto) -> ModelProto:
    """Remove notes that say nothing to a reader of the file, among them paths of this machine."""

    def clean(graph: GraphProto) -> None:
        del graph.value_info[:]
        for item in (graph, *graph.input, *graph.output, *graph.initializer, *graph.node):
            item.doc_string = ""
            del item.metadata_props[:]
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    clean(attribute.g)

    clean(model.graph)
    model.doc_string = ""
    del model.metadata_props[:]
    return model


def compare(model: ModelProto, module: Any, max_tokens: int, tolerance: float = _TOLERANCE) -> None:
    """Hold the exported graph to torch on texts of several lengths, alone and padded."""
    import onnxruntime as ort
    import torch

    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for lengths in ([1], [max_tokens], [1, max_tokens, max_tokens // 2]):
        ids, mask = _example(module, lengths)
        with torch.inference_mode():
            wanted = module(ids, mask).numpy()
        got = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
        if (worst := float(np.abs(got - wanted).max())) > tolerance:
            raise EncoderError(f"The exported graph differs from the model by {worst:.1e}; it cannot be used.")


def quantised(model: ModelProto, kind: Quantise, *, per_channel: bool = True, reduce_range: bool = True) -> ModelProto:
    """Make weights and embedding tables 8 bits wide; activations get their scale at run time."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Says that the graph is simplified already, as torch's exporter does; without it a warning goes to the root log.
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "quantised.onnx")
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=["MatMul", "Gather"],
            per_channel=per_channel,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8 if kind == "int8" else QuantType.QUInt8,
        )
        return _stripped(onnx.load(path))


def described(kind: Quantise | None, *, per_channel: bool = True, reduce_range: bool = True) -> str:
    """Return in words what :func:`quantised` did, ``"none"`` where it was not asked.

    Example:
        >>> described("int8")
        'int8 dynamic, per channel, 7 bits'
    """
    if kind is None:
        return "none"
    return f"{kind} dynamic, per {'channel' if per_channel else 'tensor'}, {7 if reduce_range else 8} bits"
