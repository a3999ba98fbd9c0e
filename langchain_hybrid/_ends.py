"""How the answer of a chain's model ended, where what comes out of the chain no longer says so.

A text parser hands on the words and leaves the closing chunk behind, so a cut answer would pass for a whole one. The
model's own run tells: a handler hears how it ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.outputs import LLMResult
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig, RunnableSequence

from hybrid_llm.decision import Decision
from hybrid_llm.errors import CutAnswerError, NoAnswerError
from langchain_hybrid._answers import ANSWERS, closes, model_in
from langchain_hybrid._trace import First, put_first


def hides_ends(arm: Runnable[Any, Any]) -> bool:
    """Return whether an arm is a chain that ends in a model which says why it ends, and hands on only what it said."""
    while isinstance(arm, RunnableBinding):
        arm = arm.bound
    return isinstance(arm, RunnableSequence) and model_in(arm.steps[-1]) is None and closes(model_in(arm))


@contextmanager
def heard_to_the_end(config: RunnableConfig, decision: Decision) -> Iterator[None]:
    """Listen to the model that runs within, and refuse an answer of it that broke off.

    Args:
        config: That of the chain, with a callback manager of its own, which gets one more handler.
        decision: Where the request goes.

    Raises:
        CutAnswerError: It broke off.
        NoAnswerError: It held nothing, small gave it, and the chain could not read that.
    """
    ends = _Ends()
    put_first(cast("BaseCallbackManager", config["callbacks"]), [ends], inherit=True)
    try:
        yield
    except Exception as error:
        if ends.cut is not None:
            raise ends.cut from error
        if ends.nothing is not None and decision.route == "small":
            raise ends.nothing from error
        raise
    if ends.cut is not None:
        raise ends.cut


class _Ends(First):
    """Notes what is wrong with the answer that ended last, which is that of the chain's last model."""

    def __init__(self) -> None:
        self.cut: CutAnswerError | None = None
        self.nothing: NoAnswerError | None = None

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        answer = response.generations[0][0] if response.generations and response.generations[0] else None
        shown = answer is not None and ANSWERS.shows(answer)
        self.nothing = None if shown else ANSWERS.nothing(answer)
        self.cut = ANSWERS.cut() if shown and ANSWERS.ended(answer) is None else None
