"""What there is to grade in a pair folder, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hybrid_llm.collect.ask import BUDGET
from hybrid_llm.collect.grade.agreement import Agreement, agreement, human_grades
from hybrid_llm.collect.pair_folder import PairFolder
from hybrid_llm.collect.setup import Setup
from hybrid_llm.collect.stored import StoredAnswer, StoredPrompt
from hybrid_llm.errors import GradeError, PairFolderError


class Both(NamedTuple):
    """The answers of small and of large to one prompt, at the same place among their samples."""

    prompt: StoredPrompt
    small: StoredAnswer
    large: StoredAnswer


@dataclass(frozen=True)
class Work:
    """The answers of a pair folder that can be graded: no errors, and none with nothing in it.

    Attributes:
        folder: The folder.
        setup: Whom it asks.
        prompts: {id: prompt}.
        answers: What can be graded, of all models.
        empty: How many answers hold nothing.
        failed: How many are errors; they are no answers, and nothing is graded in their place.
    """

    folder: PairFolder
    setup: Setup
    prompts: Mapping[str, StoredPrompt]
    answers: tuple[StoredAnswer, ...]
    empty: int
    failed: int

    @classmethod
    def of(cls, folder: PairFolder) -> Work:
        """Read a pair folder.

        Raises:
            PairFolderError: It has no answers.
        """
        setup = folder.setup()
        stored = list(folder.answers(setup)) if setup else []
        came = [answer for answer in stored if answer.error is None]
        if setup is None or not came:
            raise PairFolderError(f"{folder.path} holds no answers to grade; ask first: hybrid-llm collect ...")
        kept = tuple(answer for answer in came if answer.reply.text.strip())
        prompts = {prompt.id: prompt for prompt in folder.prompts()}
        return cls(folder, setup, prompts, kept, len(came) - len(kept), len(stored) - len(came))

    def place_of(self, prompt: StoredPrompt) -> str:
        """Say which prompt it is, for messages."""
        return f"prompt {list(self.prompts).index(prompt.id) + 1} ({prompt.query[:60]!r})"

    def pairs(self) -> Iterator[Both]:
        """Yield the pairs of answers of both arms, prompt by prompt."""
        by_arm: dict[str, dict[tuple[str, int], StoredAnswer]] = {
            arm.name: {(a.prompt, a.sample): a for a in self.answers if a.model == arm.name}
            for arm in (self.setup.small, self.setup.large)
        }
        large = by_arm[self.setup.large.name]
        for key, answer in by_arm[self.setup.small.name].items():
            if key in large:
                yield Both(self.prompts[answer.prompt], answer, large[key])


@dataclass(frozen=True)
class Graded:
    """What came of grading.

    Attributes:
        key: Under which name the pair folder keeps these grades.
        graded: Answers that have a grade, of all models.
        not_graded: {reason: answers without one}.
        pairs: Pairs of answers whose both grades are there.
        small_quality: Mean grade of small in these pairs; None without any.
        large_quality: The same of large.
        spent_usd: What this run of the judge cost.
        with_itself: The judge in one order and in the other; None for graders that are no judge.
        with_people: These grades and those of people; None where there are none of people.
        stopped: Why not everything was graded that could be; None when nothing is left to do.
    """

    key: str
    graded: int
    not_graded: Mapping[str, int]
    pairs: int
    small_quality: float | None
    large_quality: float | None
    spent_usd: float = 0.0
    with_itself: Agreement | None = None
    with_people: Agreement | None = None
    stopped: str | None = None

    @property
    def gave_up(self) -> bool:
        """Whether the judge is asked no more for another reason than the budget."""
        return self.stopped not in (None, BUDGET)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "grader": self.key,
            "graded": self.graded,
            "not_graded": dict(self.not_graded),
            "pairs": self.pairs,
            "small_quality": self.small_quality,
            "large_quality": self.large_quality,
            "spent_usd": self.spent_usd,
            "self_agreement": self.with_itself.as_dict() if self.with_itself else None,
            "human_agreement": self.with_people.as_dict() if self.with_people else None,
            "stopped": self.stopped,
        }


def summary(
    work: Work,
    key: str,
    not_graded: Counter[str],
    human: str,
    *,
    spent_usd: float = 0.0,
    with_itself: Agreement | None = None,
    stopped: str | None = None,
) -> Graded:
    """Sum up the grades that a folder holds under a name.

    Args:
        work: The answers.
        key: The name of the grades.
        not_graded: Why answers were left out, beside errors and empty answers.
        human: The field of the prompts that holds grades by people.
        spent_usd: What this run of the judge cost.
        with_itself: How the judge agrees with itself.
        stopped: Why not everything was graded.

    Raises:
        GradeError: The grades by people cannot be read.
    """
    scores = {answer: score for answer, (score, _) in work.folder.grades(key).items() if score is not None}
    kept = [both for both in work.pairs() if both.small.id in scores and both.large.id in scores]
    grades = [(scores[both.small.id], scores[both.large.id]) for both in kept]
    people = [_human(work, both.prompt, human) for both in kept]
    compared = [(ours, theirs) for ours, theirs in zip(grades, people, strict=True) if theirs]
    why = Counter({"the model gave an error": work.failed, "nothing in the answer": work.empty}) + not_graded
    n = len(grades)
    return Graded(
        key,
        graded=sum(answer.id in scores for answer in work.answers),
        not_graded=dict(why),
        pairs=n,
        small_quality=sum(small for small, _ in grades) / n if n else None,
        large_quality=sum(large for _, large in grades) / n if n else None,
        spent_usd=spent_usd,
        with_itself=with_itself,
        with_people=agreement(compared) if compared else None,
        stopped=stopped,
    )


def _human(work: Work, prompt: StoredPrompt, field: str) -> tuple[float, float] | None:
    try:
        return human_grades(prompt.fields or {}, field, work.setup.small.name, work.setup.large.name)
    except GradeError as error:
        raise GradeError(f"{work.place_of(prompt)}: {error}") from error
