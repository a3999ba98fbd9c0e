"""``hybrid-llm report``: a page from a table and a router folder."""

from __future__ import annotations

import html
import re
import sys

import pytest

from hybrid_llm.observe import Journal
from hybrid_llm.report import figure_rows
from tests.cli.conftest import PAIR, run, write_rows
from tests.cli.test_wrong_input import refused
from tests.observe.events import LARGE, SMALL, event_of, hosted, local
from tests.small_table import make_rows


@pytest.fixture
def page(tmp_path):
    return tmp_path / "report.html"


def test_report_writes_a_page_without_queries_and_says_where(trained, table, page):
    shown = run("report", table, "--router", trained, "--out", page, "--bootstrap", 20)
    assert shown.code == 0
    assert f"The report on 40 queries is in {page}" in shown.out
    assert "--with-texts shows some" in shown.err
    text = page.read_text()
    assert "<h1>small → large</h1>" in text
    assert "rows.jsonl, split test" in text
    assert "Question 0-" not in text
    assert run("report", table, "--router", trained, "--out", page, "--bootstrap", 0, "--with-texts").code == 0
    assert "Question 0-" in page.read_text()


def test_the_figures_of_the_page_are_those_of_evaluate(trained, fresh, page):
    judged = ("--router", trained, "--split", "new", "--bootstrap", 20, "--json")
    found = run("evaluate", fresh, *PAIR, *judged).json
    told = run("report", fresh, *judged, "--out", page).json
    assert {key: told[key] for key in found if key != "plot"} == {k: v for k, v in found.items() if k != "plot"}
    cells = re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", html.unescape(page.read_text()))
    for row in figure_rows(found):
        place = cells.index(row[0], cells.index("figure"))
        assert row[1] in cells[place:]


def test_report_json_has_the_levels(trained, fresh, page):
    told = run("report", fresh, "--router", trained, "--split", "new", "--bootstrap", 20, "--out", page, "--json").json
    assert told["report"] == str(page)
    assert [level["quality"] for level in told["levels"]] == [0.99, 0.98, 0.97, 0.95, 0.9, 0.8]
    assert {"cost_advantage", "both_run", "certified", "usd_per_1000", "drop", "drop_points"} <= told["levels"][
        0
    ].keys()
    assert (told["with_texts"], told["seen"], told["n"]) == (False, 0, 240)


def test_the_page_says_what_was_saved_where_there_is_a_journal(trained, table, page, tmp_path):
    journal = Journal(tmp_path / "traffic.sqlite")
    for event in (event_of(SMALL, local()), event_of(LARGE, hosted())):
        journal.finished(event)
    assert journal.flush()
    asked = ("report", table, "--router", trained, "--out", page, "--bootstrap", 0, "--json")
    told = run(*asked, "--traffic", journal.path).json
    assert told["traffic"]["requests"] == 2
    text = html.unescape(page.read_text())
    for part in ("What it saved on your traffic", "<h3>By day</h3>", "<h3>By model</h3>", "qwen3:4b", "saved."):
        assert part in text
    assert "traffic" not in run(*asked).json
    assert "What it saved" not in page.read_text()
    refused(run(*asked, "--traffic", table), 1, "is no journal of hybrid-llm")


def test_rows_that_training_saw_are_warned_of_and_told_on_the_page(trained, table, page):
    shown = run("report", table, "--router", trained, "--split", "train", "--out", page, "--bootstrap", 0)
    assert shown.err.startswith("warning: 160 of 160 rows were seen in training")
    assert "160 of the 160 queries were seen in training" in page.read_text()


def test_without_jinja_the_extra_is_named_before_anything_is_read(monkeypatch, trained, page):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    shown = run("report", "no.jsonl", "--router", trained, "--out", page)
    refused(shown, 1, "A report needs the extra report", "pip install 'hybrid-llm[report]'")


def test_a_table_of_another_pair_names_both(trained, page, tmp_path):
    rows = [row | {"quality": {"tiny": [1.0], "big": [1.0]}} for row in make_rows(60)]
    shown = run("report", write_rows(tmp_path / "rows.jsonl", rows), "--router", trained, "--out", page)
    refused(shown, 1, "This router is for small -> large", "the table is of another pair", "It has: big, tiny")
    assert not page.exists()


def test_without_test_rows_the_splits_are_named_and_what_to_do(trained, fresh, page):
    shown = run("report", fresh, "--router", trained, "--out", page)
    refused(shown, 1, "There is no split 'test'", "It has: new.", "--split NAME")
    assert not page.exists()


def test_a_place_that_cannot_hold_the_page_is_refused_at_once(trained, tmp_path):
    refused(run("report", "no.jsonl", "--router", trained, "--out", tmp_path / "r.pdf"), 1, "must end in .html")
    refused(run("report", "no.jsonl", "--router", trained, "--out", tmp_path / "no" / "r.html"), 1, "make it first")


def test_a_router_is_needed_and_one_that_is_none_is_named(table, page, tmp_path):
    refused(run("report", table, "--out", page), 2, "--router")
    refused(run("report", table, "--router", tmp_path / "no", "--out", page), 1, "does not exist")
