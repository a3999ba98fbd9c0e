"""The second look: given an answer of small, show it or ask large.

What can be seen differs from answer to answer: a server without log-probabilities, a checker that is down, a query
whose score says nothing. For each set of signals there is a path of its own, with a head, rungs and levels measured on
the same rows. An answer takes the path of the most that is there; without any it is not kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_llm.decision import Look
from hybrid_llm.errors import DamagedFolderError, LevelError, LookError
from hybrid_llm.level import ALWAYS_LARGE, Level
from hybrid_llm.look.answer import Answer
from hybrid_llm.look.bound import CHECKS, COMMANDS, FORMS, OWN_FINAL, Bound, Form
from hybrid_llm.look.path import Path, PathCut
from hybrid_llm.look.rows import FloatArray, IntArray, LookRows
from hybrid_llm.look.signals import AGREEMENT, LOGPROBS, QUERY, Finds, Signals

if TYPE_CHECKING:
    from hybrid_llm.certify import Menu
    from hybrid_llm.scoring import Scorer

Checkers = Answer | Sequence[Answer] | Mapping[str, Answer | Sequence[Answer] | None] | None
"""What checkers answered: one answer of the only checker, or by name one answer, several samples, or none."""


@dataclass(frozen=True, slots=True)
class LookPlan:
    """What a level came to, before small is asked.

    Args:
        gate: The query is looked at if and only if its score is at least this; 2 for always large.
        certified: Whether an answer that is kept is promised, if all that the look was proved with can be seen.
        cuts: For each path, by its columns, the threshold on s and the gate of this level.
        both_run: Share of the queries on which both models ran, where this was measured.
        cost_advantage: Share of the queries whose small answer was kept there.
        void_reason: Why what was proved promises nothing any more; empty where nothing was, or it does.
    """

    gate: float
    certified: bool
    cuts: Mapping[tuple[str, ...], tuple[float, float]]
    both_run: float
    cost_advantage: float
    void_reason: str = ""


@dataclass(frozen=True, eq=False)
class SecondLook:
    """Judges answers of small.

    Args:
        form: ``"trained"``, or untrained by ``"logprobs"`` or ``"agreement"``.
        bound: What it is bound to.
        paths: By the names of their columns.
        certificate: Rungs with a proof; of the path that sees everything.
        scorer: Scores queries, for :meth:`score`.
        final: Finds final answers, in place of :meth:`~hybrid_llm.look.FinalAnswer.of`.

    Raises:
        LookError: There is no path.
    """

    form: Form
    bound: Bound
    paths: Mapping[tuple[str, ...], Path]
    certificate: Menu | None = None
    scorer: Scorer | None = None
    final: Finds | None = None

    def __post_init__(self) -> None:
        """Refuse to see nothing."""
        if not self.paths:
            raise LookError("A second look needs at least one path.")

    @property
    def columns(self) -> tuple[str, ...]:
        """All that it may see: the columns of its fullest path."""
        return max(self.paths, key=len)

    @property
    def reads_logprobs(self) -> bool:
        """Whether it wants the log-probabilities of small's answer."""
        return any(LOGPROBS in columns for columns in self.paths)

    @property
    def checkers(self) -> tuple[str, ...]:
        """Names of the models that it wants to compare with."""
        return self.bound.checkers

    @property
    def id(self) -> str:
        """Hash of all that its scores depend on, and of its rungs."""
        said = {
            "form": self.form,
            "bound": self.bound.as_dict(),
            "paths": [{**path.as_dict(), "calibration": None} for path in self.paths.values()],
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    def with_parts(self, **changes: Any) -> SecondLook:
        """Return a copy with some fields changed; a certificate goes when what it was proved for changes."""
        changed = replace(self, **changes)
        same = changes.keys().isdisjoint(("form", "bound", "paths")) or changed.id == self.id
        return changed if same else replace(changed, certificate=changes.get("certificate"))

    # score

    def score(self, query: str, answer: Answer, *, checker: Checkers = None) -> float:
        """Return s(x, a): the probability that this answer is good enough.

        Args:
            query: The text.
            answer: What small gave.
            checker: What the checkers gave.

        Raises:
            LookError: Nothing that this look reads can be seen.
        """
        self._refuse_other_final()
        p = float(self.scorer.score([query])[0]) if self.scorer is not None else None
        signals = self.signals(answer, checker=checker, p=p)
        seen = signals.columns()
        path = self._path_of(seen, measured=False)
        if path is None:
            raise LookError(f"Nothing to look at: this look reads {' and '.join(self._wanted())}.")
        return path.head.score(seen)

    def signals(self, answer: Answer, *, checker: Checkers = None, p: float | None = None) -> Signals:
        """Return what is seen of an answer.

        Args:
            answer: What small gave.
            checker: What the checkers gave.
            p: The query's score; ``None`` where it says nothing.

        Raises:
            LookError: An answer of a checker without its name, where there are several.
        """
        return Signals.of(answer, self._by_name(checker), p, self.final)

    # decide

    def plan(self, level: Level, *, require_certified: bool = False) -> LookPlan:
        """Return what a level comes to.

        Args:
            level: A quality or a cost advantage.
            require_certified: Whether only a proved rung will do.

        Raises:
            LevelError: There is no such level here: a threshold, a quality of an untrained look, or nothing measured.
            LookError: Final answers were found by a function of one's own, which is not here.
        """
        self._refuse_other_final()
        if level.kind == "threshold":
            raise LevelError("threshold= is about the query alone; a second look takes quality= or cost_advantage=.")
        proves = level.kind == "quality" and self.certificate is not None and self.bound.checks == CHECKS
        proved = self.certificate.for_quality(level.value) if proves and self.certificate else None
        full = self.paths[self.columns]
        void = self._why_void if level.kind == "quality" and proved is None else ""
        if require_certified and proved is None:
            return LookPlan(ALWAYS_LARGE, False, {}, 0.0, 0.0, void)
        if proved is not None:
            rung = full.ladder.rung(proved.threshold)
            cut = full.calibration.cuts[rung] if full.calibration and rung is not None else None
        else:
            self._refuse_unmeasured(level)
            assert full.calibration is not None
            cut = full.calibration.cut(level)
            rung = full.ladder.rung(cut.height)
        cuts = {columns: found for columns, path in self.paths.items() if (found := _cut_of(path, level))}
        if rung is not None:
            cuts[self.columns] = full.ladder.thresholds[rung], full.ladder.gates[rung]
        gate = full.ladder.gates[rung] if rung is not None else ALWAYS_LARGE
        both, kept = (cut.both_run, cut.cost_advantage) if cut else (0.0, 0.0)
        return LookPlan(gate, proved is not None, cuts, both, kept, void)

    @property
    def _why_void(self) -> str:
        """Why the certificate promises nothing; empty where there is none, or it stands."""
        if self.certificate is None:
            return ""
        other = "" if self.bound.checks == CHECKS else "The checks of answers are those of another version."
        return self.certificate.provenance.void_reason or other

    def judge(
        self,
        plan: LookPlan,
        answer: Answer,
        *,
        checker: Checkers = None,
        p: float | None = None,
        rejected: str | None = None,
    ) -> Look:
        """Look at an answer, at a level.

        Args:
            plan: What the level came to.
            answer: What small gave.
            checker: What the checkers gave.
            p: The query's score; ``None`` for an unfamiliar query, which skips the gate.
            rejected: The check that the answer did not pass.

        Returns:
            Kept or not; its threshold is ``None`` where nothing was measured for what can be seen.
        """
        signals = self.signals(answer, checker=checker, p=p)
        seen = signals.columns()
        path = self._path_of(seen, measured=True)
        if path is None:
            return Look(None, None, signals.told(), rejected)
        cut = plan.cuts.get(path.head.columns)
        threshold = None if cut is None else cut[0] if p is None or p >= cut[1] else ALWAYS_LARGE
        return Look(path.head.score(seen), threshold, signals.told(), rejected)

    def sees_all(self, look: Look) -> bool:
        """Return whether a look saw all that it was proved with, so that a certificate speaks of it."""
        seen = {LOGPROBS if name == "mean_logprob" else name for name, _ in look.signals}
        return set(self.columns) <= seen

    # many

    def heights(self, rows: LookRows, columns: Sequence[str] | None = None) -> FloatArray:
        """Return the height of n answers on the ladder of a path, shape (n,): 0 where no rung keeps one.

        Args:
            rows: The answers.
            columns: Of the path; by default the fullest one.
        """
        path = self.paths[tuple(columns) if columns is not None else self.columns]
        there = rows.having(path.head.columns) & rows.usable
        s = path.head.scores({name: np.nan_to_num(rows.column(name)) for name in path.head.columns})
        found = path.ladder.height_of(rows.p if QUERY in path.head.columns else None, np.asarray(s))
        return np.where(there, found, 0.0)

    def taken(self, rows: LookRows) -> IntArray:
        """Return for n answers which path each takes, by its place in ``paths``; -1 for none, shape (n,)."""
        taken = np.full(len(rows), -1, dtype=np.intp)
        for number, (columns, path) in reversed(list(enumerate(self._in_order()))):
            if path.calibration is not None:
                taken[rows.having(columns)] = number
        return taken

    def along(self, rows: LookRows) -> tuple[FloatArray, FloatArray]:
        """Return for n answers from which height on each is looked at and kept, as it is served; both of shape (n,).

        At a height h small is asked where the first number is >= h, and its answer is kept where the second one is. 0
        is never. Paths of fewer signals have rungs of their own, which stand for the same shares.

        Args:
            rows: The answers.
        """
        looked, kept = np.zeros(len(rows)), np.zeros(len(rows))
        taken = self.taken(rows)
        for number, (columns, path) in enumerate(self._in_order()):
            mine = np.flatnonzero(taken == number)
            if mine.size:
                s = path.head.scores({name: rows.column(name)[mine] for name in columns})
                first = path.ladder.passes(rows.p[mine] if QUERY in columns else None, np.asarray(s))
                heights = np.append(path.ladder.heights, 0.0)
                looked[mine], kept[mine] = heights[first[0]], heights[first[1]]
        return looked, np.where(rows.usable, kept, 0.0)

    def served(self, rows: LookRows, plan: LookPlan) -> tuple[Any, Any]:
        """Return for n answers whether each is looked at and whether it is kept at a level, both of shape (n,).

        This is the path as it is served: unfamiliar queries skip the gate, and each answer takes the path of what can
        be seen of it.

        Args:
            rows: The answers.
            plan: What the level came to.
        """
        looked = ~rows.known | (rows.p >= plan.gate) if plan.cuts else np.zeros(len(rows), dtype=bool)
        kept = np.zeros(len(rows), dtype=bool)
        taken = self.taken(rows)
        for number, (columns, path) in enumerate(self._in_order()):
            mine = np.flatnonzero(taken == number)
            cut = plan.cuts.get(columns)
            if cut is None or not mine.size:
                continue
            s = path.head.scores({name: rows.column(name)[mine] for name in columns})
            passed = ~rows.known[mine] | (rows.p[mine] >= cut[1])
            kept[mine] = (s >= cut[0]) & passed
        return looked, looked & kept & rows.usable

    def _in_order(self) -> list[tuple[tuple[str, ...], Path]]:
        """Return the paths, the one that sees most first."""
        return sorted(self.paths.items(), key=lambda item: -len(item[0]))

    def _path_of(self, seen: Mapping[str, float], *, measured: bool) -> Path | None:
        return next(
            (
                path
                for columns, path in self._in_order()
                if seen.keys() >= set(columns) and not (measured and path.calibration is None)
            ),
            None,
        )

    def _by_name(self, checker: Checkers) -> dict[str, list[Answer]]:
        if checker is None:
            return {}
        if not isinstance(checker, Mapping):
            if len(self.checkers) != 1:
                raise LookError(
                    f"This look compares with {', '.join(self.checkers) or 'nobody'}: pass checker={{name: answer}}."
                )
            checker = {self.checkers[0]: checker}
        return {
            name: [given] if isinstance(given, Answer) else list(given)
            for name, given in checker.items()
            if given is not None and name in self.checkers
        }

    def _wanted(self) -> list[str]:
        names = sorted({name for columns in self.paths for name in columns} - {QUERY})
        return [name.replace(AGREEMENT, "the answer of ") for name in names]

    def _refuse_other_final(self) -> None:
        name = self.bound.settings.get(OWN_FINAL)
        if name is not None and self.final is None:
            raise LookError(
                f"This look was trained on final answers that your own function {name} found, and functions are not "
                "kept; give it again: look.with_parts(final=...)."
            )

    def _refuse_unmeasured(self, level: Level) -> None:
        measured = self.paths[self.columns].calibration
        if measured is not None and (measured.graded or level.kind == "cost_advantage"):
            return
        if measured is not None:
            raise LevelError(
                f"The untrained look {self.form!r} knows no {level}: nobody graded its answers. Ask for "
                "cost_advantage=, or train a second look: hybrid-llm train TABLE --second-look"
            )
        raise LevelError(
            f"The second look has no levels yet; measure them: {COMMANDS[self.form]}".format(
                small=self.bound.small, large=self.bound.large
            )
        )

    # keep

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the certificate."""
        return {
            "form": self.form,
            "bound": self.bound.as_dict(),
            "paths": [path.as_dict() for path in self.paths.values()],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SecondLook:
        """Read what :meth:`as_dict` wrote.

        Raises:
            DamagedFolderError: A field is missing or not as it should be.
        """
        try:
            bound = Bound.from_dict(data["bound"])
            if data["form"] not in FORMS:
                raise DamagedFolderError("The second look is damaged; train it again.")
            paths = [Path.from_dict(path) for path in data["paths"]]
            return cls(data["form"], bound, {path.head.columns: path for path in paths})
        except (KeyError, TypeError, AttributeError, LookError) as error:
            raise DamagedFolderError(f"The second look is damaged ({error}); train it again.") from error


def _cut_of(path: Path, level: Level) -> tuple[float, float] | None:
    """Return (threshold, gate) of a level on a path; ``None`` where the path has no such level."""
    measured = path.calibration
    if measured is None or (level.kind == "quality" and not measured.graded):
        return None
    cut: PathCut = measured.cut(level)
    rung = path.ladder.rung(cut.height)
    return None if rung is None else (path.ladder.thresholds[rung], path.ladder.gates[rung])
