"""The recipe ``head``: a kernel head on the frozen encoder, fitted in seconds without torch."""

from hybrid_llm.training.head.regression import LEAST_SLOPE, Rows, choose, fit_head, platt

__all__ = ["LEAST_SLOPE", "Rows", "choose", "fit_head", "platt"]
