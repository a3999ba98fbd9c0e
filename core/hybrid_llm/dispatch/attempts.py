"""The calls of arms that are made for one request, noted as they are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch.answers import Answers
from hybrid_llm.dispatch.rates import Rates
from hybrid_llm.dispatch.request import Capabilities
from hybrid_llm.dispatch.steps import ATTEMPTS, STEPS, attempts_of, steps_of
from hybrid_llm.event import Attempt, Usage


class Attempts:
    """Notes each call of an arm: :meth:`begin` before it, :meth:`hear` of what it says, :meth:`end` after it.

    An adapter may hand one to a pair's verbs: to read :attr:`made` afterwards, and to :meth:`tell` what was used by a
    call whose answer does not say it itself.

    Attributes:
        decision: That of the last call; ``None`` before the first.
        behind: Where calls are noted that are made behind the answer: what is told after its end is told of these.

    Example:
        >>> attempts = Attempts()
        >>> attempts.begin(Decision("small"), Capabilities(model="qwen3:4b"))
        >>> attempts.end(ConnectionRefusedError())
        >>> attempts.begin(Decision("large", reason="fallback"), Capabilities(model="gpt-4o"))
        >>> attempts.tell(Usage(input_tokens=12, output_tokens=1))
        >>> attempts.end()
        >>> [(attempt.model, attempt.kept, attempt.error) for attempt in attempts.made]
        [('qwen3:4b', False, 'ConnectionRefusedError'), ('gpt-4o', True, None)]
    """

    def __init__(self) -> None:
        self.decision: Decision | None = None
        self.behind: Attempts | None = None
        self._started = time.perf_counter()
        self._rates = Rates()
        self._keeps_texts = self._nests = False
        self._made: list[Attempt] = []
        self._open: OpenCall | None = None
        self._last: OpenCall | None = None  # the one that was begun last, ended or not

    def start(self, before: float, rates: Rates, *, keeps_texts: bool = False, nests: bool = False) -> None:
        """Begin with a request.

        Args:
            before: Seconds that it took until now: its decision.
            rates: What the arms cost.
            keeps_texts: Whether to keep what the arms answer.
            nests: Whether an arm of the pair is a pair itself, so that there are steps to tell of.
        """
        self._started = time.perf_counter() - before
        self._rates, self._keeps_texts, self._nests = rates, keeps_texts, nests

    @property
    def made(self) -> tuple[Attempt, ...]:
        """The calls that have ended, in order."""
        return tuple(self._made)

    @property
    def seconds(self) -> float:
        """Seconds since the request came."""
        return time.perf_counter() - self._started

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return :attr:`made` as plain JSON values, for the metadata of an answer."""
        return [attempt.as_dict() for attempt in self._made]

    def noted(self) -> dict[str, Any]:
        """Return what is noted on an answer beside its decision: the calls, and the steps where there may be several.

        The steps are those of the call that was begun last, by the decision that came true.
        """
        noted: dict[str, Any] = {ATTEMPTS: self.as_dicts()}
        call = self._last
        if call is not None and self.decision is not None and (self._nests or call.found):
            noted[STEPS] = steps_of(self.decision, call.model, call.found)
        return noted

    def begin(self, decision: Decision, arm: Capabilities) -> None:
        """Note that the arm of a decision is called now."""
        self.decision = decision
        self._rates.look_up(arm)
        self._open = self._last = OpenCall(decision, arm)

    def hear(self, value: object, answers: Answers) -> None:
        """Note what a chunk, or a whole answer, says of the call that is under way."""
        if self._open is not None:
            self._open.read = answers.used(value, self._open.read)
            if self._open.arm.is_pair and (found := answers.noted(value)):
                self._open.first, self._open.last = self._open.first or found, found
            if self._keeps_texts:
                self._open.texts.append(answers.says(value))

    def tell(self, usage: Usage) -> None:
        """Note what the call that is under way used, which its answer does not say; several times: the sum counts."""
        if self._open is not None:
            self._open.told.append(usage)
        elif self.behind is not None:
            self.behind.tell(usage)

    @property
    def telling(self) -> Callable[[Usage], object]:
        """What :meth:`tell` does, for the call that is under way now alone: one that was given up on may end later."""
        if self._open is not None:
            return self._open.told.append
        return self.behind.telling if self.behind is not None else self.tell

    def end(self, error: BaseException | None = None, *, kept: bool = True) -> None:
        """Note how the call that is under way ended.

        Args:
            error: What it raised, if anything.
            kept: Whether its answer is the one that is shown.
        """
        if self._open is not None:
            call, self._open = self._open, None
            attempt = self._attempt(call, error, kept=kept and error is None)
            self._made += attempts_of(call.found, attempt) if call.found else [attempt]

    def show(self, place: int, *, kept: bool) -> None:
        """Note whether the answer of an earlier call is the one that is shown, which a look decides after its end.

        Args:
            place: The call's place in :attr:`made`.
            kept: Whether it is.
        """
        self._made[place] = replace(self._made[place], kept=kept)

    def beside(self, decision: Decision, arm: Capabilities) -> OpenCall:
        """Return a call that is made beside those of the arms, such as a checker's; :meth:`add` it at its end."""
        self._rates.look_up(arm)
        return OpenCall(decision, arm)

    def add(self, call: OpenCall, error: BaseException | None = None) -> None:
        """Note how a call beside those of the arms ended; its answer is never the one that is shown."""
        self._made.append(self._attempt(call, error, kept=False))

    def _attempt(self, call: OpenCall, error: BaseException | None, *, kept: bool) -> Attempt:
        usage, model = call.usage, call.model
        said = usage or Usage()
        return Attempt(
            call.decision.route,
            model,
            call.seconds,
            kept=kept,
            error=type(error).__name__ if error is not None else None,
            input_tokens=said.input_tokens,
            output_tokens=said.output_tokens,
            cached_tokens=said.cached_tokens,
            cost_usd=None if error is not None and usage is None else self._rates.cost(call.arm, usage),
            provider=call.arm.provider,
            response_model=said.model if said.model != model else "",
            text="".join(call.texts) if self._keeps_texts else None,
        )


class OpenCall:
    """A call that is under way."""

    def __init__(self, decision: Decision, arm: Capabilities) -> None:
        self.decision, self.arm, self.since = decision, arm, time.perf_counter()
        self.until: float | None = None
        self.read: Usage | None = None
        self.told: list[Usage] = []
        self.texts: list[str] = []
        self.first: Mapping[str, Any] = {}  # what a pair behind the arm noted on the first chunk, and on the last
        self.last: Mapping[str, Any] = {}

    @property
    def model(self) -> str:
        """The name of the arm."""
        return self.arm.model or self.decision.route

    @property
    def found(self) -> dict[str, Any]:
        """What a pair behind the arm noted on its answer; empty where no pair did."""
        return {**self.first, **self.last}

    @property
    def seconds(self) -> float:
        """Seconds that it took, so far where it has not ended."""
        return (self.until or time.perf_counter()) - self.since

    @property
    def usage(self) -> Usage | None:
        """What it used: what was told of all its models, else what its answer says."""
        told = Usage()
        for one in self.told:
            told = told.plus(one)
        return told if self.told else self.read
