"""Grading pairs of answers by a judge: a language model that costs time and money, and is asked nothing twice."""

from __future__ import annotations

import asyncio
import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from hybrid_llm.collect.ask import BUDGET, IN_A_ROW, what_went_wrong
from hybrid_llm.collect.budget import ROUGHLY, Budget
from hybrid_llm.collect.clients import Asks, client_of
from hybrid_llm.collect.grade.agreement import Agreement, agreement
from hybrid_llm.collect.grade.judging import TRIES, Order, Pair, judge_order, quality_of
from hybrid_llm.collect.grade.rubric import RUBRIC
from hybrid_llm.collect.grade.single import HUMAN, Tell
from hybrid_llm.collect.grade.work import Both, Graded, Work, summary
from hybrid_llm.collect.models import AskSettings, ModelName
from hybrid_llm.collect.setup import Setup
from hybrid_llm.collect.stored import StoredPrompt
from hybrid_llm.dispatch import tokens_in
from hybrid_llm.errors import ConfigError, HybridLLMError, HybridLLMWarning, PairFolderError
from hybrid_llm.prices import Price

SETTINGS: Final = AskSettings(max_tokens=1024)
"""How a judge is asked: the likeliest verdict, with room for one that thinks aloud first."""
USUAL_TOKENS: Final = 20
"""Tokens of a verdict."""
MALFORMED: Final = "malformed verdict, twice"


def warn_of_own_judge(model: ModelName, setup: Setup) -> None:
    """Warn of a judge that is one of the models that it judges; to be called before anything is paid for."""
    for role, arm in (("small", setup.small), ("large", setup.large)):
        if arm.name == model.name:
            warnings.warn(
                f"The judge {model} is the {role} model itself; judges favour their own answers, so take another "
                "model, or compare with grades by people.",
                HybridLLMWarning,
                stacklevel=2,
            )


@dataclass(frozen=True)
class JudgePlan:
    """What a judge will be asked, and what it will cost.

    Attributes:
        calls: How often it is asked.
        input_tokens: An estimate of the tokens that are sent.
        usd: Dollars, if the verdicts are as short as they should be.
        most_usd: Dollars, if each is as long as it may be and malformed once.
    """

    calls: int
    input_tokens: int
    usd: float
    most_usd: float


class NoReplyError(Exception):
    """The judge gave no reply; never seen outside.

    Args:
        cause: What its client raised, or None when the next call could cost more than is left.
    """

    def __init__(self, cause: Exception | None) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True)
class JudgeGrading:
    """All pairs of answers of a folder under a judge.

    Attributes:
        work: The answers.
        model: The judge.
        price: What it costs.
        rubric: What it is asked.
        settings: How it is asked.
        human: The field of the prompts that holds grades by people.
        client: Makes what asks the judge, if not the usual client.
    """

    work: Work
    model: ModelName
    price: Price
    rubric: str = RUBRIC
    settings: AskSettings = SETTINGS
    human: str = HUMAN
    client: Callable[[ModelName], Asks] | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """The name under which the grades are kept: another rubric makes another one."""
        if self.rubric == RUBRIC:
            return f"judge:{self.model}"
        return f"judge:{self.model}#{hashlib.sha256(self.rubric.encode()).hexdigest()[:8]}"

    def estimate(self, *, again: bool = False) -> JudgePlan:
        """Return what is left to ask, and what it will cost."""
        todo = [tokens_in(_pair(both).asked(self.rubric, small_first=first)) for both, first in self._todo(again=again)]
        longest = self.settings.max_tokens
        return JudgePlan(
            len(todo),
            sum(todo),
            self.price.of(sum(todo), USUAL_TOKENS * len(todo)),
            TRIES * self.price.of(ROUGHLY * sum(todo), longest * len(todo)),
        )

    def check_budget(self, budget: Budget) -> None:
        """Check that a budget is enough for the first question, before anything is asked.

        Raises:
            ConfigError: It is not.
        """
        first = next(self._todo(again=False), None)
        most = self.most_of(_pair(first[0]).asked(self.rubric, small_first=True)) if first else 0.0
        if budget.limit is not None and most and budget.spent + most > budget.limit:
            raise ConfigError(
                f"A budget of ${budget.limit:g}, of which ${budget.spent:.4g} are spent, buys nothing: one question "
                f"to {self.model} may cost ${most:.2g}. Give a larger --budget."
            )

    def most_of(self, text: str) -> float:
        """Return what one question costs at most, in dollars."""
        return self.price.of(ROUGHLY * tokens_in(text), self.settings.max_tokens)

    def run(self, budget: Budget, tell: Tell = lambda *_: None, *, parallel: int = 1, again: bool = False) -> Graded:
        """Ask what there is to ask; see :meth:`arun`."""
        return asyncio.run(self.arun(budget, tell, parallel=parallel, again=again))

    async def arun(
        self, budget: Budget, tell: Tell = lambda *_: None, *, parallel: int = 1, again: bool = False
    ) -> Graded:
        """Ask what there is to ask, and store each verdict when it comes.

        A judge that fails leaves its pairs without a grade; the same call tries these again. After some failures in a
        row it is asked no more.

        Args:
            budget: What may be spent, the answers of the folder counted.
            tell: Told how far it is.
            parallel: Questions at a time.
            again: Ask about everything, also what has a verdict.

        Raises:
            PairFolderError: The folder cannot be written.
            ConfigError: The judge needs a key and there is none.
        """
        before, todo = budget.spent, list(self._todo(again=again))
        run = _Run(self, budget, tell, len(todo))
        if todo:
            asks = (self.client or client_of)(self.model)
            left = iter(todo)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(max(1, parallel)):
                        tasks.create_task(run.work(asks, left))
            except* HybridLLMError as errors:  # the first one, as it is: the folder that cannot be written
                raise errors.exceptions[0] from None
            finally:
                await asks.close()
        why = self._store_grades()
        why += Counter({said: 2 * n for said, n in run.errors.items()})
        return summary(
            self.work, self.key, why, self.human,
            spent_usd=budget.spent - before, with_itself=self._with_itself(), stopped=run.stopped,
        )  # fmt: skip

    def order_key(self, *, small_first: bool) -> str:
        """The name under which the verdicts of one order are kept, at small's answer."""
        return f"{self.key}/{'small' if small_first else 'large'} first"

    def _verdicts(self) -> dict[bool, dict[int, Order]]:
        """Return {small first: {small's answer: verdict}}."""
        return {
            first: {
                answer: Order.from_dict(detail)
                for answer, (_, detail) in self.work.folder.grades(self.order_key(small_first=first)).items()
                if detail
            }
            for first in (True, False)
        }

    def _todo(self, *, again: bool) -> Iterator[tuple[Both, bool]]:
        known: dict[bool, dict[int, Order]] = {True: {}, False: {}} if again else self._verdicts()
        for both in self.work.pairs():
            for small_first in _pair(both).orders:
                if both.small.id not in known[small_first]:
                    yield both, small_first

    def _store_grades(self) -> Counter[str]:
        """Store the grades of pairs whose verdicts are all there; return why others have none."""
        why: Counter[str] = Counter()
        verdicts, known = self._verdicts(), self.work.folder.grades(self.key)
        paired = 0
        for both in self.work.pairs():
            paired += 2
            orders = [verdicts[first].get(both.small.id) for first in _pair(both).orders]
            found = [order for order in orders if order is not None]
            if any(order.small is None for order in found):
                why[MALFORMED] += 2
            quality = quality_of(found) if len(found) == len(orders) else None
            if quality is None:
                continue
            for answer, score in zip((both.small, both.large), quality, strict=True):
                if known.get(answer.id, (None, None))[0] != score:
                    self.work.folder.grade(answer.id, self.key, score)
        arms = {self.work.setup.small.name, self.work.setup.large.name}
        alone = sum(answer.model in arms for answer in self.work.answers) - paired
        return why + Counter({"the other model gave no answer": alone})

    def _with_itself(self) -> Agreement:
        verdicts = self._verdicts()
        both_orders = [(verdicts[True][a], verdicts[False][a]) for a in verdicts[True].keys() & verdicts[False].keys()]
        return agreement(
            ((one.small, one.large), (other.small, other.large))
            for one, other in both_orders
            if one.small is not None and one.large is not None and other.small is not None and other.large is not None
        )


