"""A batch: all inputs decided in one scoring pass, then answered in parallel, each with its own config."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import get_executor_for_config
from langchain_core.runnables.utils import gather_with_concurrency

from hybrid_llm.decision import Decision
from langchain_hybrid._runs import decision_of, raise_first

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Policy, Request

T = TypeVar("T")
Outcome = Decision | Exception
"""The decision for one input, or the error of one that makes no sense."""


class Batch:
    """The inputs of one batch and what was asked for each.

    Args:
        policy: Decides.
        inputs: n inputs.
        configs: Their n configs.
        read: Makes the core's request of an input and its config.
        return_exceptions: Whether an error takes the place of an answer in the list, or stops the batch: one of a
            request before any arm is called.
    """

    def __init__(
        self,
        policy: Policy,
        inputs: Sequence[Any],
        configs: Sequence[RunnableConfig],
        read: Callable[[Any, RunnableConfig], Request],
        *,
        return_exceptions: bool,
    ) -> None:
        self._policy, self._inputs, self._configs = policy, inputs, configs
        self._return_exceptions = return_exceptions
        self._requests = [self._checked(read, *one) for one in zip(inputs, configs, strict=True)]
        raise_first([one for one in self._requests if isinstance(one, Exception)], unless=return_exceptions)

    def run(self, answer: Callable[[Any, RunnableConfig, Decision], T]) -> list[T]:
        """Return the answers, in the order of the inputs."""
        if not self._inputs:
            return []
        outcomes = self._outcomes(self._policy.decide_many(self._valid))

        def one(value: Any, config: RunnableConfig, outcome: Outcome) -> T | Exception:
            try:
                return answer(value, config, decision_of(outcome))
            except Exception as error:
                if self._return_exceptions:
                    return error
                raise

        with get_executor_for_config(self._configs[0]) as executor:
            return cast("list[T]", list(executor.map(one, self._inputs, self._configs, outcomes)))

    async def arun(self, answer: Callable[[Any, RunnableConfig, Decision], Awaitable[T]]) -> list[T]:
        """Do what :meth:`run` does."""
        if not self._inputs:
            return []
        outcomes = self._outcomes(await self._policy.adecide_many(self._valid))

        async def one(value: Any, config: RunnableConfig, outcome: Outcome) -> T | Exception:
            try:
                return await answer(value, config, decision_of(outcome))
            except Exception as error:
                if self._return_exceptions:
                    return error
                raise

        limit = self._configs[0].get("max_concurrency")
        answers = await gather_with_concurrency(limit, *map(one, self._inputs, self._configs, outcomes))
        return cast("list[T]", answers)

    @property
    def _valid(self) -> list[Request]:
        return [one for one in self._requests if not isinstance(one, Exception)]

    def _outcomes(self, decisions: Sequence[Decision]) -> list[Outcome]:
        rest = iter(decisions)
        return [one if isinstance(one, Exception) else next(rest) for one in self._requests]

    def _checked(
        self, read: Callable[[Any, RunnableConfig], Request], value: Any, config: RunnableConfig
    ) -> Request | Exception:
        try:
            request = read(value, config)
            self._policy.check(request)
        except Exception as error:  # noqa: BLE001 - one bad input of a batch is that input's own error
            return error
        return request
