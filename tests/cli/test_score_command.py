"""``hybrid-llm score``: what it prints, and what it refuses."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Terminal, run, write_rows
from tests.small_table import make_rows


@pytest.fixture(scope="module")
def queries(folder):
    file = folder / "queries.parquet"
    pq.write_table(pa.table({"prompt": [row["query"] for row in make_rows(12)]}), file)
    return file


def test_score_writes_the_scores_of_a_table_and_says_how_many(queries, trained, tmp_path):
    asked = ("score", queries, "--router", trained, "--threshold", 0.5, "--out", tmp_path / "scores")
    told = run(*asked, "--json").json
    assert (told["rows"], told["new"], told["parts"], told["without_score"], told["engine"]) == (12, 12, 1, 0, "local")
    assert told["threshold"] == 0.5
    assert sum(told["routes"].values()) == 12
    decided = run("route", *[row["query"] for row in make_rows(12)], "--router", trained, "--threshold", 0.5, "--json")
    scores = pq.read_table(tmp_path / "scores").to_pydict()
    assert scores["score"] == [decision["score"] for decision in decided.json]
    assert scores["route"] == [decision["route"] for decision in decided.json]
    again = run(*asked)
    assert again.code == 0
    assert again.out.startswith(f"Scores of 12 rows are in {tmp_path / 'scores'}: one Parquet file (all of them were")


def test_progress_is_shown_to_a_terminal_alone(queries, trained, tmp_path, monkeypatch):
    from contextlib import redirect_stderr

    from hybrid_llm.cli import main

    arguments = ["score", str(queries), "--router", str(trained), "--out", str(tmp_path / "scores")]
    with redirect_stderr(Terminal()) as shown:
        assert main(arguments) == 0
    assert "Scoring rows" in shown.getvalue()
    assert run(*arguments).err == ""


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--engine", "dask"], 2, "--engine is local or ray, not 'dask'"),
        (["--address", "auto"], 2, "add --engine ray"),
        (["--map", "query=question"], 1, "there is no 'question' for query; the row has query"),
        (["--engine", "ray"], 1, "is not Parquet"),
    ],
)
def test_what_cannot_be_scored_is_said_in_a_line(folder, trained, tmp_path, options, code, message):
    table = write_rows(folder / "asked.jsonl", [{"query": "2+2?"}])
    shown = run("score", table, "--router", trained, "--out", tmp_path / "scores", *options)
    assert shown.code == code
    assert message in shown.err.splitlines()[0]
