"""The journal keeps one row a request, and never costs one."""

from __future__ import annotations

import copy
import json
import logging
import multiprocessing
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hybrid_llm import HybridLLMWarning, Pair
from hybrid_llm.dispatch import Answers, Capabilities, Request
from hybrid_llm.errors import ConfigError, JournalError
from hybrid_llm.event import RequestEvent, Usage
from hybrid_llm.observe import Journal, Recorded, background, count_lost, read_journal, store
from hybrid_llm.testing import FixedScorer
from tests.observe.events import DOWN, FALLBACK, LARGE, SMALL, TEXT, event_of, hosted, local


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traffic.sqlite"


def kept(journal: Journal, *events: RequestEvent) -> list[RequestEvent]:
    for event in events:
        journal.finished(event)
    assert journal.flush()
    return [row.event for row in read_journal(journal.path)]


def test_what_was_told_of_a_request_is_read_back(path: Path) -> None:
    told = event_of(SMALL, local(cached_tokens=4)), event_of(FALLBACK, DOWN, hosted()), event_of(LARGE, error="OSError")
    assert kept(Journal(path), *told) == list(told)


def test_a_row_holds_what_a_request_came_to_in_columns(path: Path) -> None:
    kept(Journal(path), event_of(FALLBACK, DOWN, hosted(), turns=2))
    names = ["route", "reason", "score", "answered_by", "input_tokens", "output_tokens", "cost_usd", "turns"]
    row = sqlite3.connect(path).execute(f"SELECT {', '.join(names)} FROM requests").fetchone()
    assert row == ("large", "fallback", 0.8, "large", 10, 20, 0.01, 2)


def test_what_is_unknown_stays_unknown(path: Path) -> None:
    kept(Journal(path), event_of(LARGE, hosted(input_tokens=None, cost_usd=None)))
    assert sqlite3.connect(path).execute("SELECT input_tokens, cost_usd FROM requests").fetchone() == (None, None)


def pair_with(journal: Journal, **options: Any) -> Pair:
    answers = Answers(used=lambda value, before: Usage(1_000, 100))
    arms = {"small": Capabilities(model="qwen3:4b"), "large": Capabilities(model="gpt-4o")}
    prices = {"qwen3:4b": (0, 0), "gpt-4o": (2.5, 10)}
    return Pair(FixedScorer(0.2), threshold=0.5, answers=answers, prices=prices, observers=[journal], **arms, **options)


def test_a_pair_writes_tokens_and_dollars(path: Path) -> None:
    journal = Journal(path)
    pair_with(journal).call(Request(TEXT), lambda decision: "two")
    assert journal.flush()
    ((attempt,),) = [row.event.attempts for row in read_journal(path)]
    assert (attempt.input_tokens, attempt.output_tokens) == (1_000, 100)
    assert attempt.cost_usd == pytest.approx(0.0035)


def test_no_text_is_on_disk_unless_it_is_asked_for(path: Path) -> None:
    journal = Journal(path)
    pair_with(journal).call(Request(TEXT), lambda decision: "two moons")
    assert journal.flush()
    assert all(TEXT.encode() not in file.read_bytes() for file in path.parent.iterdir())
    assert all(b"two moons" not in file.read_bytes() for file in path.parent.iterdir())


def test_texts_are_kept_when_they_are_asked_for(path: Path) -> None:
    journal = Journal(path, texts=True)
    pair = pair_with(journal)
    pair.call(Request(TEXT), lambda decision: "two moons")
    list(pair.stream(Request(TEXT), lambda decision: iter(["two ", "moons"])))
    assert journal.flush()
    events = [row.event for row in read_journal(path)]
    assert [(event.query, event.attempts[0].text) for event in events] == [(TEXT, "two moons")] * 2


def test_another_observer_gets_no_texts_though_the_journal_does(path: Path) -> None:
    seen: list[RequestEvent] = []
    journal = Journal(path, texts=True)
    pair = Pair(FixedScorer(0.2), threshold=0.5, observers=[journal, seen.append])
    pair.call(Request(TEXT), lambda decision: "two moons")
    assert (seen[0].query, seen[0].attempts[0].text) == (None, None)


def test_the_texts_of_a_private_request_are_kept_nowhere(path: Path) -> None:
    journal = Journal(path, texts=True)
    private = SMALL.override(reason="private", private=True)
    kept(journal, event_of(private, local(text="two moons"), query=TEXT))
    assert all(TEXT.encode() not in file.read_bytes() for file in path.parent.iterdir())


