"""Draw what ``hybrid-llm demo`` prints in a terminal: ``docs/img/demo.svg``.

python tools/demo_picture.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

PICTURE: Final = Path(__file__).resolve().parents[1] / "docs" / "img" / "demo.svg"
WIDTH: Final = 92


def main() -> None:
    """Run the demo and write the picture."""
    from rich.console import Console
    from rich.text import Text

    shown = subprocess.run(
        [sys.executable, "-m", "hybrid_llm.cli", "demo"],
        env={**os.environ, "COLUMNS": str(WIDTH), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
        text=True,
        encoding="utf-8",
    ).stdout
    text = Text(shown.split("\nThe shipped router")[0].rstrip() + "\n")
    text.highlight_regex(r"(?m)^(small|large) (even )?at .*$", "bold")
    text.highlight_regex("\u2588+", "rgb(80,160,240)")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(text)
        svg = console.export_svg(title="hybrid-llm demo", unique_id="demo")
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # a picture fetches nothing
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
