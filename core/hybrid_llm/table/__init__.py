"""Quality tables: reading and writing them, their rows and splits, and the rows of one pair of models."""

from hybrid_llm.table.chats import last_of_user
from hybrid_llm.table.pairs import PairTable
from hybrid_llm.table.paths import parse_map
from hybrid_llm.table.prompts import Prompt, prompts_of_files, read_prompts
from hybrid_llm.table.responses import PARALLEL, Response
from hybrid_llm.table.scores import Scale, check_scale
from hybrid_llm.table.slices import Slice, SlicedTable
from hybrid_llm.table.splits import TRAIN, hash64, hash_fraction, normal_text, same_question
from hybrid_llm.table.table import LeakReport, QualityTable
from hybrid_llm.table.write import write_table

__all__ = [
    "PARALLEL",
    "TRAIN",
    "LeakReport",
    "PairTable",
    "Prompt",
    "QualityTable",
    "Response",
    "Scale",
    "Slice",
    "SlicedTable",
    "check_scale",
    "hash64",
    "hash_fraction",
    "last_of_user",
    "normal_text",
    "parse_map",
    "prompts_of_files",
    "read_prompts",
    "same_question",
    "write_table",
]