def test_a_private_request_of_a_pair_leaves_no_text(path: Path) -> None:
    journal = Journal(path, texts=True)
    pair_with(journal, local_hosts=["*"]).call(Request(TEXT, private=True), lambda decision: "two moons")
    assert journal.flush()
    (event,) = [row.event for row in read_journal(path)]
    assert (event.decision.private, event.query, event.query_hash, event.attempts[0].text) == (True, None, "", None)


def test_half_a_character_is_no_reason_to_lose_a_row(path: Path) -> None:
    (event,) = kept(Journal(path, texts=True), event_of(SMALL, local(text="\ud83d"), query="half \ud83d"))
    assert event.query == "half ?"


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    kept(Journal(path), event_of(SMALL, local()))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_rows_that_are_too_old_go(path: Path) -> None:
    now = time.time()
    rows = [Recorded(now - 40 * 86_400, event_of(SMALL, local())), Recorded(now, event_of(LARGE, hosted()))]
    store.prepare(path)
    store.write(path, rows, texts=False, lost=0, oldest=None)
    (old, *rest) = kept(Journal(path, keep_days=30), event_of(SMALL, local()))
    assert (old.decision.route, len(rest)) == ("large", 1)


def test_a_reader_may_ask_for_the_latest_alone(path: Path) -> None:
    store.prepare(path)
    store.write(
        path, [Recorded(float(t), event_of(SMALL, local())) for t in range(5)], texts=False, lost=0, oldest=None
    )
    assert [row.time for row in read_journal(path, since=3)] == [3.0, 4.0]


