"""The file of a journal: an SQLite database with a row for each request, and how it is read."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from hybrid_llm.decision import Decision
from hybrid_llm.errors import JournalError
from hybrid_llm.event import Attempt, RequestEvent

VERSION: Final = 1
_OURS: Final = 0x68794A6F
"""SQLite's ``application_id`` of a journal."""
_PATIENCE: Final = 5.0
"""Seconds to wait for another process that writes."""
_UNSTORABLE: Final = (TypeError, ValueError, OverflowError)
"""What comes of a row that no database can hold; the others do not wait for it."""
_COLUMNS: Final = (
    "time REAL NOT NULL",
    "method TEXT",
    "query_hash TEXT",
    "turns INTEGER",
    "route TEXT",
    "reason TEXT",
    "score REAL",
    "threshold REAL",
    "certified INTEGER",
    "private INTEGER",
    "router_id TEXT",
    "answered_by TEXT",
    "seconds REAL",
    "input_tokens INTEGER",
    "output_tokens INTEGER",
    "cost_usd REAL",
    "error TEXT",
    "decision TEXT NOT NULL",
    "attempts TEXT NOT NULL",
    "query TEXT",
    "answers TEXT",
)
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS requests (id INTEGER PRIMARY KEY, {", ".join(_COLUMNS)});
CREATE INDEX IF NOT EXISTS requests_by_time ON requests (time);
CREATE TABLE IF NOT EXISTS lost (time REAL NOT NULL, requests INTEGER NOT NULL);
"""
_INSERT: Final = (
    f"INSERT INTO requests ({', '.join(column.split()[0] for column in _COLUMNS)}) "  # noqa: S608 - our own names
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request as a journal holds it.

    Args:
        time: When it ended, in seconds since 1970.
        event: What the observers were told; the texts where the journal keeps them.
    """

    time: float
    event: RequestEvent


def prepare(path: Path) -> None:
    """Make the file of a journal, for its owner alone to read, or check the one that is there.

    Raises:
        JournalError: It cannot be made, is something else, or of another version.
    """
    if not path.parent.is_dir():
        raise JournalError(f"Cannot keep a journal in {path}: there is no folder {path.parent}; make it first.")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise JournalError(f"Cannot keep a journal in {path}: {error.strerror or error}.") from error
    with _opened(path) as db:
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            _check(path, db)
            return
        db.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id={_OURS}; PRAGMA user_version={VERSION}; COMMIT;"
        )
        with suppress(sqlite3.OperationalError):  # another process that has just made it too is at it
            db.execute("PRAGMA journal_mode=WAL")


def write(path: Path, rows: Sequence[Recorded], *, texts: bool, lost: int, oldest: float | None) -> None:
    """Add requests to a journal.

    Args:
        path: The journal.
        rows: The requests.
        texts: Whether to keep their texts.
        lost: How many requests before them could not be written; one that no database can hold is counted, too.
        oldest: Requests from before this time are deleted; ``None`` deletes none.

    Raises:
        sqlite3.Error: The disk is full, another process has locked the file, or it is gone.
    """
    with closing(_connected(path, "rw")) as db:
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA secure_delete=ON")  # what is deleted is gone
        db.execute("BEGIN IMMEDIATE")
        try:
            for row in rows:
                try:
                    db.execute(_INSERT, _values(row, texts))
                except _UNSTORABLE:
                    lost += 1
            if lost:
                db.execute("INSERT INTO lost VALUES (?, ?)", (rows[-1].time, lost))
            if oldest is not None:
                db.execute("DELETE FROM requests WHERE time < ?", (oldest,))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def read_journal(path: str | Path, *, since: float | None = None) -> Iterator[Recorded]:
    """Read the requests of a journal, oldest first, in flat memory; other processes may go on writing.

    Args:
        path: The journal.
        since: Only those that ended at this time or later, in seconds since 1970.

    Raises:
        JournalError: There is none, it is something else, or of another version.

    Example:
        >>> [row.event.decision.route for row in read_journal("traffic.sqlite")]  # doctest: +SKIP
        ['small', 'large', 'small']
    """
    with _reading(path) as db:
        rows = db.execute(
            "SELECT time, method, query_hash, turns, seconds, error, decision, attempts, query, answers "
            "FROM requests WHERE time >= ? ORDER BY time, id",
            (since if since is not None else 0.0,),
        )
        for row in rows:
            yield _recorded(*row)


