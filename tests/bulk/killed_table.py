"""Score a table in a process that kills itself at one of the rows. Run: ``killed_table.py TABLE FOLDER TEXT``."""

from __future__ import annotations

import sys

from hybrid_llm import Router
from tests.bulk.scored_tables import HashScorer

if __name__ == "__main__":
    table, folder, deadly = sys.argv[1:]
    Router(HashScorer(deadly=deadly)).score_table(table, folder, part_rows=10)
