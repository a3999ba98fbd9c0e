"""The recipe ``head``: a kernel head on the frozen encoder, fitted in seconds without torch."""

from hybrid_llm.training.head.recipe import fit

__all__ = ["fit"]
