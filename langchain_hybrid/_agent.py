"""What an agent's model call asks of the router, and the state that an agent keeps of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from langchain.agents import AgentState
from langchain.agents.middleware import ModelRequest
from langchain.agents.middleware.types import OmitFromSchema
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableBinding
from langchain_core.runnables.config import ensure_config

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import OF_A_CALL, Request
from langchain_hybrid._cache_marks import without_foreign_marks
from langchain_hybrid._history import safe_history
from langchain_hybrid._messages import as_function, request_of
from langchain_hybrid._options import read_options
from langchain_hybrid._private import callbacks_of, refuse_other
from langchain_hybrid._settings import settings_for

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Pair


class HybridState(AgentState[Any]):
    """The agent's state: its messages, and the decision that holds for the run."""

    hybrid: NotRequired[Annotated[dict[str, Any] | None, OmitFromSchema(input=True, output=False)]]


def as_model(side: str, arm: object) -> BaseChatModel:
    """Return the chat model that an arm is.

    Raises:
        TypeError: It is missing, a name, already bound, or no chat model.
    """
    if isinstance(arm, BaseChatModel):
        return arm
    if isinstance(arm, str):
        raise TypeError(
            f"{side}={arm!r} is a name; pass the model itself, such as ChatOllama(model={arm!r}) or "
            f"init_chat_model({arm!r})."
        )
    if isinstance(arm, RunnableBinding):
        raise TypeError(
            f"{side}= is already bound (bind_tools, bind, with_config); pass the model itself: the agent binds its "
            "tools to the arm that it calls."
        )
    raise TypeError(f"{side}= takes a chat model; got {'nothing' if arm is None else type(arm).__name__}.")


def read_request(
    call: ModelRequest[Any],
    query: str | Callable[[Any], str],
    small: BaseChatModel,
    checker: BaseChatModel | None = None,
    *,
    weigh_tools: bool,
) -> Request:
    """Make the core's request of an agent's model call.

    Args:
        call: The call.
        query: As in ``HybridRouterMiddleware``.
        small: The small arm: an agent's schema becomes what this arm's profile allows.
        checker: What its answers are compared with, if anything.
        weigh_tools: Whether to count the tokens of the tools' descriptions.

    Raises:
        LevelError: The context or the config has two levels, or one out of range.
        TypeError: The function given as ``query`` did not return a string.
    """
    messages = [*([call.system_message] if call.system_message else []), *call.messages]
    tool_choice, structured = _schema(call, small)
    return request_of(
        [_not_human(message) for message in messages],
        read_options(_chosen(call), ensure_config(), callbacks_of(small, checker)),
        query=query,
        tools=[*map(as_function, call.tools)] if weigh_tools else call.tools,
        tool_choice=tool_choice,
        structured=structured,
    )


def for_arm(call: ModelRequest[Any], arm: BaseChatModel, decision: Decision, pair: Pair) -> ModelRequest[Any]:
    """Return the call as an arm can take it, on copies: in its own words, without what another provider left.

    Raises:
        PrivateError: It is private, and its settings name another model.
    """
    refuse_other(decision, call.model_settings, arm)
    call = without_foreign_marks(call, arm)
    messages: Sequence[BaseMessage] = safe_history([*call.messages], arm, decision.route)
    settings = settings_for(pair, decision.route, arm, call.model_settings)
    return call.override(model=arm, messages=[*messages], model_settings=settings)  # type: ignore[list-item]


def _chosen(call: ModelRequest[Any]) -> dict[str, Any]:
    """Return the level or the route that the run's context names, as keys or as attributes."""
    context = getattr(call.runtime, "context", None)
    if isinstance(context, Mapping):
        return {name: context.get(name) for name in OF_A_CALL}
    return {name: getattr(context, name, None) for name in OF_A_CALL}


def _schema(call: ModelRequest[Any], small: BaseChatModel) -> tuple[Any, bool]:
    """Return the tool choice, and whether a schema has to be followed.

    Without a strategy of the user's own the agent asks a model for a schema by its provider's way, and where the
    profile names none by a tool that it has to call.
    """
    wanted = call.response_format
    if wanted is None:
        return call.tool_choice, False
    by_provider = isinstance(wanted, ProviderStrategy) or (
        not isinstance(wanted, ToolStrategy) and bool((small.profile or {}).get("structured_output"))
    )
    return (call.tool_choice, True) if by_provider else ("any", False)


def _not_human(message: BaseMessage) -> BaseMessage:
    """Return a summary of the conversation as what it is; the summarisation writes it in the user's name."""
    if isinstance(message, HumanMessage) and message.additional_kwargs.get("lc_source") == "summarization":
        return SystemMessage(message.content)
    return message
