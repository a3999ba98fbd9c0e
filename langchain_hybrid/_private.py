"""What a private request needs of LangChain: its texts and marks found, its cache left out, a hosted tracer seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager, CallbackManager, Callbacks
from langchain_core.documents import Document
from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel, BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig, RunnableParallel, RunnableSequence

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import HOSTED, is_marked, refuse_other_model
from langchain_hybrid._within import Around

_SHORT: Final = 500
"""Characters of a text that no picture fits in."""
_MEDIA: Final = frozenset({"image", "image_url", "input_image", "audio", "input_audio", "video"})


def is_private(value: Any) -> bool:
    """Return whether some message of an input was the answer to a private request."""
    if isinstance(value, BaseMessage):
        return isinstance(value, AIMessage) and is_marked(value.response_metadata)
    if isinstance(value, PromptValue):
        return is_private(value.to_messages())
    if isinstance(value, Mapping):
        return any(map(is_private, value.values()))
    return isinstance(value, (list, tuple)) and any(map(is_private, value))


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text of an input: those of its messages, their tool calls, documents and all else that is in it.

    Example:
        >>> list(texts_in({"question": "Why?", "history": [AIMessage("4")], "n": 2}))
        ['Why?', '4', '2']
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseMessage):
        yield from texts_in(value.content)
        calls = (*getattr(value, "tool_calls", ()), *getattr(value, "invalid_tool_calls", ()))
        yield from (str(call["args"]) for call in calls)
        yield from texts_in([value.name, value.additional_kwargs])
    elif isinstance(value, PromptValue):
        yield from texts_in(value.to_messages())
    elif isinstance(value, Document):
        yield value.page_content
        yield from texts_in(value.metadata)
    elif isinstance(value, Mapping):
        found = (text for key, part in value.items() if key != "type" for text in texts_in(part))
        shows = value.get("type") in _MEDIA
        yield from (text for text in found if not (shows and _is_encoded(text)))
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from (text for part in value for text in texts_in(part))
    elif value is not None:
        yield str(value)


def _is_encoded(text: str) -> bool:
    """Return whether a text is the letters that a picture or a sound is sent as, which nobody reads."""
    return text.startswith("data:") or (len(text) > _SHORT and " " not in text[:_SHORT])


def hosted_tracer(config: RunnableConfig, own: Callbacks = None) -> str | None:
    """Return the address, or the name, of a hosted service that a run's texts are sent to; ``None`` for none.

    It is asked as LangChain does it: the callbacks of the run, of the model, and those that the environment switches
    on.

    Args:
        config: That of the run.
        own: The callbacks of the models themselves.
    """
    for handler in [*CallbackManager.configure(config.get("callbacks")).handlers, *_handlers_in(own)]:
        kind = type(handler)
        if any(base.__name__ == "LangChainTracer" for base in kind.__mro__):
            return str(getattr(getattr(handler, "client", None), "api_url", None) or "LangSmith")
        package = kind.__module__.partition(".")[0]
        if package in HOSTED:
            return f"{package}.{kind.__name__}"
    return None


def callbacks_of(*arms: Runnable[Any, Any] | None) -> list[BaseCallbackHandler]:
    """Return the handlers that arms bring themselves: those of their models, and those bound to their parts."""
    return [handler for arm in arms for handler in _brought_by(arm)]


def _brought_by(arm: Runnable[Any, Any] | None) -> list[BaseCallbackHandler]:
    if isinstance(arm, BaseLanguageModel):
        return _handlers_in(arm.callbacks)
    if isinstance(arm, RunnableBinding):
        return [*_handlers_in(arm.config.get("callbacks")), *callbacks_of(arm.bound)]
    if isinstance(arm, RunnableParallel):
        return callbacks_of(*arm.steps__.values())
    return callbacks_of(*arm.steps) if isinstance(arm, RunnableSequence) else []


def _handlers_in(callbacks: Callbacks) -> list[BaseCallbackHandler]:
    return callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else [*(callbacks or [])]


def refuse_other(decision: Decision, settings: Mapping[str, Any], model: BaseChatModel | None) -> None:
    """Refuse a private call that names another model than a chat model's own.

    Raises:
        PrivateError: It does.
    """
    if decision.private:
        own = None if model is None else model._get_ls_params().get("ls_model_name")
        refuse_other_model(decision, settings, own)


def uncached(arm: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Return an arm whose models look up and keep nothing in LangChain's cache; itself where none is in use.

    A model that a function calls, or that another runnable hides, cannot be reached.
    """
    if isinstance(arm, BaseLanguageModel):
        used = arm.cache is not False and (arm.cache or get_llm_cache() is not None)
        return arm.model_copy(update={"cache": False}) if used else arm
    if isinstance(arm, Around):
        return arm.around(uncached(arm.inner))
    if isinstance(arm, RunnableBinding):
        bound = uncached(arm.bound)
        return arm if bound is arm.bound else arm.model_copy(update={"bound": bound})
    if isinstance(arm, RunnableSequence):
        steps = [uncached(step) for step in arm.steps]
        return RunnableSequence(*steps, name=arm.name) if _changed(steps, arm.steps) else arm
    if isinstance(arm, RunnableParallel):
        branches = {name: uncached(step) for name, step in arm.steps__.items()}
        changed = _changed([*branches.values()], [*arm.steps__.values()])
        return RunnableParallel(branches) if changed else arm
    return arm


def _changed(new: Sequence[Any], old: Sequence[Any]) -> bool:
    return any(one is not other for one, other in zip(new, old, strict=True))
