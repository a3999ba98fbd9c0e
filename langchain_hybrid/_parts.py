"""The parts of a chat pair: its arms and settings checked, its profile merged."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from types import CellType, CodeType
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableBinding

from hybrid_llm.errors import ConfigError, HybridLLMWarning
from langchain_hybrid._messages import CONVERSATION, LAST_HUMAN

if TYPE_CHECKING:
    from hybrid_llm.level import Level
    from hybrid_llm.look import SecondLook

_OF_THE_ARMS: Final = frozenset(
    {"model", "temperature", "max_tokens", "timeout", "stop", "max_retries", "api_key", "base_url", "top_p", "seed"}
)
"""Settings that a chat model usually takes and a pair leaves to its arms."""
_EMPTY: Final = CellType()


def as_chat_arm(side: str, arm: Any) -> BaseChatModel:
    """Return an arm that is a chat model.

    Raises:
        TypeError: It is anything else.
    """
    if isinstance(arm, BaseChatModel):
        return arm
    if isinstance(arm, str):
        hint = f"pass the model itself, such as ChatOllama(model={arm!r}) or init_chat_model({arm!r})"
        raise TypeError(f"{side}={arm!r} is a name; {hint}.")
    if isinstance(arm, RunnableBinding):
        raise TypeError(
            f"{side}= has something bound to it already: pass the chat model itself, and bind to the pair, as in "
            "ChatHybrid(...).bind_tools(tools). (RunnableHybrid takes bound models.)"
        )
    raise TypeError(f"{side}= takes a chat model; got {type(arm).__name__}. (RunnableHybrid takes any runnable.)")


def merged_profiles(small: Mapping[str, Any], large: Mapping[str, Any]) -> dict[str, Any]:
    """Return a profile that holds for both models; what only one of them says anything about is left out."""
    merged: dict[str, Any] = {}
    for key in small.keys() & large.keys():
        one, other = small[key], large[key]
        if isinstance(one, bool) and isinstance(other, bool):
            merged[key] = one and other
        elif isinstance(one, int) and isinstance(other, int):
            merged[key] = min(one, other)
        elif one == other:
            merged[key] = one
    return merged


def checked_query(query: Any) -> str | Callable[[Any], str]:
    """Return what ``query=`` may be.

    Raises:
        ConfigError: It is neither of the two words nor a function.
    """
    if callable(query) or query in (LAST_HUMAN, CONVERSATION):
        return cast("str | Callable[[Any], str]", query)
    raise ConfigError(
        f"query={query!r} must be {LAST_HUMAN!r}, {CONVERSATION!r} or a function of the messages: a chat model's input "
        "has no keys."
    )


def own_settings(pair: type[BaseChatModel], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are the pair's own; warn of those of the arms.

    Raises:
        TypeError: There is no such setting.
    """
    unknown = settings.keys() - pair.model_fields.keys()
    strange = sorted(unknown - _OF_THE_ARMS)
    if strange:
        raise TypeError(f"{pair.__name__} takes no {', '.join(f'{name}=' for name in strange)}.")
    if unknown:
        warnings.warn(
            f"{', '.join(f'{name}=' for name in sorted(unknown))} is for a model to know: {pair.__name__} ignores it; "
            "give it to the models that you pass as small= and large=.",
            HybridLLMWarning,
            stacklevel=3,
        )
    return {name: value for name, value in settings.items() if name not in unknown}


def looked_at_by(
    look: SecondLook | None, checker: BaseChatModel | None, check: Any, level: Level | None
) -> tuple[Any, ...]:
    """Return what a held answer's place in a cache depends on besides both arms: look, level, checker and check."""
    model = None if checker is None else checker._get_llm_string()
    return (look and look.id, level and level.as_dict(), model, *_named(check))


def _named(check: Any) -> tuple[Any, ...]:
    """Return what tells a check from others: its name and its code, with all that this code works with."""
    code = getattr(check, "__code__", None)
    if code is None:
        return (None, None) if check is None else (getattr(check, "__qualname__", repr(check)), repr(check))
    cells = [cell.cell_contents for cell in check.__closure__ or () if cell != _EMPTY]
    works_with = (check.__defaults__, check.__kwdefaults__, cells, getattr(check, "__self__", None))
    said = repr((_parts_of(code), works_with)).encode("utf-8", "replace")
    return check.__qualname__, hashlib.sha256(said).hexdigest()[:16]


def _parts_of(code: CodeType) -> tuple[Any, ...]:
    """Return what a piece of code does, in values that are the same in each process."""
    inner = [_parts_of(one) if isinstance(one, CodeType) else one for one in code.co_consts]
    return code.co_code, code.co_names, inner


def refuse_pair(small: Any) -> None:
    """Refuse a small arm whose answers cannot be held back: a pair may have shown the large one's of its own.

    Raises:
        ConfigError: It is a pair.
    """
    if getattr(small, "_llm_type", None) == "hybrid-chat":
        raise ConfigError(
            "small= is a pair itself, whose answers this one cannot hold back: give second_look= and check= to the "
            "inner pair, or pass its small model here."
        )