def count_lost(path: str | Path) -> int:
    """Return how many requests could not be written into a journal, as far as it was told later.

    Raises:
        JournalError: As :func:`read_journal`.
    """
    with _reading(path) as db:
        return int(db.execute("SELECT coalesce(sum(requests), 0) FROM lost").fetchone()[0])


def total(costs: Iterable[float | None]) -> float | None:
    """Return a sum; ``None`` when a part of it is unknown, or there is none.

    Example:
        >>> total([0.5, 0.25]), total([0.5, None]), total([])
        (0.75, None, None)
    """
    known = list(costs)
    return None if not known or None in known else sum(cost for cost in known if cost is not None)


@contextmanager
def _reading(path: str | Path) -> Iterator[sqlite3.Connection]:
    path = Path(path)
    if not path.is_file():
        raise JournalError(f'There is no journal {path}; keep one with observers=[Journal("{path.name}")].')
    with _opened(path, "ro") as db:
        _check(path, db)
        yield db


def _connected(path: Path, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    """Open a file that is there."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=_PATIENCE, isolation_level=None)


@contextmanager
def _opened(path: Path, mode: Literal["ro", "rw"] = "rw") -> Iterator[sqlite3.Connection]:
    try:
        with closing(_connected(path, mode)) as db:
            yield db
    except sqlite3.DatabaseError as error:
        damaged = not isinstance(error, sqlite3.OperationalError)
        what = f"{path} is no journal of hybrid-llm" if damaged else f"The journal {path} cannot be used"
        raise JournalError(f"{what} ({error}).") from error


def _check(path: Path, db: sqlite3.Connection) -> None:
    """Refuse what is no journal, or one of another version."""
    if db.execute("PRAGMA application_id").fetchone() != (_OURS,):
        raise JournalError(f"{path} is no journal of hybrid-llm; name another file.")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise JournalError(
            f"{path} is a journal of format {version}, and this version of hybrid-llm reads format {VERSION}: name "
            "another file, or use the version that wrote this one."
        )


def _values(row: Recorded, texts: bool) -> tuple[Any, ...]:
    event, decision = row.event, row.event.decision
    answered = [attempt for attempt in event.attempts if attempt.error is None]
    kept = event.kept
    answers = [attempt.text for attempt in event.attempts]
    with_texts = texts and not decision.private
    return (
        row.time,
        event.method,
        event.query_hash,
        event.turns,
        decision.route,
        decision.reason,
        decision.score,
        decision.threshold,
        decision.certified,
        decision.private,
        decision.router_id,
        kept.route if kept else None,
        event.seconds,
        total(attempt.input_tokens for attempt in answered),
        total(attempt.output_tokens for attempt in answered),
        total(attempt.cost_usd for attempt in answered),
        event.error,
        json.dumps(decision.as_dict()),
        json.dumps([attempt.as_dict() for attempt in event.attempts]),
        _storable(event.query) if with_texts else None,
        json.dumps(answers) if with_texts else None,
    )


def _storable(text: str | None) -> str | None:
    """Return a text that the database takes: half a character is none."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def _recorded(
    time: float,
    method: str,
    query_hash: str,
    turns: int,
    seconds: float,
    error: str | None,
    decision: str,
    attempts: str,
    query: str | None,
    answers: str | None,
) -> Recorded:
    made = tuple(map(Attempt.from_dict, json.loads(attempts)))
    if answers is not None:
        made = tuple(replace(one, text=text) for one, text in zip(made, json.loads(answers), strict=True))
    event = RequestEvent(
        Decision.from_dict(json.loads(decision)), made, seconds, method, query_hash, error, turns=turns, query=query
    )
    return Recorded(time, event)
