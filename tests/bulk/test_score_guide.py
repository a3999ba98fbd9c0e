"""The program of docs/guide/score.md runs, and the page says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq

from tests.bulk.scored_tables import write_parquet

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guide" / "score.md").read_text(encoding="utf-8")


def test_the_program_of_the_guide_runs_and_its_columns_are_all_there_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_parquet(tmp_path / "queries.parquet", ["What is 2+2?", "Prove that e is transcendental."])
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(program, {})
    assert capsys.readouterr().out.startswith("2 {'small': ")
    assert pq.read_schema(tmp_path / "scores" / "part-000000.parquet").names == re.findall(
        r"^\| `(\w+)` \|", PAGE, re.M
    )


def test_every_link_of_the_page_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE):
        assert target.startswith("https://") or (ROOT / "docs" / "guide" / target).exists(), target
