"""What the models of a chain used, where what comes out of the chain no longer says so."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import LLMResult
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig

from hybrid_llm.dispatch import Attempts
from langchain_hybrid._answers import used
from langchain_hybrid._trace import First, put_first


def hides_usage(arm: Runnable[Any, Any]) -> bool:
    """Return whether an arm is something else than one chat model, whose answer says what it used."""
    while isinstance(arm, RunnableBinding):
        arm = arm.bound
    return not isinstance(arm, BaseChatModel)


def count_usage(config: RunnableConfig, attempts: Attempts) -> None:
    """Have the models that run under a config tell what they use.

    Args:
        config: That of the chain, with a callback manager of its own, which gets one more handler.
        attempts: Where it is noted.
    """
    put_first(cast("BaseCallbackManager", config["callbacks"]), [_Counts(attempts)], inherit=True)


class _Counts(First):
    """Tells what each model used when it has answered."""

    def __init__(self, attempts: Attempts) -> None:
        self._tell = attempts.telling

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        answer = response.generations[0][0] if response.generations and response.generations[0] else None
        usage = used(answer)
        if usage is not None:
            self._tell(usage)
