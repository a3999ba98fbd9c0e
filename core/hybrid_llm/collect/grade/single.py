"""Grading answers one by one, each grade stored when it is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hybrid_llm.collect.grade.graders import Grader
from hybrid_llm.collect.grade.work import Graded, Work, summary
from hybrid_llm.collect.stored import StoredAnswer
from hybrid_llm.errors import GradeError

Tell = Callable[[str, int, int], object]
"""Told what is done, how much of it, and of how much."""
HUMAN: Final = "human"
"""The field of the prompts that holds grades by people, unless another is named."""


@dataclass(frozen=True)
class SingleGrading:
    """All answers of a folder under a grader of single answers.

    Attributes:
        work: The answers.
        grader: Who grades them.
        human: The field of the prompts that holds grades by people.
    """

    work: Work
    grader: Grader
    human: str = HUMAN

    def check(self) -> None:
        """Refuse to begin where no prompt has a reference that the grader can use.

        Raises:
            GradeError: So it is.
        """
        if self.grader.reads is None:
            return
        all_references = [r for prompt in self.work.prompts.values() for r in prompt.references]
        if not all_references:
            raise GradeError(
                f"The grader {self.grader.name} compares with a reference, and no prompt in {self.work.folder.path} "
                "has one; add a field reference to the prompts, or use judge:MODEL."
            )
        if not self.grader.usable(all_references):
            raise GradeError(
                f"The grader {self.grader.name} needs a reference with {self.grader.wants}, and no prompt has one "
                f"(the first is {all_references[0][:60]!r}); exact, contains and judge:MODEL read any text."
            )

    def run(self, tell: Tell = lambda what, done, total: None, *, again: bool = False) -> Graded:
        """Grade what has no grade yet.

        Args:
            tell: Told how far it is.
            again: Grade everything, also what has a grade.

        Raises:
            GradeError: The grader raised or returned no score; the message names the prompt. What was graded is kept.
        """
        self.check()
        known = {} if again else self.work.folder.grades(self.grader.key)
        why: Counter[str] = Counter()
        try:
            for done, answer in enumerate(self.work.answers, 1):
                references = self._usable(answer)
                if references is None:
                    why[f"no reference with {self.grader.wants}"] += 1
                elif answer.id not in known:
                    self._grade(answer, references)
                tell("Grading", done, len(self.work.answers))
        finally:
            self.grader.close()
        stored = self.work.folder.grades(self.grader.key)
        given_up = sum(answer.id in stored and stored[answer.id][0] is None for answer in self.work.answers)
        return summary(self.work, self.grader.key, why + Counter({"the grader gave no score": given_up}), self.human)

    def _usable(self, answer: StoredAnswer) -> list[str] | None:
        """Return the references of an answer's prompt, or None where the grader needs one and can use none."""
        given = self.work.prompts[answer.prompt].references
        return list(given) if self.grader.reads is None else self.grader.usable(given) or None

    def _grade(self, answer: StoredAnswer, references: list[str]) -> None:
        prompt = self.work.prompts[answer.prompt]
        try:
            score = self.grader.grade(prompt.query, answer.reply.text, references)
        except GradeError as error:
            raise GradeError(f"{self.work.place_of(prompt)}, answer of {answer.model}: {error}") from error
        self.work.folder.grade(answer.id, self.grader.key, score)
