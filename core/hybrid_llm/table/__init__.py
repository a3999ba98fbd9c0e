"""Quality tables: reading them, their rows and splits, and the rows of one pair of models."""

from hybrid_llm.table.pairs import PairTable
from hybrid_llm.table.splits import TRAIN, hash64, hash_fraction, normal_text
from hybrid_llm.table.table import LeakReport, QualityTable

__all__ = ["TRAIN", "LeakReport", "PairTable", "QualityTable", "hash64", "hash_fraction", "normal_text"]
