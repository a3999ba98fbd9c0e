"""Hybrid routing for LangChain: a chain, a chat model or an agent that a small or a large model answers.

``RunnableHybrid`` and ``ChatHybrid`` need ``langchain-core`` only (``pip install 'hybrid-llm[langchain]'``);
``HybridRouterMiddleware`` needs ``langchain`` (``pip install 'hybrid-llm[agents]'``). The names are imported when
first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_hybrid.chat import ChatHybrid
    from langchain_hybrid.middleware import HybridRouterMiddleware
    from langchain_hybrid.runnable import RunnableHybrid

__all__ = ["ChatHybrid", "HybridRouterMiddleware", "RunnableHybrid"]

_HOMES = {
    "ChatHybrid": "langchain_hybrid.chat",
    "HybridRouterMiddleware": "langchain_hybrid.middleware",
    "RunnableHybrid": "langchain_hybrid.runnable",
}
_EXTRAS = {"langchain_core": "langchain", "langchain": "agents", "langgraph": "agents"}
"""Which extra brings a package that is missing."""


def __getattr__(name: str) -> Any:
    """Import a public name from its home the first time it is used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        from hybrid_llm.errors import MissingExtraError

        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        raise MissingExtraError.of(name, extra) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, also those not imported yet."""
    return sorted(__all__)
