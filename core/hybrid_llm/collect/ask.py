"""Asking every model every prompt, several at once, each answer stored when it comes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hybrid_llm.collect.budget import Budget, Plan
from hybrid_llm.collect.clients import Asks, client_of
from hybrid_llm.collect.models import ModelName
from hybrid_llm.collect.pair_folder import PairFolder
from hybrid_llm.collect.setup import Setup
from hybrid_llm.collect.stored import StoredPrompt
from hybrid_llm.dispatch import is_outage, reason_of

BUDGET: Final = "budget"
"""Why a model is asked no more when there is no money for its next call."""
IN_A_ROW: Final = 5
"""Failures in a row after which a model is asked no more."""
_FINAL: Final = frozenset({401, 403, 404})
"""Statuses after which asking again makes no sense: no key, no right, no such model."""

Tell = Callable[["Progress"], object]


@dataclass
class Progress:
    """How far it is.

    Args:
        total: Calls to make in all.
        spent: Dollars of all calls in the folder so far.
    """

    total: int
    spent: float = 0.0
    done: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it.

    Args:
        answered: Answers that came now, by model.
        errors: {model: {what went wrong: how often}}.
        stopped: {model: why it was asked no more}, :data:`BUDGET` when the money was spent.
        spent: Dollars that this run cost.
    """

    answered: Mapping[str, int]
    errors: Mapping[str, Mapping[str, int]]
    stopped: Mapping[str, str]
    spent: float

    @property
    def gave_up(self) -> bool:
        """Whether a model is asked no more for another reason than the budget."""
        return any(why != BUDGET for why in self.stopped.values())


async def ask_all(
    folder: PairFolder,
    setup: Setup,
    plans: Sequence[Plan],
    budget: Budget,
    parallel: Mapping[ModelName, int],
    tell: Tell = lambda progress: None,
    client: Callable[[ModelName], Asks] = client_of,
) -> Outcome:
    """Ask what there is to ask, and store each answer when it comes.

    Args:
        folder: Where answers are stored.
        setup: Who is asked, and how.
        plans: What is to be asked of each model.
        budget: What may be spent.
        parallel: Requests at a time, for each model.
        tell: Told after each answer how far it is.
        client: Makes what asks a model.

    Raises:
        PairFolderError: The folder cannot be written; what was stored is kept.
    """
    run = _Run(folder, setup, budget, Progress(sum(len(plan.todo) for plan in plans), budget.spent), tell)
    before = budget.spent
    clients = [client(plan.model) for plan in plans if plan.todo]
    try:
        async with asyncio.TaskGroup() as tasks:
            for plan, asks in zip((plan for plan in plans if plan.todo), clients, strict=True):
                todo = iter(plan.todo)
                for _ in range(max(1, parallel.get(plan.model, 1))):
                    tasks.create_task(run.work(plan, asks, todo))
    except* Exception as errors:  # noqa: BLE001 - the first one, as it is: the folder that cannot be written
        raise _first_of(errors) from None
    finally:
        for asks in clients:
            await asks.close()
    return Outcome(run.answered, run.errors, run.stopped, budget.spent - before)


class _Run:
    """What the workers of one run share."""

    def __init__(self, folder: PairFolder, setup: Setup, budget: Budget, progress: Progress, tell: Tell) -> None:
        self._folder, self._setup, self._budget, self._progress, self._tell = folder, setup, budget, progress, tell
        self._place = {prompt.id: place for place, prompt in enumerate(folder.prompts())}
        self._end = len(self._place)  # no model goes beyond the prompts for which there is money
        self._in_a_row: Counter[str] = Counter()
        self._came = asyncio.Condition()
        self.answered: Counter[str] = Counter()
        self.errors: dict[str, Counter[str]] = {}
        self.stopped: dict[str, str] = {}

    async def work(self, plan: Plan, asks: Asks, todo: Iterator[tuple[StoredPrompt, int]]) -> None:
        """Take calls of a model until there are none, or it is asked no more."""
        name = plan.model.name
        for prompt, sample in todo:
            most, place = plan.most_of(prompt), self._place[prompt.id]
            if name in self.stopped:
                return
            if place >= self._end or not await self._allowed(most):
                self._end = min(self._end, place)
                self.stopped.setdefault(name, BUDGET)
                return
            cost = await self._asked(plan, asks, prompt, sample, most)
            async with self._came:
                self._budget.settle(most, cost)
                self._came.notify_all()
            self._progress.done += 1
            self._progress.spent = self._budget.spent
            self._tell(self._progress)

    async def _allowed(self, most: float) -> bool:
        """Set aside what a call costs at most; while others are in flight, wait for what they leave."""
        async with self._came:
            while not self._budget.hold(most):
                if not self._budget.in_flight:
                    return False
                await self._came.wait()
            return True

    async def _asked(self, plan: Plan, asks: Asks, prompt: StoredPrompt, sample: int, most: float) -> float:
        """Ask once and store what came; return what it cost."""
        model, held = plan.model, self._folder.hold(plan.model, most) if most else None
        try:
            reply = await asks.ask(prompt.messages, plan.settings)
        except Exception as error:  # noqa: BLE001 - whatever a server or its client does, it is stored as what it is
            self._failed(model, prompt, sample, error, held)
            return 0.0
        cost = plan.price.of(reply.input_tokens, reply.output_tokens)
        self._folder.store(self._setup, prompt.id, model, sample, reply, cost, held=held)
        self.answered[model.name] += 1
        self._in_a_row[model.name] = 0
        return cost

    def _failed(self, model: ModelName, prompt: StoredPrompt, sample: int, error: Exception, held: int | None) -> None:
        said = what_went_wrong(error, model)
        self._folder.store(self._setup, prompt.id, model, sample, said, held=held)
        self.errors.setdefault(model.name, Counter())[said] += 1
        self._progress.failed += 1
        self._in_a_row[model.name] += 1
        if getattr(error, "status_code", None) in _FINAL or self._in_a_row[model.name] >= IN_A_ROW:
            self.stopped.setdefault(model.name, said)


def _first_of(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def what_went_wrong(error: Exception, model: ModelName) -> str:
    """Say why a model gave no answer; of what it was asked no more than the server quotes when it refuses that."""
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        return f"{model} refuses the key (HTTP status {status}); check OPENAI_API_KEY"
    if is_outage(error):
        return reason_of(error, model.name)
    if isinstance(status, int) and status > 0:
        return f"{model} refused the request (HTTP status {status}: {_first_line(error)})"
    return f"{model}: {type(error).__name__}"


def _first_line(error: Exception) -> str:
    """Return what a server says of a request it refuses, short: it may quote the request."""
    said = str(getattr(error, "error", "") or getattr(error, "message", "") or error)
    return said.splitlines()[0][:100] if said else "no reason given"