class _Run:
    """What the workers of one run share."""

    def __init__(self, grading: JudgeGrading, budget: Budget, tell: Tell, total: int) -> None:
        self._grading, self._budget, self._tell, self._total = grading, budget, tell, total
        self._done = self._in_a_row = 0
        self._came = asyncio.Condition()
        self.errors: Counter[str] = Counter()
        self.stopped: str | None = None

    async def work(self, asks: Asks, left: Iterator[tuple[Both, bool]]) -> None:
        """Take questions until there are none, or the judge is asked no more."""
        grading = self._grading
        for both, small_first in left:
            if self.stopped:
                return
            try:
                order = await judge_order(
                    lambda text: self._ask(asks, text), grading.rubric, _pair(both), small_first=small_first
                )
            except NoReplyError as error:
                self._failed(error.cause)
            else:
                self._in_a_row = 0
                key = grading.order_key(small_first=small_first)
                grading.work.folder.grade(both.small.id, key, order.small, order.as_dict())
            self._done += 1
            self._tell("Judging", self._done, self._total)

    async def _ask(self, asks: Asks, text: str) -> str:
        grading, folder, cost = self._grading, self._grading.work.folder, 0.0
        most = grading.most_of(text)
        if not await self._allowed(most):
            raise NoReplyError(None)
        held = folder.hold(grading.model, most) if most else None  # who is killed here may have to pay
        try:
            reply = await asks.ask([{"role": "user", "content": text}], grading.settings)
            cost = grading.price.of(reply.input_tokens, reply.output_tokens)
            folder.spend("judge", grading.model, cost, reply, held=held)
        except PairFolderError:
            raise
        except Exception as error:
            if held is not None:
                folder.spend("judge", grading.model, 0.0, held=held)
            raise NoReplyError(error) from error
        finally:
            async with self._came:
                self._budget.settle(most, cost)
                self._came.notify_all()
        return reply.text

    async def _allowed(self, most: float) -> bool:
        """Set aside what a call costs at most; while others are in flight, wait for what they leave."""
        async with self._came:
            while not self._budget.hold(most):
                if not self._budget.in_flight:
                    return False
                await self._came.wait()
            return True

    def _failed(self, error: Exception | None) -> None:
        if error is None:
            self.stopped = self.stopped or BUDGET
            return
        said = what_went_wrong(error, self._grading.model)
        self.errors[said] += 1
        self._in_a_row += 1
        if getattr(error, "status_code", None) in (401, 403, 404) or self._in_a_row >= IN_A_ROW:
            self.stopped = self.stopped or said


def _pair(both: Both) -> Pair:
    return Pair(_asked(both.prompt), both.small.reply.text, both.large.reply.text, both.prompt.references)


def _asked(prompt: StoredPrompt) -> str:
    """Return what the models were asked: of a chat all of it."""
    if len(prompt.messages) < 2:
        return prompt.query
    return "\n\n".join(f"{message.get('role')}: {message.get('content')}" for message in prompt.messages)
