"""Hybrid routing for LangChain: a chain, a chat model or an agent that a small or a large model answers.

``RunnableHybrid`` and ``ChatHybrid`` need ``langchain-core`` only (``pip install 'hybrid-llm[langchain]'``);
``HybridRouterMiddleware`` needs ``langchain`` (``pip install 'hybrid-llm[agents]'``). The names are imported when
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_llm.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
