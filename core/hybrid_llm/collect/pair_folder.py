"""The pair folder: what was asked, what was answered and what it cost, in a database that survives a crash.

::

    pair.sqlite       prompts, every answer, every grade, every dollar
    table.jsonl.gz    the quality table made of them
    run.json          which models were asked, and how

Each answer is stored when it comes. One process works in a folder at a time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from hybrid_llm.collect.models import ModelName, Reply
from hybrid_llm.collect.setup import VERSION, Setup, check_same
from hybrid_llm.collect.stored import StoredAnswer, StoredPrompt, check_table, prompt_row, storable
from hybrid_llm.errors import PairFolderError
from hybrid_llm.table import Prompt

DATABASE: Final = "pair.sqlite"
RUN: Final = "run.json"
TABLE: Final = "table.jsonl.gz"
IN_FLIGHT: Final = "in flight"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS prompts (
    id TEXT PRIMARY KEY, place INTEGER, query TEXT, messages TEXT, reference TEXT, count INTEGER, fields TEXT);
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY, prompt TEXT, model TEXT, sample INTEGER, setup TEXT, text TEXT, finish TEXT, logprobs BLOB,
    seconds REAL, input_tokens INTEGER, output_tokens INTEGER, cost_usd REAL, digest TEXT, error TEXT,
    UNIQUE (prompt, model, sample, setup));
CREATE TABLE IF NOT EXISTS grades (
    answer INTEGER, grader TEXT, score REAL, detail TEXT, PRIMARY KEY (answer, grader));
CREATE TABLE IF NOT EXISTS spent (what TEXT, model TEXT, cost_usd REAL, input_tokens INTEGER, output_tokens INTEGER);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT);
"""


