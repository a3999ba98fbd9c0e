"""A table of any size is scored slice by slice, each row once, and what is written stays."""

from __future__ import annotations

import datetime
import decimal
import errno
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_llm import Router
from hybrid_llm.bulk.folder import ScoresFolder
from hybrid_llm.bulk.local import score_locally
from hybrid_llm.bulk.on_ray import ScorePart
from hybrid_llm.bulk.part import Work
from hybrid_llm.disk import claimed
from hybrid_llm.errors import ConfigError, MissingExtraError, TableError
from hybrid_llm.table import SlicedTable
from tests.bulk import killed_table
from tests.bulk.scored_tables import HashScorer, rows_in, score_of, texts, write_lines, write_parquet

ROOT = Path(__file__).resolve().parents[2]


def scored(table: Path, out: Path, **options) -> HashScorer:
    scorer = HashScorer()
    Router(scorer).score_table(table, out, **{"part_rows": 10, **options})
    return scorer


@pytest.mark.filterwarnings("ignore::hybrid_llm.HybridLLMWarning")
def test_every_row_gets_what_the_router_says_of_it_to_the_last_bit(tmp_path):
    queries = ["What is 2+2?", "Why?", "word " * 600, "żółć 数学 🙂", "def f(x):\n    return x", "Why?", "Prove it."]
    table = write_parquet(tmp_path / "rows.parquet", queries, group=3)
    summary = Router.load().score_table(table, tmp_path / "out", part_rows=4, workers=3, quality=0.95)
    router, rows = Router.load(), rows_in(tmp_path / "out")  # one that remembers nothing of the first
    decisions = [router.decide(query, quality=0.95) for query in queries]
    assert rows["row"] == list(range(len(queries)))
    assert rows["id"] == [str(i) for i in range(len(queries))]
    assert rows["score"] == [decision.score for decision in decisions]
    assert rows["familiarity"] == router.familiarity(queries).tolist()
    assert rows["truncated"] == [decision.truncated for decision in decisions]
    assert rows["route"] == [decision.route for decision in decisions]
    assert summary.routes == {arm: rows["route"].count(arm) for arm in ("small", "large")}


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ([datetime.date(2026, 1, 2), None], ["2026-01-02", None]),
        (
            [{"shard": 1, "at": datetime.date(2026, 1, 2)}, {"shard": 2}],
            ['{"shard": 1, "at": "2026-01-02"}', '{"shard": 2, "at": null}'],
        ),
        ([b"\x00\xff", b"ok"], ["00ff", "6f6b"]),
        ([decimal.Decimal("7"), float("nan")], ["7", None]),
    ],
)
def test_an_id_of_any_type_is_told_as_text(tmp_path, ids, told):
    pq.write_table(pa.table({"query": texts(2), "id": pa.array(ids, from_pandas=True)}), tmp_path / "rows.parquet")
    scored(tmp_path / "rows.parquet", tmp_path / "out")
    assert rows_in(tmp_path / "out")["id"] == told


def test_an_id_that_no_file_can_hold_does_not_stop_the_others(tmp_path):
    table = tmp_path / "rows.jsonl"
    table.write_text('{"id": "\\ud800", "query": "x"}\n{"id": 1' + "0" * 400 + ', "query": "y"}\n')
    scored(table, tmp_path / "out")
    assert rows_in(tmp_path / "out")["id"] == ["\\ud800", "1" + "0" * 400]


