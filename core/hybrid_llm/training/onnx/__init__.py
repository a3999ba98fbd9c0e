"""From a Hugging Face model to an encoder folder: where it comes from, its graph, its export."""

from hybrid_llm.training.onnx.export import export_encoder
from hybrid_llm.training.onnx.graph import Pooling, Quantise

__all__ = ["Pooling", "Quantise", "export_encoder"]