class PairFolder:
    """A pair folder that is open; use it in a ``with`` statement.

    Args:
        path: The folder; made if it is not there.

    Raises:
        PairFolderError: It cannot be opened, another process works in it, or another version made it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _as_ours(path):
            path.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path / DATABASE, timeout=1.0, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _prepare(self) -> None:
        # Exclusive: a second process is told so at once, and nothing is asked twice.
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")  # what was paid for outlives a power cut too
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise PairFolderError(f"{self.path} was made by another version of hybrid-llm; choose another --out.")
        self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")

    @classmethod
    def existing(cls, path: Path) -> Self:
        """Open a folder that has to be there.

        Raises:
            PairFolderError: It is not there, or as the constructor.
        """
        if not (path / DATABASE).is_file():
            raise PairFolderError(f"{path} is no pair folder; make one with: hybrid-llm collect ... --out {path}")
        return cls(path)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database."""
        self._db.close()

    # who is asked

    def setup(self) -> Setup | None:
        """Return whom the folder asks; ``None`` in a new one.

        Raises:
            PairFolderError: ``run.json`` cannot be read.
        """
        file = self.path / RUN
        if not file.exists():
            return None
        try:
            return Setup.from_dict(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PairFolderError(f"{file} cannot be read ({error}); restore it, or choose another --out.") from error

    def begin(self, setup: Setup, *, force: bool = False) -> None:
        """Say whom the folder asks.

        Args:
            setup: Who is asked, and how.
            force: Whether other settings than before are meant. Answers under the old ones stay and do not count,
                until the old settings are back. Or whether the models are the same ones at other addresses.

        Raises:
            PairFolderError: The folder belongs to another pair, or was asked under other settings.
        """
        known = self.setup()
        if known is not None and self._count("answers"):
            check_same(self.path, known, setup, force=force)
        with _as_ours(self.path):
            part = self.path / f".{RUN}.part"
            part.write_text(json.dumps(setup.as_dict(), indent=1) + "\n", encoding="utf-8")
            part.replace(self.path / RUN)

    # prompts

    def add_prompts(self, prompts: Iterable[Prompt]) -> int:
        """Add prompts; return how many were new. What stands beside one that is there is taken from now on.

        Answers to a prompt that has other references than before lose their grades, which were made with those.

        Raises:
            TableError: No quality table could be made of them: only some have a split, or two splits ask the same.
        """
        rows = [prompt_row(place, prompt) for place, prompt in enumerate(prompts, self._count("prompts"))]
        before = self._count("prompts")
        told = {row[0]: row[4] for row in rows}
        known = self._read("SELECT id, reference FROM prompts")
        corrected = [(key,) for key, reference in known if told.get(key, reference) not in (reference, "[]")]
        with self._writing() as write:
            for key in corrected:
                write("DELETE FROM grades WHERE answer IN (SELECT id FROM answers WHERE prompt = ?)", key)
            for row in rows:
                write(
                    "INSERT INTO prompts VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                    "reference = excluded.reference, count = excluded.count, fields = excluded.fields",
                    row,
                )
            check_table(self.prompts())
        return self._count("prompts") - before

    def prompts(self) -> list[StoredPrompt]:
        """Return all prompts, in the order they came."""
        rows = self._read("SELECT id, query, messages, reference, count, fields FROM prompts ORDER BY place")
        return [
            StoredPrompt(
                key, query, tuple(json.loads(messages)), tuple(json.loads(reference)), count, json.loads(fields)
            )
            for key, query, messages, reference, count, fields in rows
        ]

    # answers

    def answered(self, setup: Setup) -> set[tuple[str, str, int]]:
        """Return (prompt, model, sample) of what was answered under these settings."""
        rows = self._read("SELECT prompt, model, sample FROM answers WHERE setup = ? AND error IS NULL", setup.key)
        return set(rows)

    def store(
        self,
        setup: Setup,
        prompt: str,
        model: ModelName,
        sample: int,
        reply: Reply | str,
        cost_usd: float = 0.0,
        *,
        held: int | None = None,
    ) -> None:
        """Store an answer, or in its place what went wrong; an answer that is there stays.

        Args:
            setup: Under which it was asked.
            prompt: The prompt's id.
            model: Who was asked.
            sample: Which of several answers.
            reply: What came, or what went wrong.
            cost_usd: What it cost.
            held: What :meth:`hold` returned for the call; it is settled in the same moment.
        """
        failed = reply if isinstance(reply, str) else None
        came = Reply("") if isinstance(reply, str) else reply
        logprobs = None if came.logprobs is None else np.asarray(came.logprobs, dtype="<f4").tobytes()
        with self._writing() as write:
            write(
                "INSERT INTO answers (prompt, model, sample, setup, text, finish, logprobs, seconds, input_tokens, "
                "output_tokens, cost_usd, digest, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (prompt, model, sample, setup) DO UPDATE SET text = excluded.text, "
                "finish = excluded.finish, logprobs = excluded.logprobs, seconds = excluded.seconds, "
                "input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, "
                "cost_usd = excluded.cost_usd, digest = excluded.digest, error = excluded.error "
                "WHERE answers.error IS NOT NULL",
                (
                    prompt, model.name, sample, setup.key, storable(came.text), came.finish, logprobs, came.seconds,
                    came.input_tokens, came.output_tokens, cost_usd, came.digest, failed,
                ),
            )  # fmt: skip
            if held is not None:
                write("DELETE FROM spent WHERE rowid = ?", (held,))
            if not failed:
                self._spend(write, "answer", model.name, cost_usd, came)

    def answers(self, setup: Setup, model: ModelName | None = None) -> Iterator[StoredAnswer]:
        """Yield what was answered under these settings, of one model or of all, errors too."""
        query = (
            "SELECT id, prompt, model, sample, text, finish, logprobs, seconds, input_tokens, output_tokens, digest, "
            "cost_usd, error FROM answers WHERE setup = ? AND (? IS NULL OR model = ?) ORDER BY id"
        )
        name = model.name if model else None
        for row in self._read(query, setup.key, name, name):
            number, prompt, named, sample, text, finish, logprobs, seconds, read, written, digest, cost, error = row
            numbers = None if logprobs is None else tuple(np.frombuffer(logprobs, dtype="<f4").tolist())
            reply = Reply(text, finish, numbers, seconds, read, written, digest)
            yield StoredAnswer(number, prompt, named, sample, reply, cost, error)

    def errors(self, setup: Setup) -> dict[str, dict[str, int]]:
        """Return {model: {what went wrong: how often}} of what has no answer under these settings."""
        found: dict[str, dict[str, int]] = {}
        query = "SELECT model, error, COUNT(*) FROM answers WHERE setup = ? AND error IS NOT NULL GROUP BY 1, 2"
        for model, error, count in self._read(query, setup.key):
            found.setdefault(model, {})[error] = count
        return found

    def usual_tokens(self, setup: Setup) -> dict[str, int]:
        """Return {model: mean tokens of its answers so far}."""
        rows = self._read(
            "SELECT model, AVG(output_tokens) FROM answers WHERE setup = ? AND error IS NULL GROUP BY model", setup.key
        )
        return {model: round(mean) for model, mean in rows}

    # grades

    def grade(self, answer: int, grader: str, score: float | None, detail: Mapping[str, Any] | None = None) -> None:
        """Store a grade.

        Args:
            answer: The answer's number.
            grader: A name that changes with whatever a grade depends on.
            score: In [0, 1]; ``None`` says that it could not be graded.
            detail: What else is known of it.
        """
        with self._writing() as write:
            write("INSERT OR REPLACE INTO grades VALUES (?, ?, ?, ?)", (answer, grader, score, json.dumps(detail)))

    def grades(self, grader: str) -> dict[int, tuple[float | None, Mapping[str, Any] | None]]:
        """Return {answer: (score, detail)} of a grader; a score of ``None`` could not be graded."""
        rows = self._read("SELECT answer, score, detail FROM grades WHERE grader = ?", grader)
        return {answer: (score, json.loads(detail)) for answer, score, detail in rows}

    # money, and whatever else is counted

    def hold(self, model: ModelName, most: float) -> int:
        """Count what a call costs at most before it is made; return the number by which :meth:`store` settles it.

        A process that is killed leaves it as it is: the answer may be on the bill, and nobody knows.
        """
        with self._writing() as write:
            self._spend(write, IN_FLIGHT, model.name, most, Reply(""))
        ((row,),) = self._read("SELECT last_insert_rowid()")
        return int(row)

    def spend(
        self, what: str, model: ModelName, cost_usd: float, reply: Reply | None = None, *, held: int | None = None
    ) -> None:
        """Count a call that is no answer of an arm: one of a judge; ``held`` is what :meth:`hold` returned for it."""
        with self._writing() as write:
            if held is not None:
                write("DELETE FROM spent WHERE rowid = ?", (held,))
            self._spend(write, what, model.name, cost_usd, reply or Reply(""))

    def spent(self) -> float:
        """Return the dollars that all calls cost so far, under whatever settings, lost ones at the most they cost."""
        ((total,),) = self._read("SELECT COALESCE(SUM(cost_usd), 0) FROM spent")
        return float(total)

    def lost(self) -> float:
        """Return the dollars of :meth:`spent` for calls that were in flight when a process ended: at most these."""
        ((total,),) = self._read("SELECT COALESCE(SUM(cost_usd), 0) FROM spent WHERE what = ?", IN_FLIGHT)
        return float(total)

    def note(self, name: str, value: Any) -> None:
        """Keep a JSON value under a name: how often a certificate was tried, say."""
        with self._writing() as write:
            write("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, json.dumps(value)))

    def noted(self, name: str) -> Any:
        """Return what was kept under a name; ``None`` where nothing was."""
        rows = self._read("SELECT value FROM notes WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None

    # the database

    def _spend(self, write: Callable[..., object], what: str, model: str, cost_usd: float, reply: Reply) -> None:
        row = (what, model, cost_usd, reply.input_tokens, reply.output_tokens)
        write("INSERT INTO spent VALUES (?, ?, ?, ?, ?)", row)

    def _count(self, table: str) -> int:
        ((count,),) = self._read(f"SELECT COUNT(*) FROM {table}")  # noqa: S608 - a name of ours
        return int(count)

    def _read(self, query: str, *values: Any) -> list[Any]:
        with _as_ours(self.path):
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[Callable[..., object]]:
        """Give what writes; all of it is stored at the end, or nothing."""
        with _as_ours(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db.execute
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise


@contextmanager
def _as_ours(path: Path) -> Iterator[None]:
    """Turn what the disk and the database say into a sentence."""
    try:
        yield
    except sqlite3.OperationalError as error:
        said = str(error)
        if "locked" in said or "busy" in said:
            raise PairFolderError(f"Another process works in {path}; wait until it is done, or stop it.") from error
        if "full" in said:
            raise PairFolderError(
                f"The disk of {path} is full. What was stored is kept; go on when there is room."
            ) from error
        raise PairFolderError(f"{path} cannot be written ({said}).") from error
    except sqlite3.DatabaseError as error:
        raise PairFolderError(
            f"{path / DATABASE} is damaged ({error}); restore it, or choose another --out."
        ) from error
    except OSError as error:
        raise PairFolderError(f"{path} cannot be written: {error.strerror or error}.") from error