def test_rows_are_written_without_being_asked_to(path: Path) -> None:
    Journal(path).finished(event_of(SMALL, local()))
    deadline = time.monotonic() + 20
    while not list(read_journal(path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(list(read_journal(path))) == 1


CHILD = """
import sys
from hybrid_llm.observe import Journal
from tests.observe.events import SMALL, event_of, local
journal = Journal(sys.argv[1])
for _ in range(200):
    journal.finished(event_of(SMALL, local()))
"""


@pytest.mark.slow
def test_several_processes_write_into_one_file_and_the_end_of_a_program_loses_nothing(path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen([sys.executable, "-c", CHILD, path], env=environment) for _ in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert len(list(read_journal(path))) == 600


@pytest.mark.slow
def test_a_child_of_a_fork_writes_its_own_rows_once(path: Path) -> None:
    program = f"""
import os
from hybrid_llm.observe import Journal
from tests.observe.events import SMALL, event_of, local
journal = Journal({str(path)!r})
journal.finished(event_of(SMALL, local()))
child = os.fork()
journal.finished(event_of(SMALL, local()))
if child:
    os.waitpid(child, 0)
journal.flush()
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], env=environment, check=True, timeout=120)
    assert len(list(read_journal(path))) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_worker_of_multiprocessing_that_ends_at_once_loses_nothing(path: Path) -> None:
    journal = Journal(path)
    worker = multiprocessing.get_context("fork").Process(target=journal.finished, args=(event_of(SMALL, local()),))
    worker.start()
    worker.join(20)
    assert len(list(read_journal(path))) == 1


def test_a_program_may_change_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    journal = Journal("traffic.sqlite")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(kept(journal, event_of(SMALL, local()))) == 1


def test_a_row_that_no_database_can_hold_is_lost_alone(path: Path) -> None:
    rubbish = event_of(SMALL, local(input_tokens=10**30))
    assert len(kept(Journal(path), rubbish, event_of(SMALL, local()))) == 1
    assert count_lost(path) == 1


def asked(pair: Pair) -> tuple[str, bool]:
    """Return the answer to a request, and whether the journal could be written then."""
    answer, _ = pair.call(Request(TEXT), lambda decision: "two")
    (journal,) = pair.options.observers
    return answer, journal.flush()


def full(path: Path, *args: Any, **kwargs: Any) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_a_full_disk_costs_one_warning_and_no_request_and_is_made_up_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(path)
    with monkeypatch.context() as patched:
        patched.setattr("hybrid_llm.observe.journal.write", full)
        with pytest.warns(HybridLLMWarning, match="disk is full") as given:
            assert [asked(pair_with(journal)) for _ in range(3)] == [("two", False)] * 3
    assert len(given) == 1
    assert "disk is full" in caplog.text
    assert journal.flush()
    assert (len(list(read_journal(path))), count_lost(path)) == (3, 0)


def test_what_waits_too_long_is_counted_as_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MOST", 5)
    journal = Journal(path)
    with monkeypatch.context() as patched:
        patched.setattr("hybrid_llm.observe.journal.write", full)
        with pytest.warns(HybridLLMWarning):
            assert not any(asked(pair_with(journal))[1] for _ in range(8))
    assert journal.flush()
    assert (len(list(read_journal(path))), count_lost(path)) == (5, 3)


def test_a_file_that_another_program_has_locked_costs_no_request(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    monkeypatch.setattr(store, "_PATIENCE", 0.01)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.warns(HybridLLMWarning, match="locked"):
        assert asked(pair_with(journal)) == ("two", False)
    other.execute("ROLLBACK")
    other.close()
    assert journal.flush()
    assert len(list(read_journal(path))) == 1


def test_a_file_that_was_deleted_is_not_made_again_behind_the_users_back(path: Path) -> None:
    journal = Journal(path)
    for file in path.parent.iterdir():
        file.unlink()
    journal.finished(event_of(SMALL, local()))
    with pytest.warns(HybridLLMWarning, match="cannot be written"):
        assert not journal.flush()
    assert not path.exists()


def test_two_observers_of_which_one_raises_leave_the_journal_whole(path: Path) -> None:
    def broken(event: RequestEvent) -> None:
        raise KeyError("mine")

    journal = Journal(path)
    pair = Pair(FixedScorer(0.9), threshold=0.5, observers=[broken, journal])
    with pytest.warns(HybridLLMWarning, match=r"An observer failed \(KeyError") as given:
        answers = [pair.call(Request(TEXT), lambda decision: "two")[0] for _ in range(3)]
    assert journal.flush()
    assert (answers, len(given), len(list(read_journal(path)))) == (["two"] * 3, 1, 3)


# --- wrong input ---------------------------------------------------------------------------------------------------


def test_a_journal_of_another_version_is_refused_and_stays_as_it_is(path: Path) -> None:
    Journal(path)
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("PRAGMA user_version=7")
    for use in (Journal, lambda path: list(read_journal(path)), count_lost):
        with pytest.raises(JournalError, match=r"journal of format 7.*name another file"):
            use(path)


@pytest.mark.parametrize("content", [b"SQLite format 3? no", b"{}\n" * 2000])
def test_something_else_is_no_journal(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for use in (Journal, lambda path: list(read_journal(path))):
        with pytest.raises(JournalError, match="is no journal of hybrid-llm"):
            use(path)
    assert path.read_bytes() == content


def test_a_database_of_somebody_else_is_no_journal(path: Path) -> None:
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("CREATE TABLE mine (x)")
    with pytest.raises(JournalError, match="is no journal of hybrid-llm"):
        Journal(path)


def test_no_folder_and_no_journal_are_said(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no folder"):
        Journal(tmp_path / "logs" / "traffic.sqlite")
    with pytest.raises(JournalError, match=r'observers=\[Journal\("traffic.sqlite"\)\]'):
        list(read_journal(tmp_path / "traffic.sqlite"))
    with pytest.raises(JournalError, match="Cannot keep a journal"):
        Journal(tmp_path)


def test_days_that_are_none_are_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="keep_days=0"):
        Journal(path, keep_days=0)


def test_copies_and_pickles_write_into_the_same_file(path: Path) -> None:
    journal = Journal(path, texts=True, keep_days=30)
    assert copy.deepcopy(journal) is journal
    again = pickle.loads(pickle.dumps(journal))
    assert (again.path, again.texts, again.keep_days) == (path, True, 30)


def test_a_row_is_json_that_any_tool_reads(path: Path) -> None:
    kept(Journal(path), event_of(SMALL, local()))
    decision, attempts = sqlite3.connect(path).execute("SELECT decision, attempts FROM requests").fetchone()
    assert json.loads(decision) == SMALL.as_dict()
    assert json.loads(attempts) == [local().as_dict()]


def test_nothing_of_it_is_logged_while_all_is_well(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    kept(Journal(path), event_of(SMALL, local()))
    assert caplog.records == []
