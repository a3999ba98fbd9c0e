"""The journal: what became of each request, kept on disk for ``savings`` and ``audit``.

A request only leaves its event in a list in memory; a thread writes the list to disk a moment later. So a slow disk
costs no request anything, and neither does one that is full or a file that is locked: the rows wait, the user is warned
once, and what waits too long is counted as lost.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hybrid_llm.errors import ConfigError, HybridLLMWarning
from hybrid_llm.event import Observer, RequestEvent
from hybrid_llm.observe.background import MOST, Background
from hybrid_llm.observe.store import Recorded, prepare, write
from hybrid_llm.router import warn_user

logger = logging.getLogger("hybrid_llm")

_DAY: Final = 86_400.0


class Journal(Observer):
    """Keeps one row a request in an SQLite file: decision, calls, tokens, seconds, dollars.

    Several processes may write into one file. The file is for its owner alone to read; ``hybrid-llm savings`` and
    ``hybrid-llm audit`` read it, and so does :func:`~hybrid_llm.observe.read_journal`.

    Args:
        path: The file; made when it is not there, in a folder that is.
        texts: Whether to keep queries and answers, which an audit needs. Those of private requests are never kept.
        keep_days: Rows older than this many days are deleted, and their place on disk overwritten; ``None`` keeps all.

    Raises:
        JournalError: The file cannot be made, is something else, or a journal of another version.
        ConfigError: ``keep_days`` is not positive.

    Example:
        >>> from hybrid_llm import Pair
        >>> from hybrid_llm.dispatch import Request
        >>> from hybrid_llm.observe import read_journal
        >>> from hybrid_llm.testing import FixedScorer
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> journal = Journal(Path(folder.name) / "traffic.sqlite")
        >>> pair = Pair(FixedScorer(0.9), threshold=0.5, observers=[journal])
        >>> _ = pair.call(Request("2+2?"), lambda decision: "4")
        >>> journal.flush()
        True
        >>> [row.event.decision.route for row in read_journal(journal.path)]
        ['small']
        >>> folder.cleanup()
    """

    def __init__(self, path: str | Path, *, texts: bool = False, keep_days: float | None = None) -> None:
        if keep_days is not None and not keep_days > 0:
            raise ConfigError(f"keep_days={keep_days} must be a number of days > 0, or None to keep every row.")
        self.path, self.texts, self.keep_days = Path(path).absolute(), texts, keep_days  # wherever the program goes
        prepare(self.path)
        self._background = Background(self._write, "hybrid-llm-journal")
        self._warned = False
        self._cleaned = 0.0

    def finished(self, event: RequestEvent) -> None:
        """Note a request; it is written a moment later."""
        self._background.put(Recorded(time.time() - event.late, event))

    def flush(self) -> bool:
        """Write now what waits; return whether nothing waits any more."""
        return self._background.flush()

    def _write(self, rows: list[Recorded], lost: int) -> bool:
        try:
            write(self.path, rows, texts=self.texts, lost=lost, oldest=self._oldest())
        except (sqlite3.Error, OSError) as error:
            self._complain(error)
            return False
        if self._warned:
            logger.warning("The journal %s is written again; %d requests are missing in it.", self.path, lost)
        self._warned = False
        return True

    def _oldest(self) -> float | None:
        """Return the time before which rows are to go, at most once an hour."""
        now = time.time()
        if self.keep_days is None or now < self._cleaned + _DAY / 24:
            return None
        self._cleaned = now
        return now - self.keep_days * _DAY

    def _complain(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            message = (
                f"The journal {self.path} cannot be written ({error}); requests go on. Up to {MOST:,} of them are kept "
                "in memory until it can, the rest will be missing in it."
            )
            logger.warning(message)
            with suppress(HybridLLMWarning):  # where warnings are errors, the log has it
                warn_user(message)

    def __deepcopy__(self, memo: object) -> Journal:
        """Return the journal itself: copies of a model write into one file."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the settings: the file is opened again where the pickle is."""
        return _opened_again, (self.path, self.texts, self.keep_days)

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r}, texts={self.texts}, keep_days={self.keep_days})"


def _opened_again(path: Path, texts: bool, keep_days: float | None) -> Journal:
    return Journal(path, texts=texts, keep_days=keep_days)
