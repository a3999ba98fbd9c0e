"""Files that strangers made: read within limits, checked before a library parses them, shown without their tricks."""

from hybrid_llm.untrusted.files import BadFileError, read_regular
from hybrid_llm.untrusted.graph import check_graph
from hybrid_llm.untrusted.json_text import escaped, parse_json, printable, steers
from hybrid_llm.untrusted.tensors import read_tensors
from hybrid_llm.untrusted.vocabulary import check_tokenizer

__all__ = [
    "BadFileError",
    "check_graph",
    "check_tokenizer",
    "escaped",
    "parse_json",
    "printable",
    "read_regular",
    "read_tensors",
    "steers",
]
