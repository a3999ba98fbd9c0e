"""Watches the models of an agent's step by their callbacks.

An agent calls its model in one piece, and the tokens go to the readers by callbacks. When the arm breaks after the
first of them, the other arm must not start again from the beginning under the reader's eyes: two half answers are never
glued together. And a middleware nearer to the model may put another one in the arm's place when the arm has failed,
which nobody would notice: where the caller said that it has to be small, that one is stopped before it is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, var_child_runnable_config
from langgraph.errors import GraphBubbleUp

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import is_behind
from langchain_hybrid._mute import reads_tokens
from langchain_hybrid._readers import OneAnswer, Watch
from langchain_hybrid._trace import First, ShowsDecision, put_first, traced


class Attempts:
    """The calls of one step's arms, of which only one may show a reader anything.

    Example:
        >>> from hybrid_llm import Decision
        >>> attempts = Attempts()
        >>> with attempts.raising(), attempts.of(Decision("small")):
        ...     pass  # call the arm: its run is tagged route:small and carries the decision
    """

    def __init__(self) -> None:
        self._shown = OneAnswer()

    @contextmanager
    def of(self, decision: Decision, arm: BaseChatModel | None = None) -> Iterator[None]:
        """Mark the runs within with their decision, and watch their tokens.

        Args:
            decision: That of the attempt.
            arm: Its model: where small has to answer, by the caller's word or for privacy, no other one runs.

        Raises:
            HalfAnswerError: A reader has seen tokens of the attempt before.
        """
        if is_behind():  # the answer has been read, and nobody reads this
            with nullcontext() if arm is None else only(arm):
                yield
            return
        watch = self._shown.next()
        alone = _Alone(arm) if arm is not None and _has_to_be_small(decision) else None
        before = var_child_runnable_config.set(_marked(ensure_config(), decision, watch, alone))
        try:
            with self._shown.alone(decision):
                yield
        except OtherModelError:
            if alone is None or alone.error is None:
                raise
            raise alone.error from None
        finally:
            var_child_runnable_config.reset(before)

    def raising(self) -> AbstractContextManager[None]:
        """Raise the arm's own error in place of a :class:`HalfAnswerError`."""
        return self._shown.raising()


@contextmanager
def only(arm: BaseChatModel) -> Iterator[None]:
    """Let no other model run within in an arm's place, as a middleware would have it: such as that of a checker.

    Args:
        arm: The model.
    """
    alone = _Alone(arm)
    before = var_child_runnable_config.set(_with_first(ensure_config(), [alone]))
    try:
        yield
    except OtherModelError:
        if alone.error is None:
            raise
        raise alone.error from None
    finally:
        var_child_runnable_config.reset(before)


class OtherModelError(GraphBubbleUp):
    """Another model was to run in the arm's place; of a kind that middlewares hand on and do not answer."""


class _Alone(First):
    """Lets no other model run than the arm once the arm has failed, and keeps what it failed with."""

    raise_error = behind = True

    def __init__(self, arm: BaseChatModel) -> None:
        self._arm = arm
        self._runs: set[UUID] = set()
        self.error: BaseException | None = None

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **_: Any) -> None:
        if serialized is self._arm._serialized:
            self._runs.add(run_id)
        elif self.error is not None:
            raise OtherModelError

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        if run_id in self._runs:
            self.error = error


def _has_to_be_small(decision: Decision) -> bool:
    all_small = decision.level is not None and decision.level.sends_all_to == "small"
    return decision.route == "small" and (decision.private or decision.reason == "forced" or all_small)


def _marked(
    config: RunnableConfig, decision: Decision, watch: Watch, alone: BaseCallbackHandler | None
) -> RunnableConfig:
    """Return a config whose runs are marked with the decision, and watched when somebody reads their tokens."""
    callbacks = config.get("callbacks")
    handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or []
    ours: list[BaseCallbackHandler] = [alone] if alone is not None else []
    if handlers:
        ours += [ShowsDecision(decision), *([watch] if any(map(reads_tokens, handlers)) else [])]
    return traced(_with_first(config, ours) if ours else config, decision)


def _with_first(config: RunnableConfig, ours: list[BaseCallbackHandler]) -> RunnableConfig:
    """Return a config with handlers before its own."""
    callbacks = config.get("callbacks")
    if not isinstance(callbacks, BaseCallbackManager):
        return {**config, "callbacks": [*ours, *(callbacks or [])]}
    callbacks = callbacks.copy()
    put_first(callbacks, ours, inherit=True)
    return {**config, "callbacks": callbacks}