@pytest.mark.slow
@settings(deadline=None, max_examples=12)
@given(
    n=st.integers(1, 40),
    size=st.integers(1, 15),
    group=st.integers(1, 15),
    lost=st.sets(st.integers(0, 9)),
    parquet=st.booleans(),
)
def test_each_row_stands_there_once_and_in_order_whatever_was_there_before(n, size, group, lost, parquet):
    with TemporaryDirectory() as folder:
        file, out, queries = Path(folder) / "rows", Path(folder) / "out", texts(n)
        table = write_parquet(file, queries, group=group) if parquet else write_lines(file, queries)
        scored(table, out, part_rows=size)
        whole = rows_in(out)
        assert whole["row"] == list(range(n))
        assert whole["score"] == [score_of(query) for query in queries]
        gone = [number for number in range(-(-n // size)) if number in lost]
        for number in gone:
            ScoresFolder(out).part(number).unlink()
        again = scored(table, out, part_rows=size)
        assert again.asked == [query for number in gone for query in queries[number * size : (number + 1) * size]]
        assert rows_in(out) == whole


@pytest.mark.slow
def test_after_a_kill_the_same_call_scores_what_is_missing(tmp_path):
    table = write_parquet(tmp_path / "rows.parquet", texts(50))
    child = [sys.executable, killed_table.__file__, str(table), str(tmp_path / "out"), "question 25"]
    done = subprocess.run(child, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert rows_in(tmp_path / "out")["row"] == list(
        range(20)
    )  # the part in which it died is not there, nor a half of it
    (tmp_path / "out" / ".part-000002.parquet.0.part").write_bytes(b"PAR1")  # as if it had died while writing
    assert scored(table, tmp_path / "out").asked == texts(50)[20:]
    assert rows_in(tmp_path / "out")["score"] == [score_of(query) for query in texts(50)]
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_a_disk_that_is_full_in_the_middle_of_a_part_leaves_none_of_it(tmp_path, monkeypatch):
    def full(table, file):
        Path(file).write_bytes(b"PAR1")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    table = write_parquet(tmp_path / "rows.parquet", texts(3))
    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.write_table", full)
        with pytest.raises(TableError, match="No space left"):
            scored(table, tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["_scores.json"]
    assert scored(table, tmp_path / "out").asked == texts(3)


def test_a_damaged_part_is_scored_again(tmp_path):
    table = write_parquet(tmp_path / "rows.parquet", texts(30))
    scored(table, tmp_path / "out")
    ScoresFolder(tmp_path / "out").part(1).write_bytes(b"half")
    assert scored(table, tmp_path / "out").asked == texts(30)[10:20]


@pytest.mark.parametrize("columns", [{"row": [10, 11], "score": [0.5, 0.5]}, {"row": list(range(10, 20))}])
def test_a_part_that_lacks_rows_or_scores_is_scored_again(tmp_path, columns):
    table = write_parquet(tmp_path / "rows.parquet", texts(25))
    scored(table, tmp_path / "out")
    pq.write_table(pa.table(columns), tmp_path / "out" / "part-000001.parquet")
    assert scored(table, tmp_path / "out").asked == texts(25)[10:20]
    assert rows_in(tmp_path / "out")["row"] == list(range(25))


def test_a_manifest_with_other_values_is_damaged(tmp_path):
    table = write_parquet(tmp_path / "rows.parquet", texts(5))
    scored(table, tmp_path / "out")
    manifest = tmp_path / "out" / "_scores.json"
    manifest.write_text(manifest.read_text().replace('"map": {}', '"map": 5'))
    with pytest.raises(TableError, match="is damaged; remove the folder"):
        scored(table, tmp_path / "out")


def test_a_row_without_a_text_keeps_the_id_that_a_map_names(tmp_path):
    table = tmp_path / "rows.jsonl"
    table.write_text('{"q": {"text": "x"}, "meta": {"id": 7}}\n{"q": null, "meta": {"id": 8}}\n')
    scored(table, tmp_path / "out", paths={"query": "q.text", "id": "meta.id"}, skip_bad=True)
    assert rows_in(tmp_path / "out")["id"] == ["7", "8"]


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    table = write_parquet(tmp_path / "rows.parquet", texts(12))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(TableError, match=r"mine exists and holds no scores of ours; choose another --out"):
        scored(table, tmp_path / "mine")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.txt"]

    out = tmp_path / "out"
    scored(table, out)
    before = rows_in(out)
    other = write_parquet(tmp_path / "other.parquet", texts(13))
    with pytest.raises(TableError, match=r"holds scores of rows\.parquet, not of other\.parquet as it is now; choose"):
        scored(other, out)
    with pytest.raises(TableError, match="holds scores of the router hash, this one is new; choose another --out"):
        Router(HashScorer(id="new")).score_table(table, out, part_rows=10)
    with pytest.raises(TableError, match="holds parts of 10 rows; go on with --part-rows 10"):
        scored(table, out, part_rows=20)
    with pytest.raises(TableError, match=r"holds scores without routes, not routes at threshold 0\.5"):
        scored(table, out, threshold=0.5)
    write_parquet(table, texts(12)[::-1])
    with pytest.raises(TableError, match=r"scores of rows\.parquet before it changed"):
        scored(table, out)
    assert rows_in(out) == before


def test_a_folder_in_which_nothing_was_scored_yet_takes_another_table(tmp_path):
    with pytest.raises(TableError, match="row 1: field 'query' is missing"):
        scored(write_parquet(tmp_path / "rows.parquet", [None, "two"]), tmp_path / "out")
    table = write_parquet(tmp_path / "rows.parquet", texts(3))
    assert scored(table, tmp_path / "out", threshold=0.5).asked == texts(3)
    assert scored(table, tmp_path / "out", threshold=0.5).asked == []


def test_a_kill_before_the_first_file_is_whole_leaves_a_folder_to_go_on_with(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "._scores.json.0.part").write_text("{")
    scored(write_parquet(tmp_path / "rows.parquet", texts(3)), tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["_scores.json", "part-000000.parquet"]


def test_of_two_that_write_one_folder_the_second_hears_of_it_at_once(tmp_path):
    table, out = write_parquet(tmp_path / "rows.parquet", texts(3)), tmp_path / "out"
    with claimed(out, TableError), ThreadPoolExecutor(1) as another:
        error = another.submit(scored, table, out).exception()
    assert "out is being written by another thread; wait for it" in str(error)
    assert scored(table, out).asked == texts(3)


def test_a_table_without_a_column_of_queries_says_which_ones_it_has(tmp_path):
    table = write_parquet(tmp_path / "rows.parquet", texts(3), name="question")
    with pytest.raises(TableError, match=r"no column called query, .* --map query=NAME: question, id"):
        scored(table, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert scored(table, tmp_path / "out", paths={"query": "question"}).asked == texts(3)
    with pytest.raises(TableError, match="begun with --map query=question; go on so"):
        scored(table, tmp_path / "out", paths={"query": "id"})


def test_a_row_without_a_text_stops_or_has_no_score(tmp_path):
    table = write_parquet(tmp_path / "rows.parquet", ["one", None, " ", "four"])
    with pytest.raises(TableError, match=r"row 2: field 'query' is missing; .*; --skip-bad"):
        scored(table, tmp_path / "out")
    summary = Router(HashScorer()).score_table(table, tmp_path / "routed", skip_bad=True, threshold=2)
    rows = rows_in(tmp_path / "routed")
    assert rows["score"] == [score_of("one"), None, None, score_of("four")]
    assert rows["route"] == ["large", None, None, "large"]
    assert (summary.rows, summary.without_score) == (4, 2)


@pytest.mark.parametrize(
    ("name", "content", "asked"),
    [
        ("rows.csv", "id,prompt\n7,one\n8,two\n", ["one", "two"]),
        ("prompts.txt", "one\ntwo\n", ["one", "two"]),
        ("chats.jsonl", '{"messages": [{"role": "user", "content": "one"}]}\n', ["one"]),
    ],
)
def test_other_formats_are_read_as_prompts_are(tmp_path, name, content, asked):
    (tmp_path / name).write_text(content)
    assert scored(tmp_path / name, tmp_path / "out").asked == asked


@pytest.mark.parametrize(
    ("content", "message"), [(None, "does not exist"), ("", "holds no rows"), ("PAR1", "cannot be read as Parquet")]
)
def test_a_file_without_rows_is_an_error(tmp_path, content, message):
    if content is not None:
        (tmp_path / "rows").write_text(content)
    with pytest.raises(TableError, match=message):
        scored(tmp_path / "rows", tmp_path / "out")


def test_settings_that_make_no_sense_are_refused(tmp_path):
    table = write_parquet(tmp_path / "rows.parquet", texts(3))
    for wrong in ({"engine": "dask"}, {"address": "auto"}, {"workers": 0}, {"part_rows": 0}):
        with pytest.raises(ConfigError):
            scored(table, tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_without_ray_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hybrid-llm\[ray\]'"):
        scored(write_parquet(tmp_path / "rows.parquet", texts(3)), tmp_path / "out", engine="ray")
    with pytest.raises(TableError, match=r"is not Parquet.*or use --engine local"):
        scored(write_lines(tmp_path / "rows.jsonl", texts(3)), tmp_path / "out", engine="ray")
    assert not (tmp_path / "out").exists()


def test_what_an_actor_is_given_twice_stands_there_once(tmp_path):
    table = SlicedTable(write_parquet(tmp_path / "rows.parquet", [*texts(12), None], group=7), 5)
    (tmp_path / "out").mkdir()
    actor = ScorePart(Work(table, ScoresFolder(tmp_path / "out"), HashScorer()))
    told = [actor({"number": [number]}) for number in (1, 0, 1)]
    assert told == [{"rows": [5], "error": [""]}] * 3
    assert rows_in(tmp_path / "out")["row"] == list(range(10))
    broken = actor({"number": [2]})
    assert broken["rows"] == [0]
    assert "row 13: field 'query' is missing" in broken["error"][0]


def test_the_last_slice_of_a_cluster_may_be_a_short_one(tmp_path, monkeypatch):
    given: list[int] = []

    def on_actors(work, numbers, workers, address, tell):
        given.extend(numbers)
        for number in numbers:
            tell(ScorePart(work)({"number": [number]})["rows"][0])
        return 1

    monkeypatch.setattr("hybrid_llm.bulk.run.check_ray", lambda work: None)
    monkeypatch.setattr("hybrid_llm.bulk.run.score_on_ray", on_actors)
    scored(write_parquet(tmp_path / "rows.parquet", texts(21)), tmp_path / "out", engine="ray")
    assert given == [0, 1, 2]
    assert rows_in(tmp_path / "out")["row"] == list(range(21))


def test_rows_that_nobody_scored_are_missed_before_anybody_reads_the_folder(tmp_path, monkeypatch):
    table = write_parquet(tmp_path / "rows.parquet", texts(30))
    with monkeypatch.context() as patched:
        patched.setattr(
            "hybrid_llm.bulk.run.score_locally",
            lambda work, wanted, workers, tell: score_locally(work, lambda number: number != 1, workers, tell),
        )
        with pytest.raises(TableError, match=r"lacks rows of .*the same command scores what is missing"):
            scored(table, tmp_path / "out")
    assert scored(table, tmp_path / "out").asked == texts(30)[10:20]
