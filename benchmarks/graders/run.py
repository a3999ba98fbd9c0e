"""How far the graders agree with the grades that public results carry.

    python -m benchmarks.graders.run DATA_DIR    # a minute; writes docs/measured/graders.md

Where a file has no references, a right answer of another model is taken as the reference: that of the large model, else
of the first model that was right. The model it came from is not graded.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.results import file_of, keep
from benchmarks.graders.page import PAGE, write_page
from benchmarks.graders.study import run


def main() -> None:
    """Compare and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of quality tables, with second_look/ in it")
    parser.add_argument("--show", type=int, default=0, help="cases to print where a grader and the data differ")
    options = parser.parse_args()
    write_page(PAGE, keep(file_of("graders"), run(options.data, options.show)))
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
