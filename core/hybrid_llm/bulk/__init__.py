"""Scoring of tables of any size, on this machine or on a Ray cluster, into a folder of Parquet files."""

from hybrid_llm.bulk.routing import Routing
from hybrid_llm.bulk.run import ENGINES, Engine, score_table
from hybrid_llm.bulk.summary import TableScores

__all__ = ["ENGINES", "Engine", "Routing", "TableScores", "score_table"]
