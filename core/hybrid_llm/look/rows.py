"""The answers of a quality table as arrays: what a look sees of each, and what each was worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import LookError
from hybrid_llm.look.answer import Answer
from hybrid_llm.look.checks import Wanted, rejected
from hybrid_llm.look.signals import AGREEMENT, LOGPROBS, QUERY, Finds, Signals, log_odds
from hybrid_llm.look.spans import without_thoughts

if TYPE_CHECKING:
    from hybrid_llm.table import PairTable, Response

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class LookRows:
    """n answers of small, one row for each: a query that was answered several times has several.

    Args:
        query: Shape (n,), the row of the pair that each answers.
        p: Shape (n,), its query's score.
        known: Shape (n,), false where the query is unfamiliar, so that p says nothing.
        columns: By name arrays of shape (n,), NaN where a signal is missing; without the query's.
        usable: Shape (n,), false where a check rejects the answer.
        seen: Shape (n,), false where nothing is known of the answer: it cannot be looked at.
        small: Shape (n,), its quality.
        large: Shape (n,), mean quality of large on its query.
    """

    query: IntArray
    p: FloatArray
    known: BoolArray
    columns: Mapping[str, FloatArray]
    usable: BoolArray
    seen: BoolArray
    small: FloatArray
    large: FloatArray

    def __len__(self) -> int:
        return len(self.query)

    @property
    def weights(self) -> FloatArray:
        """Shape (n,): one over the number of rows of the same query."""
        return 1.0 / np.bincount(self.query)[self.query]

    def take(self, which: BoolArray | IntArray) -> LookRows:
        """Return some of the rows."""
        return LookRows(
            self.query[which],
            self.p[which],
            self.known[which],
            {name: column[which] for name, column in self.columns.items()},
            self.usable[which],
            self.seen[which],
            self.small[which],
            self.large[which],
        )

    def having(self, names: Sequence[str]) -> BoolArray:
        """Return which rows have these columns, shape (n,)."""
        there = [~np.isnan(self.column(name)) for name in names]
        return np.logical_and.reduce(there) if there else np.ones(len(self), dtype=bool)

    def column(self, name: str) -> FloatArray:
        """Return a column, the query's among them; all NaN for one that no row has."""
        if name == QUERY:
            return np.where(self.known, _log_odds(self.p), np.nan)
        return self.columns.get(name, np.full(len(self), np.nan))

    @classmethod
    def of(
        cls,
        pair: PairTable,
        scores: FloatArray,
        familiar: BoolArray | None = None,
        checkers: Sequence[str] = (),
        final: Finds | None = None,
    ) -> LookRows:
        """Look at all answers of small in the rows of a pair.

        Args:
            pair: m rows.
            scores: Shape (m,), the queries' scores.
            familiar: Shape (m,), false where a query is unlike those of training; ``None`` where nobody knows.
            checkers: Names of the models whose answers are compared.
            final: Finds final answers; by default what stands in ``answers``, else in the text.

        Raises:
            LookError: A checker is not in the table.
        """
        _refuse_unknown(pair, checkers)
        columns: dict[str, list[float]] = {name: [] for name in (LOGPROBS, *(AGREEMENT + name for name in checkers))}
        seen, usable = [], []
        for text, models, q_small in zip(pair.queries, pair.responses, pair.q_small, strict=True):
            others = {name: answers_of(models.get(name, ())) for name in checkers}
            given = models.get(pair.small, ())
            for number in range(len(q_small)):
                answer = answer_of(given[number]) if number < len(given) else None
                seen.append(answer is not None)
                found = Signals.of(answer, others, final=final).columns() if answer is not None else {}
                for name, column in columns.items():
                    column.append(found.get(name, np.nan))
                usable.append(answer is not None and not _rejected(text, answer, given[number]))
        query = np.repeat(np.arange(len(pair)), [len(scores) for scores in pair.q_small])
        return cls(
            query=query,
            p=np.asarray(scores, dtype=np.float64)[query],
            known=np.ones(len(query), dtype=bool) if familiar is None else np.asarray(familiar, dtype=bool)[query],
            columns={name: np.array(column, dtype=np.float64) for name, column in columns.items()},
            usable=np.array(usable, dtype=bool),
            seen=np.array(seen, dtype=bool),
            small=np.concatenate(pair.q_small),
            large=pair.mean_large[query],
        )


def answers_of(responses: Sequence[Response]) -> list[Answer]:
    """Return the answers that a model's responses hold."""
    return [answer for answer in map(answer_of, responses) if answer is not None]


def answer_of(response: Response) -> Answer | None:
    """Return the answer of a response: its final answer, where the table has that, in place of its text."""
    text = response.answer if response.answer is not None else response.text
    if text is None and response.logprobs is None:
        return None
    logprobs = None if response.logprobs is None else np.minimum(response.logprobs, 0.0).tolist()
    return Answer(text or "", logprobs, response.finish or "")


def _rejected(query: str, answer: Answer, response: Response) -> bool:
    """Return whether a check rejects the answer; of one whose text nobody kept only its end can be checked."""
    if response.text is None:
        return answer.finish == "length"
    whole = Answer(without_thoughts(response.text), finish=answer.finish)  # as it is read when it is served
    return rejected(query, whole, Wanted()) is not None


def _refuse_unknown(pair: PairTable, checkers: Sequence[str]) -> None:
    there = {model for models in pair.responses for model in models}
    for name in checkers:
        if name not in there:
            known = ", ".join(sorted(there - {pair.small, pair.large})) or "none"
            raise LookError(
                f"The checker {name!r} answered no row of this table (its fields responses and answers hold: {known})."
            )


def _log_odds(p: FloatArray) -> FloatArray:
    return np.array([log_odds(float(each)) for each in p])
